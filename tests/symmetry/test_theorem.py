"""The theorem of symmetric weights: training never splits a class, as long as sums have no order.

Copies stay copies, and so do neurons that colour refinement ties in less obvious ways, bit for bit,
with every optimiser, activation and loss. The judge (``Ties``) compares bits and knows nothing of
colour refinement; that it is not blind is tested as well.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import tinygrad_init as tg
from tests.symmetry import coloured
from tests.symmetry.coloured import (
    Classes,
    Configuration,
    Ties,
    at_random,
    bits,
    first_break,
    is_inside,
    layers_of,
    permuted,
    train,
    twin,
)

Array = NDArray[Any]
Layers = list[tuple[Array, Array]]
Pair = tuple[int, int, int]  #: a hidden layer and two of its neurons

EXAMPLES = 8  #: configurations that Hypothesis chooses for each of the eight optimisers


def _classes(model: tg.nn.MLP) -> Classes:
    return tg.symmetry.analyze(model).classes


def _groups(colours: Array) -> list[list[int]]:
    return [np.flatnonzero(colours == colour).tolist() for colour in np.unique(colours)]


# The theorem.


def _check_the_theorem(configuration: Configuration) -> tg.nn.MLP:
    model, colours = coloured.network(configuration)
    start = _classes(model)
    assert is_inside([_groups(layer) for layer in colours[1:-1]], start)
    before = coloured.parameter_bits(model)
    with tg.reproducible():
        assert first_break(model, configuration) == (0, ""), configuration
    assert is_inside(start, _classes(model)), configuration
    assert coloured.parameter_bits(model) != before, "nothing was learned"
    assert all(np.isfinite(parameter.data).all() for parameter in model.parameters())
    return model


def _options(configurations: Sequence[Configuration]) -> set[Any]:
    """Which options occur in them."""
    return {
        option
        for c in configurations
        for option in (
            c.structure, ("hidden layers", len(c.sizes) - 2), c.activation, c.loss, c.optimiser,
            ("decay", c.decay), ("clip", c.clip is not None), ("groups", c.has_groups), c.dtype,
        )
    }  # fmt: skip


ALL_OPTIONS = {
    *coloured.STRUCTURES, *(("hidden layers", depth) for depth in (1, 2, 3, 4)),
    *coloured.ACTIVATIONS, *coloured.LOSSES, *coloured.OPTIMISERS, *coloured.DTYPES,
    *(("decay", kind) for kind in ("none", "coupled", "decoupled")),
    *((name, given_) for name in ("clip", "groups") for given_ in (False, True)),
}  # fmt: skip


@pytest.mark.parametrize(("number", "optimiser"), list(enumerate(coloured.OPTIMISERS)))
def test_no_class_splits_whatever_hypothesis_chooses(number: int, optimiser: str) -> None:
    chosen = set()

    # A seed for each optimiser, or all would meet the same networks. Shrinking would take minutes.
    @seed(number)
    @settings(deadline=None, max_examples=EXAMPLES + 1, database=None, phases=[Phase.generate])
    @given(st.data())
    def check(data: st.DataObject) -> None:
        configuration = coloured.configuration(
            lambda options: data.draw(st.sampled_from(options)), optimisers=[optimiser]
        )
        chosen.add(configuration)
        _check_the_theorem(configuration)

    check()
    assert len(chosen) >= EXAMPLES
    assert max(width for c in chosen for width in c.sizes[1:-1]) > 40


#: Seeds by which every layer of the networks below has ties, and learns (no ReLU is dead).
SEEDS = (0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1)


def _one_by_one() -> list[Configuration]:
    """Every optimiser with every kind of decay; the other options take turns."""
    found = []
    for k, (optimiser, decay) in enumerate(itertools.product(coloured.OPTIMISERS, (0.0, 0.01))):
        structure = list(coloured.STRUCTURES)[k % 5]
        depth = 1 + (k + k // 4) % 4
        widths = [(17, 33, 6, 19)[(k + i * (structure != "latin")) % 4] for i in range(depth)]
        found.append(
            Configuration(
                (4, *widths, 3), structure, coloured.ACTIVATIONS[(k + k // 2) % 5],
                coloured.LOSSES[k // 3 % 2], optimiser, decay, (None, 0.1)[k // 2 % 2],
                bool(k // 4 % 2), coloured.DTYPES[(k + k // 2) % 2], seed=SEEDS[k],
            )
        )  # fmt: skip
    return found


@pytest.mark.parametrize(
    "configuration", _one_by_one(), ids=lambda c: f"{c.optimiser}, decay {c.decay}, {c.structure}"
)
def test_no_class_splits(configuration: Configuration) -> None:
    start = layers_of(coloured.network(configuration)[0])
    end = layers_of(_check_the_theorem(configuration))
    assert all((w != v).any() for (w, _), (v, _) in zip(start, end, strict=True))


def test_every_option_occurs_in_the_list() -> None:
    assert _options(_one_by_one()) == ALL_OPTIONS


def test_the_lists_of_options_are_those_of_the_theorem() -> None:
    kinds = {make for make, _, _ in coloured.OPTIMISERS.values()}
    assert kinds == {
        tg.optim.SGD, tg.optim.RMSProp, tg.optim.Adam, tg.optim.AdamW, tg.optim.Adagrad
    }  # fmt: skip
    assert set(coloured.ACTIVATIONS) == {"tanh", "sigmoid", "relu", "gelu", "softsign"}


# The networks are what they are said to be.


def _refined(layers: Layers) -> list[list[list[int]]]:
    """Colour refinement as it is defined, with Python's own numbers."""
    sizes = [len(layers[0][0]), *(len(bias) for _, bias in layers)]
    every = [[list(range(size))] for size in sizes]
    every[0], every[-1] = ([[i] for i in range(size)] for size in (sizes[0], sizes[-1]))
    while True:
        finer = [every[0]]
        for k in range(1, len(sizes) - 1):
            (into, bias), (out, _) = layers[k - 1], layers[k]
            alike: dict[Any, list[int]] = {}
            for own, group in enumerate(every[k]):
                for j in group:
                    incoming = [Counter(into[before, j].tolist()) for before in every[k - 1]]
                    outgoing = [Counter(out[j, after].tolist()) for after in every[k + 1]]
                    multisets = [frozenset(c.items()) for c in (*incoming, *outgoing)]
                    alike.setdefault((own, float(bias[j]), *multisets), []).append(j)
            finer.append(sorted(alike.values()))
        finer.append(every[-1])
        if sum(map(len, finer)) == sum(map(len, every)):
            return finer[1:-1]
        every = finer


def _sorted(classes: Classes) -> list[list[list[int]]]:
    return [sorted(sorted(group) for group in layer) for layer in classes]


@pytest.mark.parametrize("structure", coloured.STRUCTURES)
def test_coloured_networks_have_the_classes_they_were_drawn_with(structure: str) -> None:
    choose, are_varied = at_random(np.random.default_rng(0)), 0
    for _ in range(25):
        model, colours = coloured.network(coloured.configuration(choose, structures=[structure]))
        drawn, found = [_groups(layer) for layer in colours[1:-1]], _classes(model)
        assert is_inside(drawn, found)
        assert _sorted(found) == _refined(layers_of(model))
        for (weight, _), before, after in zip(
            layers_of(model), colours, colours[1:], strict=False
        ):
            blocks = itertools.product(_groups(before), _groups(after))
            are_varied += any(len(np.unique(weight[np.ix_(*block)])) > 1 for block in blocks)
    assert bool(are_varied) == (structure in {"latin", "mixed"})


def test_a_latin_square_has_every_number_once_in_each_row_and_column() -> None:
    seven = np.zeros(7, int)
    square = coloured.coloured_matrix(seven, seven, np.gcd, np.random.default_rng(0))
    numbers = sorted(square[0])
    assert len(set(numbers)) == 7
    assert all(sorted(line) == numbers for line in (*square, *square.T))


# The judge is not blind.


def _latin(**changes: Any) -> Configuration:
    return replace(Configuration((4, 9, 9, 3), "latin", seed=1), **changes)


def _nudge(parameter: tg.Tensor, where: int) -> None:
    """Change one entry by one unit in the last place."""
    numbers = parameter.data.copy()
    numbers.flat[where] = np.nextafter(numbers.flat[where], numbers.dtype.type(np.inf))
    parameter.data = numbers


@pytest.mark.parametrize("dtype", coloured.DTYPES)
@pytest.mark.parametrize("step", [1, 2, 57, 200])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("layers.0.weight", "layer 1: the multisets of incoming"),
        ("layers.0.bias", "layer 1: biases"),
        ("layers.1.weight", "layer 2: the multisets of incoming"),
        ("layers.1.bias", "layer 2: biases"),
        ("layers.2.weight", "layer 3: the multisets of outgoing"),
    ],
)
def test_one_unit_in_the_last_place_is_seen_at_once(
    name: str, expected: str, step: int, dtype: str
) -> None:
    configuration = _latin(dtype=dtype)
    model, _ = coloured.network(configuration)
    ties = Ties(model, _classes(model))
    with tg.reproducible():
        for _ in train(model, configuration, steps=step):
            assert not ties.broken(model)
    _nudge(dict(model.named_parameters())[name], 5)
    assert ties.broken(model).startswith(expected)


def test_outgoing_multisets_are_seen_where_the_incoming_agree() -> None:
    model, _ = coloured.network(_latin())
    ties = Ties(model, _classes(model))
    weight = model.layers[1].weight.data.copy()
    other = int(np.flatnonzero(weight[:, 0] != weight[0, 0])[0])
    weight[[0, other], 0] = weight[[other, 0], 0]
    model.layers[1].weight.data = weight
    assert ties.broken(model) == "layer 2: the multisets of outgoing weights differ in a class"


def test_numbers_that_change_places_are_seen() -> None:
    # Another Latin square of the same numbers: all multisets agree, but not the equal entries.
    model, _ = coloured.network(_latin())
    ties = Ties(model, _classes(model))
    weight = model.layers[1].weight.data
    model.layers[1].weight.data = weight[[1, 0, *range(2, 9)]]
    assert ties.broken(model) == "layer 2: weights that were equal at the start of a block differ"


def test_every_bit_counts_in_activations_and_signs_of_zeros() -> None:
    model = tg.nn.MLP([2, 3, 1], weight_init="zeros")
    ties = Ties(model, [[(0, 1, 2)]])
    hidden = np.zeros((4, 3))
    assert not ties.broken(model, [hidden])
    hidden[2, 1] = -0.0
    assert ties.broken(model, [hidden]) == "hidden layer 1: activations differ in a class"


@pytest.mark.parametrize("structure", coloured.STRUCTURES)
@pytest.mark.parametrize("dtype", coloured.DTYPES)
def test_a_kernel_whose_last_columns_round_otherwise_is_seen(structure: str, dtype: str) -> None:
    # What a BLAS does at widths that do not fit its registers, on every machine.
    configuration = Configuration((4, 9, 9, 3), structure, dtype=dtype, seed=3)
    model, _ = coloured.network(configuration)
    up = np.ones(9, dtype)
    up[8:] += np.finfo(dtype).eps
    model.activation = lambda z: np.tanh(z) * up
    with tg.reproducible():
        assert first_break(model, configuration)[0] == 1


class _Uneven(tg.optim.SGD):
    """Its rate depends on the entry, by a little."""

    def step(self) -> None:
        for parameter in self.parameters:
            index = np.arange(parameter.size, dtype=parameter.dtype).reshape(parameter.shape)
            parameter.grad = parameter.grad * (1 + index * 2.0**-20)
        super().step()


class _Noisy(tg.optim.SGD):
    """Adds a little noise to each entry, as Langevin dynamics does."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.rng = np.random.default_rng(0)

    def step(self) -> None:
        for parameter in self.parameters:
            noise = self.rng.normal(size=parameter.shape).astype(parameter.dtype)
            parameter.grad = parameter.grad + 1e-3 * noise
        super().step()


class _ByNeuron(tg.optim.SGD):
    """Shortens the gradient of each neuron by its place, instead of all by one number."""

    def step(self) -> None:
        for parameter in self.parameters:
            parameter.grad = parameter.grad / np.arange(1, parameter.shape[-1] + 1)
        super().step()


@pytest.mark.parametrize("broken", [_Uneven, _Noisy, _ByNeuron])
@pytest.mark.parametrize("structure", coloured.STRUCTURES)
def test_an_optimiser_that_treats_entries_differently_is_seen(
    broken: type[tg.optim.SGD], structure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(coloured.OPTIMISERS, "SGD", (broken, {"lr": 0.1}, "coupled"))
    configuration = Configuration((4, 9, 9, 3), structure, seed=3)
    model, _ = coloured.network(configuration)
    with tg.reproducible():
        assert 1 <= first_break(model, configuration)[0] <= 3


# One entry changed.


def _changed(
    count: int, change: Callable[[tg.Tensor, int], None], activations: Sequence[str]
) -> Iterator[tuple[Configuration, tg.nn.MLP, Classes, set[tuple[int, int]]]]:
    """Small networks, one random entry of each changed; the classes before, and who is hit.

    A weight hits the neuron that sends and the one that receives; a bias hits its neuron.
    """
    rng = np.random.default_rng(0)
    choose = at_random(rng)
    while count:
        configuration = coloured.configuration(choose, depths=(1, 2, 3), widths=range(2, 10))
        configuration = replace(configuration, activation=choose(activations))
        model, _ = coloured.network(configuration)
        before = _classes(model)
        layer = int(rng.integers(len(model.layers)))
        parameter = choose([model.layers[layer].weight, model.layers[layer].bias])
        where = int(rng.integers(parameter.size))
        if abs(parameter.data.flat[where]) < 1e-3:
            continue  # one unit of (nearly) nothing is absorbed by the first sum
        change(parameter, where)
        sender, receiver = divmod(where, parameter.shape[-1])
        hit = {(layer, receiver)} | ({(layer - 1, sender)} if parameter.ndim == 2 else set())
        yield configuration, model, before, hit
        count -= 1


def _parted(before: Classes, after: Classes) -> set[Pair]:
    """Neurons that were in one class and are not any more."""
    pairs = set()
    for k, (old, new) in enumerate(zip(before, after, strict=True)):
        number = {j: n for n, group in enumerate(new) for j in group}
        for group in old:
            pairs |= {
                (k, a, b) for a, b in itertools.combinations(group, 2) if number[a] != number[b]
            }
    return pairs


def _gradient(model: tg.nn.MLP, k: int, j: int) -> bytes:
    """All that arrives at a neuron: for its incoming weights, its bias, its outgoing weights."""
    hidden, following = model.layers[k], model.layers[k + 1]
    gradients = hidden.weight.grad, hidden.bias.grad, following.weight.grad
    incoming, bias, outgoing = map(np.asarray, gradients)
    return incoming[:, j].tobytes() + bias[j].tobytes() + outgoing[j].tobytes()


def _still_equal(
    model: tg.nn.MLP, configuration: Configuration, pairs: set[Pair], steps: int
) -> set[Pair]:
    """The pairs whose gradients had the same bits in all steps."""
    equal = set(pairs)
    with tg.reproducible():
        for _ in train(model, configuration, steps=steps):
            equal = {(k, a, b) for k, a, b in equal
                     if _gradient(model, k, a) == _gradient(model, k, b)}  # fmt: skip
            if not equal:
                break
    return equal


def test_one_unit_in_the_last_place_splits_what_theory_says_and_nothing_else() -> None:
    has_split = 0
    for configuration, model, before, _ in _changed(40, _nudge, coloured.ACTIVATIONS):
        after = _classes(model)
        assert _sorted(after) == _refined(layers_of(model)), configuration
        assert is_inside(after, before)
        has_split += bool(_parted(before, after))
        ties = Ties(model, after)
        with tg.reproducible():
            for hidden in train(model, configuration):
                assert not ties.broken(model, hidden), configuration
    assert has_split >= 20


def test_what_theory_splits_does_come_apart() -> None:
    # A tenth is enough for the difference to reach every neuron that theory parts.
    def by_a_tenth(parameter: tg.Tensor, where: int) -> None:
        numbers = parameter.data.copy()
        numbers.flat[where] *= 1.1
        parameter.data = numbers

    smooth = [name for name in coloured.ACTIVATIONS if name != "relu"]  # dead units learn nothing
    indirect = 0
    for configuration, model, before, hit in _changed(80, by_a_tenth, smooth):
        pairs = _parted(before, _classes(model))
        indirect += sum(not {(k, a), (k, b)} & hit for k, a, b in pairs)
        assert not _still_equal(model, configuration, pairs, steps=10), configuration
    assert indirect > 100, "also neurons far from the change"


def test_one_unit_in_the_last_place_is_enough_for_most_neurons_that_it_hits() -> None:
    # Not for all: rounding forgets some of it, the more layers away the more.
    smooth = [name for name in coloured.ACTIVATIONS if name != "relu"]
    counts: Counter[tuple[bool, bool]] = Counter()
    for configuration, model, before, hit in _changed(80, _nudge, smooth):
        pairs = _parted(before, _classes(model))
        equal = _still_equal(model, configuration, pairs, steps=40)
        for k, a, b in pairs:
            counts[bool({(k, a), (k, b)} & hit), (k, a, b) in equal] += 1
    assert counts[True, False] >= 5 * counts[True, True]
    assert counts[False, False] >= counts[False, True]


def test_a_difference_below_the_last_place_of_a_sum_heals() -> None:
    # 5e-324 beside anything is nothing: analyze sees it, one step of training forgets it.
    configuration = Configuration((4, 9, 3), "constant", seed=5)
    model = tg.nn.MLP(configuration.sizes, weight_init="constant")
    _nudge(model.layers[0].bias, 4)
    assert [len(layer) for layer in _classes(model)] == [2]
    with tg.reproducible():
        list(train(model, configuration, steps=2))
    assert [len(layer) for layer in _classes(model)] == [1]


# Noise.


def _constant_network(activation: str, dtype: str = "float64") -> tuple[tg.nn.MLP, Configuration]:
    configuration = Configuration((4, 17, 3), "constant", activation, dtype=dtype, seed=11)
    model = tg.nn.MLP(
        configuration.sizes, activation, tg.init.constant(0.3), dtype=configuration.dtype
    )
    return model, configuration


def _widths(model: tg.nn.MLP, configuration: Configuration, examples: coloured.Data | None = None,
            steps: int = coloured.STEPS) -> list[int]:  # fmt: skip
    """The effective width of the one hidden layer after every step."""
    with tg.reproducible():
        return [
            tg.symmetry.analyze(model).effective_widths[0]
            for _ in train(model, configuration, examples, steps)
        ]


@pytest.mark.parametrize("activation", coloured.ACTIVATIONS)
@pytest.mark.parametrize("dtype", coloured.DTYPES)
def test_dropout_splits_constant_weights(activation: str, dtype: str) -> None:
    model, configuration = _constant_network(activation, dtype)
    activate, drop = tg.nn.ACTIVATIONS[activation], tg.nn.Dropout(0.5, rng=0)
    model.activation = lambda z: drop(activate(z))
    widths = _widths(model, configuration, steps=10)
    assert widths[0] > 1
    assert widths[-1] == 17, "every neuron is different"
    assert widths == sorted(widths)


def test_dropout_that_is_switched_off_splits_nothing() -> None:
    model, configuration = _constant_network("tanh")
    drop = tg.nn.Dropout(0.5, rng=0).eval()
    model.activation = lambda z: drop(np.tanh(z))
    assert set(_widths(model, configuration)) == {1}


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-9])
def test_noise_of_each_neuron_splits_constant_weights(scale: float) -> None:
    model, configuration = _constant_network("tanh")
    rng = np.random.default_rng(0)
    model.activation = lambda z: np.tanh(z) + scale * rng.normal(size=z.shape)
    assert _widths(model, configuration, steps=10)[-1] == 17


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("noisy", ["labels", "features"])
def test_noise_in_the_data_splits_nothing(noisy: str, share: float) -> None:
    model, configuration = _constant_network("tanh")
    rng = np.random.default_rng(0)
    X, y = coloured.data(configuration)
    is_hit = rng.random(X.shape if noisy == "features" else y.shape) < share
    if noisy == "labels":
        y = np.where(is_hit, rng.integers(0, 3, len(y)), y)
    else:
        X = np.where(is_hit, rng.normal(size=X.shape) * 5, X)
    before = coloured.parameter_bits(model)
    assert set(_widths(model, configuration, (X, y))) == {1}
    assert coloured.parameter_bits(model) != before


# The same network in another order.


@pytest.mark.parametrize("optimiser", coloured.OPTIMISERS)
@pytest.mark.parametrize("dtype", coloured.DTYPES)
def test_permuting_hidden_neurons_permutes_the_training(optimiser: str, dtype: str) -> None:
    choose = at_random(np.random.default_rng([len(optimiser), len(dtype), 0]))
    configuration = replace(
        coloured.configuration(choose, structures=[coloured.RANDOM, coloured.RANDOM, "mixed"],
                               depths=(1, 2, 3), widths=range(2, 50)),
        optimiser=optimiser, dtype=dtype,
    )  # fmt: skip
    model, other, orders = twin(configuration)
    assert any((order != np.arange(len(order))).any() for order in orders)
    with tg.reproducible():
        for _ in zip(train(model, configuration), train(other, configuration), strict=True):
            for (weight, bias), layer in zip(permuted(model, orders), other.layers, strict=True):
                assert (bits(weight) == bits(layer.weight.data)).all(), configuration
                assert (bits(bias) == bits(layer.bias.data)).all(), configuration


# Layer normalisation.


class _Normalised(tg.nn.Module):
    """An MLP with a LayerNorm behind each activation."""

    def __init__(self, inner: tg.nn.MLP, dtype: str) -> None:
        self.inner = inner
        self.norms = [tg.nn.LayerNorm(width, dtype=dtype) for width in inner.sizes[1:-1]]
        self.hidden: list[Array] = []

    def forward(self, x: Any) -> Any:
        """``(N, inputs)`` to ``(N, outputs)``."""
        self.hidden = []
        for layer, norm in zip(self.inner.layers, self.norms, strict=False):
            x = norm(np.tanh(layer(x)))
            self.hidden.append(x.data)
        return self.inner.layers[-1](x)


@pytest.mark.parametrize("structure", ["copies", "blocks", "latin", "mixed"])
@pytest.mark.parametrize("dtype", coloured.DTYPES)
def test_layer_normalisation_keeps_ties(structure: str, dtype: str) -> None:
    configuration = Configuration((4, 18, 18, 3), structure, dtype=dtype, seed=6)
    inner, _ = coloured.network(configuration)
    model = _Normalised(inner, dtype)
    ties = Ties(inner, _classes(inner))
    assert sum(map(len, _classes(inner))) < 36
    X, y = coloured.data(configuration)
    optimiser = tg.optim.AdamW(model.parameters(), lr=0.01)
    rng = np.random.default_rng(0)
    with tg.reproducible():
        for _ in range(coloured.STEPS):
            batch = rng.permutation(len(X))[: rng.integers(1, 9)]
            optimiser.zero_grad()
            tg.losses.cross_entropy(model(X[batch]), y[batch]).backward()
            optimiser.step()
            assert not ties.broken(inner, model.hidden)
            for norm, first in zip(model.norms, ties.first[1:], strict=False):
                for parameter in (norm.weight.data, norm.bias.data):
                    assert (bits(parameter) == bits(parameter)[first]).all()
    assert (model.norms[0].weight.data != 1).any()


# Exact fractions.

Weights = list[tuple[list[list[Any]], list[Any]]]  #: for each layer (W[i][j], b[j]), of any numbers

HALF_A_UNIT = Fraction(1, 2**53)  #: the largest relative error of one operation in float64
FINE = 2**200


class Enclosure:
    """An interval with room for the exact number, and for what float64 makes of it.

    Every operation widens it by half a unit in the last place of its result. So if a float program
    and an exact one compute the same formula, both of their results are inside, however the terms
    of the float's sums are ordered or grouped.
    """

    def __init__(self, low: Fraction, high: Fraction) -> None:
        room = max(abs(low), abs(high)) * HALF_A_UNIT
        # Rounded outwards, or the fractions would grow from step to step.
        self.low = Fraction((low - room) * FINE // 1, FINE)
        self.high = Fraction(-(-(high + room) * FINE // 1), FINE)

    @classmethod
    def exactly(cls, number: Any) -> Self:
        enclosure = cls(Fraction(0), Fraction(0))
        enclosure.low = enclosure.high = Fraction(number)
        return enclosure

    def __add__(self, other: Self) -> Enclosure:
        return Enclosure(self.low + other.low, self.high + other.high)

    def __sub__(self, other: Self) -> Enclosure:
        return Enclosure(self.low - other.high, self.high - other.low)

    def __mul__(self, other: Self) -> Enclosure:
        ends = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Enclosure(min(ends), max(ends))

    def __gt__(self, bound: int) -> bool:
        assert self.low > bound or self.high <= bound, "cannot tell: choose other data"
        return self.low > bound

    def __contains__(self, number: float | Fraction) -> bool:
        return self.low <= Fraction(number) <= self.high


def _step(weights: Weights, X: list[list[Any]], y: list[Any], share: Any, rate: Any) -> Weights:
    """Gradient descent on the mean squared error of a ReLU network, by hand, in any numbers."""
    share_of_two = share + share
    moved = [([row.copy() for row in W], b.copy()) for W, b in weights]
    totals: dict[tuple[int, ...], Any] = {}

    def collect(key: tuple[int, ...], term: Any) -> None:
        totals[key] = totals[key] + term if key in totals else term

    for x, target in zip(X, y, strict=True):
        heights = [x]
        for k, (W, b) in enumerate(weights):
            z = b.copy()
            for j, i in itertools.product(range(len(b)), range(len(W))):
                z[j] = z[j] + heights[-1][i] * W[i][j]
            zero = x[0] - x[0]
            heights.append(z if k == len(weights) - 1 else [v if v > 0 else zero for v in z])
        delta = [(heights[-1][0] - target) * share_of_two]
        for k in reversed(range(len(weights))):
            below = []
            for i, h in enumerate(heights[k]):
                sent = [weights[k][0][i][j] * d for j, d in enumerate(delta)]
                for j, d in enumerate(delta):
                    collect((k, i, j), h * d)
                total = sent[0]
                for term in sent[1:]:
                    total = total + term
                below.append(total if k and h > 0 else total - total)
            for j, d in enumerate(delta):
                collect((k, j), d)
            delta = below
    for (k, *place), gradient in totals.items():
        W, b = moved[k]
        row, j = (W[place[0]], place[1]) if len(place) == 2 else (b, place[0])
        row[j] = row[j] - gradient * rate
    return moved


def _numbers(weights: Weights) -> list[Any]:
    return [number for W, b in weights for row in (*W, b) for number in row]


def _copies(sizes: Sequence[int], rng: np.random.Generator) -> tuple[Weights, list[Array]]:
    """Eighths; every second hidden neuron is a copy of the first or the second one.

    The biases have one more binary digit than any product of the data, so that no neuron starts on
    the kink of the ReLU.
    """
    colours = [np.arange(sizes[0]), *(np.arange(size) % 2 for size in sizes[1:-1]), np.arange(1)]
    weights: Weights = []
    for k, (before, after) in enumerate(itertools.pairwise(colours)):
        eighths = rng.integers(-8, 9, (before.max() + 1, after.max() + 1)).astype(object)
        odd = 2 * rng.integers(-8, 8, after.max() + 1).astype(object) + 1
        weight, bias = eighths * Fraction(1, 8), odd * Fraction(1, 2 ** (6 + 5 * k))
        weights.append((weight[np.ix_(before, after)].tolist(), bias[after].tolist()))
    return weights, colours


@pytest.mark.parametrize("sizes", [[2, 4, 1], [3, 6, 1], [2, 4, 4, 1], [2, 6, 5, 1]], ids=str)
def test_copies_stay_equal_in_exact_fractions_and_the_float_run_agrees(sizes: list[int]) -> None:
    rng = np.random.default_rng(sum(sizes))
    weights, colours = _copies(sizes, rng)
    X = [[Fraction(int(v), 4) for v in row] for row in rng.integers(-8, 9, (3, sizes[0]))]
    y = [Fraction(int(v), 4) for v in rng.integers(-8, 9, 3)]
    rate, share = Fraction(1, 32), Fraction(1, 3)  # a third, so that floats do have to round

    scalar = tg.nn.scalar.MLP(sizes[0], sizes[1:], weight=Fraction(0))
    model = tg.nn.MLP(sizes, "relu")
    for (W, b), layer, dense in zip(weights, scalar.layers, model.layers, strict=True):
        for j, neuron in enumerate(layer.neurons):
            for i, weight in enumerate(neuron.w):
                weight.data = W[i][j]
            neuron.b.data = b[j]
        dense.weight.data, dense.bias.data = np.array(W, float), np.array(b, float)
    optimiser = tg.optim.SGD(model.parameters(), lr=float(rate))
    floats = np.array(X, float), np.array(y, float)[:, np.newaxis]
    ties = Ties(model, [_groups(layer) for layer in colours[1:-1]])

    as_is = Enclosure.exactly
    enclosed: Weights = [([list(map(as_is, r)) for r in W], list(map(as_is, b)))
                         for W, b in weights]  # fmt: skip
    enclosed_third = Enclosure(share, share)
    enclosed_data = [list(map(as_is, row)) for row in X], list(map(as_is, y))

    for _ in range(5):
        scalar.zero_grad()
        loss = sum(((scalar(x) - t) ** 2 for x, t in zip(X, y, strict=True)), start=tg.Value(0))
        (loss * share).backward()
        for parameter in scalar.parameters():
            parameter.data = parameter.data - rate * parameter.grad
        with tg.reproducible():
            optimiser.zero_grad()
            tg.losses.mse(model(floats[0]), floats[1]).backward()
            optimiser.step()
        weights = _step(weights, X, y, share, rate)
        enclosed = _step(enclosed, *enclosed_data, enclosed_third, as_is(rate))

        exact: Weights = [
            ([list(column) for column in zip(
                *([weight.data for weight in neuron.w] for neuron in layer.neurons), strict=True)],
             [neuron.b.data for neuron in layer.neurons])
            for layer in scalar.layers
        ]  # fmt: skip
        assert exact == weights, "the engine agrees with the calculation by hand, exactly"
        assert all(isinstance(number, Fraction) for number in _numbers(exact))
        for (W, b), before, after in zip(exact, colours, colours[1:], strict=False):
            for i, j in itertools.product(range(len(before)), range(len(after))):
                first = int(np.argmax(before == before[i])), int(np.argmax(after == after[j]))
                assert W[i][j] == W[first[0]][first[1]]
                assert b[j] == b[first[1]]

        assert not ties.broken(model)
        got = _numbers([(W.tolist(), b.tolist()) for W, b in layers_of(model)])
        for number, true, room in zip(got, _numbers(exact), _numbers(enclosed), strict=True):
            assert number in room
            assert true in room
            assert room.high - room.low < 1e-12
    assert got != _numbers(exact), "floats had to round"
