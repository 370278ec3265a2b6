"""Articles in Markdown, with formulas between dollars, as GitHub and notebooks show them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .blocks import (
    Block,
    Code,
    Formula,
    Heading,
    Items,
    Paragraph,
    Table,
    lines_of,
    marked,
    rendered,
)
from .formula import as_latex


def article(title: str, blocks: Sequence[Block]) -> str:
    """Title and blocks, an empty line between them."""
    return "\n\n".join([f"# {_words(title).strip()}", *map(_block, blocks)]) + "\n"


def _words(words: str) -> str:
    return rendered(words, _text, _formula, "`{}`".format)


def _text(text: str) -> str:
    """Text in which no character has a meaning, and from which no link is made."""
    return re.sub(r"([\\`*_\[\]<>|$#~&^]|:(?=//)|(?<=www)\.)", r"\\\1", text)


_IN_LETTERS = {
    "|": r"\vert ", r"\|": r"\Vert ", r"\{": r"\lbrace ", r"\}": r"\rbrace ", r"\,": r"\thinspace ",
    "<": "< ",
}  # fmt: skip


def _formula(latex: str) -> str:
    """Between dollars; what Markdown may read first is written in letters."""
    return f"${_latex(latex)}$"


def _latex(latex: str) -> str:
    command = re.compile(r"(\\[|{},]|\|) ?|<(?=\S)")
    shown = command.sub(lambda found: _IN_LETTERS[found[1] or "<"], as_latex(latex))
    return re.sub(r"(?<=^[-+]) |(\\? )+$", "", shown)  # no list; no dollar behind a space


def _line(words: str) -> str:
    """Words at the start of a line, where a dash or a number would begin a list."""
    shown = _words(words).strip()
    shown = re.sub(r"^[-+=]", r"\\\g<0>", shown)
    return re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", shown)


def _cell(words: str) -> str:
    return rendered(words, _text, _formula, _code_in_cell)


def _code_in_cell(code: str) -> str:
    """A bar would end the cell even inside code; there, and only there, it can be escaped."""
    return f"`{code}`".replace("|", r"\|")


def _block(block: Block) -> str:
    match block:
        case Heading(words):
            return f"## {_words(words).strip()}"
        case Paragraph(words):
            return _line(words)
        case Items():
            return "\n".join(mark + _line(point) for mark, point in marked(block))
        case Formula(latex):
            return f"$$\n{_latex(latex)}\n$$"
        case Table(heads, rows, _):
            sides = [":--", *["--:"] * (len(heads) - 1)]
            cells = [[*map(_cell, row)] for row in [heads, *rows]]
            lines = [f"| {' | '.join(row)} |" for row in [cells[0], sides, *cells[1:]]]
            return "\n".join(lines)
        case Code():
            text = "\n".join(lines_of(block))
            fence = "`" * max([3, *(1 + len(run) for run in re.findall("`+", text))])
            return f"{fence}text\n{text}\n{fence}"
