"""Optimisers: how parameters follow their gradients downhill.

An update acts on each entry alone, from ``+ - * /``, so its bits are the same on every machine and
equal entries with equal histories stay equal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ..autograd import DataError, Tensor


class SGD:
    """Gradient descent, with momentum.

    ``v = momentum * v + gradient + weight_decay * w``, then ``w = w - lr * v``; v starts at 0.

    Args:
        parameters: Tensors that require a gradient.
        lr: the learning rate; may be assigned anew between steps.
        momentum: from 0 (none) to below 1.
        weight_decay: 0 or more.

    >>> import tinygrad_init as tg
    >>> w = tg.Tensor([1.0], requires_grad=True)
    >>> optimiser = tg.optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimiser.step()
    >>> w
    Tensor([0.8], requires_grad=True)
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        if not isinstance(parameters, Iterable) or isinstance(parameters, Tensor):
            raise DataError(
                f"an optimiser takes a list of parameters, got {type(parameters).__name__}: "
                f"write model.parameters(), or [w] for one Tensor"
            )
        self.parameters = list(parameters)
        if not self.parameters:
            raise DataError("there is nothing to optimise: no parameters were given")
        for parameter in self.parameters:
            if not isinstance(parameter, Tensor) or not parameter.requires_grad:
                raise DataError(f"cannot optimise {parameter!r}: it requires no gradient")
            if not parameter.is_leaf:
                raise DataError(
                    f"cannot optimise {parameter.describe()}: it is the result of an operation, "
                    f"which the next forward pass makes anew; optimise the leaves it comes from"
                )
        if len({id(parameter) for parameter in self.parameters}) < len(self.parameters):
            raise DataError("a parameter is listed twice, and would be moved twice")
        if not (0 <= lr < math.inf and 0 <= momentum < 1 and weight_decay >= 0):
            raise DataError(
                f"SGD wants a finite lr >= 0, 0 <= momentum < 1 and weight_decay >= 0, "
                f"got {lr}, {momentum}, {weight_decay}"
            )
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self._velocities = [np.zeros_like(parameter.data) for parameter in self.parameters]

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for parameter, velocity in zip(self.parameters, self._velocities, strict=True):
            if parameter.grad is None:
                continue
            velocity *= self.momentum
            velocity += parameter.grad
            if self.weight_decay:
                velocity += self.weight_decay * parameter.data
            parameter.data -= self.lr * velocity

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None
