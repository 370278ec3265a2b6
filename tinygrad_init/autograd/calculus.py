"""Derivatives asked for by name, and ``check_grad`` that does not believe them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .errors import DataError, GradientError, GraphError
from .tape import Node, backpropagate, data_of
from .tensor import Array, Tensor


def grad(
    y: Node, x: Any, create_graph: bool = False, gradient: ArrayLike | None = None
) -> Any:
    """dy/dx, without touching anybody's ``.grad``.

    Args:
        y: a Value, or a Tensor with one entry (or any, with ``gradient``).
        x: a node, or a list of nodes.
        create_graph: record the derivative, so that it can be differentiated again.
        gradient: what to multiply from the left, of the shape of ``y``.

    Returns:
        A node like ``x``, of its shape, or a list of them; zeros where ``y`` does not depend on it.

    Raises:
        GraphError: if ``y`` has no history, or several entries and there is no ``gradient``.

    >>> from tinygrad_init import Tensor, grad
    >>> x = Tensor(3.0, requires_grad=True)
    >>> slope = grad(x ** 3, x, create_graph=True)
    >>> slope, grad(slope, x)
    (Tensor(27., requires_grad=True), Tensor(18.))
    """
    if not isinstance(y, Node):
        raise GraphError(f"only a Value or a Tensor has derivatives, got {type(y).__name__}")
    wanted = list(x) if isinstance(x, (list, tuple)) else [x]
    for node in wanted:
        if not isinstance(node, Node) or not node.requires_grad:
            raise GraphError(
                f"cannot differentiate with respect to {node!r}: "
                f"use a Value, or a Tensor with requires_grad=True"
            )
    found = backpropagate(y, y._seed(gradient, create_graph), create_graph)
    results = [_as_node(node, found.get(node)) for node in wanted]
    return results if isinstance(x, (list, tuple)) else results[0]


def _as_node(like: Node, gradient: Any) -> Node:
    if isinstance(gradient, Node):
        return gradient
    if gradient is None:
        gradient = like._data * 0
    elif isinstance(gradient, np.ndarray):
        gradient = gradient.copy()  # nobody else's memory
    node: Node = type(like)._wrap(gradient)
    return node


def value_and_grad(f: Callable[[Tensor], Any]) -> Callable[[Any], tuple[Tensor, Tensor]]:
    """The function that gives f(x) and df/dx together.

    Args:
        f: from a Tensor to a Tensor with one entry.

    Returns:
        A function of an array or Tensor; both results are Tensors without history.

    >>> from tinygrad_init import value_and_grad
    >>> value_and_grad(lambda x: (x * x).sum())([1.0, 2.0])
    (Tensor(5.), Tensor([2., 4.]))
    """

    def both(x: Any) -> tuple[Tensor, Tensor]:
        leaf = _leaf(x)
        y = _result(f, leaf)
        return y.detach(), _grad_or_zeros(y, leaf)

    return both


def jacobian(f: Callable[[Tensor], Any]) -> Callable[[Any], Tensor]:
    """The function that gives all derivatives of all entries of f(x).

    Returns:
        A function of an array or Tensor x; its result has the shape of f(x) followed by that of x,
        ``J[i, j] = d f_i / d x_j``. It takes one walk back for each entry of f(x).

    >>> from tinygrad_init import jacobian
    >>> jacobian(lambda x: x * x)([1.0, 2.0])
    Tensor([[2., 0.],
            [0., 4.]])
    """

    def matrix(x: Any) -> Tensor:
        leaf = _leaf(x)
        return _rows(_result(f, leaf), leaf)

    return matrix


def hessian(f: Callable[[Tensor], Any]) -> Callable[[Any], Tensor]:
    """The function that gives all second derivatives of f, which has one entry.

    Returns:
        A function of an array or Tensor x; its result has the shape of x twice over.

    >>> from tinygrad_init import hessian
    >>> hessian(lambda x: x[0] * x[0] * x[1])([1.0, 2.0])
    Tensor([[4., 2.],
            [2., 0.]])
    """

    def matrix(x: Any) -> Tensor:
        leaf = _leaf(x)
        return _rows(_grad_or_zeros(_result(f, leaf), leaf, create_graph=True), leaf)

    return matrix


def hvp(f: Callable[[Tensor], Any]) -> Callable[[Any, Any], Tensor]:
    """The function that gives the Hessian of f at x times a vector v, without the Hessian.

    Returns:
        A function of x and v, arrays or Tensors of one shape, which is that of the result. It
        costs two walks back, however long x is (Pearlmutter 1994).

    >>> from tinygrad_init import hvp
    >>> hvp(lambda x: x[0] * x[0] * x[1])([1.0, 2.0], [1.0, 0.0])
    Tensor([4., 2.])
    """

    def product(x: Any, v: Any) -> Tensor:
        leaf = _leaf(x)
        slope = _grad_or_zeros(_result(f, leaf), leaf, create_graph=True)
        return _grad_or_zeros(slope, leaf, gradient=v)

    return product


def _leaf(x: Any) -> Tensor:
    return Tensor(x, requires_grad=True)


def _result(f: Callable[[Tensor], Any], x: Tensor) -> Tensor:
    y = f(x)
    if not isinstance(y, Tensor):
        raise GraphError(f"the function must give a Tensor, got {type(y).__name__}")
    return y


def _grad_or_zeros(y: Tensor, x: Tensor, **settings: Any) -> Tensor:
    """The gradient, also of what does not depend on ``x`` at all."""
    return grad(y, x, **settings) if y.requires_grad else Tensor(np.zeros_like(x.data))


def _rows(y: Tensor, x: Tensor) -> Tensor:
    """The derivative of every entry of ``y``, one walk back for each."""
    found = np.zeros((*y.shape, *x.shape), x.dtype)
    for entry in np.ndindex(y.shape):
        chosen = np.zeros(y.shape, y.dtype)
        chosen[entry] = 1
        found[entry] = _grad_or_zeros(y, x, gradient=chosen).data
    return Tensor(found)


def check_grad(
    f: Callable[..., Any], *xs: ArrayLike, order: int = 1, tolerance: float = 1e-6
) -> None:
    """Compare the derivatives of ``f`` with finite differences.

    Args:
        f: takes Tensors and returns one, of any shape.
        xs: points at which ``f`` is smooth, taken as float64.
        order: 2 checks the derivative of the derivative, too.
        tolerance: the largest difference, relative to the size of the derivative (at least 1).

    The entries of the result are added up with fixed, irregular weights, so that no wrong entry
    can hide behind another. The finite difference is central and of fourth order,
    ``(8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / 12h``.

    Raises:
        GradientError: saying which argument and entry, what the rule gave and what was expected.

    >>> import tinygrad_init as tg
    >>> tg.check_grad(lambda a, b: a * b.tanh(), [1.0, 2.0], [0.5, -0.3], order=2)
    """
    if order not in (1, 2):
        raise DataError(f"check_grad compares derivatives of order 1 or 2, got order={order}")
    points = [Tensor(np.asarray(data_of(x), np.float64), requires_grad=True) for x in xs]

    def number(*tensors: Tensor) -> Tensor:
        result = f(*tensors)
        weights = np.cos(np.arange(result.size, dtype=float) + 0.5).reshape(result.shape)
        return (result * weights).sum()

    _compare(number, points, tolerance, "first")
    if order == 1:
        return

    def slope(*tensors: Tensor) -> Tensor:
        slopes = grad(number(*tensors), list(tensors), create_graph=True)
        total = Tensor(0.0)
        for k, each in enumerate(slopes):
            weights = np.sin(np.arange(each.size, dtype=float) + k + 1).reshape(each.shape)
            total = total + (each * weights).sum()
        return total

    _compare(slope, points, tolerance, "second")


def _compare(
    f: Callable[..., Tensor], points: Sequence[Tensor], tolerance: float, which: str
) -> None:
    """Raise where a derivative of the scalar function ``f`` and its finite difference disagree."""
    result = f(*points)
    if result.requires_grad:
        slopes = grad(result, list(points))
    else:  # a constant, as the derivative of a linear function is
        slopes = [Tensor(np.zeros(point.shape)) for point in points]
    for argument, (point, slope) in enumerate(zip(points, slopes, strict=True)):
        for entry in np.ndindex(point.shape):
            expected = _finite_difference(f, points, argument, entry)
            got = float(slope.data[entry])
            if not abs(got - expected) <= tolerance * max(1.0, abs(expected)):
                raise GradientError(
                    f"{which} derivative of argument {argument}, entry {list(entry)}: "
                    f"got {got!r}, expected {expected!r} from finite differences "
                    f"(at a kink they mean nothing: move the point)"
                )


def _finite_difference(
    f: Callable[..., Tensor], points: Sequence[Tensor], argument: int, entry: tuple[int, ...]
) -> float:
    centre = points[argument].data
    h = 1e-3 * max(1.0, abs(float(centre[entry])))

    def at(distance: float) -> float:
        moved: Array = centre.copy()
        moved[entry] += distance
        others = list(points)
        others[argument] = Tensor(moved, requires_grad=True)
        return float(f(*others).data)

    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)


