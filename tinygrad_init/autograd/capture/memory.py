"""Where the results of a program live: as little memory as their lifetimes allow.

- A *view* (a transpose, a reshape, a slice) is made once, and lives where its base lives.
- The gradient of a parameter is computed where it is to end up: in one flat array for all gradients
  of a dtype, of which each parameter's ``.grad`` is a view.
- A result that is computed entry by entry takes the place of an operand that nobody reads again.
- For all others there is one stretch of memory. Two of them may lie in the same place if one is
  dead before the other is born. The largest are placed first, each as far to the front as it fits:
  a rule of thumb that comes close to the best, which would be hard to find. Where a gradient will
  be is free until then, too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .. import modes
from ..inputs import Array
from ..operations import F
from ..tensor import Tensor
from .kernels import can_overwrite
from .recording import RESULT, Call, Program, Slot

LINE = 64  #: bytes: results start where a line of the processor's cache does
FOREVER = sys.maxsize


@dataclass(eq=False)
class Storage:
    """Memory for one result, or for several of which each overwrites the one before.

    Attributes:
        name: what a listing calls it.
        first, last: the calls between which it is in use.
        size: in bytes.
        home: where it has to be, if it is a gradient.
        offset: its place in the memory of the step.
    """

    name: str
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
    """

    calls: list[Call]
    arrays: dict[Slot, Array] = field(default_factory=dict)
    storages: dict[Slot, Storage] = field(default_factory=dict)
    overwritten: dict[Slot, Slot] = field(default_factory=dict)


class Memory:
    """The memory of a step, which its plans share: only one of them runs at a time.

    It consists of the flat arrays of the gradients and of an arena for all else. A gradient needs
    its place from when it is computed; until then, other results may lie there. So places are
    counted through all parts, with a wall behind each across which no result may lie.

    Attributes:
        gradients: for each parameter where its gradient goes; views of one flat array for each
            dtype.
    """

    def __init__(self, params: Sequence[Tensor]) -> None:
        self._parts: list[Array] = []  #: as bytes
        found: dict[Tensor, Array] = {}
        for dtype in {param.dtype: None for param in params}:
            alike = [param for param in params if param.dtype == dtype]
            ends = np.cumsum([param.size for param in alike])
            flat = np.zeros(ends[-1], dtype)
            self._parts.append(flat.view(np.uint8))
            for param, part in zip(alike, np.split(flat, ends[:-1]), strict=True):
                found[param] = part.reshape(param.shape)
        self.gradients = [found[param] for param in params]
        starts = np.cumsum([_round_up(part.size) + LINE for part in self._parts])
        self._starts = [0, *map(int, starts)]
        self._arena = np.empty(0, np.uint8)

    def holds(self, array: Array) -> bool:
        """Whether it is a gradient of this step, or a view of one."""
        return array.base is not None and any(array.base is part.base for part in self._parts)

    def walls(self) -> list[Storage]:
        """What keeps results from lying across the end of a part."""
        ends = [start + part.size for start, part in zip(self._starts, self._parts, strict=False)]
        return [
            Storage("wall", 0, FOREVER, following - end, offset=end)
            for end, following in zip(ends, self._starts[1:], strict=True)
        ]

    def offset(self, home: Array) -> int:
        """The place of a gradient."""
        for start, part in zip(self._starts, self._parts, strict=False):
            distance = home.ctypes.data - part.ctypes.data
            if 0 <= distance < part.size:
                return start + distance
        return 0  # it has no entries

    def reserve(self, end: int) -> None:
        """Have memory up to that place."""
        size = max(end - self._starts[-1], 0) + LINE
        if self._arena.size < size:
            self._arena = np.empty(size, np.uint8)

    def array(self, offset: int, like: Array) -> Array:
        """An array at that place, laid out as another one."""
        for start, part in zip(self._starts, self._parts, strict=False):
            if start <= offset <= start + part.size - like.nbytes:
                return np.ndarray(like.shape, like.dtype, part, offset - start, like.strides)
        offset += -self._arena.ctypes.data % LINE - self._starts[-1]
        return np.ndarray(like.shape, like.dtype, self._arena, offset, like.strides)


def layout(program: Program, memory: Memory) -> Layout:
    """Decide where each result of ``program`` lives."""
    calls, at_home = _gradients_at_home(program, memory.gradients)
    found = Layout(calls)
    last = _last_reads(calls, program.loss)
    for position, call in enumerate(calls):
        slot = call.result
        if call.is_view:
            if slot.root.kind == RESULT:
                found.storages[slot] = found.storages[call.operands[0]]
            continue
        name, home = at_home.get(slot, ("", None))
        victim = _victim(call, position, found.storages) if home is None else None
        if victim is None:
            found.storages[slot] = Storage(name, position, position, slot.array.nbytes, home)
        else:
            found.overwritten[slot] = victim
            found.storages[slot] = found.storages[victim]
        found.storages[slot].last = last.get(slot, position)
    storages = list(dict.fromkeys(found.storages.values()))
    free = [storage for storage in storages if storage.home is None]
    for number, storage in enumerate(free, start=1):
        storage.name = f"m{number}"
    for storage in storages:
        if storage.home is not None:
            storage.offset, storage.last = memory.offset(storage.home), FOREVER
    memory.reserve(_pack(free, [*memory.walls(), *(s for s in storages if s.home is not None)]))
    _make_arrays(found, memory)
    return found


def _gradients_at_home(
    program: Program, homes: Sequence[Array]
) -> tuple[list[Call], dict[Slot, tuple[str, Array]]]:
    """Names and homes of gradients. Those that cannot be computed there are copied by calls."""
    calls, at_home = list(program.calls), {}
    names = [f"grad {name}" for name in program.parameters]
    for slot, home, name in zip(program.gradients, homes, names, strict=True):
        base = slot.root
        is_whole = base.array.size == slot.array.size and base.array.dtype == slot.array.dtype
        is_in_order = base.array.flags.c_contiguous and slot.array.flags.c_contiguous
        if base.kind == RESULT and base not in at_home and is_whole and is_in_order:
            at_home[base] = name, home.reshape(base.array.shape)
            continue
        copy = Slot(RESULT, home)
        at_home[copy] = name, home
        made = [k for k, call in enumerate(calls, start=1) if call.result is slot]
        place = made[0] if made else len(calls)
        calls.insert(place, Call(F.positive, modes.PLAIN, (slot,), {}, copy))
    return calls, at_home


def _last_reads(calls: Sequence[Call], loss: Slot) -> dict[Slot, int]:
    """The position of the last call that reads a result or a view of it."""
    last: dict[Slot, int] = {}
    for position, call in enumerate(calls):
        last.update((slot.root, position) for slot in call.reads if not call.is_view)
    last[loss.root] = len(calls)
    return last


def _victim(call: Call, position: int, storages: dict[Slot, Storage]) -> Slot | None:
    """An operand whose place the result may take: nobody reads it after this call."""
    for slot in call.reads:
        storage = storages.get(slot)
        others = [storages.get(other) for other in call.reads if other is not slot]
        if (
            storage is not None and storage.home is None and storage.last <= position
            and storage not in others and can_overwrite(call, slot)
            and slot.array.size != 1  # in place, NumPy takes twice as long for a single entry
            and slot.array.shape == call.result.array.shape
            and slot.array.dtype == call.result.array.dtype
            and slot.array.strides == call.result.array.strides
        ):  # fmt: skip
            return slot
    return None


def _pack(storages: Sequence[Storage], placed: list[Storage]) -> int:
    """Give a place to each storage, beside those that are ``placed``; where the last one ends."""
    # Columns: the first and the last call, where it starts and where it ends; by place.
    rows = np.array([_row(storage) for storage in placed])
    rows = rows[np.argsort(rows[:, 2], kind="stable")]
    # Those that die last are the least welcome where gradients will be, so they choose first.
    for storage in sorted(storages, key=lambda storage: (-storage.size, -storage.last)):
        met = rows[(rows[:, 1] >= storage.first) & (rows[:, 0] <= storage.last)]
        # Before each that it would meet, and behind the last, there may be a gap.
        starts = np.maximum.accumulate(np.append(0, met[:, 3]))
        gaps = np.append(met[:, 2], FOREVER) - starts
        storage.offset = int(starts[np.argmax(gaps >= storage.size)])
        place = np.searchsorted(rows[:, 2], storage.offset, side="right")
        rows = np.insert(rows, place, _row(storage), axis=0)
    return int(rows[:, 3].max())


def _row(storage: Storage) -> tuple[int, int, int, int]:
    end = _round_up(storage.offset + storage.size)
    return storage.first, storage.last, storage.offset, end


def _round_up(size: int) -> int:
    return -(-size // LINE) * LINE


def _make_arrays(found: Layout, memory: Memory) -> None:
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
            array = memory.array(storage.offset, like)
        found.arrays[slot] = array
