r"""Articles: written once, shown as text, Markdown, LaTeX or HTML.

>>> note = Article("A note", [Paragraph("The rate is $\\eta$."), Formula("w - \\eta g")])
>>> print(note.to_text())
A note
======
<BLANKLINE>
The rate is η.
<BLANKLINE>
    w - η g
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import latex, markdown, plain, webpage
from .blocks import (
    Block,
    Code,
    Formula,
    Heading,
    Items,
    Paragraph,
    Table,
    Tone,
    code,
    verbatim,
)

__all__ = [
    "Article", "Block", "Code", "Formula", "Heading", "Items", "Paragraph", "Table", "Tone", "code",
    "text_of", "verbatim",
]  # fmt: skip


@dataclass(frozen=True)
class Article:
    """A title and blocks, which every format shows in full."""

    title: str
    blocks: Sequence[Block]

    def to_text(self) -> str:
        """Lines of at most 88 characters, of tables 132; formulas and code may be wider."""
        return plain.article(self.title, self.blocks)

    def to_markdown(self) -> str:
        """Markdown with formulas between dollars, as GitHub and notebooks show them."""
        return markdown.article(self.title, self.blocks)

    def to_latex(self) -> str:
        """A whole document, for pdflatex with nothing but amsmath and geometry."""
        return latex.article(self.title, self.blocks)

    def to_html(self) -> str:
        """A whole page that works offline, with formulas in MathML."""
        return webpage.article(self.title, self.blocks)


def text_of(blocks: Sequence[Block]) -> str:
    """Blocks without a title, as text."""
    return "\n\n".join(map(plain.block, blocks))
