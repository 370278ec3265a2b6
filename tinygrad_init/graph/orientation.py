"""Which way a drawing goes: from left to right, unless that would not fit on a page.

Left to right reads like a formula. A long computation of matrices is narrower from top to bottom,
and can be read by scrolling. The estimate costs far less than laying a graph out twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from .parts import Edge, GraphNode, GraphScope

PAGE = 1200.0  #: points; the width of a window, into which a drawing can be made to fit
GAP = 30.0  #: points between two nodes


def orientation(
    nodes: Sequence[GraphNode],
    edges: Sequence[Edge],
    scopes: Sequence[GraphScope],
    widths: Mapping[str, float],
) -> str:
    """``"LR"``, or ``"TB"`` where the first would be wider than a page and than the second.

    ``widths`` has that of every node, in points.
    """
    ranks = _ranks([node.id for node in nodes], edges)
    at_rank: dict[int, list[float]] = defaultdict(list)
    for node, rank in ranks.items():
        at_rank[rank].append(widths[node] + GAP)
    left_to_right = sum(map(max, at_rank.values()))
    if left_to_right <= PAGE:
        return "LR"
    return "LR" if left_to_right <= _top_to_bottom(nodes, scopes, widths, ranks) else "TB"


def _top_to_bottom(
    nodes: Sequence[GraphNode],
    scopes: Sequence[GraphScope],
    widths: Mapping[str, float],
    ranks: Mapping[str, int],
) -> float:
    """The widest rank; a box around a scope takes its whole width at each rank that it spans."""
    taken: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for node in nodes:
        taken[node.scope][ranks[node.id]] += widths[node.id] + GAP
    for one in reversed(scopes):  # inner ones before outer ones
        inside = taken[one.id]
        if inside:
            for rank in range(min(inside), max(inside) + 1):
                taken[one.outer][rank] += max(inside.values()) + GAP
    return max(taken[""].values())


def _ranks(nodes: Iterable[str], edges: Sequence[Edge]) -> dict[str, int]:
    """For each node its place along the drawing.

    An operation comes after its arguments, a leaf right before the first that uses it.
    """
    sources: dict[str, list[str]] = {node: [] for node in nodes}
    users: dict[str, list[str]] = {node: [] for node in sources}
    for edge in edges:
        sources[edge.target].append(edge.source)
        users[edge.source].append(edge.target)
    ranks: dict[str, int] = {}
    for node, its_sources in sources.items():
        ranks[node] = 1 + max((ranks[source] for source in its_sources), default=-1)
    for node, its_sources in sources.items():
        if not its_sources:
            ranks[node] = min((ranks[user] for user in users[node]), default=1) - 1
    return ranks
