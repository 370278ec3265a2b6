"""A graph as indented text: each node above what it was computed from."""

from __future__ import annotations

from collections.abc import Sequence

from . import text
from .parts import Edge, GraphNode, equations, names

MAX_NAMES = 5  #: nodes that a reason names; others are counted
MAX_LINES = 200  #: a notebook shows as many, and nobody reads more
MAX_INDENT = 40  #: deeper levels are counted, not indented: a chain of 100,000 nodes stays readable


def to_text(
    nodes: Sequence[GraphNode], edges: Sequence[Edge], note: str = "", cut: bool = False
) -> str:
    """The tree below the last node; a node that was shown before is only named."""
    by_id = {node.id: node for node in nodes}
    called, computed = names(nodes), equations(nodes, edges)
    sources: dict[str, list[Edge]] = {node.id: [] for node in nodes}
    for edge in edges:
        sources[edge.target].append(edge)

    rows: list[str] = []
    shown: set[str] = set()
    waiting = [(nodes[-1].id, 0, False)]
    while waiting and not (cut and len(rows) == MAX_LINES):
        this, depth, is_carried = waiting.pop()
        if this in shown:
            line = f"(see {this})" if called[this] == this else f"{called[this]} (see {this})"
        else:
            shown.add(this)
            line = _line(by_id[this], computed.get(this, ""))
            waiting += [(one.source, depth + 1, one.carried) for one in reversed(sources[this])]
        rows.append(_indent(depth) + "from the turn before: " * is_carried + line)
    if hidden := len(nodes) - len(shown):
        rows.append(f"... {hidden:,} more nodes: graph.to_text('operations') writes all")
    elif note:
        note += "; graph.to_text('operations') writes all"
    return "\n".join([note] * bool(note) + rows + _reasons(nodes, called))


def _reasons(nodes: Sequence[GraphNode], called: dict[str, str]) -> list[str]:
    """Why numbers are not those of the recording, or missing: each reason once, with whose."""
    whose: dict[str, list[str]] = {}
    for node in nodes:
        if node.changed:
            whose.setdefault(f"data now: {node.changed}", []).append(called[node.id])
        if node.unavailable:
            whose.setdefault(f"grad unavailable: {node.unavailable}", []).append(called[node.id])
    return [f"{_some(names)}: {' '.join(reason.split())}" for reason, names in whose.items()]


def _some(names: list[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def _line(node: GraphNode, equation: str) -> str:
    told = head(node) + (f" = {equation}" if equation else "")
    at_most = 0 if node.is_range else text.MAX_INLINE
    facts = [f"{text.shape(node.shape)}"] if node.shape else []
    if node.kind == "module":
        facts.append(f"{node.size:,} nodes")
    if node.kind != "module" or node.value is not None:
        facts.append(f"data {'now ' if node.changed else ''}{text.inline(node.value, at_most)}")
    if node.gradient is not None:
        facts.append(f"grad {text.inline(node.gradient, at_most)}")
    if node.unavailable:
        facts.append("grad unavailable")
    if node.line:
        facts.append(f"at {text.label(node.line, text.MAX_LINE)}")
    return f"{told}: {', '.join(facts)}"


def head(node: GraphNode) -> str:
    """What a node is; of several, how many there are in the whole graph."""
    if node.kind == "module":
        shown = [node.id, text.label(node.label), text.label(node.symbol or "loop")]
        return " ".join(filter(None, shown)) + text.repetition(node.count, node.in_a_row)
    if node.size > 1:
        shown = [node.id, text.label(node.operation or node.kind), text.label(node.label)]
        return " ".join(filter(None, shown)) + text.repetition(node.size, node.in_a_row)
    if node.kind == "constant":
        return f"{node.id} constant"
    told = text.label(node.label) if node.label.strip() else "leaf" * (node.kind == "leaf")
    return " ".join(filter(None, [node.id, told]))


def _indent(depth: int) -> str:
    return "  " * depth if depth <= MAX_INDENT else "  " * MAX_INDENT + f"({depth} deep) "
