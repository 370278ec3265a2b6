"""Ensembles: E networks computed as one are, to the bit, the E networks alone.

What they are compared with are networks alone, whose own numbers `test_layers` and `test_optim`
check, and loops over members written by hand in NumPy.
"""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import SeedSequence
from numpy.typing import NDArray

import tinygrad_init as tg
from tinygrad_init.autograd import F

Array = NDArray[Any]


def _bits(arrays: list[Array]) -> list[tuple[str, tuple[int, ...], bytes]]:
    """Everything of the arrays, the sign of zero included."""
    return [(str(array.dtype), array.shape, array.tobytes()) for array in arrays]


def _weights(model: tg.nn.Module) -> list[Array]:
    return [parameter.data for parameter in model.parameters()]


def _gradients(model: tg.nn.Module) -> list[Array]:
    return [parameter.grad for parameter in model.parameters()]


def _of_member(e: int, arrays: list[Array]) -> list[Array]:
    return [array[e] for array in arrays]


def _members_alone(
    seed: int, members: int, sizes: list[int], activation: str = "tanh", **settings: Any
) -> list[tg.nn.MLP]:
    """What the members are promised to be."""
    streams = [SeedSequence(seed, spawn_key=(e,)) for e in range(members)]
    return [tg.nn.MLP(sizes, activation, rng=stream, **settings) for stream in streams]


# Where the weights come from.


def test_parameters_have_the_members_in_front() -> None:
    model = tg.nn.MLP([64, 32, 10], rng=0, members=7)
    assert [layer.weight.shape for layer in model.layers] == [(7, 64, 32), (7, 32, 10)]
    assert [layer.bias.shape for layer in model.layers] == [(7, 32), (7, 10)]
    assert {parameter.dtype for parameter in model.parameters()} == {np.dtype(np.float64)}
    assert model.members == model.layers[0].members == 7
    assert tg.nn.MLP([2, 1]).members is tg.nn.Linear(2, 1).members is None


def test_members_are_named_where_a_network_prints() -> None:
    assert repr(tg.nn.MLP([2, 3, 1], members=4)) == "MLP([2, 3, 1], activation='tanh', members=4)"
    assert repr(tg.nn.Linear(2, 3, members=4)) == "Linear(2, 3, members=4)"
    assert repr(tg.nn.MLP([2, 3, 1])) == "MLP([2, 3, 1], activation='tanh')"


SOURCES: dict[str, Callable[[int], tuple[Any, Any]]] = {
    "integer": lambda e: (5, SeedSequence(5, spawn_key=(e,))),
    "sequence": lambda e: (
        SeedSequence(5, spawn_key=(9, 2)), SeedSequence(5, spawn_key=(9, 2, e))
    ),
    "generator": lambda e: (np.random.default_rng(5), np.random.default_rng(5).spawn(3)[e]),
    "list of seeds": lambda e: ([8, 5, 8], [8, 5, 8][e]),
}  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("e", [0, 1, 2])
def test_a_member_has_the_weights_of_a_network_alone_from_its_stream(
    source: str, dtype: str, e: int
) -> None:
    given: dict[str, Any] = {
        "weight_init": ["glorot_uniform", "he_normal", tg.init.normal(1.0, 2.0)],
        "bias_init": ["normal", "uniform", "ones"],
        "dtype": dtype,
    }
    of_all, of_member = SOURCES[source](e)
    ensemble = tg.nn.MLP([3, 5, 4, 2], rng=of_all, members=3, **given)
    alone = tg.nn.MLP([3, 5, 4, 2], rng=of_member, **given)
    assert _bits(_of_member(e, _weights(ensemble))) == _bits(_weights(alone))
    of_all, of_member = SOURCES[source](e)
    layer = tg.nn.Linear(3, 4, bias_init="normal", rng=of_all, dtype=dtype, members=3)
    single = tg.nn.Linear(3, 4, bias_init="normal", rng=of_member, dtype=dtype)
    assert _bits(_of_member(e, _weights(layer))) == _bits(_weights(single))


def test_members_layers_weights_and_biases_draw_from_streams_of_their_own() -> None:
    model = tg.nn.MLP([9, 9, 9, 9], weight_init="normal", bias_init="normal", rng=0, members=4)
    drawn = np.concatenate([array.ravel() for array in _weights(model)])
    assert len(np.unique(drawn)) == drawn.size == 4 * 3 * 90
    first, second = (tg.nn.Linear(2, 2, members=2).weight.data for _ in range(2))
    assert not np.array_equal(first, second)  # without a seed every ensemble is new


def test_more_members_leave_the_first_as_they_were() -> None:
    few, many = (tg.nn.MLP([3, 4, 2], rng=1, members=count) for count in (2, 5))
    assert _bits(_weights(few)) == _bits([array[:2] for array in _weights(many)])


def test_an_initialiser_sees_the_shape_of_one_network() -> None:
    shapes = []

    def draw(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        shapes.append(shape)
        return rng.random(shape)

    tg.nn.MLP([2, 3, 1], weight_init=draw, bias_init=draw, members=2)
    assert sorted(shapes) == sorted([(2, 3), (3,), (3, 1), (1,)] * 2)


# What is computed.


def _by_hand(model: tg.nn.MLP, x: Array) -> Array:
    """Members, layers and examples one by one; ``x`` has shape (members, N, inputs)."""
    outputs = []
    for e in range(len(x)):
        h = x[e]
        for k, layer in enumerate(model.layers):
            weight, bias = layer.weight.data[e], layer.bias.data[e]
            z = np.array([weight.T.dot(row) + bias for row in h]).reshape(len(h), len(bias))
            h = np.tanh(z) if k < len(model.layers) - 1 else z
        outputs.append(h)
    return np.array(outputs)


@pytest.mark.parametrize("members", [1, 2, 4])
@pytest.mark.parametrize("examples", [0, 1, 4, 7])  # 4 members and 4 examples: nothing is mixed up
@pytest.mark.parametrize("sizes", [[3, 2], [3, 4, 4], [1, 4, 1, 2]])
def test_members_see_one_batch_or_each_its_own(
    members: int, examples: int, sizes: list[int]
) -> None:
    model = tg.nn.MLP(sizes, bias_init="normal", rng=0, members=members)
    for bias in (layer.bias for layer in model.layers):
        bias.data = bias.data + np.arange(bias.size).reshape(bias.shape)  # large, all different
    own = np.random.default_rng(1).normal(size=(members, examples, sizes[0]))
    shared = own[0]
    everywhere = np.broadcast_to(shared, own.shape)
    for x, expected in (
        (own, _by_hand(model, own)),
        (shared, _by_hand(model, everywhere)),
        (shared[np.newaxis], _by_hand(model, everywhere)),
        (np.stack([own, -own]), np.stack([_by_hand(model, own), _by_hand(model, -own)])),
    ):
        for kind in (np.asarray, tg.Tensor):
            found = model(kind(x))
            assert found.shape == (*x.shape[:-3], members, examples, sizes[-1])
            np.testing.assert_allclose(found.data, expected, rtol=1e-13, atol=1e-13)
    if examples:
        assert np.array_equal(model(shared.tolist()).data, model(shared).data)


@pytest.mark.parametrize("shape", [(3, 5, 3), (5, 5, 3), (4, 2, 5, 3), (2, 1, 3)])
def test_a_batch_for_another_number_of_members_is_refused(shape: tuple[int, ...]) -> None:
    for members in (1, 4):
        model = tg.nn.MLP([3, 2], members=members)
        words = rf"ensemble of {members} .*{re.escape(str(shape))}$"
        with pytest.raises(tg.ShapeError, match=words):
            model(np.zeros(shape))


@pytest.mark.parametrize("members", [1, 3])
def test_one_example_without_a_batch_is_refused_with_advice(members: int) -> None:
    model = tg.nn.MLP([3, 4, 2], members=members)
    with pytest.raises(tg.ShapeError, match=r"\(N, 3\).*\(3,\): write x\[np.newaxis\]"):
        model(np.zeros(3))
    with pytest.raises(tg.ShapeError, match=r"3 inputs.*\(5, 4\)"):
        model(np.zeros((5, 4)))


@pytest.mark.parametrize("shape", [(4, 2), (3, 4, 2), (1, 4, 2)])
def test_derivatives_agree_with_finite_differences(shape: tuple[int, ...]) -> None:
    layer = tg.nn.Linear(2, 3, bias_init="normal", rng=0, members=3)
    x = np.random.default_rng(0).normal(size=shape)

    def output(x: Any, weight: Any, bias: Any) -> Any:
        layer.weight, layer.bias = weight, bias
        return np.tanh(layer(x))

    tg.check_grad(output, x, layer.weight.data, layer.bias.data, order=2)


# Losses.

Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]
TARGETS: dict[str, Draw] = {
    "mse": lambda rng, shape: rng.normal(size=(*shape, 3)),
    "cross_entropy": lambda rng, shape: rng.integers(0, 3, shape),
    "binary_cross_entropy_with_logits": lambda rng, shape: rng.integers(0, 2, (*shape, 3)),
    "hinge": lambda rng, shape: rng.choice([-1, 1], (*shape, 3)),
}  #: what the losses compare outputs of shape (..., N, 3) with


def test_every_loss_that_is_known_by_name_is_tested_here() -> None:
    assert set(TARGETS) == set(tg.losses.BY_NAME)


@pytest.mark.parametrize("loss", TARGETS)
@pytest.mark.parametrize("is_shared", [False, True])
@pytest.mark.parametrize("examples", [1, 4, 5])
def test_an_ensembles_loss_is_that_of_every_member(
    loss: str, is_shared: bool, examples: int
) -> None:
    rng = np.random.default_rng(0)
    ensemble = tg.nn.MLP([2, 5, 3], "relu", bias_init="normal", rng=3, members=4)
    shape = (examples,) if is_shared else (4, examples)
    x, target = rng.normal(size=(*shape, 2)), TARGETS[loss](rng, shape)
    alone = _members_alone(3, 4, [2, 5, 3], "relu", bias_init="normal")
    with tg.reproducible():
        losses = tg.losses.BY_NAME[loss](ensemble(x), target)
        losses.sum().backward()
        for e, model in enumerate(alone):
            one = tg.losses.BY_NAME[loss](
                model(x if is_shared else x[e]), target if is_shared else target[e]
            )
            one.backward()
            assert losses.shape == (4,)
            assert one.shape == ()
            assert losses.data[e].tobytes() == one.data.tobytes()
            assert _bits(_of_member(e, _gradients(ensemble))) == _bits(_gradients(model))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "gelu"])
def test_one_example_in_saturation_gives_the_same_signs_of_zero(activation: str) -> None:
    # A slope of 0 times a negative gradient is -0; the sum over one example makes it +0.
    far = tg.init.uniform(-1e3, 1e3)
    ensemble = tg.nn.MLP([2, 9, 3], activation, bias_init=far, rng=0, members=2)
    alone = ensemble.member(1)
    with tg.reproducible():
        for model in (ensemble, alone):
            tg.losses.mse(model([[1.0, 2.0]]), np.ones((1, 3))).sum().backward()
    assert (alone.layers[0].bias.grad == 0).any()
    assert _bits(_of_member(1, _gradients(ensemble))) == _bits(_gradients(alone))


def test_the_gradient_of_a_shared_input_is_the_sum_over_members() -> None:
    ensemble = tg.nn.MLP([2, 5, 3], rng=3, members=4)
    x = tg.Tensor(np.random.default_rng(0).normal(size=(6, 2)), requires_grad=True)
    found = tg.grad(ensemble(x).sum(), x).data
    parts = [tg.grad(ensemble.member(e)(x).sum(), x).data for e in range(4)]
    np.testing.assert_allclose(found, sum(parts), rtol=1e-12, atol=1e-14)


# Training.

OPTIMISERS: dict[str, Callable[[list[tg.Tensor]], Any]] = {
    "momentum": lambda p: tg.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda p: tg.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: tg.optim.Adam(p, lr=0.05, weight_decay=0.01),
    "adamw": lambda p: tg.optim.AdamW(p, lr=0.05),
    "rmsprop": lambda p: tg.optim.RMSProp(p, lr=0.05, momentum=0.5),
    "adagrad": lambda p: tg.optim.Adagrad(p, lr=0.05),
}


def _train(
    model: tg.nn.MLP, loss: str, optimiser: str, batches: list[Any], limit: float
) -> tuple[list[Array], list[Array]]:
    """The losses and the lengths of gradients at each step."""
    stepper = OPTIMISERS[optimiser](model.parameters())
    losses, lengths = [], []
    for x, target in batches:
        stepper.zero_grad()
        found = tg.losses.BY_NAME[loss](model(x), target)
        found.sum().backward()
        lengths.append(
            np.asarray(tg.optim.clip_norm(model.parameters(), limit, members=model.members))
        )
        losses.append(found.data)
        stepper.step()
    return losses, lengths


@settings(max_examples=120, derandomize=True, deadline=None)
@given(data=st.data())
def test_a_member_trains_as_alone_to_the_bit_in_reproducible_arithmetic(data: Any) -> None:
    members, examples = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 6))
    sizes = [2, *data.draw(st.lists(st.integers(1, 5), max_size=3)), 3]
    activation = data.draw(st.sampled_from(["tanh", "relu", "sigmoid", "gelu"]))
    start = data.draw(st.sampled_from(["glorot_uniform", "he_normal", "constant", "zeros"]))
    dtype = data.draw(st.sampled_from(["float64", "float32"]))
    loss, optimiser = (data.draw(st.sampled_from(list(of))) for of in (TARGETS, OPTIMISERS))
    limit = data.draw(st.sampled_from([0.01, 0.3, np.inf]))
    is_shared = data.draw(st.booleans())
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    batches = []
    for _ in range(4):
        shape = (examples,) if is_shared else (members, examples)
        target = TARGETS[loss](rng, shape)
        target = target.astype(dtype) if target.dtype.kind == "f" else target
        batches.append((rng.normal(size=(*shape, 2)).astype(dtype), target))

    settings: dict[str, Any] = {
        "activation": activation, "weight_init": start, "bias_init": "normal", "dtype": dtype
    }  # fmt: skip
    ensemble = tg.nn.MLP(sizes, rng=11, members=members, **settings)
    with tg.reproducible():
        losses, lengths = _train(ensemble, loss, optimiser, batches, limit)
        for e, alone in enumerate(_members_alone(11, members, sizes, **settings)):
            own = batches if is_shared else [(x[e], target[e]) for x, target in batches]
            losses_alone, lengths_alone = _train(alone, loss, optimiser, own, limit)
            assert _bits(_of_member(e, losses)) == _bits(losses_alone)
            assert _bits(_of_member(e, lengths)) == _bits(lengths_alone)
            assert _bits(_of_member(e, _gradients(ensemble))) == _bits(_gradients(alone))
            assert _bits(_of_member(e, _weights(ensemble))) == _bits(_weights(alone))


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("loss", TARGETS)
def test_a_member_trains_as_alone_to_rounding_in_plain_arithmetic(
    optimiser: str, loss: str
) -> None:
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(17, 6)), TARGETS[loss](rng, (17,))) for _ in range(20)]
    ensemble = tg.nn.MLP([6, 19, 3], rng=2, members=5)
    losses, lengths = _train(ensemble, loss, optimiser, batches, 0.5)
    for e, alone in enumerate(_members_alone(2, 5, [6, 19, 3])):
        losses_alone, lengths_alone = _train(alone, loss, optimiser, batches, 0.5)
        np.testing.assert_allclose(np.array(losses)[:, e], np.array(losses_alone), rtol=1e-11)
        np.testing.assert_allclose(np.array(lengths)[:, e], np.array(lengths_alone), rtol=1e-10)
        for ours, theirs in zip(_weights(ensemble), _weights(alone), strict=True):
            np.testing.assert_allclose(ours[e], theirs, rtol=1e-10, atol=1e-11)


def test_training_agrees_with_a_loop_over_members_written_by_hand() -> None:
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(12, 4)), rng.integers(0, 3, 12)
    model = tg.nn.MLP([4, 5, 3], bias_init="normal", rng=0, members=3)
    by_hand = [[array[e].copy() for array in _weights(model)] for e in range(3)]
    optimiser = tg.optim.SGD(model.parameters(), lr=0.2, momentum=0.8)
    velocity = [[np.zeros_like(array) for array in arrays] for arrays in by_hand]
    for _ in range(15):
        optimiser.zero_grad()
        tg.losses.cross_entropy(model(X), labels).sum().backward()
        tg.optim.clip_norm(model.parameters(), 0.2, members=3)
        optimiser.step()
        for arrays, speeds in zip(by_hand, velocity, strict=True):
            W1, b1, W2, b2 = arrays
            h = np.tanh(X.dot(W1) + b1)
            p = np.exp(h.dot(W2) + b2)
            p /= p.sum(axis=1, keepdims=True)
            d2 = (p - np.eye(3)[labels]) / 12
            d1 = d2.dot(W2.T) * (1 - h * h)
            gradients = [X.T.dot(d1), d1.sum(axis=0), h.T.dot(d2), d2.sum(axis=0)]
            length = np.sqrt(sum((g * g).sum() for g in gradients))
            for array, speed, g in zip(arrays, speeds, gradients, strict=True):
                speed *= 0.8
                speed += g * min(1, 0.2 / length)
                array -= 0.2 * speed
    for k, found in enumerate(_weights(model)):
        np.testing.assert_allclose(found, [arrays[k] for arrays in by_hand], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("is_exact", [False, True])
def test_what_one_member_is_and_sees_is_nothing_to_the_others(is_exact: bool) -> None:
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(3, 7, 4)), rng.integers(0, 3, (3, 7))) for _ in range(5)]
    results = []
    for factor in (1.0, 100.0):
        model = tg.nn.MLP([4, 9, 3], rng=0, members=3)
        weight = model.layers[0].weight
        weight.data = weight.data * np.array([1.0, factor, 1.0])[:, np.newaxis, np.newaxis]
        for x, _ in batches:
            x[1] *= factor
        with tg.study.runs.arithmetic(is_exact):
            _train(model, "cross_entropy", "adam", batches, 0.1)
        results.append(_weights(model))
    first, second = results
    for e, is_same in ((0, True), (1, False), (2, True)):
        assert (_bits(_of_member(e, first)) == _bits(_of_member(e, second))) is is_same


# Clipping.


def _with_gradient(gradient: Any, dtype: str = "float64") -> tg.Tensor:
    parameter = tg.Tensor(np.zeros(np.shape(gradient)), requires_grad=True, dtype=dtype)
    parameter.grad = np.array(gradient, dtype)
    return parameter


def test_each_member_is_clipped_by_its_own_length() -> None:
    a = _with_gradient([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    b = _with_gradient([[[0.0], [12.0]], [[0.0], [0.0]], [[0.0], [0.0]]])
    idle, shared = tg.Tensor(np.zeros(3), requires_grad=True), a.grad
    found = tg.optim.clip_norm([a, idle, b], 6.5, members=3)
    np.testing.assert_allclose(found, [13.0, 0.5, 0.0], rtol=1e-15)
    assert found.dtype == np.float64
    assert a.grad.tolist() == [[1.5, 2.0], [0.3, 0.4], [0.0, 0.0]]
    assert b.grad.tolist() == [[[0.0], [6.0]], [[0.0], [0.0]], [[0.0], [0.0]]]
    assert idle.grad is None
    assert shared[0].tolist() == [3.0, 4.0]  # nobody else's array is written to


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    members=st.integers(1, 5),
    shapes=st.lists(st.lists(st.integers(0, 4), max_size=3).map(tuple), min_size=1, max_size=4),
    dtype=st.sampled_from(["float64", "float32"]),
    limit=st.floats(1e-3, 1e3),
    is_exact=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_clipping_an_ensemble_is_clipping_every_member_alone_to_the_bit(
    members: int, shapes: list[tuple[int, ...]], dtype: str, limit: float, is_exact: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    scale = np.exp(rng.normal(0, 3, members))  # some are clipped and some are not
    gradients = [
        rng.normal(size=(members, *shape)) * scale.reshape(-1, *(1,) * len(shape))
        for shape in shapes
    ]
    together = [_with_gradient(gradient, dtype) for gradient in gradients]
    with tg.study.runs.arithmetic(is_exact):
        lengths = tg.optim.clip_norm(together, limit, members=members)
        assert lengths.shape == (members,)
        for e in range(members):
            alone = [_with_gradient(gradient[e], dtype) for gradient in gradients]
            assert tg.optim.clip_norm(alone, limit) == lengths[e]
            assert _bits([p.grad[e] for p in together]) == _bits([p.grad for p in alone])
            for parameter, gradient in zip(alone, gradients, strict=True):
                shorter = gradient[e].astype(dtype) * min(1, limit / max(float(lengths[e]), 1e-9))
                assert _bits([parameter.grad]) == _bits([shorter])


def test_a_member_that_diverged_takes_no_other_along() -> None:
    parameter = _with_gradient([[np.nan, 1.0], [30.0, 40.0]])
    lengths = tg.optim.clip_norm([parameter], 5.0, members=2)
    assert np.isnan(lengths[0])
    assert lengths[1] == 50.0
    assert parameter.grad[1].tolist() == [3.0, 4.0]
    assert parameter.grad[0, 1] == 1.0


def test_gradients_that_remember_their_history_are_clipped_too() -> None:
    model = tg.nn.MLP([2, 3, 1], rng=0, members=2)
    (model([[1.0, 2.0]]) ** 2).sum().backward(create_graph=True)
    before: list[Any] = _gradients(model)
    lengths = tg.optim.clip_norm(model.parameters(), 0.01, members=2)
    assert (lengths > 0.01).all()
    after: list[Any] = _gradients(model)
    for old, new in zip(before, after, strict=True):
        factor = 0.01 / lengths.reshape(2, *(1,) * (old.ndim - 1))
        np.testing.assert_allclose(new.data, old.data * factor, rtol=1e-14)
        assert new.requires_grad
    model.zero_grad()  # a leaf and its gradient hold each other


def test_clipping_says_what_belongs_to_no_ensemble() -> None:
    idle = tg.Tensor(np.zeros((2, 3)), requires_grad=True)
    assert tg.optim.clip_norm([idle], 1.0, members=2).tolist() == [0.0, 0.0]
    for shape in [(3, 2), (), (4,)]:
        mine = _with_gradient(np.ones((2, 3)))
        with pytest.raises(tg.ShapeError, match=rf"{re.escape(str(shape))}.* 2 members"):
            tg.optim.clip_norm([mine, _with_gradient(np.ones(shape))], 0.1, members=2)
        assert (mine.grad == 1).all()  # nothing is clipped then


# One member alone.


def test_a_member_is_a_copy_with_the_same_activation_and_dtype() -> None:
    ensemble = tg.nn.MLP(
        [3, 4, 2], "relu", bias_init="normal", rng=4, members=3, dtype=np.float32
    ).eval()
    for e, same in enumerate(
        _members_alone(4, 3, [3, 4, 2], "relu", bias_init="normal", dtype=np.float32)
    ):
        alone = ensemble.member(e)
        assert _bits(_weights(alone)) == _bits(_weights(same))
        assert (alone.members, alone.activation, alone.sizes) == (None, "relu", [3, 4, 2])
        assert not alone.training
        assert not alone.layers[0].training
        assert [p.label for p in alone.parameters()] == ["W1", "b1", "W2", "b2"]
    before = ensemble.state_dict()
    alone.layers[0].weight.data = alone.layers[0].weight.data + 1
    for name, array in ensemble.state_dict().items():
        assert np.array_equal(array, before[name])


def test_a_member_of_a_trained_ensemble_computes_what_the_ensemble_does() -> None:
    ensemble = tg.nn.MLP([2, 3, 1], F.tanh, rng=0, members=4)
    batches = [(np.eye(2), np.ones((2, 1)))] * 5
    _train(ensemble, "mse", "adam", batches, np.inf)
    assert ensemble.member(0).training
    with tg.reproducible():
        together = ensemble(np.eye(2)).data
        for e in range(4):
            assert _bits([ensemble.member(e)(np.eye(2)).data]) == _bits([together[e]])


@pytest.mark.parametrize("e", [3, -1, 1.0, "0", slice(0, 1), None])
def test_a_member_that_is_not_there_is_refused(e: Any) -> None:
    with pytest.raises(tg.DataError, match=rf"0 to 2, got {re.escape(repr(e))}"):
        tg.nn.MLP([2, 1], members=3).member(e)


def test_a_network_alone_has_no_members() -> None:
    with pytest.raises(tg.DataError, match="members=E"):
        tg.nn.MLP([2, 1]).member(0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tg.nn.MLP([2, 1], members=0), "members=0"),
        (lambda: tg.nn.MLP([2, 1], members=-2), "members=-2"),
        (lambda: tg.nn.MLP([2, 1], members=2.0), r"members=2\.0"),  # type: ignore[arg-type]
        (lambda: tg.nn.MLP([2, 1], members=True), "members=True"),
        (lambda: tg.nn.Linear(2, 1, members=0), "members=0"),
        (lambda: tg.nn.MLP([2, 1], rng=[1, 2], members=3), "3 members need 3 streams, got 2"),
        (lambda: tg.nn.MLP([2, 1], rng=-1, members=3), "seed.*-1"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(tg.DataError, match=message):
        make()


# As a module.


def test_a_state_and_a_pickle_go_round() -> None:
    first, second = (tg.nn.MLP([3, 5, 2], rng=seed, members=3) for seed in (1, 2))
    x = np.linspace(-1, 1, 12).reshape(4, 3)
    second.load_state_dict(first.state_dict())
    for other in (second, pickle.loads(pickle.dumps(first)), copy.deepcopy(first)):
        assert _bits([other(x).data]) == _bits([first(x).data])
        assert other.members == 3
    with pytest.raises(tg.ShapeError, match=r"layers.0.weight.*\(3, 3, 5\).*\(3, 5\)"):
        first.load_state_dict(first.member(0).state_dict())


def test_networks_that_were_trained_alone_make_an_ensemble() -> None:
    alone = [tg.nn.MLP([3, 4, 2], rng=seed) for seed in range(3)]
    ensemble = tg.nn.MLP([3, 4, 2], members=3)
    states = [model.state_dict() for model in alone]
    ensemble.load_state_dict({name: [state[name] for state in states] for name in states[0]})
    for e, model in enumerate(alone):
        assert _bits(_weights(ensemble.member(e))) == _bits(_weights(model))
