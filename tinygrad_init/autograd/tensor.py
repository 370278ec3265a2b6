"""`Tensor`: an array with a history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from sys import getrefcount
from typing import Any, ClassVar

import numpy as np
from numpy import ndarray
from numpy.typing import DTypeLike

from . import errors, modes
from .array_like import ArrayLike
from .inputs import Array, real, real_array, total
from .operations import F
from .tape import NEVER, Node, data_of, tick_of_change

#: References to an array that nobody else has: of a dictionary, of a name here, of a call.
#: Not to copy it saves 7 ms of the 110 that a step of a 1024-1024-1024-1024 network takes.
_OURS = 3


class Tensor(ArrayLike):
    """An array that remembers how it was computed.

    Args:
        data: anything that ``np.asarray`` takes; it is copied. Python numbers (nested lists of
            integers too) become ``float64``; arrays keep their dtype.
        requires_grad: whether to differentiate with respect to it; needs a floating dtype.
        label: a name for drawings and messages.
        dtype: another dtype than that of the data.

    Raises:
        DataError: for complex, ragged or non-numeric data, and for integers that require a
            gradient.

    Operators, methods and NumPy's own functions all record:

    >>> import numpy as np
    >>> from tinygrad_init import Tensor
    >>> w = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> loss = np.tanh(w @ [0.1, 0.2]).sum()
    >>> loss.backward()
    >>> w.grad.round(3)
    array([[0.079, 0.157],
           [0.036, 0.072]])
    """

    __slots__ = ("_changes", "_keeps_grad")
    kind = "Tensor"
    _holds = np.ndarray
    is_watched = True
    _shows_grad: ClassVar[Callable[[Any], bool] | None] = attrgetter("_keeps_grad")

    def __init__(
        self, data: Any, requires_grad: bool = False, label: str = "",
        dtype: DTypeLike | None = None,
    ) -> None:  # fmt: skip
        if isinstance(data, Node):
            modes.refuse_reading("Tensor(t), which copies the numbers of t,")
        array = real_array(data, dtype)
        if requires_grad and array.dtype.kind != "f":
            raise errors.not_differentiable(array.dtype)
        super().__init__(array, requires_grad, label)
        self._changes, self._keeps_grad = NEVER, False

    @classmethod
    def _wrap(cls, data: Any) -> Any:
        node = cls.__new__(cls)
        Node.__init__(node, real(data))
        node._changes, node._keeps_grad = NEVER, False
        return node

    @classmethod
    def _admit(cls, data: Any, made_by: str = "") -> Any:
        return real(data, made_by)

    @property
    def data(self) -> Array:
        """The array. Assigning copies into the existing memory, and counts as a change.

        A write that only NumPy sees is not noticed: ``t.data[0] = 1``, or filling an array that
        was an operand (``x`` in ``w * x``) anew between forward and backward. Assign to ``t.data``,
        and give a recorded computation arrays that stay as they are until ``backward()``;
        ``detect_anomaly`` notices, and :meth:`note_change` tells.
        """
        modes.refuse_reading(".data")
        return self._data

    @data.setter
    def data(self, array: Any) -> None:
        modes.refuse_reading("assigning to .data")
        new = self.accept(array)
        if new is not self._data:
            self._data[...] = new
        self.note_change()

    def note_change(self) -> None:
        """Say that the memory was written to by other means than assigning to ``data``."""
        self._shared_changes()[0] = tick_of_change()

    def _shared_changes(self) -> list[float]:
        """The tick of the last change, in one list for all Tensors on this memory."""
        if not isinstance(self._changes, list):
            self._changes = [0.0]
        return self._changes

    def _move_to(self, memory: Array) -> None:
        """Keep the same numbers elsewhere; for those who know that nobody else has the array."""
        self._data = memory

    def accept(self, array: Any) -> Array:
        """``array``, if it may be assigned to ``data``: the same shape, and numbers that fit.

        Raises:
            ShapeError: otherwise, with both shapes and dtypes.
        """
        new = data_of(array) if isinstance(array, (Node, np.ndarray)) else real_array(array)
        if new.shape != self.shape or not np.can_cast(new.dtype, self.dtype, "same_kind"):
            raise errors.does_not_hold(self, new)
        return new

    def __repr__(self) -> str:
        extras = ", requires_grad=True" if self.requires_grad else ""
        extras += f", label={self.label!r}" if self.label else ""
        array = np.array2string(self._data, separator=", ", prefix="Tensor(")
        return f"Tensor({array}{extras})"

    # Differentiation.

    def _seed(self, gradient: Any, create_graph: bool) -> Any:
        if gradient is None:
            data = self._data
            if data.size != 1:
                raise errors.many_entries(self.shape)
            return np.array(1, data.dtype, ndmin=data.ndim)
        has_history = isinstance(gradient, Node) and gradient.requires_grad
        if has_history and not create_graph:
            raise errors.seed_with_history()
        is_recorded = isinstance(gradient, Node) and modes.current().recorder is not None
        seed = real_array(gradient, made_by="gradient=").astype(self.dtype)
        if seed.shape != self.shape:
            raise errors.seed_shape(seed.shape, self.shape)
        return gradient if has_history or is_recorded else seed

    def _fit(self, gradient: Any) -> Any:
        shape, dtype = self._data.shape, self._data.dtype
        if not isinstance(gradient, (np.ndarray, ArrayLike)):
            gradient = real(gradient, "a rule")
        if gradient.shape != shape:
            gradient = _unbroadcast(gradient, shape)
        if gradient.dtype == dtype:
            return gradient
        if dtype.kind != "f":
            raise errors.not_differentiable(dtype)
        return F.astype(gradient, dtype)

    def _collect(self, found: Mapping[Node, Any]) -> None:
        gradient = found[self]
        if type(gradient) is not ndarray:
            is_node = isinstance(gradient, Node)
            gradient = F.positive(gradient) if is_node else np.asarray(gradient)
        elif gradient.base is not None or getrefcount(gradient) > _OURS:
            gradient = np.array(gradient)  # the gradients of two leaves may be one array
        if self.grad is not None and self.operation is None:
            gradient = total(self.grad, gradient)
        self.grad = gradient

    def retain_grad(self) -> None:
        """Let ``backward`` leave a gradient here too, although this is not a leaf."""
        self._keeps_grad = True

    def detach(self) -> Tensor:
        """The same memory without the history: derivatives stop here."""
        if (recorder := modes.current().recorder) is not None:
            recorder.slot(self)  # so that it knows whose memory this is
        node = Tensor._wrap(self._data)
        node._changes = self._shared_changes()
        return node


def _unbroadcast(gradient: Any, shape: tuple[int, ...]) -> Any:
    """Sum ``gradient`` over the axes along which an operand of ``shape`` was repeated."""
    extra = len(gradient.shape) - len(shape)
    if extra == 1 == len(shape) and gradient.shape[1:] == shape:  # as for a bias
        return F.sum_rows(gradient)
    aligned = zip(gradient.shape[max(extra, 0) :], shape, strict=False)
    repeated = [extra + k for k, (is_long, length) in enumerate(aligned) if length == 1 != is_long]
    axes = (*range(extra), *repeated)
    summed = F.sum(gradient, axis=axes, keepdims=True) if axes else gradient
    fitted = F.reshape(summed, shape=summed.shape[max(extra, 0) :])
    if fitted.shape != shape:
        raise errors.gradient_shape(gradient.shape, shape)
    return fitted

