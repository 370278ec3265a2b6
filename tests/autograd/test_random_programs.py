"""Random programs: values and gradients as in PyTorch, whatever is composed with what.

Hypothesis draws a program of up to 60 operations; later operations use any earlier results, so
results are shared, broadcast, indexed and thrown away as they come. Both engines run it.

``PROGRAMS`` in the environment sets how many programs are tried (2000 unless said).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_init as tg
from tinygrad_init.autograd import F

PROGRAMS = int(os.environ.get("PROGRAMS", "2000"))
TOLERANCE = 1e-10
LARGEST = 8.0  #: larger results are squashed, so that errors are not magnified without end

Pair = tuple[Any, Any]  #: the same quantity here and in PyTorch


@dataclass(frozen=True)
class Step:
    """One kind of operation: here and there, and whether it can be applied to such operands."""

    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    operands: int = 1
    fits: Callable[..., bool] = lambda *shapes: True


def _torch() -> Any:
    import torch

    return torch


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        return int(np.prod(np.broadcast_shapes(a, b))) <= 64
    except ValueError:
        return False


def _has_axes(count: int) -> Callable[..., bool]:
    return lambda shape: len(shape) >= count


def _multiplies(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return len(a) == 2 and len(b) in {1, 2} and a[1] == b[0]


STEPS = {
    "add": Step(lambda a, b: a + b, lambda a, b: a + b, 2, _broadcast),
    "subtract": Step(lambda a, b: a - b, lambda a, b: a - b, 2, _broadcast),
    "multiply": Step(lambda a, b: a * b, lambda a, b: a * b, 2, _broadcast),
    "divide": Step(lambda a, b: a / (1 + b * b), lambda a, b: a / (1 + b * b), 2, _broadcast),
    "maximum": Step(np.maximum, lambda a, b: _torch().maximum(a, b), 2, _broadcast),
    "where": Step(lambda a, b: np.where(a > b, a * b, b),
                  lambda a, b: _torch().where(a > b, a * b, b), 2, _broadcast),
    "hypot": Step(lambda a, b: np.hypot(a, b + 3), lambda a, b: _torch().hypot(a, b + 3), 2,
                  _broadcast),
    "logaddexp": Step(np.logaddexp, lambda a, b: _torch().logaddexp(a, b), 2, _broadcast),
    "matmul": Step(lambda a, b: a @ b, lambda a, b: a @ b, 2, _multiplies),
    "outer": Step(np.outer, lambda a, b: a.reshape(-1, 1) * b.reshape(1, -1), 2,
                  lambda a, b: int(np.prod(a) * np.prod(b)) <= 36),
    "concatenate": Step(lambda a, b: np.concatenate([a, b], axis=-1),
                        lambda a, b: _torch().cat([a, b], -1), 2,
                        lambda a, b: len(a) == len(b) > 0 and a[:-1] == b[:-1] and a[-1] < 9),
    "tanh": Step(np.tanh, lambda a: a.tanh()),
    "sigmoid": Step(F.sigmoid, lambda a: a.sigmoid()),
    "exp": Step(np.exp, lambda a: a.exp()),
    "log": Step(lambda a: np.log(1 + a * a), lambda a: (1 + a * a).log()),
    "sqrt": Step(lambda a: np.sqrt(1 + a * a), lambda a: (1 + a * a).sqrt()),
    "sin": Step(np.sin, lambda a: a.sin()),
    "relu": Step(F.relu, lambda a: a.relu()),
    "softplus": Step(F.softplus, lambda a: _torch().logaddexp(a, _torch().zeros_like(a))),
    "gelu": Step(F.gelu, lambda a: _torch().nn.functional.gelu(a.clone())),
    "abs": Step(abs, abs),
    "negative": Step(lambda a: -a, lambda a: -a),
    "cube": Step(lambda a: a ** 3, lambda a: a ** 3),
    "twice": Step(lambda a: a + a * a, lambda a: a + a * a),
    "clip": Step(lambda a: np.clip(a, -1, 1), lambda a: a.clip(-1, 1)),
    "sum": Step(lambda a: a.sum(axis=0), lambda a: a.sum(0), 1, _has_axes(1)),
    "mean": Step(lambda a: a.mean(axis=-1, keepdims=True), lambda a: a.mean(-1, keepdim=True), 1,
                 _has_axes(1)),
    "max": Step(lambda a: a.max(axis=-1), lambda a: a.amax(-1), 1, _has_axes(1)),
    "var": Step(lambda a: a.var(axis=0), lambda a: a.var(0, correction=0), 1, _has_axes(1)),
    "prod": Step(lambda a: np.tanh(a).prod(axis=-1), lambda a: a.tanh().prod(-1), 1, _has_axes(1)),
    "cumsum": Step(lambda a: np.cumsum(a, axis=0), lambda a: a.cumsum(0), 1, _has_axes(1)),
    "softmax": Step(lambda a: F.softmax(a, axis=0), lambda a: a.softmax(0), 1, _has_axes(1)),
    "logsumexp": Step(lambda a: F.logsumexp(a, axis=-1), lambda a: a.logsumexp(-1), 1,
                      _has_axes(1)),
    "transpose": Step(lambda a: a.T, lambda a: a.T, 1, lambda shape: len(shape) == 2),
    "ravel": Step(np.ravel, lambda a: a.reshape(-1)),
    "new axis": Step(lambda a: a[None], lambda a: a[None], 1, lambda shape: len(shape) < 3),
    "first": Step(lambda a: a[0], lambda a: a[0], 1, _has_axes(1)),
    "every other": Step(lambda a: a[..., ::2], lambda a: a[..., ::2], 1, _has_axes(1)),
    "repeated": Step(lambda a: a[[0, -1, 0]], lambda a: a[[0, -1, 0]], 1, _has_axes(1)),
    "masked": Step(lambda a: a[a.data > a.data.min() - 1], lambda a: a[a > a.min() - 1], 1,
                   _has_axes(1)),
    "flip": Step(np.flip, lambda a: a.flip(tuple(range(a.dim())))),
}
LEAVES = [(2, 3), (3,), (3, 2), (), (1, 3)]


def _leaves() -> list[Pair]:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in LEAVES]
    return [
        (tg.Tensor(array, requires_grad=True), _torch().tensor(array, requires_grad=True))
        for array in arrays
    ]


def _relative_error(ours: Any, theirs: Any) -> float:
    size = max(1.0, float(np.abs(theirs).max(initial=0)))
    return float(np.abs(ours - theirs).max(initial=0)) / size


@pytest.mark.torch
def test_values_and_gradients_agree_with_pytorch() -> None:
    lengths, errors = [], []

    @settings(max_examples=PROGRAMS, suppress_health_check=list(HealthCheck))
    @given(PROGRAM)
    def run(program: list[tuple[str, int, int]]) -> None:
        length, error = _run(program)
        lengths.append(length)
        errors.append(error)
        assert error < TOLERANCE

    run()
    print(f"{len(lengths)} programs of {np.mean(lengths):.1f} operations on average, "
          f"{max(lengths)} at the most; greatest relative error {max(errors):.2e}")
    assert max(lengths) > 40, "no program was long"


PROGRAM = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 99), st.integers(0, 99)),
    min_size=15, max_size=60,
)  # fmt: skip


def _operands(step: Step, picks: list[int], results: list[Pair]) -> list[Pair] | None:
    """Those that were picked, or the next ones to which the step can be applied."""
    for shift in range(len(results)):
        chosen = [
            results[-1 - (pick + shift * (k == 0)) % len(results)]
            for k, pick in enumerate(picks[: step.operands])
        ]
        if step.fits(*(ours.shape for ours, _ in chosen)):
            return chosen
    return None


def _run(program: list[tuple[str, int, int]]) -> tuple[int, float]:
    """How many operations were applied, and the greatest error of a value or a gradient."""
    leaves = _leaves()
    results = list(leaves)
    worst = 0.0
    for name, *picks in program:
        step = STEPS[name]
        chosen = _operands(step, picks, results)
        if chosen is None:
            continue
        ours = step.ours(*(pair[0] for pair in chosen))
        theirs = step.theirs(*(pair[1] for pair in chosen))
        if np.abs(ours.data).max(initial=0) > LARGEST:
            ours, theirs = np.tanh(ours), theirs.tanh()
        assert ours.shape == tuple(theirs.shape), name
        worst = max(worst, _relative_error(ours.data, theirs.detach().numpy()))
        results.append((ours, theirs))
    total = sum((ours.sum() for ours, _ in results[-5:]), start=tg.Tensor(0.0))
    sum(theirs.sum() for _, theirs in results[-5:]).backward()
    total.backward()
    for ours, theirs in leaves:
        assert (ours.grad is None) == (theirs.grad is None)
        if ours.grad is not None:
            worst = max(worst, _relative_error(ours.grad, theirs.grad.numpy()))
    return len(results) - len(leaves), worst
