"""Captured functions of Values: equal to the engine's own steps, whatever is composed with what.

The oracle is the engine that runs operation by operation, and, for what both might get wrong,
finite differences of the captured loss. Programs in correctly rounded operations must agree to the
bit; with elementary functions, of which NumPy and Python have each their own, to 1e-12.

``PROGRAMS`` in the environment sets how many random programs are tried (100 of each kind unless
said).
"""

from __future__ import annotations

import gc
import math
import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_init as tg
from tinygrad_init import F, Value
from tinygrad_init.autograd.capture import scalar_plan, scalars

PROGRAMS = int(os.environ.get("PROGRAMS", "100"))
TOLERANCE = 1e-12

Function = Callable[..., Any]


def _bounded(function: Function) -> Function:
    return lambda *args: F.clip(function(*args), -8, 8)


#: Rows whose kernels are correctly rounded, kinks and ties included.
ROUNDED: dict[str, tuple[int, Function]] = {
    "add": (2, lambda a, b: a + b),
    "subtract": (2, lambda a, b: a - b),
    "multiply": (2, _bounded(lambda a, b: a * b)),
    "divide": (2, lambda a, b: a / (1 + b * b)),
    "negative": (1, lambda a: -a),
    "positive": (1, lambda a: +a),
    "reciprocal": (1, lambda a: F.reciprocal(1 + a * a)),
    "square": (1, _bounded(F.square)),
    "sqrt": (1, lambda a: F.sqrt(1 + a * a)),
    "absolute": (1, abs),
    "sign": (1, lambda a: F.sign(a) * 0.5),
    "maximum": (2, F.maximum),
    "minimum": (2, F.minimum),
    "clip": (1, lambda a: F.clip(a, -1, 1)),
    "relu": (1, F.relu),
    "leaky_relu": (1, lambda a: F.leaky_relu(a, slope=0.25)),
    "hardtanh": (1, F.hardtanh),
    "softsign": (1, F.softsign),
    "where": (2, lambda a, b: F.where(F.greater(a, b), a + 1, b)),
    "greater": (2, lambda a, b: F.where(F.greater(a, b), a, 2 - b)),
    "greater_equal": (2, lambda a, b: F.where(F.greater_equal(a, b), a, 2 - b)),
    "less": (2, lambda a, b: F.where(F.less(a, b), a, 2 - b)),
    "less_equal": (2, lambda a, b: F.where(F.less_equal(a, b), a, 2 - b)),
    "equal": (2, lambda a, b: F.where(F.equal(a, b), a, 2 - b)),
    "not_equal": (2, lambda a, b: F.where(F.not_equal(a, b), a, 2 - b)),
}
#: The others, inside their domains, and smooth: a last bit of theirs might decide a tie.
SMOOTH: dict[str, tuple[int, Function]] = {
    "add": (2, lambda a, b: F.tanh(a + b)),
    "multiply": (2, lambda a, b: F.tanh(a * b)),
    "power": (2, lambda a, b: (1 + a * a) ** F.tanh(b)),
    "hypot": (2, lambda a, b: F.hypot(a, b + 3) / 2),
    "exp": (1, lambda a: F.exp(a) / 20),
    "exp2": (1, lambda a: F.exp2(a) / 8),
    "expm1": (1, lambda a: F.expm1(a) / 20),
    "log": (1, lambda a: F.log(1 + a * a)),
    "log2": (1, lambda a: F.log2(1 + a * a)),
    "log10": (1, lambda a: F.log10(1 + a * a)),
    "log1p": (1, lambda a: F.log1p(a * a)),
    "logaddexp": (2, lambda a, b: F.logaddexp(a, b) / 2),
    "cbrt": (1, lambda a: F.cbrt(1 + a * a)),
    "sin": (1, F.sin),
    "cos": (1, F.cos),
    "tan": (1, lambda a: F.tan(F.tanh(a))),
    "arcsin": (1, lambda a: F.arcsin(F.tanh(a) / 2)),
    "arccos": (1, lambda a: F.arccos(F.tanh(a) / 2)),
    "arctan": (1, F.arctan),
    "arctan2": (2, lambda a, b: F.arctan2(a, 1 + b * b)),
    "sinh": (1, lambda a: F.sinh(a) / 20),
    "cosh": (1, lambda a: F.cosh(a) / 20),
    "tanh": (1, F.tanh),
    "arcsinh": (1, F.arcsinh),
    "arccosh": (1, lambda a: F.arccosh(2 + a * a)),
    "arctanh": (1, lambda a: F.arctanh(F.tanh(a) / 2)),
    "sigmoid": (1, F.sigmoid),
    "elu": (1, lambda a: F.elu(a, alpha=1.0)),
    "selu": (1, lambda a: F.selu(a) / 2),
    "softplus": (1, F.softplus),
    "silu": (1, F.silu),
    "normal_cdf": (1, F.normal_cdf),
    "gelu": (1, F.gelu),
}
Table = dict[str, tuple[int, Function]]
Steps = Sequence[tuple[str, int, int]]


def _steps(table: Table) -> st.SearchStrategy[Steps]:
    """Mostly long programs. A third of their steps are additions, for these are what is joined."""
    names = sorted(table)

    def draw(seed: int, length: int) -> Steps:
        rng = np.random.default_rng(seed)
        picks = rng.integers(0, 100, (length, 2)).tolist()
        kinds = rng.integers(0, 3 * len(names) // 2, length)
        chosen = [names[k] if k < len(names) else "add" for k in kinds]
        return [(name, *pick) for name, pick in zip(chosen, picks, strict=True)]

    return st.builds(draw, st.integers(0, 2**32), st.integers(1, 30))


NUMBERS = st.one_of(st.integers(-3, 3), st.floats(-3, 3), st.sampled_from([0.0, -0.0, 0.5, 1.0]))
POINTS = st.lists(st.lists(NUMBERS, min_size=10, max_size=10), min_size=1, max_size=4)


class Program:
    """A loss over a batch: every example goes through the same random steps."""

    def __init__(self, table: Table, steps: Steps) -> None:
        self.table, self.steps = table, steps
        self.params = [Value(0.0) for _ in range(4)]  # the last of which is not used
        self.outside = Value(0.75)  # no parameter, but read anew

    def __call__(self, xs: Sequence[Value]) -> Value:
        total: Any = 0
        for k, x in enumerate(xs):
            results: list[Any] = [2, 1.5, Value(0.5), self.outside, x, *self.params[:3]]
            for name, *picks in self.steps:
                arity, function = self.table[name]
                operands = [results[-1 - pick % len(results)] for pick in picks[:arity]]
                results.append(function(*operands))
            total = total + results[-1] * (k + 1) + results[len(results) // 2]
        return total * (1.0 / len(xs)) + self.params[0]

    def at(self, point: Sequence[float]) -> list[float]:
        """Move there; the rest of the point is the batch."""
        for value, number in zip([*self.params, self.outside], point, strict=False):
            value.data = number
        return [float(number) for number in point[5:]]

    def eagerly(self, xs: Sequence[float]) -> tuple[Any, list[Any]]:
        for param in self.params:
            param.grad = 0
        loss = self(list(map(Value, xs)))
        loss.backward()
        return loss.data, [param.grad for param in self.params]

    def captured(self, step: Any, xs: Sequence[float]) -> tuple[Any, list[Any]]:
        for param in self.params:
            param.grad = None
        loss = step(xs)
        return loss, [param.grad for param in self.params]


def _run(table: Table, steps: Steps, points: Sequence[Sequence[float]], tolerance: float) -> None:
    program = Program(table, steps)
    step = tg.capture(program, program.params)
    for point in points:
        xs = program.at(point)
        loss, gradients = program.eagerly(xs)
        found, slopes = program.captured(step, xs)
        for ours, theirs in zip([found, *slopes], [loss, *gradients], strict=True):
            assert abs(ours - theirs) <= tolerance * max(1, abs(theirs)), (ours, theirs)
    assert len(step.plans) == 1, "it was recorded more than once"


@pytest.fixture(params=["by levels", "one by one"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of running a tape, however wide it is."""
    monkeypatch.setattr(scalars, "WIDE", 0 if request.param == "by levels" else math.inf)
    return str(request.param)


TRIES = settings(max_examples=PROGRAMS, suppress_health_check=list(HealthCheck))


def test_every_operation_on_numbers_is_tried() -> None:
    assert {row.name for row in F if row.scalar is not None} == {*ROUNDED, *SMOOTH}


@pytest.mark.usefixtures("_way")
@TRIES
@given(_steps(ROUNDED), POINTS)
def test_rounded_operations_agree_to_the_bit(steps: Steps, points: Any) -> None:
    _run(ROUNDED, steps, points, 0)


@pytest.mark.usefixtures("_way")
@TRIES
@given(_steps(SMOOTH), POINTS)
def test_elementary_functions_agree(steps: Steps, points: Any) -> None:
    _run(SMOOTH, steps, points, TOLERANCE)


@given(
    _steps({name: both for name, both in SMOOTH.items() if name not in ("elu", "selu")}),  # bent
    st.lists(st.floats(-2, 2), min_size=10, max_size=10),
)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_gradients_are_slopes_of_the_captured_loss(steps: Steps, point: Any) -> None:
    """What the engine and the plan might both get wrong: rules, and who gets which gradient."""
    program = Program(SMOOTH, steps)
    step = tg.capture(program, program.params)
    _, slopes = program.captured(step, program.at(point))
    for k in range(4):
        losses = []
        for shift in (-2e-4, -1e-4, 1e-4, 2e-4):
            moved = [x + shift * (j == k) for j, x in enumerate(point)]
            losses.append(program.captured(step, program.at(moved))[0])
        slope = (losses[0] - 8 * losses[1] + 8 * losses[2] - losses[3]) / 12e-4
        assert slopes[k] == pytest.approx(slope, rel=1e-6, abs=1e-6)


# Reproducible arithmetic.

EXACT = {
    name: both for table in (SMOOTH, ROUNDED) for name, both in table.items()
    if F.rows[name].kernels[1] is not None and name not in ("power", "arctan2")
}  # fmt: skip


@pytest.mark.usefixtures("_way")
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(_steps(EXACT), POINTS)
def test_reproducible_arithmetic_gives_the_same_bits(steps: Steps, points: Any) -> None:
    with tg.reproducible():
        _run(EXACT, steps, points, 0)


def test_each_arithmetic_has_its_own_recording() -> None:
    w = Value(0.3)
    step = tg.capture(lambda x: (w * x).exp() * 3, [w])
    plain = step(0.7)
    with tg.reproducible():
        exact, slope = step(0.7), w.grad
        loss = (w * Value(0.7)).exp() * 3
        w.grad = 0
        loss.backward()
    assert (exact, slope) == (loss.data, w.grad)
    assert plain == pytest.approx(exact, rel=1e-15)
    assert len(step.plans) == 2


@pytest.mark.usefixtures("_way")
def test_a_part_in_the_other_arithmetic_stays_in_it() -> None:
    w = Value(1.0)
    candidates = [0.013 * k for k in range(1, 200)]
    with tg.reproducible():
        there = list(map(F.silu, candidates))
    xs = [x for x, other in zip(candidates, there, strict=True) if F.silu(x) != other][-3:]

    def loss(inputs: Any, other: Any = tg.reproducible) -> Value:
        with tg.no_grad(), other():
            results = [F.silu(w * x) for x in inputs]
        return sum((w * result for result in results), start=w * 0)

    step = tg.capture(loss, [w])
    differences = []
    for w.data in (1.0, 0.5, 2.0):
        wanted = loss(list(map(Value, xs)))
        w.grad = 0
        wanted.backward()
        slope = w.grad
        assert [step(xs), w.grad] == [wanted.data, slope]
        differences.append(wanted.data - loss(list(map(Value, xs)), tg.no_grad).data)
    assert any(differences)


def test_a_gradient_through_the_other_arithmetic_is_refused() -> None:
    w = Value(0.1)

    def loss() -> Value:
        with tg.reproducible():
            power = w.exp()
        return w * power

    with pytest.raises(tg.GraphError, match="was recorded inside"):
        tg.capture(loss, [w])()


# Numbers that are none of the ordinary ones.

RAW: dict[str, Function] = {
    **{row.name: row for row in F if row.scalar is not None and len(row.rules) < 3},
    "leaky_relu": lambda a: F.leaky_relu(a, slope=0.25),
    "clip": lambda a: F.clip(a, -1, 1),
    "elu": lambda a: F.elu(a, alpha=2.0),
    "square root of a square": lambda a: F.sqrt(a * a),
    "own power": lambda a: a**a,
    "third power": lambda a: a**3,
    "negative power": lambda a: a**-1,
    "zeroth power": lambda a: a**0,
}
NASTY = [0, 0.0, -0.0, 1.0, -1.0, 0.5, 2, -3, 1e-320, -1e-200, 1e200, -1e308, 750.0, -750.0,
         math.inf, -math.inf, math.nan, Fraction(1, 3)]  # fmt: skip
#: Somewhere where the row is defined and smooth, to record at.
NICE = {"arccosh": 1.5, "arcsin": 0.5, "arccos": 0.5, "arctanh": 0.5}


def _outcome(compute: Callable[[], tuple[Any, list[Any]]]) -> Any:
    """What came out, or what was complained of."""
    try:
        loss, gradients = compute()
    except (tg.TinygradInitError, ArithmeticError, ValueError, TypeError) as error:
        return type(error), str(error)
    return [loss, *gradients]


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("name", RAW)
def test_nan_infinities_and_mistakes_are_those_of_the_engine(name: str) -> None:
    function = RAW[name]
    arity = len(function.rules) if isinstance(function, tg.autograd.Operation) else 1
    w, v = Value(0.0), Value(0.0)

    def loss(xs: Sequence[Value]) -> Value:
        results = [function(*(w, v * x)[:arity]) for x in xs]
        masked = [F.where(result, result, x) for x, result in zip(xs, results, strict=True)]
        return sum(masked, start=results[0] * w)

    def eagerly() -> tuple[Any, list[Any]]:
        w.grad = v.grad = 0
        total = loss([Value(1.0), Value(0.5), Value(1.0)])
        total.backward()
        return total.data, [w.grad, v.grad]

    def captured() -> tuple[Any, list[Any]]:
        return step([1.0, 0.5, 1.0]), [w.grad, v.grad]

    step = tg.capture(loss, [w, v])
    w.data = v.data = NICE.get(name, 0.7)
    captured()
    for w.data in NASTY:
        for v.data in NASTY if arity == 2 else [0.7]:
            wanted, found = _outcome(eagerly), _outcome(captured)
            assert type(found) is type(wanted), (w, v, found, wanted)
            if isinstance(wanted, tuple):
                assert found == wanted
            else:
                np.testing.assert_allclose(
                    [float(x) for x in found], [float(x) for x in wanted], rtol=1e-12, atol=0
                )


def test_fractions_stay_exact() -> None:
    w, b = Value(Fraction(1, 3)), Value(Fraction(-1, 7))

    def half(x: Any, y: Any) -> Any:
        return (w * x + b - y).relu() * Fraction(1, 2)

    step = tg.capture(lambda xs, ys: sum(map(half, xs, ys)), [w, b])
    xs, ys = [Fraction(k, 5) for k in range(1, 9)], [Fraction(k % 3, 11) for k in range(8)]
    for _ in range(3):
        pairs = zip(xs, ys, strict=True)
        errors = [max(w.data * x + b.data - y, Fraction(0)) / 2 for x, y in pairs]
        slopes = [Fraction(e > 0, 2) for e in errors]
        loss = step(xs, ys)
        assert loss == sum(errors)
        assert (w.grad, b.grad) == (sum(map(lambda s, x: s * x, slopes, xs)), sum(slopes))
        assert {type(loss), type(w.grad), type(b.grad)} == {Fraction}
        w.data -= w.grad / 10
        b.data -= b.grad / 10


@pytest.mark.usefixtures("_way")
def test_fractions_given_as_arguments_stay_exact() -> None:
    w = Value(0.5)
    step = tg.capture(lambda a, b, c: w * ((a + b - c) * 10**20 + 1), [w])
    assert step(0.5, 0.25, 0.75) == 0.5
    assert step(Fraction(1, 10), Fraction(2, 10), Fraction(3, 10)) == 0.5
    assert step(0.1, 0.2, 0.3) > 1000


def test_a_fraction_among_floats_is_computed_as_by_the_engine() -> None:
    w = Value(0.1)
    step = tg.capture(lambda: sum((w * Fraction(k, 3) for k in range(1, 20)), start=w), [w])
    loss = step()
    assert loss == sum((0.1 * Fraction(k, 3) for k in range(1, 20)), start=0.1)
    w.data = Fraction(1, 10)
    assert step() == Fraction(1, 10) * (1 + Fraction(190, 3))


@pytest.mark.usefixtures("_way")
def test_equal_numbers_of_different_kinds_are_told_apart() -> None:
    w = Value(Fraction(1, 3))
    step = tg.capture(lambda: w * 2.0 + (w * 2 - Fraction(2, 3)) * 10**20, [w])
    assert step() == pytest.approx(2 / 3)
    w.data = -1.0
    step = tg.capture(lambda: F.arctan2(Value(-0.0), w) + 2 * F.arctan2(Value(0.0), w), [w])
    assert step() == pytest.approx(math.pi)


@pytest.mark.usefixtures("_way")
def test_an_infinite_slope_is_refused_even_where_nothing_comes_of_it() -> None:
    """The slope of the root is infinite at 0, where the relu is flat: Python cannot go on."""
    w = Value(1.0)
    step = tg.capture(lambda: w.relu().sqrt() + w, [w])
    assert (step(), w.grad) == (2.0, 1.5)
    w.data = -1.0
    with pytest.raises(ZeroDivisionError, match="the derivative of sqrt"):
        step()
    with pytest.raises(ZeroDivisionError, match="the derivative of sqrt"):
        (w.relu().sqrt() + w).backward()


def test_whole_numbers_of_any_size() -> None:
    w = Value(10**20 + 1)
    step = tg.capture(lambda: sum((w * k - 10**20 * k for k in range(30)), start=w - w), [w])
    assert (step(), w.grad) == (sum(range(30)), sum(range(30)))
    w.data = 2.5
    assert step() == sum(2.5 * k - 10**20 * k for k in range(30))
    huge = tg.capture(lambda: sum((w * 10**400 for k in range(30)), start=w), [w])
    w.data = 3
    assert huge() == 90 * 10**400 + 3


# What a call does.


def _network(points: int) -> tuple[Any, Callable[..., Value], Any]:
    model = tg.nn.scalar.MLP(2, [5, 4, 1], rng=0)
    rng = np.random.default_rng(1)
    X = rng.normal(size=(points, 2))
    y = np.where(X[:, 0] * X[:, 1] > 0, 1.0, -1.0)

    def loss(rows: Any, labels: Any) -> Value:
        scores = [model(row) for row in rows]
        hinge = sum((1 - label * score).relu() for label, score in zip(labels, scores, strict=True))
        return hinge / len(scores) + 1e-4 * sum(p * p for p in model.parameters())

    return model, loss, (X, y)


def test_training_gives_the_numbers_of_the_engine() -> None:
    """Minibatches as arguments, updates without an optimiser: bit for bit as without capture."""
    losses: dict[str, list[float]] = {"eager": [], "captured": []}
    for way, found in losses.items():
        model, loss, (X, y) = _network(40)
        step = tg.capture(loss, model.parameters())
        for k in range(30):
            batch = slice(10 * (k % 4), 10 * (k % 4) + 10)
            if way == "captured":
                found.append(step(X[batch], y[batch].tolist()))
            else:
                model.zero_grad()
                total = loss(X[batch].tolist(), y[batch].tolist())
                total.backward()
                found.append(total.data)
            for p in model.parameters():
                p.data -= 0.1 * p.grad
    assert losses["captured"] == losses["eager"]
    assert losses["eager"][-1] < losses["eager"][0]


def test_settings_and_modes_do_not_get_mixed_up() -> None:
    w = Value(3.0)
    step = tg.capture(lambda: F.clip(w, 0, 1) + 10 * F.clip(w, 0, 2) + F.leaky_relu(-w), [w])
    with tg.no_grad():
        assert (step(), w.grad) == (1 + 20 - 0.03, -0.01)

    def both(xs: Any) -> Value:
        return sum((F.leaky_relu(w * x, slope=s) for x in xs for s in (0.5, 0.25)), start=w)

    wide = tg.capture(both, [w])
    assert wide([-1.0] * 6) == 3 - 3 * 6 * 0.75
    assert w.grad == 1 - 6 * 0.75


def test_it_is_recorded_once_for_each_shape() -> None:
    calls = []
    w = Value(2.0)

    def loss(x: Any) -> Value:
        calls.append(x)
        return w * (sum(x) if isinstance(x, list) else x)

    step = tg.capture(loss, [w])
    assert [step([1.0, 2.0]), step((3.0, 5.0)), step(np.array([1, 1]))] == [6.0, 16.0, 4.0]
    assert len(calls) == 1
    assert [step(7.0), step(np.float32(0.5)), step(Value(1.5))] == [14.0, 1.0, 3.0]
    assert len(calls) == 2
    assert isinstance(calls[1], Value)
    assert step([1.0, 2.0, 3.0]) == 12.0
    assert len(calls) == 3
    with tg.no_grad():
        assert step([1.0, 2.0, 4.0]) == 14.0
    assert w.grad == 7.0


def test_arrays_arrive_as_nested_lists_of_values() -> None:
    seen: list[Any] = []
    w = Value(1.0)

    def loss(x: Any) -> Value:
        seen.append(x)
        return w * x[1][0][2]

    step = tg.capture(loss, [w])
    assert step(np.arange(12.0).reshape(2, 2, 3)) == 8.0
    (found,) = seen
    assert all(type(one) is Value for table in found for row in table for one in row)
    assert [[[one.data for one in row] for row in table] for table in found] == [
        [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], [[6.0, 7.0, 8.0], [9.0, 10.0, 11.0]],
    ]  # fmt: skip


def test_gradients_are_set_and_not_added() -> None:
    w, unused = Value(3.0), Value(4.0)
    step = tg.capture(lambda: w * w * w, [w, unused, w])
    w.grad = unused.grad = 100.0
    assert [step(), w.grad, unused.grad] == [27.0, 27.0, 0]
    assert [step(), w.grad, unused.grad] == [27.0, 27.0, 0]


@pytest.mark.usefixtures("_way")
def test_the_smallest_of_functions() -> None:
    w, v = Value(3.0), Value(2.0)
    for loss, result, slope in [
        (lambda: w, 3.0, 1), (lambda: +w, 3.0, 1), (lambda: w + w, 6.0, 2), (lambda: v, 2.0, 0),
        (lambda: v * 5, 10.0, 0), (lambda: Value(7.0), 7.0, 0), (w.sign, 1, 0),
        (lambda: sum([w] * 9, start=w) * 0 + w, 3.0, 1),
    ]:  # fmt: skip
        step = tg.capture(loss, [w])
        assert (step(), w.grad) == (result, slope)


@pytest.mark.usefixtures("_way")
def test_gradients_are_added_in_the_order_of_the_engine() -> None:
    """Rounded to 53 bits, (1 + 2**53) - 2**53 is 0, while (1 - 2**53) + 2**53 is 1."""
    w = Value(3.0)
    step = tg.capture(lambda: (w - w) * 2.0**53 + w, [w])
    assert (step(), w.grad) == (3.0, 0.0)
    step = tg.capture(lambda: (-w + w) * 2.0**53 + w, [w])
    assert (step(), w.grad) == (3.0, 0.0)
    step = tg.capture(lambda: w + (-w + w) * 2.0**53, [w])
    assert (step(), w.grad) == (3.0, 0.0)


def test_other_values_are_read_anew_and_wrapped_numbers_are_not() -> None:
    w, rate, numbers = Value(2.0), Value(10.0), [1.0]
    step = tg.capture(lambda: w * rate + Value(numbers[0]), [w])
    assert step() == 21.0
    rate.data, numbers[0] = 100.0, 50.0
    assert (step(), w.grad) == (201.0, 100.0)


def test_what_no_gradient_flows_through_is_computed_all_the_same() -> None:
    w = Value(2.0)

    def loss(x: Value) -> Value:
        with tg.no_grad():
            norm = w * x
        return w * norm + w.sign() * x + F.where(w < x, 10.0, 20.0)

    step = tg.capture(loss, [w])
    assert (step(3.0), w.grad) == (2 * 6 + 3 + 10, 6)
    w.data = -1.0
    assert (step(-4.0), w.grad) == (-1 * 4 + 4 + 20, 4)


def test_derivatives_inside_the_function() -> None:
    """A penalty on the slope at the input, kinks included: (d/dx relu(w x)**3)**2."""
    w, x = Value(0.5), 2.0

    def loss(inputs: Any) -> Value:
        total: Any = 0
        for one in inputs:
            (slope,) = tg.grad((w * one).relu() ** 3, [one], create_graph=True)
            constant = tg.grad(w * w * w, w)
            total = total + slope * slope + constant * w
        return total

    step = tg.capture(loss, [w])
    for w.data in (0.5, 1.5, -1.0):
        a = float(w.data)
        slope = 3 * a**3 * x**2 if a > 0 else 0.0
        grown = 9 * a**2 * x**2 if a > 0 else 0.0
        assert step([x, x, x]) == pytest.approx(3 * (slope**2 + 3 * a**2 * a), rel=1e-13)
        assert w.grad == pytest.approx(3 * (2 * slope * grown + 3 * a**2), rel=1e-13)


def test_under_detect_anomaly_each_operation_is_looked_at() -> None:
    w = Value(1.0)
    step = tg.capture(lambda x: (w * x).exp() * x, [w])
    wanted = step(2.0), w.grad
    with tg.detect_anomaly():
        assert (step(2.0), w.grad) == pytest.approx(wanted, rel=1e-15)
        w.data = math.inf
        with pytest.raises(tg.GraphError, match="gave inf"):
            step(2.0)


# What is refused.


@pytest.mark.parametrize("loss", [
    lambda w: w * w.data,
    lambda w: w * 2 if w > 0 else w,
    lambda w: w * float(w),
    lambda w: w * max(w, 2 * w),
    lambda w: w * float(f"{w:.3f}"),
    lambda w: (w * w).backward() or w,
])  # fmt: skip
def test_reading_a_number_while_recording_is_refused(loss: Function) -> None:
    w = Value(1.0)
    with pytest.raises(tg.GraphError, match="every replay would repeat"):
        tg.capture(lambda: loss(w), [w])()
    assert (w > 0) is True  # and all is as before


def test_assigning_while_recording_is_refused() -> None:
    w = Value(1.0)

    def loss() -> Value:
        w.data = 2.0
        return w * w

    with pytest.raises(tg.GraphError, match="assigning"):
        tg.capture(loss, [w])()
    assert w.data == 1.0


def test_what_was_computed_outside_is_refused_where_it_would_be_out_of_date() -> None:
    w, v = Value(2.0), Value(5.0)
    product, other = w * v, v * v
    with pytest.raises(tg.GraphError, match="outside the captured function"):
        tg.capture(lambda: product * w, [w])()
    step = tg.capture(lambda: other * w, [w])
    assert (step(), w.grad) == (50.0, 25.0)


@pytest.mark.parametrize("loss", [lambda: 2.0, lambda: None, lambda: tg.Tensor(1.0)])
def test_a_loss_is_a_value(loss: Any) -> None:
    with pytest.raises(tg.GraphError, match="returns its loss, a Value"):
        tg.capture(loss, [Value(1.0)])()


def test_parameters_are_leaves() -> None:
    w = Value(2.0)
    wrongs: list[Any] = [w * w, 2.0, tg.Tensor([1.0], requires_grad=True), (w < 0)]
    for wrong in wrongs:
        with pytest.raises(tg.GraphError, match="list of parameters"):
            tg.capture(lambda: w, [w, wrong])


@pytest.mark.parametrize("argument", ["three", [1.0, [2.0]], 1j, [None], [Fraction(1, 2), "x"]])
def test_arguments_are_numbers(argument: Any) -> None:
    w = Value(2.0)
    with pytest.raises(tg.DataError, match="capture"):
        tg.capture(lambda x: w, [w])(argument)


def test_tensors_have_no_part_in_it() -> None:
    w = Value(2.0)
    with pytest.raises(tg.GraphError, match="with a Tensor"):
        tg.capture(lambda: [tg.Tensor([1.0, 2.0]).sum(), w * w][1], [w])()


def test_a_captured_function_inside_another() -> None:
    w = Value(2.0)
    inner = tg.capture(lambda: w * w, [w])
    with pytest.raises(tg.GraphError, match="called while another one is recorded"):
        tg.capture(lambda: w * inner(), [w])()


def test_an_operation_of_ones_own_must_work_place_by_place() -> None:
    total = tg.operation("total", np.sum, lambda g, y, x: g * 1)
    slope = tg.operation("slope", lambda x: x * 1, lambda g, y, x: np.sum(g))
    branch = tg.operation("branch", lambda x: x if x > 0 else 0 * x, lambda g, y, x: g)
    cube = tg.operation("cube", lambda x: x * x * x, lambda g, y, x: g * (3 * x * x))
    w = Value(0.5)

    def captured(function: Any) -> Any:
        return tg.capture(lambda: sum((function(w * k) for k in range(4)), start=w), [w])

    for function, message in [
        (total, "place by place"), (slope, "gradient of shape"), (branch, "branch"),
    ]:  # fmt: skip
        with pytest.raises(tg.TinygradInitError, match=message):
            captured(function)()
    assert (captured(cube)(), w.grad) == (0.5 + 36 * 0.125, 1 + 36 * 3 * 0.25)


# What a plan costs, in counts.


def _groups(step: Any) -> list[str]:
    return str(step.plan).splitlines()[1:]


def test_the_number_of_calls_does_not_grow_with_the_batch() -> None:
    counts = []
    for points in (10, 200):
        model, loss, arguments = _network(points)
        step = tg.capture(loss, model.parameters())
        step(*arguments)
        counts.append(len(_groups(step)))
    assert counts[0] == counts[1] == 17


def test_a_chain_of_additions_is_one_level() -> None:
    w = Value(0.5)
    step = tg.capture(lambda x: sum((w * one for one in x), start=w), [w])
    step(np.arange(1000.0))
    assert _groups(step) == [
        "level 1: 1,000 multiply", "level 2: 1 sum of 1001",
    ]  # fmt: skip
    assert w.grad == 1 + 999 * 500


@pytest.mark.usefixtures("_way")
def test_an_addition_that_others_read_is_not_inside_a_chain() -> None:
    w = Value(0.5)

    def loss(x: Any) -> Value:
        first = w + x[0]
        second = first + x[1]
        return (second + x[2]) * first

    step = tg.capture(loss, [w])
    assert step([1.0, 2.0, 3.0]) == 1.5 * 6.5
    assert w.grad == 1.5 + 6.5


def test_printing_shows_the_levels() -> None:
    model, loss, (X, y) = _network(100)
    step = tg.capture(loss, model.parameters())
    with pytest.raises(tg.GraphError, match="no plan yet"):
        _ = step.plan
    step(X, y)
    assert repr(step) == "<captured loss: 44 parameters, 1 plans>"
    assert str(step.plan).splitlines()[:6] == [
        "44 parameters, 300 inputs, 8,191 operations",
        "level 1: 1,000 multiply",
        "level 1: 44 multiply",
        "level 2: 500 sums of 3",
        "level 2: 1 sum of 45",
        "level 3: 1 multiply",
    ]
    w = Value(1.0)
    deep = tg.capture(lambda: w.sin().sin(), [w])
    deep()
    assert str(deep.plan) == "1 parameters, 0 inputs, 2 operations\none by one"


def test_a_plan_can_be_drawn() -> None:
    model, loss, arguments = _network(30)
    step = tg.capture(loss, model.parameters())
    step(*arguments)
    lines = step.plan.lines
    assert [f"{line.target}: {line.shape[0]:,} {line.operation}" for line in lines] == _groups(step)
    assert [line.sources for line in lines[:4]] == [
        ("inputs", "parameters"), ("parameters",), ("parameters", 0), ("numbers", 1),
    ]  # fmt: skip
    assert [line.how for line in lines] == [""] * 16 + ["loss"]
    graph = tg.graph.plan_graph(step.plan)
    assert len(graph.nodes) == 17 + 3


def test_nodes_of_the_recording_are_freed() -> None:
    model, loss, arguments = _network(20)
    step = tg.capture(loss, model.parameters())
    step(*arguments)
    gc.collect()
    values = [thing for thing in gc.get_objects() if isinstance(thing, Value)]
    assert len([value for value in values if value.operation is not None]) == 0


def test_a_deep_function_needs_no_recursion() -> None:
    w = Value(0.999)

    def loss() -> Value:
        x = w
        for _ in range(20_000):
            x = x * w
        return x

    step = tg.capture(loss, [w])
    assert step() == pytest.approx(0.999**20_001, rel=1e-10)
    assert w.grad == pytest.approx(20_001 * 0.999**20_000, rel=1e-10)


def test_rows_of_a_table_are_added_in_order() -> None:
    """The bits of sums depend on it: NumPy must not pair terms."""
    rng = np.random.default_rng(0)
    for rows in (1, 2, 7, 8, 9, 64, 300):
        for columns in (1, 2, 3, 8, 65, 1000):
            table = rng.normal(size=(rows, columns)) * 10.0 ** rng.integers(-8, 8, (rows, columns))
            for source in (table, np.broadcast_to(table[:, :1], table.shape)):
                wanted, found = source[0].copy(), np.empty(columns)
                for row in source[1:]:
                    wanted = wanted + row
                scalar_plan._add_rows(source, found)
                assert (found == wanted).all()
