"""How numbers, arrays and labels are written for people: short, on one line, harmless to print."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from numbers import Rational
from typing import Any

import numpy as np

MAX_LABEL = 40  #: characters of a label that a drawing shows
MAX_LINE = 160  #: the same for a line of the user's code, and for a reason
MAX_TIP = 600  #: the same for all that is said of a node when it is pointed at
MAX_ENTRIES = 8  #: entries of an array that a drawing writes out; larger ones are summarised
MAX_INLINE = 4  #: the same for one line of text
DIGITS = 4  #: of a number that is not short by itself
LONG = 10_000_000  #: from here on, whole numbers are rounded, too

# Control characters, lone surrogates, direction overrides and what XML forbids: these would break
# a file, or reorder the text around them.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef\ufeff\ufffe\uffff"
    "\ud800-\udfff]"
)


def label(given: str, at_most: int = MAX_LABEL) -> str:
    r"""A user's label on one line: unprintable characters made visible, the end cut off if long.

    >>> label("two\nlines")
    'two␊lines'
    >>> label("x" * 1_000_000)[-3:]
    'xx…'
    """
    short = given if len(given) <= at_most else given[: at_most - 1] + "…"
    return _UNPRINTABLE.sub(lambda found: _visible(found[0]), short)


def _visible(character: str) -> str:
    """Unicode has a picture for each of the old control characters."""
    if character < " ":
        return chr(0x2400 + ord(character))
    return "␡" if character == "\x7f" else "\N{REPLACEMENT CHARACTER}"


def number(x: Any, digits: int | None = DIGITS) -> str:
    """A number to four significant digits; whole numbers and fractions exactly, if short; no -0.

    With ``digits=None`` as many as tell a float from its neighbours.

    >>> number(-8.0), number(2 / 3), number(1e-12), number(12345.0), number(123456789.0)
    ('-8', '0.6667', '1e-12', '12345', '1.235e+08')
    >>> number(-0.0), number(1 / 3, digits=None), number(123456789.0, digits=None)
    ('0', '0.3333333333333333', '123456789')
    """
    if isinstance(x, (bool, np.bool_)):
        return str(bool(x))
    if isinstance(x, (float, np.floating)):
        return _float(float(x), digits)
    if not isinstance(x, (Rational, np.integer)):  # an option such as None
        return label(str(x))
    exact = Fraction(int(x.numerator), int(x.denominator))
    if abs(exact.numerator) < LONG and exact.denominator < 10_000:
        return str(exact)
    try:
        rounded = float(exact)
    except OverflowError:
        rounded = 0.0
    return _float(rounded, digits) if rounded else _magnitude(exact)


def _float(x: float, digits: int | None) -> str:
    if abs(x) < LONG and x == int(x):
        return str(int(x))
    return repr(x).removesuffix(".0") if digits is None else f"{x:.{digits}g}"


def _magnitude(x: Fraction) -> str:
    """A number that a float cannot hold."""
    bits = abs(x.numerator).bit_length() - x.denominator.bit_length()
    return f"about {'-' if x < 0 else ''}10^{round(bits * math.log10(2))}"


def shape(lengths: tuple[int, ...]) -> str:
    """``4×2``, or ``3 entries`` for one axis.

    >>> shape((4, 2)), shape((3,)), shape(())
    ('4×2', '3 entries', '')
    """
    if len(lengths) == 1:
        return f"{lengths[0]} entr{'y' if lengths[0] == 1 else 'ies'}"
    return "×".join(map(str, lengths))


def repetition(count: int, in_a_row: bool) -> str:
    """What is written behind the name of several.

    >>> repetition(100, False), repetition(50, True), repetition(1, False)
    (' × 100', ' × 50 in a row', '')
    """
    return "" if count == 1 else f" × {count:,}{' in a row' if in_a_row else ''}"


def lines(value: Any, at_most: int = MAX_ENTRIES) -> list[str]:
    """A number or an array on a few lines: rows of entries, or the range of a large one.

    >>> lines(np.array([[1.0, 2.0], [3.0, 1 / 3]]))
    ['[1, 2]', '[3, 0.3333]']
    >>> lines(np.arange(100.0))
    ['0 … 99']
    """
    array = np.asarray(value)
    if array.ndim == 0:
        return [number(value if array.dtype == object else array[()])]
    if array.size > at_most or array.size == 0:
        return [_summary(array)]
    rows = array.reshape(-1, array.shape[-1])
    return ["[" + ", ".join(number(entry) for entry in row) + "]" for row in rows]


def _summary(array: np.ndarray[Any, Any]) -> str:
    if array.size == 0:
        return "no entries"
    if array.dtype == bool:
        return f"{np.count_nonzero(array)} of {array.size} true"
    missing = np.count_nonzero(np.isnan(array)) if array.dtype.kind == "f" else 0
    if missing:
        others = array[~np.isnan(array)]
        rest = f", others {_summary(others)}" if others.size else ""
        return f"{missing} of {array.size} nan{rest}"
    low, high = array.min(), array.max()
    return f"all {number(low)}" if low == high else f"{number(low)} … {number(high)}"


def inline(value: Any, at_most: int = MAX_INLINE) -> str:
    """A number or an array on one line.

    >>> inline(np.array([[1.0, 2.0], [3.0, 4.0]])), inline(2.5)
    ('[[1, 2], [3, 4]]', '2.5')
    """
    array = np.asarray(value)
    rows = lines(value, at_most)
    if array.ndim < 2 or array.size > at_most or array.size == 0:
        return rows[0]
    brackets = array.ndim - 1
    return "[" * brackets + ", ".join(rows) + "]" * brackets


def in_brackets(value: Any) -> str:
    """The same beside a sign: in brackets if it has a sign itself.

    >>> in_brackets(2), in_brackets(-2.0)
    ('2', '(-2)')
    """
    shown = inline(value)
    return f"({shown})" if shown.startswith("-") else shown


def settings(params: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """The settings of an operation that are not the default ones.

    >>> settings({"axis": 0, "keepdims": False}, {"axis": None, "keepdims": False})
    'axis=0'
    >>> settings({"index": (slice(None), 0)}, {"index": None})
    'index=[:, 0]'
    """
    told = []
    for name, value in params.items():
        if name == "index":
            told.append("index=" + _index(value))
        elif not _same(value, defaults.get(name)):
            told.append(f"{label(name)}={label(_setting(value))}")
    return ", ".join(told)


def _same(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and bool(np.all(value == default)))


def _setting(value: Any) -> str:
    """As it is written in a program: a dtype by its name."""
    is_dtype = isinstance(value, type) and issubclass(value, np.generic)
    return value.__name__ if is_dtype else str(value)


def _index(index: Any) -> str:
    """An index as it is written in a program."""
    parts = index if isinstance(index, tuple) else (index,)
    return "[" + ", ".join(map(_one_index, parts)) + "]"


def _one_index(part: Any) -> str:
    if isinstance(part, slice):
        step = "" if part.step is None else f":{part.step}"
        start, stop = ("" if end is None else end for end in (part.start, part.stop))
        return f"{start}:{stop}{step}"
    if part is Ellipsis:
        return "..."
    if np.ndim(part):
        return f"{np.asarray(part).dtype} array of {shape(np.shape(part))}"
    return label(str(part))
