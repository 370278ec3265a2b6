"""What the mathematics says about zeros, constants and Latin squares, exactly.

The accuracies that go with it are measured by ``python -m benchmarks.reference``.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg
from benchmarks import reference

ARITHMETICS = [nullcontext, tg.reproducible]


def _nonzero(steps: list[dict[str, float]]) -> list[str]:
    """For each step, the names of the parameters whose gradient is not exactly zero."""
    return [" ".join(name for name, norm in norms.items() if norm != 0) for norms in steps]


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("sizes", [[64, 16, 10], [64, 33, 10], [64, 16, 16, 10]])
@pytest.mark.parametrize("activation", ["tanh", "relu", "softsign", "gelu", "sin"])
def test_zeros_teach_only_the_output_bias_where_the_activation_keeps_zero(
    arithmetic: Any, sizes: list[int], activation: str
) -> None:
    with arithmetic():
        steps = reference.gradient_norms(sizes, activation, steps=12)
    assert _nonzero(steps) == [f"b{len(sizes) - 1}"] * 12


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("width", [1, 16, 33])
def test_zeros_with_sigmoid_teach_the_output_layer_and_then_both(
    arithmetic: Any, width: int
) -> None:
    with arithmetic():
        steps = reference.gradient_norms([64, width, 10], "sigmoid", steps=4)
    assert _nonzero(steps) == ["W2 b2", *["W1 b1 W2 b2"] * 3]


def test_the_first_gradient_with_sigmoid_is_half_the_mean_error_for_every_neuron() -> None:
    digits = tg.data.load("digits")
    X, y = digits.X_train[:64], digits.y_train[:64]
    model = tg.nn.MLP([64, 16, 10], "sigmoid", "zeros")
    tg.losses.cross_entropy(model(X), y).backward()
    d = 0.1 - np.bincount(y, minlength=10) / 64  # the softmax of zeros is 1/10
    output = model.layers[1]
    np.testing.assert_allclose(output.bias.grad, d, rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(output.weight.grad, np.tile(d / 2, (16, 1)), rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_with_deeper_sigmoids_a_wave_of_gradients_moves_back_one_layer_at_each_step(
    arithmetic: Any,
) -> None:
    with arithmetic():
        steps = reference.gradient_norms(reference.DEEP, "sigmoid", steps=6)
    layers = [f"W{k} b{k}" for k in (1, 2, 3, 4)]
    expected = [" ".join(layers[3 - min(step, 3) :]) for step in range(6)]
    assert _nonzero(steps) == expected
    fronts = [steps[step][f"W{4 - step}"] for step in range(4)]
    # The published orders of magnitude: 2e-1, 7e-4, 7e-8, 7e-15.
    assert np.log10(fronts) == pytest.approx([-0.7, -3.2, -7.2, -14.2], abs=0.5)


def test_zeros_with_sigmoid_learn_as_a_network_of_width_one() -> None:
    study = tg.study.run(
        {"zeros": tg.study.Arm(tg.init.zeros(), reproducible=True)},
        "digits", sizes=[64, 16, 10], activation="sigmoid", lr=0.2, epochs=2,
    )  # fmt: skip
    record = study.records["zeros"]
    assert record.widths == [[1]] * 3
    assert record.losses[-1] < record.losses[0]


def _first_gradients(weight_init: list[str], steps: int) -> list[dict[str, float]]:
    with tg.reproducible():
        return reference.gradient_norms([64, 17, 10], "tanh", steps, weight_init)


def test_constants_teach_the_hidden_layer_from_the_second_step_on() -> None:
    # Its gradient is c * sum(p - y), and p adds up to 1 but for rounding.
    first, second = _first_gradients(["constant", "constant"], 2)
    assert first["W1"] < 1e-14
    assert second["W1"] > 1e-4


def test_a_random_layer_and_a_zero_one_teach_the_first_from_the_second_step_on() -> None:
    first, second = _first_gradients(["glorot_uniform", "zeros"], 2)
    assert (first["W1"], first["b1"]) == (0, 0)
    assert first["W2"] > 0
    assert second["W1"] > 0


def test_constants_below_a_random_layer_part_at_once() -> None:
    digits = tg.data.load("digits")
    model = tg.nn.MLP([64, 17, 10], weight_init=["constant", "glorot_uniform"], rng=0)
    with tg.reproducible():
        received = tg.symmetry.gradients(model, digits.X_train[:64], digits.y_train[:64])
    assert len(received.classes) == 17


# Latin squares.


@pytest.mark.parametrize("adam", reference.ADAM)
def test_a_latin_square_between_constants_keeps_its_17_numbers(adam: str) -> None:
    tied = ["constant", "latin_square", "constant"]
    model, _ = reference.train(tied, reference.ADAM[adam], epochs=2)
    middle = model.layers[1].weight.data
    assert tg.symmetry.analyze(model).effective_widths == [1, 1]
    assert len(np.unique(middle)) == 17
    for lines in (middle, middle.T):
        assert len(np.unique(np.sort(lines, axis=1), axis=0)) == 1, "one multiset in every line"
    start = tg.nn.MLP([64, 17, 17, 10], weight_init=tied, rng=0).layers[1].weight.data
    assert (middle != start).all(), "every one of them has moved"


def test_other_random_numbers_do_not() -> None:
    model, _ = reference.train("glorot_uniform", reference.ADAM["AdamW, decay 0.01"], epochs=1)
    assert tg.symmetry.analyze(model).effective_widths == [17, 17]
    assert len(np.unique(model.layers[1].weight.data)) == 289
