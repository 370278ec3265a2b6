"""The front door: from a function to a step that computes it, forward and backward."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .. import modes
from ..inputs import Array, real
from ..tape import data_of
from ..tensor import Tensor
from ..value import Value
from . import complaints
from .memory import flat_gradients
from .plan import Plan
from .recording import record


class Step:
    """A captured function: call it with arrays to get the loss, and the gradients in ``.grad``."""

    def __init__(self, fn: Callable[..., Any], params: list[Any]) -> None:
        self._fn, self._params = fn, params
        self._lock = threading.Lock()
        self._plans: dict[Any, list[Any]] = {}
        self._gradients = flat_gradients(params) if isinstance(params[0], Tensor) else []

    def __call__(self, *arrays: Any) -> Any:
        settings = modes.current()
        if settings.recorder is not None:
            raise complaints.captured_inside()
        with self._lock:
            bare = [x if type(x) is np.ndarray else real(data_of(x)) for x in arrays]
            key = (settings.arithmetic, *[(x.shape, x.dtype) for x in bare])
            for plan in self._plans.get(key, ()):
                if plan.holds():
                    return self._replay(plan, bare)
            return self._record(key, bare)

    def _replay(self, plan, bare):
        try:
            plan.run(bare)
        except BaseException:
            for param in self._params:
                param.grad = None
            raise
        for param, gradient in zip(self._params, self._gradients, strict=True):
            param.grad = gradient
        return plan.loss.item() if not plan.loss.ndim else plan.loss.copy()

    def _record(self, key, bare):
        program = record(self._fn, self._params, bare)
        loss = np.array(program.loss.array)
        gradients = [np.array(slot.array) for slot in program.gradients]
        plan = Plan(program, self._gradients)
        for param, home, gradient in zip(self._params, self._gradients, gradients, strict=True):
            home[...] = gradient
            param.grad = home
        self._plans.setdefault(key, []).append(plan)
        return loss.item() if not loss.ndim else loss


def capture(fn: Callable[..., Any], params: Iterable[Any]) -> Step:
    return Step(fn, list(params))
