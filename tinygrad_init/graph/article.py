r"""Articles: a few kinds of paragraph, written once, shown as text, Markdown, LaTeX or HTML.

In the words of an article, ``$...$`` is a formula (see :mod:`.formula`) and a pair of backticks
encloses code; :func:`verbatim` makes foreign text harmless.

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

import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from .document import document
from .formula import as_mathml, as_text

WIDTH = 88  #: of a line of text

_STYLE = """
body { max-width: 54rem; }
h1 { font-size: 1.7rem; line-height: 1.2; }
h2 { font-size: 1.25rem; margin-top: 2.2rem; }
math[display="block"] { margin: .9rem 0; font-size: 1.1em; }
.wide { overflow-x: auto; margin: 1rem 0; }
th, td { padding: .3rem .8rem; text-align: right; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
th { vertical-align: bottom; }
pre { background: var(--card); padding: .6rem 1rem; overflow-x: auto; }
"""


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
    """Rows of cells below a row of heads, which may all be empty; all of them words."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Code:
    """Lines to be kept as they are."""

    text: str


Block = Heading | Paragraph | Items | Formula | Table | Code


@dataclass(frozen=True)
class Article:
    """A title and blocks, which every format shows in full."""

    title: str
    blocks: Sequence[Block]

    def to_text(self) -> str:
        """Lines of at most 88 characters, but for wide formulas, tables and code."""
        title = _as_text(self.title)
        return f"{title}\n{'=' * len(title)}\n\n{text_of(self.blocks)}"

    def to_markdown(self) -> str:
        """Markdown with formulas between dollars, as GitHub and notebooks show them."""
        title = _as_markdown(self.title)
        return "\n\n".join([f"# {title}", *map(_markdown_block, self.blocks)]) + "\n"

    def to_latex(self) -> str:
        """A whole document, for pdflatex with nothing but amsmath and geometry."""
        body = "\n\n".join(map(_latex_block, self.blocks))
        return _LATEX.replace("TITLE", _as_latex(self.title)).replace("BODY", body)

    def to_html(self) -> str:
        """A whole page that works offline, with formulas in MathML."""
        title = _as_text(self.title)
        body = "\n".join(map(_html_block, self.blocks))
        return document(title, _STYLE, f"<h1>{_as_html(self.title)}</h1>\n{body}")


def text_of(blocks: Sequence[Block]) -> str:
    """Blocks without a title, as text."""
    return "\n\n".join(map(_text_block, blocks))


def verbatim(foreign: str) -> str:
    r"""Foreign text as words in which nothing has a meaning: on one line, printable.

    >>> verbatim("cost: 5$\n`x`")
    'cost: 5\\$ \\`x\\`'
    """
    line = "".join(c if c.isprintable() else " " for c in foreign)
    return re.sub(r"([\\$`])", r"\\\1", line)


def code(foreign: str) -> str:
    """Foreign text as code."""
    line = "".join(c if c.isprintable() else " " for c in foreign)
    return f"`{line.replace('`', chr(0x2019))}`"


_WORDS = re.compile(r"\\(.)|\$([^$]+)\$|`([^`]+)`|([^\\$`]+)")


def _render(
    words: str,
    plain: Callable[[str], str],
    formula: Callable[[str], str],
    code: Callable[[str], str],
) -> str:
    """The words, each part by what it is."""
    shown = []
    for found in _WORDS.finditer(words):
        escaped, latex, quoted, text = found.groups()
        if latex is not None:
            shown.append(formula(latex))
        elif quoted is not None:
            shown.append(code(quoted))
        else:
            shown.append(plain(escaped or text))
    return "".join(shown)


# Text.


def _as_text(words: str) -> str:
    return _render(words, str, as_text, str)


def _text_block(block: Block) -> str:
    match block:
        case Heading(words):
            shown = _as_text(words)
            return f"{shown}\n{'-' * len(shown)}"
        case Paragraph(words):
            return textwrap.fill(_as_text(words), WIDTH)
        case Items():
            return "\n".join(
                textwrap.fill(
                    _as_text(point), WIDTH, initial_indent=mark, subsequent_indent=" " * len(mark)
                )
                for mark, point in _marked(block)
            )
        case Formula(latex):
            return f"    {as_text(latex)}"
        case Table(heads, rows):
            return _text_table([[*map(_as_text, row)] for row in [heads, *rows]])
        case Code(text):
            return textwrap.indent(text, "    ")


def _marked(items: Items) -> Iterator[tuple[str, str]]:
    for number, point in enumerate(items.points, start=1):
        yield (f"{number}. " if items.is_numbered else "- "), point


def _text_table(cells: list[list[str]]) -> str:
    widths = [max(map(_columns, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        room = [" " * (width - _columns(cell)) for width, cell in zip(widths, row, strict=True)]
        first, *others = row
        shown = [first + room[0], *(gap + cell for gap, cell in zip(room[1:], others, strict=True))]
        lines.append("  ".join(shown).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines if lines[0] else lines[2:])


def _columns(shown: str) -> int:
    """How many columns a terminal needs; accents take none, for one thing."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in shown
    )


# Markdown.


def _as_markdown(words: str) -> str:
    return _render(words, _markdown_text, "${}$".format, "`{}`".format)


def _markdown_text(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|$#~])", r"\\\1", text)


def _markdown_block(block: Block) -> str:
    match block:
        case Heading(words):
            return f"## {_as_markdown(words)}"
        case Paragraph(words):
            return _as_markdown(words)
        case Items():
            return "\n".join(mark + _as_markdown(point) for mark, point in _marked(block))
        case Formula(latex):
            return f"$$\n{latex}\n$$"
        case Table(heads, rows):
            sides = [":--", *["--:"] * (len(heads) - 1)]
            cells = [[*map(_as_markdown, row)] for row in [heads, *rows]]
            lines = [f"| {' | '.join(row)} |" for row in [cells[0], sides, *cells[1:]]]
            return "\n".join(lines)
        case Code(text):
            return f"```text\n{text}\n```"


# LaTeX.

_LATEX = r"""\documentclass[a4paper]{article}
\usepackage[utf8]{inputenc}
\usepackage{amsmath}
\usepackage[margin=24mm]{geometry}
\setlength{\parindent}{0pt}
\setlength{\parskip}{.6em}
\setlength{\emergencystretch}{4em}
\begin{document}

{\LARGE TITLE\par}

BODY

\end{document}
"""

_IN_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"$<$", ">": r"$>$", "|": r"$|$", '"': "''", "“": "``", "”": "''", "’": "'",
    "…": r"\ldots{}", "·": r"$\cdot$", "×": r"$\times$", "−": r"$-$", "→": r"$\to$",
    "≠": r"$\ne$", "≤": r"$\le$", "≥": r"$\ge$", "–": "--", "✓": r"$\surd$",
}  # fmt: skip


def _as_latex(words: str) -> str:
    return _render(words, _latex_text, "${}$".format, _typewriter)


def _typewriter(code: str) -> str:
    return rf"\texttt{{{_latex_text(code)}}}"


def _latex_text(text: str) -> str:
    """Text in the letters that TeX's own fonts have; others by their nearest relative, or "?"."""
    return "".join(_IN_LATEX.get(c) or (c if c.isascii() else _nearest(c)) for c in text)


def _nearest(character: str) -> str:
    letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return "".join(_IN_LATEX.get(c, c) for c in letters) or "?"


def _latex_block(block: Block) -> str:
    match block:
        case Heading(words):
            return rf"\section*{{{_as_latex(words)}}}"
        case Paragraph(words):
            return _as_latex(words)
        case Items(points, is_numbered):
            kind = "enumerate" if is_numbered else "itemize"
            lines = "\n".join(rf"\item {_as_latex(point)}" for point in points)
            return f"\\begin{{{kind}}}\n{lines}\n\\end{{{kind}}}"
        case Formula(latex):
            return f"\\[\n{latex}\n\\]"
        case Table(heads, rows):
            return _latex_table([[*map(_as_latex, row)] for row in [heads, *rows]])
        case Code(text):
            lines = r"\\".join(_latex_text(line).replace(" ", "~") for line in text.splitlines())
            return f"\\begin{{quote}}\n\\ttfamily\\small {lines}\n\\end{{quote}}"


def _latex_table(cells: list[list[str]]) -> str:
    head, *rows = [" & ".join(row) + r" \\" for row in cells]
    columns = "l" + "r" * (len(cells[0]) - 1)
    above = [r"\hline", head] if any(cells[0]) else []
    lines = "\n".join([*above, r"\hline", *rows, r"\hline"])
    return (
        f"\\begin{{center}}\\footnotesize\\setlength{{\\tabcolsep}}{{4pt}}\n"
        f"\\begin{{tabular}}{{{columns}}}\n{lines}\n\\end{{tabular}}\n\\end{{center}}"
    )


# HTML.


def _as_html(words: str) -> str:
    return _render(words, escape, as_mathml, lambda code: f"<code>{escape(code)}</code>")


def _html_block(block: Block) -> str:
    match block:
        case Heading(words):
            return f"<h2>{_as_html(words)}</h2>"
        case Paragraph(words):
            return f"<p>{_as_html(words)}</p>"
        case Items(points, is_numbered):
            kind = "ol" if is_numbered else "ul"
            lines = "".join(f"<li>{_as_html(point)}</li>\n" for point in points)
            return f"<{kind}>\n{lines}</{kind}>"
        case Formula(latex):
            return f'<div class="wide" tabindex="0">{as_mathml(latex, display=True)}</div>'
        case Table(heads, rows):
            head = "".join(f"<th>{_as_html(cell)}</th>" for cell in heads if any(heads))
            body = "\n".join(
                f"<tr>{''.join(f'<td>{_as_html(cell)}</td>' for cell in row)}</tr>" for row in rows
            )
            return (
                f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead>\n'
                f"<tbody>{body}</tbody></table></div>"
            )
        case Code(text):
            return f'<pre tabindex="0">{escape(text)}</pre>'
