"""Minibatches: a few examples at a time, in random order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from ..autograd import DataError, ShapeError
from . import init

Array = NDArray[Any]


def batches(
    X: Array, y: Array, batch_size: int, rng: init.Seed = None
) -> Iterator[tuple[Array, Array]]:
    """One pass over the data in random order, in minibatches; the last may be smaller.

    Args:
        X: examples, first axis N.
        y: labels, first axis N.
        batch_size: how many at a time.
        rng: a generator, which moves on, or a seed.

    >>> import numpy as np
    >>> [labels.tolist() for _, labels in batches(np.zeros((5, 1)), np.arange(5), 2, rng=0)]
    [[2, 4], [3, 0], [1]]
    """
    if len(X) != len(y):
        raise ShapeError(f"there are {len(X)} examples and {len(y)} labels: they go in pairs")
    if not len(X):
        raise DataError("there are no examples to make minibatches of")
    if batch_size < 1:
        raise DataError(f"a minibatch holds one example or more, got batch_size={batch_size}")
    order = init.generator(rng).permutation(len(X))
    for start in range(0, len(X), batch_size):
        chosen = order[start : start + batch_size]
        yield X[chosen], y[chosen]


def passes(
    X: Array, y: Array, batch_size: int, rng: init.Seed = None
) -> Iterator[tuple[Array, Array]]:
    """The same, pass after pass, for ever.

    >>> from itertools import islice
    >>> import numpy as np
    >>> [len(labels) for _, labels in islice(passes(np.zeros((5, 1)), np.arange(5), 2, 0), 4)]
    [2, 2, 1, 2]
    """
    generator = init.generator(rng)
    while True:
        yield from batches(X, y, batch_size, generator)
