"""Where the results of a program live: as little memory as their lifetimes allow.

- A *view* (a transpose, a reshape, a slice) is made once, and lives where its base lives.
- The gradient of a parameter is computed where it is to end up: in one flat array for all gradients
  of a dtype, of which each parameter's ``.grad`` is a view.
- A result that is computed entry by entry takes the place of an operand that nobody reads again.
- All others share one stretch of memory, the *arena*. Two results may lie in the same place of it
  if one is dead before the other is born. The largest are placed first, each as far to the front as
  it fits: a rule of thumb that comes close to the best, which would be hard to find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .. import modes
from ..inputs import Array
from ..operations import F
from ..tensor import Tensor
from .kernels import can_overwrite
from .recording import RESULT, Call, Program, Slot

LINE = 64  #: bytes: each storage starts where a line of the processor's cache does


@dataclass(eq=False)
class Storage:
    """Memory for one result, or for several of which each overwrites the one before.

    Attributes:
        first, last: the calls between which it is in use.
        size: in bytes.
        home: where it has to be, if it has.
        offset: where it is in the arena, otherwise.
    """

    first: int
    last: int
    size: int
    home: Array | None = None
    offset: int = 0


@dataclass
class Layout:
    """What lives where.

    Attributes:
        calls: those of the program, and copies of gradients that are not computed in place.
        arrays: of each result.
        storages: of each result.
        overwritten: of each result that takes the place of an operand, that operand.
        arena: how many bytes the storages without a home share.
    """

    calls: list[Call]
    arrays: dict[Slot, Array] = field(default_factory=dict)
    storages: dict[Slot, Storage] = field(default_factory=dict)
    overwritten: dict[Slot, Slot] = field(default_factory=dict)
    arena: int = 0


def flat_gradients(params: Sequence[Tensor]) -> list[Array]:
    """A gradient for each parameter; those of one dtype lie side by side in one array."""
    found: dict[Tensor, Array] = {}
    for dtype in {param.dtype: None for param in params}:
        alike = [param for param in params if param.dtype == dtype]
        ends = np.cumsum([param.size for param in alike])
        parts = np.split(np.zeros(ends[-1], dtype), ends[:-1])
        found.update((param, part.reshape(param.shape)) for param, part in zip(alike, parts))
    return [found[param] for param in params]


def layout(program: Program, homes: Sequence[Array]) -> Layout:
    """Decide where each result of ``program`` lives; its gradients are to be in ``homes``."""
    calls, at_home = _gradients_at_home(program, homes)
    found = Layout(calls)
    last = _last_reads(calls, program.loss)
    for position, call in enumerate(calls):
        slot = call.result
        if call.is_view:
            if root(slot).kind == RESULT:
                found.storages[slot] = found.storages[call.operands[0]]
            continue
        home = at_home.get(slot)
        victim = _victim(call, position, found.storages) if home is None else None
        if victim is None:
            found.storages[slot] = Storage(position, position, slot.array.nbytes, home)
        else:
            found.overwritten[slot] = victim
            found.storages[slot] = found.storages[victim]
        found.storages[slot].last = last.get(slot, position)
    found.arena = _pack([s for s in {*found.storages.values()} if s.home is None])
    _make_arrays(found)
    return found


def root(slot: Slot) -> Slot:
    """What a view is, in the end, a view of."""
    while slot.base is not None:
        slot = slot.base
    return slot


def _gradients_at_home(
    program: Program, homes: Sequence[Array]
) -> tuple[list[Call], dict[Slot, Array]]:
    """The calls, with copies of the gradients that cannot be computed at home; homes of others."""
    calls, at_home = list(program.calls), {}
    for slot, home in zip(program.gradients, homes, strict=True):
        base = root(slot)
        is_whole = base.array.size == slot.array.size and base.array.dtype == slot.array.dtype
        is_in_order = base.array.flags.c_contiguous and slot.array.flags.c_contiguous
        if base.kind == RESULT and base not in at_home and is_whole and is_in_order:
            at_home[base] = home.reshape(base.array.shape)
            continue
        copy = Slot(RESULT, home)
        at_home[copy] = home
        made = [k for k, call in enumerate(calls, start=1) if call.result is slot]
        place = made[0] if made else len(calls)
        calls.insert(place, Call(F.positive, modes.PLAIN, (slot,), {}, copy))
    return calls, at_home


def _last_reads(calls: Sequence[Call], loss: Slot) -> dict[Slot, int]:
    """The position of the last call that reads a result or a view of it."""
    last = {}
    for position, call in enumerate(calls):
        last.update((root(slot), position) for slot in call.reads if not call.is_view)
    last[root(loss)] = len(calls)
    return last


def _victim(call: Call, position: int, storages: dict[Slot, Storage]) -> Slot | None:
    """An operand whose place the result may take: nobody reads it after this call."""
    for slot in call.reads:
        storage = storages.get(slot)
        others = [storages.get(other) for other in call.reads if other is not slot]
        if (
            storage is not None and storage.home is None and storage.last <= position
            and storage not in others and can_overwrite(call, slot)
            and slot.array.shape == call.result.array.shape
            and slot.array.dtype == call.result.array.dtype
            and slot.array.strides == call.result.array.strides
        ):  # fmt: skip
            return slot
    return None


def _pack(storages: Sequence[Storage]) -> int:
    """Give each storage an offset in the arena; the size of the arena."""
    placed: list[Storage] = []
    for storage in sorted(storages, key=lambda storage: (-storage.size, storage.first)):
        offset = 0
        for other in placed:  # in the order of their offsets
            is_apart = other.last < storage.first or storage.last < other.first
            if not is_apart and other.offset < offset + storage.size:
                offset = max(offset, _round_up(other.offset + other.size))
        storage.offset = offset
        placed.append(storage)
        placed.sort(key=lambda storage: storage.offset)
    return max((storage.offset + storage.size for storage in placed), default=0)


def _round_up(size: int) -> int:
    return -(-size // LINE) * LINE


def _make_arrays(found: Layout) -> None:
    memory = np.empty(found.arena + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    for call in found.calls:
        slot = call.result
        storage, like = found.storages.get(slot), slot.array
        if storage is None:
            continue  # a view of an argument, made in each replay
        if call.is_view:
            array = call.kernel(found.arrays[call.operands[0]], **call.params)
        elif slot in found.overwritten:
            array = found.arrays[found.overwritten[slot]]
        elif storage.home is not None:
            array = storage.home
        else:
            offset = start + storage.offset
            array = np.ndarray(like.shape, like.dtype, memory, offset, like.strides)
        found.arrays[slot] = array
