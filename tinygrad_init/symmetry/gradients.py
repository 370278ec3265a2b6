"""What arrives at every neuron: its gradient, the bits of it, and which neurons share them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..autograd import DataError, F, grad
from ..nn import MLP, losses
from .analysis import members, number_rows

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Neuron:
    """One hidden neuron: the gradient of its incoming weights and bias.

    Attributes:
        index: its number in the layer.
        gradient: shape (fan_in + 1,), the bias last.
        digest: the first digits of a SHA-256 of the bits of the gradient.
        class_: the number of its class: neurons with the same bits share it.
    """

    index: int
    gradient: Array
    digest: str
    class_: int

    @property
    def norm(self) -> float:
        """The Euclidean length of the gradient."""
        return float(F.norm(self.gradient))


@dataclass(frozen=True, eq=False)
class NeuronGradients:
    """The gradients of the neurons of one hidden layer; printing it gives a table.

    Attributes:
        layer: the hidden layer, counted from 0.
        neurons: a :class:`Neuron` each, with its ``gradient``, ``norm``, ``digest`` and ``class_``.
    """

    layer: int
    neurons: list[Neuron]

    def __repr__(self) -> str:
        return (
            f"NeuronGradients(layer={self.layer}, {len(self.neurons)} neurons, "
            f"{len(self.classes)} different)"
        )

    @property
    def classes(self) -> tuple[tuple[int, ...], ...]:
        """The neurons whose gradients have the same bits, as tuples of indices."""
        return members(np.array([neuron.class_ for neuron in self.neurons]))

    @property
    def identical(self) -> bool:
        """Whether all neurons receive the same gradient, bit for bit."""
        return len(self.classes) == 1

    @property
    def largest_difference(self) -> float:
        """The largest difference of an entry between two neurons."""
        stacked = np.stack([neuron.gradient for neuron in self.neurons])
        return float(np.ptp(stacked, axis=0).max())

    def chosen(self, rows: int = 5) -> list[Neuron]:
        """The first neurons, and one of every class that is not among them."""
        shown = self.neurons[:rows]
        seen = {neuron.class_ for neuron in shown}
        for neuron in self.neurons[rows:]:
            if neuron.class_ not in seen and len(shown) < 2 * rows:
                seen.add(neuron.class_)
                shown = [*shown, neuron]
        return shown

    def __str__(self) -> str:
        return self.table()

    def table(self, rows: int = 5, entries: int = 2) -> str:
        """The chosen neurons as text, the others counted.

        Entries have 17 digits, which tell any two numbers apart; they are the first that are not
        zero for every neuron (a pixel that is always dark moves no weight).
        """
        fan_in = len(self.neurons[0].gradient) - 1
        shown = self.chosen(rows)
        where = telling_entries(self.neurons, entries)
        heads = "".join(f"{f'dL/dw[{i}]' if i < fan_in else 'dL/db':>24}" for i in where)
        lines = [f"{'neuron':>6}  {'norm':>9}{heads}  {'bits':>8}  class"]
        for neuron in shown:
            cells = "".join(f"{neuron.gradient[i]:>24.16e}" for i in where)
            lines.append(
                f"{neuron.index:>6}  {neuron.norm:>9.3e}{cells}  {neuron.digest:>8}  "
                f"{class_name(neuron.class_)}"
            )
        lines += [f"{'...':>6}  {note}" for note in self.rest(shown)]
        return "\n".join(lines)

    def rest(self, shown: list[Neuron]) -> list[str]:
        """The neurons that are not shown, counted by class."""
        hidden = [neuron for neuron in self.neurons if neuron not in shown]
        counts: dict[int, int] = {}
        for neuron in hidden:
            counts[neuron.class_] = counts.get(neuron.class_, 0) + 1
        if len(counts) > 3:
            return [f"and {len(hidden)} more neurons in {len(counts)} classes"]
        return [
            f"and {count} more neuron{'s' if count > 1 else ''} of class {class_name(number)}"
            for number, count in counts.items()
        ]


def gradients(
    model: MLP, X: ArrayLike, y: ArrayLike, loss: str | losses.Loss = "cross_entropy",
    layer: int = 0,
) -> NeuronGradients:  # fmt: skip
    """The gradient that arrives at every neuron of a hidden layer, in the arithmetic in force.

    Args:
        model: an MLP with a hidden layer.
        X: inputs, shape (N, inputs).
        y: labels or targets, as the loss takes them.
        loss: a loss or its name.
        layer: which hidden layer, from 0.

    Nobody's ``.grad`` is touched.

    >>> import tinygrad_init as tg
    >>> model = tg.nn.MLP([2, 3, 2], weight_init=["constant", "glorot_uniform"], rng=0)
    >>> tied = tg.nn.MLP([2, 3, 1], weight_init="constant")
    >>> with tg.reproducible():
    ...     apart = tg.symmetry.gradients(model, [[1.0, -2.0]], [1])
    ...     equal = tg.symmetry.gradients(tied, [[1.0, -2.0]], [[3.0]], loss="mse")
    >>> apart.classes, equal.classes
    (((0,), (1,), (2,)), ((0, 1, 2),))
    """
    if not isinstance(model, MLP):
        raise DataError(f"gradients of neurons are those of an MLP, got {type(model).__name__}")
    if not 0 <= layer < len(model.layers) - 1:
        raise DataError(
            f"hidden layer {layer} was asked for, counted from 0, and the model has "
            f"{len(model.layers) - 1} of them"
        )
    measure = losses.get(loss)
    hidden = model.layers[layer]
    of_weight, of_bias = grad(measure(model(X), y), [hidden.weight, hidden.bias])
    stacked = np.concatenate([of_weight.data, of_bias.data[np.newaxis]])
    columns = np.ascontiguousarray((stacked + 0.0).T)  # + 0.0: one kind of zero
    neurons = [
        Neuron(index, column, hashlib.sha256(column.tobytes()).hexdigest()[:8], int(class_))
        for index, (column, class_) in enumerate(zip(columns, number_rows(columns), strict=True))
    ]
    return NeuronGradients(layer, neurons)


def class_name(number: int) -> str:
    """A, B, ..., Z, A1, B1, ..."""
    letter = chr(ord("A") + number % 26)
    return letter if number < 26 else f"{letter}{number // 26}"


def telling_entries(neurons: list[Neuron], count: int) -> list[int]:
    """The first entries that are not zero everywhere: a pixel that is always dark says nothing."""
    stacked = np.stack([neuron.gradient for neuron in neurons])
    telling = np.flatnonzero((stacked != 0).any(axis=0))
    return [int(i) for i in (telling if len(telling) else np.arange(stacked.shape[1]))[:count]]
