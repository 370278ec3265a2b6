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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from ..autograd import DataError

GREEK_LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "varepsilon": "ε",
    "zeta": "ζ", "eta": "η", "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ",
    "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "upsilon": "υ",
    "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ",
    "Lambda": "Λ", "Xi": "Ξ", "Upsilon": "Υ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip
_LETTERS = {**GREEK_LETTERS, "epsilon": "ε", "ell": "ℓ", "partial": "∂", "infty": "∞"}
_SIGNS = {
    "cdot": "·", "times": "×", "leftarrow": "←", "ne": "≠", "le": "≤", "ge": "≥", "in": "∈",
    "approx": "≈", "dots": "…", "ldots": "…", "odot": "⊙", "to": "→", "|": "‖", "{": "{", "}": "}",
    "sum": "Σ", "prod": "Π",
}  # fmt: skip
_NAMES = (
    "arccos", "arcsin", "arctan", "arg", "cos", "cosh", "exp", "ln", "log", "max", "min", "sin",
    "sinh", "tan", "tanh",
)  # fmt: skip
_SPACES = {  # in a line of text, and in em
    ",": (" ", "0.17"), " ": (" ", "0.33"), "quad": ("  ", "1"), "qquad": ("    ", "2"),
}  # fmt: skip
_ACCENTS = {"bar": ("\u0304", "¯"), "hat": ("\u0302", "^")}
_WORDLIKE = ("text", "operatorname", "mathsf", "mathrm")

_CLASSES = {  #: what a sign, or another kind of atom, is to its neighbours
    **dict.fromkeys("([{", "open"), **dict.fromkeys(")]}!", "close"),
    **dict.fromkeys("+-*×⊙", "binary"), **dict.fromkeys("=<>:←≠≤≥∈≈→", "relation"),
    **dict.fromkeys(",;.", "comma"), **dict.fromkeys("/·", "tight"), **dict.fromkeys("ΣΠ", "large"),
    "name": "name", "mtext": "words", "mspace": "space",
}  # fmt: skip
_TYPED = frozenset("()[]|!+-*=<>:,;./")  #: signs that are written as themselves
_WITH_LIMITS = ("Σ", "Π", "max", "min")  #: what has its limits below it where there is room
_RAISED = str.maketrans("0123456789+-T", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀ")
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_IN_MATHML = {"Σ": "∑", "Π": "∏", "-": "−"}  #: signs for which a line of text has another

DEEPEST = 50  #: groups inside one another

_WORDS = re.compile(rf"\\({'|'.join(_WORDLIKE)})\s*\{{([^{{}}]*)\}}")
_TOKEN = re.compile(r"\\([A-Za-z]+|.)|(\d+(?:\.\d+)?|\.\d+)|( \(|\S)")


@dataclass(frozen=True)
class _Atom:
    """A letter, a number, a sign, a name, a word, or room."""

    kind: str  #: the MathML element mi, mn, mo, mtext or mspace; "name" is an upright mi
    shown: str
    width: str = ""  #: of room, in em
    is_apart: bool = False  #: an opening bracket with a space before it, as of a factor


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
    degree: str  #: empty for the square root


@dataclass(frozen=True)
class _Accent:
    name: str
    inside: _Part


@dataclass(frozen=True)
class _Scripts:
    base: _Part
    below: _Part | None
    above: _Part | None
    primes: int = 0


_Part = _Atom | _Row | _Frac | _Root | _Accent | _Scripts


def as_text(latex: str) -> str:
    """The formula on one line, in Unicode."""
    return _text(_Reader(latex).whole()).strip()


def as_mathml(latex: str, display: bool = False) -> str:
    """The formula as a ``<math>`` element, which browsers show without any script."""
    block = ' display="block"' if display else ""
    return f"<math{block}>{_mathml(_Reader(latex).whole())}</math>"


def as_latex(latex: str) -> str:
    """The formula itself on one line, if the other two could show it as well."""
    _Reader(latex).whole()
    shown = re.sub(r"' (?=['^])", "'", " ".join(latex.split()))  # TeX wants them side by side
    return shown + " " if shown.endswith("\\") else shown  # the last command is a space


# Reading.


class _Reader:
    """Reads from left to right, one token at a time."""

    def __init__(self, latex: str) -> None:
        self.latex = latex
        self.tokens = list(_tokens(latex))
        self.position = 0
        self.depth = 0

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

    def whole(self) -> _Part:
        found = self.row(until=None)
        if not _text(found).strip():
            raise self.error("it is empty")
        return found

    def row(self, until: str | None) -> _Part:
        parts: list[_Part] = []
        while (token := self.peek()) != until:
            if token is None:
                raise self.error(f"{until!r} is missing")
            parts.append(self.scripts())
        if until is not None:
            self.take()
        return parts[0] if len(parts) == 1 else _Row(tuple(parts))

    def scripts(self) -> _Part:
        base = self.one()
        below: _Part | None = None
        above: _Part | None = None
        primes = 0
        before = ""
        while (token := self.peek()) in ("_", "^", "'"):
            self.take()
            is_raised = above is not None or (primes > 0 and before != "'")  # as TeX counts
            if is_raised if token != "_" else below is not None:
                raise self.error(f"a second {token!r} at one base: braces must say which is which")
            if token == "'":
                primes += 1
            elif token == "_":
                below = self.argument()
            else:
                above = self.argument()
            before = token
        is_bare = below is above is None and not primes
        return base if is_bare else _Scripts(base, below, above, primes)

    def argument(self) -> _Part:
        """What a script or a command takes: a group, or a single letter, digit or sign."""
        token = self.peek() or ""
        if len(token) > 1 and token[1:] not in _LETTERS:  # TeX takes the 1 of 12, or nothing good
            raise self.error(f"{token!r} needs braces around it")
        return self.one()

    def one(self) -> _Part:
        """A single letter, number or sign, a group in braces, or a command with what it takes."""
        token = self.take()
        if token == "{":
            return self.group()
        if token.startswith("\\"):
            return self.command(token)
        if token[-1].isdigit() and token.isascii():
            return _Atom("mn", token)
        if token.isalpha() and token.isascii():
            return _Atom("mi", token)
        if token == " (":
            return _Atom("mo", "(", is_apart=True)
        if token not in _TYPED:
            raise self.error(f"{token!r} stands where something to show was expected")
        return _Atom("mo", token)

    def group(self) -> _Part:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"more than {DEEPEST} groups are inside one another")
        inside = self.row("}")
        self.depth -= 1
        return inside

    def command(self, token: str) -> _Part:
        if words := _WORDS.fullmatch(token):
            return self.words(words[1], words[2])
        name = token[1:]
        if name in _LETTERS:
            return _Atom("mi", _LETTERS[name])
        if name in _SIGNS:
            return _Atom("mo", _SIGNS[name])
        if name in _NAMES:
            return _Atom("name", name)
        if name in _SPACES:
            return _Atom("mspace", *_SPACES[name])
        if name in _ACCENTS:
            return _Accent(name, self.argument())
        if name == "frac":
            return _Frac(self.argument(), self.argument())
        if name == "sqrt":
            degree = self.degree() if self.peek() == "[" else ""
            return _Root(self.argument(), degree)
        if name in _WORDLIKE:
            return self.words(name, self.take())
        raise self.error(f"{token} is not known here")

    def degree(self) -> str:
        _, degree, closing = self.take(), self.take(), self.take()
        if not (degree.isalnum() and degree.isascii()) or closing != "]":
            raise self.error("the degree of a root is one number or letter here")
        return degree

    def words(self, command: str, inside: str) -> _Part:
        r"""Letters and digits, which no font shows as something else; in ``\text`` some more."""
        allowed = r"[\w .,:;!?()\[\]/=+*'-]*" if command == "text" else r"\w+"
        if not re.fullmatch(allowed, inside, re.ASCII) or "_" in inside:
            raise self.error(f"\\{command} cannot show {inside!r}")
        return _Atom("mtext" if command == "text" else "name", inside)


def _tokens(latex: str) -> Iterator[str]:
    position = 0
    while position < len(latex):  # words are one token: spaces count inside
        found = _WORDS.match(latex, position) or _TOKEN.match(latex, position)
        if found:
            yield found[0]
        position = found.end() if found else position + 1


# What a part is among its neighbours, much as TeX sees it.


def _classes(parts: Sequence[_Part]) -> list[str]:
    found: list[str] = []
    opened: list[str] = []  # brackets, and bars: every other bar closes what the last one opened
    for part in parts:
        before = next((one for one in reversed(found) if one != "space"), "open")
        core = _core(part)
        sign = core.shown if core is not None and core.kind == "mo" else ""
        if sign in ("|", "‖"):
            is_closing = sign in opened[-1:]
            found.append("close" if is_closing else "open")
        else:
            is_closing = sign in (")", "]", "}")
            found.append(_class(part, core, before))
            while is_closing and opened[-1:] in (["|"], ["‖"]):
                opened.pop()
        if is_closing:
            del opened[-1:]
        elif found[-1] == "open":
            opened.append(sign)
    return found


def _class(part: _Part, core: _Atom | None, before: str) -> str:
    if core is None:
        return "fraction" if isinstance(part, (_Frac, _Root)) else "letter"
    if _is_differential(part):
        return "sign"
    if core.kind == "mo":
        is_first = before not in ("letter", "number", "fraction", "close")
        return "sign" if core.shown in "+-" and is_first else _CLASSES.get(core.shown, "letter")
    return "number" if part is core and core.kind == "mn" else _CLASSES.get(core.kind, "letter")


def _is_differential(part: _Part) -> bool:
    """Whether it belongs to what follows, as a sign does: a ∂, or an upright d."""
    core = _core(part)
    is_indexed = isinstance(part, _Scripts) and part.below is not None
    is_d = core is not None and (core.shown == "∂" or (core.kind, core.shown) == ("name", "d"))
    return is_d and not is_indexed


def _core(part: _Part) -> _Atom | None:
    """The atom that scripts hang on."""
    while isinstance(part, _Scripts):
        part = part.base
    return part if isinstance(part, _Atom) else None


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
            return f"{_in_brackets(above)}/{_in_brackets(below)}"
        case _Root(inside, degree):
            return _root(inside, degree)
        case _Accent(name, _Atom(_, shown)) if len(shown) == 1:
            return shown + _ACCENTS[name][0]
        case _Accent(name, inside):
            return f"({_text(inside)}){_ACCENTS[name][0]}"
        case _Scripts(base, below, above, primes):
            word = _text(base)
            if word and (not isinstance(base, (_Atom, _Accent)) or _is_phrase(base)):
                word = f"({word})"
            scripts = [_below(below), _above(above)]
            if above is not None and re.fullmatch(r"\(\w+\)", _text(above)):
                scripts.reverse()  # the (1) of W^{(1)} belongs to the name
            return word + "'" * primes + "".join(scripts)


def _spaced(parts: Sequence[_Part]) -> str:
    """Signs with room around them, names with room behind them, factors apart."""
    shown = ""
    before = "open"
    for part, this in zip(parts, _classes(parts), strict=True):
        word = _text(part)
        if before == "sign" and _is_phrase(part):
            word = f"({word})"
        if isinstance(part, _Frac) and (before == "name" or shown.rstrip().endswith("/")):
            word = f"({word})"
            this = "letter"
            shown += word
        elif word == " ":
            shown += " " * (not shown.endswith(" "))
        elif word:
            is_apart = isinstance(part, _Atom) and part.is_apart
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


def _root(inside: _Part, degree: str) -> str:
    is_raised = isinstance(inside, _Scripts) and inside.above is not None
    word = f"({_text(inside)})" if is_raised else _in_brackets(inside)
    if degree.isalpha():
        return f"{word}^(1/{degree})"
    return f"{degree.translate(_RAISED)}√{word}"


def _in_brackets(part: _Part) -> str:
    """In brackets, unless nothing could be misread without: ``∂L`` is one thing."""
    return _text(part) if _is_one(part) else f"({_text(part)})"


def _is_one(part: _Part) -> bool:
    match part:
        case _Atom(kind, _):
            return kind in ("mi", "mn", "name")
        case _Scripts(base, _, _):
            return _is_one(base) or not isinstance(base, _Atom)
        case _Row((first, second)):
            return _is_differential(first) and (_is_one(second) or _is_phrase(second))
    return isinstance(part, _Accent)


def _is_phrase(part: _Part) -> bool:
    """Words, or dots between them, that name one thing."""
    return isinstance(part, _Atom) and part.kind == "mtext" and not part.shown.isalnum()


def _below(part: _Part | None) -> str:
    if part is None:
        return ""
    word = _text(part).replace(", ", ",")
    if re.fullmatch("[0-9]+", word):
        return word.translate(_LOWERED)
    return f"_{word}" if isinstance(part, _Atom) and word.isalnum() else f"[{word}]"


def _above(part: _Part | None) -> str:
    if part is None:
        return ""
    word = _text(part)
    if re.fullmatch(r"[-+]?[0-9]*|T", word):
        return word.translate(_RAISED)
    return f"^{word}" if re.fullmatch(r"\w|\(\w+\)", word) else f"^({word})"


# Writing MathML.


def _mathml(part: _Part, kind: str = "letter") -> str:
    """Markup; the kind is the part's class in its row."""
    match part:
        case _Atom():
            return _mathml_atom(part, kind)
        case _Row(parts):
            return f"<mrow>{_mathml_row(parts)}</mrow>"
        case _Frac(above, below):
            return f"<mfrac>{_mathml(above)}{_mathml(below)}</mfrac>"
        case _Root(inside, ""):
            return f"<msqrt>{_mathml(inside)}</msqrt>"
        case _Root(inside, degree):
            shown = f"<mn>{degree}</mn>" if degree.isdigit() else f"<mi>{degree}</mi>"
            return f"<mroot>{_mathml(inside)}{shown}</mroot>"
        case _Accent(name, inside):
            accent = f'<mo stretchy="false">{_ACCENTS[name][1]}</mo>'
            return f'<mover accent="true">{_mathml(inside)}{accent}</mover>'
        case _Scripts():
            return _mathml_scripts(part, kind)
    raise AssertionError(part)


def _mathml_row(parts: Sequence[_Part]) -> str:
    """Browsers put room around signs, but none around names."""
    classes = _classes(parts)
    shown = []
    for k, (part, this) in enumerate(zip(parts, classes, strict=True)):
        before = classes[k - 1] if k else "open"
        if _needs_thin_space(before, this):
            shown.append('<mspace width="0.17em"/>')
        shown.append(_mathml(part, this))
    return "".join(shown)


def _needs_thin_space(before: str, this: str) -> bool:
    if this == "name":
        return before in ("letter", "number", "fraction", "close", "name")
    return before == "name" and this in ("letter", "number", "fraction", "sign")


def _mathml_atom(atom: _Atom, kind: str) -> str:
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


def _mathml_scripts(part: _Scripts, kind: str) -> str:
    base = _mathml(part.base, kind)
    if part.primes:  # the sign is small and raised by itself
        base = f"<mrow>{base}<mo>{'′' * part.primes}</mo></mrow>"
    scripts = "".join(_mathml(one) for one in (part.below, part.above) if one is not None)
    has_limits = isinstance(part.base, _Atom) and part.base.shown in _WITH_LIMITS
    if part.below is None:
        name = "msup"
    elif part.above is None:
        name = "munder" if has_limits else "msub"
    else:
        name = "munderover" if has_limits else "msubsup"
    return f"<{name}>{base}{scripts}</{name}>" if scripts else base
