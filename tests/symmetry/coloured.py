"""Coloured networks, their training, and a judge that knows nothing of colour refinement.

A network is coloured when its hidden neurons fall into classes such that between any two classes
every row of weights holds the same numbers, in some order, and so does every column. (Inputs and
outputs are classes of one.) The theorem says that training cannot split these classes as long as
sums do not depend on the order of their terms. Here such networks are drawn (``Configuration``,
``network``), trained (``train``), and watched (``Ties``), for the tests of the theorem and for
``python -m benchmarks.theorem``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

import tinygrad_init as tg

Array = NDArray[Any]
Classes = Sequence[Sequence[Sequence[int]]]  #: for each hidden layer its classes, as indices
Data = tuple[Array, Array]
T = TypeVar("T")

STEPS = 200
EXAMPLES = 48
LARGEST_BATCH = 12

ACTIVATIONS = ["tanh", "sigmoid", "relu", "gelu", "softsign"]
LOSSES = ["cross_entropy", "mse"]
DTYPES = ["float64", "float32"]

#: A row: the class in ``tg.optim``, its settings, and how its weight decay is meant.
OPTIMISERS: dict[str, tuple[type[tg.optim.Optimiser], dict[str, Any], str]] = {
    "SGD":                    (tg.optim.SGD, {"lr": 0.05}, "coupled"),
    "momentum":               (tg.optim.SGD, {"lr": 0.02, "momentum": 0.9}, "coupled"),
    "Nesterov":               (tg.optim.SGD, {"lr": 0.02, "momentum": 0.9, "nesterov": True},
                               "coupled"),
    "RMSProp":                (tg.optim.RMSProp, {"lr": 0.005}, "coupled"),
    "RMSProp, with momentum": (tg.optim.RMSProp, {"lr": 0.002, "momentum": 0.8}, "coupled"),
    "Adam":                   (tg.optim.Adam, {"lr": 0.01}, "coupled"),
    "AdamW":                  (tg.optim.AdamW, {"lr": 0.01}, "decoupled"),
    "Adagrad":                (tg.optim.Adagrad, {"lr": 0.03}, "coupled"),
}  # fmt: skip

#: How the classes and the numbers between them are drawn.
STRUCTURES = {
    "constant": "one class in each layer, one number for all its weights",
    "copies":   "one layer has classes, each neuron of the others is alone",
    "blocks":   "classes of random sizes, one number between any two",
    "latin":    "one class in each layer, Latin squares of random numbers between them",
    "mixed":    "classes of random sizes, as many random numbers between two as fit",
}  # fmt: skip
RANDOM = "random"  #: no classes: every number is drawn


# What is trained.


@dataclass(frozen=True)
class Configuration:
    """One network with its way of learning; everything random about it follows from the seed."""

    sizes: tuple[int, ...]
    structure: str
    activation: str = "tanh"
    loss: str = "cross_entropy"
    optimiser: str = "SGD"
    weight_decay: float = 0.0
    clip: float | None = None
    has_groups: bool = False
    dtype: str = "float64"
    seed: int = 0

    @property
    def decay(self) -> str:
        """How weights decay: not at all, coupled to the gradient, or decoupled from it."""
        return OPTIMISERS[self.optimiser][2] if self.weight_decay else "none"

    def random(self, purpose: str) -> np.random.Generator:
        """A stream for each purpose, so that the data do not depend on how weights are drawn."""
        return np.random.default_rng([self.seed, *purpose.encode()])


class Choose(Protocol):
    """Takes one of the options: at random, or as Hypothesis likes."""

    def __call__(self, options: Sequence[T]) -> T: ...


def at_random(rng: np.random.Generator) -> Choose:
    """Every option is as likely as every other."""
    return lambda options: options[int(rng.integers(len(options)))]


def configuration(
    choose: Choose,
    *,
    structures: Sequence[str] = tuple(STRUCTURES),
    depths: Sequence[int] = (1, 2, 3, 4),
    widths: Sequence[int] = range(1, 71),
    optimisers: Sequence[str] = tuple(OPTIMISERS),
) -> Configuration:
    """Any combination, with its options chosen one by one."""
    structure = choose(structures)
    depth = choose(depths)
    hidden = [choose(widths) for _ in range(depth)]
    if structure == "latin" or (structure == "mixed" and choose([True, False])):
        hidden = hidden[:1] * depth  # squares between the layers
    return Configuration(
        sizes=(choose(range(1, 7)), *hidden, choose(range(2, 5))),
        structure=structure,
        activation=choose(ACTIVATIONS),
        loss=choose(LOSSES),
        optimiser=choose(optimisers),
        weight_decay=choose([0.0, 0.01]),
        clip=choose([None, 0.1]),
        has_groups=choose([False, True]),
        dtype=choose(DTYPES),
        seed=choose(range(10_000)),
    )


def network(configuration: Configuration) -> tuple[tg.nn.MLP, list[Array]]:
    """An MLP with coloured weights, and the number of the class of each neuron, by layer."""
    rng = configuration.random("weights")
    sizes, structure = configuration.sizes, configuration.structure
    colours = _colours(sizes, structure, rng)
    model = tg.nn.MLP(
        sizes, configuration.activation, weight_init="zeros", dtype=configuration.dtype
    )
    period = math.gcd if structure in {"latin", "mixed", RANDOM} else lambda rows, columns: 1
    one_number = float(rng.choice([*uniform(rng, 3), 0.0]))
    for layer, before, after in zip(model.layers, colours, colours[1:], strict=False):
        if structure == "constant":
            weight = np.full((len(before), len(after)), one_number)
        else:
            weight = coloured_matrix(before, after, period, rng)
        biases = uniform(rng, len(after)) * 0.2 * rng.integers(2)
        layer.weight.data = weight * _scale(weight)
        layer.bias.data = biases[after]
    return model, colours


def uniform(rng: np.random.Generator, *shape: int) -> Array:
    """From -1 to 1, with the same bits on every machine (``rng.normal`` asks the C library)."""
    return 2 * rng.random(shape) - 1


def _scale(weight: Array) -> float:
    """A power of two that brings the spectral norm near 1: signals neither explode nor vanish.

    Being a power of two it scales exactly, and the last bits of the norm do not matter.
    """
    norm = float(np.linalg.norm(weight, 2))
    return 2.0 ** -round(math.log2(norm)) if norm else 1.0


def _colours(sizes: Sequence[int], structure: str, rng: np.random.Generator) -> list[Array]:
    alone = [np.arange(size) for size in sizes]
    hidden = range(1, len(sizes) - 1)
    if structure in {"constant", "latin"}:
        return [alone[0], *(np.zeros(sizes[k], int) for k in hidden), alone[-1]]
    if structure == RANDOM:
        return alone
    if structure == "copies":
        hidden = range(tied := int(rng.choice(hidden)), tied + 1)
    colours = alone.copy()
    for k in hidden:
        is_as_before = k - 1 in hidden and sizes[k] == sizes[k - 1] and rng.random() < 0.7
        sorted_colours = np.sort(colours[k - 1]) if is_as_before else _runs(sizes[k], rng)
        colours[k] = rng.permutation(sorted_colours)
    return colours


def _runs(width: int, rng: np.random.Generator) -> Array:
    """0, 0, 0, 1, 2, 2 and the like: classes of random sizes."""
    most = int(rng.choice([3, 8, width]))
    starts = rng.choice(np.arange(1, width + 1), size=rng.integers(min(most, width)), replace=False)
    return np.searchsorted(np.sort(starts), np.arange(width), side="right")


def coloured_matrix(
    before: Array, after: Array, period: Callable[[int, int], int], rng: np.random.Generator
) -> Array:
    """Weights such that between two colours all rows hold the same numbers, and all columns do.

    Between p neurons and q neurons there are ``period(p, q)`` numbers, a divisor of p and of q:
    they go round along each row, and the next row starts one later. Then rows and columns are
    shuffled. Where p = q = period this is a Latin square.
    """
    weight = np.empty((len(before), len(after)))
    for a, b in itertools.product(np.unique(before), np.unique(after)):
        rows, columns = np.flatnonzero(before == a), np.flatnonzero(after == b)
        numbers = uniform(rng, period(len(rows), len(columns)))
        round_ = np.add.outer(rng.permutation(len(rows)), rng.permutation(len(columns)))
        weight[np.ix_(rows, columns)] = numbers[round_ % len(numbers)]
    return weight


def layers_of(model: tg.nn.MLP) -> list[tuple[Array, Array]]:
    """The weights and biases, layer by layer."""
    return [(layer.weight.data, layer.bias.data) for layer in model.layers]


def permuted(model: tg.nn.MLP, orders: Sequence[Array]) -> list[tuple[Array, Array]]:
    """The weights and biases with the hidden neurons of each layer in another order."""
    every = [np.arange(model.sizes[0]), *orders, np.arange(model.sizes[-1])]
    return [
        (weight[np.ix_(before, after)], bias[after])
        for (weight, bias), before, after in zip(layers_of(model), every, every[1:], strict=False)
    ]


def twin(configuration: Configuration) -> tuple[tg.nn.MLP, tg.nn.MLP, list[Array]]:
    """A network, the same with its hidden neurons in another order, and these orders."""
    rng = configuration.random("orders")
    orders = [rng.permutation(width) for width in configuration.sizes[1:-1]]
    (model, _), (other, _) = network(configuration), network(configuration)
    for layer, (weight, bias) in zip(other.layers, permuted(model, orders), strict=True):
        layer.weight.data, layer.bias.data = weight, bias
    return model, other, orders


def data(configuration: Configuration) -> Data:
    """Random features, random targets: what is learned does not matter to a tie."""
    rng = configuration.random("data")
    features, outputs = configuration.sizes[0], configuration.sizes[-1]
    X = 2 * uniform(rng, EXAMPLES, features).astype(configuration.dtype)
    if configuration.loss == "mse":
        return X, uniform(rng, EXAMPLES, outputs).astype(configuration.dtype)
    return X, rng.integers(0, outputs, EXAMPLES)


# How it is trained.


def optimiser_of(
    configuration: Configuration, layers: Sequence[Sequence[tg.Tensor]]
) -> tg.optim.Optimiser:
    """The optimiser; with groups, a later layer goes more slowly, and only the first decays."""
    make, settings, _ = OPTIMISERS[configuration.optimiser]
    settings = {**settings, "weight_decay": configuration.weight_decay}
    if not configuration.has_groups:
        return make([parameter for layer in layers for parameter in layer], **settings)
    return make(
        [
            {
                "parameters": layer,
                "lr": settings["lr"] / (k + 1),
                "weight_decay": configuration.weight_decay * (k == 0),
            }
            for k, layer in enumerate(layers)
        ],
        **settings,
    )


def train(
    model: tg.nn.MLP, configuration: Configuration, examples: Data | None = None, steps: int = STEPS
) -> Iterator[list[Array]]:
    """Train on random minibatches of random sizes, in the arithmetic in force at each step.

    Yields after every step what came out of the hidden neurons in it. Gradients are still there.
    """
    X, y = data(configuration) if examples is None else examples
    rng = configuration.random("batches")
    optimiser = optimiser_of(configuration, [layer.parameters() for layer in model.layers])
    loss = getattr(tg.losses, configuration.loss)
    for _ in range(steps):
        batch = rng.permutation(len(X))[: rng.integers(1, LARGEST_BATCH + 1)]
        optimiser.zero_grad()
        with _listening(model) as hidden:
            loss(model(X[batch]), y[batch]).backward()
        if configuration.clip is not None:
            tg.optim.clip_norm(model.parameters(), configuration.clip)
        optimiser.step()
        yield hidden


class _listening:  # noqa: N801 - reads like a keyword
    """Notes what the activations of a model return."""

    def __init__(self, model: tg.nn.MLP) -> None:
        self.model, self.activation = model, model.activation

    def __enter__(self) -> list[Array]:
        heard: list[Array] = []
        known = self.activation
        activate = tg.nn.ACTIVATIONS[known] if isinstance(known, str) else known

        def noting(z: Any) -> Any:
            h = activate(z)
            heard.append(h.data)
            return h

        self.model.activation = noting
        return heard

    def __exit__(self, *exception: object) -> None:
        self.model.activation = self.activation


# The judge.


def bits(numbers: Array) -> Array:
    """The bits of floating-point numbers as whole numbers, so that -0 is not 0."""
    return np.ascontiguousarray(numbers).view(f"i{numbers.dtype.itemsize}")


def parameter_bits(model: tg.nn.Module) -> bytes:
    """All parameters in one string."""
    return b"".join(parameter.data.tobytes() for parameter in model.parameters())


def is_inside(fine: Classes, coarse: Classes) -> bool:
    """Whether every class of the one is part of a class of the other."""
    return all(
        any(set(group) <= set(larger) for larger in layer)
        for groups, layer in zip(fine, coarse, strict=True)
        for group in groups
    )


class Ties:
    """Watches, bit for bit, whether the neurons of a class are still tied.

    Args:
        model: the network at the start.
        classes: which neurons are to stay tied, for each hidden layer.
    """

    def __init__(self, model: tg.nn.MLP, classes: Classes) -> None:
        inputs, outputs = model.sizes[0], model.sizes[-1]
        alone = [[[i] for i in range(count)] for count in (inputs, outputs)]
        every = [alone[0], *classes, alone[1]]
        self.classes = [[list(group) for group in layer] for layer in every]
        #: for every neuron, the first of its class
        self.first = [_first_of_class(layer) for layer in self.classes]
        #: for every weight, the first with the same bits between the same two classes
        self.like = [
            _first_alike(bits(layer.weight.data), before, after)
            for layer, before, after in zip(
                model.layers, self.first, self.first[1:], strict=False
            )
        ]

    def broken(self, model: tg.nn.MLP, hidden: Sequence[Array] = ()) -> str:
        """What is not tied any more, in words; nothing if all is.

        Args:
            model: the same network at a later time.
            hidden: what came out of the hidden layers, shape (N, width) each.
        """
        for k, layer in enumerate(model.layers):
            if problem := self._broken_layer(k, layer.weight.data, layer.bias.data):
                return f"layer {k + 1}: {problem}"
        for k, activations in enumerate(hidden):
            seen = bits(activations)
            if (seen != seen[:, self.first[k + 1]]).any():
                return f"hidden layer {k + 1}: activations differ in a class"
        return ""

    def _broken_layer(self, k: int, weight: Array, bias: Array) -> str:
        weight, bias = bits(weight), bits(bias)
        if (bias != bias[self.first[k + 1]]).any():
            return "biases differ in a class"
        for numbers, senders, first in (
            (weight, self.classes[k], self.first[k + 1]),
            (weight.T, self.classes[k + 1], self.first[k]),
        ):
            for group in senders:
                multisets = np.sort(numbers[group], axis=0)
                if (multisets != multisets[:, first]).any():
                    way = "incoming" if numbers is weight else "outgoing"
                    return f"the multisets of {way} weights differ in a class"
        if (weight.ravel() != weight.ravel()[self.like[k]]).any():
            return "weights that were equal at the start of a block differ"
        return ""


def _first_of_class(classes: Sequence[Sequence[int]]) -> Array:
    first = np.empty(sum(map(len, classes)), int)
    for group in classes:
        first[list(group)] = group[0]
    return first


def _first_alike(weight: Array, before: Array, after: Array) -> Array:
    keys = np.stack(
        [*np.broadcast_arrays(before[:, np.newaxis], after), weight], axis=-1
    ).reshape(-1, 3)
    _, first, which = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return first[which.ravel()]


def first_break(model: tg.nn.MLP, configuration: Configuration) -> tuple[int, str]:
    """At which step of its training a tie breaks, and how; ``(0, "")`` if none does.

    The ties are those that ``analyze`` finds at the start, and must still find at the end; the
    arithmetic is the one in force.
    """
    start = tg.symmetry.analyze(model).classes
    ties = Ties(model, start)
    for step, hidden in enumerate(train(model, configuration), start=1):
        if problem := ties.broken(model, hidden):
            return step, problem
    if not is_inside(start, tg.symmetry.analyze(model).classes):
        return STEPS, "analyze finds finer classes than at the start"
    return 0, ""
