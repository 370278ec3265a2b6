"""`trace`: the graph below a result, with the value and the gradient of every node."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Sized
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..autograd import DataError, GraphError, Node, scope
from ..autograd.tape import youngest_first
from . import backward, dot, export, notebook, page, render, scopes, text, tree
from .backward import flows
from .local import LocalDerivative, Quantity, Recipe, local_derivatives
from .naming import names_of
from .parts import Edge, GraphNode, GraphScope


class Graph:
    """A computation as data: what was computed from what, with values and gradients.

    Attributes:
        nodes: a list of :class:`GraphNode`, oldest first; the last is the traced result.
        edges: a list of :class:`Edge`, one for every use of a node as an argument.
        scopes: a list of :class:`GraphScope`, outer ones before inner ones: the calls of modules
            and losses. A node says in ``scope`` which one it belongs to.

    Numbers and arrays are those of the moment of tracing: later steps of an optimiser do not
    change a graph. Printing it shows a tree; a notebook shows the drawing.
    """

    def __init__(
        self, nodes: list[GraphNode], edges: list[Edge], scopes: Sequence[GraphScope] = ()
    ) -> None:
        self.nodes = nodes
        self.edges = edges
        self.scopes = list(scopes)

    @property
    def output(self) -> GraphNode:
        """The node of the traced result."""
        return self.nodes[-1]

    def local(self, edge: Edge) -> LocalDerivative | None:
        """The derivative of the target of an edge with respect to its source, as an argument of it.

        The gradient of a node is the sum, over the edges that leave it, of the gradient of the
        target times this. It is computed when it is asked for, from the numbers in the graph.

        Args:
            edge: one of ``edges``.

        Returns:
            ``None`` where no derivative flows, as from a constant.

        Raises:
            DataError: if there is no such edge.

        >>> from fractions import Fraction
        >>> from tinygrad_init import Value
        >>> g = trace(Value(Fraction(1, 3), label="a") / 2)
        >>> [g.local(edge) and g.local(edge).value for edge in g.edges]
        [Fraction(1, 2), None]
        """
        sources = self._sources.get(edge.target, [])
        if not 0 <= edge.position < len(sources) or sources[edge.position] != edge.source:
            raise DataError(f"this graph has no {edge}: use one of graph.edges")
        if edge.target not in self._locals:
            target, *arguments = (
                Quantity(node.value, node.shape, node.changed)
                for node in map(self._by_id.__getitem__, (edge.target, *sources))
            )
            recipe = self._by_id[edge.target].recipe
            self._locals[edge.target] = (
                local_derivatives(recipe, target, arguments) if recipe else [None] * len(sources)
            )
        return self._locals[edge.target][edge.position]

    @cached_property
    def _by_id(self) -> dict[str, GraphNode]:
        return {node.id: node for node in self.nodes}

    @cached_property
    def _sources(self) -> dict[str, list[str]]:
        """For every operation the ids of its arguments, in order."""
        found: dict[str, list[str]] = {}
        for edge in self.edges:
            found.setdefault(edge.target, []).append(edge.source)
        return found

    @cached_property
    def _locals(self) -> dict[str, list[LocalDerivative | None]]:
        """What :meth:`local` has found so far."""
        return {}

    def colour(self, classes: Mapping[str, int]) -> Graph:
        """The same graph with nodes coloured by class instead of by kind.

        Args:
            classes: from the label of nodes (or the id of one) to the number of a class, counted
                from 0. The drawing also writes the number, since not everybody sees colours.

        Raises:
            DataError: if no node has that label or id, or a class has no such number.

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
        for number in classes.values():
            if not isinstance(number, (int, np.integer)) or number < 0:
                raise DataError(f"classes are counted from 0, got {text.label(repr(number))}")
        by_id = {key: number for key, number in classes.items() if key not in labels}
        nodes = [
            replace(node, colour=by_id.get(node.id, classes.get(node.label, node.colour)))
            for node in self.nodes
        ]
        return Graph(nodes, self.edges, self.scopes)

    def to_dot(self, direction: str | None = None, legend: bool = False) -> str:
        """The drawing in Graphviz's language; the same graph gives the same text.

        Args:
            direction: "LR", from left to right, or "TB", from top to bottom; by itself a drawing
                goes from left to right unless it would be wider than a page.
            legend: whether a row of keys says what the outlines mean.

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
        if direction not in ("LR", "TB", None):
            raise DataError(f"a drawing goes 'LR' or 'TB', got direction={direction!r}")
        return dot.to_dot(self.nodes, self.edges, direction, self.scopes, legend)

    def to_svg(self, direction: str | None = None, legend: bool = True) -> str:
        """The drawing as an ``<svg>`` element: one ``class="node"`` group for each node.

        It is dark where the page around it is, and a file by itself follows the reader's system.

        Args:
            direction: as :meth:`to_dot` takes it.
            legend: whether a row of keys says what the outlines mean.

        Raises:
            GraphError: if there is nothing to draw with (the message says what to install), or if
                the graph is too large to be laid out.
        """
        return render.svg(self.to_dot(direction, legend), len(self.nodes))

    def to_html(self, direction: str | None = None) -> str:
        """A page that needs nothing else: the drawing, a legend, and a table of the nodes.

        Args:
            direction: as :meth:`to_dot` takes it.

        Raises:
            GraphError: as :meth:`to_svg` does.
        """
        drawing = self.to_svg(direction, legend=False)  # the page has its own
        return page.to_html(self.nodes, self.edges, drawing)

    def to_json(self) -> str:
        """The graph for other programs: the schema is that of :mod:`~tinygrad_init.graph.export`.

        >>> import json
        >>> from tinygrad_init import Value
        >>> graph = json.loads(trace(Value(2.0, label="a") * 3).to_json())
        >>> graph["nodes"][0]["gradient"], graph["edges"][0]["local"]["value"]
        (3.0, 3.0)
        """
        return export.to_json(self.nodes, self.edges, map(self.local, self.edges), self.scopes)

    def render(
        self,
        path: str | os.PathLike[str],
        direction: str | None = None,
        legend: bool = True,
    ) -> Path:
        """Write the drawing to a file, in the format that its suffix says.

        ``.svg`` and ``.html`` need Graphviz's ``dot`` or the extra ``render``; ``.png`` and
        ``.pdf`` need ``dot``; ``.dot`` and ``.json`` need neither. A file appears whole or not at
        all.

        Args:
            path: of the file.
            direction: of a drawing, as :meth:`to_dot` takes it.
            legend: whether ``.svg``, ``.png`` and ``.pdf`` have a row of keys; the text of a
                ``.dot`` is that of the graph alone, and ``.html`` always says what is what.

        Returns:
            The path.

        Raises:
            DataError: for any other suffix or direction.
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
            content = self.to_dot(direction).encode()
        elif suffix == ".json":
            content = self.to_json().encode()
        elif suffix == ".svg":
            content = self.to_svg(direction, legend).encode()
        elif suffix == ".html":
            content = self.to_html(direction).encode()
        else:
            content = render.picture(self.to_dot(direction, legend), suffix, len(self.nodes))
        render.write_whole(target, content)
        return target

    def _repr_svg_(self) -> str | None:
        """For notebooks that show no HTML; ``None``, so the short text, if it cannot be drawn."""
        try:
            return self.to_svg()
        except GraphError:
            return None

    def _repr_html_(self) -> str:
        """What a notebook shows: the drawing, or the text and why it cannot be drawn."""
        try:
            return notebook.with_drawing(self.to_svg())
        except GraphError as error:
            return notebook.with_text(str(self), str(error))

    def __str__(self) -> str:
        return tree.to_text(self.nodes, self.edges)

    def __repr__(self) -> str:
        return f"Graph({_count(self.nodes, 'node')}, {_count(self.edges, 'edge')})"


def _count(things: Sized, what: str) -> str:
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}"


def trace(y: Node, names: Any = None) -> Graph:
    """Everything that ``y`` was computed from.

    Nodes are operations, leaves (Values and Tensors that no operation made), and constants (numbers
    and arrays that went into an operation). A node used twice is one node with two edges. A result
    without history, such as one computed under ``no_grad``, is a graph of one node.

    Every node through which derivatives flow has the gradient of ``y``; if ``y`` has several
    entries, the gradient of their sum. It is computed here, in the arithmetic in which ``y`` was
    recorded: ``backward()`` need not have been called, and nobody's ``.grad`` changes.

    A computation whose parameters were changed since, by a step of an optimiser, can be traced,
    too. Results still have the values that were recorded. A parameter has its number of now, and
    says so in ``changed``; where a gradient would need the number that is gone, ``unavailable``
    says that there is none. (A Value does not note that it is changed; it shows by the results that
    no longer follow from it, so a change that alters none of them goes unseen, and so does a write
    that only NumPy sees, ``t.data[0] = 1``, without ``detect_anomaly()``.)

    Args:
        y: a Value or a Tensor.
        names: a module, or Values, Tensors and modules by name. Nodes are labelled with the names
            found there, such as ``layers.0.weight``, in place of labels of their own.

    Raises:
        GraphError: if ``y`` is something else.
        DataError: if there is neither a Value nor a Tensor in ``names``.

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
    >>> y = a * a
    >>> a.data = 5.0
    >>> print(trace(y, {"speed": a}))
    n1 = speed × speed: data 4, grad 1
      n0 speed: data now 5, grad unavailable
      speed (see n0)
    speed: data now: changed after it was recorded ...
    speed: grad unavailable: multiply needs its input leaf Value 'a', which was changed ...
    """
    if not isinstance(y, Node):
        raise GraphError(f"trace draws a Value or a Tensor, got {type(y).__name__}")
    labels = {} if names is None else names_of(names)
    tape = youngest_first(y, everything=True)
    changed = backward.changes(tape)
    gradients, lost = backward.gradients(y, tape, changed)
    nodes: list[GraphNode] = []
    edges: list[Edge] = []
    ids: dict[int, str] = {}  # by identity; arguments stay alive as long as y does
    inside: list[scope | None] = []  # for each node, the scope that it was recorded in
    uses: scopes.Uses = {}  # of what no operation made, by place in ``nodes``

    def add(argument: Any, user: Node | None = None) -> str:
        """The id of a node for ``argument``: a number is new at each use, all else is shared."""
        key = id(argument)
        is_node = isinstance(argument, Node)
        if key in ids and (is_node or isinstance(argument, np.ndarray)):
            place = int(ids[key][1:])
            if place in uses and user is not None:
                uses[place][1].append(user)
            return ids[key]
        if not (is_node and argument.operation):
            uses[len(nodes)] = (argument, [] if user is None else [user])
        inside.append(argument.scope if is_node and argument.operation else None)
        ids[key] = name = f"n{len(nodes)}"
        note = changed.get(key, "")
        if is_node:
            label = labels.get(argument) or str(argument.label)
            gradient, reason = gradients.get(argument), lost.get(argument, "")
            nodes.append(_node(name, argument, label, gradient, note, reason))
        else:
            nodes.append(_constant(name, argument, note))
        return name

    for node in reversed(tape):
        sources = [add(argument, node) for argument in node.arguments]
        target = add(node)
        edges += [Edge(source, target, position) for position, source in enumerate(sources)]
    for place, where in scopes.innermost(uses).items():
        inside[place] = where
    found, of_nodes = scopes.described(inside, names)
    placed = [
        replace(node, scope=name) if name else node
        for node, name in zip(nodes, of_nodes, strict=True)
    ]
    return Graph(placed, edges, found)


def _node(
    name: str, node: Node, label: str, gradient: Any, changed: str, unavailable: str
) -> GraphNode:
    """A copy of what is worth knowing about a node of the tape."""
    value, row = _kept(node._data), node.operation
    return GraphNode(
        id=name,
        kind="operation" if row else "leaf",
        operation=row.name if row else "",
        symbol=row.symbol if row else "",
        formula=row.formula if row else "",
        settings=text.settings(node.params, row.params) if row else "",
        label=label,
        shape=getattr(value, "shape", ()),
        dtype=_dtype(value),
        value=value,
        gradient=_kept(gradient),
        changed=changed,
        unavailable=unavailable,
        line=node.evidence.line if node.evidence else "",
        recipe=Recipe(type(node), row, node.params, node.arithmetic, flows(node)) if row else None,
    )


def _constant(name: str, value: Any, changed: str) -> GraphNode:
    """The same for a number or an array."""
    kept = _kept(value)
    shape, dtype = getattr(kept, "shape", ()), _dtype(kept)
    return GraphNode(
        name, "constant", "", "", "", "", "", shape, dtype, kept, None, changed=changed
    )


def _dtype(value: Any) -> str:
    return str(getattr(value, "dtype", type(value).__name__))


def _kept(value: Any) -> Any:
    """Arrays are copied, so that a graph stays as it was traced."""
    if not isinstance(value, np.ndarray):
        return value
    copy = np.array(value)
    copy.flags.writeable = False
    return copy
