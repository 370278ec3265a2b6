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
binary, hinge = tg.losses.binary_cross_entropy_with_logits, tg.losses.hinge


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


# Binary cross-entropy.


def _binary_by_hand(logits: Any, labels: Any) -> tuple[float, Any]:
    """The loss and its gradient from the definition, with digits for a 1 + exp(-700)."""
    values = np.asarray(logits, dtype=float)
    with mpmath.workdps(400):
        total, slopes = mpmath.mpf(0), []
        for z, y in zip(values.flat, np.asarray(labels, dtype=float).flat, strict=True):
            p = 1 / (1 + mpmath.exp(-mpmath.mpf(z)))
            q = 1 / (1 + mpmath.exp(mpmath.mpf(z)))  # 1 - p, with all its digits
            total -= mpmath.mpf(y) * mpmath.log(p) + (1 - mpmath.mpf(y)) * mpmath.log(q)
            slopes.append(float((p - mpmath.mpf(y)) / values.size))
        return float(total / values.size), np.reshape(slopes, values.shape)


@pytest.mark.parametrize("is_exact", [False, True])
@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        ([0.0, 0.0, 3.0], [0, 1, 1]),
        ([[1.0, -2.0], [0.5, 30.0], [-30.0, 1e-9]], [[1, 0], [0, 1], [0, 1]]),
        ([[700.0], [-700.0]], [[1], [0]]),  # right: exp(-700) is all that is left
        ([[700.0], [-700.0]], [[0], [1]]),  # wrong
        ([2.0, -1.0, 0.0], [0.25, 0.875, 0.5]),
    ],
)
def test_binary_cross_entropy_agrees_with_many_digits(
    logits: Any, labels: Any, is_exact: bool
) -> None:
    z = tg.Tensor(logits, requires_grad=True)
    with tg.study.runs.arithmetic(is_exact):
        loss = binary(z, labels)
        loss.backward()
    expected, slopes = _binary_by_hand(logits, labels)
    assert loss.shape == ()
    assert float(loss) == pytest.approx(expected, rel=1e-14, abs=0)
    np.testing.assert_allclose(z.grad, slopes, rtol=1e-13, atol=1e-17)


def test_a_confident_right_answer_keeps_its_small_gradient() -> None:
    z = tg.Tensor([50.0, -50.0], requires_grad=True)
    binary(z, [1, 0]).backward()
    np.testing.assert_allclose(z.grad, [-math.exp(-50) / 2, math.exp(-50) / 2], rtol=1e-14)


@pytest.mark.parametrize("is_exact", [False, True])
def test_no_logit_is_too_large_for_binary_cross_entropy(is_exact: bool) -> None:
    z = tg.Tensor([1e308, -1e308, 1e4, -1e4], requires_grad=True)
    with tg.study.runs.arithmetic(is_exact):
        loss = binary(z, [1, 0, 0, 1])
        loss.backward()
    assert float(loss) == 5e3
    assert z.grad.tolist() == [0, 0, 0.25, -0.25]


def test_labels_of_binary_cross_entropy_may_be_learned() -> None:
    """d/dy of -y ln p - (1 - y) ln(1 - p) is -z."""
    labels = tg.Tensor([0.25, 0.5], requires_grad=True)
    binary([3.0, -2.0], labels).backward()
    np.testing.assert_allclose(labels.grad, [-1.5, 1.0], rtol=1e-15)


# Hinge.


def _hinge_by_hand(scores: Any, labels: Any) -> tuple[Fraction, list[Fraction]]:
    pairs = [
        (Fraction(float(s)), int(y))
        for s, y in zip(np.ravel(scores), np.ravel(labels), strict=True)
    ]
    count = len(pairs)
    losses = [max(Fraction(0), 1 - y * s) for s, y in pairs]
    return sum(losses, start=Fraction()) / count, [
        Fraction(-y if y * s < 1 else 0, count) for s, y in pairs
    ]


@pytest.mark.parametrize("is_exact", [False, True])
@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        ([2.0, 0.5, -1.0, 0.25], [1, 1, 1, -1]),
        ([1.0, -1.0, 1.0, -1.0], [1, -1, -1, 1]),  # two at the margin
        ([[0.75, -3.0], [1e300, -0.125]], [[-1, 1], [1, -1]]),
    ],
)
def test_hinge_is_the_exact_mean(scores: Any, labels: Any, is_exact: bool) -> None:
    s = tg.Tensor(scores, requires_grad=True)
    with tg.study.runs.arithmetic(is_exact):
        loss = hinge(s, labels)
        loss.backward()
    expected, slopes = _hinge_by_hand(scores, labels)
    assert Fraction(float(loss)) == expected
    assert [Fraction(slope) for slope in s.grad.ravel().tolist()] == slopes


# What the two have in common.

BOTH = pytest.mark.parametrize(("loss", "low"), [(binary, 0), (hinge, -1)])


@BOTH
@pytest.mark.parametrize("shared_labels", [False, True])
def test_an_ensemble_has_one_loss_per_member(loss: Any, low: int, shared_labels: bool) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 5, 2))
    labels = rng.choice([low, 1], size=(5, 2) if shared_labels else (3, 5, 2))
    outputs = tg.Tensor(values, requires_grad=True)
    found = loss(outputs, labels)
    assert found.shape == (3,)
    found.sum().backward()
    for e in range(3):
        alone = tg.Tensor(values[e], requires_grad=True)
        one = loss(alone, labels if shared_labels else labels[e])
        one.backward()
        assert float(found[e]) == pytest.approx(float(one), rel=1e-14)
        np.testing.assert_allclose(outputs.grad[e], alone.grad, rtol=1e-13, atol=1e-17)


@BOTH
def test_first_and_second_derivatives_agree_with_differences(loss: Any, low: int) -> None:
    rng = np.random.default_rng(1)
    values, labels = 3 * rng.normal(size=(4, 3)), rng.choice([low, 1], size=(4, 3))
    tg.check_grad(lambda z: loss(z, labels), values, order=2)


def test_the_curvature_of_binary_cross_entropy_is_that_of_the_sigmoid() -> None:
    """Whatever the label, the second derivative is p (1 - p)."""
    z = np.array([0.0, math.log(3.0), -math.log(9.0)])
    found = tg.hessian(lambda logits: 3 * binary(logits, [0, 1, 0.5]))(z).data
    np.testing.assert_allclose(found, np.diag([1 / 4, 3 / 16, 9 / 100]), rtol=1e-14, atol=1e-17)


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [list, np.array, tg.Tensor])
def test_labels_do_not_widen_the_outputs(loss: Any, low: int, dtype: Any, kind: Any) -> None:
    outputs = tg.Tensor(np.array([0.5, -2.0], dtype), requires_grad=True)
    found = loss(outputs, kind([low, 1]))
    assert found.dtype == dtype
    assert float(found) == pytest.approx(float(loss([0.5, -2.0], [low, 1])), rel=1e-6)


def test_labels_beside_integers_keep_their_digits() -> None:
    found = binary(np.array([1, -2]), [0.1, 0.7])
    assert found.dtype == np.float64
    assert float(found) == float(binary([1.0, -2.0], [0.1, 0.7]))


def test_booleans_are_labels_of_yes_or_no_questions() -> None:
    assert float(binary([1.0, 2.0], [True, False])) == float(binary([1.0, 2.0], [1, 0]))


@BOTH
@pytest.mark.parametrize(
    ("outputs", "labels"), [((4, 1), (4,)), ((4,), (4, 1)), ((4, 2), (4, 1)), ((4, 2), (2,)),
                            ((3, 4, 2), (3, 1, 2)), ((4,), (3,)), ((), ())],
)  # fmt: skip
def test_they_refuse_to_broadcast(
    loss: Any, low: int, outputs: tuple[int, ...], labels: tuple[int, ...]
) -> None:
    with pytest.raises(tg.ShapeError, match=f"^{loss.__name__}: ") as caught:
        loss(np.zeros(outputs), np.ones(labels))
    assert "one" in str(caught.value) or str(labels) in str(caught.value)
    if outputs == (*labels, 1):
        assert "labels[:, None]" in str(caught.value)


@pytest.mark.parametrize(
    ("loss", "labels", "message"),
    [
        (binary, [-1, 1], r"0 to 1, got -1 to 1: for -1 and \+1 write \(labels \+ 1\) / 2"),
        (binary, [0, 1.5], "got 0 to 1.5"),
        (binary, [0, math.nan], "nan"),
        (hinge, [0, 1], r"-1 or \+1, got 0: for 0 and 1 write 2 \* labels - 1"),
        (hinge, [False, True], "got 0: for 0 and 1"),
        (hinge, [-1, 0.5], "got 0.5$"),
        (hinge, [1, math.nan], "nan"),
    ],
)
def test_labels_that_mean_nothing_are_refused(loss: Any, labels: Any, message: str) -> None:
    with pytest.raises(tg.DataError, match=message):
        loss([1.0, 2.0], labels)


@pytest.mark.parametrize("loss", [mse, cross_entropy, binary, hinge])
def test_losses_are_known_by_name(loss: Any) -> None:
    assert tg.losses.get(loss.__name__) is loss
    assert tg.losses.get(loss) is loss


@pytest.mark.torch
@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
def test_losses_and_their_gradients_agree_with_pytorch(scale: float) -> None:
    import torch

    rng = np.random.default_rng(0)
    values, labels = scale * rng.normal(size=(20, 7)), rng.integers(0, 7, 20)
    target = rng.normal(size=(20, 7))
    answers, signs = rng.uniform(size=(20, 7)).round(1), rng.choice([-1.0, 1.0], size=(20, 7))
    pairs: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = [
        (lambda z: cross_entropy(z, labels),
         lambda z: torch.nn.functional.cross_entropy(z, torch.tensor(labels))),
        (lambda z: mse(z, target),
         lambda z: torch.nn.functional.mse_loss(z, torch.tensor(target))),
        (lambda z: binary(z, answers),
         lambda z: torch.nn.BCEWithLogitsLoss()(z, torch.tensor(answers))),
        (lambda z: hinge(z, signs),
         lambda z: torch.clamp(1 - torch.tensor(signs) * z, min=0).mean()),
    ]  # fmt: skip
    for ours, theirs in pairs:
        z, t = tg.Tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
        loss, reference = ours(z), theirs(t)
        loss.backward()
        reference.backward()
        assert float(loss) == pytest.approx(reference.item(), rel=1e-13)
        np.testing.assert_allclose(z.grad, t.grad.numpy(), rtol=1e-12, atol=1e-15)
