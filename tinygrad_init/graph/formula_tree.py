"""Formulas as trees: LaTeX read from left to right, and what each part is to its neighbours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
ACCENTS = {"bar": ("\u0304", "¯"), "hat": ("\u0302", "^")}
_WORDLIKE = ("text", "operatorname", "mathsf", "mathrm")

_CLASSES = {  #: what a sign, or another kind of atom, is to its neighbours
    **dict.fromkeys("([{", "open"), **dict.fromkeys(")]}!", "close"),
    **dict.fromkeys("+-*×⊙", "binary"), **dict.fromkeys("=<>:←≠≤≥∈≈→", "relation"),
    **dict.fromkeys(",;.", "comma"), **dict.fromkeys("/·", "tight"), **dict.fromkeys("ΣΠ", "large"),
    "name": "name", "mtext": "words", "mspace": "space",
}  # fmt: skip
_TYPED = frozenset("()[]|!+-*=<>:,;./")  #: signs that are written as themselves

DEEPEST = 50  #: groups inside one another

_WORDS = re.compile(rf"\\({'|'.join(_WORDLIKE)})\s*\{{([^{{}}]*)\}}")
_TOKEN = re.compile(r"\\([A-Za-z]+|.)|(\d+(?:\.\d+)?|\.\d+)|( \(|\S)")


@dataclass(frozen=True)
class Atom:
    """A letter, a number, a sign, a name, a word, or room."""

    kind: str  #: the MathML element mi, mn, mo, mtext or mspace; "name" is an upright mi
    shown: str
    width: str = ""  #: of room, in em
    is_apart: bool = False  #: an opening bracket with a space before it, as of a factor


@dataclass(frozen=True)
class Row:
    """Parts beside one another."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Frac:
    """A fraction."""

    above: Part
    below: Part


@dataclass(frozen=True)
class Root:
    """A root."""

    inside: Part
    degree: str  #: empty for the square root


@dataclass(frozen=True)
class Accent:
    """A part below a bar or a hat."""

    name: str
    inside: Part


@dataclass(frozen=True)
class Scripts:
    """A part with an index, an exponent, or primes."""

    base: Part
    below: Part | None
    above: Part | None
    primes: int = 0


Part = Atom | Row | Frac | Root | Accent | Scripts


# Reading.


def read(latex: str) -> Part:
    """The whole formula.

    Raises:
        DataError: if it is none, or if something in it is not known here.
    """
    return _Reader(latex).row(until=None)


def cannot_read(latex: str, why: str) -> DataError:
    """The error for a formula."""
    return DataError(f"cannot read the formula {latex!r}: {why}")


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
        return cannot_read(self.latex, what)

    def row(self, until: str | None) -> Part:
        parts: list[Part] = []
        while (token := self.peek()) != until:
            if token is None:
                raise self.error(f"{until!r} is missing")
            parts.append(self.scripts())
        if until is not None:
            self.take()
        return parts[0] if len(parts) == 1 else Row(tuple(parts))

    def scripts(self) -> Part:
        base = self.one()
        below: Part | None = None
        above: Part | None = None
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
        return base if is_bare else Scripts(base, below, above, primes)

    def argument(self) -> Part:
        """What a script or a command takes: a group, or a single letter, digit or sign."""
        token = self.peek() or ""
        if len(token) > 1 and token[1:] not in _LETTERS:  # TeX takes the 1 of 12, or nothing good
            raise self.error(f"{token!r} needs braces around it")
        return self.one()

    def one(self) -> Part:
        """A single letter, number or sign, a group in braces, or a command with what it takes."""
        token = self.take()
        if token == "{":
            return self.group()
        if token.startswith("\\"):
            return self.command(token)
        if token[-1].isdigit() and token.isascii():
            return Atom("mn", token)
        if token.isalpha() and token.isascii():
            return Atom("mi", token)
        if token == " (":
            return Atom("mo", "(", is_apart=True)
        if token not in _TYPED:
            raise self.error(f"{token!r} stands where something to show was expected")
        return Atom("mo", token)

    def group(self) -> Part:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"more than {DEEPEST} groups are inside one another")
        inside = self.row("}")
        self.depth -= 1
        return inside

    def command(self, token: str) -> Part:
        if words := _WORDS.fullmatch(token):
            return self.words(words[1], words[2])
        name = token[1:]
        if name in _LETTERS:
            return Atom("mi", _LETTERS[name])
        if name in _SIGNS:
            return Atom("mo", _SIGNS[name])
        if name in _NAMES:
            return Atom("name", name)
        if name in _SPACES:
            return Atom("mspace", *_SPACES[name])
        if name in ACCENTS:
            return Accent(name, self.argument())
        if name == "frac":
            return Frac(self.argument(), self.argument())
        if name == "sqrt":
            degree = self.degree() if self.peek() == "[" else ""
            return Root(self.argument(), degree)
        if name in _WORDLIKE:
            return self.words(name, self.take())
        raise self.error(f"{token} is not known here")

    def degree(self) -> str:
        _, degree, closing = self.take(), self.take(), self.take()
        if not (degree.isalnum() and degree.isascii()) or closing != "]":
            raise self.error("the degree of a root is one number or letter here")
        return degree

    def words(self, command: str, inside: str) -> Part:
        r"""Letters and digits, which no font shows as something else; in ``\text`` some more."""
        allowed = r"[\w .,:;!?()\[\]/=+*'-]*" if command == "text" else r"\w+"
        if not re.fullmatch(allowed, inside, re.ASCII) or "_" in inside:
            raise self.error(f"\\{command} cannot show {inside!r}")
        return Atom("mtext" if command == "text" else "name", inside)


def _tokens(latex: str) -> Iterator[str]:
    position = 0
    while position < len(latex):  # words are one token: spaces count inside
        found = _WORDS.match(latex, position) or _TOKEN.match(latex, position)
        if found:
            yield found[0]
        position = found.end() if found else position + 1


# What a part is among its neighbours, much as TeX sees it.


def classes_of(parts: Sequence[Part]) -> list[str]:
    """Of each part its class: a letter, a number, a sign before what follows, a relation, ..."""
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


def _class(part: Part, core: Atom | None, before: str) -> str:
    if core is None:
        return "fraction" if isinstance(part, (Frac, Root)) else "letter"
    if is_differential(part):
        return "sign"
    if core.kind == "mo":
        is_first = before not in ("letter", "number", "fraction", "close")
        return "sign" if core.shown in "+-" and is_first else _CLASSES.get(core.shown, "letter")
    return "number" if part is core and core.kind == "mn" else _CLASSES.get(core.kind, "letter")


def is_differential(part: Part) -> bool:
    """Whether it belongs to what follows, as a sign does: a ∂, or an upright d."""
    core = _core(part)
    is_indexed = isinstance(part, Scripts) and part.below is not None
    is_d = core is not None and (core.shown == "∂" or (core.kind, core.shown) == ("name", "d"))
    return is_d and not is_indexed


def _core(part: Part) -> Atom | None:
    """The atom that scripts hang on."""
    while isinstance(part, Scripts):
        part = part.base
    return part if isinstance(part, Atom) else None
