"""Derivatives asked for by name."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import errors, modes
from .inputs import real_array
from .table import F
from .tape import Node, backpropagate
from .tensor import Tensor


def grad(y: Node, x: Any, create_graph: bool = False, gradient: ArrayLike | None = None) -> Any:
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
        raise errors.not_a_node(y, "grad differentiates")
    wanted = list(x) if isinstance(x, (list, tuple)) else [x]
    for node in wanted:
        if not isinstance(node, Node) or not node.requires_grad:
            raise errors.no_variable(node)
    found = backpropagate(y, gradient, create_graph)
    results = [_as_node(node, found.get(node), create_graph) for node in wanted]
    return results if isinstance(x, (list, tuple)) else results[0]


def _as_node(like: Node, gradient: Any, create_graph: bool) -> Any:
    """A node of its own memory; zero where no gradient arrived."""
    if gradient is None:
        gradient = F.where(False, like._data, 0)
    if not isinstance(gradient, Node):
        return like._wrap(copy(gradient))
    if create_graph:
        return gradient
    with modes.no_grad():  # ``capture`` records it as a graph, but no derivative flows through it
        return F.positive(gradient)


def value_and_grad(f: Callable[[Tensor], Any]) -> Callable[[Any], tuple[Tensor, Tensor]]:
    """The function that gives f(x) and df/dx together.

    Args:
        f: from a Tensor to a Tensor with one entry.

    Returns:
        A function of an array or Tensor; both results are Tensors without history.

    Raises:
        DataError: for a point that is not made of real numbers.
        GraphError: if f gives something else than a Tensor, or several entries.

    >>> from tinygrad_init import value_and_grad
    >>> value_and_grad(lambda x: (x * x).sum())([1.0, 2.0])
    (Tensor(5.), Tensor([2., 4.]))
    """
    return _at_a_point("value_and_grad", f, lambda x, y: (y.detach(), _slope(y, x)))


def jacobian(f: Callable[[Tensor], Any]) -> Callable[[Any], Tensor]:
    """The function that gives all derivatives of all entries of f(x).

    Returns:
        A function of an array or Tensor x; its result has the shape of f(x) followed by that of x,
        ``J[i, j] = d f_i / d x_j``. It takes one walk back for each entry of f(x).

    Raises:
        DataError: for a point that is not made of real numbers.
        GraphError: if f gives something else than a Tensor.

    >>> from tinygrad_init import jacobian
    >>> jacobian(lambda x: x * x)([1.0, 2.0])
    Tensor([[2., 0.],
            [0., 4.]])
    """
    return _at_a_point("jacobian", f, _slopes)


def hessian(f: Callable[[Tensor], Any]) -> Callable[[Any], Tensor]:
    """The function that gives all second derivatives of f, which has one entry.

    Returns:
        A function of an array or Tensor x; its result has the shape of x twice over.

    Raises:
        DataError: for a point that is not made of real numbers.
        GraphError: if f gives something else than a Tensor, or several entries.

    >>> from tinygrad_init import hessian
    >>> hessian(lambda x: x[0] * x[0] * x[1])([1.0, 2.0])
    Tensor([[4., 2.],
            [2., 0.]])
    """
    return _at_a_point("hessian", f, lambda x, y: _slopes(x, _slope(y, x, create_graph=True)))


def hvp(f: Callable[[Tensor], Any]) -> Callable[[Any, Any], Tensor]:
    """The function that gives the Hessian of f at x times a vector v, without the Hessian.

    Returns:
        A function of x and v, arrays or Tensors of one shape, which is that of the result. It
        costs two walks back, however long x is (Pearlmutter 1994).

    Raises:
        DataError: for a point that is not made of real numbers.
        GraphError: if f gives something else than a Tensor, or several entries.

    >>> from tinygrad_init import hvp
    >>> hvp(lambda x: x[0] * x[0] * x[1])([1.0, 2.0], [1.0, 0.0])
    Tensor([4., 2.])
    """

    def times(x: Tensor, y: Tensor, v: Any) -> Tensor:
        return _slope(_slope(y, x, create_graph=True), x, gradient=x.accept(v))

    return _at_a_point("hvp", f, times)


def _at_a_point(name: str, f: Any, result: Callable[..., Any]) -> Callable[..., Any]:
    """The function of x that gives ``result(x, f(x))``, with x as a leaf."""
    if not callable(f):
        raise errors.not_a_function(name, f)

    @modes.Mode(recording=True)  # also where the caller does not record
    def evaluate(x: Any, *others: Any) -> Any:
        modes.refuse_reading(f"{name}, which starts from bare numbers,")
        leaf = Tensor(real_array(x, made_by=name), requires_grad=True)
        y = f(leaf)
        if not isinstance(y, Tensor):
            raise errors.not_a_result(name, y)
        try:
            return result(leaf, y, *others)
        except errors.TinygradInitError as error:
            raise type(error)(f"{name}: {error}") from error

    return evaluate


def _slope(y: Tensor, x: Tensor, **settings: Any) -> Tensor:
    """The gradient, also of what does not depend on ``x`` at all."""
    return grad(y, x, **settings) if y.requires_grad else Tensor(np.zeros_like(x.data))


def _slopes(x: Tensor, y: Tensor) -> Tensor:
    """The derivative of every entry of ``y``, one walk back for each."""
    found = np.zeros((*y.shape, *x.shape), x.dtype)
    for entry in np.ndindex(y.shape):
        chosen = np.zeros(y.shape, y.dtype)
        chosen[entry] = 1
        found[entry] = _slope(y, x, gradient=chosen).data
    return Tensor(found)
