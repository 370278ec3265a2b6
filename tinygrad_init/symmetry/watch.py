"""Training under watch: at every step, everything that tied neurons have in common is compared.

That is: what they compute (columns of every array on the way through their layer), the gradients
that arrive there, the gradients of their weights (one number on a block), and the weights after the
update (entries that started equal). All in bits, in the order in which the step computes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..autograd import DataError, Node, Tensor, backpropagate
from ..autograd.opened import opened
from ..autograd.tape import youngest_first
from ..nn import MLP
from ..nn.losses import Loss
from ..nn.optim import Optimiser
from .analysis import Symmetry, class_numbers, codes
from .blocks import blocks_of, partners

Array = NDArray[Any]
Batch = tuple[Any, Any]


@dataclass(frozen=True)
class Break:
    """The first place at which two neurons that were tied differ.

    Attributes:
        step: counted from 1.
        phase: ``"forward"``, ``"backward"`` or ``"update"``.
        operation: what computed the two numbers.
        layer: the hidden layer, counted from 1.
        neurons: the two, counted from 0.
        where: which of their numbers, in words.
        values: the two numbers.
    """

    step: int
    phase: str
    operation: str
    layer: int
    neurons: tuple[int, int]
    where: str
    values: tuple[float, float]

    @property
    def difference(self) -> float:
        """How far apart they are."""
        return abs(self.values[1] - self.values[0])

    def __str__(self) -> str:
        a, b = self.neurons
        return (
            f"step {self.step}, {self.phase}, {self.operation}: neurons {a} and {b} of hidden "
            f"layer {self.layer} differ by {self.difference:.1e} ({self.where}: "
            f"{self.values[0]!r} and {self.values[1]!r})"
        )


@dataclass(frozen=True, eq=False)
class Run:
    """A training run, and what was seen of its ties.

    Attributes:
        steps: how many.
        compared: how many pairs of numbers, until the first that differed or the end.
        first_break: that pair; ``None`` if there was none.
        distance: at the end, between two entries that started equal and together.
        diverged: after which step a parameter was no longer finite; ``None`` if all were.
        losses: before each step.
        digest: SHA-256 of all parameters at the start and after each step, little-endian.
        model: the trained network.
    """

    steps: int
    compared: int
    first_break: Break | None
    distance: float
    diverged: int | None
    losses: list[float]
    digest: str
    model: MLP


def watch(
    model: MLP, batches: Iterable[Batch], loss: Loss, optimiser: Optimiser, symmetry: Symmetry
) -> Run:
    """Train ``model`` (itself, not a copy) in the arithmetic in force, comparing at every step.

    >>> import tinygrad_init as tg
    >>> model = tg.nn.MLP([2, 3, 1], weight_init="constant")
    >>> found = tg.symmetry.analyze(model)
    >>> batch = ([[1.0, 2.0]], [[3.0]])
    >>> with tg.reproducible():
    ...     run = watch(model, [batch] * 5, tg.losses.mse, tg.optim.SGD(model.parameters()), found)
    >>> run.steps, run.compared, run.first_break, run.distance
    (5, 140, None, 0.0)
    """
    watcher = _Watcher(model, symmetry)
    digest = hashlib.sha256()
    losses: list[float] = []
    diverged: int | None = None
    _add_bits(digest, model)
    for X, y in batches:
        computed = one_number(loss(model(X), y))
        value: Any = opened(computed)[computed]  # a product and a bias may each break a tie
        losses.append(float(value.data.reshape(())))
        gradients = backpropagate(value)
        watcher.step(value, gradients)
        for parameter in model.parameters():
            parameter.grad = gradients.get(parameter)
        optimiser.step()
        watcher.after_update(optimiser)
        _add_bits(digest, model)
        if diverged is None and not all(np.isfinite(p.data).all() for p in model.parameters()):
            diverged = len(losses)
    return Run(
        len(losses), watcher.compared, watcher.first_break, watcher.distance(), diverged, losses,
        digest.hexdigest(), model,
    )  # fmt: skip


def one_number(value: Any) -> Tensor:
    """The value of a loss, if it is one.

    Raises:
        DataError: if it is no Tensor with one entry.
    """
    if not isinstance(value, Tensor) or value.size != 1:
        given = f"shape {value.shape}" if isinstance(value, Tensor) else type(value).__name__
        raise DataError(f"a loss gives a Tensor with one entry, and this one gave {given}")
    return value


def _add_bits(digest: Any, model: MLP) -> None:
    for parameter in model.parameters():
        data = parameter.data
        digest.update(data.astype(data.dtype.newbyteorder("<")).tobytes())


class _Watcher:
    """Compares until something differs."""

    def __init__(self, model: MLP, symmetry: Symmetry) -> None:
        self.model = model
        self.steps = self.compared = 0
        self.first_break: Break | None = None
        blocks = blocks_of(symmetry)
        columns = [class_numbers(layer) for layer in symmetry.classes]
        # A column is compared with the first of its class; an entry of a gradient with the first
        # of its block; an entry of the weights with the first that started equal in its block.
        self.of_columns = [partners(np.zeros(len(layer)), layer) for layer in columns]
        self.of_gradients = [partners(np.zeros(block.shape), block) for block in blocks]
        self.of_weights = [
            partners(parameter.data, block)
            for parameter, block in zip(model.parameters(), blocks, strict=True)
        ]

    def step(self, value: Any, gradients: Mapping[Node, Any]) -> None:
        """Forward and backward."""
        self.steps += 1
        if self.first_break is not None:
            return
        layers = dict(_hidden_nodes(value, self.model))
        for node, layer in layers.items():
            self._compare_columns("forward", _name(node), layer, node._data)
        rules = {
            argument: node
            for node in reversed(youngest_first(value))
            for argument in node.arguments
            if isinstance(argument, Node)
        }
        numbers: dict[Node, int] = {
            parameter: k for k, parameter in enumerate(self.model.parameters())
        }
        for node, gradient in gradients.items():
            rule = f"derivative of {_name(rules[node])}" if node in rules else ""
            if node in layers:
                self._compare_columns("backward", rule, layers[node], gradient)
            elif node in numbers:
                where = self.of_gradients[numbers[node]]
                self._compare_entries("backward", rule, numbers[node], gradient, where, "dL/d")

    def after_update(self, optimiser: Optimiser) -> None:
        """The weights."""
        for k, parameter in enumerate(self.model.parameters()):
            name = type(optimiser).__name__
            self._compare_entries("update", name, k, parameter.data, self.of_weights[k], "")

    def distance(self) -> float:
        """The largest distance now between entries that started equal and together."""
        found = [0.0]
        for parameter, (places, firsts) in zip(
            self.model.parameters(), self.of_weights, strict=True
        ):
            entries = parameter.data.ravel().astype(np.float64)
            found.append(float(np.abs(entries[places] - entries[firsts]).max(initial=0.0)))
        return float(np.max(found))  # nan, if one of them is

    def _compare_columns(self, phase: str, operation: str, layer: int, array: Array) -> None:
        places, firsts = self.of_columns[layer]
        found = self._first_difference(array.reshape(-1, array.shape[-1]), places, firsts)
        if found is not None:
            row, column, first, values = found
            where = f"example {row}"
            self._report(phase, operation, layer, (first, column), where, values)

    def _compare_entries(
        self, phase: str, operation: str, k: int, array: Array, pairs: tuple[Array, Array], d: str
    ) -> None:
        found = self._first_difference(array.reshape(1, -1), *pairs)
        if found is None:
            return
        _, place, first, values = found
        here, there = (
            tuple(map(int, np.unravel_index(flat, array.shape))) for flat in (place, first)
        )
        layer, is_bias = divmod(k, 2)
        neurons = (there[-1], here[-1])
        if neurons[0] == neurons[1]:  # the rows of a matrix belong to the layer before
            layer, neurons = layer - 1, (there[0], here[0])
        name = d + f"{'b' if is_bias else 'W'}{k // 2 + 1}"
        where = f"{name}{list(there)} and {name}{list(here)}"
        self._report(phase, operation, layer, neurons, where, values)

    def _first_difference(
        self, rows: Array, places: Array, firsts: Array
    ) -> tuple[int, int, int, tuple[float, float]] | None:
        """Row, place and partner of the first numbers that differ in bits, and these."""
        if self.first_break is not None:
            return None
        bits = codes(rows)
        differs = bits[:, places] != bits[:, firsts]
        self.compared += differs.size
        if not differs.any():
            return None
        row, k = np.unravel_index(int(differs.argmax()), differs.shape)
        place, first = int(places[k]), int(firsts[k])
        return int(row), place, first, (float(rows[row, first]), float(rows[row, place]))

    def _report(
        self, phase: str, operation: str, layer: int, neurons: tuple[int, int], where: str,
        values: tuple[float, float],
    ) -> None:  # fmt: skip
        self.first_break = Break(self.steps, phase, operation, layer + 1, neurons, where, values)


def _hidden_nodes(value: Node, model: MLP) -> Iterator[tuple[Node, int]]:
    """Every node of the tape that has a column for each neuron of a hidden layer, oldest first.

    A product with the weights of a layer enters it; what has the same shape and comes of it is in
    it still, up to the product with the next weights.
    """
    entered: dict[Node, int] = {layer.weight: k for k, layer in enumerate(model.layers)}
    inside: dict[Any, tuple[int, tuple[int, ...]]] = {}
    for node in reversed(youngest_first(value)):
        by_weights = [entered[a] for a in node.arguments if isinstance(a, Node) and a in entered]
        known = [inside[a] for a in node.arguments if isinstance(a, Node) and a in inside]
        shape = np.shape(node._data)
        if by_weights:
            inside[node] = by_weights[0], shape
        elif known and known[0][1] == shape:
            inside[node] = known[0]
        if node in inside and inside[node][0] < len(model.layers) - 1:
            yield node, inside[node][0]


def _name(node: Node) -> str:
    return node.operation.name if node.operation else node.describe()
