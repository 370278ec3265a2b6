"""What a graph is made of: nodes, and edges between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from . import text
from .local import Recipe

MAX_OPERANDS = 8  #: how many an equation names
Kind = Literal["leaf", "operation", "constant", "module"]


@dataclass(frozen=True, eq=False)  # compared by identity: arrays have no single "equal"
class GraphNode:
    """One node of a traced computation, as it was when it was traced.

    Attributes:
        id: ``"n0"``, ``"n1"``, ..., oldest first; in a folded graph that of the oldest node that it
            stands for, and for a module that of its scope.
        kind: ``"leaf"`` (a Value or Tensor that no operation made), ``"operation"`` (the
            result of one), ``"constant"`` (a number or array that went into an operation), or
            ``"module"`` (in a folded graph: a closed part, with all that it computes).
        operation: the name of the operation, ``symbol``: how a drawing writes it, ``formula``: the
            operation in LaTeX, ``settings``: those that differ from their defaults, such as
            ``"axis=0"``; all empty unless ``kind`` is ``"operation"``. Of a module ``operation`` is
            the kind of its scope, and ``symbol`` what its scope is called.
        label: the name that :func:`trace` was given for it, else the label that the user gave; may
            be empty, and need not be unique.
        shape, dtype: of the array; ``()`` and the name of the type for a plain number.
        value: the number, or a read-only copy of the array.
        gradient: of the traced result with respect to this node; ``None`` where none flows, or
            where it is unavailable.
        colour: the class that :meth:`Graph.colour` gave it, or one for each entry of its last axis;
            ``None`` without.
        changed: empty, or why ``value`` is not, or may not be, the one that was computed with.
        unavailable: empty, or why there is no ``gradient`` although derivatives flow here.
        line: ``"file:number: code"`` of the user's line that made it, where it was recorded under
            ``detect_anomaly()``; otherwise empty.
        recipe: what :meth:`Graph.local` asks for derivatives; ``None`` unless ``kind`` is
            ``"operation"``.
        scope: the id of the innermost :class:`GraphScope` that it belongs to, or empty.
        held_by: of a leaf: which of the modules that were called hold it, as in ``module`` of a
            :class:`GraphScope`.
        count: how many alike it stands for in a folded graph, within the box around it.
        in_a_row: whether these follow each other, each computed from the one before.
        size: how many nodes of the whole graph it stands for, with all that is inside. A node that
            is no module and stands for several has the ``value`` and ``gradient`` of all of them,
            along a new first axis.
        parameters: of a module: how many numbers there are in the leaves inside which a gradient
            flows to.

    A module has the shape, value and gradient of its result, or of all such results along a new
    first axis; without one result they are ``()`` and ``None``.
    """

    id: str
    kind: Kind
    operation: str
    symbol: str
    formula: str
    settings: str
    label: str
    shape: tuple[int, ...]
    dtype: str
    value: Any
    gradient: Any
    colour: int | tuple[int, ...] | None = None
    changed: str = ""
    unavailable: str = ""
    line: str = ""
    recipe: Recipe | None = field(default=None, repr=False)
    scope: str = ""
    held_by: tuple[str, ...] = ()
    count: int = 1
    in_a_row: bool = False
    size: int = 1
    parameters: int = 0

    @property
    def is_range(self) -> bool:
        """Whether ``value`` has the numbers of several, of which a reader wants the range."""
        return np.ndim(self.value) > len(self.shape)


class Edge(NamedTuple):
    """``source`` is the argument number ``position`` of the operation ``target`` (both are ids).

    In a folded graph, an edge that is ``carried`` leads from each turn of a loop to the next one.
    Without these, sources stand before their targets in every graph.
    """

    source: str
    target: str
    position: int
    carried: bool = False


@dataclass(frozen=True)
class GraphScope:
    """A part of the computation that has a name: the call of a layer or of a loss.

    Attributes:
        id: ``"s0"``, ``"s1"``, ..., in the order of their first operations; in a folded graph
            ``"r0"``, ``"r1"``, ... for loops.
        kind: the class of the module, such as ``"Linear"``, or the name given to ``tg.scope``.
        label: where it is kept among the names that :func:`trace` was given, such as
            ``"layers.0"``; may be empty.
        title: what a drawing writes, such as ``"layers.0: Linear(64, 32)"``.
        outer: the id of the scope around it, or empty.
        module: ``"m0"``, ``"m1"``, ... for calls of objects such as layers, the same for all calls
            of one; otherwise empty.
        count: how many alike it stands for in a folded graph, within the box around it.
        in_a_row: whether these follow each other, each computed from the one before.
    """

    id: str
    kind: str
    label: str
    title: str
    outer: str
    module: str = ""
    count: int = 1
    in_a_row: bool = False


def short_labels(nodes: Sequence[GraphNode], scopes: Sequence[GraphScope]) -> dict[str, str]:
    """Labels of nodes and titles of scopes, by id, without what the box around them says already.

    In a box called ``layers.0`` the node ``layers.0.weight`` is ``weight``.
    """
    prefixes = {"": ""}  # by the id of a scope; a loop has no name, so that around it counts
    for one in scopes:
        prefixes[one.id] = f"{one.label}." if one.label else prefixes[one.outer]
    return {node.id: node.label.removeprefix(prefixes[node.scope]) for node in nodes} | {
        one.id: one.title.removeprefix(prefixes[one.outer]) for one in scopes
    }


def names(nodes: Sequence[GraphNode]) -> dict[str, str]:
    """What to call each node: its label if nobody else has it, else its id. Always one line."""
    uses = Counter(node.label for node in nodes)
    return {
        node.id: text.label(node.label) if node.label.strip() and uses[node.label] == 1 else node.id
        for node in nodes
    }


def equations(nodes: Sequence[GraphNode], edges: Sequence[Edge]) -> dict[str, str]:
    """For every single operation what it computes from what: ``a × b``, or ``tanh(n3)``."""
    called = names(nodes)
    for node in nodes:
        if node.kind == "constant" and node.shape == () and node.size == 1:
            called[node.id] = text.inline(node.value)
    operands: dict[str, list[str]] = {node.id: [] for node in nodes}
    for edge in edges:
        if edge.position <= MAX_OPERANDS:
            is_last = edge.position == MAX_OPERANDS
            operands[edge.target].append("…" if is_last else called[edge.source])
    return {
        node.id: equation(node, operands[node.id])
        for node in nodes
        if node.kind == "operation" and node.size == 1
    }


def equation(node: GraphNode, operands: Sequence[str]) -> str:
    """What an operation does to these operands, in the words of a program."""
    symbol = text.label(node.symbol)
    is_sign = not any(character.isalpha() for character in symbol)
    if node.operation == "getitem":
        return operands[0] + node.settings.removeprefix("index=")
    if is_sign and len(operands) == 2:
        return f" {symbol} ".join(operands)
    if is_sign and len(operands) == 1 and node.operation == "negative":
        return symbol + operands[0]
    settings = [node.settings] if node.settings else []
    return f"{text.label(node.operation)}({', '.join([*operands, *settings])})"
