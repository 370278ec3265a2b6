"""Plans: how many calls, how much memory, and how they read. Counts, no times."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import tinygrad_init as tg
from benchmarks.handwritten import CASES
from tinygrad_init.autograd import F
from tinygrad_init.autograd.capture.memory import LINE, Storage, _pack
from tinygrad_init.nn.layers import ACTIVATIONS

Array = NDArray[Any]


def _step(name: str) -> tuple[Any, list[Array]]:
    """A captured step of a benchmark case, and its minibatch."""
    case = CASES[name]
    model = tg.nn.MLP(case.sizes, case.activation, dtype=np.float32, rng=0, members=case.members)
    loss = tg.losses.get(case.loss)
    return tg.capture(lambda x, y: loss(model(x), y), model.parameters()), [*case.minibatch()]


# How a plan reads.

LISTING = """\
  1  m1 = matmul(x, W1)                                        4x3
  2  m1 = add(m1, b1)                                          4x3  in place
  3  m1 = tanh(m1)                                             4x3  in place
  4  m2 = matmul(m1, W2)                                       4x1
  5  m2 = add(m2, b2)                                          4x1  in place
  6  m2 = subtract(m2, y)                                      4x1  in place
  7  m3 = matmul(reshape(m2), reshape(m2))              one number
  8  m4 = divide(m3, 4)                                 one number  loss
  9  m2 = multiply(m2, 0.5)                                    4x1  in place
 10  m5 = matmul(m2, W2.T)                                     4x3
 11  grad W2 = matmul(m1.T, m2)                                3x1  gradient
 12  grad b2 = sum_rows(m2)                                      1  gradient
 13  m1 = multiply(m1, m1)                                     4x3  in place
 14  m1 = subtract(1, m1)                                      4x3  in place
 15  m5 = multiply(m5, m1)                                     4x3  in place
 16  grad W1 = matmul(x.T, m5)                                 2x3  gradient
 17  grad b1 = sum_rows(m5)                                      3  gradient"""


def test_a_plan_reads_like_backpropagation_written_by_hand() -> None:
    model = tg.nn.MLP([2, 3, 1], rng=0)
    step = tg.capture(lambda x, y: tg.losses.mse(model(x), y), model.parameters())
    with pytest.raises(tg.GraphError, match="call the step once"):
        _ = step.plan
    step(np.ones((4, 2)), np.ones((4, 1)))
    assert str(step.plan) == LISTING
    assert repr(step.plan) == "<plan of 17 operations for (float64 (4, 2), float64 (4, 1))>"
    assert repr(step) == "<captured <lambda>: 4 parameters, 1 plans>"


def test_lines_know_where_operands_come_from() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    step = tg.capture(lambda x: (w * x[::-1]).sum(), [w])
    step(np.ones(2))
    product, total, gradient = step.plan.lines
    assert product.operands == ("constant", "getitem(x)")
    assert product.sources == ("constant", "x")
    assert total.sources == (0,)
    assert total.how == "loss"
    assert (gradient.target, gradient.operands) == ("grad parameter 0", ("1", "getitem(x)"))


# How many calls.


@pytest.mark.parametrize(("name", "count"), [("T1", 26), ("T2", 24), ("T3", 24)])
def test_a_replay_makes_no_more_calls_than_a_step_by_hand(name: str, count: int) -> None:
    step, minibatch = _step(name)
    step(*minibatch)
    assert len(step.plan.lines) == count
    assert len(step.plan._steps) == count


def _operations(fn: Callable[..., Any], params: Sequence[tg.Tensor], *arrays: Any) -> list[str]:
    step = tg.capture(fn, params)
    step(*arrays)
    return [line.operation for line in step.plan.lines]


W = tg.Tensor([0.5, 1.5, 2.5], requires_grad=True, label="W")
OTHER = tg.Tensor([1.0, 1.0, 2.0], requires_grad=True, label="other")


def test_equal_calls_are_one() -> None:
    once = _operations(lambda: np.sum(np.exp(W)), [W])
    twice = _operations(lambda: np.sum(np.exp(W) + np.exp(W)), [W])
    assert once.count("exp") == twice.count("exp") == 1


def test_settings_numbers_and_signs_of_zero_tell_calls_apart() -> None:
    def fn(x: Any) -> Any:
        rows = [x.sum(axis=0), x.sum(axis=1), x[:2], x[::2], x[0:1], x[1:2]]
        products = [W[0] * 2, W[0] * 2.0, W[0] * np.float32(2)]
        signs = [(1 / (W[0] * zero)).clip(-1, 1) for zero in (0.0, -0.0)]
        signs += [(1 / np.where(W > 9, W, zero)).clip(-1, 1) for zero in (0.0, -0.0)]
        return sum((part.sum() for part in (*rows, *products, *signs)), W.sum() * 0)

    x = np.arange(9.0).reshape(3, 3)
    step = tg.capture(fn, [W])
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = step(x), step(x)
        assert first == second == fn(tg.Tensor(x)).item()


def test_random_draws_are_neither_merged_nor_dropped() -> None:
    rng, reference = np.random.default_rng(0), np.random.default_rng(0)

    def fn() -> Any:
        F.uniform(W, rng=rng)  # drawn for nobody, but it moves the generator on
        return (W * F.bernoulli(W, rng=rng) * F.bernoulli(W, rng=rng) * F.uniform(W, rng=rng)).sum()

    step = tg.capture(fn, [W])
    for _ in range(4):
        draws = [reference.random(3) for _ in range(4)]
        expected = W.data * (draws[1] < 0.5) * (draws[2] < 0.5) * draws[3]
        assert step() == pytest.approx(expected.sum())
    assert [line.operation for line in step.plan.lines].count("bernoulli") == 2


def test_gradients_that_nobody_asked_for_are_not_computed() -> None:
    both = _operations(lambda: np.sum(W * np.exp(np.sin(OTHER))), [W, OTHER])
    one = _operations(lambda: np.sum(W * np.exp(np.sin(OTHER))), [W])
    assert both == ["sin", "exp", "multiply", "sum", *both[4:]]
    assert one == ["sin", "exp", "multiply", "sum"]  # exp is the gradient
    assert "cos" in both


def test_known_numbers_are_not_computed() -> None:
    names = _operations(lambda x: ((W * x) ** 1 * 1 / 1).mean(), [W], np.ones(3))
    # x / 3 is the gradient: no seed, no broadcast, no mean of it, no product with one
    assert names == ["multiply", "sum", "divide", "multiply"] or "power" in names
    assert names.count("multiply") <= 3
    assert "broadcast_to" not in names


def test_one_over_x_is_no_x_and_not_all_known_numbers_are_equal() -> None:
    step = tg.capture(lambda: (1 / W).sum() + W[1:].sum() + np.cumsum(W).sum(), [W])
    for _ in range(2):
        step()
        np.testing.assert_allclose(W.grad, -1 / W.data**2 + [0, 1, 1] + [3, 2, 1])


def test_a_constant_gradient_is_written_in_each_replay() -> None:
    step = tg.capture(lambda: np.sum(W * 3), [W])
    for _ in range(2):
        step()
        np.testing.assert_array_equal(W.grad, [3, 3, 3])
        W.grad[:] = 0


def test_a_gradient_that_two_parameters_share_reaches_both() -> None:
    step = tg.capture(lambda x: ((W + OTHER) * np.exp(x)).sum(), [W, OTHER])
    for k in range(3):
        step(np.full(3, float(k)))
        for param in (W, OTHER):
            np.testing.assert_allclose(param.grad, np.exp(k))


# How much memory.


@contextmanager
def _small_buffers() -> Iterator[None]:
    """NumPy converts and broadcasts through a buffer of its own; here of 16 entries, not 8192."""
    before = np.setbufsize(16)
    try:
        yield
    finally:
        np.setbufsize(before)


def _transient(step: Any, minibatch: Sequence[Any]) -> int:
    """How many bytes a call needs on top of what it leaves."""
    with _small_buffers():
        for _ in range(3):
            step(*minibatch)
        tracemalloc.start()
        try:
            step(*minibatch)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            step(*minibatch)
            return tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()


SMALL = 3000  #: bytes: less than any array below, more than what Python needs for a call


def _minibatch(loss: str, dtype: Any) -> list[Array]:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(128, 20)).astype(dtype), rng.normal(size=(128, 10)).astype(dtype)
    return [x, rng.integers(0, 10, 128) if loss == "cross_entropy" else y]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS.keys() - {"gelu"}))
def test_no_array_is_allocated(activation: str, loss: str, dtype: Any) -> None:
    model = tg.nn.MLP([20, 50, 40, 10], activation=activation, dtype=dtype, rng=0)
    criterion = tg.losses.get(loss)
    step = tg.capture(lambda x, y: criterion(model(x), y), model.parameters())
    assert _transient(step, _minibatch(loss, dtype)) < SMALL


def test_a_matrix_beside_its_transpose_allocates_nothing() -> None:
    w = tg.Tensor(np.ones((60, 60)), requires_grad=True)

    def fn() -> Any:
        with tg.no_grad():
            y = np.exp(w)
            weights = y * y.T  # nobody reads y again, but the result must not take its place
        return (w * w * weights).sum()

    assert _transient(tg.capture(fn, [w]), []) < SMALL


def test_allocations_would_be_found() -> None:
    model = tg.nn.MLP([20, 50, 40, 10], activation="gelu", rng=0)
    step = tg.capture(lambda x, y: tg.losses.mse(model(x), y), model.parameters())
    # Its normal distribution comes from Python's math.erfc, which makes an object of each number.
    assert _transient(step, _minibatch("mse", np.float64)) > 10 * SMALL


def test_dropout_and_ensembles_allocate_no_more_than_the_losses() -> None:
    model = tg.nn.MLP([20, 50, 10], rng=0, members=3)
    drop = tg.nn.Dropout(0.3, rng=0)
    step = tg.capture(lambda x, y: tg.losses.mse(drop(model(x)), y), model.parameters())
    assert _transient(step, _minibatch("mse", np.float64)) < SMALL


def _backpropagation(name: str) -> int:
    """What it takes to compute the gradients of a case by hand, in bytes of arrays."""
    case = CASES[name]
    W1, b1, W2, b2, W3, b3 = case.parameters()
    x, y = case.minibatch()
    is_tanh = case.activation == "tanh"

    def gradients() -> Any:
        h1 = x @ W1
        h1 += b1
        h1 = np.tanh(h1, out=h1) if is_tanh else np.maximum(h1, 0, out=h1)
        h2 = h1 @ W2
        h2 += b2
        h2 = np.tanh(h2, out=h2) if is_tanh else np.maximum(h2, 0, out=h2)
        error = h2 @ W3
        error += b3
        error -= y
        error *= 2 / error.size
        last = h2.T @ error, error.sum(axis=0)
        g2 = error @ W3.T
        del error
        g2 *= 1 - h2 * h2 if is_tanh else h2 > 0
        middle = h1.T @ g2, g2.sum(axis=0)
        del h2
        g1 = g2 @ W2.T
        del g2
        g1 *= 1 - h1 * h1 if is_tanh else h1 > 0
        del h1
        return x.T @ g1, g1.sum(axis=0), *middle, *last

    with _small_buffers():
        gradients()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            kept = gradients()
            return tracemalloc.get_traced_memory()[1] - before + 0 * len(kept)
        finally:
            tracemalloc.stop()


def _held(step: Any, *minibatches: Sequence[Any]) -> int:
    """How many bytes of arrays a step holds after a few calls."""
    arrays = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    tracemalloc.start()
    try:
        for minibatch in minibatches * 3:
            step(*minibatch)
        traces = tracemalloc.take_snapshot().filter_traces([arrays]).traces
        return sum(trace.size for trace in traces)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["T1", "T2", "T3", "T4"])
def test_a_step_holds_little_more_than_what_backpropagation_by_hand_needs(name: str) -> None:
    case = CASES[name]
    model = tg.nn.MLP(case.sizes, case.activation, dtype=np.float32, rng=0)
    x, y = case.minibatch()
    tracemalloc.start()
    step = tg.capture(lambda x, y: tg.losses.mse(model(x), y), model.parameters())
    gradients = sum(param.grad.nbytes for param in model.parameters() if step(x, y) is not None)
    tracemalloc.stop()
    del step
    step = tg.capture(lambda x, y: tg.losses.mse(model(x), y), model.parameters())
    assert gradients + _held(step, (x, y)) <= 1.1 * _backpropagation(name)


def test_plans_of_a_step_share_their_memory() -> None:
    model = tg.nn.MLP([20, 50, 10], rng=0)
    x, y = _minibatch("mse", np.float64)
    def make() -> Any:
        return tg.capture(lambda x, y: tg.losses.mse(model(x), y), model.parameters())

    alone = _held(make(), (x, y))
    smaller = [(x[:n], y[:n]) for n in (100, 50, 20)]
    assert _held(make(), (x, y), *smaller) < 1.1 * alone


SPAN = st.tuples(st.integers(0, 30), st.integers(0, 10), st.integers(0, 500))
SPANS = st.lists(SPAN, max_size=30)


@given(SPANS, SPANS)
def test_what_is_alive_at_once_lies_apart(
    spans: list[tuple[int, int, int]], fixed: list[tuple[int, int, int]]
) -> None:
    free = [Storage("", first, first + length, size) for first, length, size in spans]
    placed, offset = [], 0
    for first, length, size in fixed:
        placed.append(Storage("", first, first + length, size, offset=offset))
        offset += size + LINE
    placed.append(Storage("wall", 0, 100, LINE, offset=offset))
    places = [storage.offset for storage in placed]
    end = _pack(free, placed)
    assert [storage.offset for storage in placed] == places
    storages = [*placed, *free]
    for k, one in enumerate(storages):
        assert one.offset + one.size <= end
        for other in storages[:k]:
            are_apart = one.offset + one.size <= other.offset or (
                other.offset + other.size <= one.offset
            )
            assert are_apart or one.last < other.first or other.last < one.first
