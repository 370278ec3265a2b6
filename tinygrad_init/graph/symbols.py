r"""Nodes and numbers in formulas: what stands for them in LaTeX.

>>> symbol_of("W1"), symbol_of("loss"), symbol_of("two words")
('W_{1}', '\\mathrm{loss}', '')
>>> number(-2.0), number(1e-12), factor(-2.0)
('-2', '1 \\cdot 10^{-12}', '(-2)')
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from . import text
from .parts import GraphNode

MAX_LETTERS = 20  #: of a label that a formula can carry


def symbols(nodes: Sequence[GraphNode]) -> dict[str, str]:
    """By id: the label where it can stand in a formula and nobody else has it, else the id.

    A constant that is a number stands for itself.
    """
    wished = {node.id: symbol_of(node.label) if node.label else "" for node in nodes}
    uses = Counter(wished.values())
    return {
        node.id: factor(node.value)
        if node.kind == "constant" and node.shape == ()
        else wished[node.id]
        if wished[node.id] and uses[wished[node.id]] == 1
        else f"n_{{{node.id[1:]}}}"
        for node in nodes
    }


def symbol_of(label: str) -> str:
    """A label as one symbol: letters, and a number as its index; empty if it cannot be one.

    n_3 is how an id is written, and so no label.
    """
    found = re.fullmatch(r"([A-Za-z]+)_?([0-9]*)", label, re.ASCII)
    if not found or len(label) > MAX_LETTERS:
        return ""
    letters, digits = found.groups()
    if letters == "n" and digits:
        return ""
    base = letters if len(letters) == 1 else rf"\mathrm{{{letters}}}"
    return f"{base}_{{{digits}}}" if digits else base


def partial(of: str, by: str) -> str:
    """A local derivative, with all other arguments held."""
    return rf"\frac{{\partial {of}}}{{\partial {by}}}"


def total(of: str, by: str) -> str:
    """The whole derivative, over all paths."""
    return rf"\frac{{{d(of)}}}{{{d(by)}}}"


def entry_of_total(of: str, by: str, place: Sequence[Any]) -> str:
    """One entry of it, on one line."""
    return f"{d(of)} / {entry(d(by), place)}"


def entry(of: str, place: Sequence[Any]) -> str:
    """One entry of an array; a number has no place.

    >>> entry("W", (3, 5)), entry("b", ())
    ('W[3, 5]', 'b')
    """
    return f"{of}[{', '.join(map(str, place))}]" if place else of


def d(symbol: str) -> str:
    r"""The differential of a symbol, which no space may tear apart.

    >>> d("W_{1}"), d("\\mathrm{loss}")
    ('\\mathrm{dW}_{1}', '\\mathrm{dloss}')
    """
    base, below, index = symbol.partition("_")
    letters = base.removeprefix(r"\mathrm{").removesuffix("}")
    return rf"\mathrm{{d{letters}}}{below}{index}"


def number(x: Any) -> str:
    """A number in LaTeX, to four significant digits; short integers and fractions exactly."""
    shown = text.number(x)
    if found := re.fullmatch(r"(-?)([\d.]+)e([+-]\d+)", shown):
        return rf"{found[1]}{found[2]} \cdot 10^{{{int(found[3])}}}"
    if found := re.fullmatch(r"(-?)(\d+)/(\d+)", shown):
        return rf"{found[1]}\frac{{{found[2]}}}{{{found[3]}}}"
    if found := re.fullmatch(r"about (-?)10\^(-?\d+)", shown):
        return rf"\text{{about }} {found[1]}10^{{{found[2]}}}"
    if isinstance(x, (bool, np.bool_)):
        return rf"\text{{{shown}}}"
    return {"inf": r"\infty", "-inf": r"-\infty", "nan": r"\text{nan}"}.get(shown, shown)


def factor(x: Any) -> str:
    """A number as a factor: in brackets if it has a sign."""
    return in_brackets(number(x))


def in_brackets(latex: str) -> str:
    """In brackets, if it is a sum or has a sign."""
    depth = 0
    for position, character in enumerate(latex):
        depth += (character in "{([") - (character in "})]")
        if character in "+-" and depth == 0 and (position == 0 or latex[position - 1] == " "):
            return f"({latex})"
    return latex


def shown(x: Any) -> Fraction | None:
    """The number that a reader sees; ``None`` for what is no finite number."""
    try:
        return Fraction(text.number(x))
    except ValueError:
        return None


def is_shown_exactly(x: Any) -> bool:
    """Whether nothing was rounded."""
    seen = shown(x)
    return seen is not None and (float(seen) if isinstance(x, float) else seen) == x


def relation(seen: Fraction | None, exactly: Any) -> str:
    """Equal, if what a reader computes from the printed numbers is the printed result."""
    return "=" if seen is not None and seen == shown(exactly) else r"\approx"


def count(many: int) -> str:
    r"""How many, in LaTeX: in full where that can be read.

    >>> count(1_048_576), count(2 ** 10_000)
    ('\\text{1,048,576}', '\\text{about } 10^{3010}')
    """
    return rf"\text{{{many:,}}}" if many < 10**15 else number(many)
