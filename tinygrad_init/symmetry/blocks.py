"""Blocks: the weights from one class to another, which training treats alike.

Where two neurons are tied, the gradient is one number on a whole block. So entries of a block that
start equal stay equal, and all entries of a block move by the same amount under gradient descent.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .analysis import Symmetry, class_numbers, codes

Array = NDArray[Any]


def blocks_of(symmetry: Symmetry) -> list[Array]:
    """The number of the block of each entry, for every weight and bias in the order of an MLP's.

    >>> import tinygrad_init as tg
    >>> model = tg.nn.MLP([2, 3, 1], weight_init="constant")
    >>> for blocks in blocks_of(tg.symmetry.analyze(model)):
    ...     print(blocks.tolist())
    [[0, 0, 0], [1, 1, 1]]
    [0, 0, 0]
    [[0], [0], [0]]
    [0]
    """
    numbers = [class_numbers(layer) for layer in symmetry.all_classes]
    found = []
    for before, after in itertools.pairwise(numbers):
        found += [np.add.outer(before * (int(after.max()) + 1), after), after]
    return found


def tied_part(arrays: Sequence[Array], blocks: Sequence[Array]) -> list[Array]:
    """Every entry replaced by the mean of its block; what is left over is transverse.

    >>> tied_part([np.array([1.0, 3.0, 7.0])], [np.array([0, 0, 1])])
    [array([2., 2., 7.])]
    """
    return [_means(array, block)[block] for array, block in zip(arrays, blocks, strict=True)]


def _means(array: Array, block: Array) -> Array:
    """The mean of each block: exact where its entries are equal, which a sum of them is not."""
    numbers, entries = block.ravel(), array.ravel()
    one = np.zeros(numbers.max() + 1, array.dtype)
    one[numbers] = entries
    return one + np.bincount(numbers, weights=entries - one[numbers]) / np.bincount(numbers)


def partners(array: Array, block: Array) -> tuple[Array, Array]:
    """Entries of a block that are equal in all bits: each, and the first of them, by flat index.

    Entries without a partner are left out.

    >>> partners(np.array([5.0, 6.0, 5.0, 5.0]), np.array([0, 0, 0, 1]))
    (array([2]), array([0]))
    """
    together = np.stack([block.ravel(), codes(array).ravel()])
    _, first, which = np.unique(together, axis=1, return_index=True, return_inverse=True)
    first_of_each = first[which.ravel()]
    places = np.flatnonzero(first_of_each != np.arange(array.size))
    return places, first_of_each[places]
