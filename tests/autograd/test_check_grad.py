"""The checker does its duty: it accepts right rules and rejects wrong ones, saying where."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg
from tinygrad_init.autograd import F

# Rows of their own, which do not enter the table.

RIGHT = tg.operation("right", np.exp, lambda g, y, _a: g * y)
SLIGHTLY_WRONG = tg.operation("slightly_wrong", np.exp, lambda g, y, _a: 1.001 * (g * y))
#: Its first derivative is right; but it treats the result as a constant when differentiated again.
WRONG_IN_THE_SECOND = tg.operation(
    "wrong_in_the_second", np.exp,
    lambda g, y, _a: g * (y.detach() if isinstance(y, tg.Tensor) else y),
)
#: Right for the left argument, wrong by 0.1% for the right one.
WRONG_ON_THE_RIGHT = tg.operation(
    "wrong_on_the_right", np.multiply,
    lambda g, _y, _a, b: g * b,
    lambda g, _y, a, _b: g * a * 0.999,
)
#: Wrong in one entry only.
WRONG_IN_ONE_ENTRY = tg.operation(
    "wrong_in_one_entry", np.exp,
    lambda g, y, _a: g * y * np.array([[1.0, 1.0], [1.0, 1.001]]),
)
SWAPPED = tg.operation("swapped", np.exp, lambda g, y, _a: F.transpose(g * y, axes=(1, 0)))

POINT = [[0.1, 0.7], [-0.4, 1.1]]


def _failure(f: Callable[..., Any], *xs: Any, **settings: Any) -> dict[str, str]:
    """The parts of the message of the error that must come."""
    with pytest.raises(tg.GradientError) as caught:
        tg.check_grad(f, *xs, **settings)
    found = re.match(
        r"(?P<which>\w+) derivative of argument (?P<argument>\d), entry (?P<entry>\[.*?\]): "
        r"got (?P<got>\S+), expected (?P<expected>\S+) ",
        str(caught.value),
    )
    assert found, caught.value
    return found.groupdict()


@pytest.mark.parametrize("order", [1, 2])
def test_a_right_rule_passes(order: int) -> None:
    tg.check_grad(RIGHT, POINT, order=order)
    tg.check_grad(lambda a, b: np.tanh(a @ b).sum(axis=0), POINT, POINT, order=order)


@pytest.mark.parametrize("order", [1, 2])
def test_a_rule_wrong_by_a_thousandth_is_rejected(order: int) -> None:
    failure = _failure(SLIGHTLY_WRONG, POINT, order=order)
    assert (failure["which"], failure["argument"], failure["entry"]) == ("first", "0", "[0, 0]")
    got, expected = float(failure["got"]), float(failure["expected"])
    assert expected == pytest.approx(np.exp(0.1) * np.cos(0.5), rel=1e-9)
    assert got == pytest.approx(1.001 * expected, rel=1e-9)


def test_a_rule_that_is_wrong_in_its_second_derivative_passes_the_first_order_only() -> None:
    tg.check_grad(WRONG_IN_THE_SECOND, POINT)
    failure = _failure(WRONG_IN_THE_SECOND, POINT, order=2)
    assert (failure["which"], failure["argument"], failure["entry"]) == ("second", "0", "[0, 0]")
    assert float(failure["got"]) == 0
    assert abs(float(failure["expected"])) > 0.1


def test_the_message_names_the_argument() -> None:
    failure = _failure(WRONG_ON_THE_RIGHT, POINT, POINT)
    assert (failure["argument"], failure["entry"]) == ("1", "[0, 0]")


def test_the_message_names_the_entry() -> None:
    assert _failure(WRONG_IN_ONE_ENTRY, POINT)["entry"] == "[1, 1]"


def test_entries_in_the_wrong_place_are_found() -> None:
    _failure(SWAPPED, POINT)


def test_a_scalar_argument_is_named_too() -> None:
    assert _failure(SLIGHTLY_WRONG, 0.5)["entry"] == "[]"


def test_a_history_cut_by_accident_is_found() -> None:
    _failure(lambda a: a * a.detach(), POINT)
    _failure(lambda a: tg.Tensor(a.data) * 2, POINT)


def test_a_constant_and_a_linear_function_pass() -> None:
    tg.check_grad(lambda a: 3 * a + 1, POINT, order=2)
    tg.check_grad(lambda a: a.sum(axis=0) * 0, POINT, order=2)


def test_an_unused_argument_passes() -> None:
    tg.check_grad(lambda a, b: a * a, POINT, 1.0, order=2)


def test_a_kink_is_reported_with_advice() -> None:
    with pytest.raises(tg.GradientError, match="kink"):
        tg.check_grad(lambda a: a.relu(), [0.0])


def test_a_nan_is_no_agreement() -> None:
    broken = tg.operation("broken", np.exp, lambda g, y, _a: g * y * float("nan"))
    with pytest.raises(tg.GradientError, match="got nan"):
        tg.check_grad(broken, POINT)


def test_the_tolerance_is_relative_to_the_derivative() -> None:
    tg.check_grad(lambda a: 1e9 * a.exp(), POINT, order=2)
    tg.check_grad(lambda a: a * a * a, [300.0, -0.001])
    tg.check_grad(SLIGHTLY_WRONG, POINT, tolerance=1e-2)


def test_points_are_taken_as_float64_and_left_alone() -> None:
    point = np.array([0.5, 1.5], np.float32)
    tensor = tg.Tensor([2.0, 3.0], requires_grad=True)
    tg.check_grad(lambda a, b: a * b.log(), point, tensor, order=2)
    np.testing.assert_array_equal(point, np.array([0.5, 1.5], np.float32))
    np.testing.assert_array_equal(tensor.data, [2.0, 3.0])
    assert tensor.grad is None


def test_a_rule_of_the_wrong_shape_is_called_so() -> None:
    wide = tg.operation("wide", np.exp, lambda g, y, _a: F.reshape(g * y, shape=(4,)))
    with pytest.raises(tg.GradientError, match="shape"):
        tg.check_grad(wide, POINT)
