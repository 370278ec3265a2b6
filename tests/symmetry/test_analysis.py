"""Colour refinement finds the coarsest equitable partition, and its quotient computes the same."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import tinygrad_init as tg

Array = NDArray[Any]
Layers = list[tuple[Array, Array]]
Partition = list[list[int]]

repeatable = settings(derandomize=True, deadline=None, max_examples=60)


def _stack(sizes: Sequence[int], draw: Callable[[tuple[int, ...]], Array]) -> Layers:
    return [(draw((a, b)), np.zeros(b)) for a, b in itertools.pairwise(sizes)]


def _constant(sizes: Sequence[int], value: float = 0.5) -> Layers:
    return _stack(sizes, lambda shape: np.full(shape, value))


def _latin_square(width: int, rng: np.random.Generator) -> Array:
    """Row i holds the same random numbers as row 0, rotated by i; columns likewise."""
    index = np.add.outer(np.arange(width), np.arange(width)) % width
    square: Array = rng.normal(size=width)[index]
    return square


def _model(layers: Layers, activation: str = "tanh") -> tg.nn.MLP:
    sizes = [layers[0][0].shape[0], *(weight.shape[1] for weight, _ in layers)]
    model = tg.nn.MLP(sizes, activation, weight_init="zeros")
    for layer, (weight, bias) in zip(model.layers, layers, strict=True):
        layer.weight.data, layer.bias.data = weight, bias
    return model


# Known cases.


@pytest.mark.parametrize("sizes", [[4, 5, 3], [1, 1, 1], [3, 7, 2], [2, 4, 6, 5, 1]])
def test_constant_weights_give_one_class_per_layer(sizes: list[int]) -> None:
    found = tg.symmetry.analyze(_constant(sizes))
    assert found.classes == [(tuple(range(width)),) for width in sizes[1:-1]]
    assert found.effective_widths == [1] * (len(sizes) - 2)


def test_random_weights_give_every_neuron_a_class_of_its_own() -> None:
    model = tg.nn.MLP([4, 6, 5, 3], rng=0)
    found = tg.symmetry.analyze(model)
    assert found.classes == [tuple((i,) for i in range(6)), tuple((i,) for i in range(5))]


def test_copies_among_random_neurons_are_found() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(4, 3)), rng.normal(size=(3, 2))
    copies = [0, 1, 0, 2, 1, 0]
    found = tg.symmetry.analyze([
        (first[:, copies], np.arange(3.0)[copies]), (second[copies], np.zeros(2)),
    ])  # fmt: skip
    assert found.classes == [((0, 2, 5), (1, 4), (3,))]


@pytest.mark.parametrize("where", ["incoming", "bias", "outgoing"])
def test_one_different_number_splits_one_neuron_off(where: str) -> None:
    layers = _constant([3, 5, 2])
    for part in {"incoming": [layers[0][0][1]], "bias": [layers[0][1]],
                 "outgoing": [layers[1][0][:, 0]]}[where]:  # fmt: skip
        part[2] += 0.25
    assert tg.symmetry.analyze(layers).classes == [((0, 1, 3, 4), (2,))]


@pytest.mark.parametrize("where", ["incoming", "bias", "outgoing"])
def test_one_unit_in_the_last_place_splits(where: str) -> None:
    layers = _constant([3, 5, 2])
    for part in {"incoming": [layers[0][0][1]], "bias": [layers[0][1]],
                 "outgoing": [layers[1][0][:, 0]]}[where]:  # fmt: skip
        part[2] = np.nextafter(part[2], np.inf)
    assert tg.symmetry.analyze(layers).effective_widths == [2]


def test_minus_zero_equals_zero() -> None:
    layers = _constant([3, 5, 2], 0.0)
    layers[0][0][1, 2] = layers[0][1][3] = layers[1][0][4, 0] = -0.0
    assert tg.symmetry.analyze(layers).effective_widths == [1]


def test_equal_incoming_weights_are_not_enough() -> None:
    rng = np.random.default_rng(0)
    layers = [(np.full((3, 4), 0.5), np.zeros(4)), (rng.normal(size=(4, 2)), np.zeros(2))]
    assert tg.symmetry.analyze(layers).effective_widths == [4]


def test_inputs_and_outputs_keep_their_identity() -> None:
    # The same multiset of weights from different inputs, or to different outputs, is not the same.
    identity, ones = np.eye(2), np.ones((2, 2))
    zero = np.zeros(2)
    assert tg.symmetry.analyze([(identity, zero), (ones, zero)]).effective_widths == [2]
    assert tg.symmetry.analyze([(ones, zero), (identity, zero)]).effective_widths == [2]


@pytest.mark.parametrize("width", [2, 5, 17])
def test_a_latin_square_of_random_numbers_between_constant_layers_is_one_neuron_wide(
    width: int,
) -> None:
    square = _latin_square(width, np.random.default_rng(0))
    assert len(np.unique(square)) == width
    zero = np.zeros(width)
    layers = [(np.full((6, width), 0.3), zero), (square, zero), (np.full((width, 4), 0.2),
              np.zeros(4))]  # fmt: skip
    assert tg.symmetry.analyze(layers).effective_widths == [1, 1]
    square[[0, 1], 0] = square[[1, 0], 0]  # columns keep their numbers, two rows do not
    assert tg.symmetry.analyze(layers).effective_widths[0] > 1


def test_block_constant_weights_give_the_blocks() -> None:
    a, b = np.repeat([0, 1], [3, 2]), np.repeat([0, 1, 2], [2, 1, 3])
    between = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])[a][:, b]
    layers = [
        (np.array([[1.0, 2.0]])[:, a], np.zeros(5)),
        (between, np.zeros(6)),
        (np.array([[1.0], [2.0], [3.0]])[b], np.zeros(1)),
    ]
    assert tg.symmetry.analyze(layers).classes == [
        ((0, 1, 2), (3, 4)), ((0, 1), (2,), (3, 4, 5)),
    ]  # fmt: skip


@pytest.mark.parametrize("depth", [1, 2, 3, 6])
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_split_in_one_layer_forces_one_in_the_next(depth: int, direction: str) -> None:
    # Neuron 0 of each layer has its own weight to neuron 0 of the next: a cycle of rotations ties
    # the layers, until a bias at one end tells neuron 0 apart.
    width = 4
    square = 1 + (np.eye(width) == 1)
    layers = [
        (np.ones((2, width)), np.zeros(width)),
        *((square.copy(), np.zeros(width)) for _ in range(depth)),
        (np.ones((width, 1)), np.zeros(1)),
    ]
    assert tg.symmetry.analyze(layers).effective_widths == [1] * (depth + 1)
    layers[0 if direction == "forward" else depth][1][0] = 7
    found = tg.symmetry.analyze(layers)
    assert found.classes == [((0,), (1, 2, 3))] * (depth + 1)
    assert found.rounds > depth


def test_a_network_without_hidden_layer_has_no_classes() -> None:
    assert tg.symmetry.analyze(tg.nn.MLP([3, 2], rng=0)).classes == []


# An independent judge.


def _partitions(count: int) -> Iterator[Partition]:
    """All ways to split 0, ..., count - 1 into classes."""
    if count == 0:
        yield []
        return
    for smaller in _partitions(count - 1):
        for k in range(len(smaller)):
            yield [[*c, count - 1] if j == k else c for j, c in enumerate(smaller)]
        yield [*smaller, [count - 1]]


def _is_equitable(layers: Layers, partitions: Sequence[Partition]) -> bool:
    """The definition, word by word, with Python's own numbers."""
    inputs: Partition = [[i] for i in range(layers[0][0].shape[0])]
    outputs: Partition = [[i] for i in range(layers[-1][0].shape[1])]
    every = [inputs, *partitions, outputs]
    for k in range(1, len(every) - 1):
        (into, bias), (out, _) = layers[k - 1], layers[k]
        for cls in every[k]:
            for a, b in itertools.pairwise(cls):
                if float(bias[a]) != float(bias[b]):
                    return False
                for before in every[k - 1]:
                    if Counter(float(into[i, a]) for i in before) != Counter(
                        float(into[i, b]) for i in before
                    ):
                        return False
                for after in every[k + 1]:
                    if Counter(float(out[a, j]) for j in after) != Counter(
                        float(out[b, j]) for j in after
                    ):
                        return False
    return True


def _refines(fine: Sequence[Partition], coarse: Sequence[Partition]) -> bool:
    return all(
        any(set(cls) <= set(larger) for larger in coarse[k])
        for k, partition in enumerate(fine)
        for cls in partition
    )


def _check_against_all_partitions(layers: Layers) -> None:
    found = [[list(cls) for cls in layer] for layer in tg.symmetry.analyze(layers).classes]
    widths = [weight.shape[1] for weight, _ in layers[:-1]]
    assert [sorted(itertools.chain(*layer)) for layer in found] == [list(range(w)) for w in widths]
    assert _is_equitable(layers, found)
    for partitions in itertools.product(*(list(_partitions(width)) for width in widths)):
        if _is_equitable(layers, partitions):
            assert _refines(partitions, found), (partitions, found)


def test_there_are_as_many_partitions_as_bell_counted() -> None:
    assert [len(list(_partitions(n))) for n in range(6)] == [1, 1, 2, 5, 15, 52]


@repeatable
@given(st.data())
def test_one_hidden_layer_has_the_coarsest_equitable_partition(data: st.DataObject) -> None:
    sizes = data.draw(st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 2)))
    _check_against_all_partitions(_drawn(data, sizes))


@repeatable
@given(st.data())
def test_two_hidden_layers_have_the_coarsest_equitable_partition(data: st.DataObject) -> None:
    sizes = data.draw(st.sampled_from([(1, 4, 4, 1), (1, 3, 4, 1), (2, 4, 3, 1), (1, 4, 2, 2)]))
    _check_against_all_partitions(_drawn(data, sizes))


def _drawn(data: st.DataObject, sizes: Sequence[int]) -> Layers:
    """Weights of two values, mostly the same, so that there are ties and near ties."""
    def array(*shape: int) -> Array:
        count = math.prod(shape)
        entry = st.sampled_from([1.0, 1.0, 2.0])
        drawn = data.draw(st.lists(entry, min_size=count, max_size=count))
        return np.array(drawn).reshape(shape)

    rare = data.draw(st.booleans())
    return [
        (array(a, b), array(b) if rare else np.zeros(b)) for a, b in itertools.pairwise(sizes)
    ]


@pytest.mark.parametrize("square", [
    [[1, 2, 3, 4], [2, 1, 4, 3], [3, 4, 1, 2], [4, 3, 2, 1]],     # a Latin square
    [[1, 1, 2, 2], [2, 1, 1, 2], [2, 2, 1, 1], [1, 2, 2, 1]],     # an eight-cycle
    [[1, 1, 2, 2], [1, 1, 2, 2], [2, 2, 1, 1], [2, 2, 1, 1]],     # two four-cycles
])  # fmt: skip
def test_regular_squares_have_the_coarsest_equitable_partition(square: list[list[int]]) -> None:
    layers = _constant([1, 4, 4, 1])
    layers[1] = (np.array(square, float), np.zeros(4))
    _check_against_all_partitions(layers)
    assert tg.symmetry.analyze(layers).effective_widths == [1, 1]


@repeatable
@given(st.data())
def test_renumbering_hidden_neurons_renumbers_the_classes(data: st.DataObject) -> None:
    layers = _drawn(data, (2, 5, 4, 1))
    orders = [data.draw(st.permutations(range(width))) for width in (5, 4)]
    moved = [layers[0], layers[1], layers[2]]
    for k, order in enumerate(orders):
        weight, bias = moved[k]
        moved[k] = (weight[:, order], bias[order])
        weight, bias = moved[k + 1]
        moved[k + 1] = (weight[order], bias)
    before, after = tg.symmetry.analyze(layers).classes, tg.symmetry.analyze(moved).classes
    for k, order in enumerate(orders):
        renumbered = {frozenset(order[i] for i in cls) for cls in after[k]}
        assert renumbered == {frozenset(cls) for cls in before[k]}


# The quotient.


def _with_structure(name: str) -> Layers:
    rng = np.random.default_rng(3)
    if name == "constant":
        layers = _constant([4, 9, 3])
    elif name == "copies":
        copies = [0, 1, 0, 2, 1, 0, 0]
        first, second = rng.normal(size=(4, 3)), rng.normal(size=(3, 3))
        layers = [(first[:, copies], rng.normal(size=3)[copies]), (second[copies], rng.normal(
            size=3))]  # fmt: skip
    elif name == "latin square":
        layers = _constant([4, 11, 11, 3], 0.3)
        layers[1] = (_latin_square(11, rng), np.full(11, 0.1))
    elif name == "three layers":
        a, b, c = [0, 1, 0, 1, 1], [0, 0, 1, 2], [0, 1, 0]
        one, two, three = rng.normal(size=2), rng.normal(size=3), rng.normal(size=2)
        layers = [
            (rng.normal(size=(4, 2))[:, a], one[a]),
            (rng.normal(size=(2, 3))[a][:, b], two[b]),
            (rng.normal(size=(3, 2))[b][:, c], three[c]),
            (rng.normal(size=(2, 3))[c], rng.normal(size=3)),
        ]
    else:
        layers = _stack([4, 6, 5, 3], lambda shape: rng.normal(size=shape))
    return layers


WIDTHS = {"constant": [1], "copies": [3], "latin square": [1, 1], "three layers": [2, 3, 2],
          "random": [6, 5]}  # fmt: skip


@pytest.mark.parametrize("structure", WIDTHS)
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_the_quotient_is_narrower_and_computes_the_same(structure: str, activation: str) -> None:
    wide = _model(_with_structure(structure), activation)
    found = tg.symmetry.analyze(wide)
    assert found.effective_widths == WIDTHS[structure]
    narrow = found.quotient()
    assert narrow.sizes == [4, *WIDTHS[structure], 3]
    assert narrow.activation == activation
    x = np.random.default_rng(0).normal(size=(50, 4))
    np.testing.assert_allclose(narrow(x).data, wide(x).data, rtol=1e-11, atol=1e-12)


def test_the_quotient_cannot_be_made_smaller() -> None:
    narrow = tg.symmetry.analyze(_model(_with_structure("three layers"))).quotient()
    assert tg.symmetry.analyze(narrow).effective_widths == [2, 3, 2]


def test_the_quotient_is_that_of_the_moment_of_the_analysis() -> None:
    wide = _model(_with_structure("copies"))
    x = np.random.default_rng(0).normal(size=(5, 4))
    found, before = tg.symmetry.analyze(wide), wide(x).data.copy()
    wide.layers[0].weight.data = np.zeros((4, 7))
    np.testing.assert_allclose(found.quotient()(x).data, before, rtol=1e-12)


def test_the_quotient_of_an_mlp_with_a_function_keeps_the_function() -> None:
    wide = tg.nn.MLP([2, 4, 1], lambda h: h * h, weight_init="constant")
    narrow = tg.symmetry.analyze(wide).quotient()
    x = np.array([[1.0, 2.0], [-3.0, 5.0]])
    np.testing.assert_allclose(narrow(x).data, wide(x).data, rtol=1e-14)


# What goes in and what comes out.


def test_models_pairs_and_lists_are_read_alike() -> None:
    model = _model(_with_structure("copies"))
    arrays = [(layer.weight.data, layer.bias.data) for layer in model.layers]
    tensors = [(layer.weight, layer.bias) for layer in model.layers]
    lists = [(weight.tolist(), bias.tolist()) for weight, bias in arrays]
    expected = tg.symmetry.analyze(model).classes
    ways: list[Any] = [arrays, tensors, lists, tuple(arrays), [list(pair) for pair in arrays]]
    for given_as in ways:
        assert tg.symmetry.analyze(given_as).classes == expected


def test_float32_weights_are_compared_as_they_are() -> None:
    model = tg.nn.MLP([3, 5, 2], weight_init="constant", dtype=np.float32)
    assert tg.symmetry.analyze(model).effective_widths == [1]
    weight = model.layers[0].weight.data
    weight[1, 2] = np.nextafter(weight[1, 2], np.float32(1))
    assert tg.symmetry.analyze(model).effective_widths == [2]


def test_the_analysis_changes_nothing() -> None:
    model = _model(_constant([3, 5, 2], -0.0))
    before = model.state_dict()
    tg.symmetry.analyze(model).quotient()
    assert all(
        np.array_equal(np.signbit(array), np.signbit(before[name]))
        for name, array in model.state_dict().items()
    )


def test_printing_says_how_many_neurons_differ() -> None:
    text = str(tg.symmetry.analyze(_model(_with_structure("three layers"))))
    assert "hidden layer 1: 5 neurons, 2 different (largest class: 3)" in text
    assert "hidden layer 2: 4 neurons, 3 different (largest class: 2)" in text
    assert "hidden layer 3: 3 neurons, 2 different (largest class: 2)" in text


def test_two_analyses_can_be_compared() -> None:
    model = tg.nn.MLP([3, 5, 2], rng=0)
    found = tg.symmetry.analyze(model)
    assert found == found
    assert (found == tg.symmetry.analyze(model)) in {True, False}, "an answer, not an error"


def test_bare_weights_have_no_quotient() -> None:
    with pytest.raises(tg.DataError, match="activation"):
        tg.symmetry.analyze(_constant([3, 5, 2])).quotient()


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ([], tg.DataError, "empty"),
        ("weights", tg.DataError, "str"),
        (np.zeros((2, 2)), tg.DataError, "ndarray"),
        ([np.zeros((2, 3))], tg.DataError, "list"),
        ([(np.zeros((2, 3)), np.zeros(3)), (np.zeros((4, 1)), np.zeros(1))], tg.ShapeError,
         r"layer 1.*\(4, 1\)"),
        ([(np.zeros((3, 2)), np.zeros(3)), (np.zeros((3, 1)), np.zeros(1))], tg.ShapeError,
         r"layer 0.*\(3, 2\).*\(3,\)"),
        ([(np.zeros(3), np.zeros(3))], tg.ShapeError, r"layer 0.*\(3,\)"),
        ([(np.zeros((2, 3)), 0.0), (np.zeros((3, 1)), np.zeros(1))], tg.ShapeError, r"\(\)"),
    ],
)  # fmt: skip
def test_what_is_no_network_is_refused(model: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tg.symmetry.analyze(model)


@pytest.mark.torch
def test_weights_of_a_pytorch_model_are_read() -> None:
    import torch

    linear = torch.nn.Linear(4, 5), torch.nn.Linear(5, 3)
    for layer in linear:
        torch.nn.init.constant_(layer.weight, 0.1)
        torch.nn.init.zeros_(layer.bias)
    pairs = [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in linear]
    assert tg.symmetry.analyze(pairs).effective_widths == [1]
    pairs[0][1][3] = 1e-30
    assert tg.symmetry.analyze(pairs).classes == [((0, 1, 2, 4), (3,))]
