"""An autograd engine to read in one sitting, and a laboratory that proves why random weights help.

>>> import tinygrad_init as tg
>>> x = tg.Value(3.0)
>>> y = x * x + 2 * x
>>> y.backward()
>>> y.data, x.grad
(15.0, 8.0)
"""

from .autograd import (
    DataError,
    GradientError,
    GraphError,
    ShapeError,
    Tensor,
    TinygradInitError,
    Value,
    check_grad,
    grad,
    no_grad,
    reproducible,
)

__version__ = "0.1.0"
