"""Looking at a computation: every number, operation and gradient of it, as text or as a drawing.

Read it in this order: :mod:`trace` (the graph below a result), :mod:`tree` (as text), :mod:`dot`
(in Graphviz's language), :mod:`render` (files, and who draws them), :mod:`page` (an HTML page, with
:mod:`terms` of the chain rule on :mod:`cards`, the :mod:`layout` of the drawing, and ``web/``);
then :mod:`explain` (one derivative spelled out), :mod:`sums` (its terms), :mod:`paths`,
:mod:`entries`, :mod:`logits` and :mod:`neurons` (told), :mod:`slopes`, :mod:`back`, :mod:`names`
and :mod:`symbols` (in formulas). :mod:`parts` and :mod:`text` say what a graph is made of and how
numbers and labels are written. :mod:`article` is a document, made of :mod:`blocks`, in four formats
(:mod:`plain`, :mod:`markdown`, :mod:`latex`, :mod:`webpage`), and :mod:`formula` its mathematics.
"""

from .explain import Explanation, explain
from .local import LocalDerivative
from .parts import Edge, GraphNode
from .plans import plan_graph
from .trace import Graph, trace

__all__ = [
    "Edge",
    "Explanation",
    "Graph",
    "GraphNode",
    "LocalDerivative",
    "explain",
    "plan_graph",
    "trace",
]
