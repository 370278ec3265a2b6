"""detect_anomaly: the first nan or inf is named, with its line; silent writes are caught."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg


def test_the_first_operation_that_gives_nan_is_named_with_its_line() -> None:
    x = tg.Tensor([1.0, -1.0], requires_grad=True)
    with tg.detect_anomaly(), np.errstate(invalid="ignore"), pytest.raises(tg.GraphError) as caught:
        (x.log() + 1).sum()  # the culprit
    message = str(caught.value)
    assert message.startswith("log gave nan")
    assert "shape (2,), from -1.0 to 1.0" in message
    assert "test_anomaly.py" in message
    assert "# the culprit" in message


def test_a_gradient_that_becomes_infinite_is_named_with_the_line_of_the_forward_pass() -> None:
    x = tg.Tensor([0.0, 1.0], requires_grad=True)
    with tg.detect_anomaly(), np.errstate(divide="ignore"):
        y = x.sqrt()  # made here
        total = y.sum()
        with pytest.raises(tg.GraphError, match=r"gradient of sqrt .* is inf") as caught:
            total.backward()
    assert "# made here" in str(caught.value)


@pytest.mark.parametrize("write", [
    lambda w, x: x.__setitem__(0, 9.0),
    lambda w, x: w.data.__setitem__(0, 9.0),
])
def test_a_write_that_only_numpy_sees_is_caught(write: Callable[..., Any]) -> None:
    w, x = tg.Tensor([2.0, 3.0], requires_grad=True), np.array([1.0, 2.0])
    with tg.detect_anomaly():
        y = (np.tanh(w) * x * w).sum()
        write(w, x)
        with pytest.raises(tg.GraphError, match="written to"):
            y.backward()


def test_a_write_to_what_no_rule_reads_is_no_matter() -> None:
    w, x = tg.Tensor([2.0, 3.0], requires_grad=True), np.array([1.0, 2.0])
    with tg.detect_anomaly():
        y = (w + x).sum()
        x[0] = 9.0
        y.backward()
    assert w.grad.tolist() == [1.0, 1.0]


def test_healthy_training_is_not_disturbed_and_has_the_same_numbers() -> None:
    def train() -> list[float]:
        model = tg.nn.MLP([4, 5, 3], rng=0)
        optimiser = tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        found = []
        for _ in range(5):
            loss = tg.losses.cross_entropy(model(np.eye(4)), [0, 1, 2, 0])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            found.append(loss.item())
        return found

    with tg.detect_anomaly():
        watched = train()
    assert watched == train()


def test_values_are_watched_too() -> None:
    with tg.detect_anomaly(), pytest.raises(tg.GraphError, match="multiply gave inf"):
        tg.Value(1e200) * tg.Value(1e200)
    with tg.detect_anomaly():
        x = tg.Value(Fraction(1, 3))
        (x * x).backward()
    assert x.grad == Fraction(2, 3)


def test_nothing_is_kept_or_checked_outside_the_mode() -> None:
    x = tg.Tensor([0.0], requires_grad=True)
    with np.errstate(divide="ignore"):
        y = x.log()
    assert y.evidence is None
    assert y.data.tolist() == [-np.inf]


def test_gradients_that_overflow_only_when_they_are_added_up_are_found() -> None:
    x = tg.Tensor(0.0, requires_grad=True)
    with tg.detect_anomaly():
        y = x * 1.5e308 + x * 1.5e308
        refused = pytest.raises(tg.GraphError, match=r"sum of the gradients.*multiply is inf")
        with refused, np.errstate(over="ignore"):
            y.backward()
