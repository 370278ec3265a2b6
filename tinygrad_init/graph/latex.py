"""Articles in LaTeX: whole documents, for pdflatex with nothing but amsmath and geometry."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Sequence

from . import plain
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
    rendered,
    widest,
)
from .formula import as_latex

_START = r"""\documentclass[a4paper]{article}
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
_END = "\\end{document}\n"


def article(title: str, blocks: Sequence[Block]) -> str:
    """A document that can be compiled as it is."""
    shown = f"{{\\LARGE {_folded(_words(title))}\\par}}"
    return "\n\n".join([_START, shown, *map(_block, blocks), _END])


_SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\char36{}", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "`": r"\`{}",
    "<": r"$<$", ">": r"$>$", "|": r"$|$", '"': "''", "“": "``", "”": "''", "‘": "`", "’": "'",
    "…": r"\ldots{}", "·": r"$\cdot$", "×": r"$\times$", "−": r"$-$", "→": r"$\to$",
    "≠": r"$\ne$", "≤": r"$\le$", "≥": r"$\ge$", "–": "--", "—": "---", "✓": r"$\surd$",
    "\n": "\\breakable\n",
}  # fmt: skip
_IN_TYPEWRITER = {"'": r"\char13{}", "`": r"\char18{}"}  #: upright quotes
_TO_LATEX = re.compile(r"(?P<minus>(?<![\w)\]-])-(?=\.?\d))|(?P<twice>([-'])(?=\3))|[^a-zA-Z0-9 ]")


def _words(words: str) -> str:
    return rendered(words, _text, lambda latex: f"${as_latex(latex)}$", _typewriter)


def _text(text: str) -> str:
    """Text in the letters that TeX's own fonts have; others by their nearest relative, or "?"."""
    return _TO_LATEX.sub(_sign, _breakable(text))


def _sign(found: re.Match[str]) -> str:
    if found["minus"]:
        return "$-$"
    if found["twice"]:  # TeX would join them to one sign
        return found["twice"] + "{}"
    sign = found[0]
    return _SIGNS.get(sign) or (sign if sign.isascii() else _nearest(sign))


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
    return _SIGNS.get(sign) or _nearest(sign)


def _nearest(character: str) -> str:
    """The letters of an accented one; a raised or lowered sign; for symbols there is no second."""
    if is_accent(character):
        return ""
    kind = unicodedata.decomposition(character).partition(" ")[0]
    plain = "".join(c for c in unicodedata.normalize("NFKD", character) if not is_accent(c))
    if plain.isascii() and plain.isalnum():
        if kind in ("<super>", "<sub>"):
            return f"${'^' if kind == '<super>' else '_'}{{{plain}}}$"
        if character.isalpha() or kind == "<wide>":
            return plain
    return "?"


def _block(block: Block) -> str:
    match block:
        case Heading(words):
            return rf"\section*{{{_folded(_words(words))}}}"
        case Paragraph(words):
            return _folded(_words(words))
        case Items(points, is_numbered):
            kind = "enumerate" if is_numbered else "itemize"
            lines = "\n".join(_folded(rf"\item {_guarded(_words(one))}") for one in points)
            start = f"\\begin{{{kind}}}\\setlength{{\\itemsep}}{{0pt}}\\raggedright"
            return f"{start}\n{lines}\n\\end{{{kind}}}" if points else ""
        case Formula(latex):
            return f"\\[\n{as_latex(latex)}\n\\]"
        case Table():
            return _table(block)
        case Code():
            lines = "\\\\\n".join(map(_code, lines_of(block)))
            return f"\\begin{{quote}}\\raggedright\\small\n{lines}\n\\end{{quote}}"


def _guarded(latex: str) -> str:
    r"""Behind \item and \\, a bracket or an asterisk would be taken for an option."""
    return "{}" + latex if latex.lstrip().startswith(("[", "*")) else latex


def _folded(latex: str, width: int = 98) -> str:
    """On lines that people and TeX can read; TeX takes a line break for a space."""
    return textwrap.fill(latex, width, break_long_words=False, break_on_hyphens=False)


def _code(line: str) -> str:
    """With all its spaces, also the first ones."""
    return r"\mbox{}" + _typewriter(line).replace(" ", r"\ ")


_PAGE = 483  #: the width of the text, in points
_GAP = 8  #: between two columns


def _table(table: Table) -> str:
    columns = _kinds(table)
    rows = []
    for row in [table.heads, *table.rows]:
        cells = [start + _words(cell) for cell, (_, start) in zip(row, columns, strict=True)]
        rows.append(_folded(_guarded(" & ".join(cells)), width=1000) + r" \tabularnewline")
    above = [r"\hline", rows[0]] if any(table.heads) else []
    lines = "\n".join([*above, r"\hline", *rows[1:], r"\hline"])
    kinds = "".join(kind for kind, _ in columns)
    return (
        f"\\begin{{center}}\\footnotesize\\setlength{{\\tabcolsep}}{{{_GAP // 2}pt}}\n"
        f"\\begin{{tabular}}{{@{{}}{kinds}@{{}}}}\n{lines}\n\\end{{tabular}}\n\\end{{center}}"
    )


def _kinds(table: Table) -> list[tuple[str, str]]:
    """The kind of each column, and what its cells start with.

    A cell is one line where the page has the room; the widest columns give way first.
    """
    shown = [[*map(plain.line, row)] for row in [table.heads, *table.rows]]
    widths = [max(map(_points, column)) for column in zip(*shown, strict=True)]
    limit = widest(widths, _PAGE - _GAP * (len(widths) - 1), least=24)
    sides = [("l", r"\raggedright "), *[("r", r"\raggedleft ")] * (len(widths) - 1)]
    return [
        (f"p{{{limit}pt}}", ragged) if width > limit else (side, "")
        for width, (side, ragged) in zip(widths, sides, strict=True)
    ]


def _points(shown: str) -> float:
    """About as wide as a cell is in print, rather more than less."""
    narrow, wide = (sum(c in given for c in shown) for given in (" .,:;|·()[]!'lij", "-+=<>…MWmw"))
    return 4.4 * len(shown) - 1.5 * narrow + 2.2 * wide
