"""`Graph`: a computation as data, and all that can be made of it."""

from __future__ import annotations

import os
from collections.abc import Sequence, Sized
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ..autograd import DataError, GraphError
from . import dot, export, merge, notebook, page, render, tree
from .classes import Classes, coloured
from .fold import Detail, Folding, Names
from .folded import SMALL, fold
from .local import LocalDerivative, Quantity, local_derivatives
from .parts import Edge, GraphNode, GraphScope
from .plates import Ints


class _Fold(NamedTuple):
    """How a folded graph came about."""

    whole: Graph
    members: list[Ints]
    detail: Detail
    opened: Names
    closed: Names


class Graph:
    """A computation as data: what was computed from what, with values and gradients.

    Attributes:
        nodes: a list of :class:`GraphNode`, oldest first; the last is the traced result.
        edges: a list of :class:`Edge`, one for every use of a node as an argument.
        scopes: a list of :class:`GraphScope`, outer ones before inner ones: the calls of modules
            and losses. A node says in ``scope`` which one it belongs to.
        whole: the graph of which this is a folded one, else this graph itself.

    Numbers and arrays are those of the moment of tracing: later steps of an optimiser do not
    change a graph. Printing it shows a tree; a notebook shows the drawing.
    """

    def __init__(
        self, nodes: list[GraphNode], edges: list[Edge], scopes: Sequence[GraphScope] = ()
    ) -> None:
        self.nodes = nodes
        self.edges = edges
        self.scopes = list(scopes)
        self._fold: _Fold | None = None

    @property
    def whole(self) -> Graph:
        """The graph with every node, of which :meth:`fold` may have made this one."""
        return self._fold.whole if self._fold else self

    def fold(self, detail: Detail = None, opened: Names = (), closed: Names = ()) -> Graph:
        """A smaller graph, in which closed modules and what is repeated are one node each.

        Args:
            detail: a depth: 0 closes every module, 1 opens the outermost ones, and so on;
                ``"modules"`` closes those that contain no others; ``"repeats"`` none. In all of
                these, what is computed alike four times or more is one node or box with a count:
                the examples of a batch, the neurons of a layer, the steps of a loop.
                ``"operations"`` is the whole graph. ``None`` shows as much of this as can be read.
            opened: what to show the inside of all the same: labels, kinds or ids of ``scopes``.
            closed: what to close all the same.

        A folded graph can be drawn, printed and coloured like any other. To open it, fold it again.

        Raises:
            DataError: for another detail, or for a name that no module of this graph has.

        >>> from tinygrad_init import Value, trace
        >>> y = Value(1.0, label="x")
        >>> for _ in range(1000):
        ...     y = y.tanh()
        >>> g = trace(y).fold()
        >>> g
        Graph(3 nodes, 2 edges), folded from 1,001 nodes
        >>> [(node.symbol, node.count) for node in g.nodes]
        [('', 1), ('tanh', 999), ('tanh', 1)]
        """
        whole = self.whole
        if detail is None and len(whole.nodes) <= SMALL:
            detail = "operations"
        if detail == "operations" and not closed:
            if opened:  # already, or there is no such module
                whole._folding.named(opened)
            return whole
        how = "repeats" if detail == "operations" else detail
        found = fold(whole._folding, how, opened, closed)
        graph = Graph(found.nodes, found.edges, found.scopes)
        graph._fold = _Fold(whole, found.members, detail, opened, closed)
        return graph

    def _with(self, detail: Detail) -> Graph:
        """This graph, or folded if it was not; a folded one stays as it is unless asked."""
        return self if self._fold and detail is None else self.fold(detail)

    @property
    def note(self) -> str:
        """What a reader of a folded graph should know; otherwise empty."""
        if not self._fold:
            return ""
        told = f"{len(self.whole.nodes):,} nodes folded to {len(self.nodes):,}"
        counts = [node.count for node in self.nodes] + [one.count for one in self.scopes]
        most = max(counts)
        if most == 1:
            return told
        return f"{told}; × {most:,} stands for {most:,} alike, with the range of their numbers"

    @cached_property
    def _folding(self) -> Folding:
        return Folding(self.nodes, self.edges, self.scopes)

    @property
    def output(self) -> GraphNode:
        """The node of the traced result."""
        return self.nodes[-1]

    def local(self, edge: Edge) -> LocalDerivative | None:
        """The derivative of the target of an edge with respect to its source, as an argument of it.

        The gradient of a node is the sum, over the edges that leave it, of the gradient of the
        target times this. It is computed when it is asked for, from the numbers in the graph.

        An edge of a folded graph may stand for many; then it has no one derivative, and says so.

        Args:
            edge: one of ``edges``.

        Returns:
            ``None`` where no derivative flows, as from a constant.

        Raises:
            DataError: if there is no such edge.

        >>> from fractions import Fraction
        >>> from tinygrad_init import Value, trace
        >>> g = trace(Value(Fraction(1, 3), label="a") / 2)
        >>> [g.local(edge) and g.local(edge).value for edge in g.edges]
        [Fraction(1, 2), None]
        """
        if self._fold:
            return self._local_of_several(edge)
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

    def _local_of_several(self, edge: Edge) -> LocalDerivative | None:
        if edge not in self._edges:
            raise DataError(f"this graph has no {edge}: use one of graph.edges")
        source, target = self._by_id[edge.source], self._by_id[edge.target]
        if target.kind == "operation" and target.size == 1:
            one = self.whole._sources[edge.target][edge.position]
            return self.whole.local(Edge(one, edge.target, edge.position))
        if not merge.has_gradient(source) or not merge.has_gradient(target):
            return None
        what = "operations" if target.kind == "operation" else "nodes"
        return LocalDerivative(
            target.operation, edge.position, target.shape + source.shape,
            unavailable=f"stands for {target.size:,} {what}: open it with graph.fold",
        )  # fmt: skip

    @cached_property
    def _by_id(self) -> dict[str, GraphNode]:
        return {node.id: node for node in self.nodes}

    @cached_property
    def _edges(self) -> frozenset[Edge]:
        return frozenset(self.edges)

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

    def colour(self, classes: Classes) -> Graph:
        """The same graph with nodes coloured by class instead of by kind.

        A folded graph is coloured with all that it stands for, and folded again, since nodes of
        different classes are not alike.

        Args:
            classes: from the label of nodes (or the id of one) to the number of a class, counted
                from 0. An array may have a class for each entry of its last axis, such as the
                neurons of a layer. Drawings also write numbers, since not everybody sees colours.

        Raises:
            DataError: if no node has that label or id, or a class has no such number.

        >>> from tinygrad_init import Value, trace
        >>> a, b = Value(2.0, label="a"), Value(2.0, label="b")
        >>> [node.colour for node in trace(a + b).colour({"a": 0, "b": 0}).nodes]
        [0, 0, None]
        """
        if self._fold:
            return self._colour_all(classes)
        return Graph(coloured(self.nodes, classes), self.edges, self.scopes)

    def _colour_all(self, classes: Classes) -> Graph:
        assert self._fold is not None
        whole, members, detail, opened, closed = self._fold
        given: dict[str, int | Sequence[int]] = {}
        for key, number in classes.items():
            inside = [
                whole.nodes[k].id
                for node, some in zip(self.nodes, members, strict=True)
                if key in (node.id, node.label)
                for k in some.tolist()
            ]
            given |= dict.fromkeys(inside or [key], number)
        return whole.colour(given).fold(detail, opened, closed)

    def to_dot(
        self, direction: str | None = None, legend: bool = False, detail: Detail = None
    ) -> str:
        """The drawing in Graphviz's language; the same graph gives the same text.

        Args:
            direction: "LR", from left to right, or "TB", from top to bottom; by itself a drawing
                goes from left to right unless it would be wider than a page.
            legend: whether a row of keys says what the outlines mean.
            detail: as :meth:`fold` takes it; ``"operations"`` draws every node.

        Raises:
            DataError: for any other direction.

        >>> from tinygrad_init import Value, trace
        >>> print(trace(Value(2.0, label="a") * 3).to_dot())
        digraph computation {
        ...
            n0 -> n2...
            n1 -> n2...
        }
        """
        return self._with(detail)._dot(direction, legend)

    def _dot(self, direction: str | None, legend: bool) -> str:
        if direction not in ("LR", "TB", None):
            raise DataError(f"a drawing goes 'LR' or 'TB', got direction={direction!r}")
        return dot.to_dot(self.nodes, self.edges, direction, self.scopes, legend, self.note)

    def to_svg(
        self, direction: str | None = None, legend: bool = True, detail: Detail = None
    ) -> str:
        """The drawing as an ``<svg>`` element: one ``class="node"`` group for each node.

        It is dark where the page around it is, and a file by itself follows the reader's system.

        Args:
            direction: as :meth:`to_dot` takes it.
            legend: whether a row of keys says what the outlines mean.
            detail: as :meth:`fold` takes it.

        Raises:
            GraphError: if there is nothing to draw with (the message says what to install), or if
                the graph is too large to be laid out.
        """
        return self._with(detail)._svg(direction, legend)

    def _svg(self, direction: str | None, legend: bool) -> str:
        return render.svg(self._dot(direction, legend), len(self.nodes))

    def to_html(self, direction: str | None = None, detail: Detail = None) -> str:
        """A page that needs nothing else, neither a network nor a server.

        It steps through the computation, forward and backward, one node and one term of the chain
        rule at a time; opens and closes modules, searches, and shows for each node its gradient as
        a sum. Without JavaScript it shows the drawing, a table, and all sums.

        A graph of a few hundred nodes is not folded if closing its modules makes it readable: the
        page has all of it, and readers open what they want to see.

        Args:
            direction: as :meth:`to_dot` takes it; by itself the page chooses what suits its window.
            detail: as :meth:`fold` takes it.

        Raises:
            GraphError: as :meth:`to_svg` does.
        """
        return self._for_page(detail)._html(direction)

    def _for_page(self, detail: Detail) -> Graph:
        """As :meth:`_with`, but a page opens and closes modules itself."""
        is_asked = self._fold or detail is not None
        opens = not is_asked and page.can_open(self.nodes, self.scopes)
        return self if opens else self._with(detail)

    def _html(self, direction: str | None) -> str:
        first = direction or dot.suiting(self.nodes, self.edges, self.scopes)
        directions = {first, "LR", "TB"} if len(self.nodes) <= page.MAX_TURNED else {first}
        drawings = {each: self._svg(each, legend=False) for each in sorted(directions)}
        return page.to_html(
            self.nodes, self.edges, self.scopes, drawings, first, bool(direction), self.note
        )

    def to_json(self) -> str:
        """The graph for other programs: the schema is that of :mod:`~tinygrad_init.graph.export`.

        >>> import json
        >>> from tinygrad_init import Value, trace
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
        detail: Detail = None,
    ) -> Path:
        """Write the drawing to a file, in the format that its suffix says.

        A graph of more nodes than can be read is folded first, and says so; ``.json`` has them all.

        ``.svg`` and ``.html`` need Graphviz's ``dot`` or the extra ``render``; ``.png`` and
        ``.pdf`` need ``dot``; ``.dot`` and ``.json`` need neither. A file appears whole or not at
        all.

        Args:
            path: of the file.
            direction: of a drawing, as :meth:`to_dot` takes it.
            legend: whether ``.svg``, ``.png`` and ``.pdf`` have a row of keys; the text of a
                ``.dot`` is that of the graph alone, and ``.html`` always says what is what.
            detail: as :meth:`fold` takes it.

        Returns:
            The path.

        Raises:
            DataError: for any other suffix or direction.
            GraphError: if there is nothing to draw with (the message says what to install), or if
                the graph is too large to be laid out.

        >>> import tempfile
        >>> from tinygrad_init import Value, trace
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     trace(Value(2.0) * 3).render(folder + "/graph.dot").name
        'graph.dot'
        """
        target = Path(path)
        suffix = render.known_suffix(target)
        shown = self if suffix == ".json" and detail is None else self._with(detail)
        if suffix == ".dot":
            content = shown._dot(direction, legend=False).encode()
        elif suffix == ".json":
            content = shown.to_json().encode()
        elif suffix == ".svg":
            content = shown._svg(direction, legend).encode()
        elif suffix == ".html":
            content = self._for_page(detail)._html(direction).encode()
        else:
            content = render.picture(shown._dot(direction, legend), suffix, len(shown.nodes))
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

    def to_text(self, detail: Detail = None) -> str:
        """The graph as an indented tree: each node above what it was computed from.

        Args:
            detail: as :meth:`fold` takes it. ``None`` folds a graph of more than a few hundred
                nodes, and cuts off what is left after as many lines; ``"operations"`` does neither.

        >>> from tinygrad_init import Value, trace
        >>> y = Value(1.0, label="x")
        >>> for _ in range(1000):
        ...     y = y.tanh()
        >>> print(trace(y).to_text())
        1,001 nodes folded to 3; ...
        n1000 = tanh(n1): data 0.03868, grad 1
          n1 tanh × 999 in a row: data 0.0387 … 0.7616, grad 0.0001231 … 0.9985
            n0 x: data 1, grad 5.171e-05
        """
        if detail is None and len(self.nodes) <= tree.MAX_LINES:
            return tree.to_text(self.nodes, self.edges, self.note)
        one = self._with(detail)
        return tree.to_text(one.nodes, one.edges, one.note, cut=detail is None)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        shown = f"Graph({_count(self.nodes, 'node')}, {_count(self.edges, 'edge')})"
        return f"{shown}, folded from {_count(self.whole.nodes, 'node')}" if self._fold else shown


def _count(things: Sized, what: str) -> str:
    return f"{len(things):,} {what}{'' if len(things) == 1 else 's'}"
