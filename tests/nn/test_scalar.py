"""Networks of single numbers mean what micrograd's do, and stay exact in fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg
from tinygrad_init.nn import scalar


def test_parameters_come_neuron_by_neuron_weights_before_the_bias() -> None:
    model = scalar.MLP(3, [4, 2], rng=0)
    expected = []
    for layer in model.layers:
        for neuron in layer.neurons:
            expected += [*neuron.w, neuron.b]
    found = model.parameters()
    assert len(found) == 4 * 4 + 2 * 5
    assert all(a is b for a, b in zip(found, expected, strict=True))


def test_hidden_neurons_are_relus_and_the_last_layer_is_linear() -> None:
    model = scalar.MLP(2, [3, 3, 1])
    assert [[n.nonlin for n in layer.neurons] for layer in model.layers] == [
        [True] * 3, [True] * 3, [False],
    ]  # fmt: skip
    assert repr(model) == (
        "MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2), ReLUNeuron(2)], "
        "Layer of [ReLUNeuron(3), ReLUNeuron(3), ReLUNeuron(3)], Layer of [LinearNeuron(3)]]"
    )


def test_weights_lie_between_minus_one_and_one_and_biases_are_zero() -> None:
    model = scalar.MLP(10, [30, 10], rng=0)
    weights = [w.data for layer in model.layers for n in layer.neurons for w in n.w]
    assert -1 <= min(weights) < -0.98
    assert 0.98 < max(weights) <= 1
    assert len(set(weights)) == 10 * 30 + 30 * 10
    assert all(n.b.data == 0 for layer in model.layers for n in layer.neurons)


def test_a_seed_repeats_and_no_seed_does_not() -> None:
    def numbers(rng: Any) -> list[float]:
        return [p.data for p in scalar.MLP(2, [3, 1], rng=rng).parameters()]

    assert numbers(1) == numbers(1)
    assert numbers(1) != numbers(2)
    assert numbers(None) != numbers(None)


def test_a_single_output_is_unwrapped_and_several_are_a_list() -> None:
    assert isinstance(scalar.MLP(2, [3, 1])([1.0, 2.0]), tg.Value)
    several = scalar.MLP(2, [3, 2])([1.0, 2.0])
    assert isinstance(several, list)
    assert len(several) == 2
    assert isinstance(scalar.MLP(2, [1, 1])([1.0, 2.0]), tg.Value)


@pytest.mark.parametrize("inputs", [[1.0], [1.0, 2.0, 3.0], []])
def test_the_wrong_number_of_inputs_is_refused_with_both_numbers(inputs: list[float]) -> None:
    model = scalar.MLP(2, [3, 1])
    with pytest.raises(tg.ShapeError, match=f"2 inputs, got {len(inputs)}"):
        model(inputs)


def test_inputs_may_be_values_and_receive_gradients() -> None:
    model = scalar.MLP(1, [1], weight=3.0)
    x = tg.Value(2.0)
    model([x]).backward()
    assert x.grad == 3.0


def test_zero_grad_forgets() -> None:
    model = scalar.MLP(2, [3, 1], rng=0)
    model([1.0, 2.0]).backward()
    assert any(p.grad != 0 for p in model.parameters())
    model.zero_grad()
    assert all(p.grad == 0 for p in model.parameters())


def test_gradients_agree_with_those_of_an_array_network_with_the_same_weights() -> None:
    model = scalar.MLP(3, [5, 4, 2], rng=0)
    twin = tg.nn.MLP([3, 5, 4, 2], "relu")
    for layer, other in zip(model.layers, twin.layers, strict=True):
        other.weight.data = np.array([[w.data for w in n.w] for n in layer.neurons]).T
        other.bias.data = [n.b.data for n in layer.neurons]
    X = np.random.default_rng(0).normal(size=(6, 3))
    loss: Any = 0
    for row in X.tolist():
        for output in model(row):
            loss = loss + output * output
    loss.backward()
    outputs = twin(X)
    (outputs * outputs).sum().backward()
    for layer, other in zip(model.layers, twin.layers, strict=True):
        weights = np.array([[w.grad for w in n.w] for n in layer.neurons]).T
        biases = [n.b.grad for n in layer.neurons]
        np.testing.assert_allclose(weights, other.weight.grad, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(biases, other.bias.grad, rtol=1e-12, atol=1e-13)


def test_in_fractions_copies_follow_the_network_of_one_neuron_exactly() -> None:
    # n copies with incoming w, bias b and outgoing v compute n * v * relu(w . x + b) + c, and every
    # copy receives the gradient of that one neuron: worked out by hand, no engine involved.
    n, lr = 3, Fraction(1, 50)
    examples = [([Fraction(x) for x in inputs], Fraction(y)) for inputs, y in [
        ((1, 2), 1), ((-1, 3), -1),
    ]]  # fmt: skip
    model = scalar.MLP(2, [n, 1], weight=Fraction(1, 2))
    w, b, v, c = [Fraction(1, 2)] * 2, Fraction(0), Fraction(1, 2), Fraction(0)
    for _ in range(4):
        loss: Any = 0
        for x, y in examples:
            error = model(x) - y
            loss = loss + error * error
        model.zero_grad()
        loss.backward()
        for parameter in model.parameters():
            parameter.data -= lr * parameter.grad

        dw, db, dv, dc = [Fraction(0)] * 2, Fraction(0), Fraction(0), Fraction(0)
        for x, y in examples:
            h = max(w[0] * x[0] + w[1] * x[1] + b, Fraction(0))
            d = 2 * (n * v * h + c - y)
            slope = d * v if h > 0 else Fraction(0)
            dw = [dw[0] + slope * x[0], dw[1] + slope * x[1]]
            db, dv, dc = db + slope, dv + d * h, dc + d
        w = [w[0] - lr * dw[0], w[1] - lr * dw[1]]
        b, v, c = b - lr * db, v - lr * dv, c - lr * dc

        hidden, out = model.layers[0].neurons, model.layers[1].neurons[0]
        for neuron in hidden:
            assert [p.data for p in neuron.parameters()] == [*w, b]
        assert [p.data for p in out.parameters()] == [v] * n + [c]
        assert all(isinstance(p.data, Fraction) for p in model.parameters())
