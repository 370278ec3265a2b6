"""What an explanation calls the nodes of the tape: a traced graph, looked up by its nodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..autograd import Node
from . import symbols, text
from .parts import GraphNode, equations, names
from .trace import trace


class Named:
    """The graph below a result, with a name for everything.

    A result or a leaf without a label is called y or x, as long as nothing else is.
    """

    def __init__(self, y: Node, x: Node) -> None:
        graph = trace(y)
        on_tape: dict[str, Any] = {graph.nodes[-1].id: y}
        operands: dict[str, list[str]] = {}
        for edge in reversed(graph.edges):  # the youngest operation first
            argument = on_tape[edge.target].arguments[edge.position]
            on_tape[edge.source] = argument
            operands.setdefault(edge.target, []).insert(0, edge.source)
        labels = {node.label for node in graph.nodes}
        called = {id(node): name for node, name in ((y, "y"), (x, "x"))
                  if not node.label and name not in labels}  # fmt: skip
        nodes = [
            replace(node, label=called[id(on_tape[node.id])])
            if id(on_tape[node.id]) in called
            else node
            for node in graph.nodes
        ]
        shown = symbols.symbols(nodes)
        words, computed = names(nodes), equations(nodes, graph.edges)
        self.nodes: dict[Node, GraphNode] = {}
        self.symbols: dict[Node, str] = {}
        self.operands: dict[Node, list[str]] = {}
        self.words: dict[Node, str] = {}
        self.equations: dict[Node, str] = {}
        for node in nodes:
            this = on_tape[node.id]
            if isinstance(this, Node):
                self.nodes[this] = node
                self.symbols[this] = shown[node.id]
                self.operands[this] = [shown[one] for one in operands.get(node.id, [])]
                self.words[this] = words[node.id]
                equation = computed.get(node.id)
                name = words[node.id]
                self.equations[this] = f"{name} = {equation}" if equation else name

    def gradients(self, nodes: Iterable[Node]) -> dict[Node, Any]:
        """The gradient of the result with respect to each of the nodes."""
        return {node: self.nodes[node].gradient for node in nodes}

    def shape(self, node: Node) -> str:
        """In words."""
        return text.shape(self.nodes[node].shape) or "a number"
