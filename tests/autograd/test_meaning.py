"""To be moved into test_tape.py: copies, real optimisers, in-place operators, micrograd's demo."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg

KINDS = [pytest.param(tg.Value, id="Value"), pytest.param(tg.Tensor, id="Tensor")]
each_kind = pytest.mark.parametrize("kind", KINDS)


def _leaf(kind: Any, number: float) -> Any:
    return tg.Value(number) if kind is tg.Value else tg.Tensor(number, requires_grad=True)


def test_the_demo_of_micrograds_readme_prints_its_numbers() -> None:
    a, b = tg.Value(-4.0), tg.Value(2.0)
    c = a + b
    d = a * b + b ** 3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e ** 2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    assert f"{g.data:.4f} {a.grad:.4f} {b.grad:.4f}" == "24.7041 138.8338 645.5773"


COPIES = {
    "copy": copy.copy, "deepcopy": copy.deepcopy,
    "pickle": lambda node: pickle.loads(pickle.dumps(node)),
}  # fmt: skip
each_copy = pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)


@each_copy
def test_a_copied_leaf_has_its_data_gradient_and_label(duplicate: Callable[[Any], Any]) -> None:
    x = tg.Tensor([[1.0, 2.0]], requires_grad=True, label="w", dtype=np.float32)
    (x * x).sum().backward()
    twin = duplicate(x)
    assert type(twin) is tg.Tensor
    assert (twin.label, twin.requires_grad, twin.dtype) == ("w", True, np.float32)
    np.testing.assert_array_equal(twin.data, x.data)
    np.testing.assert_array_equal(twin.grad, x.grad)
    (twin * twin).sum().backward()
    np.testing.assert_array_equal(twin.grad, [[4.0, 8.0]])
    np.testing.assert_array_equal(x.grad, [[2.0, 4.0]])


@each_copy
def test_a_copied_value_keeps_its_kind_of_number(duplicate: Callable[[Any], Any]) -> None:
    x = tg.Value(Fraction(1, 3), label="x")
    (x * x).backward()
    twin = duplicate(x)
    assert (twin.data, twin.grad, twin.label) == (Fraction(1, 3), Fraction(2, 3), "x")
    (twin * twin).backward()
    assert (twin.grad, x.grad) == (Fraction(4, 3), Fraction(2, 3))


@each_copy
def test_a_change_of_a_copy_gives_no_wrong_gradient(duplicate: Callable[[Any], Any]) -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    twin = duplicate(x)
    y = (x * x).sum()
    twin.data = [0.0, 0.0]
    if np.shares_memory(twin.data, x.data):
        with pytest.raises(tg.GraphError, match="changed"):
            y.backward()
    else:
        y.backward()
        np.testing.assert_array_equal(x.grad, [2.0, 4.0])


@each_copy
@each_kind
def test_a_history_cannot_be_copied_but_a_number_without_one_can(
    kind: Any, duplicate: Callable[[Any], Any]
) -> None:
    y = _leaf(kind, 3.0) * 2
    with pytest.raises(tg.GraphError, match=r"multiply.*\.data"):
        duplicate(y)
    with tg.no_grad():
        constant = _leaf(kind, 3.0) * 2
    twin = duplicate(constant)
    assert (float(twin.data), twin.requires_grad) == (6.0, False)


@pytest.mark.parametrize("optimiser", [tg.optim.SGD])
def test_a_step_between_two_passes_is_refused_where_the_changed_weights_are_read(
    optimiser: Any,
) -> None:
    model = tg.nn.MLP([2, 3, 1], rng=0)
    step = optimiser(model.parameters(), lr=0.1).step
    loss = (model(np.ones((4, 2))) ** 2).mean()
    loss.backward()
    step()
    with pytest.raises(tg.GraphError, match="optimiser"):
        loss.backward()


@pytest.mark.parametrize("optimiser", [tg.optim.SGD])
def test_a_step_between_two_passes_does_no_harm_where_no_weight_is_read(optimiser: Any) -> None:
    layer = tg.nn.Linear(2, 1, rng=0)
    loss = layer(np.ones((4, 2))).sum()  # its slopes are sums of inputs
    loss.backward()
    first = layer.weight.grad.copy()
    optimiser(layer.parameters(), lr=0.1).step()
    loss.backward()
    np.testing.assert_array_equal(layer.weight.grad, 2 * first)


def test_loading_a_state_between_two_passes_is_refused() -> None:
    model = tg.nn.MLP([2, 3, 1], rng=0)
    state = tg.nn.MLP([2, 3, 1], rng=1).state_dict()
    loss = (model(np.ones((4, 2))) ** 2).mean()
    model.load_state_dict(state)
    with pytest.raises(tg.GraphError, match="changed"):
        loss.backward()


@pytest.mark.parametrize("sign", ["+=", "-=", "*=", "/=", "**=", "@=", "//=", "%="])
def test_in_place_operators_are_refused_with_advice_inside_a_graph(sign: str) -> None:
    w, constant = tg.Tensor([2.0], requires_grad=True, label="w"), tg.Tensor([3.0])
    for name, other in [("w", "1.0"), ("t", "1.0"), ("constant", "w")]:
        place = {"w": w, "constant": constant, "t": w * 2}
        with pytest.raises(tg.GraphError, match=r"\.data"):
            exec(f"{name} {sign} {other}", {}, place)
    np.testing.assert_array_equal(w.data, [2.0])
    np.testing.assert_array_equal(constant.data, [3.0])
