"""Articles as plain text."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence
from itertools import zip_longest

from .blocks import (
    Block,
    Code,
    Formula,
    Heading,
    Items,
    Paragraph,
    Table,
    is_accent,
    lines_of,
    marked,
    rendered,
    widest,
)
from .formula import as_text

WIDTH = 88  #: of a line of text
TABLE_WIDTH = 132  #: of a table in text


def article(title: str, blocks: Sequence[Block]) -> str:
    """Title and blocks, an empty line between them."""
    shown = line(title)
    return "\n\n".join([f"{shown}\n{'=' * _columns(shown)}", *map(block, blocks)])


def line(words: str) -> str:
    """Words on one line."""
    return rendered(words, str, as_text, str)


def block(this: Block) -> str:
    """One paragraph, list or table."""
    match this:
        case Heading(words):
            shown = line(words)
            return f"{shown}\n{'-' * _columns(shown)}"
        case Paragraph(words):
            return _filled(line(words))
        case Items():
            return "\n".join(_filled(line(point), mark) for mark, point in marked(this))
        case Formula(latex):
            return f"    {as_text(latex)}"
        case Table(heads, rows, _):
            return _text_table([[*map(line, row)] for row in [heads, *rows]])
        case Code():
            return textwrap.indent("\n".join(lines_of(this)), "    ")


def _filled(words: str, mark: str = "") -> str:
    """Lines of text, the first of them behind the mark."""
    lines = textwrap.wrap(words, WIDTH - len(mark), break_on_hyphens=False) or [""]
    starts = [mark, *[" " * len(mark)] * (len(lines) - 1)]
    return "\n".join(map(str.__add__, starts, lines))


def _text_table(cells: list[list[str]]) -> str:
    widths = [max(map(_columns, column)) for column in zip(*cells, strict=True)]
    limit = widest(widths, TABLE_WIDTH - 2 * (len(widths) - 1), least=10)
    widths = [min(width, limit) for width in widths]
    lines = []
    for row in cells:
        parts = [_folded_cell(cell, width) for cell, width in zip(row, widths, strict=True)]
        lines += [_text_row(cut, widths) for cut in zip_longest(*parts, fillvalue="")]
        if row is cells[0]:
            lines.append("  ".join("-" * width for width in widths))
    return "\n".join(lines if any(cells[0]) else lines[2:])


def _folded_cell(cell: str, width: int) -> list[str]:
    fits = _columns(cell) <= width
    return [cell] if fits else textwrap.wrap(cell, width, break_on_hyphens=False) or [""]


def _text_row(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The first to the left, the others to the right."""
    room = [" " * (width - _columns(cell)) for width, cell in zip(widths, cells, strict=True)]
    shown = [f"{cells[0]}{room[0]}", *map(str.__add__, room[1:], cells[1:])] if cells else []
    return "  ".join(shown).rstrip()


def _columns(shown: str) -> int:
    """How many columns a terminal needs; accents take none, for one thing."""
    return sum(
        0 if is_accent(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in shown
    )
