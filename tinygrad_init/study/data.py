"""Data sets that scikit-learn ships, split and standardised; and minibatches."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..autograd import DataError, F, reproducible
from ..nn import batches, init
from .extras import require

__all__ = ["NAMES", "Dataset", "batches", "load"]

Array = NDArray[Any]

NAMES = ("digits", "iris", "wine", "breast_cancer")  #: what load() knows


@dataclass(frozen=True, eq=False)
class Dataset:
    """A classification problem: a part to train on, and a part held out.

    Attributes:
        name: as given to :func:`load`.
        X_train, X_test: float64, shape (N, features), standardised by the training part.
        y_train, y_test: integer labels, shape (N,).
        classes: how many labels there are.
    """

    name: str
    X_train: Array
    y_train: Array
    X_test: Array
    y_test: Array
    classes: int

    @property
    def features(self) -> int:
        """How many numbers describe one example."""
        return int(self.X_train.shape[1])

    def __str__(self) -> str:
        return (
            f"{self.name}: {len(self.X_train)} examples to train on and {len(self.X_test)} held "
            f"out, {self.features} features, {self.classes} classes"
        )


def load(name: str = "digits", seed: int = 0, held_out: float = 0.2) -> Dataset:
    """A data set that scikit-learn ships; nothing is downloaded.

    Args:
        name: digits (1797 x 64, 10 classes), iris, wine or breast_cancer.
        seed: decides which examples are held out.
        held_out: which share, between 0 and 1.

    Features are shifted and scaled to mean 0 and standard deviation 1 over the *training* part
    (a feature that is constant there is only shifted), in reproducible arithmetic.

    Raises:
        DataError: for an unknown name or share.

    >>> import tinygrad_init as tg
    >>> digits = tg.data.load("digits")
    >>> print(digits)
    digits: 1438 examples to train on and 359 held out, 64 features, 10 classes
    """
    if name not in NAMES:
        raise DataError(f"unknown data set {name!r}: choose from {', '.join(NAMES)}")
    X, y = _from_scikit_learn(name)
    testing = int(held_out * len(X)) if 0 < held_out < 1 else 0  # nan fails, too
    if testing == 0:
        raise DataError(
            f"held_out is a share between 0 and 1 that leaves examples on both sides, "
            f"got {held_out} of {len(X)} examples"
        )
    order = init.generator(seed).permutation(len(X))
    for_training, for_testing = order[:-testing], order[-testing:]
    mean, std = _moments(X[for_training])
    scaled = (X - mean) / np.where(std > 0, std, 1)
    return Dataset(
        name=name,
        X_train=scaled[for_training],
        y_train=y[for_training],
        X_test=scaled[for_testing],
        y_test=y[for_testing],
        classes=int(y.max()) + 1,
    )


def _from_scikit_learn(name: str) -> tuple[Array, Array]:
    require("sklearn")
    datasets = importlib.import_module("sklearn.datasets")
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return np.asarray(X, np.float64), np.asarray(y, np.int64)


def _moments(X: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each column."""
    with reproducible():
        mean = F.mean(X, axis=0)
        deviation = X - mean
        return mean, np.sqrt(F.mean(deviation * deviation, axis=0))
