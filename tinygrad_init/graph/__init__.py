"""Looking at a computation: every number, operation and gradient of it, as text or as a drawing.

Read it in this order: :mod:`trace` (the graph below a result), :mod:`tree` (as text), :mod:`dot`
(in Graphviz's language), :mod:`page` (an HTML page), :mod:`render` (files, and who draws them);
:mod:`parts` and :mod:`text` say what a graph is made of and how numbers and labels are written.
"""

from .local import LocalDerivative
from .parts import Edge, GraphNode
from .trace import Graph, trace

__all__ = ["Edge", "Graph", "GraphNode", "LocalDerivative", "trace"]
