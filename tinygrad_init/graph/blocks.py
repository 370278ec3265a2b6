r"""What articles are made of: a few kinds of paragraph, and the words inside them.

In the words of a block, ``$...$`` is a formula (see :mod:`.formula`), a pair of backticks encloses
code, and a backslash takes its meaning from any of these; :func:`verbatim` makes foreign text
harmless.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..autograd import DataError

Tone = Literal["", "equal", "apart"]


@dataclass(frozen=True)
class Heading:
    """The title of a section."""

    words: str


@dataclass(frozen=True)
class Paragraph:
    """Sentences."""

    words: str


@dataclass(frozen=True)
class Items:
    """Points, one below the other; numbered or not."""

    points: Sequence[str]
    is_numbered: bool = False


@dataclass(frozen=True)
class Formula:
    """A formula on a line of its own, in LaTeX."""

    latex: str


@dataclass(frozen=True)
class Table:
    """Rows of cells below a row of heads, which may all be empty; all of them words.

    Rows that say what is equal, and what is apart, can have a tone: the colours of a page. The
    words say it, too.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    tones: Sequence[Tone] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.heads):
                raise DataError(f"a row of {len(row)} cells below {len(self.heads)} heads: {row}")
        if self.tones and len(self.tones) != len(self.rows):
            raise DataError(f"{len(self.tones)} tones for {len(self.rows)} rows")


@dataclass(frozen=True)
class Code:
    """Lines to be kept as they are, but for what cannot be printed."""

    text: str


Block = Heading | Paragraph | Items | Formula | Table | Code


def verbatim(foreign: str) -> str:
    r"""Foreign text as words in which nothing has a meaning: on one line, printable.

    >>> verbatim("cost: 5$\n`x`")
    'cost: 5\\$ \\`x\\`'
    """
    return re.sub(r"([\\$`])", r"\\\1", printable(foreign))


def code(foreign: str) -> str:
    """Foreign text as code; a backtick becomes an apostrophe."""
    line = printable(foreign).replace("`", "’")
    return f"`{line}`" if line else ""


def printable(foreign: str) -> str:
    """On one line, with a space for what cannot be printed."""
    return "".join(c if c.isprintable() else " " for c in foreign)


def lines_of(block: Code) -> list[str]:
    """At least one line, each of them printable."""
    return [printable(line) for line in block.text.expandtabs().splitlines()] or [""]


_WORDS = re.compile(r"((?:\\.|[^\\$`])+)|\$([^$]+)\$|`([^`]+)`")


def rendered(
    words: str,
    plain: Callable[[str], str],
    formula: Callable[[str], str],
    code: Callable[[str], str],
) -> str:
    """The words, each part by what it is."""
    if "\n" in words:
        words = re.sub(r"\s+", " ", words)
    shown = []
    position = 0
    for found in _WORDS.finditer(words):
        if found.start() != position:
            break
        position = found.end()
        text, latex, quoted = found.groups()
        if latex is not None:
            shown.append(formula(latex))
        elif quoted is not None:
            shown.append(code(quoted))
        else:
            shown.append(plain(re.sub(r"\\(.)", r"\1", text)))
    if position != len(words):
        raise DataError(
            f"cannot read these words from {words[position:][:40]!r} on: $ and ` go in pairs with "
            f"something between them, and \\ goes before something; verbatim() is for foreign text"
        )
    return "".join(shown)


def marked(items: Items) -> Iterator[tuple[str, str]]:
    """Each point with its number, or a dash."""
    for number, point in enumerate(items.points, start=1):
        yield (f"{number}. " if items.is_numbered else "- "), point


def is_accent(character: str) -> bool:
    """Whether it stands above, below or around the character before."""
    return unicodedata.category(character) in ("Mn", "Me")


def widest(widths: Sequence[float], room: int, least: int) -> int:
    """What the widest columns must give way to, so that all have room."""
    limit = room
    while sum(min(width, limit) for width in widths) > room and limit > least:
        limit -= 1
    return limit
