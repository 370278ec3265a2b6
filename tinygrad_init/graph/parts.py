"""What a graph is made of: nodes, and edges between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from . import text
from .local import Recipe

MAX_OPERANDS = 8  #: how many an equation names
Kind = Literal["leaf", "operation", "constant"]


@dataclass(frozen=True, eq=False)  # compared by identity: arrays have no single "equal"
class GraphNode:
    """One node of a traced computation, as it was when it was traced.

    Attributes:
        id: ``"n0"``, ``"n1"``, ..., oldest first.
        kind: ``"leaf"`` (a Value or Tensor that no operation made), ``"operation"`` (the
            result of one), or ``"constant"`` (a number or array that went into an operation).
        operation: the name of the operation, ``symbol``: how a drawing writes it, ``formula``: the
            operation in LaTeX, ``settings``: those that differ from their defaults, such as
            ``"axis=0"``; all empty unless ``kind`` is ``"operation"``.
        label: the name that :func:`trace` was given for it, else the label that the user gave; may
            be empty, and need not be unique.
        shape, dtype: of the array; ``()`` and the name of the type for a plain number.
        value: the number, or a read-only copy of the array.
        gradient: of the traced result with respect to this node; ``None`` where none flows, or
            where it is unavailable.
        colour: the class that :meth:`Graph.colour` gave it, or ``None``.
        changed: empty, or why ``value`` is not, or may not be, the one that was computed with.
        unavailable: empty, or why there is no ``gradient`` although derivatives flow here.
        line: ``"file:number: code"`` of the user's line that made it, where it was recorded under
            ``detect_anomaly()``; otherwise empty.
        recipe: what :meth:`Graph.local` asks for derivatives; ``None`` unless ``kind`` is
            ``"operation"``.
        scope: the id of the innermost :class:`GraphScope` that it belongs to, or empty.
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
    colour: int | None = None
    changed: str = ""
    unavailable: str = ""
    line: str = ""
    recipe: Recipe | None = field(default=None, repr=False)
    scope: str = ""


class Edge(NamedTuple):
    """``source`` is the argument number ``position`` of the operation ``target`` (both are ids)."""

    source: str
    target: str
    position: int


@dataclass(frozen=True)
class GraphScope:
    """A part of the computation that has a name: the call of a layer or of a loss.

    Attributes:
        id: ``"s0"``, ``"s1"``, ..., in the order in which their first nodes were recorded.
        kind: the class of the module, such as ``"Linear"``, or the name given to ``tg.scope``.
        label: where it is kept among the names that :func:`trace` was given, such as
            ``"layers.0"``; may be empty.
        title: what a drawing writes, such as ``"layers.0: Linear(64, 32)"``.
        outer: the id of the scope around it, or empty.
    """

    id: str
    kind: str
    label: str
    title: str
    outer: str


def names(nodes: Sequence[GraphNode]) -> dict[str, str]:
    """What to call each node: its label if nobody else has it, else its id. Always one line."""
    uses = Counter(node.label for node in nodes)
    return {
        node.id: text.label(node.label) if node.label.strip() and uses[node.label] == 1 else node.id
        for node in nodes
    }


def equations(nodes: Sequence[GraphNode], edges: Sequence[Edge]) -> dict[str, str]:
    """For every operation what it computes from what, such as ``a × b`` or ``tanh(n3)``."""
    called = names(nodes)
    for node in nodes:
        if node.kind == "constant" and node.shape == ():
            called[node.id] = text.inline(node.value)
    operands: dict[str, list[str]] = {node.id: [] for node in nodes}
    for edge in edges:
        if edge.position <= MAX_OPERANDS:
            is_last = edge.position == MAX_OPERANDS
            operands[edge.target].append("…" if is_last else called[edge.source])
    return {
        node.id: _equation(node, operands[node.id]) for node in nodes if node.kind == "operation"
    }


def _equation(node: GraphNode, operands: list[str]) -> str:
    symbol = text.label(node.symbol)
    is_sign = not any(character.isalpha() for character in symbol)
    if node.operation == "getitem":
        return operands[0] + node.settings.removeprefix("index=")
    if is_sign and len(operands) == 2:
        return f" {symbol} ".join(operands)
    if is_sign and len(operands) == 1 and node.operation == "negative":
        return symbol + operands[0]
    settings = [node.settings] if node.settings else []
    return f"{text.label(node.operation)}({', '.join(operands + settings)})"
