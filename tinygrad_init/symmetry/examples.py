"""What goes into a training run, checked at the door."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..autograd import DataError, ShapeError, Tensor
from ..nn import MLP

Array = NDArray[Any]


def refuse_what_is_no_plain_mlp(model: Any, what: str) -> None:
    """What trains a network has to know how it computes, and what moves in it.

    Raises:
        DataError: for anything but an MLP as this package defines it, all of whose parameters are
            the weights and biases of its layers, finite, and to be trained.
    """
    if not isinstance(model, MLP):
        raise DataError(f"{what} takes an MLP, got {type(model).__name__}")
    if type(model).forward is not MLP.forward:
        raise DataError(
            f"{what} knows what MLP.forward computes, and {type(model).__name__} has a forward of "
            f"its own"
        )
    own = [one for layer in model.layers for one in (layer.weight, layer.bias)]
    if [id(one) for one in model.parameters()] != [id(one) for one in own]:
        raise DataError(
            f"{what} wants the parameters of an MLP to be the weights and biases of its layers, "
            f"each its own and requiring a gradient: "
            f"{', '.join(name for name, _ in model.named_parameters())}"
        )
    for name, parameter in model.named_parameters():
        if not np.isfinite(parameter.data).all():
            raise DataError(f"{what} wants finite parameters, and {name} has others")


def examples_of(X: Any, y: Any) -> tuple[Array, Array]:
    """Inputs and what is wanted of them, as arrays.

    Raises:
        DataError: for inputs that are no finite real numbers, or none at all.
        ShapeError: if inputs are not (N, inputs), or do not go in pairs with ``y``.

    >>> examples_of([[1, 2]], [0])
    (array([[1, 2]]), array([0]))
    """
    inputs, wanted = _array("X", X), _array("y", y)
    if inputs.ndim != 2 or not inputs.size:
        raise ShapeError(
            f"X holds one example or more in rows, shape (N, inputs), and has shape {inputs.shape}"
        )
    if wanted.shape[:1] != inputs.shape[:1]:
        raise ShapeError(
            f"there are {len(inputs)} examples in X and {len(wanted) if wanted.ndim else 'no'} "
            f"labels in y: they go in pairs"
        )
    if not np.isfinite(inputs).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(inputs))[0])
        raise DataError(f"X is to be finite, and X[{place[0]}, {place[1]}] is {inputs[place]}")
    return inputs, wanted


def _array(name: str, given: Any) -> Array:
    try:
        array = np.asarray(given.data if isinstance(given, Tensor) else given)
    except ValueError as error:
        raise DataError(f"{name} is an array, and its rows have several lengths") from error
    if array.dtype.kind not in "fiub":
        raise DataError(f"{name} is an array of real numbers, got {type(given).__name__} "
                        f"of dtype {array.dtype}")
    return array


def whole(name: str, number: Any, least: int) -> int:
    """``number``, if it is a whole one from ``least`` on.

    >>> whole("steps", 5, least=1)
    5
    """
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < least:
        raise DataError(f"{name} is a whole number from {least} on, got {name}={number!r}")
    return int(number)
