"""`check_grad`: derivatives compared with finite differences, which know nothing of rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import errors
from .calculus import grad
from .errors import GradientError
from .inputs import Array, real_array
from .modes import Mode
from .tensor import Tensor


@Mode(recording=True)
def check_grad(
    f: Callable[..., Any], *xs: ArrayLike, order: int = 1, tolerance: float = 1e-6
) -> None:
    """Compare the derivatives of ``f`` with finite differences.

    Args:
        f: takes Tensors and returns one, of any shape.
        xs: points at which ``f`` is smooth, taken as float64.
        order: 2 checks the derivative of the derivative, too.
        tolerance: the largest difference, relative to the size of the derivative (or to a
            thousandth of that of the function, or of 1, if that is larger).

    The entries of the result are added up with fixed, irregular weights, so that no wrong entry
    can hide behind another. The finite difference is central and of fourth order,
    ``(8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / 12h``.

    Raises:
        DataError: for points that are no real numbers, or another order or tolerance.
        GraphError: if ``f`` returns something else than a Tensor.
        GradientError: saying which argument and entry, what the rule gave and what was expected.

    >>> import tinygrad_init as tg
    >>> tg.check_grad(lambda a, b: a * b.tanh(), [1.0, 2.0], [0.5, -0.3], order=2)
    """
    if not callable(f):
        raise errors.not_a_function("check_grad", f)
    if order not in (1, 2):
        raise errors.wrong_check("order", "1 or 2", order)
    if not isinstance(tolerance, (int, float)) or not tolerance > 0:
        raise errors.wrong_check("tolerance", "a number above 0", tolerance)
    if not xs:
        raise errors.wrong_check("xs", "at least one point", xs)
    arrays = [real_array(x, made_by="check_grad").astype(np.float64) for x in xs]
    points = [Tensor(array, requires_grad=True) for array in arrays]

    def number(*tensors: Tensor) -> Tensor:
        result = f(*tensors)
        if not isinstance(result, Tensor):
            raise errors.not_a_result("check_grad", result)
        weights = np.cos(np.arange(result.size, dtype=float) + 0.5).reshape(result.shape)
        return (result * weights).sum()

    _compare(number, points, tolerance, "first")
    if order == 1:
        return

    def slope(*tensors: Tensor) -> Tensor:
        slopes = _slopes(number(*tensors), tensors, create_graph=True)
        total = Tensor(0.0)
        for k, each in enumerate(slopes):
            weights = np.sin(np.arange(each.size, dtype=float) + k + 1).reshape(each.shape)
            total = total + (each * weights).sum()
        return total

    _compare(slope, points, tolerance, "second")


def _slopes(y: Tensor, xs: Sequence[Tensor], **settings: Any) -> list[Tensor]:
    """The gradients; zeros of a constant, as the derivative of a linear function is one."""
    if y.requires_grad:
        return list(grad(y, list(xs), **settings))
    return [Tensor(np.zeros(x.shape)) for x in xs]


def _compare(
    f: Callable[..., Tensor], points: Sequence[Tensor], tolerance: float, which: str
) -> None:
    """Raise where a derivative of the scalar function ``f`` and its finite difference disagree."""
    y = f(*points)
    slopes = _slopes(y, points)
    floor = 1e-3 * max(1.0, abs(float(y.data)))  # differences of large numbers are no better
    for argument, (point, slope) in enumerate(zip(points, slopes, strict=True)):
        for entry in np.ndindex(point.shape):
            expected = _finite_difference(f, points, argument, entry)
            got = float(slope.data[entry])
            if not abs(got - expected) <= tolerance * max(floor, abs(expected)):
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
