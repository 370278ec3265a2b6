"""One node that stands for several."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .parts import GraphNode

MAX_LABELS = 3  #: different labels that are written out

_DIGITS = re.compile(r"\d+")


def likeness(node: GraphNode, shapes: Sequence[tuple[int, ...]] = ()) -> Hashable:
    """Equal for nodes that may become one; ``shapes`` are those of the arguments.

    Numbers do not matter, nor their type unless they are in an array. Names matter: nodes that the
    user tells apart by more than a number, h1 and h2, stay apart.
    """
    is_array = isinstance(node.value, (np.ndarray, np.generic))
    return (
        node.kind,
        node.operation,
        # Each step of a loop may take another row of its data.
        "" if node.operation == "getitem" else node.settings,
        node.shape,
        node.dtype if is_array else "",
        node.gradient is None,
        not node.unavailable,
        node.label and pattern(node.label),
        node.colour,
        tuple(shapes),
    )


def pattern(label: str) -> str:
    """A label with ``*`` for its numbers.

    >>> pattern("layers.0.neurons.3.w.1")
    'layers.*.neurons.*.w.*'
    """
    return _DIGITS.sub("*", label)


def common_label(labels: Sequence[str]) -> str:
    """What several labels of one pattern have in common.

    >>> common_label(["layers.0.neurons.3.b", "layers.0.neurons.7.b"])
    'layers.0.neurons.*.b'
    """
    first = labels[0]
    if all(label == first for label in labels):
        return first
    columns = zip(*map(_DIGITS.findall, labels), strict=True)
    shown = iter(["*" if len(set(column)) > 1 else column[0] for column in columns])
    return _DIGITS.sub(lambda _: next(shown), first)


def alike(
    members: Sequence[GraphNode], count: int, in_a_row: bool, scope: str, size: int
) -> GraphNode:
    """A node for several operations, leaves or constants, of which there are ``count`` in a box."""
    first = members[0]
    if size == 1:
        return replace(first, scope=scope)
    return replace(
        first,
        settings=_settings([node.settings for node in members]),
        label=common_label([node.label for node in members]),
        dtype=", ".join(dict.fromkeys(node.dtype for node in members)),
        value=_stacked([node.value for node in members]),
        gradient=_gradient(members),
        changed=_note([node.changed for node in members]),
        unavailable=_note([node.unavailable for node in members]),
        line=_same([node.line for node in members]),
        recipe=None,
        scope=scope,
        count=count,
        in_a_row=in_a_row,
        size=size,
    )


def module(
    name: str, kind: str, title: str, label: str, inside: Sequence[GraphNode],
    results: Sequence[GraphNode], count: int, in_a_row: bool, scope: str,
) -> GraphNode:  # fmt: skip
    """A node for a closed box and all that is inside, of which some may be what it gives."""
    one = alike(results, 1, False, scope, len(results)) if results else None
    colours = {node.colour for node in inside if node.colour is not None}
    return GraphNode(
        id=name,
        kind="module",
        operation=kind,
        symbol=title,
        formula="",
        settings="",
        label=label,
        shape=one.shape if one else (),
        dtype=one.dtype if one else "",
        value=one and one.value,
        gradient=one and one.gradient,
        colour=colours.pop() if len(colours) == 1 else None,
        changed=_note([node.changed for node in inside]),
        unavailable=one.unavailable if one else "",
        line=_same([node.line for node in inside]),
        scope=scope,
        count=count,
        in_a_row=in_a_row,
        size=len(inside),
        parameters=sum(
            int(np.size(one.value)) for one in inside if one.kind == "leaf" and has_gradient(one)
        ),
    )


def has_gradient(node: GraphNode) -> bool:
    """Whether derivatives flow to a node, even if they cannot be told any more."""
    return node.gradient is not None or bool(node.unavailable)


def _stacked(values: Sequence[Any]) -> Any:
    array = np.stack(values) if isinstance(values[0], np.ndarray) else np.array(values)
    array.flags.writeable = False
    return array


def _gradient(members: Sequence[GraphNode]) -> Any:
    known = [node.gradient for node in members]
    return None if any(one is None for one in known) else _stacked(known)


def _settings(given: Sequence[str]) -> str:
    first, last = given[0], given[-1]
    same = all(one == first for one in given)
    return first if same else f"{first} … {last.removeprefix('index=')}"


def _note(reasons: Sequence[str]) -> str:
    """A reason, and of how many it is true."""
    told = [one for one in reasons if one]
    if not told or len(told) == len(reasons):
        return told[0] if told else ""
    return f"{len(told):,} of {len(reasons):,}: {told[0]}"


def _same(given: Sequence[str]) -> str:
    return given[0] if all(one == given[0] for one in given) else ""
