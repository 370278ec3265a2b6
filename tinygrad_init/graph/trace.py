"""`trace`: the graph below a result, with the value and the gradient of every node."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sized
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..autograd import DataError, GraphError, Node, backpropagate
from ..autograd.modes import in_arithmetic
from ..autograd.tape import youngest_first
from . import dot, page, render, text, tree
from .parts import Edge, GraphNode


class Graph:
    """A computation as data: what was computed from what, with values and gradients.

    Attributes:
        nodes: a list of :class:`GraphNode`, oldest first; the last is the traced result.
        edges: a list of :class:`Edge`, one for every use of a node as an argument.

    Numbers and arrays are those of the moment of tracing: later steps of an optimiser do not
    change a graph. Printing it shows a tree; a notebook shows the drawing.
    """

    def __init__(self, nodes: list[GraphNode], edges: list[Edge]) -> None:
        self.nodes = nodes
        self.edges = edges

    @property
    def output(self) -> GraphNode:
        """The node of the traced result."""
        return self.nodes[-1]

    def colour(self, classes: Mapping[str, int]) -> Graph:
        """The same graph with nodes coloured by class instead of by kind.

        Args:
            classes: from the label of nodes (or the id of one) to the number of a class, counted
                from 0. The drawing also writes the number, since not everybody sees colours.

        Raises:
            DataError: if no node has that label or id.

        >>> from tinygrad_init import Value
        >>> a, b = Value(2.0, label="a"), Value(2.0, label="b")
        >>> [node.colour for node in trace(a + b).colour({"a": 0, "b": 0}).nodes]
        [0, 0, None]
        """
        labels = {node.label for node in self.nodes if node.label}
        unknown = [str(key) for key in classes.keys() - labels - {node.id for node in self.nodes}]
        if unknown:
            raise DataError(
                f"no node of this graph has the label or id {text.label(min(unknown))!r}: "
                f"use labels given by label=, or ids as in graph.nodes"
            )
        by_id = {key: number for key, number in classes.items() if key not in labels}
        nodes = [
            replace(node, colour=by_id.get(node.id, classes.get(node.label, node.colour)))
            for node in self.nodes
        ]
        return Graph(nodes, self.edges)

    def to_dot(self, direction: str = "LR") -> str:
        """The drawing in Graphviz's language; the same graph gives the same text.

        Args:
            direction: "LR", from left to right, or "TB", from top to bottom.

        Raises:
            DataError: for any other direction.

        >>> from tinygrad_init import Value
        >>> print(trace(Value(2.0, label="a") * 3).to_dot())
        digraph computation {
        ...
            n0 -> n2...
            n1 -> n2...
        }
        """
        if direction not in ("LR", "TB"):
            raise DataError(f"a drawing goes 'LR' or 'TB', got direction={direction!r}")
        return dot.to_dot(self.nodes, self.edges, direction)

    def to_svg(self, direction: str = "LR") -> str:
        """The drawing as an ``<svg>`` element: one ``class="node"`` group for each node.

        Args:
            direction: as :meth:`to_dot` takes it.

        Raises:
            GraphError: if there is nothing to draw with (the message says what to install), or if
                the graph is too large to be laid out.
        """
        return render.svg(self.to_dot(direction), len(self.nodes))

    def to_html(self) -> str:
        """A page that needs nothing else: the drawing, a legend, and a table of the nodes.

        Raises:
            GraphError: as :meth:`to_svg` does.
        """
        return page.to_html(self.nodes, self.edges, self.to_svg())

    def render(self, path: str | os.PathLike[str]) -> Path:
        """Write the drawing to a file, in the format that its suffix says.

        ``.svg`` and ``.html`` need Graphviz's ``dot`` or the extra ``render``; ``.png`` and
        ``.pdf`` need ``dot``; ``.dot`` needs neither. A file appears whole or not at all.

        Returns:
            The path.

        Raises:
            DataError: for any other suffix.
            GraphError: if there is nothing to draw with (the message says what to install), or if
                the graph is too large to be laid out.

        >>> import tempfile
        >>> from tinygrad_init import Value
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     trace(Value(2.0) * 3).render(folder + "/graph.dot").name
        'graph.dot'
        """
        target = Path(path)
        suffix = render.known_suffix(target)
        if suffix == ".dot":
            content = self.to_dot().encode()
        elif suffix == ".svg":
            content = self.to_svg().encode()
        elif suffix == ".html":
            content = self.to_html().encode()
        else:
            content = render.picture(self.to_dot(), suffix, len(self.nodes))
        render.write_whole(target, content)
        return target

    def _repr_svg_(self) -> str | None:
        """What a notebook shows; ``None``, so the short text, where it cannot be drawn."""
        try:
            return self.to_svg()
        except GraphError:
            return None

    def __str__(self) -> str:
        return tree.to_text(self.nodes, self.edges)

    def __repr__(self) -> str:
        return f"Graph({_count(self.nodes, 'node')}, {_count(self.edges, 'edge')})"


def _count(things: Sized, what: str) -> str:
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}"


def trace(y: Node) -> Graph:
    """Everything that ``y`` was computed from.

    Nodes are operations, leaves (Values and Tensors that no operation made), and constants (numbers
    and arrays that went into an operation). A node used twice is one node with two edges. A result
    without history, such as one computed under ``no_grad``, is a graph of one node.

    Every node through which derivatives flow has the gradient of ``y``; if ``y`` has several
    entries, the gradient of their sum. It is computed here, in the arithmetic in which ``y`` was
    recorded: ``backward()`` need not have been called, and nobody's ``.grad`` changes.

    Args:
        y: a Value or a Tensor.

    Raises:
        GraphError: if ``y`` is something else, or if a value that a derivative needs was changed
            after it was recorded.

    >>> from tinygrad_init import Value
    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> g = trace(a * b + a)
    >>> g
    Graph(4 nodes, 4 edges)
    >>> print(g)
    n3 = n2 + a: data -4, grad 1
      n2 = a × b: data -6, grad 1
        n0 a: data 2, grad -2
        n1 b: data -3, grad 2
      a (see n0)
    """
    if not isinstance(y, Node):
        raise GraphError(f"trace draws a Value or a Tensor, got {type(y).__name__}")
    gradients = _gradients(y)
    nodes: list[GraphNode] = []
    edges: list[Edge] = []
    ids: dict[int, str] = {}  # by identity; arguments stay alive as long as y does

    def add(argument: Any) -> str:
        """The id of a node for ``argument``: a number is new at each use, all else is shared."""
        is_number = not isinstance(argument, (Node, np.ndarray))
        if is_number or id(argument) not in ids:
            ids[id(argument)] = f"n{len(nodes)}"
            nodes.append(_node(f"n{len(nodes)}", argument, gradients))
        return ids[id(argument)]

    for node in reversed(youngest_first(y, everything=True)):
        sources = [add(argument) for argument in node.arguments]
        target = add(node)
        edges += [Edge(source, target, position) for position, source in enumerate(sources)]
    return Graph(nodes, edges)


def _gradients(root: Node) -> dict[Node, Any]:
    """The gradient of ``root``, or of the sum of its entries, for every node that has one."""
    if not root.requires_grad:
        return {}
    value = root._data
    ones = np.ones_like(value) if isinstance(value, np.ndarray) else None
    with in_arithmetic(root.arithmetic):
        return backpropagate(root, ones)


def _node(name: str, argument: Any, gradients: Mapping[Node, Any]) -> GraphNode:
    """A copy of what is worth knowing about a node of the tape, or about a constant."""
    is_node = isinstance(argument, Node)
    value = _kept(argument._data if is_node else argument)
    row = argument.operation if is_node else None
    return GraphNode(
        id=name,
        kind="operation" if row else "leaf" if is_node else "constant",
        operation=row.name if row else "",
        symbol=row.symbol if row else "",
        formula=row.formula if row else "",
        settings=text.settings(argument.params, row.params) if row else "",
        label=str(argument.label) if is_node else "",
        shape=np.shape(value),
        dtype=str(getattr(value, "dtype", type(value).__name__)),
        value=value,
        gradient=_kept(gradients.get(argument)) if is_node else None,
    )


def _kept(value: Any) -> Any:
    """Arrays are copied, so that a graph stays as it was traced."""
    if not isinstance(value, np.ndarray):
        return value
    copy = np.array(value)
    copy.flags.writeable = False
    return copy
