"""Graphs a million operations long: right, walked edge by edge once, and given back at once.

Nothing here looks at a clock. What is linear in time is *counted*: the calls of a rule are the
edges that were walked, and the calls of everything are the same for each further operation.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg

KINDS = [pytest.param(tg.Value, id="Value"), pytest.param(tg.Tensor, id="Tensor")]
each_kind = pytest.mark.parametrize("kind", KINDS)


def leaf(kind: Any, number: float) -> Any:
    return tg.Value(number) if kind is tg.Value else tg.Tensor(number, requires_grad=True)


@pytest.fixture
def without_collector() -> Iterator[None]:
    """Only reference counting frees here; and in the end it must have freed everything."""
    gc.collect()
    gc.freeze()  # what was there before is not looked at
    gc.disable()
    try:
        yield
        assert gc.collect() == 0
    finally:
        gc.enable()
        gc.unfreeze()


class Visits:
    """How often the rules of some operations were asked: the edges that a backward pass walked."""

    count = 0


def counted_negative(visits: Visits) -> tg.autograd.Operation:
    def rule(g: Any, _y: Any, _x: Any) -> Any:
        visits.count += 1
        return -g

    return tg.operation("counted_negative", lambda x: -x, rule)


def counted_add(visits: Visits) -> tg.autograd.Operation:
    def rule(g: Any, _y: Any, _a: Any, _b: Any) -> Any:
        visits.count += 1
        return g

    return tg.operation("counted_add", lambda a, b: a + b, rule, rule)


def counted_multiply(visits: Visits) -> tg.autograd.Operation:
    def left(g: Any, _y: Any, _a: Any, b: Any) -> Any:
        visits.count += 1
        return g * b

    def right(g: Any, _y: Any, a: Any, _b: Any) -> Any:
        visits.count += 1
        return g * a

    return tg.operation("counted_multiply", lambda a, b: a * b, left, right)


# Long, wide and folded graphs.


MILLION = 1_000_000


@each_kind
@pytest.mark.usefixtures("without_collector")
def test_a_chain_of_a_million_operations_is_walked_once_and_freed_at_once(kind: Any) -> None:
    visits = Visits()
    negative, x = counted_negative(visits), leaf(kind, 3.0)
    y = x
    for _ in range(MILLION // 2):
        y = negative(y)
    middle = weakref.ref(y)
    for _ in range(MILLION // 2 - 1):
        y = negative(y)
    y.backward()
    assert (float(y.data), float(x.grad)) == (-3.0, -1.0)
    assert visits.count == MILLION - 1
    assert middle() is not None
    del y
    assert middle() is None


@each_kind
@pytest.mark.usefixtures("without_collector")
def test_a_fan_out_of_100_000_uses_is_added_up_edge_by_edge(kind: Any) -> None:
    uses = 100_000
    visits = Visits()
    add, x = counted_add(visits), leaf(kind, 3.0)
    inner = -x
    y = inner
    for _ in range(uses - 1):
        y = add(y, inner)
    y.backward()
    assert (float(y.data), float(x.grad)) == (-3.0 * uses, -1.0 * uses)
    assert visits.count == 2 * (uses - 1)


@pytest.mark.parametrize("join", [np.concatenate, np.stack])
def test_an_operation_of_many_arguments_is_differentiated_with_as_many_steps(
    join: Callable[..., Any],
) -> None:
    weights = np.arange(500.0)
    x = tg.Tensor([2.0], requires_grad=True)
    (join([x] * 500).reshape(500) * weights).sum().backward()
    assert x.grad.tolist() == [500 * 499 / 2]


@each_kind
@pytest.mark.parametrize("doublings", [20, 200])
def test_doublings_have_two_edges_each_and_not_two_to_the_power_of_paths(
    kind: Any, doublings: int
) -> None:
    visits = Visits()
    add, a = counted_add(visits), leaf(kind, 3.0)
    y = a
    for _ in range(doublings):
        y = add(y, y)
    assert len(tg.trace(y).nodes) == doublings + 1
    visits.count = 0
    y.backward()
    assert (float(y.data), float(a.grad)) == (3.0 * 2.0 ** doublings, 2.0 ** doublings)
    assert visits.count == 2 * doublings


@each_kind
@pytest.mark.parametrize("steps", [20, 200])
def test_two_ways_at_every_step_are_four_edges_a_step(kind: Any, steps: int) -> None:
    # y_n = x (1 + x)**n, by the binomial theorem 2**n paths; all numbers at x = 1 are exact.
    visits = Visits()
    add, multiply, x = counted_add(visits), counted_multiply(visits), leaf(kind, 1.0)
    y = x
    for _ in range(steps):
        y = add(multiply(y, x), y)
    y.backward()
    assert float(y.data) == 2.0 ** steps
    assert float(x.grad) == 2.0 ** steps + steps * 2.0 ** (steps - 1)
    assert visits.count == 4 * steps


def test_two_hundred_doublings_of_a_fraction_are_exact() -> None:
    x = tg.Value(Fraction(1, 3))
    y = x
    for _ in range(200):
        y = y * x + y
    y.backward()
    ratio = Fraction(4, 3)  # y = x (1 + x)**200
    assert y.data == ratio ** 200 / 3
    assert x.grad == ratio ** 200 + Fraction(200, 3) * ratio ** 199


def _chain(x: Any, length: int) -> Any:
    for _ in range(length):
        x = (x * 1.0).tanh()
    return x


def _fan(x: Any, length: int) -> Any:
    total = x
    for _ in range(length):
        total = total + x * x
    return total


def _fold(x: Any, length: int) -> Any:
    for _ in range(length):
        x = x * x + x * 0.5
    return x


def _calls(function: Callable[[], Any]) -> int:
    """How many functions, of Python and of C, are called while ``function`` runs."""
    count = 0

    def notice(_frame: Any, event: str, _arg: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    gc.disable()  # others may have asked to be called at each collection
    sys.setprofile(notice)
    try:
        function()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


def _join(x: Any, length: int) -> Any:
    return np.concatenate([x.reshape(1)] * length).sum()


@pytest.mark.parametrize(("kind", "program"), [
    *((kind, program) for kind in (tg.Value, tg.Tensor) for program in (_chain, _fan, _fold)),
    (tg.Tensor, _join),
], ids=lambda part: part.__name__.strip("_"))
@pytest.mark.parametrize("mode", [nullcontext, tg.reproducible, tg.detect_anomaly])
def test_each_further_operation_costs_the_same_number_of_calls(
    kind: Any, program: Callable[[Any, int], Any], mode: Callable[[], AbstractContextManager[None]]
) -> None:
    def forward_calls(length: int) -> int:
        return _calls(lambda: program(leaf(kind, 0.25), length))

    def backward_calls(length: int) -> int:
        return _calls(program(leaf(kind, 0.25), length).backward)

    with mode():
        for calls in (forward_calls, backward_calls):
            calls(1)  # what is done once only
            counts = [calls(length) for length in (50, 100, 150, 200)]
            assert len(set(np.diff(counts).tolist())) == 1
            assert counts[0] > 50


# Freed at once, by reference counting.


def _remember(*nodes: Any) -> list[weakref.ref[Any]]:
    return [weakref.ref(node) for node in nodes]


def _first_order(x: Any) -> list[weakref.ref[Any]]:
    middle = x * x
    y = middle.tanh() + middle
    y.backward()
    return _remember(x, middle, y)


def _second_order(x: Any) -> list[weakref.ref[Any]]:
    middle = x * x
    y = middle.tanh() + middle
    slope = tg.grad(y, x, create_graph=True)
    curvature = tg.grad(slope, x, create_graph=True)
    third = tg.grad(curvature, x)
    return _remember(x, middle, y, slope, *slope.arguments[:1], curvature, third)


def _a_rule_fails(x: Any) -> list[weakref.ref[Any]]:
    def fails(g: Any, y: Any, x: Any) -> Any:
        raise ArithmeticError("no derivative today")

    moody = tg.operation("moody", lambda x: x * 1, fails)
    early = x * x
    middle = moody(early)
    late = middle * middle
    for differentiate in (late.backward, lambda: tg.grad(late, x, create_graph=True)):
        with pytest.raises(ArithmeticError, match="today"):
            differentiate()
    return _remember(x, early, middle, late)


def _a_forward_fails(x: Any) -> list[weakref.ref[Any]]:
    def fails(x: Any) -> Any:
        raise KeyError("no value today")

    middle = x * x
    with pytest.raises(KeyError, match="today"):
        tg.operation("moody", fails, None)(middle)
    with pytest.raises(tg.GraphError):
        middle + (tg.Tensor(1.0) if isinstance(x, tg.Value) else tg.Value(1.0))
    return _remember(x, middle)


def _an_anomaly_is_found(x: Any) -> list[weakref.ref[Any]]:
    steep = tg.operation("steep", lambda x: x * 1, lambda g, y, x: g * np.inf)
    with tg.detect_anomaly():
        middle = x * x
        late = steep(middle)
        with pytest.raises(tg.GraphError, match="gave inf"):
            middle * np.inf
        with pytest.raises(tg.GraphError, match="is inf"):
            late.backward()
        healthy = middle + x
        healthy.backward()
    return _remember(x, middle, late, healthy)


def _in_reproducible_arithmetic(x: Any) -> list[weakref.ref[Any]]:
    with tg.reproducible():
        return _first_order(x) + _second_order(x)


@each_kind
@pytest.mark.parametrize("program", [
    _first_order, _second_order, _a_rule_fails, _a_forward_fails, _an_anomaly_is_found,
    _in_reproducible_arithmetic,
], ids=lambda program: program.__name__.strip("_"))
@pytest.mark.usefixtures("without_collector")
def test_a_graph_is_freed_at_once_whatever_happened_to_it(
    kind: Any, program: Callable[[Any], list[weakref.ref[Any]]]
) -> None:
    program(leaf(kind, 0.5))  # what a first call keeps for good is none of the graph's
    gc.collect()
    nodes = program(leaf(kind, 0.5))
    assert len(nodes) >= 2
    assert [node() for node in nodes] == [None] * len(nodes)


@pytest.mark.usefixtures("without_collector")
def test_a_gradient_with_a_history_is_freed_with_the_grad_that_holds_it() -> None:
    # x.grad remembers x: a circle, as in PyTorch, which forgetting the gradient opens.
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    (x * x * x).sum().backward(create_graph=True)
    nodes = _remember(x, x.grad, x.grad.arguments[0])
    x.grad = None
    del x
    assert [node() for node in nodes] == [None] * 3


@pytest.mark.usefixtures("without_collector")
def test_a_trained_network_is_freed_at_once() -> None:
    model = tg.nn.MLP([2, 3, 1], rng=0)
    optimiser = tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    nodes = []
    for _ in range(3):
        loss = tg.losses.mse(model(np.ones((4, 2))), np.zeros((4, 1)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        nodes += _remember(loss)
    nodes += _remember(*model.parameters())
    del loss
    assert all(node() is None for node in nodes[:3])
    del model, optimiser
    assert all(node() is None for node in nodes)


# Training for ever.

def _plain_step(model: Any, X: Any, y: Any) -> Any:
    return tg.losses.cross_entropy(model(X), y)


def _penalty_step(model: Any, X: Any, y: Any) -> Any:
    loss = _plain_step(model, X, y)
    slope = tg.grad(loss, model.layers[0].weight, create_graph=True)
    return loss + (slope * slope).sum() * 0.01


@pytest.mark.parametrize(("mode", "make_loss", "steps"), [
    pytest.param(nullcontext, _plain_step, 2000, id="plain"),
    pytest.param(tg.reproducible, _plain_step, 500, id="reproducible"),
    pytest.param(nullcontext, _penalty_step, 1000, id="create_graph"),
])
def test_training_for_longer_takes_no_more_memory(
    mode: Callable[[], AbstractContextManager[None]], make_loss: Callable[..., Any], steps: int
) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(4, 2)), rng.integers(0, 2, 4)
    model = tg.nn.MLP([2, 3, 2], rng=0)
    optimiser = tg.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def train(steps: int) -> None:
        for _ in range(steps):
            loss = make_loss(model, X, y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    def blocks() -> int:
        gc.collect()
        return sys.getallocatedblocks()

    with mode():
        train(200)
        before = blocks()
        train(steps)
        growth = blocks() - before
    # Whatever is kept, a number, a node or the Python object around an array, is one block or
    # more, so one object kept per step would be `steps` of them. The few that come in the beginning
    # and then come no more (about 100) are no object that can be reached: they are caches.
    assert growth < steps / 4
