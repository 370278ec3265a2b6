"""Articles as pages that work offline, with formulas in MathML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from . import plain
from .blocks import (
    Block,
    Code,
    Formula,
    Heading,
    Items,
    Paragraph,
    Table,
    lines_of,
    rendered,
)
from .document import document
from .formula import as_mathml

SHORT = 30  #: letters of a cell that stay on one line of a page
MANY_SECTIONS = 3  #: from here on a page starts with links to them

_STYLE = """
body { max-width: 54rem; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; }
h2 { font-size: 1.25rem; margin-top: 2.2rem; }
math[display="block"] { margin: .9rem 0; font-size: 1.1em; }
.wide { overflow-x: auto; margin: 1rem 0; }
th, td { padding: .3rem .8rem; text-align: right; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
th { vertical-align: bottom; }
nav { font-size: .9rem; color: var(--soft); } nav a { color: inherit; }
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


def article(title: str, blocks: Sequence[Block]) -> str:
    """A whole page."""
    sections = [k for k, one in enumerate(blocks) if isinstance(one, Heading)]
    if len(sections) < MANY_SECTIONS:
        sections = []
    body = [f"<h1>{_words(title)}</h1>"]
    if sections:
        links = [f'<a href="#s{k}">{_heading(blocks[k])}</a>' for k in sections]
        body.append(f"<nav>{' · '.join(links)}</nav>")
    for k, block in enumerate(blocks):
        body.append(f'<h2 id="s{k}">{_heading(block)}</h2>' if k in sections else _block(block))
    return document(plain.line(title), _STYLE, "\n".join(body))


def _heading(block: Block) -> str:
    assert isinstance(block, Heading)
    return _words(block.words)


def _words(words: str) -> str:
    return rendered(words, _text, as_mathml, lambda code: f"<code>{escape(code)}</code>")


def _text(text: str) -> str:
    """Text in which numbers stay whole: browsers would break 1e-05 at the dash."""
    parts = re.split(r"((?<!\S)\S{,30}\w-\d\S{,30}(?!\S))", text)
    for k in range(len(parts)):
        parts[k] = escape(parts[k])
        if k % 2:
            parts[k] = f'<span class="whole">{parts[k]}</span>'
    return "".join(parts)


def _block(block: Block) -> str:
    match block:
        case Heading(words):
            return f"<h2>{_words(words)}</h2>"
        case Paragraph(words):
            return f"<p>{_words(words)}</p>"
        case Items(points, is_numbered):
            kind = "ol" if is_numbered else "ul"
            lines = "".join(f"<li>{_words(point)}</li>\n" for point in points)
            return f"<{kind}>\n{lines}</{kind}>"
        case Formula(latex):
            return f'<div class="wide" tabindex="0">{as_mathml(latex, display=True)}</div>'
        case Table(heads, rows, tones):
            head = f"<thead>{_row(heads, 'th')}</thead>\n" if any(heads) else ""
            looks = tones or [""] * len(rows)
            body = "\n".join(map(_row, rows, ["td"] * len(rows), looks))
            table = f"<table>{head}<tbody>{body}</tbody></table>"
            return f'<div class="wide" tabindex="0">{table}</div>'
        case Code():  # of the line breaks behind <pre> the first does not count
            text = escape("\n".join(lines_of(block)))
            return f'<pre tabindex="0">\n{text}</pre>'


def _row(cells: Sequence[str], kind: str, tone: str = "") -> str:
    shown = []
    for cell in cells:
        look = ' class="long"' if len(plain.line(cell)) > SHORT else ""
        shown.append(f"<{kind}{look}>{_words(cell)}</{kind}>")
    look = f' class="{tone}"' if tone else ""
    return f"<tr{look}>{''.join(shown)}</tr>"
