"""`trace`: the graph below a result, with the value and the gradient of every node."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import GraphError, Node
from ..autograd.tape import youngest_first
from . import backward, scopes, text
from .backward import flows
from .graph import Graph
from .local import Recipe
from .naming import names_of, opened_with_names
from .parts import Edge, GraphNode


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
    speed: grad unavailable: multiply needs its input leaf Value 'a' (speed), ...
    """
    if not isinstance(y, Node):
        raise GraphError(f"trace draws a Value or a Tensor, got {type(y).__name__}")
    labels = {} if names is None else names_of(names)
    y = opened_with_names(y, names)[y]
    tape = youngest_first(y, everything=True)
    changed = backward.changes(tape)
    gradients, lost = backward.gradients(y, tape, changed, labels)
    found: list[Any] = []  # what becomes a node: nodes of the tape, arrays, numbers
    edges: list[Edge] = []
    ids: dict[int, str] = {}  # by identity; arguments stay alive as long as y does
    uses: scopes.Uses = {}  # of what no operation made, by place in ``found``

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
            uses[len(found)] = (argument, [] if user is None else [user])
        ids[key] = name = f"n{len(found)}"
        found.append(argument)
        return name

    for node in reversed(tape):
        sources = [add(argument, node) for argument in node.arguments]
        target = add(node)
        edges += [Edge(source, target, position) for position, source in enumerate(sources)]

    inside = [None if place in uses else node.scope for place, node in enumerate(found)]
    modules = scopes.modules(inside)
    for place, where in scopes.innermost(uses, modules).items():
        inside[place] = where
    parts, of_nodes = scopes.described(inside, names, modules)
    nodes: list[GraphNode] = []
    for place, (argument, part) in enumerate(zip(found, of_nodes, strict=True)):
        note = changed.get(id(argument), "")
        if isinstance(argument, Node):
            label = labels.get(argument) or str(argument.label)
            gradient, reason = gradients.get(argument), lost.get(argument, "")
            holders = modules.holding.get(id(argument), ()) if place in uses else ()
            nodes.append(
                _node(f"n{place}", argument, label, gradient, note, reason, part, tuple(holders))
            )
        else:
            nodes.append(_constant(f"n{place}", argument, note, part))
    return Graph(nodes, edges, parts)


def _node(
    name: str, node: Node, label: str, gradient: Any, changed: str, unavailable: str, part: str,
    holders: tuple[str, ...],
) -> GraphNode:  # fmt: skip
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
        scope=part,
        held_by=holders,
    )


def _constant(name: str, value: Any, changed: str, part: str) -> GraphNode:
    """The same for a number or an array."""
    kept = _kept(value)
    shape, dtype = getattr(kept, "shape", ()), _dtype(kept)
    return GraphNode(
        name, "constant", "", "", "", "", "", shape, dtype, kept, None, changed=changed, scope=part
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
