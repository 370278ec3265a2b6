"""`Tensor`: an array with a history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .errors import DataError, GradientError, GraphError, ShapeError
from .numpy_api import FUNCTIONS
from .tape import F, Node, add_method, backpropagate, data_of, tick

Array = NDArray[Any]
Axis = int | tuple[int, ...] | None


class Tensor(Node):
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
    __hash__ = Node.__hash__

    def __init__(
        self,
        data: ArrayLike | Node,
        requires_grad: bool = False,
        label: str = "",
        dtype: DTypeLike | None = None,
    ) -> None:
        array = _as_data(data, dtype)
        if requires_grad and array.dtype.kind != "f":
            raise DataError(
                f"only floating data have derivatives, got dtype {array.dtype}: "
                f"pass dtype=float, or leave requires_grad off"
            )
        super().__init__(array, requires_grad, label)
        self._changes = [0]  # the tick of the last change, one list for all views of a memory
        self._keeps_grad = False

    @classmethod
    def _wrap(cls, data: Any) -> Tensor:
        node = cls.__new__(cls)
        Node.__init__(node, np.asarray(data), False, "")
        node._changes = [0]
        node._keeps_grad = False
        return node

    def _fit(self, gradient: Any) -> Any:
        if gradient.shape != self.shape:
            gradient = _unbroadcast(gradient, self.shape)
        return gradient if gradient.dtype == self.dtype else F.astype(gradient, self.dtype)

    def _share_memory(self, with_node: Node) -> None:
        if isinstance(with_node, Tensor) and np.may_share_memory(self._data, with_node._data):
            self._changes = with_node._changes

    def _changed_since(self, age: int) -> bool:
        return self._changes[0] > age

    # The data.

    @property
    def data(self) -> Array:
        """The array. Assigning copies into the existing memory, and counts as a change.

        A write that only NumPy sees is not noticed: ``t.data[0] = 1``, or filling an array that
        was an operand (``x`` in ``w * x``) anew between forward and backward. Assign to ``t.data``,
        and give a recorded computation arrays that stay as they are until ``backward()``;
        ``detect_anomaly`` notices.
        """
        array: Array = self._data
        return array

    @data.setter
    def data(self, array: ArrayLike) -> None:
        new = self.accept(array)
        if new is not self._data:
            self._data[...] = new
        self._changes[0] = tick()

    def accept(self, array: ArrayLike) -> Array:
        """``array``, if it may be assigned to ``data``: the same shape, and numbers that fit.

        Raises:
            ShapeError: otherwise, with both shapes and dtypes.
        """
        new = np.asarray(data_of(array))
        if new.shape != self.shape or not np.can_cast(new.dtype, self.dtype, "same_kind"):
            raise ShapeError(
                f"data of shape {self.shape} and dtype {self.dtype} cannot hold shape "
                f"{new.shape} and dtype {new.dtype}: make a new Tensor instead"
            )
        return new

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        shape: tuple[int, ...] = self._data.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the data."""
        dtype: np.dtype[Any] = self._data.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(self._data.size)

    @property
    def T(self) -> Tensor:  # noqa: N802 - NumPy's name
        """The axes in reverse order."""
        return self.transpose()

    def item(self) -> float:
        """The only entry, as a Python number."""
        if self.size != 1:
            raise ShapeError(f"item() wants one entry, and shape {self.shape} has {self.size}")
        number: float = self._data.item()
        return number

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a Tensor of shape () has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        extras = ", requires_grad=True" if self.requires_grad else ""
        extras += f", label={self.label!r}" if self.label else ""
        return np.array2string(self._data, separator=", ", prefix="Tensor(").join(
            ("Tensor(", f"{extras})")
        )

    # Differentiation.

    def backward(self, gradient: ArrayLike | None = None, create_graph: bool = False) -> None:
        """Add the derivative of this Tensor to the ``.grad`` of every leaf that it depends on.

        Args:
            gradient: what to multiply from the left, of this Tensor's shape; 1 for one entry.
            create_graph: leave gradients as Tensors that can be differentiated again.

        Raises:
            GraphError: without history, from several entries without ``gradient``, or if a value
                that a rule reads was changed after it was recorded.
            ShapeError: if ``gradient`` has another shape.
        """
        seed = self._seed(gradient, create_graph)
        for node, found in backpropagate(self, seed, create_graph).items():
            if node.is_leaf or (isinstance(node, Tensor) and node._keeps_grad):
                fresh = found + 0 if create_graph else np.array(found)  # nobody else's memory
                is_first = node.grad is None or not node.is_leaf
                node.grad = fresh if is_first else node.grad + fresh

    def _seed(self, gradient: ArrayLike | Node | None, create_graph: bool = False) -> Any:
        """The gradient to start from, in this Tensor's shape and dtype."""
        if not self.requires_grad:
            raise GraphError(
                f"{self.describe()} of shape {self.shape} depends on nothing that requires a "
                f"gradient: make a leaf with requires_grad=True, and compute outside no_grad"
            )
        if gradient is None:
            if self.size != 1:
                raise GraphError(
                    f"backward from shape {self.shape}: a derivative starts from one number; "
                    f"reduce first (.sum(), .mean()) or pass gradient= of that shape"
                )
            return np.ones(self.shape, self.dtype)
        has_history = isinstance(gradient, Node) and gradient.requires_grad
        if has_history and not create_graph:
            raise GraphError(
                "gradient= requires a gradient itself: pass create_graph=True to follow it, or "
                "its .data to stop there"
            )
        seed = np.array(data_of(gradient), self.dtype)
        if seed.shape != self.shape:
            raise ShapeError(f"gradient= has shape {seed.shape}, and the Tensor {self.shape}")
        return gradient if has_history else seed

    def retain_grad(self) -> None:
        """Let ``backward`` leave a gradient here too, although this is not a leaf."""
        self._keeps_grad = True

    def detach(self) -> Tensor:
        """The same memory without the history: derivatives stop here."""
        node = Tensor._wrap(self._data)
        node._changes = self._changes
        return node

    def __iadd__(self, other: Any) -> Tensor:
        return self._in_place("+", np.add, other)

    def __isub__(self, other: Any) -> Tensor:
        return self._in_place("-", np.subtract, other)

    def __imul__(self, other: Any) -> Tensor:
        return self._in_place("*", np.multiply, other)

    def __itruediv__(self, other: Any) -> Tensor:
        return self._in_place("/", np.divide, other)

    def _in_place(self, sign: str, ufunc: Callable[..., Array], other: Any) -> Tensor:
        if self.requires_grad or (isinstance(other, Node) and other.requires_grad):
            name = self.label or "t"
            update = f"`{name}.data {sign}= ...` to change the numbers without recording it"
            compute = f"`{name} = {name} {sign} ...` to go on computing with a new Tensor"
            advice = (update, compute) if self.is_leaf else (compute, update)
            raise GraphError(
                f"`{name} {sign}= ...` would overwrite a part of the graph: write {advice[0]}, "
                f"or {advice[1]}"
            )
        self.data = ufunc(self._data, data_of(other))
        return self

    # NumPy's protocols: its functions on a Tensor are rows of the table.

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any
    ) -> Any:
        operation = F.rows.get(ufunc.__name__)
        if operation is None or method != "__call__" or kwargs:
            call = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            self._refuse_numpy(call, kwargs)
        return operation(*map(_as_operand, inputs))

    def __array_function__(
        self, function: Callable[..., Any], _types: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        if function in FUNCTIONS:
            return FUNCTIONS[function](*args, **kwargs)
        operation = F.rows.get(_NUMPY_NAMES.get(function.__name__, function.__name__))
        if operation is None or function.__module__ != "numpy":
            self._refuse_numpy(function.__name__, {})
        arity = len(operation.rules)
        return operation(*map(_as_operand, args[:arity]), *args[arity:], **kwargs)

    def _refuse_numpy(self, name: str, kwargs: dict[str, Any]) -> NoReturn:
        settings = f" with {sorted(kwargs)}" if kwargs else ""
        raise TypeError(
            f"np.{name}{settings} is not an operation that a Tensor records: use the array "
            f"inside, .data, if no derivative is needed"
        )

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        if self.requires_grad:
            raise GraphError(
                "turning a Tensor that requires a gradient into an array would cut its history "
                "silently: use .data"
            )
        return np.array(self._data, dtype=dtype, copy=copy)

    # Operations that a number does not have.

    def __matmul__(self, other: Any) -> Tensor:
        return F.matmul(self, _as_operand(other))

    def __rmatmul__(self, other: Any) -> Tensor:
        return F.matmul(_as_operand(other), self)

    def __eq__(self, other: object) -> Any:
        return F.equal(self, other)

    def __ne__(self, other: object) -> Any:
        return F.not_equal(self, other)

    def __getitem__(self, index: Any) -> Tensor:
        parts = index if isinstance(index, tuple) else (index,)
        return F.getitem(self, index=tuple(map(_frozen, parts)))

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The sum over one, several or all axes."""
        return F.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The mean over one, several or all axes."""
        return F.mean(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The largest entry; entries that tie share the gradient equally."""
        return F.max(self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None) -> Tensor:
        """Where the largest entry is: an integer Tensor, without derivative."""
        return F.argmax(self, axis=axis)

    def log_softmax(self, axis: int = -1) -> Tensor:
        """The logarithm of the softmax, x - log(sum(exp(x))), without overflow."""
        return F.log_softmax(self, axis=axis)

    def reshape(self, *shape: int | Sequence[int]) -> Tensor:
        """The same entries in another shape; one length may be -1."""
        lengths = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return F.reshape(self, shape=lengths)

    def transpose(self, *axes: int | Sequence[int]) -> Tensor:
        """The axes in another order; reversed if none is given."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return F.transpose(self, axes=order or None)

    def astype(self, dtype: DTypeLike) -> Tensor:
        """The same numbers in another dtype."""
        return F.astype(self, dtype=dtype)


WIDEST = 8  #: bytes in a number: wider floats differ from machine to machine
_NUMPY_NAMES = {"amax": "max", "permute_dims": "transpose"}  #: where NumPy's own name differs


def _as_data(data: Any, dtype: DTypeLike | None) -> Array:
    """A copy of ``data`` as a real array; Python's integers become float64."""
    raw = data_of(data)
    try:
        array = np.array(raw, dtype=dtype)
    except (ValueError, TypeError) as error:
        raise DataError(f"cannot make an array of this data: {error}") from error
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > WIDEST:
        raise DataError(
            f"a Tensor holds real numbers of up to 64 bits, got dtype {array.dtype}"
            + (": take real and imaginary part apart" if array.dtype.kind == "c" else "")
        )
    is_from_python = not isinstance(raw, (np.ndarray, np.generic))
    if dtype is None and is_from_python and array.dtype.kind in "iu":
        array = array.astype(np.float64)
    return array


def _as_operand(argument: Any) -> Any:
    """Lists become arrays; everything else stays as it is."""
    return np.asarray(argument) if isinstance(argument, (list, tuple)) else argument


def _frozen(part: Any) -> Any:
    """A part of an index that nobody can change before the backward pass reads it again."""
    bare = data_of(part)
    return bare.copy() if isinstance(bare, (np.ndarray, list)) else bare


def _unbroadcast(gradient: Any, shape: tuple[int, ...]) -> Any:
    """Sum ``gradient`` over the axes along which an operand of ``shape`` was repeated."""
    extra = len(gradient.shape) - len(shape)
    repeated = [
        extra + axis
        for axis, length in enumerate(shape)
        if length == 1 and extra >= 0 and gradient.shape[extra + axis] != 1
    ]
    axes = (*range(extra), *repeated)
    summed = F.sum(gradient, axis=axes, keepdims=True) if axes else gradient
    fitted = F.reshape(summed, shape=summed.shape[max(extra, 0) :])
    if fitted.shape != shape:
        raise GradientError(
            f"a rule gave a gradient of shape {gradient.shape} for an argument of shape {shape}: "
            f"a rule must return the argument's shape, or one that broadcasting made of it"
        )
    return fitted


for _function in FUNCTIONS.values():
    if _function.__name__ not in ("concatenate", "stack", "einsum"):  # no method of one
        add_method(Tensor, _function.__name__, _function, _function.__doc__ or "")
