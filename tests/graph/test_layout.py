"""What the script knows of the drawing: where Graphviz has put everything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.graph.models import network
from tinygrad_init import Value
from tinygrad_init.graph import Graph, trace
from tinygrad_init.graph.layout import layout


def found(graph: Graph, direction: str) -> dict[str, Any]:
    return layout(graph.to_svg(direction), graph.nodes, graph.edges, graph.scopes)


def contains(outer: list[float], inner: list[float], slack: float = 1.0) -> bool:
    return all(
        outer[axis] - slack <= inner[axis]
        and inner[axis] + inner[axis + 2] <= outer[axis] + outer[axis + 2] + slack
        for axis in (0, 1)
    )


def distance(box: list[float], x: float, y: float) -> float:
    """From a point to a box; 0 inside."""
    across = max(box[0] - x, 0, x - box[0] - box[2])
    down = max(box[1] - y, 0, y - box[1] - box[3])
    return float(np.hypot(across, down))


@pytest.mark.parametrize("direction", ["LR", "TB"])
class TestLayout:
    def test_everything_is_in_the_drawing(self, engine: str, direction: str) -> None:
        graph = network()
        places = found(graph, direction)
        for name in ("nodes", "edges", "scopes"):
            assert len(places[name]) == len(getattr(graph, name))
        assert len(places["labels"]) == len(graph.edges)
        assert all(contains(places["box"], box) for box in places["nodes"] + places["scopes"])

    def test_nodes_are_in_their_scopes_and_apart(self, engine: str, direction: str) -> None:
        graph = network()
        places = found(graph, direction)
        boxes = dict(zip((node.id for node in graph.nodes), places["nodes"], strict=True))
        scopes = dict(zip((one.id for one in graph.scopes), places["scopes"], strict=True))
        for node in graph.nodes:
            for key, scope in scopes.items():
                if key == node.scope:
                    assert contains(scope, boxes[node.id])
                outer = {one.id: one.outer for one in graph.scopes}
                inside, chain = node.scope, []
                while inside:
                    chain.append(inside)
                    inside = outer[inside]
                if key not in chain:
                    assert not contains(scope, boxes[node.id])

    def test_edges_lead_from_node_to_node(self, engine: str, direction: str) -> None:
        graph = network()
        places = found(graph, direction)
        number = {node.id: k for k, node in enumerate(graph.nodes)}
        for edge, curve in zip(graph.edges, places["edges"], strict=True):
            assert len(curve) % 2 == 0
            assert (len(curve) // 2 - 2) % 3 == 0  # a start, three for each segment, and a tip
            source, target = (places["nodes"][number[one]] for one in (edge.source, edge.target))
            assert distance(source, *curve[:2]) < 3  # the outline of the result is 2.5 wide
            assert distance(target, *curve[-2:]) < 3

    def test_turning_keeps_the_size_of_nodes(self, engine: str, direction: str) -> None:
        graph = network()
        for one, other in zip(
            found(graph, direction)["nodes"], found(graph, "LR")["nodes"], strict=True
        ):
            assert one[2:] == pytest.approx(other[2:], abs=0.02)

    def test_both_edges_of_a_square_are_told_apart(self, engine: str, direction: str) -> None:
        a = Value(2.0)
        one, other = found(trace(a * a), direction)["edges"]
        assert one != other
