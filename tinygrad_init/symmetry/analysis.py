"""Colour refinement: which neurons of a network compute the same thing, now and for ever.

Start with all neurons of a layer in one colour, each input and each output in its own. Then split:
two neurons keep a common colour only if their biases are equal and, for every colour of the layer
before and of the layer after, they have the same *multiset* of weights to it. Repeat until nothing
splits. What is left are the classes: their neurons compute equal numbers (a sum over a class does
not care which of its members has which weight), receive equal gradients, and therefore stay in one
class under any update that treats entries alike, as long as sums do not depend on order.

Why does it last? Let p exchange neurons of a hidden layer. That changes nothing of what the network
computes, so the loss is the same, L(p w) = L(w) for all weights w; differentiate: the gradient at
p w is p times the gradient at w. At weights that p leaves as they are, p w = w, the gradient is
left as it is by p, too, so after ``w - rate * gradient`` still p w = w. The same goes for any
update that treats entries alike. (Colour refinement finds more than such exchanges; there the
sums over a class take their place in the argument.)

This is the one-dimensional Weisfeiler-Leman algorithm (1968) on the graph of the weights; Grohe et
al. (2014) use it to make linear programs smaller, as :meth:`Symmetry.quotient` does with networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..autograd import DataError, F, ShapeError, Tensor
from ..nn import MLP

Array = NDArray[Any]
Layers = list[tuple[Array, Array]]  #: (weight of shape (fan_in, fan_out), bias of shape (fan_out,))


@dataclass(frozen=True)
class Symmetry:
    """What :func:`analyze` found.

    Attributes:
        classes: for each hidden layer, the classes as tuples of neuron indices.
        rounds: how many rounds of refinement it took until nothing split.
    """

    classes: list[tuple[tuple[int, ...], ...]]
    rounds: int
    _layers: Layers = field(repr=False, compare=False)
    _model: MLP | None = field(repr=False, compare=False)

    @property
    def effective_widths(self) -> list[int]:
        """For each hidden layer, the number of different neurons."""
        return [len(layer) for layer in self.classes]

    def quotient(self) -> MLP:
        """The smaller network that computes the same function: one neuron for each class.

        A class sends the sum of what its members send, so the weights from a class to a neuron are
        added up.

        Raises:
            DataError: if the analysis was of bare weights, whose activation is not known.

        >>> import tinygrad_init as tg
        >>> wide = tg.nn.MLP([4, 5, 3], weight_init="constant")
        >>> narrow = tg.symmetry.analyze(wide).quotient()
        >>> narrow, bool(np.allclose(narrow(np.eye(4)).data, wide(np.eye(4)).data))
        (MLP([4, 1, 3], activation='tanh'), True)
        """
        if self._model is None:
            raise DataError(
                "bare weights do not say which activation stands between them: "
                "analyze an MLP to get its quotient"
            )
        inputs, outputs = self._layers[0][0].shape[0], self._layers[-1][0].shape[1]
        every = [_singletons(inputs), *self.classes, _singletons(outputs)]
        small = MLP(
            [len(layer) for layer in every],
            self._model.activation,
            weight_init="zeros",
            dtype=self._model.layers[0].weight.dtype,
        )
        for k, (weight, bias) in enumerate(self._layers):
            chosen = [group[0] for group in every[k + 1]]
            columns = weight[:, chosen]
            small.layers[k].weight.data = np.stack(
                [F.sum(columns[list(group)], axis=0) for group in every[k]]
            )
            small.layers[k].bias.data = bias[chosen]
        return small

    def __str__(self) -> str:
        lines = [f"colour refinement, {self.rounds} round(s)"]
        for k, layer in enumerate(self.classes):
            width = sum(map(len, layer))
            largest = max(map(len, layer))
            lines.append(
                f"hidden layer {k + 1}: {width} neurons, {len(layer)} different "
                f"(largest class: {largest})"
            )
        return "\n".join(lines)


def analyze(model: MLP | Sequence[tuple[Any, Any]]) -> Symmetry:
    """Find the classes of neurons that are tied, bit for bit.

    Args:
        model: an MLP, or ``[(W1, b1), (W2, b2), ...]`` from any framework, with W of shape
            (fan_in, fan_out).

    Raises:
        DataError: if it is no such stack, or its numbers are not real.
        ShapeError: if the shapes of neighbouring layers do not fit.

    >>> weight = [[1.0, 1.0, 2.0], [3.0, 3.0, 3.0]]
    >>> found = analyze([(weight, [0.0, 0.0, 0.0]), ([[1.0], [1.0], [1.0]], [0.0])])
    >>> found.classes
    [((0, 1), (2,))]
    """
    layers = _layers_of(model)
    widths = [layers[0][0].shape[0], *(weight.shape[1] for weight, _ in layers)]
    colours = [np.zeros(width, np.int64) for width in widths]
    colours[0], colours[-1] = np.arange(widths[0]), np.arange(widths[-1])
    rounds = 0
    while True:
        refined = [colours[0], *_refine(layers, colours), colours[-1]]
        rounds += 1
        if all(a.max() == b.max() for a, b in zip(colours, refined, strict=True)):
            break  # a refinement with as many colours is the same partition
        colours = refined
    classes = [members(layer) for layer in colours[1:-1]]
    return Symmetry(classes, rounds, layers, model if isinstance(model, MLP) else None)


def _layers_of(model: MLP | Sequence[tuple[Any, Any]]) -> Layers:
    if isinstance(model, MLP):
        pairs: Sequence[tuple[Any, Any]] = [
            (layer.weight.data, layer.bias.data) for layer in model.layers
        ]
    elif isinstance(model, (list, tuple)) and all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in model
    ):
        pairs = model
    else:
        raise DataError(
            f"analyze takes an MLP or a list of (weight, bias) pairs, got {type(model).__name__}"
        )
    layers = [(_array(weight), _array(bias)) for weight, bias in pairs]
    if not layers:
        raise DataError("analyze needs at least one layer, and the list is empty")
    for k, (weight, bias) in enumerate(layers):
        follows = k == 0 or weight.shape[:1] == layers[k - 1][0].shape[1:]
        if weight.ndim != 2 or 0 in weight.shape or bias.shape != weight.shape[1:] or not follows:
            raise ShapeError(
                f"layer {k}: weight of shape {weight.shape} and bias of shape {bias.shape} do not "
                f"fit: W is (fan_in, fan_out), b is (fan_out,), and fan_in is the width before"
            )
    return layers


def _array(numbers: Any) -> Array:
    """A copy in which -0 and +0 are one number, since they are equal."""
    array = np.asarray(numbers.data if isinstance(numbers, Tensor) else numbers)
    if array.dtype.kind not in "fiub":
        raise DataError(f"weights are real numbers, got dtype {array.dtype}")
    return array.astype(np.float64) + 0.0


def _refine(layers: Layers, colours: list[Array]) -> list[Array]:
    """One round: new colours for every hidden layer, from the old colours of its neighbours.

    A neuron's own old colour need not go in: finer neighbours can only give finer colours, so
    neurons that were once apart stay apart.
    """
    refined = []
    for k in range(1, len(layers)):
        (incoming, bias), (outgoing, _) = layers[k - 1], layers[k]
        signature = np.column_stack(
            [
                _bits(bias[:, np.newaxis]),
                _bits(_multisets(incoming.T, colours[k - 1])),
                _bits(_multisets(outgoing, colours[k + 1])),
            ]
        )
        refined.append(number_rows(signature))
    return refined


def _multisets(weights: Array, colours: Array) -> Array:
    """Each row of ``weights`` sorted within the columns of each colour: multisets, comparable."""
    by_colour = np.broadcast_to(colours, weights.shape)
    order = np.lexsort((weights, by_colour), axis=-1)
    return np.take_along_axis(weights, order, axis=-1)


def _bits(numbers: Array) -> Array:
    return np.ascontiguousarray(numbers).view(np.int64)


def number_rows(rows: Array) -> Array:
    """Rows of equal bits get equal numbers, counted from 0 in the order of first appearance."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in rows], np.int64)


def members(colours: Array) -> tuple[tuple[int, ...], ...]:
    """The indices that have colour 0, those that have colour 1, and so on."""
    return tuple(
        tuple(int(i) for i in np.flatnonzero(colours == colour))
        for colour in range(int(colours.max()) + 1)
    )


def _singletons(count: int) -> tuple[tuple[int, ...], ...]:
    return tuple((i,) for i in range(count))
