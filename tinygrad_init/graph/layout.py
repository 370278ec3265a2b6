"""Where Graphviz has put everything, read from its SVG.

The script of a page moves nodes, edges and boxes when a module is closed or the drawing is turned.
It has no layout of its own: all positions come from here.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from .parts import Edge, GraphNode, GraphScope

_SVG = "{http://www.w3.org/2000/svg}"
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")

Box = list[float]  #: left, top, width, height
Groups = dict[str, list[ET.Element]]  #: by title; several for edges between the same two nodes


def layout(
    svg: str, nodes: Sequence[GraphNode], edges: Sequence[Edge], scopes: Sequence[GraphScope]
) -> dict[str, Any]:
    """Boxes of the drawing, of its nodes and scopes; lines and labels of its edges.

    An edge is the list of the coordinates of its curve, a start and then three points for each
    Bézier segment, followed by the tip of its arrow. All lists are in the order of the graph's.
    """
    root = ET.fromstring(svg)
    groups = _groups(root)
    drawn = [groups[f"{edge.source}->{edge.target}"].pop(0) for edge in edges]
    return {
        "box": _whole(root),
        "nodes": [_box(groups[node.id][0]) for node in nodes],
        "scopes": [_box(groups[f"cluster_{one.id}"][0]) for one in scopes],
        "edges": [_curve(edge) for edge in drawn],
        "labels": [_label(edge) for edge in drawn],
    }


def _groups(root: ET.Element) -> Groups:
    """Nodes, edges and clusters by their titles, which are made of generated ids."""
    found: Groups = defaultdict(list)
    for group in root.iter(f"{_SVG}g"):
        if group.get("class") in ("node", "edge", "cluster"):
            title = group.find(f"{_SVG}title")
            assert title is not None
            found[title.text or ""].append(group)
    return found


def _whole(root: ET.Element) -> Box:
    """The box of the drawing, in the coordinates of what it contains."""
    _, _, width, height = _numbers(root.get("viewBox"))
    inner = root.find(f"{_SVG}g")
    assert inner is not None
    x, y = _numbers(inner.get("transform"))[-2:]  # scale(1 1) rotate(0) translate(4 151)
    return [-x, -y, width, height]


def _box(group: ET.Element) -> Box:
    """The box around all lines of a group."""
    numbers = [
        number
        for shape in _shapes(group)
        for number in _numbers(shape.get("points") or shape.get("d"))
    ]
    across, down = numbers[::2], numbers[1::2]
    left, top = min(across), min(down)
    return [left, top, round(max(across) - left, 2), round(max(down) - top, 2)]


def _curve(group: ET.Element) -> list[float]:
    line, arrow = _shapes(group)
    return [*_numbers(line.get("d")), *_numbers(arrow.get("points"))[2:4]]


def _label(group: ET.Element) -> list[float] | None:
    label = group.find(f".//{_SVG}text")
    return None if label is None else [float(label.get("x", 0)), float(label.get("y", 0))]


def _shapes(group: ET.Element) -> Iterable[ET.Element]:
    return [one for one in group.iter() if one.get("points") or one.get("d")]


def _numbers(written: str | None) -> list[float]:
    return [float(found) for found in _NUMBER.findall(written or "")]
