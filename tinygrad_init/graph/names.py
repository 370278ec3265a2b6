"""What an explanation calls the nodes of a tape, looked up as they are shown.

A graph of everything would say the same, but of 100,000 numbers an explanation shows a few dozen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd import Node
from ..autograd.tape import data_of
from . import parts, scopes, symbols, text
from .article import verbatim
from .backward import Changes
from .naming import names_of
from .parts import Edge, GraphNode


class Named:
    """A name for every node below a result: in words, in formulas, as in a program.

    Its label, if nobody else has it; else the id that it has in the graph which :func:`trace`
    draws. A result or a leaf without a label is called y or x, as long as nothing else is.

    Args:
        tape: everything below the result, youngest first.
        x: the leaf.
        names: as :func:`trace` takes them.
        digits: of numbers, see :func:`.text.number`.
        changed: what may not be the value that was computed with, see :func:`.backward.changes`.
    """

    def __init__(
        self, tape: Sequence[Node], x: Node, names: Any, digits: int | None, changed: Changes
    ) -> None:
        self._names, self.digits, self._changed = names, digits, changed
        self._numbers = _numbered(tape)
        given = {} if names is None else names_of(names)
        labels = ((node, given.get(node) or str(node.label)) for node in tape)
        self._labels = {node: text.label(label) for node, label in labels if label.strip()}
        taken = set(self._labels.values())
        for node, default in ((tape[0], "y"), (x, "x")):
            if default not in taken:
                self._labels.setdefault(node, default)
        self._words = Counter(self._labels.values())
        self._symbols = symbols.own(self._labels)
        self._renamed: dict[Node, None] = {}

    def word(self, node: Any) -> str:
        """The label or the id, on one line; a constant array has an id, too."""
        label = self._label(node)
        is_own = self._words[label] == 1 and not symbols.is_id(label)
        return label if is_own else self._id(node, f"n{self._numbers[id(node)]}")

    def symbol(self, node: Any) -> str:
        """The same in a formula, for labels that can stand in one."""
        own = self._symbols.get(node) if isinstance(node, Node) else None
        return own or self._id(node, symbols.of_id(f"n{self._numbers[id(node)]}"))

    def _id(self, node: Any, shown: str) -> str:
        if self._label(node):
            self._renamed[node] = None
        return shown

    def labels(self) -> list[tuple[str, str]]:
        """Of what was called by its id so far, though it has a label: both, oldest first."""
        nodes = sorted(self._renamed, key=lambda node: node.age)
        return [(symbols.of_id(f"n{self._numbers[id(node)]}"), self._label(node)) for node in nodes]

    def _label(self, node: Any) -> str:
        return self._labels.get(node, "") if isinstance(node, Node) else ""

    def title(self, y: Node, x: Node) -> str:
        """Of an article; what has no label is told by what made it, a result by its whole part."""
        part = scopes.outermost(y.scope)
        result, end = self._origin(y, part.name if part else ""), self._origin(x)
        y_word, x_word = verbatim(self.word(y)), verbatim(self.word(x))
        return f"How {y_word}{result and f'{result},'} depends on {x_word}{end}"

    def _origin(self, node: Node, part: str = "") -> str:
        made_by = part or (node.operation.name if node.operation else "")
        return verbatim(symbols.origin(self.word(node), made_by))

    def operands(self, node: Node) -> list[str]:
        """The arguments of an operation in formulas; a constant number stands for itself."""
        return [
            symbols.factor(one if _is_number(one) else one[()], self.digits)
            if not isinstance(one, Node) and np.ndim(one) == 0
            else self.symbol(one)
            for one in node.arguments
        ]

    def equation(self, node: Node) -> str:
        """What an operation computes from what, as ``n3 = a × b``; the name of a leaf."""
        if node.operation is None:
            return self.word(node)
        result = self._graph_node(node, "operation")
        shown = node.arguments[: parts.MAX_OPERANDS + 1]
        sources = [self._graph_node(one, "leaf") for one in shown]
        edges = [Edge(one.id, result.id, k) for k, one in enumerate(sources)]
        distinct = {one.id: one for one in (*sources, result)}
        computed = parts.equations([*distinct.values()], edges)[result.id]
        return f"{self.word(node)} = {computed}"

    def _graph_node(self, node: Any, kind: parts.Kind) -> GraphNode:
        """What an equation says of a node. Its label is the word for it, which nobody shares."""
        operation = node.operation if kind == "operation" else None
        value = data_of(node)
        return GraphNode(
            id=f"={value}" if _is_number(node) else f"n{self._numbers[id(node)]}",
            kind=kind if isinstance(node, Node) else "constant",
            operation=operation.name if operation else "",
            symbol=operation.symbol if operation else "",
            formula="",
            settings=text.settings(node.params, operation.params) if operation else "",
            label="" if _is_number(node) else self.word(node),
            shape=np.shape(value),
            dtype="",
            value=value,
            gradient=None,
        )

    def parts_of(self, nodes: Sequence[Node]) -> list[str]:
        """For each operation, which part of the program recorded it; empty where it has no name."""
        found, ids = scopes.described([node.scope for node in nodes], self._names)
        titles = {one.id: one.title for one in found}
        return [titles.get(one, "") for one in ids]

    def value(self, node: Node) -> str:
        """A number on one line; said so, if it was changed since."""
        value = data_of(node)
        shown = text.number(value.item() if isinstance(value, np.ndarray) else value, self.digits)
        return f"{shown} (now)" if id(node) in self._changed else shown

    def shape(self, node: Any) -> str:
        """In words."""
        return text.shape(np.shape(data_of(node))) or "a number"


def _numbered(tape: Sequence[Node]) -> dict[int, int]:
    """By identity, how many nodes of the graph come before; a number is a new one at each use."""
    found: dict[int, int] = {}
    count = 0
    for node in reversed(tape):
        for one in (*node.arguments, node):
            if _is_number(one):
                count += 1
            elif id(one) not in found:
                found[id(one)] = count
                count += 1
    return found


def _is_number(argument: Any) -> bool:
    return not isinstance(argument, (Node, np.ndarray))
