"""Text that tries to break out, and every place where a user's text gets into a graph."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

import tinygrad_init as tg
from tinygrad_init.graph import Graph

HOSTILE = {
    "quotes": "\"a\" 'b' \\\"",
    "record": "{a|b} <port> |",
    "backslash": "ends with \\",
    "backslashes": "\\\\\\",
    "escapes": "\\N \\G \\L \\l \\n \\r \\E \\T \\H",
    "html label": "<<b>bold</b>>",
    "html": "<b>bold</b> & &amp; &lt; &#60;",
    "script": "</svg><script>alert(1)</script>",
    "attribute": '" onload="alert(1)',
    "dot": '"]; evil [shape=box]; n0 -> evil; n1 [label="',
    "comment": "--> <!-- */ // # <![CDATA[ ]]>",
    "nul": "a\x00b",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x80\x9f",
    "newline": "two\nlines\r\n\u2028three",
    "surrogate": "lone \ud800 and \udfff",
    "noncharacter": "\ufffe\uffff",
    "rtl": "שלום \u202eevil\u2066",
    "emoji": "👩‍👧 é ∂L/∂w",
    "blank": "   ",
    "keyword": "digraph",
    "template": "{{ x }} ${x} %s {0}",
    "title": "</title></style><h1>x",
    "long": "x" * 100_000,
    "megabyte": '<|"\\' * 250_000,
    "image": '<img src=x onerror=alert(1)>" <IMG SRC="logo.png"/>',
    "link": 'javascript:alert(1)" URL="javascript:alert(1)" href="//evil',
    "entity": "&#34;&#x22;&quot;&lt;script&gt;&#92;",
    "entities": '<!DOCTYPE x [<!ENTITY e "evil">]> &e;',
    "ids": '" id="node1" class="node"><g class="node">',
    "node class": 'class="node key"',
    "style": "</style><style>*{fill:url(//evil)}</style>{}",
    "record ports": "<a>|<b>|{<c>|}|",
    "only a brace": "{",
    "only a bar": "|",
    "cluster": "cluster_s0",
    "port": "n0:n1:ne",
    "undefined": "%3 %n $1 \\0 \\x41",
    "combining": "Z" + "\u0300\u0489\u20dd" * 40,
    "joiners": "\u200d\u200b\ufe0f\u2060",
    "private": "\ue000\U000f0000\U0010fffd",
    "wide": "ﷺ﷽𒐫꧅" * 20,
    "markdown": "**b** `c` ![x](//evil) [[y]]",
    "json": '\\"}],"nodes":[{"id":"evil"}',
}  # fmt: skip

#: what is special to DOT, records, Graphviz's escapes, XML or terminals, beside any character
TEXT = st.text(
    st.one_of(st.sampled_from("\\\"'{}|<>&;#/-[]=%$`\n\r\t\0\x1b\u202e\ud800NGLETHlnr "),
              st.characters()),
    max_size=60,
)  # fmt: skip


class Impostor(int):
    """A number that is written as it likes."""

    text = ""

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


class Loud(tg.nn.Module):
    """A module whose description is one call, so that a title shows it."""

    text = ""

    def __init__(self) -> None:
        super().__init__()
        self.weight = tg.Tensor([2.0], requires_grad=True)

    def forward(self, x: Any) -> Any:
        return x * self.weight

    def __repr__(self) -> str:
        return f"Loud({self.text})"


def everywhere(evil: str) -> Graph:
    """A graph of 9 nodes that has the text in every place into which a user can put one."""
    x = tg.Tensor([1.0, 2.0], label=evil)
    named = tg.Tensor([3.0], requires_grad=True)
    model = Loud()
    model.text = evil
    mine = tg.operation(
        evil or "empty",
        lambda x, /, **_: 3 * x,
        lambda g, y, x, /, **_: 3 * g,
        formula=evil,
        symbol=evil,
        params={evil: "", "mode": ""},
    )
    with tg.scope(evil):
        y = mine(x * named, **{evil: evil, "mode": evil})
    result = model(y).sum()
    result.label = evil
    return tg.trace(result, {evil: named, f"{evil}.{evil}": model})


def written(evil: str) -> Graph:
    """A graph of 3 nodes around a number that is written so."""
    number = Impostor(2)
    number.text = evil
    return tg.trace(tg.Value(number) * 3)
