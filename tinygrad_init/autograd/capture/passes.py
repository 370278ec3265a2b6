"""Passes over a recorded program: fewer calls, the same results.

The rules of derivatives are written to be read. Run as they stand they compute some things twice,
some for nobody, and some that are known beforehand. Each pass here removes one kind of these.

- *Known numbers.* A walk back starts from the number 1, and a mean divides it by a count: the
  gradient of each error in ``mse`` is one number, repeated. It is computed now and not in replays.
- *Nothing done.* ``x * 1`` is ``x``, down to the last bit; so is a reshape to the same shape.
- *Repeated calls.* ``e * e`` gives each of its two arguments the gradient ``g * e``: one call will
  do. A random draw is no repetition.
- *Sums of products.* The sum of all ``a * b`` is the product of two vectors: one call of the BLAS,
  as exact as NumPy's sum if there are not very many.
- *Dead calls.* Rules give a gradient to constants of the program, too, if they are Tensors that
  require one. What leads neither to the loss nor to a parameter's gradient is dropped. Not draws:
  they move their generator on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .. import modes
from ..inputs import Array
from ..operations import F
from .recording import MEMORY, NUMBER, RESULT, Call, Program, Slot

MANY = 2**16  #: entries, above which NumPy's way of adding in pairs is clearly more exact


def simplified(program: Program) -> Program:
    """The same program in fewer calls."""
    calls: list[Call] = []
    now: dict[Slot, Slot] = {}  # what stands for a result from here on
    earlier: dict[Any, Slot] = {}
    made: dict[Slot, Call] = {}
    for recorded in program.calls:
        call = _with_slots(recorded, now)
        call.result.base = call.operands[0] if call.is_view else None
        key = _key(call)
        same = earlier.get(key) or _memory(call) or _number(call) or _unchanged(call)
        if same is None:
            calls += _as_product_of_vectors(call, made) or [call]
            same = call.result
            made[same] = call
        if call.is_pure:
            earlier[key] = same
        now[recorded.result] = same
    loss = now.get(program.loss, program.loss)
    gradients = [now.get(slot, slot) for slot in program.gradients]
    return replace(program, calls=_alive(calls, [loss, *gradients]), loss=loss, gradients=gradients)


def _with_slots(call: Call, now: dict[Slot, Slot]) -> Call:
    """The call with other slots in place of those in ``now``."""

    def change(part: Any) -> Any:
        return now.get(part, part) if isinstance(part, Slot) else part

    params = call.params
    if isinstance(params.get("index"), tuple):
        params = {**params, "index": tuple(map(change, params["index"]))}
    return replace(call, operands=tuple(map(change, call.operands)), params=params)


def _memory(call: Call) -> Slot | None:
    """A view of memory that exists is memory that exists."""
    if call.is_view and call.operands[0].kind == MEMORY:
        of = call.operands[0]
        return Slot(MEMORY, call.result.array, call.name_of_view(of.name), of)
    return None


def _number(call: Call) -> Slot | None:
    """The result, if it follows from known numbers, and is one number repeated."""
    array = call.result.array
    if not (call.is_pure and array.size and all(slot.kind == NUMBER for slot in call.reads)):
        return None
    first = _first(array)
    return Slot(NUMBER, np.broadcast_to(first, array.shape)) if (array == first).all() else None


def _first(array: Array) -> Array:
    return np.asarray(array[(0,) * array.ndim])


def _unchanged(call: Call) -> Slot | None:
    """The operand that the call would only repeat."""
    if call.operation.name in ("multiply", "divide"):
        for x, y in (call.operands, call.operands[::-1]):
            is_like_result = isinstance(x, Slot) and _is_like(x, call.result)
            if is_like_result and _is_one(y) and (x is call.operands[0] or _commutes(call)):
                return x
    if call.is_view and call.operands[0].array.shape == call.result.array.shape:
        return call.operands[0] if call.operation.name in ("reshape", "broadcast_to") else None
    return None


def _as_product_of_vectors(call: Call, made: dict[Slot, Call]) -> list[Call]:
    """A sum over all entries of a product of two arrays; nothing if it is something else."""
    product = made.get(call.operands[0]) if call.operands else None
    if product is None or call.operation is not F.sum or product.operation is not F.multiply:
        return []
    is_exact = modes.EXACT in (call.arithmetic, product.arithmetic)
    is_whole = call.result.array.shape == () and 0 < product.result.array.size <= MANY
    alike = [isinstance(x, Slot) and _is_like(x, product.result) for x in product.operands]
    are_rows = all(alike) and product.result.array.flags.c_contiguous
    are_results = are_rows and all(x.kind == RESULT for x in product.operands)
    if is_exact or not is_whole or not are_results or product.result.array.dtype.char not in "fd":
        return []
    views = [
        Call(F.reshape, modes.PLAIN, (x,), {"shape": (-1,)},
             Slot(RESULT, x.array.reshape(-1), base=x), call.scope)
        for x in dict.fromkeys(product.operands)
    ]  # fmt: skip
    first, last = views[0].result, views[-1].result
    return [*views, Call(F.matmul, modes.PLAIN, (first, last), {}, call.result, call.scope)]


def _commutes(call: Call) -> bool:
    return call.operation.name == "multiply"


def _is_like(x: Slot, y: Slot) -> bool:
    return all(getattr(x.array, k) == getattr(y.array, k) for k in ("shape", "dtype", "strides"))


def _is_one(operand: Any) -> bool:
    if isinstance(operand, Slot):
        return operand.kind == NUMBER and bool(_first(operand.array) == 1)
    return type(operand) in (int, float) and operand == 1


def _key(call: Call) -> Any:
    """Equal for calls that give the same."""
    settings = tuple((name, _key_of(value)) for name, value in call.params.items())
    operands = tuple(map(_key_of, call.operands))
    return call.operation, call.arithmetic, operands, settings


def _key_of(value: Any) -> Any:
    """Something hashable: by value for plain settings, by identity for all else."""
    if isinstance(value, tuple):
        return tuple(map(_key_of, value))
    if isinstance(value, slice):
        return "slice", value.start, value.stop, value.step
    if isinstance(value, Slot) and value.kind == NUMBER:
        return "number", value.array.dtype.str, value.array.shape, _first(value.array).tobytes()
    if value is None or value is ... or isinstance(value, (bool, int, float, str, np.dtype)):
        return type(value).__name__, repr(value)  # repr tells 0.0 from -0.0
    return id(value)


def _alive(calls: list[Call], wanted: list[Slot]) -> list[Call]:
    """The calls on which something wanted depends, and those that do more than compute."""
    needed = set(wanted)
    kept = []
    for call in reversed(calls):
        if call.result in needed or not call.is_pure:
            needed.update(call.reads)
            kept.append(call)
    return kept[::-1]
