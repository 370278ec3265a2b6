"""Linear and MLP: shapes, dtypes, and where the random numbers come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator, SeedSequence
from numpy.typing import NDArray
from scipy import special, stats

import tinygrad_init as tg
from tinygrad_init.autograd import F

Array = NDArray[Any]


def _weights(model: tg.nn.MLP) -> list[Array]:
    return [parameter.data for parameter in model.parameters()]


def _same(a: tg.nn.MLP, b: tg.nn.MLP) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(_weights(a), _weights(b), strict=True))


# What is computed.


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 5, 3), (0, 3), (1, 1, 1, 3)])
def test_a_linear_layer_maps_the_last_axis(shape: tuple[int, ...]) -> None:
    layer = tg.nn.Linear(3, 4, bias_init="normal", rng=0)
    x = np.random.default_rng(1).normal(size=shape)
    y = layer(x)
    assert y.shape == (*shape[:-1], 4)
    for index in np.ndindex(*shape[:-1]):
        expected = [
            sum(x[index][i] * layer.weight.data[i, j] for i in range(3)) + layer.bias.data[j]
            for j in range(4)
        ]
        np.testing.assert_allclose(y.data[index], expected, rtol=1e-13, atol=1e-15)


def test_a_weight_has_shape_inputs_by_neurons() -> None:
    layer = tg.nn.Linear(2, 5)
    assert layer.weight.shape == (2, 5)
    assert layer.bias.shape == (5,)
    assert repr(layer) == "Linear(2, 5)"


@pytest.mark.parametrize("kind", [list, np.asarray, tg.Tensor])
def test_lists_arrays_and_tensors_are_taken_alike(kind: Callable[[Any], Any]) -> None:
    model = tg.nn.MLP([2, 3, 1], rng=0)
    given = [[1.0, -2.0], [0.5, 3.0]]
    assert np.array_equal(model(kind(given)).data, model(np.array(given)).data)


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "relu": lambda z: np.where(z > 0, z, 0),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(z)),
    # Klambauer et al. 2017, equation 2, with their constants.
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(z)),
    "gelu": lambda z: z * stats.norm.cdf(z),
    "silu": lambda z: z * special.expit(z),
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "softsign": lambda z: z / (1 + abs(z)),
    "hardtanh": lambda z: np.clip(z, -1, 1),
    "sin": np.sin,
    "identity": lambda z: z,
}


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_the_activation_comes_after_every_layer_but_the_last(activation: str) -> None:
    model = tg.nn.MLP([3, 4, 5, 2], activation, bias_init="normal", rng=0)
    x = np.random.default_rng(1).normal(size=(6, 3))
    h = x
    for k, layer in enumerate(model.layers):
        h = h @ layer.weight.data + layer.bias.data
        h = FUNCTIONS[activation](h) if k < 2 else h
    np.testing.assert_allclose(model(x).data, h, rtol=1e-12, atol=1e-14)


def test_every_known_activation_is_tested_here() -> None:
    assert set(tg.nn.ACTIVATIONS) == set(FUNCTIONS)


def test_an_activation_may_be_a_function() -> None:
    named, given = tg.nn.MLP([2, 3, 1], "tanh", rng=0), tg.nn.MLP([2, 3, 1], F.tanh, rng=0)
    assert np.array_equal(named([[1.0, 2.0]]).data, given([[1.0, 2.0]]).data)


def test_a_network_without_hidden_layer_is_affine() -> None:
    model = tg.nn.MLP([3, 2], "relu", rng=0)
    x = np.array([[-5.0, 1.0, 2.0]])
    expected = x @ model.layers[0].weight.data + model.layers[0].bias.data
    assert np.array_equal(model(x).data, expected)


def test_the_layers_of_an_mlp_are_its_linear_layers() -> None:
    model = tg.nn.MLP([2, 3, 4, 1])
    assert [type(layer) for layer in model.layers] == [tg.nn.Linear] * 3
    assert [layer.weight.shape for layer in model.layers] == [(2, 3), (3, 4), (4, 1)]
    assert "[2, 3, 4, 1]" in repr(model)


def test_the_gradient_of_every_parameter_agrees_with_finite_differences() -> None:
    model = tg.nn.MLP([2, 3, 2], "sigmoid", bias_init="normal", rng=0)
    x, y = np.random.default_rng(0).normal(size=(4, 2)), [0, 1, 1, 0]
    tg.losses.cross_entropy(model(x), y).backward()
    for parameter in model.parameters():
        for index in np.ndindex(parameter.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = parameter.data.copy()
                moved[index] += step
                original, parameter.data = parameter.data.copy(), moved
                ends.append(float(tg.losses.cross_entropy(model(x), y)))
                parameter.data = original
            assert parameter.grad[index] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-8)


# Initialisers and dtypes.


def test_each_layer_may_have_its_own_initialisers() -> None:
    model = tg.nn.MLP(
        [2, 3, 4], weight_init=["ones", tg.init.constant(0.5)], bias_init=["zeros", "ones"]
    )
    assert (model.layers[0].weight.data == 1).all()
    assert (model.layers[1].weight.data == 0.5).all()
    assert (model.layers[0].bias.data == 0).all()
    assert (model.layers[1].bias.data == 1).all()


def test_an_initialiser_may_be_any_function_of_shape_and_generator() -> None:
    def columns(shape: tuple[int, ...], rng: Generator) -> Array:
        assert isinstance(rng, Generator)
        return np.broadcast_to(np.arange(shape[-1]), shape)

    model = tg.nn.MLP([2, 3, 1], weight_init=columns)
    assert model.layers[0].weight.data.tolist() == [[0, 1, 2], [0, 1, 2]]


def test_parameters_are_float64_unless_said() -> None:
    assert {parameter.dtype for parameter in tg.nn.MLP([2, 3, 1]).parameters()} == {
        np.dtype(np.float64)
    }


@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("is_exact", [False, True])
def test_float32_stays_float32_forward_backward_and_in_the_step(
    activation: str, is_exact: bool
) -> None:
    model = tg.nn.MLP([3, 4, 2], activation, rng=0, dtype=np.float32)
    optimiser = tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    with tg.study.runs.arithmetic(is_exact):
        for _ in range(2):
            optimiser.zero_grad()
            output = model(x)
            loss = tg.losses.cross_entropy(output, [0, 1, 0, 1, 1])
            loss = loss + tg.losses.mse(output, np.zeros((5, 2), np.float32))
            assert output.dtype == np.float32
            assert loss.dtype == np.float32
            loss.backward()
            for parameter in model.parameters():
                assert parameter.grad.dtype == np.float32
            optimiser.step()
            assert {parameter.dtype for parameter in model.parameters()} == {np.dtype(np.float32)}


# Where the random numbers come from.


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    assert _same(tg.nn.MLP([3, 4, 2], rng=5), tg.nn.MLP([3, 4, 2], rng=5))
    assert not _same(tg.nn.MLP([3, 4, 2], rng=5), tg.nn.MLP([3, 4, 2], rng=6))


def test_without_a_seed_every_model_is_new() -> None:
    assert not _same(tg.nn.MLP([3, 4, 2]), tg.nn.MLP([3, 4, 2]))


def test_layers_weights_and_biases_draw_from_streams_of_their_own() -> None:
    model = tg.nn.MLP([9, 9, 9, 9], weight_init="normal", bias_init="normal", rng=0)
    drawn = np.concatenate([array.ravel() for array in _weights(model)])
    assert len(np.unique(drawn)) == drawn.size == 3 * 90


def test_a_wider_second_layer_leaves_the_first_as_it_was() -> None:
    small, large = tg.nn.MLP([3, 4, 2], rng=0), tg.nn.MLP([3, 4, 50, 2], rng=0)
    assert np.array_equal(small.layers[0].weight.data, large.layers[0].weight.data)


@pytest.mark.parametrize("rng", [int, SeedSequence, np.random.default_rng])
def test_what_one_layer_draws_leaves_the_next_as_it_was(rng: Callable[[int], Any]) -> None:
    greedy = tg.nn.MLP([3, 4, 2], weight_init=["he_normal", "he_normal"], rng=rng(1))
    frugal = tg.nn.MLP([3, 4, 2], weight_init=["zeros", "he_normal"], rng=rng(1))
    assert np.array_equal(greedy.layers[1].weight.data, frugal.layers[1].weight.data)


def test_a_seed_sequence_gives_the_same_weights_however_often_it_was_used() -> None:
    sequence = SeedSequence(7, spawn_key=(3,))
    first = tg.nn.MLP([3, 4, 2], rng=sequence)
    sequence.spawn(5)
    assert _same(first, tg.nn.MLP([3, 4, 2], rng=sequence))
    assert _same(first, tg.nn.MLP([3, 4, 2], rng=SeedSequence(7, spawn_key=(3,))))
    assert not _same(first, tg.nn.MLP([3, 4, 2], rng=SeedSequence(7, spawn_key=(4,))))
    assert not _same(first, tg.nn.MLP([3, 4, 2], rng=SeedSequence(7)))


def test_an_integer_is_the_seed_sequence_of_that_integer() -> None:
    assert _same(tg.nn.MLP([3, 4, 2], rng=7), tg.nn.MLP([3, 4, 2], rng=SeedSequence(7)))


def test_a_generator_is_accepted_and_moves_on() -> None:
    rng = np.random.default_rng(1)
    first, second = tg.nn.MLP([3, 4, 2], rng=rng), tg.nn.MLP([3, 4, 2], rng=rng)
    assert not _same(first, second)
    assert _same(first, tg.nn.MLP([3, 4, 2], rng=np.random.default_rng(1)))


def test_numpys_global_random_state_is_neither_read_nor_changed() -> None:
    np.random.seed(1)  # noqa: NPY002 - the legacy state is what this is about
    before = np.random.get_state()  # noqa: NPY002
    first = tg.nn.MLP([3, 4, 2], rng=0)
    tg.nn.MLP([3, 4, 2])
    tg.nn.scalar.MLP(2, [2, 1])
    after = np.random.get_state()  # noqa: NPY002
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    np.random.seed(2)  # noqa: NPY002
    assert _same(first, tg.nn.MLP([3, 4, 2], rng=0))


# Mistakes.


@pytest.mark.parametrize("shape", [(5, 4), (4,), (), (5, 1), (3, 5)])
def test_the_wrong_input_width_is_refused_with_both_widths(shape: tuple[int, ...]) -> None:
    model = tg.nn.MLP([3, 4, 2], rng=0)
    with pytest.raises(tg.ShapeError) as caught:
        model(np.zeros(shape))
    assert "3 inputs" in str(caught.value)
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tg.nn.MLP([2, 1], "swish"), r"'swish'.*tanh, relu, sigmoid"),
        (lambda: tg.nn.MLP([2, 1], weight_init="kaiming"), r"'kaiming'.*glorot_uniform"),
        (lambda: tg.nn.MLP([2, 1], bias_init="kaiming"), r"'kaiming'.*zeros"),
        (lambda: tg.nn.MLP([2]), r"\[2\]"),
        (lambda: tg.nn.MLP([]), r"\[\]"),
        (lambda: tg.nn.MLP([2, 0, 1]), "2, 0"),
        (lambda: tg.nn.MLP([2, -3, 1]), "2, -3"),
        (lambda: tg.nn.MLP([2, 3, 1], weight_init=["zeros"]), "2 layers.*got 1"),
        (lambda: tg.nn.MLP([2, 3, 1], bias_init=["zeros"] * 3), "2 layers.*got 3"),
        (lambda: tg.nn.MLP([2, 3, 1], bias_init="glorot_uniform"), r"\(3,\).*fan_in"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(tg.TinygradInitError, match=message):
        make()


# Dropout and LayerNorm.


def test_dropout_keeps_the_mean_draws_anew_and_passes_the_gradient_where_it_kept() -> None:
    layer = tg.nn.Dropout(0.25, rng=0)
    x = tg.Tensor(np.ones((100, 200)), requires_grad=True)
    first, second = layer(x), layer(x)
    assert set(np.unique(first.data)) == {0.0, 1 / 0.75}
    assert not np.array_equal(first.data, second.data)
    # The mean of 20,000 draws of variance 1/3 has standard deviation 0.0041.
    assert abs(first.data.mean() - 1) < 0.02
    first.sum().backward()
    np.testing.assert_array_equal(x.grad, first.data)


def test_dropout_does_nothing_in_evaluation_and_with_probability_zero() -> None:
    x = tg.Tensor([1.0, 2.0])
    np.testing.assert_array_equal(tg.nn.Dropout(0.9, rng=0).eval()(x).data, x.data)
    np.testing.assert_array_equal(tg.nn.Dropout(0.0)(x).data, x.data)


def test_the_same_seed_drops_the_same_neurons() -> None:
    x = np.ones(50)
    twins = [tg.nn.Dropout(0.5, rng=3)(x).data for _ in range(2)]
    np.testing.assert_array_equal(*twins)


@pytest.mark.parametrize("p", [-0.1, 1, np.nan])
def test_a_probability_that_leaves_nothing_is_refused(p: float) -> None:
    with pytest.raises(tg.DataError, match="from 0 to below 1"):
        tg.nn.Dropout(p)


@pytest.mark.parametrize("is_exact", [False, True])
def test_layer_norm_has_mean_zero_variance_one_and_right_derivatives(is_exact: bool) -> None:
    layer = tg.nn.LayerNorm(5, eps=0.0)
    x = np.random.default_rng(0).normal(3, 2, (4, 5))
    with tg.study.runs.arithmetic(is_exact):
        y = layer(x).data
        np.testing.assert_allclose(y.mean(axis=1), 0, atol=1e-14)
        np.testing.assert_allclose(y.var(axis=1), 1, rtol=1e-13)
        layer.weight.data = np.arange(5.0)
        layer.bias.data = np.ones(5)
        np.testing.assert_allclose(layer(x).data, y * np.arange(5) + 1, rtol=1e-13, atol=1e-13)
        tg.check_grad(layer, x, order=2)
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]


@pytest.mark.torch
def test_layer_norm_agrees_with_pytorch() -> None:
    import torch

    x = np.random.default_rng(0).normal(3, 2, (4, 5))
    theirs = torch.nn.functional.layer_norm(torch.tensor(x), (5,)).numpy()
    np.testing.assert_allclose(tg.nn.LayerNorm(5)(x).data, theirs, rtol=1e-12)


@pytest.mark.parametrize("features", [0, 2.5, "3"])
def test_layer_norm_wants_whole_features(features: Any) -> None:
    with pytest.raises(tg.DataError, match="one feature or more"):
        tg.nn.LayerNorm(features)


def test_layer_norm_of_another_length_is_refused() -> None:
    with pytest.raises(tg.ShapeError, match=r"5 features got shape \(2, 4\)"):
        tg.nn.LayerNorm(5)(np.ones((2, 4)))


def test_dropout_tells_copies_apart_and_layer_norm_does_not() -> None:
    class Net(tg.nn.Module):
        def __init__(self, middle: tg.nn.Module) -> None:
            self.first = tg.nn.Linear(4, 7, "constant")
            self.middle = middle
            self.last = tg.nn.Linear(7, 2, "constant")

        def forward(self, *inputs: Any) -> Any:
            return self.last(self.middle(np.tanh(self.first(inputs[0]))))

    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(30, 4)), rng.integers(0, 2, 30)
    widths = []
    for middle in (tg.nn.LayerNorm(7), tg.nn.Dropout(0.3, rng=0)):
        net = Net(middle)
        optimiser = tg.optim.SGD(net.parameters(), lr=0.1)
        with tg.reproducible():
            for _ in range(20):
                optimiser.zero_grad()
                tg.losses.cross_entropy(net(X), labels).backward()
                optimiser.step()
        widths.append(len(np.unique(net.first.weight.data, axis=1).T))
    assert widths == [1, 7]
