r"""Articles: a few kinds of paragraph, written once, shown as text, Markdown, LaTeX or HTML.

In the words of an article, ``$...$`` is a formula (see :mod:`.formula`), a pair of backticks
encloses code, and a backslash takes its meaning from any of these; :func:`verbatim` makes foreign
text harmless.

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
from itertools import zip_longest
from typing import Literal

from ..autograd import DataError
from .document import document
from .formula import as_latex, as_mathml, as_text

WIDTH = 88  #: of a line of text
TABLE_WIDTH = 132  #: of a table in text
SHORT = 30  #: letters of a cell that stay on one line of a page

_STYLE = """
body { max-width: 54rem; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; }
h2 { font-size: 1.25rem; margin-top: 2.2rem; }
math[display="block"] { margin: .9rem 0; font-size: 1.1em; }
.wide { overflow-x: auto; margin: 1rem 0; }
th, td { padding: .3rem .8rem; text-align: right; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
th { vertical-align: bottom; }
pre { background: var(--card); padding: .6rem 1rem; overflow-x: auto; }
td { vertical-align: top; }
.long { white-space: normal; }
.equal { --tone: #0072b2; } .apart { --tone: #b34700; }
@media (prefers-color-scheme: dark) { .equal { --tone: #56b4e9; } .apart { --tone: #ee9c4a; } }
.equal td, .apart td { background: color-mix(in srgb, var(--tone) 9%, transparent); }
:is(.equal, .apart) td:last-child { color: var(--tone); font-weight: bold; }
.whole { white-space: nowrap; }
@media (max-width: 40rem) {
  table { font-size: .8rem; } th, td { padding: .3rem .4rem; white-space: normal; }
}
"""


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


@dataclass(frozen=True)
class Article:
    """A title and blocks, which every format shows in full."""

    title: str
    blocks: Sequence[Block]

    def to_text(self) -> str:
        """Lines of at most 88 characters, of tables 132; formulas and code may be wider."""
        title = _as_text(self.title)
        return "\n\n".join([f"{title}\n{'=' * _columns(title)}", *map(_text_block, self.blocks)])

    def to_markdown(self) -> str:
        """Markdown with formulas between dollars, as GitHub and notebooks show them."""
        title = _as_markdown(self.title).strip()
        return "\n\n".join([f"# {title}", *map(_markdown_block, self.blocks)]) + "\n"

    def to_latex(self) -> str:
        """A whole document, for pdflatex with nothing but amsmath and geometry."""
        title = f"{{\\LARGE {_folded(_as_latex(self.title))}\\par}}"
        body = [title, *map(_latex_block, self.blocks)]
        return "\n\n".join([_LATEX_START, *body, _LATEX_END])

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
    return re.sub(r"([\\$`])", r"\\\1", _printable(foreign))


def code(foreign: str) -> str:
    """Foreign text as code; a backtick becomes an apostrophe."""
    line = _printable(foreign).replace("`", "’")
    return f"`{line}`" if line else ""


def _printable(foreign: str) -> str:
    return "".join(c if c.isprintable() else " " for c in foreign)


def _lines(block: Code) -> list[str]:
    return [_printable(line) for line in block.text.expandtabs().splitlines()] or [""]


_WORDS = re.compile(r"((?:\\.|[^\\$`])+)|\$([^$]+)\$|`([^`]+)`")


def _render(
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


# Text.


def _as_text(words: str) -> str:
    return _render(words, str, as_text, str)


def _text_block(block: Block) -> str:
    match block:
        case Heading(words):
            shown = _as_text(words)
            return f"{shown}\n{'-' * _columns(shown)}"
        case Paragraph(words):
            return _filled(_as_text(words))
        case Items():
            return "\n".join(_filled(_as_text(point), mark) for mark, point in _marked(block))
        case Formula(latex):
            return f"    {as_text(latex)}"
        case Table(heads, rows, _):
            return _text_table([[*map(_as_text, row)] for row in [heads, *rows]])
        case Code():
            return textwrap.indent("\n".join(_lines(block)), "    ")


def _filled(words: str, mark: str = "") -> str:
    """Lines of text, the first of them behind the mark."""
    lines = textwrap.wrap(words, WIDTH - len(mark), break_on_hyphens=False) or [""]
    starts = [mark, *[" " * len(mark)] * (len(lines) - 1)]
    return "\n".join(start + line for start, line in zip(starts, lines, strict=True))


def _marked(items: Items) -> Iterator[tuple[str, str]]:
    for number, point in enumerate(items.points, start=1):
        yield (f"{number}. " if items.is_numbered else "- "), point


def _text_table(cells: list[list[str]]) -> str:
    widths = [max(map(_columns, column)) for column in zip(*cells, strict=True)]
    limit = _limit(widths, TABLE_WIDTH - 2 * (len(widths) - 1), least=10)
    widths = [min(width, limit) for width in widths]
    lines = []
    for row in cells:
        parts = [_folded_cell(cell, width) for cell, width in zip(row, widths, strict=True)]
        lines += [_text_row(line, widths) for line in zip_longest(*parts, fillvalue="")]
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


def _limit(widths: Sequence[float], room: int, least: int) -> int:
    """What the widest columns must give way to, so that all have room."""
    limit = room
    while sum(min(width, limit) for width in widths) > room and limit > least:
        limit -= 1
    return limit


def _columns(shown: str) -> int:
    """How many columns a terminal needs; accents take none, for one thing."""
    return sum(
        0 if _is_accent(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in shown
    )


def _is_accent(character: str) -> bool:
    """Whether it stands above, below or around the character before."""
    return unicodedata.category(character) in ("Mn", "Me")


# Markdown.


def _as_markdown(words: str) -> str:
    return _render(words, _markdown_text, _markdown_formula, "`{}`".format)


def _markdown_text(text: str) -> str:
    """Text in which no character has a meaning, and from which no link is made."""
    return re.sub(r"([\\`*_\[\]<>|$#~&^]|:(?=//)|(?<=www)\.)", r"\\\1", text)


_IN_MARKDOWN = {
    "|": r"\vert ", r"\|": r"\Vert ", r"\{": r"\lbrace ", r"\}": r"\rbrace ", r"\,": r"\thinspace ",
    "<": "< ",
}  # fmt: skip


def _markdown_formula(latex: str) -> str:
    """Between dollars; what Markdown may read first is written in letters."""
    return f"${_markdown_latex(latex)}$"


def _markdown_latex(latex: str) -> str:
    command = re.compile(r"(\\[|{},]|\|) ?|<(?=\S)")
    shown = command.sub(lambda found: _IN_MARKDOWN[found[1] or "<"], as_latex(latex))
    return re.sub(r"(?<=^[-+]) |(\\? )+$", "", shown)  # no list; no dollar behind a space


def _markdown_line(words: str) -> str:
    """Words at the start of a line, where a dash or a number would begin a list."""
    shown = _as_markdown(words).strip()
    shown = re.sub(r"^[-+=]", r"\\\g<0>", shown)
    return re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", shown)


def _markdown_cell(words: str) -> str:
    return _render(words, _markdown_text, _markdown_formula, _markdown_code_in_cell)


def _markdown_code_in_cell(code: str) -> str:
    """A bar would end the cell even inside code; there, and only there, it can be escaped."""
    return f"`{code}`".replace("|", r"\|")


def _markdown_block(block: Block) -> str:
    match block:
        case Heading(words):
            return f"## {_as_markdown(words).strip()}"
        case Paragraph(words):
            return _markdown_line(words)
        case Items():
            return "\n".join(mark + _markdown_line(point) for mark, point in _marked(block))
        case Formula(latex):
            return f"$$\n{_markdown_latex(latex)}\n$$"
        case Table(heads, rows, _):
            sides = [":--", *["--:"] * (len(heads) - 1)]
            cells = [[*map(_markdown_cell, row)] for row in [heads, *rows]]
            lines = [f"| {' | '.join(row)} |" for row in [cells[0], sides, *cells[1:]]]
            return "\n".join(lines)
        case Code():
            text = "\n".join(_lines(block))
            fence = "`" * max([3, *(1 + len(run) for run in re.findall("`+", text))])
            return f"{fence}text\n{text}\n{fence}"


# LaTeX.

_LATEX_START = r"""\documentclass[a4paper]{article}
\usepackage[utf8]{inputenc}
\usepackage{amsmath}
\usepackage[margin=20mm]{geometry}
\setlength{\parindent}{0pt}
\setlength{\parskip}{.6em}
\setlength{\emergencystretch}{4em}
\renewcommand{\arraystretch}{1.2}
\renewcommand{\labelitemi}{$\bullet$}
\newcommand{\breakable}{\hskip 0pt plus 3pt\relax}
\begin{document}"""
_LATEX_END = "\\end{document}\n"

_IN_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\char36{}", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "`": r"\`{}",
    "<": r"$<$", ">": r"$>$", "|": r"$|$", '"': "''", "“": "``", "”": "''", "‘": "`", "’": "'",
    "…": r"\ldots{}", "·": r"$\cdot$", "×": r"$\times$", "−": r"$-$", "→": r"$\to$",
    "≠": r"$\ne$", "≤": r"$\le$", "≥": r"$\ge$", "–": "--", "—": "---", "✓": r"$\surd$",
    "\n": "\\breakable\n",
}  # fmt: skip
_IN_TYPEWRITER = {"'": r"\char13{}", "`": r"\char18{}"}  #: upright quotes
_TO_LATEX = re.compile(r"(?P<minus>(?<![\w)\]-])-(?=\.?\d))|(?P<twice>([-'])(?=\3))|[^a-zA-Z0-9 ]")


def _as_latex(words: str) -> str:
    return _render(words, _latex_text, lambda latex: f"${as_latex(latex)}$", _typewriter)


def _latex_text(text: str) -> str:
    """Text in the letters that TeX's own fonts have; others by their nearest relative, or "?"."""
    return _TO_LATEX.sub(_latex_sign, _breakable(text))


def _latex_sign(found: re.Match[str]) -> str:
    if found["minus"]:
        return "$-$"
    if found["twice"]:  # TeX would join them to one sign
        return found["twice"] + "{}"
    sign = found[0]
    return _IN_LATEX.get(sign) or (sign if sign.isascii() else _nearest(sign))


def _breakable(text: str) -> str:
    """With line breaks where TeX may break a word that is longer than words and numbers are."""
    return re.sub(r"\S{41,}", lambda word: "\n".join(re.findall(".{1,10}", word[0])), text)


def _typewriter(code: str) -> str:
    """In a font that has all of ASCII, each sign under its number."""
    shown = re.sub(r"[^\w .,:;()=+/@!?*\[\]-]|_|[^\x00-\x7f]", _typewriter_sign, _breakable(code))
    return rf"\texttt{{{shown}}}"


def _typewriter_sign(found: re.Match[str]) -> str:
    sign = found[0]
    if sign.isascii() and sign != "\n":
        return _IN_TYPEWRITER.get(sign, rf"\char{ord(sign)}{{}}")
    return _IN_LATEX.get(sign) or _nearest(sign)


def _nearest(character: str) -> str:
    """The letters of an accented one; a raised or lowered sign; for symbols there is no second."""
    if _is_accent(character):
        return ""
    kind = unicodedata.decomposition(character).partition(" ")[0]
    plain = "".join(c for c in unicodedata.normalize("NFKD", character) if not _is_accent(c))
    if plain.isascii() and plain.isalnum():
        if kind in ("<super>", "<sub>"):
            return f"${'^' if kind == '<super>' else '_'}{{{plain}}}$"
        if character.isalpha() or kind == "<wide>":
            return plain
    return "?"


def _latex_block(block: Block) -> str:
    match block:
        case Heading(words):
            return rf"\section*{{{_folded(_as_latex(words))}}}"
        case Paragraph(words):
            return _folded(_as_latex(words))
        case Items(points, is_numbered):
            kind = "enumerate" if is_numbered else "itemize"
            lines = "\n".join(_folded(rf"\item {_guarded(_as_latex(one))}") for one in points)
            start = f"\\begin{{{kind}}}\\setlength{{\\itemsep}}{{0pt}}"
            return f"{start}\n{lines}\n\\end{{{kind}}}" if points else ""
        case Formula(latex):
            return f"\\[\n{as_latex(latex)}\n\\]"
        case Table():
            return _latex_table(block)
        case Code():
            lines = "\\\\\n".join(map(_latex_code, _lines(block)))
            return f"\\begin{{quote}}\\raggedright\\small\n{lines}\n\\end{{quote}}"


def _guarded(latex: str) -> str:
    r"""Behind \item and \\, a bracket or an asterisk would be taken for an option."""
    return "{}" + latex if latex.lstrip().startswith(("[", "*")) else latex


def _folded(latex: str, width: int = 98) -> str:
    """On lines that people and TeX can read; TeX takes a line break for a space."""
    return textwrap.fill(latex, width, break_long_words=False, break_on_hyphens=False)


def _latex_code(line: str) -> str:
    """With all its spaces, also the first ones."""
    return r"\mbox{}" + _typewriter(line).replace(" ", r"\ ")


_PAGE = 483  #: the width of the text, in points
_GAP = 8  #: between two columns


def _latex_table(table: Table) -> str:
    columns = _latex_columns(table)
    rows = []
    for row in [table.heads, *table.rows]:
        cells = [start + _as_latex(cell) for cell, (_, start) in zip(row, columns, strict=True)]
        rows.append(_folded(_guarded(" & ".join(cells)), width=1000) + r" \tabularnewline")
    above = [r"\hline", rows[0]] if any(table.heads) else []
    lines = "\n".join([*above, r"\hline", *rows[1:], r"\hline"])
    kinds = "".join(kind for kind, _ in columns)
    return (
        f"\\begin{{center}}\\footnotesize\\setlength{{\\tabcolsep}}{{{_GAP // 2}pt}}\n"
        f"\\begin{{tabular}}{{@{{}}{kinds}@{{}}}}\n{lines}\n\\end{{tabular}}\n\\end{{center}}"
    )


def _latex_columns(table: Table) -> list[tuple[str, str]]:
    """The kind of each column, and what its cells start with.

    A cell is one line where the page has the room; the widest columns give way first.
    """
    shown = [[*map(_as_text, row)] for row in [table.heads, *table.rows]]
    widths = [max(map(_points, column)) for column in zip(*shown, strict=True)]
    limit = _limit(widths, _PAGE - _GAP * (len(widths) - 1), least=24)
    sides = [("l", r"\raggedright "), *[("r", r"\raggedleft ")] * (len(widths) - 1)]
    return [
        (f"p{{{limit}pt}}", ragged) if width > limit else (side, "")
        for width, (side, ragged) in zip(widths, sides, strict=True)
    ]


def _points(shown: str) -> float:
    """About as wide as a cell is in print, rather more than less."""
    narrow, wide = (sum(c in given for c in shown) for given in (" .,:;|·()[]!'lij", "-+=<>…MWmw"))
    return 4.4 * len(shown) - 1.5 * narrow + 2.2 * wide


# HTML.


def _as_html(words: str) -> str:
    return _render(words, _html_text, as_mathml, lambda code: f"<code>{escape(code)}</code>")


def _html_text(text: str) -> str:
    """Text in which numbers stay whole: browsers would break 1e-05 at the dash."""
    parts = re.split(r"((?<!\S)\S{,30}\w-\d\S{,30}(?!\S))", text)
    for k in range(len(parts)):
        parts[k] = escape(parts[k])
        if k % 2:
            parts[k] = f'<span class="whole">{parts[k]}</span>'
    return "".join(parts)


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
        case Table(heads, rows, tones):
            head = f"<thead>{_html_row(heads, 'th')}</thead>\n" if any(heads) else ""
            looks = tones or [""] * len(rows)
            body = "\n".join(map(_html_row, rows, ["td"] * len(rows), looks))
            table = f"<table>{head}<tbody>{body}</tbody></table>"
            return f'<div class="wide" tabindex="0">{table}</div>'
        case Code():  # of the line breaks behind <pre> the first does not count
            text = escape("\n".join(_lines(block)))
            return f'<pre tabindex="0">\n{text}</pre>'


def _html_row(cells: Sequence[str], kind: str, tone: str = "") -> str:
    shown = []
    for cell in cells:
        look = ' class="long"' if len(_as_text(cell)) > SHORT else ""
        shown.append(f"<{kind}{look}>{_as_html(cell)}</{kind}>")
    look = f' class="{tone}"' if tone else ""
    return f"<tr{look}>{''.join(shown)}</tr>"
