"""The drawing of a plan: which operations a captured step executes, and in which memory."""

from __future__ import annotations

from ..autograd.capture import Plan
from .graph import Graph
from .parts import Edge, GraphNode, Kind


def plan_graph(plan: Plan) -> Graph:
    """What a captured step does, as a graph that can be drawn: forward and backward in one.

    Every operation is a node, and so are arguments, parameters and other constants. A replay has no
    numbers to show; in their place stands the name of the memory into which a node writes, as in
    ``print(plan)``. Nodes of one name overwrite each other, in the order of their ids; what is
    written into ``grad W`` is the gradient of W.

    Args:
        plan: the ``plan`` of a step that was made by ``tg.capture``.

    >>> import numpy as np
    >>> import tinygrad_init as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True, label="w")
    >>> step = tg.capture(lambda x: (w * x).sum(), [w])
    >>> loss = step(np.ones(2))
    >>> print(step.plan)
      1  m1 = multiply(w, x)                                         2
      2  m2 = sum(m1)                                       one number  loss
      3  grad w = positive(x)                                        2  gradient
    >>> tg.graph.plan_graph(step.plan)
    Graph(5 nodes, 4 edges)
    """
    nodes: list[GraphNode] = []
    edges: list[Edge] = []
    named: dict[str, str] = {}
    ids: list[str] = []  # of the lines
    for line in plan.lines:
        sources = []
        for source in line.sources:
            if isinstance(source, str) and source not in named:
                named[source] = f"n{len(nodes)}"
                nodes.append(_leaf(named[source], source))
            sources.append(named[source] if isinstance(source, str) else ids[source])
        ids.append(f"n{len(nodes)}")
        edges += [Edge(source, ids[-1], position) for position, source in enumerate(sources)]
        nodes.append(GraphNode(
            ids[-1], "operation", line.operation, line.symbol, "", line.settings,
            line.how if line.how in ("loss", "in place") else "", line.shape, line.dtype,
            line.target, None,
        ))  # fmt: skip
    return Graph(nodes, edges)


def _leaf(name: str, label: str) -> GraphNode:
    """What is read and not computed: a number, or what has a name, all that there is to show."""
    kind: Kind = "constant" if _is_number(label) else "leaf"
    return GraphNode(name, kind, "", "", "", "", "", (), "", label, None)


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True
