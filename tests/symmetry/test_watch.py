"""Blocks of a network, and training under watch: what is compared, and how a difference looks."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_init as tg
from tests.symmetry.coloured import STRUCTURES, Configuration, network
from tinygrad_init.autograd import backpropagate
from tinygrad_init.symmetry.blocks import blocks_of, partners, tied_part
from tinygrad_init.symmetry.watch import Run, watch

Array = NDArray[Any]

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(9, 4)), RNG.integers(0, 3, 9)


def _constant(**settings: Any) -> tg.nn.MLP:
    return tg.nn.MLP([4, 5, 3], weight_init=["constant", tg.init.constant(0.2)], **settings)


def _watched(
    model: tg.nn.MLP, steps: int = 4, optimiser: Any = tg.optim.SGD, batches: Any = None
) -> Run:
    found = tg.symmetry.analyze(model)
    given = batches or [(X, Y)] * steps
    with tg.reproducible():
        return watch(
            model, given, tg.losses.cross_entropy, optimiser(model.parameters(), lr=0.1), found
        )


# Blocks.


@pytest.mark.parametrize("structure", STRUCTURES)
def test_entries_share_a_block_when_their_neurons_share_classes(structure: str) -> None:
    model = network(Configuration((2, 6, 6, 2), structure, seed=5))[0]
    found = tg.symmetry.analyze(model)
    every = [[(0,), (1,)], *found.classes, [(0,), (1,)]]
    number = [{i: c for c, group in enumerate(layer) for i in group} for layer in every]
    blocks = blocks_of(found)
    assert [block.shape for block in blocks] == [p.shape for p in model.parameters()]
    for k, (before, after) in enumerate(itertools.pairwise(number)):
        weight, bias = blocks[2 * k], blocks[2 * k + 1]
        places = list(np.ndindex(weight.shape))
        for a, b in itertools.combinations(places, 2):
            together = before[a[0]] == before[b[0]] and after[a[1]] == after[b[1]]
            assert (weight[a] == weight[b]) == together
        for i, j in itertools.combinations(range(len(bias)), 2):
            assert (bias[i] == bias[j]) == (after[i] == after[j])


def test_the_tied_part_is_a_projection_with_nothing_left_in_any_block() -> None:
    block = RNG.integers(0, 4, (6, 5))
    array = RNG.normal(size=(6, 5))
    (tied,) = tied_part([array], [block])
    np.testing.assert_allclose(tied_part([tied], [block])[0], tied, rtol=1e-15)
    for number in range(4):
        assert (array - tied)[block == number].sum() == pytest.approx(0, abs=1e-14)
        assert len(np.unique(tied[block == number])) == 1


def test_the_tied_part_of_equal_numbers_is_exact() -> None:
    # The mean by a sum is not: three times 0.1, divided by 3, is not 0.1.
    assert (0.1 + 0.1 + 0.1) / 3 != 0.1
    array = np.array([0.1, 0.1, 0.1, 0.7])
    (tied,) = tied_part([array], [np.array([0, 0, 0, 1])])
    assert tied.tolist() == array.tolist()


def test_partners_are_the_first_equal_entries_of_the_same_block() -> None:
    block = RNG.integers(0, 3, (7, 6))
    array = RNG.choice([0.0, -0.0, 1.0, np.nan], (7, 6))
    expected: dict[int, int] = {}
    for place, first in itertools.product(range(42), repeat=2):
        a, b = array.flat[place], array.flat[first]
        alike = a == b or (np.isnan(a) and np.isnan(b))
        if first < place and block.flat[first] == block.flat[place] and alike:
            expected.setdefault(place, first)
    places, firsts = partners(array, block)
    assert dict(zip(places.tolist(), firsts.tolist(), strict=True)) == expected


# A run without differences.


@pytest.mark.parametrize("structure", STRUCTURES)
def test_nothing_differs_in_reproducible_arithmetic(structure: str) -> None:
    model = network(Configuration((4, 8, 8, 3), structure, seed=2))[0]
    run = _watched(model, 10, tg.optim.Adam)
    assert (run.first_break, run.steps, run.distance) == (None, 10, 0.0)
    assert run.compared > 0
    assert run.losses[-1] < run.losses[0]


def test_every_array_of_the_layer_is_compared() -> None:
    # 5 tied neurons: 4 comparisons in each row of product, sum and activation, forward and
    # backward, for 9 examples; in the gradients of W1 (4 rows), b1, W2 (3 columns); and the same
    # entries after the update, and before it, when all of W1 is one number, all 19 of one block.
    per_step = 4 * 9 * 6 + 4 * (4 + 1 + 3) + 4 * (4 + 1 + 3)
    assert _watched(_constant(), 3).compared == 3 * per_step


def test_the_digest_is_that_of_the_parameters_at_the_start_and_after_each_step() -> None:
    model, twin = _constant(), _constant()
    run = _watched(model, 3)
    sha = hashlib.sha256()
    optimiser = tg.optim.SGD(twin.parameters(), lr=0.1)
    with tg.reproducible():
        for step in range(4):
            for parameter in twin.parameters():
                sha.update(np.ascontiguousarray(parameter.data, "<f8").tobytes())
            if step < 3:
                optimiser.zero_grad()
                tg.losses.cross_entropy(twin(X), Y).backward()
                optimiser.step()
    assert run.digest == sha.hexdigest()
    assert run.model is model


def test_the_trained_parameters_are_those_of_a_run_that_nobody_watched() -> None:
    watched, free = _constant(), _constant()
    batches = [(X[k : k + 3], Y[k : k + 3]) for k in (0, 3, 6, 1)]
    _watched(watched, batches=batches, optimiser=tg.optim.RMSProp)
    optimiser = tg.optim.RMSProp(free.parameters(), lr=0.1)
    with tg.reproducible():
        for one, labels in batches:
            optimiser.zero_grad()
            tg.losses.cross_entropy(free(one), labels).backward()
            optimiser.step()
    for mine, other in zip(watched.parameters(), free.parameters(), strict=True):
        assert mine.data.tobytes() == other.data.tobytes()


# Where something differs: one neuron is led astray by the smallest step there is.


def _nudge(column: int) -> Array:
    """Ones, and next to one in a column."""
    factors = np.ones(5)
    factors[column] = np.nextafter(1.0, 2.0)
    return factors


def test_a_bit_in_the_forward_pass_is_found_where_it_arises() -> None:
    model = _constant(activation=lambda z: np.tanh(z) * _nudge(3))
    found = _watched(model).first_break
    assert found is not None
    assert (found.step, found.phase, found.operation, found.layer, found.neurons) == (
        1, "forward", "multiply", 1, (0, 3))  # fmt: skip
    assert 0 < found.difference <= 2 * np.spacing(abs(found.values[0]))
    assert "neurons 0 and 3 of hidden layer 1" in str(found)


def test_a_bit_in_the_backward_pass_is_found_where_it_arises() -> None:
    lame = tg.operation("lame", np.abs, lambda g, _y, _x: g * _nudge(4), exact=np.abs)
    found = _watched(_constant(activation=lame)).first_break
    assert found is not None
    assert (found.phase, found.operation) == ("backward", "derivative of lame")
    assert (found.layer, found.neurons) == (1, (0, 4))


def test_a_bit_in_the_gradient_of_a_weight_is_found_there(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _constant()

    def one_bit_off(root: Any) -> dict[Any, Any]:
        gradients = backpropagate(root)
        own = gradients[model.layers[0].weight].copy()
        own[2, 4] = np.nextafter(own[2, 4], np.inf)
        gradients[model.layers[0].weight] = own
        return gradients

    monkeypatch.setattr("tinygrad_init.symmetry.watch.backpropagate", one_bit_off)
    found = _watched(model).first_break
    assert found is not None
    assert (found.phase, found.operation) == ("backward", "derivative of matmul")
    assert (found.layer, found.neurons) == (1, (0, 4))
    assert found.where == "dL/dW1[2, 0] and dL/dW1[2, 4]"


class _Biased(tg.optim.SGD):
    """Moves one entry of one matrix a little farther, in its third step."""

    shape, place = (4, 5), (1, 2)

    def _change(self, w: Array, gradient: Array, state: Any, settings: Any) -> Array:
        change = super()._change(w, gradient, state, settings)
        state["steps"] = state.get("steps", 0) + 1
        if w.shape == self.shape and state["steps"] == 3:
            change = change.copy()
            change[self.place] += 1e-16
        return change


class _BiasedOutput(_Biased):
    shape, place = (5, 3), (4, 1)


@pytest.mark.parametrize(
    ("optimiser", "where", "neurons"),
    [(_Biased, "W1[1, 0] and W1[1, 2]", (0, 2)), (_BiasedOutput, "W2[0, 1] and W2[4, 1]", (0, 4))],
)
def test_a_bit_in_the_update_is_found_in_the_step_and_entry(
    optimiser: Any, where: str, neurons: tuple[int, int]
) -> None:
    run = _watched(_constant(), 5, optimiser)
    found = run.first_break
    assert found is not None
    assert (found.step, found.phase, found.operation) == (3, "update", optimiser.__name__)
    assert (found.layer, found.neurons, found.where) == (1, neurons, where)
    assert run.distance >= found.difference > 0


def test_of_several_layers_the_right_one_is_named() -> None:
    calls = itertools.count()

    def second_layer_astray(z: Any) -> Any:
        h = np.tanh(z)
        return h * _nudge(1) if next(calls) % 2 else h

    model = tg.nn.MLP([4, 5, 5, 3], second_layer_astray, "constant")
    found = _watched(model).first_break
    assert found is not None
    assert (found.layer, found.neurons, found.phase) == (2, (0, 1), "forward")


def test_numbers_that_belong_to_no_neuron_are_not_compared_as_if_they_did() -> None:
    share = lambda z: z / (abs(z).sum(axis=-1, keepdims=True) + 1)
    run = _watched(_constant(activation=share))
    assert run.first_break is None


def test_a_layer_of_the_width_of_the_batch_or_of_its_inputs_is_no_riddle() -> None:
    model = tg.nn.MLP([9, 9, 9, 9], weight_init="constant")
    square = RNG.normal(size=(9, 9))
    run = _watched(model, batches=[(square, RNG.integers(0, 9, 9))] * 4)
    assert run.first_break is None


def test_ordinary_arithmetic_is_watched_as_well() -> None:
    # One unit in the last place, behind the watcher's back, is a difference like one of rounding.
    model = _constant()
    found = tg.symmetry.analyze(model)

    def batches() -> Any:
        yield X, Y
        weight = model.layers[0].weight.data.copy()
        weight[0, 4] = np.nextafter(weight[0, 4], 1)
        model.layers[0].weight.data = weight
        yield X, Y

    run = watch(model, batches(), tg.losses.cross_entropy, tg.optim.SGD(model.parameters()), found)
    assert run.first_break is not None
    assert (run.first_break.step, run.first_break.neurons) == (2, (0, 4))
    assert run.steps == 2
