"""What may come in: real numbers, arrays of them, lists. Everything else is turned away here."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import errors, modes
from .tape import Node, data_of

Array = NDArray[Any]

ARRAYS = (np.ndarray, np.generic)
#: Numbers that operations compute with as they are; what else there is goes through ``operand``.
NUMBERS = frozenset({float, int, bool})
KINDS = "fiub"  #: NumPy's kinds of real numbers: floating, signed, unsigned, bool
WIDEST = 8  #: bytes in a number: wider floats differ from machine to machine
#: NumPy's letters of these dtypes, looked up at every call: kinds and widths take longer to ask.
REAL = frozenset("?bBhHiIlLqQefd")
FLOATS = frozenset("efd")


def operand(name: str, args: Sequence[Any], position: int) -> Any:
    """What else the operation ``name`` takes: other real numbers; lists and memory maps as arrays.

    Not other kinds of arrays: in a ``np.matrix`` the sign ``*`` means something else. A Fraction is
    for Values: beside an array it would make an array of Python objects.
    """
    found = args[position]
    if isinstance(found, np.floating) and found.itemsize <= WIDEST:  # what a reduction gives
        return found
    if isinstance(found, (list, tuple, np.memmap)):
        try:
            found = np.asarray(found)
        except ValueError as error:
            raise errors.not_an_array(found, name) from error
    if type(found) is np.ndarray or isinstance(found, np.generic):
        is_real = found.dtype.char in REAL
    else:
        is_real = isinstance(found, (int, float)) or (
            isinstance(found, numbers.Rational) and not any(hasattr(arg, "shape") for arg in args)
        )
    if not is_real:
        raise errors.not_an_operand(name, found, position)
    return found


def as_array(part: Any) -> Any:
    """A list or number as an array; Tensors and arrays stay."""
    if hasattr(part, "shape"):
        return part
    if isinstance(part, Node):
        raise errors.only_for_arrays("this")
    return np.asarray(operand("this", [part], 0))


def floating(data: Any) -> Any:
    """Whole numbers of arrays as float64, for functions whose results are no whole numbers."""
    is_whole = hasattr(data, "dtype") and data.dtype.kind != "f"
    return data.astype(np.float64) if is_whole else data


def total(grad: Any, more: Any) -> Any:
    """The gradient that a leaf has so far, and what a walk back adds to it."""
    if getattr(grad, "shape", ()) != more.shape:
        raise errors.foreign_grad(grad, more)
    return grad + more


def _is_whole(value: Any) -> bool:
    return type(value) is int or (
        isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    )


def _are_whole(value: Any) -> bool:
    if not isinstance(value, (tuple, list)):
        return False
    return {*map(type, value)} == {int} or all(map(_is_whole, value))


def _is_axis(value: Any) -> bool:
    is_tuple = type(value) is tuple
    return _are_whole(value) if is_tuple else value is None or _is_whole(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, numbers.Rational, np.integer, np.floating))


def _is_dtype(value: Any) -> bool:
    try:
        return not isinstance(value, Node | None) and np.dtype(value).kind in KINDS
    except TypeError:
        return False


def _is_generator(value: Any) -> bool:
    if isinstance(value, (np.random.Generator, np.random.BitGenerator, np.random.SeedSequence)):
        return True
    seeds = value if isinstance(value, (tuple, list)) else [value]
    return all(_is_whole(seed) and seed >= 0 for seed in seeds)


_NUMBER = (_is_number, "a real number")
_ANYTHING = (lambda v: not isinstance(v, Node), "")
_BOUND = (lambda v: v is None or _is_number(v) or type(v) is np.ndarray, "a number, array or None")
#: What settings must be, whichever operation they belong to.
SETTINGS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "axis": (
        _is_axis,
        "an integer, or a tuple of integers where several axes will do",
    ),
    "axes": (lambda v: v is None or _is_whole(v) or _are_whole(v), "a tuple of integers"),
    "shape": (lambda v: _is_whole(v) or _are_whole(v), "a tuple of integers"),
    "keepdims": (lambda v: isinstance(v, (bool, np.bool_)), "True or False"),
    "dtype": (_is_dtype, "a dtype of real numbers, such as np.float32"),
    "ddof": _NUMBER, "slope": _NUMBER, "alpha": _NUMBER, "a_min": _BOUND, "a_max": _BOUND,
    "p": _NUMBER,
    "count": (lambda v: _is_whole(v) and v > 0, "how many there are, an integer above 0"),
    "rng": (_is_generator, "a numpy.random.Generator, or a seed that is not negative"),
}  # fmt: skip


def check_setting(name: str, key: str, value: Any) -> None:
    """Raise if ``value`` is no setting for the operation ``name``: a wrong kind, or a node."""
    is_right, kind = SETTINGS.get(key, _ANYTHING)
    if not is_right(value):
        if isinstance(value, Node):
            raise errors.node_as_setting(name, key)
        raise errors.wrong_setting(name, key, value, kind)


def one_number(data: Any, made_by: str = "") -> Any:
    """``data`` as a Python number, if it is one real number."""
    is_numpy = isinstance(data, ARRAYS) and not data.ndim
    number = data.item() if is_numpy else data
    if not isinstance(number, (int, float, numbers.Rational)):
        raise errors.not_one_number(data, made_by)
    return number


def real_array(data: Any, dtype: DTypeLike | None = None, made_by: str = "") -> Array:
    """A copy of ``data`` as an array of real numbers; Python's integers become float64."""
    raw = data_of(data)
    if isinstance(raw, ARRAYS) and raw.dtype.kind == "c":  # NumPy would drop the imaginary part
        raise errors.not_real(raw.dtype, made_by)
    try:
        array = np.array(raw, dtype=dtype)
    except (ValueError, TypeError) as error:
        raise errors.not_an_array(data, made_by, dtype) from error
    real(array, made_by)
    is_to_widen = dtype is None and not isinstance(raw, ARRAYS) and array.dtype.kind in "iu"
    return array.astype(np.float64) if is_to_widen else array


def real(data: Any, made_by: str = "") -> Any:
    """``data`` as an array, if its numbers are real and no wider than 64 bits."""
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise errors.not_an_array(data, made_by) from error
    if array.dtype.char not in REAL:
        raise errors.not_real(array.dtype, made_by)
    return array


def frozen(part: Any) -> Any:
    """A part of an index that nobody can change before the backward pass reads it again.

    While ``capture`` records, arrays and Tensors stay themselves: each replay reads them anew.
    """
    recorder = modes.current().recorder
    if recorder is not None and isinstance(part, (np.ndarray, Node)):
        return recorder.as_index(part)
    bare = data_of(part)
    return bare.copy() if isinstance(bare, (np.ndarray, list)) else bare
