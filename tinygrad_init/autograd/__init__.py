"""The engine: numbers and arrays that remember how they were computed, and the chain rule.

Read it in this order: :mod:`tape` (operations, nodes, the walk back), :mod:`operations` (the table
of what can be computed and its derivatives), :mod:`value` and :mod:`tensor` (the two kinds of
node), :mod:`numpy_api` (NumPy's composed functions), :mod:`calculus` (derivatives by name),
:mod:`modes` (what is switched on), :mod:`anomaly` (nan, inf, silent writes), :mod:`exact` (the
second arithmetic).
"""

from . import operations
from .calculus import check_grad, grad, hessian, hvp, jacobian, value_and_grad
from .errors import DataError, GradientError, GraphError, ShapeError, TinygradInitError
from .modes import detect_anomaly, no_grad, reproducible
from .tape import F, Node, Operation, backpropagate, operation, vector_jacobian_products
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
    "value_and_grad",
    "vector_jacobian_products",
]
