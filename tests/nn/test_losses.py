"""The losses against the mathematics on small cases, and against PyTorch on large ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

import tinygrad_init as tg

cross_entropy, mse = tg.losses.cross_entropy, tg.losses.mse


def _cross_entropy_by_hand(logits: list[list[float]], labels: list[int]) -> float:
    """With fifty digits, straight from the definition."""
    with mpmath.workdps(50):
        terms = [
            mpmath.log(sum(mpmath.exp(mpmath.mpf(z)) for z in row)) - mpmath.mpf(row[label])
            for row, label in zip(logits, labels, strict=True)
        ]
        return float(sum(terms) / len(terms))


# Mean squared error.


def test_mse_is_the_exact_mean_of_squares() -> None:
    prediction, target = [[1.5, -2.0], [0.25, 3.0]], [[1.0, 2.0], [0.0, -1.0]]
    squares = [
        (Fraction(p) - Fraction(t)) ** 2
        for row, wanted in zip(prediction, target, strict=True)
        for p, t in zip(row, wanted, strict=True)
    ]
    assert Fraction(float(mse(prediction, target))) == sum(squares) / 4
    assert float(mse([1.0, 2.0, 6.0], [0.0, 0.0, 0.0])) == pytest.approx(41 / 3)


def test_the_gradient_of_mse_is_twice_the_error_over_the_count() -> None:
    prediction = tg.Tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
    target = tg.Tensor([[0.0, 0.0], [1.0, 1.0]], requires_grad=True)
    mse(prediction, target).backward()
    assert prediction.grad.tolist() == [[0.5, 1.0], [1.0, 2.0]]
    assert target.grad.tolist() == [[-0.5, -1.0], [-1.0, -2.0]]


@pytest.mark.parametrize("shared_target", [False, True])
def test_mse_of_an_ensemble_is_one_number_per_member(shared_target: bool) -> None:
    rng = np.random.default_rng(0)
    prediction = rng.normal(size=(3, 5, 2))
    target = rng.normal(size=(5, 2) if shared_target else (3, 5, 2))
    found = mse(prediction, target)
    assert found.shape == (3,)
    for e in range(3):
        alone = mse(prediction[e], target if shared_target else target[e])
        assert float(found[e]) == pytest.approx(float(alone), rel=1e-14)


@pytest.mark.parametrize(
    ("prediction", "target"), [((4, 1), (4,)), ((4,), (4, 1)), ((4, 2), (4, 1)), ((4, 2), (2,)),
                               ((3, 4, 2), (3, 1, 2)), ((4,), (3,)), ((4, 2), ())],
)  # fmt: skip
def test_mse_refuses_to_broadcast(prediction: tuple[int, ...], target: tuple[int, ...]) -> None:
    with pytest.raises(tg.ShapeError) as caught:
        mse(np.zeros(prediction), np.zeros(target))
    assert str(prediction) in str(caught.value)
    assert str(target) in str(caught.value)


def test_mse_tells_how_to_add_the_feature_axis() -> None:
    with pytest.raises(tg.ShapeError, match=r"target\[:, None\]"):
        mse(np.zeros((4, 1)), np.zeros(4))


# Cross-entropy.


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        ([[0.0, 0.0]], [1]),
        ([[1.0, 2.0, 3.0]], [0]),
        ([[1.0, 2.0, 3.0], [-1.0, 0.5, 0.0], [4.0, 4.0, -4.0]], [2, 0, 1]),
        ([[1e-9, 0.0]], [0]),
        ([[30.0, -30.0]], [0]),
        ([[30.0, -30.0]], [1]),
        ([[5.0]], [0]),
    ],
)
@pytest.mark.parametrize("is_exact", [False, True])
def test_cross_entropy_agrees_with_fifty_digits(
    logits: list[list[float]], labels: list[int], is_exact: bool
) -> None:
    with tg.study.runs.arithmetic(is_exact):
        found = float(cross_entropy(logits, labels))
    assert found == pytest.approx(_cross_entropy_by_hand(logits, labels), rel=1e-13, abs=1e-16)


@pytest.mark.parametrize("is_exact", [False, True])
def test_extreme_logits_neither_overflow_nor_lose_the_gradient(is_exact: bool) -> None:
    logits = tg.Tensor(
        [[1000.0, -1000.0, 0.0], [-1000.0, -1000.0, -1000.0], [1000.0, 1000.0, -1000.0]],
        requires_grad=True,
    )
    with tg.study.runs.arithmetic(is_exact):
        loss = cross_entropy(logits, [1, 0, 1])
        loss.backward()
    assert float(loss) == pytest.approx((2000 + math.log(3) + math.log(2)) / 3, rel=1e-15)
    expected = np.array([[1, -1, 0], [-2 / 3, 1 / 3, 1 / 3], [0.5, -0.5, 0]]) / 3
    np.testing.assert_allclose(logits.grad, expected, rtol=1e-14, atol=1e-16)


def test_the_gradient_is_softmax_minus_label_over_the_count() -> None:
    logits = tg.Tensor([[math.log(1), math.log(2), math.log(5)]] * 2, requires_grad=True)
    cross_entropy(logits, [0, 2]).backward()
    expected = np.array([[1 / 8 - 1, 2 / 8, 5 / 8], [1 / 8, 2 / 8, 5 / 8 - 1]]) / 2
    np.testing.assert_allclose(logits.grad, expected, rtol=1e-14)


@pytest.mark.parametrize("shared_labels", [False, True])
def test_cross_entropy_of_an_ensemble_is_one_number_per_member(shared_labels: bool) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 5, 4))
    labels = rng.integers(0, 4, size=5 if shared_labels else (3, 5))
    logits = tg.Tensor(values, requires_grad=True)
    found = cross_entropy(logits, labels)
    assert found.shape == (3,)
    found.sum().backward()
    for e in range(3):
        alone = tg.Tensor(values[e], requires_grad=True)
        loss = cross_entropy(alone, labels if shared_labels else labels[e])
        loss.backward()
        assert float(found[e]) == pytest.approx(float(loss), rel=1e-14)
        np.testing.assert_allclose(logits.grad[e], alone.grad, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.int64])
def test_labels_of_any_integer_dtype_mean_the_same(dtype: Any) -> None:
    logits = np.arange(6.0).reshape(2, 3)
    assert float(cross_entropy(logits, np.array([2, 0], dtype))) == float(
        cross_entropy(logits, [2, 0])
    )


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0, 3], tg.DataError, "0 to 2.*0 to 3"),
        ([-1, 0], tg.DataError, "-1"),
        ([0.0, 1.0], tg.DataError, "float64"),
        ([True, False], tg.DataError, "bool"),
        (["a", "b"], tg.DataError, "integers"),
        ([0, 1, 2], tg.ShapeError, r"\(2, 3\).*\(3,\)"),
        ([[0], [1]], tg.ShapeError, r"\(2, 1\)"),
        (1, tg.ShapeError, r"\(\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused_with_their_values(
    labels: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        cross_entropy(np.zeros((2, 3)), labels)


def test_logits_without_a_batch_are_refused() -> None:
    with pytest.raises(tg.ShapeError, match=r"\(3,\)"):
        cross_entropy(np.zeros(3), [1])


@pytest.mark.torch
@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
def test_losses_and_their_gradients_agree_with_pytorch(scale: float) -> None:
    import torch

    rng = np.random.default_rng(0)
    values, labels = scale * rng.normal(size=(20, 7)), rng.integers(0, 7, 20)
    target = rng.normal(size=(20, 7))
    pairs: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = [
        (lambda z: cross_entropy(z, labels),
         lambda z: torch.nn.functional.cross_entropy(z, torch.tensor(labels))),
        (lambda z: mse(z, target),
         lambda z: torch.nn.functional.mse_loss(z, torch.tensor(target))),
    ]  # fmt: skip
    for ours, theirs in pairs:
        z, t = tg.Tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
        loss, reference = ours(z), theirs(t)
        loss.backward()
        reference.backward()
        assert float(loss) == pytest.approx(reference.item(), rel=1e-13)
        np.testing.assert_allclose(z.grad, t.grad.numpy(), rtol=1e-12, atol=1e-15)
