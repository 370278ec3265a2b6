"""A graph in Graphviz's language DOT: one record for each node.

A record is a box with compartments, and the only shape with several texts that every build of
Graphviz draws (HTML-like labels are silently dropped where it was built without an XML parser).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from . import text
from .parts import Edge, GraphNode, GraphScope, equations, names

FONT = "Helvetica,Arial,sans-serif"
MARGIN = "0.16,0.04"  #: inches; leaves room where the reader's font is wider than the one measured
EDGE = "#767676"  #: a grey that is visible on white paper as well as on a dark page

#: fill, border and what else tells a kind from the others: the outline, so not colour alone
STYLES = {
    "leaf": ("#D6ECF9", "#0072B2", {"shape": "record", "style": "filled"}),
    "data": ("#D6ECF9", "#0072B2", {"shape": "record", "style": "filled,dashed"}),
    "operation": ("#FBEFD5", "#A86F00", {"shape": "Mrecord", "style": "filled"}),
    "constant": ("#EEEEEE", "#6E6E6E", {"shape": "record", "style": "filled,dotted"}),
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
) -> str:
    """The drawing, from left to right ("LR") or from top to bottom ("TB")."""
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
    called, computed = names(nodes), equations(nodes, edges)
    is_coloured = any(node.colour is not None for node in nodes)
    boxes = {one.id: _box(one) for one in scopes}
    for node in nodes:
        fill, border, outline = STYLES[role(node, node is nodes[-1])]
        if is_coloured:
            fill = UNCLASSED if node.colour is None else CLASSES[node.colour % len(CLASSES)]
        boxes.get(node.scope, drawing).node(
            node.id,
            label=graphviz.nohtml(_record(node, direction)),
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
        drawing.edge(edge.source, edge.target, label=position)
    return str(drawing.source)


def _box(one: GraphScope) -> Any:
    """An empty box with a title: Graphviz draws a subgraph so whose name starts with cluster."""
    import graphviz

    title = _escape(text.label(one.title))
    return graphviz.Digraph(
        f"cluster_{one.id}",
        graph_attr={
            "label": graphviz.nohtml(title), "labeljust": "l", "style": "rounded", "color": EDGE,
            "fontcolor": EDGE, "fontname": FONT, "fontsize": "12", "margin": "10",
            "tooltip": graphviz.nohtml(title),
        },
    )


def _record(node: GraphNode, direction: str) -> str:
    """The compartments of a node: above what it is, below its value and gradient."""
    upright = _upright_record(node)
    return upright if direction == "LR" else f"{{{upright}}}"  # a record turns with the graph


def _upright_record(node: GraphNode) -> str:
    shown = ["\\n".join(map(_escape, lines)) for lines in facts(node)]
    if node.kind == "constant" and not node.shape:
        return shown[0]
    return f"{{{'|'.join(map(_escape, _heading(node)))}}}|{{{'|'.join(shown)}}}"


def facts(node: GraphNode) -> list[list[str]]:
    """The lines of the lower compartments: of the value, then of the gradient."""
    if node.kind == "constant" and not node.shape:
        return [fact("", node.value)]
    found = [fact("data now" if node.changed else "data", node.value)]
    if node.gradient is not None:
        found.append(fact("grad", node.gradient))
    if node.unavailable:
        found.append(["grad unavailable"])
    return found


def fact(word: str, value: object) -> list[str]:
    """``data 2``; the rows of a matrix go below the word."""
    rows = text.lines(value)
    return [word, *rows] if len(rows) > 1 else [f"{word} {rows[0]}".strip()]


def _heading(node: GraphNode) -> list[str]:
    symbol = f"{node.symbol} {node.settings}".strip() if node.symbol != "[ ]" else node.settings
    shown = [symbol, text.label(node.label) if node.label.strip() else node.id]
    if node.shape:
        shown.append(text.shape(node.shape))
    if node.shape and node.dtype != "float64":
        shown.append(node.dtype)
    if node.colour is not None:
        shown.append(f"class {node.colour}")
    return [part for part in shown if part]


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
    ordered = {node.id for node in nodes if node.operation not in _COMMUTE}
    return ordered & {edge.target for edge in edges if edge.position > 0}
