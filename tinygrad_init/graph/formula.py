r"""Formulas: written once in LaTeX, shown as LaTeX, as one line of text, or as MathML for a page.

Only the part of LaTeX's mathematics that this project's formulas use is understood; anything else
raises an error, so that no formula is shown half.

>>> as_text(r"\frac{\partial L}{\partial z_i} = \varphi'(z_i) \sum_{m} \delta_m V_{i,m}")
"∂L/∂z_i = φ'(z_i) Σ_m δ_m V[i,m]"
>>> as_mathml("x^2")
'<math><msup><mi>x</mi><mn>2</mn></msup></math>'
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from ..autograd import DataError

_LETTERS = {
    "rho": "ρ",
    "alpha": "α", "beta": "β", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "eta": "η",
    "lambda": "λ", "mu": "μ", "sigma": "σ", "varphi": "φ", "theta": "θ", "Phi": "Φ", "ell": "ℓ",
    "partial": "∂", "infty": "∞",
}  # fmt: skip
_SIGNS = {
    "cdot": "·", "times": "×", "leftarrow": "←", "ne": "≠", "le": "≤", "ge": "≥", "in": "∈",
    "approx": "≈", "dots": "…", "ldots": "…", "odot": "⊙", "to": "→", "|": "‖", "{": "{", "}": "}",
    "sum": "Σ", "prod": "Π",
}  # fmt: skip
_NAMES = (
    "arccos", "arcsin", "arctan", "arg", "cos", "cosh", "exp", "ln", "log", "max", "min", "sin",
    "sinh", "tan", "tanh",
)  # fmt: skip
_SPACES = {",": "", ";": " ", " ": " ", "quad": "  ", "qquad": "    "}
_ACCENTS = {"bar": ("\u0304", "¯"), "hat": ("\u0302", "^")}
_LARGE = ("Σ", "Π", "max", "min")  #: what has its limits below it where there is room
_N_ARY = {"Σ": "∑", "Π": "∏"}  #: the large signs, which only MathML has room for
_RAISED = str.maketrans("0123456789+-T", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀ")
_UNARY = re.compile(r"(^|[(\[,=←] ?)[-+]$")  #: a sign that belongs to what follows

_WORDS = re.compile(r"\\(text|operatorname|mathsf|mathrm)\{([^{}]*)\}")
_TOKEN = re.compile(r"\\([A-Za-z]+|.)|(\d+(?:\.\d+)?)|(\S)")


@dataclass(frozen=True)
class _Atom:
    """A letter, a number, a sign, or a word."""

    kind: str  #: the MathML element: mi, mn, mo, mtext or mspace
    shown: str


@dataclass(frozen=True)
class _Row:
    parts: tuple[_Part, ...]


@dataclass(frozen=True)
class _Frac:
    above: _Part
    below: _Part


@dataclass(frozen=True)
class _Root:
    inside: _Part
    degree: _Part | None


@dataclass(frozen=True)
class _Accent:
    name: str
    inside: _Part


@dataclass(frozen=True)
class _Scripts:
    base: _Part
    below: _Part | None
    above: _Part | None


_Part = _Atom | _Row | _Frac | _Root | _Accent | _Scripts


def as_text(latex: str) -> str:
    """The formula on one line, in Unicode."""
    return _text(_parse(latex)).strip()


def as_mathml(latex: str, display: bool = False) -> str:
    """The formula as a ``<math>`` element, which browsers show without any script."""
    block = ' display="block"' if display else ""
    return f"<math{block}>{_mathml(_parse(latex))}</math>"


# Reading.


def _parse(latex: str) -> _Part:
    reader = _Reader(latex)
    return reader.row()


class _Reader:
    """Reads from left to right, one token at a time."""

    def __init__(self, latex: str) -> None:
        self.latex = latex
        self.tokens = list(_tokens(latex))
        self.position = 0

    def peek(self) -> str | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def take(self) -> str:
        token = self.peek()
        if token is None:
            raise self.error("it ends too early")
        self.position += 1
        return token

    def error(self, what: str) -> DataError:
        return DataError(f"cannot read the formula {self.latex!r}: {what}")

    def row(self, until: str | None = None) -> _Part:
        parts: list[_Part] = []
        while (token := self.peek()) != until:
            if token is None or (token in ("}", "]") and until is not None):
                raise self.error(f"{until!r} is missing")
            parts.append(self.scripts())
        if until is not None:
            self.take()
        return parts[0] if len(parts) == 1 else _Row(tuple(parts))

    def scripts(self) -> _Part:
        base = self.one()
        below = above = None
        while self.peek() in ("_", "^"):
            if self.take() == "_":
                below = self.one()
            else:
                above = self.one()
        return base if below is above is None else _Scripts(base, below, above)

    def one(self) -> _Part:
        """A single letter, number or sign, a group in braces, or a command with what it takes."""
        token = self.take()
        if token == "{":
            return self.row("}")
        if token.startswith("\\"):
            return self.command(token[1:])
        if token in "}^_&$#%~":
            raise self.error(f"{token!r} stands where something to show was expected")
        kind = "mn" if token[0].isdigit() else "mi" if token.isalpha() else "mo"
        return _Atom(kind, token)

    def command(self, name: str) -> _Part:
        if name in _LETTERS:
            return _Atom("mi", _LETTERS[name])
        if name in _SIGNS:
            return _Atom("mo", _SIGNS[name])
        if name in _NAMES:
            return _Atom("mi", name)
        if name in _SPACES:
            return _Atom("mspace", _SPACES[name])
        if name in _ACCENTS:
            return _Accent(name, self.one())
        if name == "frac":
            return _Frac(self.one(), self.one())
        if name == "sqrt":
            degree = None
            if self.peek() == "[":
                self.take()
                degree = self.row("]")
            return _Root(self.one(), degree)
        if name in ("text", "operatorname", "mathsf", "mathrm"):
            return _Atom("mtext" if name == "text" else "mi", self.words())
        raise self.error(f"\\{name} is not known here")

    def words(self) -> str:
        if (first := self.take()) != "{":
            return first
        found = []
        while (token := self.take()) != "}":
            found.append(token)
        return "".join(found)


def _tokens(latex: str) -> Iterator[str]:
    position = 0
    while position < len(latex):
        words = _WORDS.match(latex, position)
        if words:  # spaces count inside
            yield from (f"\\{words[1]}", "{", words[2], "}")
            position = words.end()
            continue
        found = _TOKEN.match(latex, position)
        if found:
            yield found[0]
        position = found.end() if found else position + 1


# Writing a line of text.


def _text(part: _Part) -> str:
    match part:
        case _Atom("mtext", shown):
            return shown.strip()
        case _Atom(_, shown):
            return shown
        case _Row(parts):
            return _spaced(parts)
        case _Frac(above, below):
            return f"{_wrapped(above)}/{_wrapped(below)}"
        case _Root(inside, degree):
            sign = "√" if degree is None else _text(degree).translate(_RAISED) + "√"
            return f"{sign}{_wrapped(inside)}"
        case _Accent(name, inside):
            return _text(inside) + _ACCENTS[name][0]
        case _Scripts(base, below, above):
            scripts = [_below(below), _above(above)]
            is_tag = scripts[1].startswith("^(") and isinstance(base, _Atom)  # the (1) of W^{(1)}
            return _text(base) + "".join(reversed(scripts) if is_tag else scripts)


def _spaced(parts: tuple[_Part, ...]) -> str:
    """Signs with room around them, names with room behind them, factors apart."""
    shown = ""
    for k, part in enumerate(parts):
        word = _text(part)
        before = parts[k - 1] if k else None
        if shown and _needs_room(before, part, shown, word):
            shown += " "
        shown += word
    return shown


def _needs_room(before: _Part | None, part: _Part, shown: str, word: str) -> bool:
    if not word or shown[-1] in " ([{∂/·" or _UNARY.search(shown):
        return False
    if _is_relation(part) or _is_relation(before) or shown[-1] in ",;":
        return True
    if shown[-1] in "|‖" or word[0] in ")]}|‖,;.'/·!":
        return False
    if word[0] in "([" and not isinstance(part, _Frac):
        return _is_closing(before)
    return not (_is_number(before) and _is_number(part))


def _is_relation(part: _Part | None) -> bool:
    return isinstance(part, _Atom) and part.shown in tuple("+-=<>←≠≤≥∈≈×→⊙…")


def _is_closing(part: _Part | None) -> bool:
    """Whether an opening bracket behind it starts a factor, not an argument."""
    return isinstance(part, (_Frac, _Root)) or (isinstance(part, _Atom) and part.kind == "mn")


def _is_number(part: _Part | None) -> bool:
    return isinstance(part, _Atom) and part.kind == "mn"


def _wrapped(part: _Part) -> str:
    """In brackets, unless nothing could be misread without: ``∂L`` is one thing."""
    word = _text(part)
    return word if re.fullmatch(r"∂?[\w'∂]*(\^\(\w+\))?(_\w+|\[[^]]*\])?", word) else f"({word})"


def _below(part: _Part | None) -> str:
    if part is None:
        return ""
    word = _text(part).replace(", ", ",")
    return f"_{word}" if re.fullmatch(r"\w+", word) else f"[{word}]"


def _above(part: _Part | None) -> str:
    if part is None:
        return ""
    word = _text(part)
    raised = word.translate(_RAISED)
    if all(character in "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀ" for character in raised):
        return raised
    return f"^{word}" if re.fullmatch(r"\w|\(\w+\)", word) else f"^({word})"


# Writing MathML.


def _mathml(part: _Part) -> str:
    match part:
        case _Atom("mspace", shown):
            return f'<mspace width="{max(0.5 * len(shown), 0.17):g}em"/>'
        case _Atom("mo", shown) if shown in "()[]{}|‖":
            return f'<mo stretchy="false">{shown}</mo>'
        case _Atom(kind, shown):
            return f"<{kind}>{escape(_N_ARY.get(shown, shown))}</{kind}>"
        case _Row(parts):
            return f"<mrow>{''.join(map(_mathml, parts))}</mrow>"
        case _Frac(above, below):
            return f"<mfrac>{_mathml(above)}{_mathml(below)}</mfrac>"
        case _Root(inside, None):
            return f"<msqrt>{_mathml(inside)}</msqrt>"
        case _Root(inside, degree) if degree is not None:
            return f"<mroot>{_mathml(inside)}{_mathml(degree)}</mroot>"
        case _Accent(name, inside):
            accent = f'<mo stretchy="false">{_ACCENTS[name][1]}</mo>'
            return f'<mover accent="true">{_mathml(inside)}{accent}</mover>'
        case _Scripts(base, below, above):
            return _mathml_scripts(base, below, above)
    raise AssertionError(part)


def _mathml_scripts(base: _Part, below: _Part | None, above: _Part | None) -> str:
    is_large = isinstance(base, _Atom) and base.shown in _LARGE
    scripts = "".join(_mathml(part) for part in (base, below, above) if part is not None)
    if below is None:
        name = "msup"
    elif above is None:
        name = "munder" if is_large else "msub"
    else:
        name = "munderover" if is_large else "msubsup"
    return f"<{name}>{scripts}</{name}>"
