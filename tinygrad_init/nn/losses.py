"""How wrong is a prediction? Each loss reduces the examples and features to one number.

Axes in front of these (an ensemble of networks) are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..autograd import DataError, F, ShapeError, Tensor, scope


@scope("mse")
def mse(prediction: Any, target: ArrayLike | Tensor) -> Any:
    """The mean squared error, ``mean((prediction - target)**2)``.

    Args:
        prediction: shape (N,) or (..., N, D).
        target: shape (N,) or (N, D), or that of the prediction.

    Returns:
        A Tensor of shape (...).

    Raises:
        ShapeError: if the shapes differ; they are not broadcast, which would hide a mistake.

    >>> float(mse([[1.0], [3.0]], [[0.0], [1.0]]))
    2.5
    """
    prediction = _as_tensor(prediction)
    if not isinstance(target, (Tensor, np.ndarray)):
        target = Tensor(target)
    axes = 2 if prediction.ndim > 1 else 1
    if not prediction.ndim:
        raise ShapeError("mse: one prediction alone is an array of one: give shape (1,)")
    if target.shape not in (prediction.shape, prediction.shape[-axes:]):
        advice = ""
        if prediction.shape == (*target.shape, 1):
            advice = ": add the feature axis, target[:, None]"
        raise ShapeError(
            f"mse: prediction has shape {prediction.shape} and target {target.shape}{advice}"
        )
    return F.mse(prediction, target, axis=tuple(range(-axes, 0)))


@scope("cross_entropy")
def cross_entropy(logits: Any, labels: ArrayLike | Tensor) -> Any:
    """The mean of ``-log softmax(logits)[label]``.

    Args:
        logits: shape (..., N, C), not normalised.
        labels: integers from 0 to C - 1, shape (N,) or (..., N).

    Returns:
        A Tensor of shape (...).

    Raises:
        DataError: for labels that are no integers or out of range.
        ShapeError: if the shapes do not fit.

    >>> float(cross_entropy([[0.0, 0.0]], [1]))  # log(2)
    0.6931471805599453
    """
    logits = _as_tensor(logits)
    classes = labels if isinstance(labels, Tensor) else np.asarray(labels)
    if logits.ndim < 2 or classes.shape not in (logits.shape[:-1], logits.shape[-2:-1]):
        raise ShapeError(
            f"cross_entropy: logits of shape {logits.shape} and labels of shape {classes.shape} "
            f"do not fit: give logits (..., N, C) and labels (N,)"
        )
    if classes.dtype.kind not in "iu":
        raise DataError(f"cross_entropy: labels are integers, got dtype {classes.dtype}: "
                        f"write labels.astype(int) if that is what they mean")
    is_label = F.one_hot(classes, count=logits.shape[-1])
    return -F.where(is_label, logits.log_softmax(), 0).sum(axis=-1).mean(axis=-1)


def _as_tensor(data: Any) -> Tensor:
    return data if isinstance(data, Tensor) else Tensor(data)


Loss = Callable[[Any, Any], Any]  #: (what the network gives, what was wanted) -> a Tensor

BY_NAME: dict[str, Loss] = {
    "mse": mse, "cross_entropy": cross_entropy
}  #: the losses that are known by name


def get(name: str | Loss) -> Loss:
    """The loss of that name; functions pass through.

    Raises:
        DataError: for an unknown name, listing the known ones.

    >>> get("mse") is mse
    True
    """
    if isinstance(name, str) and name in BY_NAME:
        return BY_NAME[name]
    if callable(name):
        return name
    raise DataError(f"unknown loss {name!r}: choose from {', '.join(BY_NAME)}")
