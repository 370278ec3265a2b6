"""Colour refinement: which neurons of a network compute the same thing, and go on doing so.

Start with all neurons of a hidden layer in one colour, and each input and each output in one of its
own. Then split: two neurons keep a common colour only if their biases are equal and, for every
colour of the layer before and of the layer after, they have the same *multiset* of weights to it.
Repeat until nothing splits. What is left are the classes: their neurons compute equal numbers (a
sum over a class does not care which of its members has which weight), receive equal gradients, and
therefore stay in one class under any update that treats entries alike, as long as sums do not
depend on order, and an optimiser remembers the same of both (at the start, nothing).

Why does it last? Let p exchange neurons of a hidden layer. That changes nothing of what the network
computes, so the loss is the same, L(p w) = L(w) for all weights w. Differentiate: since p only
exchanges entries, the gradient at p w is p times the gradient at w. At weights that p leaves as
they are, p w = w, so p leaves the gradient as it is, too, and after ``w - rate * gradient`` still
p w = w. The same goes for any update that treats entries alike. (Colour refinement finds more than
such exchanges; there the sums over a class take their place in the argument, which
:func:`~tinygrad_init.symmetry.certify` writes out for a given network. Where the activation has a
kink, as relu at 0, "gradient" is what the engine takes for it.)

This is the one-dimensional Weisfeiler-Leman algorithm (1968) on the graph of the weights; Grohe et
al. (2014) use it to make linear programs smaller, as :meth:`Symmetry.quotient` does with networks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..autograd import DataError, F, ShapeError, Tensor
from ..graph import Graph
from ..nn import MLP, scalar
from .colouring import colours

Array = NDArray[Any]
Layers = list[tuple[Array, Array]]  #: (weight of shape (fan_in, fan_out), bias of shape (fan_out,))
Classes = tuple[tuple[int, ...], ...]  #: of one layer, as indices of neurons


@dataclass(frozen=True)
class Symmetry:
    """What :func:`analyze` found.

    Attributes:
        classes: for each hidden layer, the classes as tuples of neuron indices.
        rounds: how many rounds of refinement it took; the last one found nothing more to split.
        tol: how far apart entries could be and still count as equal; 0: not at all.
        widest: the distance of the two entries farthest apart that were taken for equal, possibly
            by a chain of others between them; 0 where ``tol`` is.
    """

    classes: list[Classes]
    rounds: int
    tol: float = 0.0
    widest: float = 0.0
    _layers: Layers = field(repr=False, compare=False, default_factory=list)
    _model: MLP | None = field(repr=False, compare=False, default=None)

    @property
    def effective_widths(self) -> list[int]:
        """For each hidden layer, the number of different neurons."""
        return [len(layer) for layer in self.classes]

    @property
    def is_trivial(self) -> bool:
        """Whether no two neurons are tied."""
        return all(len(group) == 1 for layer in self.classes for group in layer)

    @property
    def all_classes(self) -> list[Classes]:
        """The classes of every layer: inputs, hidden layers, outputs."""
        inputs, outputs = self._layers[0][0].shape[0], self._layers[-1][0].shape[1]
        return [_singletons(inputs), *self.classes, _singletons(outputs)]

    def holds_for(self, model: MLP | scalar.MLP | Sequence[tuple[Any, Any]]) -> bool:
        """Whether these classes are ties of ``model``, too: a later state of the same network.

        That is, one more round of refinement splits none of them. The model may have more ties.

        >>> import tinygrad_init as tg
        >>> model = tg.nn.MLP([4, 5, 3], weight_init="constant")
        >>> start = tg.symmetry.analyze(model)
        >>> model.layers[0].bias.data = [0.0, 0.0, 1.0, 1.0, 1.0]
        >>> start.holds_for(model), tg.symmetry.analyze(model).holds_for(model)
        (False, True)
        """
        layers = _layers_of(model)
        colours = [class_numbers(layer) for layer in self.all_classes]
        if _widths(layers) != [len(layer) for layer in colours]:
            raise ShapeError(
                f"these are classes of a network of widths {[len(layer) for layer in colours]}, "
                f"and the model has {_widths(layers)}"
            )
        refined, _ = _refine(_Weights(layers, self.tol), colours, range(1, len(layers)))
        return _counts(refined) == _counts(colours)

    def colour(self, graph: Graph) -> Graph:
        """A traced network, with each hidden neuron in the colour of its class.

        Constant weights show one colour for each hidden layer, random ones as many as there are
        neurons. Coloured are a neuron's weights and bias, its products, sums and activation. In a
        network of arrays, what has the neurons of a layer along its last axis gets their colours.

        Args:
            graph: what :func:`~tinygrad_init.trace` gives for a result of the model and the model,
                an ``nn.MLP`` or an ``nn.scalar.MLP``; folded or not.

        Raises:
            DataError: if the graph names no parameters of such a network, or is of another.

        >>> import tinygrad_init as tg
        >>> model = tg.nn.scalar.MLP(2, [3, 1], weight=0.5)
        >>> drawing = tg.symmetry.analyze(model).colour(tg.trace(model([1.0, 2.0]), model))
        >>> sorted({node.colour for node in drawing.nodes if node.colour is not None})
        [0]
        >>> model = tg.nn.MLP([2, 3, 1], weight_init="ones")
        >>> drawing = tg.symmetry.analyze(model).colour(tg.trace(model([[1.0, 2.0]]), model))
        >>> [node.colour for node in drawing.nodes if node.operation == "tanh"]
        [(0, 0, 0)]
        """
        return graph.colour(colours(graph.whole, self.classes))

    def quotient(self) -> MLP:
        """The smaller network that computes the same function: one neuron for each class.

        A class sends the sum of what its members send, so the weights from a class to a neuron are
        added up. (With a ``tol`` one member stands for its class, and the function is only about
        the same. An activation that mixes the neurons of a layer, as softmax does, gives another
        function.)

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
        every = self.all_classes
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

    def rate_factors(self) -> list[tuple[Array, Array]]:
        r"""By what to multiply the rate of each entry of the quotient, so that it follows.

        Let :math:`c` and :math:`d` be sizes of two classes. A weight of the quotient stands for
        the sum of :math:`c` weights, which all move: factor :math:`c`. A neuron of the quotient
        stands for :math:`d` neurons and receives the sum of their gradients, :math:`d` times what
        each of them does: factor :math:`1 / d`. So with plain gradient descent at ``rate * c / d``
        for weights and ``rate / d`` for biases, the quotient of the trained network is the trained
        quotient.

        Returns:
            For every layer two arrays, of the shapes of the quotient's weight and bias.

        >>> import tinygrad_init as tg
        >>> tg.symmetry.analyze(tg.nn.MLP([2, 5, 1], weight_init="constant")).rate_factors()
        [(array([[0.2],
               [0.2]]), array([0.2])), (array([[5.]]), array([1.]))]
        """
        sizes = [np.array([len(group) for group in layer], float) for layer in self.all_classes]
        return [
            (np.divide.outer(before, after), 1 / after)
            for before, after in itertools.pairwise(sizes)
        ]

    def __str__(self) -> str:
        lines = [f"colour refinement, {self.rounds} round{'s'[: self.rounds > 1]}"]
        if self.tol:
            lines[0] += (
                f"; entries within {self.tol:g} of each other count as equal, also by a chain of "
                f"such: the two farthest apart differ by {self.widest:.3g}"
            )
        for k, layer in enumerate(self.classes):
            sizes = [len(group) for group in layer]
            lines.append(
                f"hidden layer {k + 1}: {_count(sum(sizes), 'neuron')}, {len(layer)} different "
                f"(largest class: {max(sizes)})"
            )
        return "\n".join(lines)


def analyze(model: MLP | scalar.MLP | Sequence[tuple[Any, Any]], tol: float = 0.0) -> Symmetry:
    """Find the classes of neurons that are tied: bit for bit, unless there is a tolerance.

    A round takes O(E log E) time for E weights, and there are as many as splits can follow from
    one another.

    Args:
        model: an MLP (of an ensemble, one ``model.member(e)``), an ``nn.scalar.MLP``, or
            ``[(W1, b1), (W2, b2), ...]`` from any framework, with W of shape (fan_in, fan_out) and
            any real dtype. (PyTorch's ``Linear`` keeps the transpose: pass ``layer.weight.T``.
            Where all layers are equally wide nothing shows that this was forgotten.)
        tol: entries that are compared with each other (those from one class to the neurons of a
            layer) count as equal if they are within ``tol`` or linked by a chain of entries that
            are, whoever's they are in that layer. Chains can be long where there are many entries:
            the report says how long.

    Raises:
        DataError: if it is no such stack, or its numbers are not real, or ``tol`` is negative.
        ShapeError: if the shapes of neighbouring layers do not fit.

    >>> weight = [[1.0, 1.0, 2.0], [3.0, 3.0, 3.0]]
    >>> found = analyze([(weight, [0.0, 0.0, 0.0]), ([[1.0], [1.0], [1.0]], [0.0])])
    >>> found.classes
    [((0, 1), (2,))]
    >>> nearly = [([[1.0, 1.0 + 1e-9]], [0.0, 0.0]), ([[1.0], [1.0]], [0.0])]
    >>> analyze(nearly).effective_widths, analyze(nearly, tol=1e-6).effective_widths
    ([2], [1])
    """
    if not (isinstance(tol, (int, float, np.number)) and 0 <= tol < math.inf):
        raise DataError(f"a tolerance is a number from 0 on, got tol={tol!r}")
    layers = _layers_of(model)
    weights = _Weights(layers, tol)
    colours = [np.zeros(width, np.int64) for width in _widths(layers)]
    colours[0], colours[-1] = np.arange(len(colours[0])), np.arange(len(colours[-1]))
    rounds, to_look_at = 0, set(range(1, len(layers)))
    while True:
        refined, _ = _refine(weights, colours, to_look_at)
        rounds += 1
        # A refinement with as many colours is the same partition. A layer can only split again
        # after one beside it did.
        split = [k for k in to_look_at if refined[k].max() > colours[k].max()]
        if not split:
            break
        to_look_at = {k + side for k in split for side in (-1, 1)} & set(range(1, len(layers)))
        colours = refined
    classes = [members(layer) for layer in colours[1:-1]]
    # The last round need not have looked everywhere.
    widest = _refine(weights, colours, range(1, len(layers)))[1] if tol else 0.0
    source = model if isinstance(model, MLP) else None
    return Symmetry(classes, rounds, float(tol), widest, layers, source)


def _layers_of(model: MLP | scalar.MLP | Sequence[tuple[Any, Any]]) -> Layers:
    if isinstance(model, MLP):
        if getattr(model, "members", None) is not None:
            raise DataError(
                f"this is an ensemble of {model.members} networks, and each has its own classes: "
                f"analyze one of them, such as model.member(0)"
            )
        parameters = [one for layer in model.layers for one in (layer.weight, layer.bias)]
        if len({id(one) for one in parameters}) < len(parameters):
            raise DataError(
                "two layers of this model share a parameter, which then receives the gradients of "
                "both: ties of such a network are not those of its weights"
            )
        pairs: Sequence[tuple[Any, Any]] = [
            (layer.weight.data, layer.bias.data) for layer in model.layers
        ]
    elif isinstance(model, scalar.MLP):
        pairs = [_pair_of(layer) for layer in model.layers]
    elif isinstance(model, (list, tuple)) and all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in model
    ):
        pairs = model
    else:
        raise DataError(
            f"analyze takes an MLP, also of single numbers, or a list of (weight, bias) pairs, "
            f"got {_what(model)}"
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


def _pair_of(layer: scalar.Layer) -> tuple[Any, Any]:
    """The weight and the bias of a layer whose neurons hold single numbers."""
    rows = [[weight.data for weight in neuron.w] for neuron in layer.neurons]
    return np.array(rows).T, np.array([neuron.b.data for neuron in layer.neurons])


def _what(model: Any) -> str:
    """What was given in place of a network."""
    kind = type(model).__name__
    if not isinstance(model, (list, tuple)):
        return kind
    return f"a {kind} of {', '.join(sorted({type(one).__name__ for one in model}))}"


def _array(numbers: Any) -> Array:
    """A copy, so that the quotient is that of the moment of the analysis."""
    if numbers is None:
        raise DataError("a layer without bias has zeros for it: give np.zeros(fan_out), not None")
    try:
        array = np.array(numbers.data if isinstance(numbers, Tensor) else numbers)
    except ValueError as error:
        raise DataError("weights come as arrays, and these have rows of several lengths") from error
    if array.dtype.kind not in "fiub":
        raise DataError(f"weights are real numbers, got dtype {array.dtype}")
    return array


def _widths(layers: Layers) -> list[int]:
    return [layers[0][0].shape[0], *(weight.shape[1] for weight, _ in layers)]


# One round.


class _Weights:
    """The weights in a form in which they are compared: as codes, equal where numbers are."""

    def __init__(self, layers: Layers, tol: float) -> None:
        self.tol = tol
        as_compared = codes if tol == 0 else np.asarray
        self.layers = [(as_compared(weight), as_compared(bias)) for weight, bias in layers]


def codes(numbers: Array) -> Array:
    """Integers that are equal where the numbers are: +0 and -0 are, and all kinds of nan."""
    if numbers.dtype.kind != "f":
        return numbers.view(np.int8) if numbers.dtype == bool else numbers
    if numbers.dtype.itemsize > 8:  # the bytes of a long double are not all of them digits
        return np.unique(numbers, return_inverse=True)[1].reshape(numbers.shape)
    alike = np.ascontiguousarray(numbers.astype(numbers.dtype.type) + numbers.dtype.type(0))
    alike[np.isnan(alike)] = np.nan
    return alike.view(f"i{alike.dtype.itemsize}")


def _refine(
    weights: _Weights, colours: list[Array], to_look_at: Iterable[int]
) -> tuple[list[Array], float]:
    """New colours for some hidden layers, from the colours of their neighbours.

    And how far apart entries were, at most, that counted as equal.
    """
    refined, widest = list(colours), 0.0
    for k in to_look_at:
        (incoming, bias), (outgoing, _) = weights.layers[k - 1], weights.layers[k]
        # A neuron that is alone in its class cannot split from anybody; but with a tolerance its
        # weights may be links in the chains of others.
        is_tied = np.bincount(colours[k])[colours[k]] > 1
        tied = np.flatnonzero(is_tied | (weights.tol > 0))
        parts = [
            _multisets(bias[tied, np.newaxis], np.zeros(1, np.int64), weights.tol),
            _multisets(incoming.T[tied], colours[k - 1], weights.tol),
            _multisets(outgoing[tied], colours[k + 1], weights.tol),
        ]
        widest = max(widest, *(width for _, width in parts))
        signatures: list[Hashable] = list(colours[k].tolist())
        for row, neuron in enumerate(tied):
            signatures[neuron] = (signatures[neuron], *(part[row].tobytes() for part, _ in parts))
        refined[k] = _number(signatures)
    return refined, widest


def _multisets(weights: Array, colours: Array, tol: float) -> tuple[Array, float]:
    """Each row of ``weights`` ordered by colour, and sorted within each: multisets, comparable.

    With a tolerance, numbers of the clusters to which entries belong take the place of entries;
    and the width of the widest cluster comes with them.
    """
    order = np.argsort(colours, kind="stable")
    grouped = weights[:, order]
    widest = 0.0
    if tol:
        labels = np.empty(grouped.shape, np.int64)
        for block in _blocks(colours):
            labels[:, block], width = _clusters(grouped[:, block], tol)
            widest = max(widest, width)
        grouped = labels
    for block in _blocks(colours):
        if block.stop - block.start > 1:
            grouped[:, block] = np.sort(grouped[:, block], axis=1)
    return np.ascontiguousarray(grouped), widest


def _blocks(colours: Array) -> Iterator[slice]:
    """Where each colour stands, once sorted."""
    ends = np.cumsum(np.bincount(colours)).tolist()
    return (slice(start, stop) for start, stop in itertools.pairwise([0, *ends]))


def _clusters(block: Array, tol: float) -> tuple[Array, float]:
    """Entries numbered by the cluster they belong to, and the width of the widest cluster.

    A gap of more than ``tol`` between neighbours in size ends a cluster (single linkage).
    """
    entries = block.astype(np.float64).ravel()
    if not entries.size:
        return np.zeros(block.shape, np.int64), 0.0
    order = np.argsort(entries, kind="stable")
    row = entries[order]
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf: then they are equal
        is_near = (np.diff(row) <= tol) | (row[1:] == row[:-1]) | np.isnan(row[:-1])
    starts = np.flatnonzero(np.append(True, ~is_near))
    ends = np.append(starts[1:], len(row))
    numbers = np.empty(len(row), np.int64)
    numbers[order] = np.repeat(np.arange(len(starts)), ends - starts)
    with np.errstate(invalid="ignore", over="ignore"):
        widths = row[ends - 1] - row[starts]
    return numbers.reshape(block.shape), float(np.nanmax(widths, initial=0.0))


def _number(signatures: Iterable[Hashable]) -> Array:
    """Equal signatures get equal numbers, counted from 0 in the order of first appearance."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(one, len(numbers)) for one in signatures], np.int64)


def number_rows(rows: Array) -> Array:
    """The same for the bits of rows."""
    return _number(row.tobytes() for row in rows)


# Colours and classes say the same.


def members(colours: Array) -> Classes:
    """The indices that have colour 0, those that have colour 1, and so on."""
    return tuple(
        tuple(int(i) for i in np.flatnonzero(colours == colour))
        for colour in range(int(colours.max()) + 1)
    )


def class_numbers(classes: Classes) -> Array:
    """For each neuron, the number of its class."""
    colours = np.empty(sum(map(len, classes)), np.int64)
    for colour, group in enumerate(classes):
        colours[list(group)] = colour
    return colours


def _counts(colours: list[Array]) -> list[int]:
    return [int(layer.max()) + 1 for layer in colours]


def _singletons(count: int) -> Classes:
    return tuple((i,) for i in range(count))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s'[: number != 1]}"
