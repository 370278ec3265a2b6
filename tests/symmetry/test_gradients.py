"""What arrives at the neurons: the claims of the mathematics, made to happen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_init as tg
from tinygrad_init.symmetry.gradients import class_name, telling_entries

Array = NDArray[Any]


def _data(features: int, classes: int, count: int = 25) -> tuple[Array, Array]:
    """Labels that are not balanced, or the output bias would receive nothing from zeros."""
    rng = np.random.default_rng(5)
    return rng.normal(size=(count, features)), rng.integers(0, classes, count)


def _names_with_gradient(model: tg.nn.MLP, X: Array, y: Array) -> set[str]:
    """The parameters that receive anything but exact zeros."""
    model.zero_grad()
    tg.losses.cross_entropy(model(X), y).backward()
    return {name for name, parameter in model.named_parameters() if parameter.grad.any()}


# Zeros.


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("sizes", [[4, 6, 3], [4, 6, 5, 3], [4, 5, 5, 5, 3]])
def test_from_zeros_with_tanh_or_relu_only_the_output_bias_ever_learns(
    activation: str, sizes: list[int]
) -> None:
    X, y = _data(4, 3)
    model = tg.nn.MLP(sizes, activation, weight_init="zeros")
    optimiser = tg.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    for _ in range(6):
        assert _names_with_gradient(model, X, y) == {f"layers.{len(sizes) - 2}.bias"}
        optimiser.step()
    assert all(not layer.weight.data.any() for layer in model.layers)


@pytest.mark.parametrize("hidden", [1, 2, 3, 4])
def test_from_zeros_with_sigmoid_the_gradient_reaches_one_more_layer_per_step(hidden: int) -> None:
    X, y = _data(4, 3)
    model = tg.nn.MLP([4, *[6] * hidden, 3], "sigmoid", weight_init="zeros")
    optimiser = tg.optim.SGD(model.parameters(), lr=0.5)
    for step in range(hidden + 2):
        # At step 0 the output layer, both weight and bias; a bias above comes with its weight.
        reached = range(max(hidden - step, 0), hidden + 1)
        expected = {f"layers.{k}.{part}" for k in reached for part in ("weight", "bias")}
        assert _names_with_gradient(model, X, y) == expected, step
        optimiser.step()


def test_from_zeros_with_sigmoid_each_outgoing_weight_gets_half_the_gradient_of_the_bias() -> None:
    X, y = _data(4, 3)
    model = tg.nn.MLP([4, 6, 3], "sigmoid", weight_init="zeros")
    with tg.reproducible():
        tg.losses.cross_entropy(model(X), y).backward()
    last = model.layers[1]
    assert last.bias.grad.all()
    assert np.array_equal(last.weight.grad, np.tile(last.bias.grad / 2, (6, 1)))


def test_from_zeros_with_sigmoid_the_network_learns_one_neuron_wide() -> None:
    X, y = _data(4, 3)
    model = tg.nn.MLP([4, 6, 3], "sigmoid", weight_init="zeros")
    optimiser = tg.optim.SGD(model.parameters(), lr=1.0)
    with tg.reproducible():
        start = float(tg.losses.cross_entropy(model(X), y))
        for _ in range(60):
            _names_with_gradient(model, X, y)
            optimiser.step()
        gained = start - float(tg.losses.cross_entropy(model(X), y))
    assert gained > 0.02, "more than the output bias alone can gain"
    assert model.layers[0].weight.data.any()
    assert tg.symmetry.analyze(model).effective_widths == [1]


def test_one_layer_from_zeros_learns_like_any_other() -> None:
    # The claim "zeros do not learn" is about hidden neurons: without any, the problem is convex.
    X, y = _data(4, 3)
    model = tg.nn.MLP([4, 3], weight_init="zeros")
    assert _names_with_gradient(model, X, y) == {"layers.0.weight", "layers.0.bias"}


# Constants.


@pytest.mark.parametrize("is_exact", [False, True])
def test_from_constants_the_first_hidden_gradient_is_rounding_only(is_exact: bool) -> None:
    X, y = _data(4, 3)
    model = tg.nn.MLP([4, 7, 3], weight_init=tg.init.constant(0.5))
    optimiser = tg.optim.SGD(model.parameters(), lr=0.1)
    with tg.study.runs.arithmetic(is_exact):
        lengths = []
        for _ in range(2):
            found = tg.symmetry.gradients(model, X, y)
            lengths.append(max(neuron.norm for neuron in found.neurons))
            _names_with_gradient(model, X, y)
            optimiser.step()
    assert lengths[0] < 1e-15
    assert lengths[1] > 1e-4


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_exact_sums_all_neurons_receive_the_same_bits_at_every_width(
    activation: str, dtype: Any
) -> None:
    rng = np.random.default_rng(5)
    X, target = rng.normal(size=(9, 3)).astype(dtype), rng.normal(size=(9, 2)).astype(dtype)
    for width in range(1, 41):
        model = tg.nn.MLP([3, width, 2], activation, "constant", "constant", dtype=dtype)
        with tg.reproducible():
            tg.losses.mse(model(X), target).backward()
            found = tg.symmetry.gradients(model, X, target, loss="mse")
        hidden, out = model.layers
        columns = np.vstack([hidden.weight.grad, hidden.bias.grad, out.weight.grad.T])
        assert columns.any()
        assert columns.dtype == dtype
        assert len({column.tobytes() for column in columns.T}) == 1, width
        assert found.identical
        assert found.largest_difference == 0
        assert found.classes == (tuple(range(width)),)


def _latin() -> tg.nn.MLP:
    width = 7
    index = np.add.outer(np.arange(width), np.arange(width)) % width
    model = tg.nn.MLP([4, width, width, 3], weight_init=tg.init.constant(0.3))
    model.layers[1].weight.data = np.random.default_rng(1).normal(size=width)[index]
    return model


def _blocks() -> tg.nn.MLP:
    rng, copies = np.random.default_rng(2), [0, 0, 1, 0, 1]
    model = tg.nn.MLP([4, 5, 3])
    model.layers[0].weight.data = rng.normal(size=(4, 2))[:, copies]
    model.layers[1].weight.data = rng.normal(size=(2, 3))[copies]
    return model


def _constant() -> tg.nn.MLP:
    return tg.nn.MLP([4, 6, 5, 3], weight_init="constant")


STARTS = {
    "constant": (_constant, [((0, 1, 2, 3, 4, 5),), ((0, 1, 2, 3, 4),)]),
    "two blocks of copies": (_blocks, [((0, 1, 3), (2, 4))]),
    "latin square": (_latin, [(tuple(range(7)),)] * 2),
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("labels", ["real", "noise"])
def test_classes_survive_fifty_steps_on_random_minibatches(start: str, labels: str) -> None:
    make, classes = STARTS[start]
    model = make()
    before = model.state_dict()
    data = tg.data.load("iris")
    y = data.y_train
    if labels == "noise":  # noise in the data is the same for every copy
        y = np.random.default_rng(9).permutation(y)
    optimiser = tg.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    rng = np.random.default_rng(0)
    with tg.reproducible():
        for _ in range(50):
            chosen = rng.choice(len(y), 12, replace=False)
            X = data.X_train[chosen] + rng.normal(size=(12, 4)) / 10
            optimiser.zero_grad()
            tg.losses.cross_entropy(model(X), y[chosen]).backward()
            optimiser.step()
            assert tg.symmetry.analyze(model).classes == classes
    for name, array in model.state_dict().items():
        assert not np.array_equal(array, before[name]), f"{name} has not learned"


def test_a_latin_square_keeps_its_pattern_of_equal_entries() -> None:
    model = _latin()
    pattern = np.add.outer(np.arange(7), np.arange(7)) % 7
    X, y = _data(4, 3)
    optimiser = tg.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)
    with tg.reproducible():
        for _ in range(20):
            _names_with_gradient(model, X, y)
            optimiser.step()
    square = model.layers[1].weight.data
    assert len(np.unique(square)) == 7
    assert all(len(np.unique(square[pattern == k])) == 1 for k in range(7))


def test_one_unit_in_the_last_place_is_enough_to_part_copies() -> None:
    model = _blocks()
    weight = model.layers[0].weight.data
    weight[1, 3] = np.nextafter(weight[1, 3], np.inf)
    apart = ((0, 1), (2, 4), (3,))
    assert tg.symmetry.analyze(model).classes == [apart]
    X, y = _data(4, 3)
    optimiser = tg.optim.SGD(model.parameters(), lr=0.5)
    with tg.reproducible():
        for _ in range(10):
            _names_with_gradient(model, X, y)
            optimiser.step()
        assert tg.symmetry.gradients(model, X, y).classes == apart
    assert tg.symmetry.analyze(model).classes == [apart]


# The function itself.


@pytest.mark.parametrize("layer", [0, 1])
def test_the_gradients_are_those_of_backward_column_by_column(layer: int) -> None:
    X, y = _data(4, 3)
    model = tg.nn.MLP([4, 6, 5, 3], rng=0)
    found = tg.symmetry.gradients(model, X, y, layer=layer)
    tg.losses.cross_entropy(model(X), y).backward()
    part = model.layers[layer]
    assert found.layer == layer
    assert len(found.neurons) == [6, 5][layer]
    for j, neuron in enumerate(found.neurons):
        assert neuron.index == j
        assert np.array_equal(neuron.gradient[:-1], part.weight.grad[:, j])
        assert neuron.gradient[-1] == part.bias.grad[j]
        assert neuron.norm == pytest.approx(np.sqrt((neuron.gradient**2).sum()))


def test_nobodys_grad_is_touched() -> None:
    X, y = _data(4, 3)
    model = tg.nn.MLP([4, 6, 3], rng=0)
    tg.symmetry.gradients(model, X, y)
    assert all(parameter.grad is None for parameter in model.parameters())
    tg.losses.cross_entropy(model(X), y).backward()
    before = [parameter.grad.copy() for parameter in model.parameters()]
    tg.symmetry.gradients(model, X, y)
    pairs = zip(before, model.parameters(), strict=True)
    assert all(np.array_equal(old, parameter.grad) for old, parameter in pairs)


def test_classes_are_numbered_in_order_of_appearance_and_equal_digests_mean_equal_bits() -> None:
    X, y = _data(4, 3)
    with tg.reproducible():
        found = tg.symmetry.gradients(_blocks(), X, y)
    assert [neuron.class_ for neuron in found.neurons] == [0, 0, 1, 0, 1]
    assert found.classes == ((0, 1, 3), (2, 4))
    assert not found.identical
    digests = [neuron.digest for neuron in found.neurons]
    assert digests[0] == digests[1] == digests[3] != digests[2] == digests[4]
    gap = max(abs(found.neurons[0].gradient - found.neurons[2].gradient))
    assert found.largest_difference == gap > 0


def test_a_gradient_of_minus_zero_is_in_the_class_of_zero() -> None:
    signed = np.array([0.0, -0.0])
    model = tg.nn.MLP([1, 2, 1], lambda h: h * signed, weight_init="ones")
    tg.losses.mse(model([1.0]), [-3.0]).backward()
    assert np.signbit(model.layers[0].bias.grad).tolist() == [False, True]
    found = tg.symmetry.gradients(model, [1.0], [-3.0], loss="mse")
    assert found.identical


def test_a_loss_may_be_a_function() -> None:
    X, y = _data(4, 3)
    model = tg.nn.MLP([4, 6, 3], rng=0)
    by_name = tg.symmetry.gradients(model, X, y)
    by_function = tg.symmetry.gradients(model, X, y, loss=tg.losses.cross_entropy)
    doubled = tg.symmetry.gradients(
        model, X, y, loss=lambda output, labels: 2 * tg.losses.cross_entropy(output, labels)
    )
    for a, b, c in zip(by_name.neurons, by_function.neurons, doubled.neurons, strict=True):
        assert np.array_equal(a.gradient, b.gradient)
        assert np.array_equal(2 * a.gradient, c.gradient)


@pytest.mark.parametrize("layer", [-1, 1, 7])
def test_a_layer_that_is_not_hidden_is_refused_with_the_count(layer: int) -> None:
    X, y = _data(4, 3)
    with pytest.raises(tg.DataError, match=f"layer {layer} .* has 1 "):
        tg.symmetry.gradients(tg.nn.MLP([4, 6, 3]), X, y, layer=layer)


def test_an_unknown_loss_is_answered_with_the_known_ones() -> None:
    X, y = _data(4, 3)
    with pytest.raises(tg.DataError, match=r"'huber'.*mse, cross_entropy"):
        tg.symmetry.gradients(tg.nn.MLP([4, 6, 3]), X, y, loss="huber")


# The table.


def _found(model: tg.nn.MLP) -> Any:
    X, y = _data(model.sizes[0], model.sizes[-1])
    with tg.reproducible():
        return tg.symmetry.gradients(model, X, y)


def test_the_table_shows_norms_entries_bits_and_classes() -> None:
    found = _found(_blocks())
    lines = str(found).splitlines()
    heads = lines[0].split()
    assert heads == ["neuron", "norm", "dL/dw[0]", "dL/dw[1]", "bits", "class"]
    assert len(lines) == 6
    for line, neuron in zip(lines[1:], found.neurons, strict=True):
        index, norm, *entries, bits, letter = line.split()
        assert int(index) == neuron.index
        assert float(norm) == pytest.approx(neuron.norm, rel=1e-3)
        assert [float(entry) for entry in entries] == neuron.gradient[:2].tolist()
        assert bits == neuron.digest
        assert letter == "AB"[neuron.class_]


def test_neurons_that_are_not_shown_are_counted_by_class() -> None:
    tied = _found(tg.nn.MLP([4, 12, 3], weight_init="constant"))
    assert str(tied).splitlines()[-1].split(maxsplit=1) == ["...", "and 7 more neurons of class A"]
    six = _found(tg.nn.MLP([4, 6, 3], weight_init="constant"))
    assert str(six).splitlines()[-1].endswith("and 1 more neuron of class A")
    many = _found(tg.nn.MLP([4, 40, 3], rng=0))
    assert str(many).splitlines()[-1].endswith("and 30 more neurons in 30 classes")
    assert "..." not in str(_found(tg.nn.MLP([4, 5, 3], weight_init="constant")))


def test_one_neuron_of_each_rare_class_is_shown() -> None:
    model = tg.nn.MLP([4, 30, 3], weight_init="constant")
    model.layers[1].weight.data[20] = [1, 2, 3]
    found = _found(model)
    assert [neuron.index for neuron in found.chosen()] == [0, 1, 2, 3, 4, 20]
    assert "  20  " in str(found)


def test_entries_that_are_zero_for_everybody_are_left_out() -> None:
    X, y = _data(5, 3)
    X[:, [0, 2]] = 0  # pixels that are always dark
    model = tg.nn.MLP([5, 4, 3], rng=0)
    found = tg.symmetry.gradients(model, X, y)
    assert telling_entries(found.neurons, 3) == [1, 3, 4]
    assert telling_entries(found.neurons, 9) == [1, 3, 4, 5]
    assert "dL/dw[1]" in str(found)
    assert "dL/dw[0]" not in str(found)
    assert "dL/db" in found.table(entries=4)


def test_a_gradient_that_is_zero_everywhere_is_shown_all_the_same() -> None:
    found = _found(tg.nn.MLP([4, 3, 3], weight_init="zeros"))
    assert telling_entries(found.neurons, 2) == [0, 1]
    assert "0.0000000000000000e+00" in str(found)


def test_classes_have_letters_for_ever() -> None:
    names = [class_name(number) for number in range(100)]
    assert names[:2] == ["A", "B"]
    assert names[25:28] == ["Z", "A1", "B1"]
    assert len(set(names)) == 100
