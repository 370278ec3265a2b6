"""What every document can do: be shown in four formats, and be written to a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ..autograd import DataError
from .article import Article
from .render import write_whole

#: by the suffix of the file
WRITERS: Mapping[str, Callable[[Article], str]] = {
    ".txt": Article.to_text,
    ".md": Article.to_markdown,
    ".tex": Article.to_latex,
    ".html": Article.to_html,
}


class Written:
    """Something that is told in an article; printing it gives the text, a notebook shows it."""

    if TYPE_CHECKING:  # an attribute or a property of each document

        @property
        def article(self) -> Article:
            """What there is to tell."""
            raise NotImplementedError

    called: ClassVar[str] = "a document"  #: in messages

    def to_text(self) -> str:
        """The document as plain text."""
        return self.article.to_text()

    def to_markdown(self) -> str:
        """The document in Markdown, formulas between dollars."""
        return self.article.to_markdown()

    def to_latex(self) -> str:
        """The document in LaTeX, to be compiled as it is."""
        return self.article.to_latex()

    def to_html(self) -> str:
        """The document as a page that needs nothing else."""
        return self.article.to_html()

    def render(self, path: str | os.PathLike[str]) -> Path:
        """Write the document to a file, in the format that its suffix says.

        Returns:
            The path.

        Raises:
            DataError: for a suffix other than .txt, .md, .tex and .html.
        """
        target = Path(path)
        suffix = target.suffix.lower()
        if suffix not in WRITERS:
            raise DataError(
                f"cannot write {self.called} to {target.name!r}: the suffix says the format, and "
                f"the known ones are {', '.join(WRITERS)}"
            )
        write_whole(target, WRITERS[suffix](self.article).encode())
        return target

    def __str__(self) -> str:
        return self.to_text()

    def _repr_markdown_(self) -> str:
        return self.to_markdown()
