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
    if not isinstance(target, Tensor):  # an array is not copied: 2 us less
        target = Tensor._wrap(target) if type(target) is np.ndarray else Tensor(target)
    _reduced_axes("mse", "prediction", prediction, "target", target)
    return F.mse(prediction, target)


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


@scope("binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(logits: Any, labels: ArrayLike | Tensor) -> Any:
    r"""The mean cross-entropy of yes-or-no questions, each answered by one logit.

    .. math:: \operatorname{mean}(-y \ln \sigma(z) - (1 - y) \ln(1 - \sigma(z)))

    A feature is a question of its own, so several of them may be true of one example. Since
    ``-ln sigmoid(z)`` is ``softplus(-z)``, no logit is too large, and a confident right answer has
    a small loss with all its digits.

    Args:
        logits: z, shape (N,) or (..., N, D).
        labels: y, from 0 (no) to 1 (yes); shape (N,) or (N, D), or that of the logits.

    Returns:
        A Tensor of shape (...).

    Raises:
        DataError: for labels outside 0 to 1.
        ShapeError: if the shapes differ.

    >>> float(binary_cross_entropy_with_logits([0.0, 0.0], [1, 0]))  # log(2)
    0.6931471805599453
    >>> float(binary_cross_entropy_with_logits([1000.0, -1000.0], [0, 0]))
    500.0
    """
    name = "binary_cross_entropy_with_logits"
    logits = _as_tensor(logits)
    labels = _as_labels(labels, logits)
    axes = _reduced_axes(name, "logits", logits, "labels", labels)
    values = labels.data
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise DataError(
            f"{name}: labels go from 0 to 1, got {values.min():g} to {values.max():g}: for -1 and "
            f"+1 write (labels + 1) / 2"
        )
    loss = labels * F.softplus(-logits) + (1 - labels) * F.softplus(logits)
    return loss.mean(axis=axes)


@scope("hinge")
def hinge(scores: Any, labels: ArrayLike | Tensor) -> Any:
    """The mean of ``max(0, 1 - label * score)``, the loss of support vector machines.

    It is 0 for what is on the right side by a margin of 1 or more. At the margin, where the slope
    jumps, the derivative is 0.

    Args:
        scores: shape (N,) or (..., N, D).
        labels: -1 or +1; shape (N,) or (N, D), or that of the scores.

    Returns:
        A Tensor of shape (...).

    Raises:
        DataError: for labels other than -1 and +1.
        ShapeError: if the shapes differ.

    >>> float(hinge([2.0, 0.5, -1.0], [1, 1, 1]))  # (0 + 0.5 + 2) / 3
    0.8333333333333334
    """
    scores = _as_tensor(scores)
    labels = _as_labels(labels, scores)
    axes = _reduced_axes("hinge", "scores", scores, "labels", labels)
    strange = np.unique(labels.data[np.abs(labels.data) != 1])
    if strange.size:
        advice = ": for 0 and 1 write 2 * labels - 1" if strange.tolist() == [0] else ""
        found = ", ".join(f"{one:g}" for one in strange[:5])
        raise DataError(f"hinge: labels are -1 or +1, got {found}{advice}")
    return F.relu(1 - labels * scores).mean(axis=axes)


def _as_tensor(data: Any) -> Tensor:
    return data if isinstance(data, Tensor) else Tensor(data)


def _as_labels(labels: Any, outputs: Tensor) -> Tensor:
    """In the dtype of the outputs: integers would make a loss of float32 a float64."""
    dtype = outputs.dtype if outputs.dtype.kind == "f" else np.dtype(float)
    if not isinstance(labels, Tensor):
        return Tensor(labels, dtype=dtype)
    return labels if labels.dtype == dtype else labels.astype(dtype)


def _reduced_axes(
    loss: str, given: str, outputs: Tensor, wanted: str, targets: Tensor
) -> tuple[int, ...]:
    """The axes of examples and features, if every output has its target."""
    shape, shape_of_targets = outputs.shape, targets.shape
    if not shape:
        raise ShapeError(f"{loss}: one of the {given} alone is an array of one: give shape (1,)")
    if shape_of_targets != shape and shape_of_targets != shape[-2:]:
        advice = ""
        if shape == (*shape_of_targets, 1):
            advice = f": add the feature axis, {wanted}[:, None]"
        raise ShapeError(
            f"{loss}: {given} has shape {shape} and {wanted} {shape_of_targets}{advice}"
        )
    return (-2, -1)[-len(shape) :]


Loss = Callable[[Any, Any], Any]  #: (what the network gives, what was wanted) -> a Tensor

BY_NAME: dict[str, Loss] = {
    "mse": mse, "cross_entropy": cross_entropy,
    "binary_cross_entropy_with_logits": binary_cross_entropy_with_logits, "hinge": hinge,
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
