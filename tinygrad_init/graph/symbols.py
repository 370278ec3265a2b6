r"""Nodes and numbers in formulas: what stands for them in LaTeX.

>>> symbol_of("W1"), symbol_of("loss"), symbol_of("two words"), symbol_of("η"), symbol_of("<b>")
('W_{1}', '\\mathrm{loss}', '\\text{two words}', '\\eta', '')
>>> number(-2.0), number(1e-12), factor(-2.0)
('-2', '1 \\cdot 10^{-12}', '(-2)')
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np

from . import text
from .formula_tree import GREEK_LETTERS

Key = TypeVar("Key", bound=Hashable)

MAX_LETTERS = 24  #: of a label that a formula can carry
GREEK = {letter: "\\" + name for name, letter in GREEK_LETTERS.items()}


def symbol_of(label: str) -> str:
    r"""A label as one symbol: a letter or words, and perhaps an index; empty if it cannot be one.

    n_3 is how an id is written, and so no label.

    >>> symbol_of("σ2"), symbol_of("w_out"), symbol_of("layers.0.weight"), symbol_of("n3")
    ('\\sigma_{2}', 'w_{\\mathrm{out}}', '\\text{layers.0.weight}', '')
    """
    if len(label) > MAX_LETTERS or is_id(label):
        return ""
    if found := re.fullmatch(r"([A-Za-z]+|[^\W\d_])_?([0-9]*)", label):
        letters, digits = found.groups()
        base = _upright(letters) if letters.isascii() else GREEK.get(letters, "")
        return f"{base}_{{{digits}}}" if base and digits else base
    if found := re.fullmatch(r"([A-Za-z]+)_([A-Za-z0-9]+)", label):
        return f"{_upright(found[1])}_{{{_upright(found[2])}}}"
    if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9 ._]*[A-Za-z0-9])?", label):
        return ""
    words = " ".join(re.split("[ _]+", label))
    return _upright(words) if words.isalnum() else rf"\text{{{words}}}"


def own(labels: Mapping[Key, str]) -> dict[Key, str]:
    """For labels that can stand in a formula, their symbols, where no two labels have the same one.

    >>> own({1: "w", 2: "x1", 3: "x_1", 4: "<b>"})
    {1: 'w'}
    """
    wishes = {key: symbol_of(label) for key, label in labels.items()}
    uses = Counter(wishes.values())
    return {key: wish for key, wish in wishes.items() if wish and uses[wish] == 1}


def of_id(name: str) -> str:
    """What stands for a node without a symbol of its own.

    >>> of_id("n12"), of_id("s2")  # a closed module
    ('n_{12}', 's_{2}')
    """
    return f"{name[0]}_{{{name[1:]}}}"


def is_id(label: str) -> bool:
    """Whether it is how a node without a label is called."""
    return re.fullmatch("n_?[0-9]+", label) is not None


def origin(word: str, made_by: str) -> str:
    """What a title says of a result that only an id names.

    >>> origin("n13", "mse"), origin("loss", "mse")
    (', the result of mse', '')
    """
    return f", the result of {text.label(made_by)}" if made_by and is_id(word) else ""


def _upright(letters: str) -> str:
    """A word is not the product of its letters."""
    return letters if len(letters) == 1 else rf"\mathrm{{{letters}}}"


def partial(of: str, by: str) -> str:
    """A local derivative, with all other arguments held."""
    return rf"\frac{{\partial {_apart(of)}}}{{\partial {_apart(by)}}}"


def total(of: str, by: str) -> str:
    """The whole derivative, over all paths."""
    return rf"\frac{{{d(of)}}}{{{d(by)}}}"


def entry_of_total(of: str, by: str, place: Sequence[Any]) -> str:
    """One entry of it, on one line."""
    return f"{d(of)} / {entry(d(by), place)}"


def entry_of_partial(of: str, where: Sequence[Any], by: str, place: Sequence[Any]) -> str:
    """The derivative of one entry by another, on one line."""
    return rf"\partial {entry(_apart(of), where)} / \partial {entry(_apart(by), place)}"


def entry(of: str, place: Sequence[Any]) -> str:
    """One entry of an array; a number has no place.

    >>> entry("W", (3, 5)), entry("b", ())
    ('W[3, 5]', 'b')
    """
    return f"{of}[{', '.join(map(str, place))}]" if place else of


def d(symbol: str) -> str:
    r"""The differential of a symbol.

    >>> d("W_{1}"), d(symbol_of("two words"))
    ('\\mathrm{d}W_{1}', '\\mathrm{d}(\\text{two words})')
    """
    return rf"\mathrm{{d}}{_apart(symbol)}"


def _apart(symbol: str) -> str:
    """In brackets, if it is made of words: the d before them is none of their letters."""
    return f"({symbol})" if symbol.startswith(r"\text") else symbol


def number(x: Any, digits: int | None = text.DIGITS) -> str:
    """A number in LaTeX, to some significant digits; short integers and fractions exactly."""
    shown = text.number(x, digits)
    if found := re.fullmatch(r"(-?)([\d.]+)e([+-]\d+)", shown):
        return rf"{found[1]}{found[2]} \cdot 10^{{{int(found[3])}}}"
    if found := re.fullmatch(r"(-?)(\d+)/(\d+)", shown):
        return rf"{found[1]}\frac{{{found[2]}}}{{{found[3]}}}"
    if found := re.fullmatch(r"about (-?)10\^(-?\d+)", shown):
        return rf"\text{{about }} {found[1]}10^{{{found[2]}}}"
    if isinstance(x, (bool, np.bool_)):
        return rf"\text{{{shown}}}"
    return {"inf": r"\infty", "-inf": r"-\infty", "nan": r"\text{nan}"}.get(shown, shown)


def factor(x: Any, digits: int | None = text.DIGITS) -> str:
    """A number as a factor: in brackets if it has a sign."""
    return in_brackets(number(x, digits))


def in_brackets(latex: str) -> str:
    """In brackets, if it is a sum or has a sign."""
    depth = 0
    for position, character in enumerate(latex):
        depth += (character in "{([") - (character in "})]")
        if character in "+-" and depth == 0 and (position == 0 or latex[position - 1] == " "):
            return f"({latex})"
    return latex


def shown(x: Any, digits: int | None = text.DIGITS) -> Fraction | None:
    """The number that a reader sees; ``None`` for what is no finite number."""
    try:
        return Fraction(text.number(x, digits))
    except ValueError:
        return None


def is_shown_exactly(x: Any, digits: int | None = text.DIGITS) -> bool:
    """Whether nothing was rounded; nan and inf are written as what they are."""
    if _is_beyond(x):
        return True
    seen = shown(x, digits)
    return seen is not None and (float(seen) if isinstance(x, float) else seen) == x


def _is_beyond(x: Any) -> bool:
    return isinstance(x, (float, np.floating)) and not np.isfinite(x)


def relation(seen: Fraction | None, exactly: Any, digits: int | None = text.DIGITS) -> str:
    """Equal, if what a reader computes from the printed numbers is the printed result.

    ``seen`` is ``None`` if one of these is nan or inf; then such a result was not rounded.
    """
    if seen is None and _is_beyond(exactly):
        return "="
    return "=" if seen is not None and seen == shown(exactly, digits) else r"\approx"


def count(many: int) -> str:
    r"""How many, in LaTeX: in full where that can be read.

    >>> count(7), count(1_048_576), count(2 ** 10_000)
    ('7', '\\text{1,048,576}', '\\text{about } 10^{3010}')
    """
    if many < 1_000:
        return str(many)
    return rf"\text{{{many:,}}}" if many < 10**15 else number(many)
