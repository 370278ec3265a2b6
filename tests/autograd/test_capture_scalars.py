"""Captured functions of Values: equal to the engine's own steps, whatever is composed with what.

The oracle is the engine that runs operation by operation, and, for what both might get wrong,
finite differences of the captured loss. Programs in correctly rounded operations must agree to the
bit; with elementary functions, of which NumPy and Python have each their own, to 1e-12.

``PROGRAMS`` in the environment sets how many random programs are tried (200 of each kind unless
said).
"""

from __future__ import annotations

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
from tinygrad_init.autograd.capture import scalars
from tinygrad_init.autograd.capture.scalars import CapturedValues

PROGRAMS = int(os.environ.get("PROGRAMS", "200"))
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
    step = st.tuples(st.sampled_from(sorted(table)), st.integers(0, 99), st.integers(0, 99))
    return st.lists(step, min_size=1, max_size=25)


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

    def captured(self, step: CapturedValues, xs: Sequence[float]) -> tuple[Any, list[Any]]:
        for param in self.params:
            param.grad = None
        loss = step(xs)
        return loss, [param.grad for param in self.params]


def _run(table: Table, steps: Steps, points: Sequence[Sequence[float]], tolerance: float) -> None:
    program = Program(table, steps)
    step = CapturedValues(program, program.params)
    for point in points:
        xs = program.at(point)
        loss, gradients = program.eagerly(xs)
        found, slopes = program.captured(step, xs)
        for ours, theirs in zip([found, *slopes], [loss, *gradients], strict=True):
            assert abs(ours - theirs) <= tolerance * max(1, abs(theirs)), (ours, theirs)
    assert len(step.recordings) == 1, "it was recorded more than once"


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
