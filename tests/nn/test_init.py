"""The initialisers draw from the distributions that their papers ask for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import tinygrad_init as tg
from tinygrad_init.nn.init import Initialiser

FANS = [(400, 300), (300, 400), (64, 33), (33, 640), (2000, 10), (1, 5000)]
TARGET_VARIANCE: dict[str, Callable[[int, int], float]] = {
    "glorot": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "he": lambda fan_in, _fan_out: 2 / fan_in,
}


def _at_least(numbers: int, name: str, fan_in: int, fan_out: int) -> NDArray[Any]:
    """Enough draws in that shape, as one list of numbers."""
    copies = -(-numbers // (fan_in * fan_out))
    return tg.init.get(name)((copies, fan_in, fan_out), 0).ravel()


@pytest.mark.parametrize(("fan_in", "fan_out"), FANS)
@pytest.mark.parametrize("family", TARGET_VARIANCE)
@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_scaled_draws_have_mean_variance_and_distribution(
    family: str, kind: str, fan_in: int, fan_out: int
) -> None:
    sigma = math.sqrt(TARGET_VARIANCE[family](fan_in, fan_out))
    drawn = _at_least(100_000, f"{family}_{kind}", fan_in, fan_out)
    assert abs(drawn.mean()) < 5 * sigma / math.sqrt(drawn.size)
    assert drawn.var() == pytest.approx(sigma**2, rel=0.03)
    width = math.sqrt(12) * sigma
    law = stats.uniform(-width / 2, width) if kind == "uniform" else stats.norm(0, sigma)
    assert stats.kstest(drawn, law.cdf).pvalue > 1e-4


@pytest.mark.parametrize(("fan_in", "fan_out"), FANS)
def test_uniform_draws_fill_their_bounds_and_stay_inside(fan_in: int, fan_out: int) -> None:
    for name, squared in [
        ("glorot_uniform", 6 / (fan_in + fan_out)),
        ("he_uniform", 6 / fan_in),
    ]:
        largest = abs(_at_least(50_000, name, fan_in, fan_out)).max() / math.sqrt(squared)
        assert 0.999 < largest <= 1, name


def test_fans_are_the_last_two_axes() -> None:
    drawn = tg.init.he_normal()((50, 400, 30), 0)
    assert drawn.shape == (50, 400, 30)
    assert drawn.var() == pytest.approx(2 / 400, rel=0.02)


def test_plain_uniform_and_normal_have_the_given_scale() -> None:
    drawn = tg.init.uniform(-0.5, 2)((200, 300), 0)
    assert stats.kstest(drawn.ravel(), stats.uniform(-0.5, 2.5).cdf).pvalue > 1e-4
    drawn = tg.init.normal(3, 0.25)((200, 300), 0)
    assert stats.kstest(drawn.ravel(), stats.norm(3, 0.25).cdf).pvalue > 1e-4
    assert (tg.init.normal(3, 0)((2, 3), 0) == 3).all()
    assert (tg.init.uniform(1, 1)((2, 3), 0) == 1).all()


def test_constants_are_constant() -> None:
    assert (tg.init.zeros()((3, 4)) == 0).all()
    assert (tg.init.ones()((3, 4)) == 1).all()
    assert (tg.init.constant(-0.3)((3, 4)) == -0.3).all()
    assert len(np.unique(tg.init.constant()((3, 4)))) == 1


@pytest.mark.parametrize("size", [1e-12, 1e-8, 0.1])
def test_perturbed_adds_gaussian_noise_of_that_size(size: float) -> None:
    noise = (tg.init.perturbed(tg.init.constant(0.05), size)((100, 100), 0) - 0.05) / size
    assert stats.kstest(noise.ravel(), stats.norm.cdf).pvalue > 1e-4


def test_perturbed_by_nothing_is_the_start() -> None:
    assert (tg.init.perturbed(tg.init.constant(0.05), 0)((3, 4), 0) == 0.05).all()


def test_perturbed_random_starts_keep_their_own_randomness() -> None:
    both = tg.init.perturbed(tg.init.normal(0, 3), 4)((100, 100), 0)
    assert both.std() == pytest.approx(5, rel=0.03)  # independent: 3**2 + 4**2


@pytest.mark.parametrize("name", tg.init.BY_NAME)
def test_every_named_initialiser_is_repeatable_and_prints_its_name(name: str) -> None:
    initialiser = tg.init.get(name)
    first, second = initialiser((4, 5), 3), initialiser((4, 5), 3)
    assert np.array_equal(first, second)
    assert first.dtype == np.float64
    assert first.shape == (4, 5)
    assert repr(initialiser).startswith(f"{name}(")
    if name not in {"zeros", "ones", "constant"}:
        assert not np.array_equal(first, initialiser((4, 5), 4))


def test_get_passes_initialisers_through_and_wraps_functions() -> None:
    start = tg.init.constant(2)
    assert tg.init.get(start) is start

    def thirds(shape: tuple[int, ...], _rng: np.random.Generator) -> NDArray[Any]:
        return np.full(shape, 1 / 3)

    assert repr(tg.init.get(thirds)) == "thirds"
    assert (tg.init.get(thirds)((2, 2)) == 1 / 3).all()


@pytest.mark.parametrize("name", ["", "Zeros", "xavier", None, 0.5])
def test_an_unknown_initialiser_is_answered_with_the_known_ones(name: Any) -> None:
    with pytest.raises(tg.DataError) as caught:
        tg.init.get(name)
    assert repr(name) in str(caught.value)
    assert all(known in str(caught.value) for known in tg.init.BY_NAME)


@pytest.mark.parametrize("name", ["glorot_uniform", "glorot_normal", "he_uniform", "he_normal"])
def test_a_shape_without_fans_is_refused(name: str) -> None:
    with pytest.raises(tg.ShapeError, match=r"\(3,\)"):
        tg.init.get(name)((3,), 0)


@pytest.mark.parametrize(
    ("make", "number"),
    [
        (lambda: tg.init.uniform(1, -1), "-1"),
        (lambda: tg.init.uniform(math.nan, 1), "nan"),
        (lambda: tg.init.normal(0, -2), "-2"),
        (lambda: tg.init.normal(0, math.nan), "nan"),
    ],
)
def test_impossible_scales_are_refused_with_the_number(
    make: Callable[[], Initialiser], number: str
) -> None:
    with pytest.raises(tg.DataError, match=number):
        make()


def test_a_draw_of_the_wrong_shape_is_refused_with_both_shapes() -> None:
    wrong = Initialiser("wrong", lambda shape, rng: np.zeros(3))
    with pytest.raises(tg.ShapeError, match=r"wrong.*\(3,\).*\(2, 3\)"):
        wrong((2, 3))
