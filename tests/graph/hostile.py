"""Labels that try to break out of whatever they are written into."""

from __future__ import annotations

from tinygrad_init import Value
from tinygrad_init.graph import Graph, trace

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
}


def labelled(label: str) -> Graph:
    """Four nodes: the label at a leaf, in an equation, and at the result."""
    y = (Value(2.0, label=label) * 3).tanh()
    y.label = f"f {label}"
    return trace(y)
