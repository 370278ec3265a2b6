"""A graph in Graphviz's language DOT: one record for each node.

A record is a box with compartments, and the only shape with several texts that every build of
Graphviz draws (HTML-like labels are silently dropped where it was built without an XML parser).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from . import text
from .parts import Edge, GraphNode, GraphScope, equations, names, short_labels

FONT = "Helvetica,Arial,sans-serif"
MARGIN = "0.16,0.04"  #: inches; leaves room where the reader's font is wider than the one measured
EDGE = "#767676"  #: a grey that is visible on white paper as well as on a dark page

#: fill, border and what else tells a kind from the others: the outline, so not colour alone
STYLES = {
    "leaf": ("#D6ECF9", "#0072B2", {"shape": "record", "style": "filled"}),
    "data": ("#D6ECF9", "#0072B2", {"shape": "record", "style": "filled,dashed"}),
    "operation": ("#FBEFD5", "#A86F00", {"shape": "Mrecord", "style": "filled"}),
    "constant": ("#EEEEEE", "#6E6E6E", {"shape": "record", "style": "filled,dotted"}),
    "module": ("#F3E4EE", "#9B3F77", {"shape": "record", "style": "filled", "peripheries": "2"}),
    "output": ("#D0EEE4", "#00795A", {"shape": "Mrecord", "style": "filled", "penwidth": "2.5"}),
}

#: tints of the palette of Okabe and Ito, which colour-blind people can tell apart, for classes
CLASSES = (
    "#FBE3B4", "#C9E7F8", "#B5E3D4", "#F9F3B0", "#B3D4EA", "#F4CBB0", "#EFD3E2", "#D2D2D2",
)
UNCLASSED = "#FFFFFF"

#: operations whose arguments may change places; the others get their edges numbered
_COMMUTE = {"add", "multiply", "maximum", "minimum", "equal", "not_equal"}


def role(node: GraphNode, is_output: bool) -> str:
    """Which of the ``STYLES`` a node has."""
    if is_output and node.kind == "operation":
        return "output"
    has_gradient = node.gradient is not None or bool(node.unavailable)
    return "data" if node.kind == "leaf" and not has_gradient else node.kind


def to_dot(
    nodes: Sequence[GraphNode],
    edges: Sequence[Edge],
    direction: str = "LR",
    scopes: Sequence[GraphScope] = (),
    note: str = "",
) -> str:
    """The drawing, from left to right ("LR") or from top to bottom ("TB"), with a note below."""
    import graphviz  # costs a tenth of a second, which `import tinygrad_init` should not

    drawing = graphviz.Digraph(
        "computation",
        graph_attr={
            "rankdir": direction, "bgcolor": "transparent", "nodesep": "0.25", "ranksep": "0.45",
        },
        node_attr={"fontname": FONT, "fontsize": "13", "height": "0.3", "margin": MARGIN},
        edge_attr={"fontname": FONT, "fontsize": "10", "fontcolor": EDGE, "color": EDGE,
                   "arrowsize": "0.7"},
    )
    if note:
        drawing.attr(label=graphviz.nohtml(_escape(note)), labeljust="l", fontname=FONT,
                     fontsize="12", fontcolor=EDGE)  # fmt: skip
    called, computed = names(nodes), equations(nodes, edges)
    is_coloured = any(node.colour is not None for node in nodes)
    short = short_labels(nodes, scopes)
    boxes = {one.id: _box(one, short[one.id]) for one in scopes}
    for node in nodes:
        fill, border, outline = STYLES[role(node, node is nodes[-1])]
        if is_coloured:
            fill = UNCLASSED if node.colour is None else CLASSES[node.colour % len(CLASSES)]
        boxes.get(node.scope, drawing).node(
            node.id,
            label=graphviz.nohtml(_record(node, short[node.id], direction)),
            tooltip=graphviz.nohtml(_tooltip(node, called[node.id], computed.get(node.id, ""))),
            fillcolor=fill,
            color=border,
            **outline,
        )
    for one in reversed(scopes):  # a box is put into the one around it when it is complete
        boxes.get(one.outer, drawing).subgraph(boxes[one.id])
    numbered = _whose_arguments_are_numbered(nodes, edges)
    for edge in edges:
        position = str(edge.position + 1) if edge.target in numbered else None
        back = {"style": "dashed", "constraint": "false"} if edge.carried else {}
        drawing.edge(edge.source, edge.target, label=position, **back)
    return str(drawing.source)


def _box(one: GraphScope, title: str) -> Any:
    """An empty box with a title: Graphviz draws a subgraph so whose name starts with cluster."""
    import graphviz

    title = _escape(text.label(title))
    return graphviz.Digraph(
        f"cluster_{one.id}",
        graph_attr={
            "label": graphviz.nohtml(title), "labeljust": "l", "style": "rounded", "color": EDGE,
            "fontcolor": EDGE, "fontname": FONT, "fontsize": "12", "margin": "10",
            "tooltip": graphviz.nohtml(title),
        },
    )


def _record(node: GraphNode, label: str, direction: str) -> str:
    """The compartments of a node: above what it is, below its value and gradient."""
    upright = _upright_record(node, label)
    return upright if direction == "LR" else f"{{{upright}}}"  # a record turns with the graph


def _upright_record(node: GraphNode, label: str) -> str:
    if node.kind == "constant" and not node.shape and node.count == 1:
        return _fact("", node.value)
    has_value = node.kind != "module" or node.value is not None
    facts = [_fact("data now" if node.changed else "data", node.value)] if has_value else []
    if node.gradient is not None:
        facts.append(_fact("grad", node.gradient))
    if node.unavailable:
        facts.append("grad unavailable")
    rows = [_heading(node, label), _contents(node), facts]
    return "|".join(f"{{{'|'.join(row)}}}" for row in rows if row)


def _heading(node: GraphNode, label: str) -> list[str]:
    symbol = f"{node.symbol} {node.settings}".strip() if node.symbol != "[ ]" else node.settings
    name = text.label(label) if label.strip() else "" if node.size > 1 else node.id
    shown = [symbol or node.kind * (node.size > 1), name]
    if node.count > 1:
        shown.append(text.repetition(node.count, node.in_a_row).strip())
    if node.shape:
        shown.append(text.shape(node.shape))
    if node.shape and node.dtype != "float64":
        shown.append(node.dtype)
    if node.colour is not None:
        shown.append(f"class {node.colour}")
    return [_escape(part) for part in shown if part]


def _contents(node: GraphNode) -> list[str]:
    """How much there is inside of a closed module."""
    numbers = [(node.size, "node"), (node.parameters, "parameter")]
    return [
        f"{many:,} {what}{'' if many == 1 else 's'}" for many, what in numbers if many
    ] if node.kind == "module" else []  # fmt: skip


def _fact(word: str, value: object) -> str:
    """``data 2``; the rows of a matrix go below the word."""
    rows = [_escape(row) for row in text.lines(value)]
    return "\\n".join([word, *rows] if len(rows) > 1 else [f"{word} {rows[0]}".strip()])


def _tooltip(node: GraphNode, name: str, equation: str) -> str:
    """Graphviz undoes backslashes twice in a tooltip, once in a label."""
    shown = f"{name} = {equation}" if equation else f"{name} ({node.kind})"
    if node.formula:
        shown += f"; in general {node.formula}"
    for fact, said in (
        ("at", node.line), ("data now:", node.changed), ("grad unavailable:", node.unavailable)
    ):
        if said:
            shown += f"; {fact} {text.label(' '.join(said.split()), text.MAX_LINE)}"
    return _escape(shown, backslash="&#92;" * 4)


def _escape(shown: str, backslash: str = "&#92;" * 2) -> str:
    r"""Text that means nothing to DOT, to records or to Graphviz's escapes such as ``\N``.

    Everything special becomes a character reference, so neither a quotation mark nor a backslash is
    left that could end the string. Graphviz turns references into characters before it looks for
    its own escapes; hence the doubled backslash.
    """
    return re.sub(
        r'[&<>{}|"\\]',
        lambda found: backslash if found[0] == "\\" else f"&#{ord(found[0])};",
        shown,
    )


def _whose_arguments_are_numbered(nodes: Sequence[GraphNode], edges: Sequence[Edge]) -> set[str]:
    """Operations of several arguments, in which the order matters."""
    ordered = {
        node.id for node in nodes if node.kind != "module" and node.operation not in _COMMUTE
    }
    return ordered & {edge.target for edge in edges if edge.position > 0}
