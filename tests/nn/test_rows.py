"""Optimisers move the parameters of a small model as one row, and nobody can tell but by the time.

The oracle is an optimiser for each parameter alone, which has nothing to join.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_init as tg
from tinygrad_init.nn.rows import LONGEST

Array = NDArray[Any]
Make = Callable[[Any], Any]
MAKERS: dict[str, Make] = {
    "SGD": lambda p: tg.optim.SGD(p, lr=0.1),
    "momentum": lambda p: tg.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda p: tg.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "Adam": lambda p: tg.optim.Adam(p, lr=0.01, weight_decay=0.01),
    "AdamW": lambda p: tg.optim.AdamW(p, lr=0.01),
    "RMSProp": lambda p: tg.optim.RMSProp(p, lr=0.01, momentum=0.5),
    "Adagrad": lambda p: tg.optim.Adagrad(p, lr=0.01, weight_decay=0.01),
}
each_optimiser = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
SHAPES: list[tuple[int, ...]] = [(3, 5), (5,), (), (1, 1), (5, 2), (2,), (4, 2, 3), (0, 3)]


def parameters(dtype: str = "float64", shapes: list[tuple[int, ...]] | None = None) -> list[Any]:
    rng = np.random.default_rng(1)
    return [
        tg.Tensor(rng.normal(size=shape), requires_grad=True, dtype=dtype, label=f"w{k}")
        for k, shape in enumerate(SHAPES if shapes is None else shapes)
    ]


def give_gradients(tensors: list[Any], step: int, but: tuple[int, ...] = ()) -> None:
    rng = np.random.default_rng((7, step))
    for k, tensor in enumerate(tensors):
        gradient = rng.normal(size=tensor.shape).astype(tensor.dtype)
        tensor.grad = None if k in but else np.asarray(gradient)


def bits(tensors: list[Any]) -> list[tuple[Any, ...]]:
    return [(t.shape, t.data.dtype, t.data.tobytes()) for t in tensors]


def rows(optimiser: Any) -> int:
    return len(optimiser._rows)


# The same numbers.


@each_optimiser
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_parameters_together_have_the_bits_of_each_alone(make: Make, dtype: str) -> None:
    together, alone = parameters(dtype), parameters(dtype)
    optimiser, others = make(together), [make([each]) for each in alone]
    assert rows(optimiser) == 1
    for step in range(6):
        for tensors in (together, alone):
            give_gradients(tensors, step)
        optimiser.lr *= 0.9
        optimiser.step()
        for other in others:
            other.lr *= 0.9
            other.step()
        assert bits(together) == bits(alone)
        for one, another, other in zip(together, alone, others, strict=True):
            kept, expected = optimiser.memory(one), other.memory(another)
            assert kept.keys() == expected.keys()
            assert all(kept[name].tobytes() == expected[name].tobytes() for name in kept)
            assert all(kept[name].shape == one.shape for name in kept)


@each_optimiser
def test_parameters_without_a_gradient_stay_and_remember_nothing_of_that_step(make: Make) -> None:
    together, alone = parameters(), parameters()
    optimiser, others = make(together), [make([each]) for each in alone]
    for step, but in enumerate([(), (1,), (1, 4), (), tuple(range(len(SHAPES))), ()]):
        for tensors in (together, alone):
            give_gradients(tensors, step, but)
        before = bits(together)
        optimiser.step()
        for other in others:
            other.step()
        assert bits(together) == bits(alone)
        assert all(bits(together)[k] == before[k] for k in but)


def test_steps_without_any_gradient_leave_the_row_as_it_is() -> None:
    tensors = parameters()
    optimiser = tg.optim.Adam(tensors)
    optimiser.step()
    give_gradients(tensors, 0)
    optimiser.step()
    optimiser.zero_grad()
    before = bits(tensors)
    optimiser.step()
    assert rows(optimiser) == 1
    assert bits(tensors) == before


@each_optimiser
def test_gradients_of_another_dtype_are_rounded_as_for_each_alone(make: Make) -> None:
    together, alone = parameters("float32"), parameters("float32")
    optimiser, others = make(together), [make([each]) for each in alone]
    for step in range(3):
        for tensors in (together, alone):
            give_gradients(tensors, step)
            tensors[0].grad = tensors[0].grad.astype("float64") / 3
        optimiser.step()
        for other in others:
            other.step()
        assert bits(together) == bits(alone)


@pytest.mark.parametrize("shape", [(5, 3), (3, 4)])
def test_a_gradient_of_another_shape_is_refused(shape: tuple[int, int]) -> None:
    tensors = parameters()
    optimiser = tg.optim.SGD(tensors, lr=0.1)
    give_gradients(tensors, 0)
    tensors[0].grad = np.ones(shape)
    with pytest.raises(ValueError, match="broadcast"):
        optimiser.step()


@pytest.mark.parametrize("members", [None, 3])
def test_a_network_is_one_row_and_so_is_an_ensemble(members: int | None) -> None:
    model = tg.nn.MLP([4, 5, 3], rng=0, members=members)
    optimiser = tg.optim.Adam(model.parameters())
    assert rows(optimiser) == 1
    other = tg.nn.MLP([4, 5, 3], rng=0, members=members)
    others = [tg.optim.Adam([each]) for each in other.parameters()]
    X = np.random.default_rng(0).normal(size=(6, 4))
    for _ in range(3):
        for each in (model, other):
            each.zero_grad()
            tg.losses.cross_entropy(each(X), [0, 1, 2, 0, 1, 2]).sum().backward()
        optimiser.step()
        for one in others:
            one.step()
    assert bits(model.parameters()) == bits(other.parameters())


# As many calls of NumPy for many layers as for few.


def underflows(optimiser: Any) -> int:
    """How many calls of NumPy come out too small: each of them reports once."""
    reports: list[str] = []
    with np.errstate(all="ignore"), np.errstate(under="call"):
        before = np.seterrcall(lambda kind, _flag: reports.append(kind))
        try:
            optimiser.step()
        finally:
            np.seterrcall(before)
    return len(reports)


@each_optimiser
def test_the_number_of_calls_does_not_grow_with_the_number_of_layers(make: Make) -> None:
    def small(layers: int) -> list[Any]:
        found = tg.nn.MLP([2] * (layers + 1), weight_init="zeros").parameters()
        for parameter in found:
            parameter.grad = np.full(parameter.shape, 1e-308)
        return found

    counts = []
    for layers in (1, 2, 20):
        counts.append(underflows(make(small(layers))))
        alone = [make([parameter]) for parameter in small(layers)]
        assert sum(map(underflows, alone)) == 2 * layers * counts[0]  # they do count calls
    assert counts[0] > 0
    assert len(set(counts)) == 1


def test_nothing_else_is_called_for_each_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    join = np.concatenate

    def counted(*args: Any, **settings: Any) -> Any:
        calls.append(args)
        return join(*args, **settings)

    model = tg.nn.MLP([2] * 21, rng=0)
    optimiser = tg.optim.SGD(model.parameters(), lr=0.1)
    for parameter in model.parameters():
        parameter.grad = np.ones(parameter.shape)
    monkeypatch.setattr(np, "concatenate", counted)
    before = [parameter.data.copy() for parameter in model.parameters()]
    optimiser.step()
    assert len(calls) == 1
    for parameter, old in zip(model.parameters(), before, strict=True):
        np.testing.assert_allclose(parameter.data, old - 0.1)


# What a holder of arrays sees.


def test_an_array_that_somebody_holds_is_not_moved() -> None:
    tensors = parameters()
    held = tensors[0].data
    view = tensors[1].data[1:]
    optimiser = tg.optim.SGD(tensors, lr=0.1)
    assert tensors[0].data is held
    give_gradients(tensors, 0)
    optimiser.step()
    assert tensors[0].data is held
    assert np.shares_memory(tensors[1].data, view)


def test_an_array_that_was_taken_later_is_that_of_the_parameter_for_ever() -> None:
    tensors = parameters()
    optimiser = tg.optim.SGD(tensors, lr=0.1)
    held = [tensor.data for tensor in tensors]
    for step in range(3):
        give_gradients(tensors, step)
        optimiser.step()
        assert all(tensor.data is array for tensor, array in zip(tensors, held, strict=True))


def test_a_detached_tensor_shares_the_memory_before_and_after() -> None:
    tensors = parameters()
    early = tensors[0].detach()
    optimiser = tg.optim.SGD(tensors, lr=0.1)
    late = tensors[1].detach()
    give_gradients(tensors, 0)
    optimiser.step()
    for tensor, other in ((tensors[0], early), (tensors[1], late)):
        assert tensor.data.tobytes() == other.data.tobytes()
        assert np.shares_memory(tensor.data, other.data)


def test_numbers_assigned_in_between_count() -> None:
    model = tg.nn.MLP([2, 3, 1], rng=0)
    optimiser = tg.optim.SGD(model.parameters(), lr=1.0)
    state = {name: np.full_like(array, 5.0) for name, array in model.state_dict().items()}
    model.load_state_dict(state)
    model.layers[0].bias.data = [7.0, 8.0, 9.0]
    for parameter in model.parameters():
        parameter.grad = np.ones_like(parameter.data)
    optimiser.step()
    assert rows(optimiser) == 1
    assert model.layers[0].bias.data.tolist() == [6.0, 7.0, 8.0]
    assert (model.layers[0].weight.data == 4.0).all()


def test_layouts_other_than_rows_of_numbers_stay() -> None:
    tensors = [
        tg.Tensor(np.asfortranarray(np.ones((3, 4))), requires_grad=True),
        tg.Tensor(np.ones((3, 4)), requires_grad=True),
        tg.Tensor(np.ones(4, "float32"), requires_grad=True),
    ]
    optimiser = tg.optim.SGD(tensors, lr=0.5)
    for tensor in tensors:
        tensor.grad = np.ones_like(tensor.data)
    optimiser.step()
    assert tensors[0].data.flags.f_contiguous
    assert all((tensor.data == 0.5).all() for tensor in tensors)


def test_a_parameter_of_two_optimisers_is_moved_by_both() -> None:
    tensors = parameters()
    first = tg.optim.SGD(tensors, lr=0.1)
    second = tg.optim.SGD(tensors[::-1], lr=0.01)  # for itself, one by one
    third = tg.optim.SGD(tensors, lr=0.001)  # in the same order: it finds the row of the first
    assert (rows(first), rows(third)) == (1, 1)
    expected = [tensor.data.copy() for tensor in tensors]
    give_gradients(tensors, 0)
    for optimiser, lr in ((first, 0.1), (second, 0.01), (third, 0.001)):
        optimiser.step()
        for k, tensor in enumerate(tensors):
            expected[k] -= lr * tensor.grad
    for tensor, array in zip(tensors, expected, strict=True):
        np.testing.assert_array_equal(tensor.data, array)


def test_a_step_is_a_change_of_every_parameter() -> None:
    model = tg.nn.MLP([2, 3, 1], rng=0)
    optimiser = tg.optim.SGD(model.parameters(), lr=0.1)
    assert rows(optimiser) == 1
    loss = tg.losses.mse(model([[1.0, 2.0]]), [[0.0]])
    loss.backward()
    optimiser.step()
    with pytest.raises(tg.GraphError, match=r"affine.*changed"):
        loss.backward()
    kept = tg.losses.mse(model([[1.0, 2.0]]), [[0.0]])
    optimiser.zero_grad()
    optimiser.step()  # without gradients nothing changes
    kept.backward()


# Groups.


def test_groups_are_rows_of_their_own_and_read_their_settings_at_every_step() -> None:
    tensors, alone = parameters(), parameters()
    optimiser = tg.optim.SGD(
        [{"parameters": tensors[:3], "lr": 1.0}, {"parameters": tensors[3:]}], lr=0.5, momentum=0.9
    )
    others = [
        tg.optim.SGD([each], lr=1.0 if k < 3 else 0.5, momentum=0.9) for k, each in enumerate(alone)
    ]
    assert rows(optimiser) == 2
    for step in range(4):
        for each in (tensors, alone):
            give_gradients(each, step)
        optimiser.groups[1]["lr"] = 0.5 / (step + 1)
        for other in others[3:]:
            other.lr = 0.5 / (step + 1)
        optimiser.step()
        for other in others:
            other.step()
        assert bits(tensors) == bits(alone)


def test_parameters_may_be_added_to_a_group_and_groups_to_an_optimiser() -> None:
    tensors, alone = parameters(), parameters()
    optimiser = tg.optim.Adam(tensors[:2], lr=0.1)
    others = [tg.optim.Adam([each], lr=0.1) for each in alone]
    for step in range(3):
        for each in (tensors, alone):
            give_gradients(each, step)
        optimiser.step()
        for other in others[: 2 + 2 * step]:
            other.step()
        assert bits(tensors) == bits(alone)
        if step == 0:
            optimiser.groups[0]["parameters"] = tensors[:4]
        else:
            optimiser.groups.append({**optimiser.groups[0], "parameters": tensors[4:6]})
    optimiser.groups[0]["parameters"] = [*tensors[:4], tensors[5]]
    with pytest.raises(tg.DataError, match="twice"):
        optimiser.step()


# Copies.


@each_optimiser
@pytest.mark.parametrize("duplicate", [
    copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair)),
], ids=["deepcopy", "pickle"])  # fmt: skip
def test_copies_of_a_model_and_its_optimiser_train_on_by_themselves(
    make: Make, duplicate: Callable[[Any], Any]
) -> None:
    tensors = parameters()
    optimiser = make(tensors)
    give_gradients(tensors, 0)
    optimiser.step()
    twins, twin = duplicate((tensors, optimiser))
    assert all(own is one for own, one in zip(twin.parameters, twins, strict=True))
    assert rows(twin) == 1
    before = bits(tensors)
    for step in (1, 2):
        give_gradients(twins, step)
        twin.step()
    assert bits(tensors) == before
    for step in (1, 2):
        give_gradients(tensors, step)
        optimiser.step()
    assert bits(tensors) == bits(twins)


def test_a_shallow_copy_moves_the_same_parameters() -> None:
    tensors = parameters()
    optimiser = tg.optim.SGD(tensors, lr=0.1, momentum=0.9)
    give_gradients(tensors, 0)
    optimiser.step()
    other = copy.copy(optimiser)
    before = [tensor.data.copy() for tensor in tensors]
    give_gradients(tensors, 1)
    other.step()
    assert all((t.data != old).any() for t, old in zip(tensors[:2], before, strict=False))


# Large models, and rules of one's own.


@each_optimiser
def test_what_stands_beside_a_large_parameter_is_joined(make: Make) -> None:
    shapes: list[tuple[int, ...]] = [(3, 2), (2,), (LONGEST, 2), (3,), (3, LONGEST // 4), (5,)]
    together, alone = parameters(shapes=shapes), parameters(shapes=shapes)
    optimiser, others = make(together), [make([each]) for each in alone]
    assert rows(optimiser) == 3  # two before it, it, and three behind it
    for step in range(3):
        for tensors in (together, alone):
            give_gradients(tensors, step)
        optimiser.step()
        for other in others:
            other.step()
    assert bits(together) == bits(alone)


def test_a_large_model_is_not_joined_and_moves_alike() -> None:
    shapes: list[tuple[int, ...]] = [(LONGEST, 2), (3,), (2, LONGEST + 1)]
    large, alone = parameters(shapes=shapes), parameters(shapes=shapes)
    arrays = [tensor.data for tensor in large]
    optimiser = tg.optim.SGD(large, lr=0.1, momentum=0.9)
    others = [tg.optim.SGD([each], lr=0.1, momentum=0.9) for each in alone]
    assert rows(optimiser) == 3
    for step in range(3):
        for each in (large, alone):
            give_gradients(each, step)
        expected = [
            array - 0.1 * (0.9 * optimiser.memory(t).get("velocity", 0.0) + t.grad)
            for t, array in zip(large, arrays, strict=True)
        ]
        optimiser.step()
        for other in others:
            other.step()
        assert bits(large) == bits(alone)
        for tensor, array, wanted in zip(large, arrays, expected, strict=True):
            assert tensor.data is array
            np.testing.assert_allclose(array, wanted, rtol=1e-12)


def test_a_rule_of_ones_own_is_given_one_parameter_at_a_time() -> None:
    seen = []

    class Normalised(tg.optim.SGD):
        def _change(self, w: Array, gradient: Array, state: Any, settings: Any) -> Array:
            seen.append(w.shape)
            step: Array = settings["lr"] * gradient / np.linalg.norm(gradient)
            return step

    tensors = parameters(shapes=[(3, 5), (5,)])
    optimiser = Normalised(tensors, lr=0.1)
    give_gradients(tensors, 0)
    optimiser.step()
    assert seen == [(3, 5), (5,)]


def test_training_leaves_no_memory_behind_with_the_optimiser() -> None:
    tensors = parameters()
    whole = tg.optim.SGD(tensors, lr=0.1)._rows[0].data
    assert all(np.shares_memory(tensor.data, whole) for tensor in tensors if tensor.size)
    assert whole.size == sum(tensor.size for tensor in tensors)
