"""Classes of nodes, which a drawing shows as colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..autograd import DataError
from . import text
from .parts import GraphNode

#: By the label or the id of a node: its class, or one for each entry of its last axis.
Classes = Mapping[str, int | Sequence[int]]


def coloured(nodes: Sequence[GraphNode], classes: Classes) -> list[GraphNode]:
    """The nodes with their classes; a label is meant before an id.

    Raises:
        DataError: if no node is called so, or for what is no class or does not fit.
    """
    labels = {node.label for node in nodes if node.label}
    unknown = [str(key) for key in classes.keys() - labels - {node.id for node in nodes}]
    if unknown:
        raise DataError(
            f"no node of this graph has the label or id {text.label(min(unknown))!r}: "
            f"use labels given by label=, or ids as in graph.nodes"
        )
    given = {key: _checked(number) for key, number in classes.items()}
    by_id = {key: number for key, number in given.items() if key not in labels}
    return [
        _with(node, by_id.get(node.id, given.get(node.label, node.colour))) for node in nodes
    ]


def _checked(given: int | Sequence[int]) -> int | tuple[int, ...]:
    if isinstance(given, (list, tuple, np.ndarray)):
        return tuple(map(_number, given))
    return _number(given)


def _number(given: Any) -> int:
    if not isinstance(given, (int, np.integer)) or given < 0:
        raise DataError(f"classes are counted from 0, got {text.label(repr(given))}")
    return int(given)


def _with(node: GraphNode, colour: int | tuple[int, ...] | None) -> GraphNode:
    if isinstance(colour, tuple) and (not node.shape or node.shape[-1] != len(colour)):
        raise DataError(
            f"{len(colour)} classes do not fit the last axis of {text.label(node.label) or node.id}"
            f", which has shape {node.shape}: give one class, or one for each entry of that axis"
        )
    return node if colour == node.colour else replace(node, colour=colour)
