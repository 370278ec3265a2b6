r"""Articles: the same words in four formats, and foreign text that tries to be more than words.

What a format shows is read back by its own rules: HTML by Python's parser, Markdown by the rules of
CommonMark for escapes, code and the starts of lines, LaTeX by TeX itself.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graph.pages import Page
from tests.graph.pdf import compile_latex, typeset
from tinygrad_init import DataError
from tinygrad_init.graph.article import (
    Article,
    Block,
    Code,
    Formula,
    Heading,
    Items,
    Paragraph,
    Table,
    code,
    verbatim,
)
from tinygrad_init.graph.plain import TABLE_WIDTH, WIDTH

HOSTILE = {
    "dollar": "cost: 5$ and 7$",
    "lone dollar": "$",
    "formula": r"$\input{secret}$ and $$x$$",
    "backtick": "`a` ``b`` ``` c",
    "backslash": "ends with \\",
    "backslashes": "\\\\\\ and \\\\",
    "braces": "}} {{ \\} \\{ } {",
    "comment": "% gone? %% \\%",
    "hash": "# one ## two \\#1 #{x}",
    "ampersand": "a & b &amp; &lt;b&gt; &#60; &#x3c;b&#x3e; &copy",
    "tilde": "~~struck~~ ~ ~user",
    "caret": "^ a^b ^^5c ^^M ^[note]",
    "underscore": "_a_ __b__ a_b snake_case_name _",
    "bar": "a | b || c \\| d",
    "stars": "*a* **b** * ***",
    "brackets": "[a](http://x.y) ![i](z) [b]: http://x.y [^1] [ ] [x",
    "option": "[5pt] * [*]",
    "script": "<script>alert(1)</script>",
    "tags": "</p></td></body><img src=x onerror=alert(1)> <!-- <![CDATA[ <?php",
    "attribute": "\" onload='alert(1)' style=\"x",
    "links": "http://evil.example https://evil.example/?a=b&c=d www.evil.example <http://x>",
    "commands": r"\input{secret} \immediate\write18{touch pwned} \csname end\endcsname{document}",
    "definitions": r"\def\item{X} \catcode`\%=12 \newwrite\f \openout\f=pwned.txt \end{document}",
    "environment": r"\begin{verbatim} \end{verbatim} \\ \hline \verb|x| \[ \] \( \)",
    "dashes": "-- --- ---- - a -5 --0.5 1e-05 0-3",
    "quotes": "'' ''' \"\" `` ?` !` << >> ,, 'a' “b” ‘c’ «d»",
    "letters": "fi ffl é Łódź ß øæ ñ",
    "newline": "two\nlines\r\nand\u2028three\u2029four\x0bfive\x0csix\x85",
    "paragraphs": "one\n\n\ntwo\n    indented",
    "tab": "\tone\ttwo",
    "controls": "".join(map(chr, range(32))) + "\x7f\x80\x9f",
    "nul": "a\x00b",
    "terminal": "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "surrogates": "lone \ud800 and \udfff",
    "noncharacters": "\ufffe\uffff\U0010ffff",
    "right to left": "שלום \u202eevil\u2066",
    "emoji": "👩‍👧 🎉 ✓ ❤️",
    "cjk": "神経回路網 한국어 （全角）",
    "combining": "e\u0301 Z\u0351\u036b\u0343\u036a o\u20dd",
    "symbols": "½ ² ⁿ ≮ ≠ ∂L/∂w → ™ ① ﬁ φ ‰ \u00ad",
    "blank": "   ",
    "empty": "",
    "heading": "# heading",
    "list": "- point",
    "plus": "+ point",
    "number": "1. point",
    "bracketed number": "12) point",
    "rule": "---",
    "underline": "===",
    "dashes with room": "- - -",
    "quote": "> quote",
    "fence": "~~~ fence",
    "table": ":-- | --:",
    "indented": "      code",
    "definition": ": definition",
    "long word": "x" * 500,
    "long dollars": "$" * 500,
    "long numbers": "1e-05," * 100,
}  # fmt: skip

def printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


WORDS = {  # how foreign text becomes words, and what of it is to be seen
    "verbatim": (verbatim, printable),
    "code": (code, lambda text: printable(text).replace("`", "’")),
}  # fmt: skip
BLOCKS: dict[str, Callable[[str], Block]] = {
    "heading": Heading,
    "paragraph": Paragraph,
    "items": lambda words: Items([words, "second"]),
    "numbered": lambda words: Items([words, "second"], is_numbered=True),
    "table": lambda words: Table([words, "b"], [["c", words], [words, "d"]]),
}

hostile = pytest.mark.parametrize("foreign", HOSTILE.values(), ids=HOSTILE.keys())
as_words = pytest.mark.parametrize("words", WORDS)
in_block = pytest.mark.parametrize("block", BLOCKS)


def squeezed(text: str) -> str:
    """With one space where there is room."""
    return " ".join(text.split())


def between(text: str, start: str, end: str) -> str:
    return text.split(start, 1)[1].rsplit(end, 1)[0]


def example() -> Article:
    """Every kind of block."""
    return Article(
        "The rate $\\eta$",
        [
            Heading("One: $x_1$"),
            Paragraph("Words, `code` and $\\frac{a}{b}$; 5\\$ and 1e-05."),
            Items(["first $a < b$", "second `x|y`"]),
            Items(["first"] * 10, is_numbered=True),
            Formula(r"w \leftarrow w - \eta g"),
            Table(["", "left | $|x|$", "`right`"], [["a", "-1.5e-08", "`b|c`"], ["d", "", "e"]]),
            Table(["", ""], [["no", "heads"]]),
            Code("def f(x):\n    return `x`\n\n~~~ ``` end"),
        ],
    )


# One article in four formats.


def test_text() -> None:
    assert example().to_text() == """\
The rate η
==========

One: x₁
-------

Words, code and a/b; 5$ and 1e-05.

- first a < b
- second x|y

1. first
2. first
3. first
4. first
5. first
6. first
7. first
8. first
9. first
10. first

    w ← w - η g

   left | |x|  right
-  ----------  -----
a    -1.5e-08    b|c
d                  e

no  heads

    def f(x):
        return `x`

    ~~~ ``` end"""


def test_markdown() -> None:
    assert example().to_markdown() == r"""# The rate $\eta$

## One: $x_1$

Words, `code` and $\frac{a}{b}$; 5\$ and 1e-05.

- first $a < b$
- second `x|y`

""" + "\n".join(f"{k}. first" for k in range(1, 11)) + r"""

$$
w \leftarrow w - \eta g
$$

|  | left \| $\vert x\vert$ | `right` |
| :-- | --: | --: |
| a | -1.5e-08 | `b\|c` |
| d |  | e |

|  |  |
| :-- | --: |
| no | heads |

````text
def f(x):
    return `x`

~~~ ``` end
````
"""


def test_latex() -> None:
    body = between(example().to_latex(), "\\begin{document}\n\n", "\n\n\\end{document}\n")
    assert body == r"""{\LARGE The rate $\eta$\par}

\section*{One: $x_1$}

Words, \texttt{code} and $\frac{a}{b}$; 5\char36{} and 1e-05.

\begin{itemize}\setlength{\itemsep}{0pt}\raggedright
\item first $a < b$
\item second \texttt{x\char124{}y}
\end{itemize}

\begin{enumerate}\setlength{\itemsep}{0pt}\raggedright
""" + "\\item first\n" * 10 + r"""\end{enumerate}

\[
w \leftarrow w - \eta g
\]

\begin{center}\footnotesize\setlength{\tabcolsep}{4pt}
\begin{tabular}{@{}lrr@{}}
\hline
 & left $|$ $|x|$ & \texttt{right} \tabularnewline
\hline
a & $-$1.5e-08 & \texttt{b\char124{}c} \tabularnewline
d &  & e \tabularnewline
\hline
\end{tabular}
\end{center}

\begin{center}\footnotesize\setlength{\tabcolsep}{4pt}
\begin{tabular}{@{}lr@{}}
\hline
no & heads \tabularnewline
\hline
\end{tabular}
\end{center}

\begin{quote}\raggedright\small
\mbox{}\texttt{def\ f(x):}\\
\mbox{}\texttt{\ \ \ \ return\ \char18{}x\char18{}}\\
\mbox{}\texttt{}\\
\mbox{}\texttt{\char126{}\char126{}\char126{}\ \char18{}\char18{}\char18{}\ end}
\end{quote}"""


def test_html() -> None:
    body = between(example().to_html(), "<body>\n", "\n</body>")
    assert re.sub(r"<math.*?</math>", "FORMULA", body) == """\
<h1>The rate FORMULA</h1>
<h2>One: FORMULA</h2>
<p>Words, <code>code</code> and FORMULA; 5$ and <span class="whole">1e-05.</span></p>
<ul>
<li>first FORMULA</li>
<li>second <code>x|y</code></li>
</ul>
<ol>
""" + "<li>first</li>\n" * 10 + """</ol>
<div class="wide" tabindex="0">FORMULA</div>
<div class="wide" tabindex="0"><table><thead><tr><th></th><th>left | FORMULA</th>\
<th><code>right</code></th></tr></thead>
<tbody><tr><td>a</td><td><span class="whole">-1.5e-08</span></td><td><code>b|c</code></td></tr>
<tr><td>d</td><td></td><td>e</td></tr></tbody></table></div>
<div class="wide" tabindex="0"><table><tbody><tr><td>no</td><td>heads</td></tr></tbody></table>\
</div>
<pre tabindex="0">
def f(x):
    return `x`

~~~ ``` end</pre>"""


def test_a_page_of_several_sections_starts_with_links_to_them() -> None:
    foreign = verbatim('x" onclick="y')
    blocks: list[Block] = []
    for words in ("One: $x_1$", "<b>", foreign):
        blocks += [Heading(words), Paragraph("text")]
    page = Page(Article("t", blocks).to_html())
    links = [dict(attributes)["href"] for tag, attributes in page.tags if tag == "a"]
    places = [dict(attributes)["id"] for tag, attributes in page.tags if tag == "h2"]
    assert links == [f"#{place}" for place in places] == ["#s0", "#s2", "#s4"]
    assert page.text.count('x" onclick="y') == 2
    assert not [1 for tag, _ in page.tags if tag == "b"]
    assert "<a" not in Article("t", blocks[:4]).to_html()


def test_rows_have_the_tone_that_they_are_given() -> None:
    rows = [["a", "equal"], ["b", "0.5 apart"], ["c", ""]]
    shown = Article("t", [Table(["", "x"], rows, tones=["equal", "apart", ""])])
    page = Page(shown.to_html())
    looks = [dict(attributes).get("class") for tag, attributes in page.tags if tag == "tr"]
    assert looks == [None, "equal", "apart", None]
    plain = Article("t", [Table(["", "x"], rows)])
    assert shown.to_text() == plain.to_text()  # the words say it
    assert shown.to_markdown() == plain.to_markdown()
    assert shown.to_latex() == plain.to_latex()
    with pytest.raises(DataError, match="1 tones for 3 rows"):
        Table(["", "x"], rows, tones=["equal"])


def test_an_article_may_be_empty() -> None:
    empty = Article("Empty", [Items([]), Paragraph(""), Table(["a"], []), Code("")])
    assert empty.to_text().startswith("Empty\n=====")
    for text in (empty.to_markdown(), empty.to_latex(), empty.to_html()):
        assert "Empty" in text


def test_the_title_may_be_any_word() -> None:
    latex = Article("TITLE BODY", [Paragraph("BODY TITLE")]).to_latex()
    assert latex.count("TITLE") == latex.count("BODY") == 2


# Words.


@pytest.mark.parametrize("words", ["5$", "a `b", "``", "$$", "ends \\", "$a$ $"])
def test_a_mark_without_its_partner_is_an_error(words: str) -> None:
    for show in (Article.to_text, Article.to_markdown, Article.to_latex, Article.to_html):
        for block in BLOCKS.values():
            with pytest.raises(DataError, match=r"go in pairs.*verbatim\(\)"):
                show(Article("t", [block(words)]))


def test_a_formula_that_cannot_be_read_is_an_error_in_every_format() -> None:
    for block in (Paragraph(r"$\foo$"), Formula(r"\foo")):
        for show in (Article.to_text, Article.to_markdown, Article.to_latex, Article.to_html):
            with pytest.raises(DataError, match=r"\\\\foo"):
                show(Article("t", [block]))


def test_rows_and_heads_must_agree() -> None:
    with pytest.raises(DataError, match="1 cells below 2 heads"):
        Table(["a", "b"], [["c", "d"], ["e"]])


def test_line_breaks_in_words_are_spaces() -> None:
    article = Article("t", [Paragraph("one\n  two\n\nthree")])
    assert "one two three" in article.to_text()
    assert "\none two three\n" in article.to_markdown()
    assert "\none two three\n" in article.to_latex()
    assert "<p>one two three</p>" in article.to_html()


@hostile
def test_foreign_text_is_one_printable_line(foreign: str) -> None:
    for make, _ in WORDS.values():
        assert make(foreign).isprintable()


# Foreign text in a line of text.


@hostile
@as_words
@in_block
def test_text_keeps_foreign_text_in_its_lines(foreign: str, words: str, block: str) -> None:
    make, seen = WORDS[words]
    shown = Article("t", [BLOCKS[block](make(foreign)), Paragraph("after")]).to_text()
    assert shown.encode()
    lines = shown.split("\n")
    assert all(line.isprintable() for line in lines)
    wanted = seen(foreign).replace(" ", "")
    if block == "table":
        assert all(len(line) <= TABLE_WIDTH for line in lines)
        dashes = next(line for line in lines[3:] if re.fullmatch(r"-+  -+", line))
        left = [line[: dashes.index(" ")] for line in lines[3:-2]]
        assert wanted in "".join(left).replace(" ", "") or not wanted.isascii()
        assert len(lines) == 3 + 4 + 2 or len(dashes) == TABLE_WIDTH
    else:
        assert wanted in shown.replace("\n", "").replace(" ", "")
    if block not in ("heading", "table"):
        assert all(len(line) <= WIDTH for line in lines)
    if block in ("items", "numbered"):
        marks = [line[:2] for line in lines if line and line[0] != " "][2:-1]
        assert marks == (["- ", "- "] if block == "items" else ["1.", "2."])


def test_columns_of_a_table_are_aligned_in_a_terminal() -> None:
    cells = ["神経", "e\u0301", "x", "o\u20dd"]
    lines = Article("t", [Table(["", ""], [[cell, "y"] for cell in cells])]).to_text().split("\n")
    assert lines[-4:] == ["神経  y", "e\u0301     y", "x     y", "o\u20dd     y"]


def test_wide_cells_of_a_table_are_broken_into_lines() -> None:
    long, number = "one two three four " * 10, "-3.594265566630643e-06"
    shown = Article("t", [Table(["", "words", "result"], [["a", long, number], ["b", "c", "d"]])])
    assert shown.to_text().split("\n\n")[1] == "\n".join([
        " " * 103 + "words" + " " * 18 + "result",
        "-" + "  " + "-" * 105 + "  " + "-" * 22,
        f"a  {' '.join(long.split()[:22]):>105}  {number}",
        f"   {' '.join(long.split()[22:]):>105}",
        f"b  {'c':>105}  {'d':>22}",
    ])  # fmt: skip


def test_a_title_is_underlined_in_full() -> None:
    shown = Article("神経", [Heading("e\u0301!")]).to_text()
    assert shown == "神経\n====\n\ne\u0301!\n--"


# Foreign text in Markdown.

ACTIVE = set("*_[]<>$|~&^`")  #: what means something inside a line
STARTS = r"[-+*>#=]|\d+[.)](\s|$)|\s"  #: what means something at its start


def read_markdown(line: str) -> list[tuple[str, str]]:
    """The text and code of a line, by the rules of CommonMark; anything else fails."""
    parts: list[tuple[str, str]] = []
    position = 0

    def add(text: str) -> None:
        if parts and parts[-1][0] == "text":
            text = parts.pop()[1] + text
        parts.append(("text", text))

    while position < len(line):
        letter = line[position]
        if letter == "\\" and line[position + 1 : position + 2] in [*string.punctuation]:
            add(line[position + 1])
            position += 2
        elif letter == "`":
            end = line.index("`", position + 1)
            assert line[end : end + 2] != "``"
            parts.append(("code", line[position + 1 : end]))
            position = end + 1
        else:
            assert letter not in ACTIVE, line[position:]
            assert not line.startswith("://", position), line
            assert line[max(position - 3, 0) : position + 1] != "www.", line
            add(letter)
            position += 1
    return parts


def cells_of(row: str) -> list[str]:
    """A row of a table; a bar with a backslash before it is inside its cell."""
    assert row.startswith("| ")
    assert row.endswith(" |")
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row[1:-1])]


@hostile
@as_words
@in_block
def test_markdown_shows_foreign_text_and_nothing_else(
    foreign: str, words: str, block: str
) -> None:
    make, seen = WORDS[words]
    shown = Article("t", [BLOCKS[block](make(foreign)), Paragraph("after")]).to_markdown()
    assert shown.startswith("# t\n\n")
    assert shown.endswith("\n\nafter\n")
    lines = shown.removeprefix("# t\n\n").removesuffix("\n\nafter\n").split("\n")
    starts = {"heading": ["## "], "items": ["- ", "- "], "numbered": ["1. ", "2. "]}
    if block == "table":
        head, sides, *rows = lines
        assert sides == "| :-- | --: |"
        found = [cells_of(head)[0], cells_of(rows[0])[1], cells_of(rows[1])[0]]
        if words == "code":  # GitHub takes this backslash away before it looks for code
            found = [cell.replace("\\|", "|") for cell in found]
        assert [cells_of(head)[1], cells_of(rows[0])[0], cells_of(rows[1])[1]] == ["b", "c", "d"]
        assert len(rows) == 2
    else:
        start = starts.get(block, [""])
        assert len(lines) == len(start)
        assert all(map(str.startswith, lines, start))
        found = [lines[0].removeprefix(start[0])]
    expected = seen(foreign)
    for one in found:
        if words == "verbatim":
            assert one == one.strip() or block == "table"
            assert not re.match(STARTS, one) or block in ("heading", "table")
            parts = read_markdown(one)
            assert squeezed("".join(text for _, text in parts)) == squeezed(expected)
            assert all(kind == "text" for kind, _ in parts)
        else:
            expected_parts = [("code", expected)] if expected else []
            assert read_markdown(one) == expected_parts or not expected.strip()


@hostile
def test_markdown_keeps_lines_of_code_in_their_fence(foreign: str) -> None:
    text = f"{foreign}\n```\n`````x"
    shown = Article("t", [Code(text), Paragraph("after")]).to_markdown()
    fence, *lines, closing, empty, after, end = shown.removeprefix("# t\n\n").split("\n")
    assert (empty, after, end) == ("", "after", "")
    assert re.fullmatch(r"`{6,}text", fence)
    assert closing == fence.removesuffix("text")
    assert lines == [printable(line) for line in text.expandtabs().splitlines()]
    assert not any(closing in line for line in lines)


@pytest.mark.parametrize(
    ("latex", "shown"),
    [
        (r"|x| \le \|y\|", r"\vert x\vert \le \Vert y\Vert"),  # no cell ends, no escape vanishes
        (r"\{a\}\,b", r"\lbrace a\rbrace \thinspace b"),
        ("a<b>c", "a< b>c"),  # not a tag
        (r"a \ \ ", "a"),  # no dollar behind a space
    ],
)
def test_markdown_leaves_formulas_alone(latex: str, shown: str) -> None:
    article = Article("t", [Paragraph(f"${latex}$"), Table(["a"], [[f"${latex}$"]])])
    assert article.to_markdown() == f"# t\n\n${shown}$\n\n| a |\n| :-- |\n| ${shown}$ |\n"


def test_a_formula_in_markdown_starts_no_list() -> None:
    assert "$$\n-x\n$$" in Article("t", [Formula("- x")]).to_markdown()


# Foreign text in HTML.


@hostile
@as_words
@in_block
def test_html_shows_foreign_text_and_nothing_else(foreign: str, words: str, block: str) -> None:
    make, seen = WORDS[words]

    def page(text: str) -> Page:
        words = make(text)
        return Page(Article(words, [BLOCKS[block](words), Code(text)]).to_html())

    found, harmless = page(foreign), page("x" if foreign else "")
    looks = (("class", "whole"),), (("class", "long"),)
    tags = [(tag, () if attrs in looks else attrs) for tag, attrs in found.tags
            if tag not in ("span", "/span")]  # fmt: skip
    assert [tag for tag in tags if tag[0] != "meta"] == [
        tag for tag in harmless.tags if tag[0] != "meta"
    ]
    times = {"table": 3}.get(block, 1) + 2
    assert found.text.count(seen(foreign)) >= times
    lines = [printable(line) for line in foreign.expandtabs().splitlines()]
    assert "\n".join(lines) in found.text


def test_html_allows_itself_nothing_but_its_style() -> None:
    page = example().to_html()
    reader = Page(page)
    names = [tag for tag, _ in reader.tags]
    assert names.count("style") == 1
    assert not {"script", "link", "img", "a"} & {*names} - {"link"}
    (icon,) = (attrs for tag, attrs in reader.tags if tag == "link")
    assert icon == (("rel", "icon"), ("href", "data:,"))
    policies = [dict(attrs)["content"] for tag, attrs in reader.tags
                if ("http-equiv", "Content-Security-Policy") in attrs]  # fmt: skip
    style = between(page, "<style>", "</style>")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policies == [
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    ]
    assert not any(name.startswith("on") or name == "style" for _, attrs in reader.tags
                   for name, _ in attrs)  # fmt: skip


# A megabyte of it.


@pytest.mark.parametrize("foreign", ["$", "\\x{ ", "\x00"])
def test_a_megabyte_is_text_like_any_other(foreign: str) -> None:
    much, more = (foreign * (size // len(foreign)) for size in (1_000_000, 50_000))
    blocks = [make(verbatim(more)) for make in BLOCKS.values()]
    article = Article(
        verbatim(more), [*blocks, Paragraph(verbatim(much)), Code(much), Paragraph("after")]
    )
    assert article.to_text().endswith("\n\nafter")
    assert article.to_markdown().endswith("\n\nafter\n")
    assert "<p>after</p>" in article.to_html()
    assert "\n\nafter\n\n" in article.to_latex()


# Foreign text in LaTeX.

PREAMBLE = Article("t", []).to_latex().split("{\\LARGE")[0]


def latex_of(words: str) -> str:
    """The words of a paragraph."""
    latex = Article("t", [Paragraph(words)]).to_latex()
    return between(latex, "{\\LARGE t\\par}\n\n", "\n\n\\end{document}\n")


ASCII = " ".join(["".join(chunk) for chunk in zip(*[iter(string.punctuation)] * 4, strict=True)])
PRINTED = [
    ASCII, " ".join(string.punctuation), " ".join(sign * 3 for sign in string.punctuation),
    " ".join(f"a{sign}1" for sign in string.punctuation), " ".join(f"{a}{b}" for a, b in
    itertools.product("-'`\\^~", repeat=2)), "--0.5 1e-05 -5 0-3 (-2) a-b", "fi ffl ffi fl ff",
    *(text for text in HOSTILE.values() if text.isascii() and text.isprintable()),
]  # fmt: skip


@pytest.mark.latex
@pytest.mark.parametrize("text", PRINTED)
def test_tex_prints_ascii_as_it_is(text: str, tmp_path: Path) -> None:
    expected = squeezed(text).replace('"', "”")
    assert squeezed(typeset(latex_of(verbatim(text)), PREAMBLE, tmp_path)) == expected


@pytest.mark.latex
@pytest.mark.parametrize("text", PRINTED)
def test_tex_prints_code_as_it_is(text: str, tmp_path: Path) -> None:
    expected = squeezed(text).replace("`", "’")
    assert squeezed(typeset(latex_of(code(text)), PREAMBLE, tmp_path)) == expected


@pytest.mark.latex
def test_tex_keeps_the_spaces_of_code(tmp_path: Path) -> None:
    latex = Article("t", [Code("  a  = `b`\n[c]\n\n*d")]).to_latex()
    lines = between(latex, "\\small\n", "\n\\end{quote}").split("\\\\\n")
    printed = [typeset(line, PREAMBLE, tmp_path) for line in lines]
    assert printed == ["  a  = `b`", "[c]", "", "*d"]


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("é Łódź", "e ?odz"),
        ("e\u0301", "e"),
        ("ﬁ （ａ）", "fi ?a?"),
        ("x² yⁿ h₂ ™", "x$^{2}$ y$^{n}$ h$_{2}$ $^{TM}$"),
        ("½ ≮ ① φ 神", "? ? ? ? ?"),  # never 12, never <
        ("a ≠ b … ✓", r"a $\ne$ b \ldots{} $\surd$"),
        ("x" * 40, "x" * 40),
        ("x" * 45, r"\breakable ".join([*["x" * 10] * 4, "x" * 5])),
    ],
)
def test_letters_that_tex_lacks(text: str, latex: str) -> None:
    assert squeezed(latex_of(verbatim(text))) == latex


@pytest.mark.latex
def test_foreign_text_compiles_to_text(tmp_path: Path) -> None:
    (tmp_path / "secret.tex").write_text(r"\typeout{The secret is out.}")
    blocks: list[Block] = []
    for text in HOSTILE.values():
        for make, _ in WORDS.values():
            blocks += [block(make(text)) for block in BLOCKS.values()]
            blocks += [Items([make(f"[{text}"), make(f"*{text}"), make(f" [{text}")])]
            blocks += [Table(["", ""], [[make(start + text)] * 2 for start in ("[", "*", " [")])]
        blocks += [Code(text), Code(f"{text}\n[b]\n*c\n{text}")]
    compiled = compile_latex(Article(verbatim(HOSTILE["commands"]), blocks).to_latex(), tmp_path)
    assert "The secret is out." not in compiled.log
    assert not any("secret" in name for name in compiled.read)
    assert compiled.written == {"test.log", "test.aux", "test.pdf"}
    assert {path.name for path in tmp_path.iterdir()} == {
        "secret.tex", "test.tex", "test.fls", *compiled.written,
    }  # fmt: skip
    lines = [block for block in blocks if not isinstance(block, Heading)]  # large and bold
    compiled = compile_latex(Article("t", lines).to_latex(), tmp_path)
    assert not [points for points in compiled.overfull if points > 20]


@pytest.mark.latex
@pytest.mark.parametrize("text", ["x", "$", "\\x{ ", "1e-05,"])
def test_much_foreign_text_compiles(text: str, tmp_path: Path) -> None:
    text *= 20_000 // len(text)
    blocks = [block(make(text)) for make, _ in WORDS.values() for key, block in BLOCKS.items()
              if key != "heading"]  # fmt: skip
    compile_latex(Article("t", [*blocks, Code(text)]).to_latex(), tmp_path)


@pytest.mark.latex
def test_every_kind_of_block_compiles(tmp_path: Path) -> None:
    empty: list[Block] = [Items([]), Paragraph(""), Table(["a"], []), Code("")]
    article = Article("", [*example().blocks, *empty, *example().blocks])
    compiled = compile_latex(article.to_latex(), tmp_path)
    assert not compiled.overfull
    assert "Underfull" not in compiled.log
    packages = {Path(name).name for name in compiled.read if name.endswith(".sty")}
    assert {"amsmath.sty", "geometry.sty"} <= packages


@pytest.mark.latex
def test_wide_tables_stay_on_the_page(tmp_path: Path) -> None:
    terms = " + ".join(["-0.1234 · (-1.234e-06)"] * 6)
    names = ", ".join(f"{k}-{k + 3}" for k in range(0, 400, 7))
    tables = [
        Table(["", "terms", "result"], [["neuron 0", terms, "-3.594265566630643e-06"]] * 2),
        Table(["", "neurons", "classes"], [["hidden layer 1", "4096", f"{{{names}}}"]]),
        Table(["long", "long"], [[names, terms]]),
        Table(["a"] * 6, [["-3.594265566630643e-06"] * 6]),
        Table(["", "W " * 30, "m" * 30], [["MMMMM", "WM " * 35, "+ " * 20]]),
    ]
    compiled = compile_latex(Article("t", tables).to_latex(), tmp_path)
    assert not [points for points in compiled.overfull if points > 20]


# Anything at all.


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(max_size=60) | st.text(alphabet="\\$`{}&#%~^_|<>[]*-+=.1a \n", max_size=60))
def test_any_text_is_shown(foreign: str) -> None:
    for block in ("paragraph", "items", "table"):
        for words in WORDS:
            test_text_keeps_foreign_text_in_its_lines(foreign, words, block)
            test_markdown_shows_foreign_text_and_nothing_else(foreign, words, block)
            test_html_shows_foreign_text_and_nothing_else(foreign, words, block)


# In a browser.


@pytest.mark.browser
def test_a_page_of_foreign_text_is_as_wide_as_its_window(tmp_path: Path, browser_page: Any) -> None:
    blocks: list[Block] = [Heading("$x$")]
    for text in HOSTILE.values():
        for make, _ in WORDS.values():
            blocks += [block(make(text)) for block in BLOCKS.values()]
        blocks.append(Code(text))
    path = tmp_path / "foreign.html"
    path.write_text(Article("Foreign", blocks).to_html(), encoding="utf-8")
    browser_page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    browser_page.set_viewport_size({"width": 390, "height": 900})
    browser_page.goto(path.as_uri())
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= 390
    assert browser_page.locator("math").count() == 2  # in the heading, and in the link to it
    assert browser_page.locator("pre").count() == len(HOSTILE)
    strange = "script, img, a:not(nav > a[href^='#s']), h1 *, p :not(code, span)"
    assert browser_page.locator(strange).count() == 0
