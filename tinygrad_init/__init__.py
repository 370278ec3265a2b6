"""An autograd engine to read, and a laboratory that shows why random weights help.

>>> import tinygrad_init as tg
>>> x = tg.Value(3.0)
>>> y = x * x + 2 * x
>>> y.backward()
>>> y.data, x.grad
(15.0, 8.0)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import nn
from .autograd import (
    DataError,
    F,
    GradientError,
    GraphError,
    ShapeError,
    Tensor,
    TinygradInitError,
    Value,
    capture,
    check_grad,
    detect_anomaly,
    grad,
    hessian,
    hvp,
    jacobian,
    no_grad,
    operation,
    reproducible,
    scope,
    value_and_grad,
)
from .nn import init, losses, optim

if TYPE_CHECKING:
    from . import graph, study, symmetry
    from .graph import explain, trace
    from .study import data

__version__ = "0.1.0"

# What a training step by hand does without is loaded when it is first used, so that importing the
# engine costs little more than importing NumPy. "module:attribute", or a module.
_ON_FIRST_USE = {
    "graph": ".graph",
    "trace": ".graph:trace",
    "explain": ".graph:explain",
    "symmetry": ".symmetry",
    "study": ".study",
    "data": ".study.data",
}

__all__ = [
    "DataError",
    "F",
    "GradientError",
    "GraphError",
    "ShapeError",
    "Tensor",
    "TinygradInitError",
    "Value",
    "capture",
    "check_grad",
    "data",
    "detect_anomaly",
    "explain",
    "grad",
    "graph",
    "hessian",
    "hvp",
    "init",
    "jacobian",
    "losses",
    "nn",
    "no_grad",
    "operation",
    "optim",
    "reproducible",
    "scope",
    "study",
    "symmetry",
    "trace",
    "value_and_grad",
]


def __getattr__(name: str) -> Any:
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    path, _, attribute = _ON_FIRST_USE[name].partition(":")
    module = importlib.import_module(path, __name__)
    found = globals()[name] = getattr(module, attribute) if attribute else module
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_FIRST_USE})
