"""Formulas as MathML, which browsers show without any script."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from .formula_tree import ACCENTS, Accent, Atom, Frac, Part, Root, Row, Scripts, classes_of

_WITH_LIMITS = ("Σ", "Π", "max", "min")  #: what has its limits below it where there is room
_IN_MATHML = {"Σ": "∑", "Π": "∏", "-": "−"}  #: signs for which a line of text has another


def mathml(part: Part, kind: str = "letter") -> str:
    """Markup; the kind is the part's class in its row."""
    match part:
        case Atom():
            return _atom(part, kind)
        case Row(parts):
            return f"<mrow>{_row(parts)}</mrow>"
        case Frac(above, below):
            return f"<mfrac>{mathml(above)}{mathml(below)}</mfrac>"
        case Root(inside, ""):
            return f"<msqrt>{mathml(inside)}</msqrt>"
        case Root(inside, degree):
            shown = f"<mn>{degree}</mn>" if degree.isdigit() else f"<mi>{degree}</mi>"
            return f"<mroot>{mathml(inside)}{shown}</mroot>"
        case Accent(name, inside):
            accent = f'<mo stretchy="false">{ACCENTS[name][1]}</mo>'
            return f'<mover accent="true">{mathml(inside)}{accent}</mover>'
        case Scripts():
            return _scripts(part, kind)
    raise AssertionError(part)


def _row(parts: Sequence[Part]) -> str:
    """Browsers put room around signs, but none around names."""
    classes = classes_of(parts)
    shown = []
    for k, (part, this) in enumerate(zip(parts, classes, strict=True)):
        before = classes[k - 1] if k else "open"
        if _needs_thin_space(before, this):
            shown.append('<mspace width="0.17em"/>')
        shown.append(mathml(part, this))
    return "".join(shown)


def _needs_thin_space(before: str, this: str) -> bool:
    if this == "name":
        return before in ("letter", "number", "fraction", "close", "name")
    return before == "name" and this in ("letter", "number", "fraction", "sign")


def _atom(atom: Atom, kind: str) -> str:
    shown = escape(_IN_MATHML.get(atom.shown, atom.shown))
    match atom.kind:
        case "mspace":
            return f'<mspace width="{atom.width}em"/>'
        case "mtext":  # at the ends browsers drop spaces that may break
            return f"<mtext>{re.sub('^ | $', chr(0xA0), shown)}</mtext>"
        case "name":
            upright = ' mathvariant="normal"' if len(shown) == 1 else ""
            return f"<mi{upright}>{shown}</mi>"
        case "mo":
            return f"<mo{_looks(atom.shown, kind)}>{shown}</mo>"
    return f"<{atom.kind}>{shown}</{atom.kind}>"


def _looks(sign: str, kind: str) -> str:
    """Attributes, where a browser would take a sign for something else."""
    if sign == "/":
        return ' lspace="0" rspace="0"'
    form = "prefix" if kind in ("open", "sign") else "postfix" if kind == "close" else ""
    if kind in ("open", "close") and sign != "!":
        return f' form="{form}" stretchy="false"'
    return f' form="{form}"' if form else ""


def _scripts(part: Scripts, kind: str) -> str:
    base = mathml(part.base, kind)
    if part.primes:  # the sign is small and raised by itself
        base = f"<mrow>{base}<mo>{'′' * part.primes}</mo></mrow>"
    scripts = "".join(mathml(one) for one in (part.below, part.above) if one is not None)
    has_limits = isinstance(part.base, Atom) and part.base.shown in _WITH_LIMITS
    if part.below is None:
        name = "msup"
    elif part.above is None:
        name = "munder" if has_limits else "msub"
    else:
        name = "munderover" if has_limits else "msubsup"
    return f"<{name}>{base}{scripts}</{name}>" if scripts else base
