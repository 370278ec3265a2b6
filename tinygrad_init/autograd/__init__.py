"""The engine: numbers and arrays that remember how they were computed, and the chain rule.

Read it in this order:

- :mod:`tape`: nodes, and the walk back through them;
- :mod:`operation`: what an operation is, and how it is computed and recorded;
- :mod:`table` and :mod:`operations`: every function with its derivative, by family;
- :mod:`value` and :mod:`tensor`: the two kinds of node (:mod:`array_like`: what makes a Tensor
  behave like an array);
- :mod:`calculus`: derivatives by name; :mod:`check`: how not to believe them;
- :mod:`modes`: what is switched on; :mod:`anomaly`: nan, inf and silent writes; :mod:`scopes`:
  which part of a program computed what;
- :mod:`capture`: a step recorded once, and replayed without a graph;
- :mod:`inputs`: what is let in; :mod:`errors`: every complaint, in words;
- :mod:`exact`: the second arithmetic.
"""

from . import operations
from .calculus import grad, hessian, hvp, jacobian, value_and_grad
from .capture import capture
from .check import check_grad
from .errors import DataError, GradientError, GraphError, ShapeError, TinygradInitError
from .modes import detect_anomaly, no_grad, reproducible
from .operation import Operation
from .scopes import scope
from .table import F, operation
from .tape import Node, backpropagate, vector_jacobian_products
from .tensor import Tensor
from .value import Value

__all__ = [
    "DataError",
    "F",
    "GradientError",
    "GraphError",
    "Node",
    "Operation",
    "ShapeError",
    "Tensor",
    "TinygradInitError",
    "Value",
    "backpropagate",
    "capture",
    "check_grad",
    "detect_anomaly",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "no_grad",
    "operation",
    "operations",
    "reproducible",
    "scope",
    "value_and_grad",
    "vector_jacobian_products",
]
