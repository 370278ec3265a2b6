"""A graph in Graphviz's language DOT: one record for each node.

A record is a box with compartments, and the only shape with several texts that every build of
Graphviz draws (HTML-like labels are silently dropped where it was built without an XML parser).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise, zip_longest
from typing import Any

from . import text
from .orientation import orientation
from .palette import EDGE, INK, KEYS, PAPER, STYLES, UNCLASSED, of_class, of_classes
from .parts import Edge, GraphNode, GraphScope, equations, names, short_labels

FONT = "Arial"  #: a list would not be found in the table of widths that serves where no fonts are
MARGIN = "0.12,0.04"  #: inches; leaves room where the reader's font is wider than the one measured
MAX_SMALL = 12  #: nodes and boxes of a graph that gets a small legend
_LETTER, _COMPARTMENT = 6.5, 17.0  #: points: the usual width of a letter, and what goes around it

#: operations whose arguments may change places; the others get their edges numbered
_COMMUTE = {"add", "multiply", "maximum", "minimum", "equal", "not_equal"}


Rows = list[list[list[str]]]  #: above and below; compartments; lines


def role(node: GraphNode, is_output: bool) -> str:
    """Which of the ``STYLES`` a node has."""
    if is_output and node.kind == "operation":
        return "output"
    has_gradient = node.gradient is not None or bool(node.unavailable)
    return "data" if node.kind == "leaf" and not has_gradient else node.kind


def roles(nodes: Sequence[GraphNode]) -> dict[str, str]:
    """The same for each node of a graph, by id."""
    return {node.id: role(node, node is nodes[-1]) for node in nodes}


def to_dot(
    nodes: Sequence[GraphNode],
    edges: Sequence[Edge],
    direction: str | None = None,
    scopes: Sequence[GraphScope] = (),
    legend: bool = False,
    note: str = "",
) -> str:
    """The drawing, from left to right ("LR"), from top to bottom ("TB"), or as it fits a page."""
    import graphviz  # costs a tenth of a second, which `import tinygrad_init` should not

    direction = direction or suiting(nodes, edges, scopes)
    short = short_labels(nodes, scopes)
    drawing = graphviz.Digraph(
        "computation",
        graph_attr={
            "rankdir": direction, "bgcolor": PAPER, "nodesep": "0.25",
            "ranksep": "0.4" if direction == "LR" else "0.3",
        },
        node_attr={"fontname": FONT, "fontsize": "13", "fontcolor": INK, "height": "0.3",
                   "margin": MARGIN},
        edge_attr={"fontname": FONT, "fontsize": "10", "fontcolor": EDGE, "color": EDGE,
                   "arrowsize": "0.7"},
    )
    if note:
        drawing.attr(label=graphviz.nohtml(_escape(note)), labeljust="l", fontname=FONT,
                     fontsize="12", fontcolor=EDGE)  # fmt: skip
    called, computed, kinds = names(nodes), equations(nodes, edges), roles(nodes)
    is_coloured = any(node.colour is not None for node in nodes)
    boxes = {one.id: _box(one.id, short[one.id]) for one in scopes}
    for node in nodes:
        boxes.get(node.scope, drawing).node(
            node.id,
            label=graphviz.nohtml(_label(node, short[node.id], direction)),
            tooltip=graphviz.nohtml(_tooltip(node, called[node.id], computed.get(node.id, ""))),
            **_look(kinds[node.id], is_coloured, node.colour),
        )
    for one in reversed(scopes):  # a box is put into the one around it when it is complete
        boxes.get(one.outer, drawing).subgraph(boxes[one.id])
    numbered = _whose_arguments_are_numbered(nodes, edges)
    for edge in edges:
        position = str(edge.position + 1) if edge.target in numbered else None
        back = {"style": "dashed", "constraint": "false"} if edge.carried else {}
        drawing.edge(edge.source, edge.target, label=position, **back)
    if legend:
        present = [kind for kind in STYLES if kind in kinds.values()]
        is_small = len(nodes) + len(scopes) <= MAX_SMALL
        _add_keys(drawing, present, is_coloured, is_small, direction)
    return str(drawing.source)


def suiting(
    nodes: Sequence[GraphNode], edges: Sequence[Edge], scopes: Sequence[GraphScope]
) -> str:
    """The direction in which the drawing fits a page."""
    short = short_labels(nodes, scopes)
    widths = {node.id: _width(_compartments(node, short[node.id])) for node in nodes}
    return orientation(nodes, [edge for edge in edges if not edge.carried], scopes, widths)


Colour = int | tuple[int, ...] | None


def _look(kind: str, is_coloured: bool, colour: Colour = None) -> dict[str, str]:
    fill, border, outline = STYLES[kind]
    look = {"fillcolor": UNCLASSED if is_coloured else fill, "color": border, **outline}
    if colour is None:
        return look
    return look | (of_class(colour) if isinstance(colour, int) else of_classes(colour))


def _label(node: GraphNode, name: str, direction: str) -> str:
    rows = _compartments(node, name)
    if not in_stripes(node):
        return _record(rows, direction)  # which cannot have them
    lines = ["   ".join(line).strip() for row in rows for line in zip_longest(*row, fillvalue="")]
    return "\\n".join(map(_escape, lines))


def in_stripes(node: GraphNode) -> bool:
    """Whether several classes are told apart in it; each row of it is one line of text then."""
    return isinstance(node.colour, tuple) and len(set(node.colour)) > 1


def _add_keys(
    drawing: Any, kinds: Iterable[str], is_coloured: bool, is_small: bool, direction: str
) -> None:
    """A box of keys along the drawing: what the outlines mean. They are no nodes of the graph.

    The class tells them apart in an SVG; invisible edges keep them in a row. Beside a small
    graph they are small, and the box has no title, so that most of the picture is the graph.
    """
    title, around = ("", "6") if is_small else ("legend", "10")
    room = {"fontsize": "10", "height": "0.2", "margin": "0.08,0.02"} if is_small else {}
    box = _box("key", title, tooltip="", margin=around, **{"class": "key"})
    keys = {f"key_{kind}": kind for kind in kinds}
    for key, kind in keys.items():
        look = {"fontsize": "11", "class": "key", **room, **_look(kind, is_coloured)}
        box.node(key, label=KEYS[kind], **look)
    # From top to bottom they are in a row without: they would be as far apart as rows of the graph.
    for one, following in pairwise(keys) if direction == "LR" else ():
        box.edge(one, following, style="invis")
    drawing.subgraph(box)


def _box(name: str, title: str, **attributes: str) -> Any:
    """An empty box with a title: Graphviz draws a subgraph so whose name starts with cluster."""
    import graphviz

    shown = text.label(title)
    return graphviz.Digraph(
        f"cluster_{name}",
        graph_attr={
            "label": graphviz.nohtml(_escape(shown)), "labeljust": "l", "style": "rounded",
            "color": EDGE, "fontcolor": EDGE, "fontname": FONT, "fontsize": "12", "margin": "10",
            "tooltip": graphviz.nohtml(_escape(shown, _IN_TOOLTIP)),
        } | attributes,
    )


def _compartments(node: GraphNode, label: str) -> Rows:
    """Above what a node is, below its value and gradient."""
    if node.kind == "constant" and not node.shape:
        return [facts(node)]
    rows = [[[part] for part in parts] for parts in (_heading(node, label), _contents(node))]
    return [row for row in [*rows, facts(node)] if row]


def facts(node: GraphNode) -> list[list[str]]:
    """The lower compartments, line by line: the value, then the gradient."""
    at_most = 0 if node.is_range else text.MAX_ENTRIES
    if node.kind == "constant" and not node.shape:
        return [text.lines(node.value, at_most)]
    has_value = node.kind != "module" or node.value is not None
    shown = [fact("data now" if node.changed else "data", node.value, at_most)] if has_value else []
    if node.gradient is not None:
        shown.append(fact("grad", node.gradient, at_most))
    if node.unavailable:
        shown.append(["grad unavailable"])
    return shown


def _heading(node: GraphNode, label: str) -> list[str]:
    symbol = f"{node.symbol} {node.settings}".strip() if node.symbol != "[ ]" else node.settings
    name = text.label(label) if label.strip() else "" if node.size > 1 else node.id
    shown = [text.label(symbol), name or (node.kind if not symbol else "")]
    if node.count > 1:
        shown.append(text.repetition(node.count, node.in_a_row).strip())
    if node.shape:
        shown.append(text.shape(node.shape))
    if node.shape and node.dtype != "float64":
        shown.append(text.label(node.dtype))
    if isinstance(node.colour, int):
        shown.append(f"class {node.colour}")
    elif node.colour is not None:
        many = len(set(node.colour))
        shown.append(f"{len(node.colour)} neurons, {many} class{'' if many == 1 else 'es'}")
    return [part for part in shown if part]


def _contents(node: GraphNode) -> list[str]:
    """How much there is inside of a closed module."""
    if node.kind != "module":
        return []
    numbers = (node.size, "node"), (node.parameters, "parameter")
    return [f"{many:,} {what}{'' if many == 1 else 's'}" for many, what in numbers if many]


def fact(word: str, value: object, at_most: int = text.MAX_ENTRIES) -> list[str]:
    """``data 2``; the rows of a matrix go below the word."""
    rows = text.lines(value, at_most)
    return [word, *rows] if len(rows) > 1 else [f"{word} {rows[0]}"]


def _width(rows: Rows) -> float:
    """About how many points a record is wide."""
    return max(
        sum(_COMPARTMENT + _LETTER * max(map(len, lines)) for lines in compartments)
        for compartments in rows
    )


def _record(rows: Rows, direction: str) -> str:
    """The compartments in the language of records, in which ``{}`` turns by a right angle."""
    shown = [
        "|".join("\\n".join(map(_escape, lines)) for lines in compartments) for compartments in rows
    ]
    upright = "|".join(f"{{{row}}}" for row in shown) if len(shown) > 1 else shown[0]
    return upright if direction == "LR" else f"{{{upright}}}"  # a record turns with the graph


def _tooltip(node: GraphNode, name: str, equation: str) -> str:
    """Escaped, it stays below 16,384 characters: older versions of Graphviz read no more."""
    shown = f"{name} = {equation}" if equation else f"{name} ({node.kind})"
    if node.formula:
        shown += f"; in general {text.label(node.formula, text.MAX_LINE)}"
    for fact, said in (
        ("at", node.line), ("data now:", node.changed), ("grad unavailable:", node.unavailable)
    ):
        if said:
            shown += f"; {fact} {text.label(' '.join(said.split()), text.MAX_LINE)}"
    return _escape(text.label(shown, text.MAX_TIP), _IN_TOOLTIP)


_IN_TOOLTIP = "&#92;" * 4  #: a backslash: Graphviz undoes them twice there, once in a label


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
