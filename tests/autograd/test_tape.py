"""The walk back: what is recorded, in which order it is differentiated, and what stays behind."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_init as tg
from tinygrad_init.autograd import F, Node

KINDS = [pytest.param(tg.Value, id="Value"), pytest.param(tg.Tensor, id="Tensor")]
each_kind = pytest.mark.parametrize("kind", KINDS)


def _leaf(kind: Callable[..., Any], number: float) -> Any:
    return tg.Value(number) if kind is tg.Value else tg.Tensor(number, requires_grad=True)


# The chain rule over shared nodes.


def _with(b: Any, f: Callable[[Any], Any]) -> Any:
    return f(b)


@each_kind
@pytest.mark.parametrize(("name", "f", "slope"), [
    ("diamond", lambda a: (a * 2) * (a * 3), lambda a: 12 * a),
    ("a + a", lambda a: a + a, lambda a: 2),
    ("a * a", lambda a: a * a, lambda a: 2 * a),
    ("a - a", lambda a: a - a, lambda a: 0),
    ("a / a", lambda a: a / a, lambda a: 0),
    ("a**a", lambda a: a ** a, lambda a: a ** a * (1 + np.log(a))),
    ("b + b of a + a", lambda a: _with(a + a, lambda b: b + b), lambda a: 4),
    ("b * b of a * a", lambda a: _with(a * a, lambda b: b * b), lambda a: 4 * a ** 3),
    ("short and long way", lambda a: a + (a * a) * a, lambda a: 1 + 3 * a * a),
    ("long and short way", lambda a: (a * a) * a + a, lambda a: 1 + 3 * a * a),
    ("crossing", lambda a: _with(a * 2, lambda b: (b + a * a) * (b * (a * a))),
     lambda a: 16 * a ** 3 + 10 * a ** 4),
])
def test_every_path_counts_once(
    kind: Any, name: str, f: Callable[[Any], Any], slope: Callable[[float], float]
) -> None:
    a = _leaf(kind, 1.75)
    f(a).backward()
    assert float(a.grad) == pytest.approx(slope(1.75), rel=1e-14)


@each_kind
def test_a_grid_of_shared_nodes_counts_its_paths(kind: Any) -> None:
    # Pascal's triangle: the slope of the sum of row n is the number of ways down, 2**n.
    row = [_leaf(kind, 1.0)]
    top = row[0]
    for _ in range(12):
        row = [row[0], *(a + b for a, b in itertools.pairwise(row)), row[-1]]
    total = row[0]
    for node in row[1:]:
        total = total + node
    total.backward()
    assert float(top.grad) == 2 ** 12


@each_kind
def test_backward_twice_doubles_the_leaves(kind: Any) -> None:
    a, b = _leaf(kind, 2.0), _leaf(kind, 5.0)
    y = (a * b) * (a * b)
    y.backward()
    first = float(a.grad), float(b.grad)
    y.backward()
    assert (float(a.grad), float(b.grad)) == (2 * first[0], 2 * first[1])
    y.backward()
    assert (float(a.grad), float(b.grad)) == (3 * first[0], 3 * first[1])


@each_kind
def test_two_roots_add_up_in_a_common_leaf(kind: Any) -> None:
    a = _leaf(kind, 2.0)
    (a * 3).backward()
    (a * 4).backward()
    assert float(a.grad) == 7


def test_values_inside_the_graph_show_the_last_pass() -> None:
    a = tg.Value(2.0)
    b = a * 3
    c = b * b
    c.backward()
    c.backward()
    assert (c.grad, b.grad, a.grad) == (1, 12.0, 72.0)
    (b * 5).backward()
    assert (b.grad, a.grad) == (5, 87.0)


def test_tensors_inside_the_graph_show_a_gradient_after_retain_grad_only() -> None:
    a = tg.Tensor([1.0, 2.0], requires_grad=True)
    b, c = a * 3, a * 4
    b.retain_grad()
    y = (b * c).sum()
    for _ in range(2):  # not compounded
        y.backward()
        np.testing.assert_array_equal(b.grad, [4.0, 8.0])
    assert c.grad is None
    assert y.grad is None


def test_backward_of_a_leaf_is_one() -> None:
    v, t = tg.Value(3.0), tg.Tensor([3.0], requires_grad=True)
    v.backward()
    t.backward()
    assert v.grad == 1
    np.testing.assert_array_equal(t.grad, [1.0])


def test_constants_receive_nothing() -> None:
    a, constant = tg.Tensor([1.0], requires_grad=True), tg.Tensor([2.0])
    y = (a * constant).sum()
    y.backward()
    assert constant.grad is None
    assert not (constant * 2).requires_grad
    assert (constant * 2).is_leaf


def test_detach_stops_the_derivative_and_keeps_the_memory() -> None:
    a = tg.Tensor([3.0], requires_grad=True)
    b = a.detach()
    assert np.shares_memory(a.data, b.data)
    (a * b).sum().backward()
    np.testing.assert_array_equal(a.grad, [3.0])
    assert b.grad is None


# backward and its gradient.


def test_backward_from_several_entries_asks_for_a_gradient() -> None:
    y = tg.Tensor([1.0, 2.0], requires_grad=True) * 2
    with pytest.raises(tg.GraphError, match=r"gradient="):
        y.backward()
    with pytest.raises(tg.GraphError, match=r"gradient="):
        tg.grad(y, y)


@pytest.mark.parametrize("shape", [(3,), (2, 1), (1, 2), ()])
def test_the_gradient_given_must_have_the_shape_of_the_root(shape: tuple[int, ...]) -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(tg.ShapeError, match="gradient="):
        (x * 2).backward(gradient=np.ones(shape))
    assert x.grad is None


def test_the_gradient_given_multiplies_from_the_left() -> None:
    x = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x * x).backward(gradient=[1.0, 10.0, 100.0])
    np.testing.assert_array_equal(x.grad, [2.0, 40.0, 600.0])
    (x * x).backward(gradient=tg.Tensor([1.0, 0.0, 0.0]))
    np.testing.assert_array_equal(x.grad, [4.0, 40.0, 600.0])


@each_kind
def test_backward_without_history_says_what_to_do(kind: Any) -> None:
    with tg.no_grad():
        y = _leaf(kind, 2.0) * 3
    with pytest.raises(tg.GraphError, match="no_grad"):
        y.backward()
    with pytest.raises(tg.GraphError):
        tg.Tensor(2.0).backward()


def test_a_gradient_with_a_history_is_followed_or_refused_but_not_cut_silently() -> None:
    x, v = (tg.Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    try:
        slope = tg.grad(x * x * x, x, gradient=v, create_graph=True)
    except tg.GraphError:
        return
    np.testing.assert_array_equal(tg.grad(slope.sum(), v).data, 3 * x.data ** 2)


def test_gradients_are_nobody_elses_memory() -> None:
    a, b = (tg.Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    c = a + b
    c.retain_grad()
    seed = np.array([1.0, 1.0])
    c.backward(gradient=seed)
    owners = [a.grad, b.grad, c.grad, seed, a.data, b.data, c.data]
    for one, other in itertools.combinations(owners, 2):
        assert not np.shares_memory(one, other)
    for gradient in (a.grad, b.grad):
        gradient += 1  # writable, and seen by nobody
    np.testing.assert_array_equal(a.grad, b.grad)
    (a + b).sum().backward()
    np.testing.assert_array_equal(a.grad, [3.0, 3.0])


def test_gradients_asked_for_by_name_are_nobody_elses_memory() -> None:
    a, b = (tg.Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    seed = np.array([1.0, 1.0])
    ga, gb = tg.grad(a + b, [a, b], gradient=seed)
    assert not np.shares_memory(ga.data, gb.data)
    assert not np.shares_memory(ga.data, seed)
    ga.data = [5.0, 5.0]
    np.testing.assert_array_equal(gb.data, [1.0, 1.0])


@pytest.mark.parametrize("f", [lambda x: x.sum(), lambda x: (x * x).sum(), lambda x: (2 * x).sum()])
def test_backward_with_create_graph_leaves_tensors(f: Callable[[Any], Any]) -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    f(x).backward(create_graph=True)
    assert isinstance(x.grad, tg.Tensor)


def test_backward_with_create_graph_can_be_differentiated_again() -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    (x * x * x).sum().backward(create_graph=True)
    np.testing.assert_array_equal(tg.grad(x.grad.sum(), x).data, 6 * x.data)


def test_backward_with_create_graph_does_not_hand_one_gradient_to_two_leaves() -> None:
    a, b = (tg.Tensor([1.0], requires_grad=True) for _ in range(2))
    (a + b).sum().backward(create_graph=True)
    first = a.grad.data if isinstance(a.grad, tg.Tensor) else a.grad
    second = b.grad.data if isinstance(b.grad, tg.Tensor) else b.grad
    assert not np.shares_memory(first, second)


# grad.


def test_grad_answers_in_the_form_of_the_question() -> None:
    a, b, unused = (tg.Tensor([1.0, 2.0], requires_grad=True) for _ in range(3))
    y = (a * b).sum()
    assert isinstance(tg.grad(y, a), tg.Tensor)
    found = tg.grad(y, [a, unused, b])
    assert isinstance(found, list)
    assert [g.data.tolist() for g in found] == [[1.0, 2.0], [0.0, 0.0], [1.0, 2.0]]
    assert tg.grad(y, []) == []
    assert a.grad is b.grad is unused.grad is None


def test_grad_of_values_touches_nobody() -> None:
    a, unused = tg.Value(3.0), tg.Value(1.0)
    y = a * a
    found = tg.grad(y, [a, unused])
    assert [type(g) for g in found] == [tg.Value, tg.Value]
    assert [g.data for g in found] == [6.0, 0]
    assert (a.grad, y.grad, unused.grad) == (0, 0, 0)


def test_grad_with_respect_to_a_node_inside_the_graph() -> None:
    a = tg.Tensor([2.0], requires_grad=True)
    b = a * 3
    assert tg.grad((b * b).sum(), b).data.tolist() == [12.0]
    assert tg.grad(b, b).data.tolist() == [1.0]


@pytest.mark.parametrize("x", [2.0, np.ones(2), tg.Tensor([1.0]), None])
def test_grad_refuses_what_has_no_derivative(x: Any) -> None:
    y = tg.Tensor(1.0, requires_grad=True) * 2
    with pytest.raises(tg.GraphError, match="requires_grad"):
        tg.grad(y, x)
    with pytest.raises(tg.GraphError):
        tg.grad(np.float64(1.0), y)  # type: ignore[arg-type]


@each_kind
@pytest.mark.parametrize(("f", "derivatives"), [
    (lambda x: x ** 4, lambda x: [4 * x ** 3, 12 * x ** 2, 24 * x, 24.0, 0.0]),
    (lambda x: x.tanh(), lambda x: [
        1 - np.tanh(x) ** 2,
        -2 * np.tanh(x) * (1 - np.tanh(x) ** 2),
        (6 * np.tanh(x) ** 2 - 2) * (1 - np.tanh(x) ** 2),
    ]),
    (lambda x: x.sin(), lambda x: [np.cos(x), -np.sin(x), -np.cos(x), np.sin(x)]),
    (lambda x: x.exp(), lambda x: [np.exp(x)] * 4),
    (lambda x: 1 / x, lambda x: [-(x ** -2.0), 2 * x ** -3.0, -6 * x ** -4.0]),
], ids=["x**4", "tanh", "sin", "exp", "1/x"])
def test_derivatives_of_higher_order(
    kind: Any, f: Callable[[Any], Any], derivatives: Callable[[float], list[float]]
) -> None:
    x = _leaf(kind, 0.7)
    y = f(x)
    for expected in derivatives(0.7):
        assert y.requires_grad
        y = tg.grad(y, x, create_graph=True)
        assert float(y.data) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_a_derivative_without_create_graph_has_no_history() -> None:
    x = tg.Tensor(2.0, requires_grad=True)
    assert not tg.grad(x ** 3, x).requires_grad


# Two arithmetics.


@each_kind
def test_recording_and_differentiating_in_two_arithmetics_is_refused(kind: Any) -> None:
    x = _leaf(kind, 2.0)
    plain = x * x
    with tg.reproducible():
        exact = x * x
        exact.backward()
        with pytest.raises(tg.GraphError, match="reproducible"):
            plain.backward()
        with pytest.raises(tg.GraphError, match="reproducible"):
            tg.grad(plain, x)
    plain.backward()
    with pytest.raises(tg.GraphError, match="reproducible"):
        exact.backward()
    with pytest.raises(tg.GraphError, match="reproducible"):
        tg.grad(exact, x, create_graph=True)
    assert float(x.grad) == 8


# Data that changed after they were recorded.


def _changed_by_assignment(x: tg.Tensor) -> None:
    x.data = x.data - 1


def _changed_in_place(x: tg.Tensor) -> None:
    x.data -= 1


CHANGES = [_changed_by_assignment, _changed_in_place]

READS_ITS_INPUT: list[Callable[[Any], Any]] = [
    lambda x: x * x,
    lambda x: x / 2.0 * x,
    lambda x: 1 / x,
    lambda x: x ** 3,
    lambda x: x @ x,
    lambda x: x.log(),
    abs,
    lambda x: x.leaky_relu(),
    lambda x: x.max(),
    lambda x: np.maximum(x, 1.5),
    lambda x: np.where(x > 0, x, 0) * x,
    lambda x: x.reshape(3, 1) * 2 * x,
    lambda x: (x[1:] * x[1:]).sum(),
]
READS_NO_INPUT: list[Callable[[Any], Any]] = [
    lambda x: x + 1,
    lambda x: 1 - x,
    lambda x: x * 2,
    lambda x: x / 2,
    lambda x: -x,
    lambda x: x.sum(),
    lambda x: x.mean(axis=0),
    lambda x: x.tanh(),
    lambda x: x.exp(),
    lambda x: x.sqrt(),
    lambda x: x.relu(),
    lambda x: x.sigmoid(),
    lambda x: x.log_softmax(),
    lambda x: x.reshape(3, 1),
    lambda x: x[::2],
    lambda x: x[np.array([0, 0])],
    lambda x: np.broadcast_to(x, (2, 3)),
    lambda x: x.astype(np.float32),
    lambda x: np.where([True, False, True], x, 0),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("number", range(len(READS_ITS_INPUT)))
def test_a_change_is_refused_where_the_rule_reads_the_value(
    number: int, change: Callable[[tg.Tensor], None]
) -> None:
    x = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True, label="weights")
    y = READS_ITS_INPUT[number](x)
    change(x)
    with pytest.raises(tg.GraphError, match="changed"):
        y.backward(gradient=np.ones(y.shape))
    with pytest.raises(tg.GraphError, match="changed"):
        tg.grad(y, x, gradient=np.ones(y.shape), create_graph=True)
    assert x.grad is None


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("number", range(len(READS_NO_INPUT)))
def test_a_change_does_no_harm_where_the_rule_reads_no_value(
    number: int, change: Callable[[tg.Tensor], None]
) -> None:
    x = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    before = READS_NO_INPUT[number](x)
    expected = tg.grad(before, x, gradient=np.ones(before.shape)).data
    y = READS_NO_INPUT[number](x)
    change(x)
    y.backward(gradient=np.ones(y.shape))
    np.testing.assert_array_equal(x.grad, expected)


def test_the_message_names_the_operation_and_the_label() -> None:
    x = tg.Tensor([1.0], requires_grad=True, label="weights")
    y = (x * x).sum()
    x.data -= 1
    with pytest.raises(tg.GraphError, match=r"multiply.*weights"):
        y.backward()


def test_a_changed_result_is_noticed() -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    y = x.tanh()
    y.data -= 1
    with pytest.raises(tg.GraphError, match="tanh"):
        y.sum().backward()


def test_a_changed_constant_is_noticed_and_so_is_a_changed_mask() -> None:
    x, constant = tg.Tensor([1.0, 2.0], requires_grad=True), tg.Tensor([3.0, 4.0])
    y = (x * constant).sum()
    constant += 1
    with pytest.raises(tg.GraphError, match="changed"):
        y.backward()
    mask = tg.Tensor(np.array([True, False]))
    y = np.where(mask, x, 0).sum()
    mask.data = ~mask.data
    with pytest.raises(tg.GraphError, match="changed"):
        y.backward()


def test_an_index_that_changes_later_gives_no_wrong_gradient() -> None:
    x, index = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True), tg.Tensor(np.array([0, 1]))
    y = (x[index] * [1.0, 10.0]).sum()
    index.data = np.array([2, 2])
    try:
        y.backward()
    except tg.GraphError:
        return
    np.testing.assert_array_equal(x.grad, [1.0, 10.0, 0.0])


@pytest.mark.parametrize("look", [
    lambda x: x.detach(),
    lambda x: x.reshape(2, 2),
    lambda x: x.T,
    lambda x: x[1:],
    lambda x: x[1:][:1],
    lambda x: x.T.reshape(-1),
    lambda x: np.broadcast_to(x, (3, 4)),
    lambda x: x.detach().reshape(2, 2).T,
], ids=["detach", "reshape", "T", "slice", "slice of slice", "T.reshape", "broadcast_to",
        "detach.reshape.T"])
def test_a_change_through_shared_memory_is_noticed(look: Callable[[Any], Any]) -> None:
    x = tg.Tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    view = look(x)
    assert np.shares_memory(view.data, x.data)
    y = (x * x).sum()
    if view.data.flags.writeable:
        view.data = 0 * view.data
        with pytest.raises(tg.GraphError, match="changed"):
            y.backward()
    seen = look(x)
    z = (seen * tg.Tensor(1.0, requires_grad=True)).sum()
    x.data = x.data + 1
    with pytest.raises(tg.GraphError, match="changed"):
        z.backward()


def test_a_copy_does_not_share_changes() -> None:
    x = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    picked = x[np.array([0, 1])]
    y = (x * x).sum()
    picked.data = picked.data * 0
    y.backward()
    np.testing.assert_array_equal(x.grad, [2.0, 4.0, 6.0])


def test_an_optimiser_step_between_two_passes_is_noticed() -> None:
    w = tg.Tensor([[1.0, 2.0]], requires_grad=True)
    v = tg.Tensor([[3.0], [1.0]], requires_grad=True)
    loss = ((w @ v) * (w @ v)).sum()
    loss.backward()
    w.data -= 0.1 * w.grad
    with pytest.raises(tg.GraphError, match="optimiser"):
        loss.backward()


def test_a_change_before_the_recording_does_no_harm() -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    for _ in range(3):
        x.data = x.data + 1
        (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [2.0 * (2 + 3 + 4), 2.0 * (3 + 4 + 5)])


def test_assignment_to_data_copies_into_the_memory_it_has() -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    memory, new = x.data, np.array([5.0, 6.0])
    x.data = new
    assert x.data is memory
    assert not np.shares_memory(x.data, new)
    np.testing.assert_array_equal(x.data, [5.0, 6.0])
    x.data = [7, 8]
    np.testing.assert_array_equal(x.data, [7.0, 8.0])


@pytest.mark.parametrize("new", [[1.0], [[1.0, 2.0]], 1.0, np.array([1j, 2j])])
def test_data_of_another_shape_or_kind_is_refused(new: Any) -> None:
    x = tg.Tensor([1.0, 2.0])
    with pytest.raises(tg.ShapeError, match="new Tensor"):
        x.data = new
    np.testing.assert_array_equal(x.data, [1.0, 2.0])


# In-place operators.


def test_in_place_operators_on_constants_change_their_memory() -> None:
    t = tg.Tensor([2.0, 4.0])
    same, memory = t, t.data
    t += 1
    t *= [2.0, 3.0]
    t -= tg.Tensor([1.0, 1.0])
    t /= 2
    assert t is same
    assert t.data is memory
    np.testing.assert_array_equal(memory, [2.5, 7.0])


def test_in_place_operators_on_a_value_make_a_new_value() -> None:
    a = tg.Value(2.0)
    total = a
    total += 3
    total *= a
    total.backward()
    assert (a.data, total.data, a.grad) == (2.0, 10.0, 7.0)


# Long graphs and their memory.


LENGTH = 100_000


def test_an_error_in_backward_leaves_no_garbage_and_no_gradients() -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    late = x * x
    y = (late + x.exp()).sum()
    x.data -= 1
    with pytest.raises(tg.GraphError):
        y.backward()
    assert x.grad is None


@each_kind
def test_second_derivatives_of_a_long_chain_need_no_recursion(kind: Any) -> None:
    x = _leaf(kind, 1.0)
    y = x * x
    for _ in range(3000):
        y = y * 1.0
    slope = tg.grad(y, x, create_graph=True)
    assert float(tg.grad(slope, x).data) == 2.0


def test_history_holds_arguments_in_order_with_repeats() -> None:
    a, b = tg.Value(2.0), tg.Value(3.0)
    assert (a * a).arguments == (a, a)
    assert (a - b).arguments == (a, b)
    assert (5 - a).arguments == (5, a)
    assert (a - b).operation is F.subtract
    assert (2 * a).age > a.age


# Kinds of numbers.


def test_a_value_and_a_tensor_do_not_mix() -> None:
    v, t = tg.Value(2.0), tg.Tensor([1.0, 2.0])
    calls: list[Callable[[], Any]] = [lambda: v * t, lambda: t * v, lambda: F.where(True, t, v)]
    for call in calls:
        with pytest.raises(tg.GraphError, match="mix"):
            call()


def test_a_value_refuses_operations_on_arrays() -> None:
    with pytest.raises(tg.GraphError, match="Tensor"):
        F.sum(tg.Value(1.0))


def test_numpy_numbers_and_values_mix() -> None:
    x = tg.Value(3.0)
    for y in (np.float64(2.0) * x, x * np.float64(2.0), np.float32(2.0) * x, np.int64(2) * x):
        assert isinstance(y, tg.Value)
        x.grad = 0
        y.backward()
        assert (y.data, x.grad) == (6.0, 2.0)


@pytest.mark.parametrize("is_reproducible", [False, True])
@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "sigmoid", "relu"])
def test_a_value_may_hold_a_numpy_number(name: str, is_reproducible: bool) -> None:
    def run() -> tuple[Any, Any, Any]:
        x = tg.Value(np.float64(0.5))
        inner = x * 1
        y = getattr(inner, name)()
        y.backward()
        return y.data, inner.grad, x.grad

    numbers = tg.reproducible()(run)() if is_reproducible else run()
    for number in numbers:
        assert isinstance(number, (int, float, np.number))
        assert np.isscalar(number)


def test_values_add_up_with_the_built_in_sum() -> None:
    values = [tg.Value(float(k)) for k in range(5)]
    total = sum(v * v for v in values)
    assert isinstance(total, tg.Value)
    total.backward()
    assert total.data == 30.0
    assert [v.grad for v in values] == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_comparisons_of_values_are_answers() -> None:
    a, b = tg.Value(1.0), tg.Value(Fraction(3, 2))
    assert (a < b) is True
    assert (a >= b) is False
    assert a > 0.5
    assert max(a, b) is b
    assert sorted([b, a]) == [a, b]
    assert len({a, b, tg.Value(1.0)}) == 3


@pytest.mark.parametrize("data", ["1", None, [1.0], np.ones(2), 1j, tg.Tensor([1.0])])
def test_a_value_holds_one_real_number(data: Any) -> None:
    with pytest.raises(tg.DataError, match="one real number"):
        tg.Value(data)


FRACTIONS = st.fractions(-3, 3, max_denominator=8)


@given(st.lists(FRACTIONS, min_size=9, max_size=9), FRACTIONS, FRACTIONS)
def test_a_relu_net_of_fractions_has_the_exact_rational_gradient(
    weights: list[Fraction], x1: Fraction, x2: Fraction
) -> None:
    # Along one weight the loss is a polynomial of degree 2 between kinks, and there the central
    # difference of a polynomial of degree 2 is its derivative, exactly.
    def loss(w: list[Any]) -> Any:
        hidden = [_relu(w[3 * k] * x1 + w[3 * k + 1] * x2 + w[3 * k + 2]) for k in range(2)]
        error = hidden[0] * w[6] + hidden[1] * w[7] + w[8] - Fraction(1, 3)
        return error * error

    def _relu(z: Any) -> Any:
        return z.relu() if isinstance(z, Node) else max(z, Fraction(0))

    sums = [weights[3 * k] * x1 + weights[3 * k + 1] * x2 + weights[3 * k + 2] for k in range(2)]
    reach = min((abs(s) for s in sums if s), default=Fraction(1))
    h = reach / (1 + abs(x1) + abs(x2)) / 2
    values = [tg.Value(w) for w in weights]
    y = loss(values)
    y.backward()
    assert y.data == loss(weights)
    for k, value in enumerate(values):
        assert isinstance(value.grad, (Fraction, int))
        if k < 6 and not sums[k // 3]:  # at the kink the slope is 0 by convention
            assert value.grad == 0
            continue
        moved = [[w + step * (i == k) for i, w in enumerate(weights)] for step in (h, -h)]
        assert value.grad == (loss(moved[0]) - loss(moved[1])) / (2 * h)


@pytest.mark.parametrize("sign", [1, -1])
def test_fractions_divided_by_whole_numbers_stay_fractions(sign: int) -> None:
    x = tg.Value(Fraction(sign, 3))
    y = (x / 7).relu() / 5 + x / 3 + 1 / x
    y.backward()
    assert isinstance(y.data, Fraction)
    assert isinstance(x.grad, Fraction)
    assert y.data == Fraction(max(sign, 0), 105) + Fraction(sign, 9) + 3 * sign
    assert x.grad == Fraction(max(sign, 0), 35) + Fraction(1, 3) - 9


@pytest.mark.parametrize("is_reproducible", [False, True])
def test_fractions_stay_fractions(is_reproducible: bool) -> None:
    def run() -> tuple[Any, Any]:
        x = tg.Value(Fraction(2, 3))
        y = abs(-(x ** 3) / 7 + 2 * x - x ** -2) + x.relu() - 1
        y.backward()
        return y.data, x.grad

    data, slope = tg.reproducible()(run)() if is_reproducible else run()
    x = Fraction(2, 3)
    inside = -(x ** 3) / 7 + 2 * x - 1 / x ** 2
    sign = 1 if inside > 0 else -1
    assert data == abs(inside) + x - 1
    assert slope == sign * (-3 * x ** 2 / 7 + 2 + 2 / x ** 3) + 1
    assert isinstance(data, Fraction)
    assert isinstance(slope, Fraction)


def test_integer_values_take_the_reproducible_functions_too() -> None:
    # A libm is not the same everywhere: 3 and 3.0 are one number, with one exponential.
    seen = []

    def watched(x: Any) -> Any:
        seen.append(x)
        return np.exp(x)

    row = tg.operation("watched", np.exp, None, exact=watched, scalar=lambda a: float("nan"))
    with tg.reproducible():
        assert row(tg.Value(3.0)).data == row(tg.Value(3)).data
    assert len(seen) == 2


# The dtype of a Tensor.


@pytest.mark.parametrize(("data", "dtype"), [
    (1, "float64"), ([1, 2], "float64"), ([[1, 2], [3, 4]], "float64"), (1.5, "float64"),
    ([], "float64"), ([True, False], "bool"), (np.array([1, 2]), "int64"),
    (np.ones(1, "float32"), "float32"), (np.array([1, 2], "uint8"), "uint8"),
    (np.float32(1), "float32"),
    ([np.float32(1.0)], "float32"),
])
def test_dtype_follows_the_data(data: Any, dtype: str) -> None:
    if isinstance(data, np.ndarray) and dtype == "int64":
        data = data.astype(np.int64)
    assert tg.Tensor(data).dtype == np.dtype(dtype)


def test_dtype_can_be_asked_for() -> None:
    assert tg.Tensor([1, 2], dtype=np.float32, requires_grad=True).dtype == np.float32
    assert tg.Tensor([1, 2], dtype=int).dtype == np.dtype(int)
    assert tg.Tensor(tg.Tensor([1.0]), dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize("call", [
    lambda t: t * 2, lambda t: 2.5 * t, lambda t: t ** 2, lambda t: t / 3, lambda t: 1 - t,
    lambda t: t.mean(), lambda t: t.sum(), lambda t: t.relu(), lambda t: t.sigmoid(),
    lambda t: t.log_softmax(), lambda t: np.where(t > 0, t, 0.0), lambda t: np.maximum(t, 0.5),
    lambda t: abs(-t), lambda t: t @ t,
])
@pytest.mark.parametrize("is_reproducible", [False, True])
def test_python_numbers_keep_float32(
    call: Callable[[tg.Tensor], tg.Tensor], is_reproducible: bool
) -> None:
    def run() -> None:
        t = tg.Tensor([1.0, 2.0], dtype=np.float32, requires_grad=True)
        y = call(t)
        assert y.dtype == np.float32
        y.sum().backward()
        assert t.grad.dtype == np.float32
        slope = tg.grad(call(t).sum(), t, create_graph=True)
        assert slope.dtype == np.float32

    (tg.reproducible()(run) if is_reproducible else run)()


def test_a_gradient_crosses_a_change_of_dtype() -> None:
    x = tg.Tensor([1.0, 2.0], dtype=np.float32, requires_grad=True)
    y = x.astype(np.float64) * np.array([1.0, 1e-300]) + x
    assert y.dtype == np.float64
    y.sum().backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad, [2.0, 1.0])


@pytest.mark.parametrize("data", [np.array([1, 2]), [True], np.array([1], "uint8")])
def test_integers_cannot_require_a_gradient(data: Any) -> None:
    with pytest.raises(tg.DataError, match="floating"):
        tg.Tensor(data, requires_grad=True)


def test_complex_numbers_are_refused_and_not_cut_when_a_dtype_is_asked_for() -> None:
    with pytest.raises(tg.DataError, match="imaginary part"):
        tg.Tensor(np.array([1 + 2j]), dtype=float)


def test_a_tensor_copies_its_data() -> None:
    array = np.array([1.0, 2.0])
    t = tg.Tensor(array)
    u = tg.Tensor(t)
    array[0] = 9
    t.data[1] = 9
    np.testing.assert_array_equal(t.data, [1.0, 9.0])
    np.testing.assert_array_equal(u.data, [1.0, 2.0])


# Reading a Tensor as Python would.


def test_one_entry_reads_as_a_number() -> None:
    t = tg.Tensor([[2.5]])
    assert (t.item(), float(t), int(t), bool(t)) == (2.5, 2.5, 2, True)
    assert isinstance(t.item(), float)
    for read in (tg.Tensor.item, float, int, bool):
        with pytest.raises(ValueError, match="one entry"):
            read(tg.Tensor([1.0, 2.0]))


def test_a_tensor_iterates_over_its_first_axis_and_records() -> None:
    x = tg.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    first, second = x
    (first * second).sum().backward()
    np.testing.assert_array_equal(x.grad, [[3.0, 4.0], [1.0, 2.0]])
    assert (len(x), x.ndim, x.size, x.shape) == (2, 2, 4, (2, 2))
    with pytest.raises(TypeError):
        len(tg.Tensor(1.0))
    with pytest.raises(TypeError):
        iter(tg.Tensor(1.0))


def test_repr_shows_what_matters() -> None:
    assert repr(tg.Tensor([1.0], requires_grad=True, label="w")) == (
        "Tensor([1.], requires_grad=True, label='w')"
    )
    assert repr(tg.Value(2.0, label="x")) == "Value(2.0, grad=0, label='x')"


def test_tensors_are_told_apart_by_identity_in_sets_and_by_entry_by_equality() -> None:
    a, b = tg.Tensor([1.0, 2.0]), tg.Tensor([1.0, 3.0])
    assert len({a, b, a}) == 2
    assert (a == b).data.tolist() == [True, False]
    assert (a != b).data.tolist() == [False, True]


def test_a_graph_recorded_half_in_each_arithmetic_is_refused() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    outside = w * w
    with tg.reproducible():
        inside = outside.sum()
        with pytest.raises(tg.GraphError, match="multiply was recorded outside"):
            inside.backward()
    with pytest.raises(tg.GraphError, match="sum was recorded inside"):
        inside.backward()
    assert w.grad is None


def test_numbers_format_as_numbers() -> None:
    assert f"{tg.Tensor(1.25):.1f} {tg.Value(2.0):.2f} {tg.Value(3)}" == "1.2 2.00 Value(3, grad=0)"


# As in micrograd; copies; steps and loads between two passes; in-place operators.


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

# Found by a second pair of eyes.


@pytest.mark.parametrize("kind", [tg.Value, tg.Tensor])
def test_plain_and_recorded_passes_add_up_in_any_order(kind: Any) -> None:
    for orders in ((True, False), (False, True), (True, True)):
        x = _leaf(kind, 2.0)
        y = x * x * x
        for create_graph in orders:
            y.backward(create_graph=create_graph)
        assert float(getattr(x.grad, "data", x.grad)) == 24
        x.grad = None


def test_derivatives_by_name_are_right_where_the_caller_does_not_record() -> None:
    with tg.no_grad():
        assert tg.jacobian(lambda x: x**3)([2.0]).data.tolist() == [[12.0]]
        assert tg.hessian(lambda x: (x**3).sum())([2.0]).data.tolist() == [[12.0]]
        assert tg.hvp(lambda x: (x**3).sum())([2.0], [1.0]).data.tolist() == [12.0]
        tg.check_grad(lambda x: x**3, [2.0], order=2)


def test_a_change_is_noticed_behind_an_operation_that_hands_its_argument_through() -> None:
    same = tg.operation("same", lambda x: x, lambda g, _y, _x: g)
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    y = same(x)
    z = (y * y).sum()
    x.data = [5.0, 5.0]
    with pytest.raises(tg.GraphError, match="changed"):
        z.backward()


@pytest.mark.parametrize("kind", [tg.Value, lambda x: tg.Tensor(x, requires_grad=True)])
def test_an_argument_without_a_rule_gets_nothing_and_stops_nobody(kind: Any) -> None:
    scaled = tg.operation("scaled", lambda a, b: a * b, lambda g, y, a, b: g * b, None)
    a, b = kind(2.0), kind(3.0)
    y = scaled(a, b * 1.0) * 1.0
    y.backward()
    assert float(a.grad) == 3.0
    assert not b.grad
    assert float(tg.grad(scaled(a, b), b).data) == 0.0
