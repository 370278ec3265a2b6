"""A captured step computes what the eager one does: the same bits in reproducible arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import tinygrad_init as tg
from tests.autograd.test_operations import CATALOGUE, Case
from tests.autograd.test_random_programs import STEPS
from tinygrad_init.autograd import F
from tinygrad_init.nn.layers import ACTIVATIONS

Array = NDArray[Any]
Mode = Callable[[], AbstractContextManager[None]]

MODES = pytest.mark.parametrize("mode", [
    pytest.param(nullcontext, id="plain"), pytest.param(tg.reproducible, id="reproducible")
])


def _eager(fn: Callable[..., Any], params: Sequence[tg.Tensor], arrays: Sequence[Any]) -> Any:
    """The loss and the gradients, by the engine alone."""
    loss = fn(*map(tg.Tensor, arrays))
    gradients = tg.grad(loss, list(params), gradient=np.ones(loss.shape))
    return loss.data, [gradient.data for gradient in gradients]


def _assert_same(found: Any, expected: Any, is_exact: bool, dtype: Any) -> None:
    assert np.shape(found) == np.shape(expected)
    if is_exact:
        np.testing.assert_array_equal(found, expected)
    else:
        tolerance = 1e-12 if dtype == np.float64 else 1e-5
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def _compare(
    fn: Callable[..., Any], params: Sequence[tg.Tensor], rounds: Sequence[Sequence[Any]],
    is_exact: bool,
) -> None:
    """Every round gives what the engine gives, with parameters that move in between."""
    step = tg.capture(fn, params)
    for arrays in rounds:
        for part in (step._memory._arena, *step._memory._parts):
            part[:] = 255  # nan, in floats: what a replay reads, it must have written before
        loss = step(*arrays)
        expected_loss, expected = _eager(fn, params, arrays)
        _assert_same(loss, expected_loss, is_exact, min(param.dtype for param in params))
        for param, gradient in zip(params, expected, strict=True):
            assert param.grad.dtype == param.dtype
            _assert_same(param.grad, gradient, is_exact, param.dtype)
            param.data = param.data * 1.01
    assert len(step.plans) == 1


# Every operation of the table.


def _weighted(y: tg.Tensor) -> tg.Tensor:
    """One number in which no wrong entry can hide behind another."""
    weights = 0.5 + np.arange(y.size).reshape(y.shape) * 0.37 % 1.3
    return (y * weights).sum()


def _picks_by_a_mask(name: str, case: Case) -> bool:
    """``x[x > 0]``, whose shape depends on numbers."""
    return case in CATALOGUE["getitem"][18:20]


@MODES
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_operation_on_parameters(name: str, mode: Mode) -> None:
    for case in CATALOGUE[name]:
        if _picks_by_a_mask(name, case) or (mode is tg.reproducible and not case.is_reproducible):
            continue
        for dtype in ("float64", "float32"):
            with mode():
                tensors = case.tensors(dtype)
                _compare(_loss_of(case, tensors), tensors, [()] * 3, mode is tg.reproducible)


def _loss_of(case: Case, tensors: Sequence[tg.Tensor]) -> Callable[[], Any]:
    """A loss to which every tensor contributes."""
    return lambda: sum(((x * x).sum() for x in tensors), _weighted(case.call(*tensors)))


@MODES
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_operation_on_arguments(name: str, mode: Mode) -> None:
    for case in CATALOGUE[name]:
        if _picks_by_a_mask(name, case) or (mode is tg.reproducible and not case.is_reproducible):
            continue
        arrays = case.arrays()
        rounds = [arrays, [0.99 * array for array in arrays], [*map(_turned, arrays)]]
        with mode():
            scale = tg.Tensor(1.5, requires_grad=True)
            _compare(_scaled(case, scale), [scale], rounds, mode is tg.reproducible)


def _scaled(case: Case, scale: tg.Tensor) -> Callable[..., Any]:
    return lambda *arguments: _weighted(case.call(*arguments)) * scale


def _turned(array: Array) -> Array:
    """The same numbers in another layout, not to be written to."""
    other = np.array(array, order="F") if array.ndim < 2 else np.array(array.T).T
    other.flags.writeable = False
    return other


def test_the_excluded_cases_are_those_of_computed_masks() -> None:
    for case in CATALOGUE["getitem"][18:20]:
        tensors = case.tensors()
        step = tg.capture(_loss_of(case, tensors), tensors)
        with pytest.raises(tg.GraphError, match="mask that is computed"):
            step()


# Arrays that are large enough for the ways that are chosen for speed.

def _sum_over(axis: Any) -> Callable[[Any], Any]:
    return lambda x: (x * x).sum(axis=axis) * 1.5


LARGE: dict[str, Callable[[Any], Any]] = {
    **{f"sum over {axis}": _sum_over(axis) for axis in (0, 1, 2, (0, 1), (1, 2), (0, 2), None)},
    "sum over short rows, kept": lambda x: x / (x * x).sum(axis=-1, keepdims=True),
    "sum of a transpose": lambda x: x.transpose(1, 2, 0).sum(axis=(0, 1)),
    "sum of every other": lambda x: x[:, ::2].sum(axis=0),
    "squares": lambda x: (x * x)[..., :3] + (x * x).sum(),
    "maximum of few": lambda x: x.max(axis=-1),
    "minimum of few, kept": lambda x: x - x.min(axis=-1, keepdims=True),
    "maximum of many": lambda x: x.max(axis=0),
    "relu": lambda x: x.relu() * x,
    "relu in place": lambda x: (x * 2).relu(),
    "relu of an odd number": lambda x: (x[:299, :3, :7] * 2).relu(),
    "a choice of zero": lambda x: np.where(x > 0.3, x * 2, 0),
    "a choice of a number": lambda x: np.where(x > 0.3, 2.5, 0) * x,
    "another choice": lambda x: np.where(x > 0.3, 0, x * 2) + np.where(x > 0, -x, x),
    "concatenation": lambda x: np.concatenate([x, x * 2, x[:, :1]], axis=1) ** 2,
    "reshape of a transpose": lambda x: (x.T.reshape(-1, 5) ** 2).T.reshape(-1),
    "products": lambda x: x @ x.transpose(0, 2, 1),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("what", LARGE)
def test_large_arrays(what: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    w = tg.Tensor(rng.normal(size=(300, 4, 10)).astype(dtype), requires_grad=True)
    rounds = [[rng.normal(size=w.shape).astype(dtype)] for _ in range(3)]

    def fn(x: Any) -> Any:
        y = LARGE[what](w * x)
        return (y * y).mean() + (w.relu() * x).mean()

    _compare(fn, [w], rounds, False)


def test_special_numbers_go_the_way_of_the_engine() -> None:
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 5e-324])
    a, b = (grid.reshape(1, -1).repeat(300, 0) for grid in np.meshgrid(special, special))
    w = tg.Tensor(np.ones(a.shape), requires_grad=True)

    def fn(x: Any, y: Any) -> Any:
        chosen = np.where(x > 0, w * y, 0) + np.where(y > 0, 0, w * x)
        return (chosen * x).sum() + ((w * y).relu() * x).sum() + (w * x).max(axis=-1).sum()

    step = tg.capture(fn, [w])
    for x, y in ((a, b), (b, a), (a, b)):
        with np.errstate(all="ignore"):
            step(x, y)
            _, (expected,) = _eager(fn, [w], (x, y))
        np.testing.assert_array_equal(w.grad, expected)
        is_zero = expected == 0
        np.testing.assert_array_equal(np.signbit(w.grad[is_zero]), np.signbit(expected[is_zero]))


# Random programs.

PROGRAMS = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS.keys() - {"masked", "prod"})), st.integers(0, 99),
              st.integers(0, 99)),
    min_size=5, max_size=40,
)  # fmt: skip
LEAVES = [(2, 3), (3,), (3, 2), (), (1, 3)]


def _run(program: list[tuple[str, int, int]], leaves: Sequence[Any]) -> Any:
    """The sum of the last results of a program; no result is above 3."""
    results = list(leaves)
    for name, *picks in program:
        step = STEPS[name]
        chosen = [results[-1 - pick % len(results)] for pick in picks[: step.operands]]
        if step.fits(*(x.shape for x in chosen)):
            results.append(np.tanh(step.ours(*chosen) / 3) * 3)
    return sum((result.sum() for result in results[-6:]), tg.Tensor(0.0))


@MODES
def test_random_programs(mode: Mode) -> None:
    @settings(max_examples=100, suppress_health_check=list(HealthCheck))
    @given(PROGRAMS)
    def run(program: list[tuple[str, int, int]]) -> None:
        rng = np.random.default_rng(0)
        first, *others = [rng.normal(size=shape) for shape in LEAVES]
        params = [tg.Tensor(array, requires_grad=True) for array in (first, *others[:2])]

        def fn(*arguments: Any) -> Any:
            decay = sum(((x * x).sum() for x in params), tg.Tensor(0.0))
            return _run(program, [*params, *arguments]) + decay

        rounds = [[scale * array for array in others[2:]] for scale in (1, 1.1, -0.9)]
        with mode():
            _compare(fn, params, rounds, mode is tg.reproducible)

    run()


# Training.


def _minibatches(loss: str, count: int, dtype: Any = np.float64) -> list[tuple[Array, Array]]:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(count):
        x, y = rng.normal(size=(8, 6)), rng.normal(size=(8, 3)).astype(dtype)
        labels = rng.integers(0, 3, 8)
        found.append((x.astype(dtype), labels if loss == "cross_entropy" else y))
    return found


def _train(
    is_captured: bool, model: tg.nn.Module, loss: str, optimiser: tg.optim.Optimiser,
    steps: int = 5,
) -> list[Any]:
    """The losses of a few steps, with a rate that falls."""
    criterion = tg.losses.get(loss)
    step = tg.capture(lambda x, y: criterion(model(x), y), model.parameters())
    losses = []
    for k, (x, y) in enumerate(_minibatches(loss, steps)):
        optimiser.lr = 0.1 / (1 + k)
        if is_captured:
            losses.append(step(x, y))
        else:
            result = criterion(model(x), y)
            optimiser.zero_grad()
            result.sum().backward()
            losses.append(result.data)
        optimiser.step()
    return [*losses, *(param.data for param in model.parameters())]


def _assert_trains_as_eager(mode: Mode, make: Callable[[], tuple[Any, ...]]) -> None:
    with mode():
        found, expected = _train(True, *make()), _train(False, *make())
    for one, other in zip(found, expected, strict=True):
        _assert_same(one, other, mode is tg.reproducible, np.float64)


@MODES
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_training_with_every_activation_and_loss(activation: str, loss: str, mode: Mode) -> None:
    def make() -> tuple[Any, ...]:
        model = tg.nn.MLP([6, 7, 3], activation=activation, rng=1)
        return model, loss, tg.optim.SGD(model.parameters(), momentum=0.9)

    _assert_trains_as_eager(mode, make)


@MODES
@pytest.mark.parametrize("optimiser", sorted(tg.optim.BY_NAME))
def test_training_with_every_optimiser(optimiser: str, mode: Mode) -> None:
    def make() -> tuple[Any, ...]:
        model = tg.nn.MLP([6, 5, 3], rng=1)
        return model, "mse", tg.optim.get(optimiser)(model.parameters())

    _assert_trains_as_eager(mode, make)


@MODES
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_training_an_ensemble_gives_a_loss_for_each_member(loss: str, mode: Mode) -> None:
    def make() -> tuple[Any, ...]:
        model = tg.nn.MLP([6, 5, 3], rng=1, members=4)
        return model, loss, tg.optim.Adam(model.parameters())

    _assert_trains_as_eager(mode, make)
    model = make()[0]
    step = tg.capture(lambda x, y: tg.losses.get(loss)(model(x), y), model.parameters())
    assert step(*_minibatches(loss, 1)[0]).shape == (4,)


class _Net(tg.nn.Module):
    """With all kinds of layers."""

    def __init__(self) -> None:
        self.first = tg.nn.Linear(6, 5, rng=0)
        self.drop = tg.nn.Dropout(0.4, rng=1)
        self.norm = tg.nn.LayerNorm(5)
        self.last = tg.nn.Linear(5, 3, rng=2)

    def forward(self, x: Any) -> Any:
        return self.last(self.norm(self.drop(np.tanh(self.first(x)))))


@MODES
def test_dropout_draws_the_masks_that_the_eager_steps_draw(mode: Mode) -> None:
    def make() -> tuple[Any, ...]:
        model = _Net()
        return model, "cross_entropy", tg.optim.SGD(model.parameters())

    _assert_trains_as_eager(mode, make)


def test_dropout_draws_anew_in_each_replay() -> None:
    model = _Net()
    step = tg.capture(lambda x, y: tg.losses.mse(model(x), y), model.parameters())
    minibatch = _minibatches("mse", 1)[0]
    assert len({step(*minibatch) for _ in range(20)}) == 20
    assert len(step.plans) == 1


def test_float32_stays_float32() -> None:
    model = tg.nn.MLP([6, 5, 3], activation="gelu", dtype=np.float32, rng=0)
    x, y = _minibatches("mse", 1, np.float32)[0]
    step = tg.capture(lambda x, y: tg.losses.mse(model(x), y), model.parameters())
    for _ in range(2):
        step(x, y)
    assert {line.dtype for line in step.plan.lines} == {"float32"}
    assert all(param.grad.dtype == np.float32 for param in model.parameters())


def test_parameters_of_several_dtypes() -> None:
    narrow = tg.Tensor(np.ones(3, np.float32), requires_grad=True)
    wide = tg.Tensor(np.arange(3.0), requires_grad=True)
    _compare(lambda x: ((narrow * x + wide) ** 2).sum() + (wide * narrow).sum(),
             [narrow, wide], [[np.arange(3.0) + k] for k in range(3)], False)


# Derivatives inside of the captured function.


@MODES
@pytest.mark.parametrize("create_graph", [True, False])
def test_a_penalty_on_the_gradient(create_graph: bool, mode: Mode) -> None:
    w = tg.Tensor([[0.5, -0.2], [0.1, 0.9]], requires_grad=True)

    def fn(x: Any) -> Any:
        y = np.tanh(x @ w).sum()
        slope = tg.grad(y, w, create_graph=create_graph)
        return y + (slope * slope * w).sum()

    rng = np.random.default_rng(0)
    with mode():
        _compare(fn, [w], [[rng.normal(size=(3, 2))] for _ in range(3)], mode is tg.reproducible)


def test_no_grad_inside_stops_derivatives_and_is_replayed() -> None:
    w = tg.Tensor([1.0, 2.0], requires_grad=True)

    def fn(x: Any) -> Any:
        with tg.no_grad():
            target = w * w * x
        return ((w * x - target) * (w.detach() + 1)).sum()

    _compare(fn, [w], [[np.array([1.0, k])] for k in range(3)], False)


@MODES
def test_an_operation_of_ones_own(mode: Mode) -> None:
    calls = []

    def cube(x: Any) -> Any:
        calls.append(x)
        return x * x * x

    row = tg.operation("cube", cube, lambda g, y, x: g * (3 * x * x), exact=cube)
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    with mode():
        _compare(lambda x: (row(w) * row(w) * x).sum(), [w], [[np.ones(2)]] * 3,
                 mode is tg.reproducible)
    assert len(calls) == 3 * 2 * 2  # it may do more than compute, so equal calls are not merged


_BUFFER = np.zeros(3)


def _into_a_buffer(x: Any) -> Any:
    np.multiply(x, 2, out=_BUFFER)
    return _BUFFER


@pytest.mark.parametrize("forward", [lambda x: x, lambda x: x[::-1][::-1], _into_a_buffer],
                         ids=["operand", "view", "buffer"])
def test_operations_of_ones_own_that_give_memory_of_others(forward: Callable[..., Any]) -> None:
    scale = 2 if forward is _into_a_buffer else 1
    row = tg.operation("row", forward, lambda g, _y, _x: g * scale)
    w = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    # Computed eagerly, the second would overwrite the buffer of the first.
    step = tg.capture(lambda x: (row(w * x) * row(x + w)).sum(), [w])
    for k in range(3):
        x = np.arange(3.0) + k
        assert step(x) == pytest.approx((scale * w.data * x) @ (scale * (x + w.data)))
        np.testing.assert_allclose(w.grad, scale**2 * (x * (x + w.data) + w.data * x))


def test_an_operation_of_ones_own_is_replayed_in_its_arithmetic() -> None:
    def total(x: Any) -> Any:
        return F.sum(x, axis=None, keepdims=False)

    row = tg.operation("total", total, lambda g, _y, x: g + x * 0, exact=total)
    w, x = tg.Tensor(1.0, requires_grad=True), np.array([1e16, 1.0, -1e16])

    def fn(x: Any) -> Any:
        with tg.reproducible(), tg.no_grad():
            exact = row(x)
        return w * exact

    step = tg.capture(fn, [w])
    assert [step(x), step(x)] == [1, 1]


@MODES
def test_gradients_in_another_order_of_memory(mode: Mode) -> None:
    w = tg.Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    v = tg.Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    rng = np.random.default_rng(0)
    with mode():
        _compare(lambda x: ((x @ w.T) ** 2).sum() + np.tanh(v.T + w).sum(), [w, v],
                 [[rng.normal(size=(4, 3))] for _ in range(3)], mode is tg.reproducible)


@MODES
def test_indices_that_are_arguments_or_computed(mode: Mode) -> None:
    table = tg.Tensor(np.arange(12.0).reshape(4, 3), requires_grad=True)

    def fn(words: Any, x: Any) -> Any:
        rows = table[words] * x
        best = rows[np.arange(3), rows.argmax(axis=1)]
        sorted_rows = np.take_along_axis(rows, x.argsort(axis=1), 1)
        taken = sorted_rows[:, 0] * np.take(table, words, 0)[:, 1]
        return (rows * rows).sum() + best.sum() + taken.sum()

    rng = np.random.default_rng(1)
    with mode():
        _compare(fn, [table], [[rng.integers(0, 4, 3), rng.normal(size=(3, 3))] for _ in range(4)],
                 mode is tg.reproducible)


def test_both_arithmetics_and_mixtures() -> None:
    w = tg.Tensor(np.linspace(-1, 1, 7), requires_grad=True)

    def fn(x: Any) -> Any:
        with tg.reproducible(), tg.no_grad():
            exact = (w * x).sum()
        return (np.exp(w) * x).sum() * exact

    _compare(fn, [w], [[np.linspace(0, k, 7)] for k in (1, 2, 3)], False)
