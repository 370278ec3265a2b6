"""How an operation writes its result into memory that is there already.

NumPy's ufuncs take ``out=``. For other rows this module knows a way through functions that do; the
rest is computed as ever, and copied. Three ways are chosen for their speed:

- A product of two small matrices goes through ``ndarray.dot``, which hands it to the same routine
  of the BLAS as ``matmul`` and is there half a microsecond earlier (but fills the result with zeros
  first). A sum over some axes is a product with ones, since the BLAS adds faster than NumPy; 10
  times so where rows are short.
- ``where(mask, x, 0)`` is slow on a random mask: the processor guesses each entry, wrongly half of
  the time. Multiplying the bits of x, read as an integer, by 0 or 1 gives the same, down to nan and
  the sign of zero, without a guess.
- The maximum of an array and one number is slow in NumPy; that with a row of zeros is not.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import modes
from ..axes import axes_of
from ..inputs import Array
from ..operations import F
from ..operations.choices import check_labels
from ..operations.reductions import MANY, SHORT
from . import complaints
from .recording import ARGUMENT, NUMBER, Call, Slot

Function = Callable[..., Any]
Step = tuple[Function, list[Any]]  #: what a replay calls, and with which arguments

_IN_PLACE = ("relu", "power", "reciprocal")  #: rows that go through a ufunc, entry by entry
_BY_KEYWORD = (np.maximum, np.minimum)  #: ufuncs that want ``out`` by its name
_ROW = 8192  #: zeros to compare with at once
_SMALL = 2**17  #: bytes that are filled with zeros in no time
_SHORT = 1024  #: entries of a row, above which NumPy's way of adding in pairs is more exact


def steps(call: Call, out: Array, operands: list[Any]) -> list[Step]:
    """What writes the result of ``call`` into ``out``.

    Args:
        call: an operation that computes, no view.
        out: its place; the memory of an operand where :func:`can_overwrite` allows it.
        operands: arrays and Python's numbers. A :class:`Slot` stands for an array that each replay
            puts in its place.
    """
    if is_ufunc(call):
        return [_of_ufunc(call.kernel, out, operands)]
    write = _WRITERS.get(call.operation.name) if _is_known(call) else None
    found = write(call, out, *operands) if write is not None else None
    return [_computed_and_copied(call, out, operands)] if found is None else found


def is_ufunc(call: Call) -> bool:
    """Whether it is a ufunc that works entry by entry (unlike ``matmul``)."""
    return isinstance(call.kernel, np.ufunc) and call.kernel.signature is None


def is_entry_by_entry(call: Call) -> bool:
    """Whether an operand may also be one number in place of an array of equal numbers."""
    return is_ufunc(call) or (_is_known(call) and call.operation.name in (*_IN_PLACE, "where"))


def can_overwrite(call: Call, operand: Slot) -> bool:
    """Whether the result may take the place of an operand of its shape and dtype."""
    if _is_known(call) and call.operation.name == "where":
        return operand is call.operands[1] and _selects_or_zero(call)
    return is_ufunc(call) or (_is_known(call) and call.operation.name in _IN_PLACE)


def _is_known(call: Call) -> bool:
    """Whether the kernel is that of a row of our table in ordinary arithmetic."""
    return call.is_ours and call.kernel is call.operation.kernels[modes.PLAIN]


def _selects_or_zero(call: Call) -> bool:
    """Whether it is ``where(mask, x, 0)``, of bools and floats of one shape."""
    mask, x, other = call.operands
    is_zero = other is not None and not isinstance(other, Slot) and repr(other) in ("0", "0.0")
    if isinstance(other, Slot) and other.kind == NUMBER:
        is_zero = not other.array[(0,) * other.array.ndim].tobytes().strip(b"\0")
    return (
        is_zero
        and isinstance(mask, Slot) and mask.array.dtype.kind == "b"
        and isinstance(x, Slot) and x.root.kind != ARGUMENT
        and x.array.dtype == call.result.array.dtype and x.array.dtype.kind == "f"
    )  # fmt: skip


def _of_ufunc(ufunc: Any, out: Array, operands: list[Any]) -> Step:
    """Python's numbers become arrays of the dtype in which the ufunc computes: made once."""
    weak = [x if _is_array(x) else np.dtype(bool) if isinstance(x, bool) else type(x)
            for x in operands]
    dtypes = ufunc.resolve_dtypes((*(_dtype(x) if _is_array(x) else x for x in weak), None))
    typed = [x if _is_array(x) else _number(x, dtype)
             for x, dtype in zip(operands, dtypes, strict=False)]
    if any(_shape(x) == out.shape for x in typed):  # one entry is sooner read than broadcast
        typed = [x.reshape(()) if isinstance(x, np.ndarray) and x.size == 1 else x for x in typed]
    if ufunc in _BY_KEYWORD:
        return functools.partial(ufunc, out=out), typed
    return ufunc, [*typed, out]


def _number(number: Any, dtype: Any) -> Any:
    try:
        with np.errstate(over="ignore"):
            return np.asarray(number, dtype)
    except OverflowError:  # a comparison with an integer beyond the dtype
        return number


def _computed_and_copied(call: Call, out: Array, operands: list[Any]) -> Step:
    """For kernels that know no ``out``; the parts of an index count as operands."""
    name, kernel, settings, count = call.operation.name, call.kernel, call.params, len(operands)
    index = settings.get("index")
    is_indexed = isinstance(index, tuple)

    def compute(out: Array, *parts: Any) -> None:
        params = {**settings, "index": parts[count:]} if is_indexed else settings
        result = np.asarray(kernel(*parts[:count], **params))
        if result.shape != out.shape:
            raise complaints.other_shape(name, result.shape, out.shape)
        np.copyto(out, result)

    if call.arithmetic != modes.current().arithmetic:  # the kernel may ask which one is in force
        compute = modes.in_arithmetic(call.arithmetic)(compute)
    return compute, [out, *operands, *(index if isinstance(index, tuple) else ())]


# The ways of single rows: (call, out, *operands) -> steps, or None if there is none this time.


def _product(out: Array, a: Any, b: Any) -> list[Step]:
    are_matrices = {_ndim(a), _ndim(b)} <= {1, 2}
    is_blas = _dtype(a) == _dtype(b) == out.dtype and out.dtype.char in "fd"
    if are_matrices and is_blas and out.flags.c_contiguous and out.nbytes <= _SMALL:
        return [(np.ndarray.dot, [a, b, out])]
    return [(np.matmul, [a, b, out])]


def _sum(call: Call, out: Array, x: Any) -> list[Step]:
    is_rows = call.operation is F.sum_rows
    axes = (_ndim(x) - 2,) if is_rows else axes_of(call.params["axis"], _ndim(x))
    found = _product_with_ones(out, x, axes) if isinstance(x, np.ndarray) else None
    return found or [(np.add.reduce, [x, axes, None, out, call.params.get("keepdims", False)])]


def _product_with_ones(out: Array, x: Array, axes: tuple[int, ...]) -> list[Step] | None:
    """A sum over neighbouring axes, but not over all, of floats that the BLAS knows."""
    if not axes or axes != tuple(range(axes[0], axes[-1] + 1)) or x.dtype.char not in "fd":
        return None
    outer, summed, inner = (
        math.prod(x.shape[part])
        for part in (slice(axes[0]), slice(axes[0], axes[-1] + 1), slice(axes[-1] + 1, None))
    )
    whole, place = _same_memory(x, (outer, summed, inner)), _same_memory(out, (outer, inner))
    is_exact_enough = inner > 1 or (outer > 1 and summed <= _SHORT)
    if whole is None or place is None or not is_exact_enough:
        return None
    ones = np.ones(summed, x.dtype)
    if inner == 1:
        return _product(place[:, 0], whole[..., 0], ones)
    return _product(place[0], ones, whole[0]) if outer == 1 else _product(place, ones, whole)


def _same_memory(x: Array, shape: tuple[int, ...]) -> Array | None:
    """``x`` in another shape, if that needs no copy."""
    if not x.size:
        return None
    view = x.reshape(shape)
    return view if np.may_share_memory(view, x) else None


def _extreme(call: Call, out: Array, x: Any) -> list[Step]:
    ufunc = {"max": np.maximum, "min": np.minimum}[call.operation.name]
    axes, ndim = axes_of(call.params["axis"], _ndim(x)), _ndim(x)
    entries = _shape(x)[-1] if ndim else 0
    is_short = axes == (ndim - 1,) and 1 < entries <= SHORT and out.size >= MANY
    rows = _same_memory(out, _shape(x)[:-1]) if is_short else None
    if isinstance(x, Slot) or rows is None:
        return [(ufunc.reduce, [x, axes, None, out, call.params["keepdims"]])]
    first, *others = (x[..., k] for k in range(entries))
    largest = functools.partial(ufunc, out=rows)
    return [(largest, [first if k == 0 else rows, other]) for k, other in enumerate(others)]


def _place_of_extreme(call: Call, out: Array, x: Any) -> list[Step]:
    find = {"argmax": np.ndarray.argmax, "argmin": np.ndarray.argmin}[call.operation.name]
    return [(find, [x, call.params["axis"], out])]


def _where(call: Call, out: Array, mask: Any, x: Any, other: Any) -> list[Step] | None:
    if _is_array(mask) and _dtype(mask).kind != "b":
        return None
    if _selects_or_zero(call):
        bits = np.dtype(f"i{out.itemsize}")
        return [(np.multiply, [x.view(bits), mask, out.view(bits)])]
    x, other = (value if _is_array(value) else _number(value, out.dtype) for value in (x, other))
    return [(np.copyto, [out, other, "unsafe"]), (np.copyto, [out, x, "unsafe", mask])]


def _one_hot(call: Call, out: Array, labels: Any) -> list[Step]:
    return [(_mark, [out, labels, np.arange(call.params["count"])])]


def _mark(out: Array, labels: Array, classes: Array) -> None:
    check_labels(labels, len(classes))
    np.equal(labels[..., np.newaxis], classes, out)


def _relu(call: Call, out: Array, x: Any) -> list[Step]:
    if isinstance(x, np.ndarray) and x.flags.c_contiguous and out.flags.c_contiguous and x.size:
        length = math.gcd(x.size, _ROW) if x.size > _ROW else x.size
        if length * 8 >= min(x.size, _ROW):
            x, out = x.reshape(-1, length), out.reshape(-1, length)
            return [_of_ufunc(np.maximum, out, [x, _zeros(length, x.dtype)])]
    return [_of_ufunc(np.maximum, out, [x, 0])]


@functools.lru_cache
def _zeros(length: int, dtype: Any) -> Array:
    zeros = np.zeros(length, dtype)
    zeros.flags.writeable = False
    return zeros


def _power(call: Call, out: Array, x: Any, exponent: Any) -> list[Step] | None:
    return [_of_ufunc(np.power, out, [x, exponent])] if out.dtype.kind == "f" else None


def _cumsum(call: Call, out: Array, x: Any) -> list[Step] | None:
    axis = call.params["axis"]
    is_known = axis is not None and out.dtype.kind == "f"
    return [(np.add.accumulate, [x, axis, None, out])] if is_known else None


def _prod(call: Call, out: Array, x: Any) -> list[Step] | None:
    if out.dtype.kind != "f":
        return None
    axes = axes_of(call.params["axis"], _ndim(x))
    return [(np.multiply.reduce, [x, axes, None, out, call.params["keepdims"]])]


def _concatenate(call: Call, out: Array, *parts: Any) -> list[Step]:
    """Each part is copied into its stretch of the result."""
    axis = call.params["axis"] % out.ndim
    ends = np.cumsum([_shape(part)[axis] for part in parts])
    stretches = np.split(out, ends[:-1], axis)
    return [(np.copyto, [stretch, part]) for stretch, part in zip(stretches, parts, strict=True)]


def _reshape(call: Call, out: Array, x: Any) -> list[Step] | None:
    """One that copies, since the entries do not lie in order."""
    place = _same_memory(out, _shape(x))
    return None if place is None else [(np.copyto, [place, x])]


def _getitem(call: Call, out: Array, x: Any) -> list[Step] | None:
    """Entries that lie in one view are copied from there; an index of arrays has to look."""
    index = call.params["index"]
    parts = index if isinstance(index, tuple) else (index,)
    if isinstance(x, Slot) or not all(_is_basic(part) for part in parts):
        return None
    return [(np.copyto, [out, x[parts if ... in parts else (*parts, ...)]])]


def _is_basic(part: Any) -> bool:
    return part is None or part is ... or type(part) is int or isinstance(part, slice)


def _scatter(call: Call, out: Array, g: Any) -> list[Step] | None:
    index = call.params["index"]
    parts = index if isinstance(index, tuple) else (index,)
    if not all(_is_basic(part) for part in parts):
        return [(out.fill, [0]), (_add_at, [out, g, *parts])]
    place = out[parts if ... in parts else (*parts, ...)]
    return [(out.fill, [0]), (np.add, [place, g, place])]


def _add_at(out: Array, g: Array, *index: Any) -> None:
    np.add.at(out, index, g)


def _bernoulli(call: Call, out: Array, x: Any) -> list[Step] | None:
    scratch = _draws(call, out)
    if scratch is None:
        return None
    mask = np.empty(out.shape, bool)
    draw, arguments = scratch
    return [
        (draw, arguments),
        (np.less, [arguments[-1], np.asarray(call.params["p"], float), mask]),
        (np.copyto, [out, mask]),
    ]


def _uniform(call: Call, out: Array, x: Any) -> list[Step] | None:
    scratch = _draws(call, out)
    if scratch is None:
        return None
    below_one = np.nextafter(out.dtype.type(1), out.dtype.type(0))
    return [
        scratch,
        (np.copyto, [out, scratch[1][-1], "same_kind"]),
        _of_ufunc(np.minimum, out, [out, np.asarray(below_one)]),
    ]


def _draws(call: Call, out: Array) -> Step | None:
    """Draws from a generator that goes on where it stands; a seed starts anew each time."""
    rng = call.params["rng"]
    if not isinstance(rng, np.random.Generator) or not out.ndim:
        return None
    into = out if out.dtype == np.float64 and out.flags.c_contiguous else np.empty(out.shape)
    return rng.random, [None, np.float64, into]


_WRITERS: dict[str, Callable[..., list[Step] | None]] = {
    "matmul": lambda call, out, a, b: _product(out, a, b),
    "sum": _sum, "sum_rows": _sum, "prod": _prod, "cumsum": _cumsum,
    "max": _extreme, "min": _extreme,
    "argmax": _place_of_extreme, "argmin": _place_of_extreme,
    "where": _where, "one_hot": _one_hot,
    "relu": _relu,
    "power": _power,
    "reciprocal": lambda call, out, x: [_of_ufunc(np.divide, out, [1, x])],
    "clip": lambda call, out, x: [
        (np.clip, [x, call.params["a_min"], call.params["a_max"], out])
    ],
    "astype": lambda call, out, x: [(np.copyto, [out, x, "unsafe"])],
    "reshape": _reshape,
    "getitem": _getitem, "scatter": _scatter, "concatenate": _concatenate,
    "bernoulli": _bernoulli, "uniform": _uniform,
}  # fmt: skip


def _is_array(operand: Any) -> bool:
    return isinstance(operand, (np.ndarray, Slot))


def _dtype(operand: Any) -> Any:
    return operand.array.dtype if isinstance(operand, Slot) else operand.dtype


def _shape(operand: Any) -> tuple[int, ...]:
    return (operand.array if isinstance(operand, Slot) else np.asarray(operand)).shape


def _ndim(operand: Any) -> int:
    return len(_shape(operand))
