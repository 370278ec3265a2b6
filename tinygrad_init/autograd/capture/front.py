"""The front door: from a function to a step that computes it, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from .. import modes
from ..inputs import Array, real
from ..tape import data_of
from ..tensor import Tensor
from ..value import Value
from . import complaints
from .captured import Captured
from .memory import Memory
from .plan import Plan
from .recording import Program, record

if TYPE_CHECKING:
    from .scalars import CapturedValues


class Step(Captured[Plan]):
    """A captured function: call it with arrays to get its loss, and gradients in ``.grad``.

    Attributes:
        params: the parameters.
        plans: what was recorded, a plan for each signature; the one used last comes first.
    """

    def __init__(self, fn: Callable[..., Any], params: list[Tensor]) -> None:
        super().__init__(fn, params)
        self._memory = Memory(self.params)
        self._pairs = list(zip(self.params, self._memory.gradients, strict=True))

    def __call__(self, *arrays: Any) -> Any:
        """The loss of ``fn(*arrays)``; see :func:`capture`."""
        settings = modes.current()
        if settings.recorder is not None:
            raise complaints.captured_inside()
        with self._lock:
            bare = [x if type(x) is np.ndarray else real(data_of(x), "capture") for x in arrays]
            plan = None if settings.detecting else self._find(settings.arithmetic, bare)
            if plan is None:
                return self._record(bare, settings.detecting)
            for k, array in enumerate(bare):  # a gradient would be overwritten while it is read
                if array.base is not None and self._memory.holds(array):
                    bare[k] = array.copy()
            try:
                plan.run(bare)
            except BaseException:  # gradients may be half overwritten
                for param in self.params:
                    param.grad = None
                raise
            for param, gradient in self._pairs:
                param.grad = gradient
            loss = plan.loss
            return loss.copy() if loss.ndim else loss.item()

    def _find(self, arithmetic: int, arrays: Sequence[Array]) -> Plan | None:
        for k, plan in enumerate(self.plans):
            if plan.fits(arithmetic, arrays):
                if k:
                    self.plans.insert(0, self.plans.pop(k))
                return plan
        return None

    def _record(self, arrays: Sequence[Array], is_watched: bool) -> Any:
        """Compute as ever, and keep a plan; not where ``detect_anomaly`` is to see every call."""
        program = record(self._fn, self.params, arrays)
        loss, gradients = np.array(program.loss.array), _copies(program)
        if not is_watched:
            plan = Plan(program, self._memory)
            # One that no longer holds will never do so again, if a parameter has new memory.
            self.plans = [plan, *(old for old in self.plans if old.has_memory())]
        for (param, home), gradient in zip(self._pairs, gradients, strict=True):
            home[...] = gradient
            param.grad = home
        return loss if loss.ndim else loss.item()


def _copies(program: Program) -> list[Array]:
    return [np.array(slot.array) for slot in program.gradients]


@overload
def capture(fn: Callable[..., Any], params: Iterable[Tensor]) -> Step: ...
@overload
def capture(fn: Callable[..., Any], params: Iterable[Value]) -> CapturedValues: ...
def capture(fn: Callable[..., Any], params: Iterable[Any]) -> Step | CapturedValues:
    """Record a function once, and replay it: forward and backward, without building a graph.

    ``step = tg.capture(fn, params)`` makes a function. ``loss = step(*arrays)`` computes
    ``fn(*arrays)``, *sets* (does not add) the ``.grad`` of every parameter, and returns the loss as
    a number. An ensemble, whose loss has one entry for each member, gets an array of them; the
    gradients are those of the sum.

    The first call with arrays of some shapes and dtypes runs ``fn`` on Tensors, and backward, as
    ever. What was computed becomes a plan, ``step.plan``, which can be printed. Later calls with
    such arrays execute the plan in memory that is there already. Other shapes or dtypes, another
    arithmetic (``tg.reproducible()``), or a module that was switched between ``train()`` and
    ``eval()`` get a plan of their own, recorded when it is first needed. A number or a list is
    taken as the array that ``np.asarray`` makes of it.

    What a replay reads anew: the arguments, the numbers of parameters and other Tensors, and arrays
    that ``fn`` uses. Random rows (``Dropout``) draw anew from their generator. What is frozen: all
    that Python or NumPy do without Tensors, such as an ``if``, a plain number, a count of calls or
    ``rng.normal()``; pass as an argument what is to change. For that reason a Tensor does not give
    away its numbers while ``fn`` is recorded (``if t > 0``, ``float(t)``, ``t.data``).

    Args:
        fn: takes as many Tensors as there will be arrays, and returns the loss, one number (or one
            for each member of an ensemble).
        params: Tensors that require a gradient (``model.parameters()``), or Values. With Values,
            ``fn`` gets a Value for each number and nested lists of Values for each array; see
            :class:`~tinygrad_init.autograd.capture.scalars.CapturedValues`.

    Returns:
        The step. It holds a lock while it works, so threads take turns.

    Raises:
        GraphError: for parameters that are none, and, when the step is called, for what cannot be
            captured: reading numbers, a loss of another shape, a parameter that it does not depend
            on.

    The arrays in ``.grad`` belong to the step, and its next call overwrites them: copy what is to
    stay. They are views of one array for each dtype. Derivatives with respect to arguments are not
    taken.

    >>> import numpy as np
    >>> import tinygrad_init as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True, label="w")
    >>> step = tg.capture(lambda x, y: tg.losses.mse(x @ w, y), [w])
    >>> x, y = np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([2.0, 0.0])
    >>> step(x, y), w.grad
    (1.0, array([0., 2.]))
    >>> w.data = [1.0, 1.0]
    >>> step(x, y), w.grad
    (0.0, array([0., 0.]))
    """
    is_list = isinstance(params, Iterable) and not isinstance(params, Tensor)
    given = list(params) if is_list else []
    if any(isinstance(param, Value) for param in given):
        from .scalars import CapturedValues

        return CapturedValues(fn, given)
    if not callable(fn):
        raise complaints.not_a_function(fn)
    if not given:
        raise complaints.no_parameter(params)
    for param in given:
        if not (isinstance(param, Tensor) and param.requires_grad and param.is_leaf):
            raise complaints.no_parameter(param)
    return Step(fn, given)
