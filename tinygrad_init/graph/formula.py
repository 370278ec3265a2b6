r"""Formulas: written once in LaTeX, shown as LaTeX, as one line of text, or as MathML for a page.

Only the part of LaTeX's mathematics that this project's formulas use is understood; anything else
raises an error, so that no formula is shown half, and none can do more than be shown.

>>> as_text(r"\frac{\partial L}{\partial z_i} = \varphi'(z_i) \sum_{m} \delta_m V_{i,m}")
"∂L/∂z_i = φ'(z_i) Σ_m δ_m V[i,m]"
>>> as_mathml("x^2")
'<math><msup><mi>x</mi><mn>2</mn></msup></math>'
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .formula_tree import (
    ACCENTS,
    Accent,
    Atom,
    Frac,
    Part,
    Root,
    Row,
    Scripts,
    cannot_read,
    classes_of,
    is_differential,
    read,
)
from .mathml import mathml

_RAISED = str.maketrans("0123456789+-T", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀ")
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def as_text(latex: str) -> str:
    """The formula on one line, in Unicode."""
    return _text(_read(latex)).strip()


def as_mathml(latex: str, display: bool = False) -> str:
    """The formula as a ``<math>`` element, which browsers show without any script."""
    block = ' display="block"' if display else ""
    return f"<math{block}>{mathml(_read(latex))}</math>"


def as_latex(latex: str) -> str:
    """The formula itself on one line, if the other two could show it as well."""
    _read(latex)
    shown = re.sub(r"' (?=['^])", "'", " ".join(latex.split()))  # TeX wants them side by side
    return shown + " " if shown.endswith("\\") else shown  # the last command is a space


def _read(latex: str) -> Part:
    found = read(latex)
    if not _text(found).strip():
        raise cannot_read(latex, "it is empty")
    return found


# A line of text.


def _text(part: Part) -> str:
    match part:
        case Atom("mtext", shown):
            return shown.strip()
        case Atom(_, shown):
            return shown
        case Row(parts):
            return _spaced(parts)
        case Frac(above, below):
            return f"{_in_brackets(above)}/{_in_brackets(below)}"
        case Root(inside, degree):
            return _root(inside, degree)
        case Accent(name, Atom(_, shown)) if len(shown) == 1:
            return shown + ACCENTS[name][0]
        case Accent(name, inside):
            return f"({_text(inside)}){ACCENTS[name][0]}"
        case Scripts(base, below, above, primes):
            word = _text(base)
            if word and (not isinstance(base, (Atom, Accent)) or _is_phrase(base)):
                word = f"({word})"
            scripts = [_below(below), _above(above)]
            if above is not None and re.fullmatch(r"\(\w+\)", _text(above)):
                scripts.reverse()  # the (1) of W^{(1)} belongs to the name
            return word + "'" * primes + "".join(scripts)


def _spaced(parts: Sequence[Part]) -> str:
    """Signs with room around them, names with room behind them, factors apart."""
    shown = ""
    before = "open"
    for part, this in zip(parts, classes_of(parts), strict=True):
        word = _text(part)
        if isinstance(part, Frac) and (before == "name" or shown.rstrip().endswith("/")):
            word = f"({word})"
            this = "letter"
            shown += word
        elif word == " ":
            shown += " " * (not shown.endswith(" "))
        elif word:
            is_apart = isinstance(part, Atom) and part.is_apart
            shown += " " * _have_room(before, this, is_apart) + word
        before = this if word else before
    return shown


def _have_room(before: str, this: str, is_apart: bool) -> bool:
    if before in ("open", "sign", "tight", "space") or this in ("close", "comma", "tight", "space"):
        return False
    if {before, this} & {"binary", "relation"} or before == "comma":
        return True
    if this == "open":  # of a factor, not of an argument
        return is_apart or before in ("number", "fraction", "large", "words")
    return not before == this == "number"


def _root(inside: Part, degree: str) -> str:
    is_raised = isinstance(inside, Scripts) and inside.above is not None
    word = f"({_text(inside)})" if is_raised else _in_brackets(inside)
    if degree.isalpha():
        return f"{word}^(1/{degree})"
    return f"{degree.translate(_RAISED)}√{word}"


def _in_brackets(part: Part) -> str:
    """In brackets, unless nothing could be misread without: ``∂L`` is one thing."""
    return _text(part) if _is_one(part) else f"({_text(part)})"


def _is_one(part: Part) -> bool:
    match part:
        case Atom(kind, _):
            return kind in ("mi", "mn", "name")
        case Scripts(base, _, _):
            return _is_one(base) or not isinstance(base, Atom)
        case Row((first, second)):
            return is_differential(first) and _is_one(second)
        case Row((first, Atom("mo", "("), *inside, Atom("mo", ")"))):
            return is_differential(first) and Atom("mo", "(") not in inside
    return isinstance(part, Accent)


def _is_phrase(part: Part) -> bool:
    """Words, or dots between them, that name one thing."""
    return isinstance(part, Atom) and part.kind == "mtext" and not part.shown.isalnum()


def _below(part: Part | None) -> str:
    if part is None:
        return ""
    word = _text(part).replace(", ", ",")
    if re.fullmatch("[0-9]+", word):
        return word.translate(_LOWERED)
    return f"_{word}" if isinstance(part, Atom) and word.isalnum() else f"[{word}]"


def _above(part: Part | None) -> str:
    if part is None:
        return ""
    word = _text(part)
    if re.fullmatch(r"[-+]?[0-9]*|T", word):
        return word.translate(_RAISED)
    return f"^{word}" if re.fullmatch(r"\w|\(\w+\)", word) else f"^({word})"
