"""The initialisers draw from the distributions that their papers ask for."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import linalg, stats

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
    deterministic = {"zeros", "ones", "constant", "hadamard", "sinusoidal"}
    assert np.array_equal(first, initialiser((4, 5), 4)) == (name in deterministic)
    first[:] = 7  # it is the caller's own
    assert np.array_equal(second, initialiser((4, 5), 3))


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


@pytest.mark.parametrize(
    "name",
    ["glorot_uniform", "glorot_normal", "he_uniform", "he_normal",
     "latin_square", "hadamard", "sinusoidal"],
)  # fmt: skip
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
        (lambda: tg.init.hadamard(0), "0"),
        (lambda: tg.init.hadamard(-0.5), "-0.5"),
        (lambda: tg.init.hadamard(math.nan), "nan"),
        (lambda: tg.init.hadamard(math.inf), "inf"),
        (lambda: tg.init.hadamard("lecun"), "'lecun'.*glorot, he"),
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


# Randomness and asymmetry, each without the other.

SHAPES = [(1, 1), (1, 2), (2, 1), (2, 4), (4, 2), (3, 5), (7, 7), (16, 16), (17, 17), (12, 18),
          (10, 20), (16, 64), (64, 17), (6, 64), (33, 10)]  # fmt: skip


def _different(rows: NDArray[Any]) -> int:
    return len(np.unique(rows, axis=0))


@pytest.mark.parametrize(("fan_in", "fan_out"), SHAPES)
def test_latin_squares_have_one_multiset_in_all_rows_and_one_in_all_columns(
    fan_in: int, fan_out: int
) -> None:
    weights = tg.init.latin_square()((fan_in, fan_out), 0)
    numbers = math.gcd(fan_in, fan_out)
    assert len(np.unique(weights)) == numbers
    for lines in (weights, weights.T):
        assert _different(np.sort(lines, axis=1)) == 1
        _, counts = np.unique(lines[0], return_counts=True)
        assert set(counts) == {lines.shape[1] // numbers}


def test_a_latin_square_is_shuffled_both_ways() -> None:
    weights = tg.init.latin_square()((17, 17), 0)
    for lines in (weights, weights.T):
        assert _different(lines) == 17
        neighbours_rotate = [
            any(np.array_equal(np.roll(above, shift), below) for shift in range(17))
            for above, below in itertools.pairwise(lines)
        ]
        assert not any(neighbours_rotate)


def test_latin_squares_have_the_variance_of_glorot_over_many_draws() -> None:
    numbers = tg.init.latin_square()((4000, 12, 18), 0)
    sigma = math.sqrt(2 / 30)
    assert abs(numbers.mean()) < 5 * sigma / math.sqrt(4000 * 6)
    assert numbers.var() == pytest.approx(sigma**2, rel=0.05)
    drawn = np.concatenate([np.unique(matrix) for matrix in numbers])
    assert drawn.size == 4000 * 6, "every matrix has six numbers of its own"
    assert stats.kstest(drawn, stats.norm(0, sigma).cdf).pvalue > 1e-4


@pytest.mark.parametrize(
    ("sizes", "weight_init"),
    [
        ([64, 17, 17, 10], ["constant", "latin_square", "constant"]),
        ([5, 12, 18, 3], ["constant", "latin_square", "constant"]),
        ([5, 12, 18, 12, 3], ["constant", "latin_square", "latin_square", "constant"]),
        ([64, 17, 17, 10], "latin_square"),  # 64 and 17 share no divisor: the ends are constant
    ],
)
def test_latin_squares_between_constants_tie_every_hidden_layer(
    sizes: list[int], weight_init: Any
) -> None:
    tied = tg.nn.MLP(sizes, weight_init=weight_init, rng=0)
    assert set(tg.symmetry.analyze(tied).effective_widths) == {1}
    weight = tied.layers[1].weight.data
    weight[0, 0], weight[0, 1] = weight[0, 1], weight[0, 0]  # a row keeps its numbers,
    assert tg.symmetry.analyze(tied).effective_widths[1] > 1  # two columns do not


@pytest.mark.parametrize(("fan_in", "fan_out"), SHAPES)
def test_hadamard_weights_are_signs_of_a_hadamard_matrix(fan_in: int, fan_out: int) -> None:
    weights = tg.init.hadamard(1)((fan_in, fan_out))
    order = 2 ** math.ceil(math.log2(max(fan_in, fan_out)))
    powers = [2**k for k in range(order.bit_length() - 1)]
    numbers = [*powers, *(i for i in range(order) if i not in powers)]
    signs = linalg.hadamard(order)[np.ix_(numbers[:fan_in], numbers[:fan_out])]
    assert np.array_equal(weights, signs)


def test_hadamard_neurons_differ_wherever_they_can() -> None:
    for fan_in in range(1, 13):
        for fan_out in range(1, 71):
            weights = tg.init.hadamard()((fan_in, fan_out))
            assert _different(weights.T) == min(fan_out, 2**fan_in), (fan_in, fan_out)
            assert _different(weights) == min(fan_in, 2**fan_out), (fan_in, fan_out)


@pytest.mark.parametrize(("fan_in", "fan_out"), [(64, 64), (64, 17), (128, 100), (1, 1)])
def test_hadamard_neurons_are_orthogonal_where_no_row_is_cut(fan_in: int, fan_out: int) -> None:
    weights = tg.init.hadamard(0.5)((fan_in, fan_out))
    assert np.array_equal(weights.T @ weights, np.eye(fan_out) * fan_in / 4)


@pytest.mark.parametrize(
    ("scale", "s"), [("glorot", math.sqrt(2 / 81)), ("he", math.sqrt(2 / 64)), (0.25, 0.25)]
)
def test_hadamard_takes_a_scale(scale: str | float, s: float) -> None:
    initialiser = tg.init.hadamard(scale)
    assert abs(initialiser((64, 17))) == pytest.approx(np.full((64, 17), s), rel=1e-15)
    assert repr(initialiser) == f"hadamard({scale})"


@pytest.mark.parametrize(("fan_in", "fan_out"), SHAPES)
def test_sinusoidal_weights_are_the_waves_of_many_digits(fan_in: int, fan_out: int) -> None:
    with mpmath.workdps(30):
        waves = mpmath.matrix(fan_in, fan_out)
        for k in range(fan_in):
            for j in range(fan_out):
                angle = mpmath.mpf(j + 1) * k / fan_in + mpmath.mpf(j + 1) / (4 * fan_out)
                waves[k, j] = mpmath.sin(2 * mpmath.pi * angle)
        mean_square = mpmath.fsum(wave**2 for wave in waves) / (fan_in * fan_out)
        amplitude = mpmath.sqrt(2 / (mpmath.mpf(fan_in + fan_out) * mean_square))
        expected = np.array((amplitude * waves).tolist(), dtype=float)
    found = tg.init.sinusoidal()((fan_in, fan_out))
    np.testing.assert_allclose(found, expected, rtol=0, atol=4e-15 * float(amplitude))


@pytest.mark.parametrize("name", ["hadamard", "sinusoidal"])
@pytest.mark.parametrize(("fan_in", "fan_out"), FANS)
def test_deterministic_weights_have_the_mean_square_of_glorot(
    name: str, fan_in: int, fan_out: int
) -> None:
    weights = tg.init.get(name)((fan_in, fan_out))
    assert (weights**2).mean() == pytest.approx(2 / (fan_in + fan_out), rel=1e-12)


def test_sinusoidal_neurons_all_differ_and_none_is_zero() -> None:
    for fan_in in range(1, 25):
        for fan_out in range(1, 51):
            neurons = tg.init.sinusoidal()((fan_in, fan_out)).T
            gap = abs(neurons[:, np.newaxis] - neurons).max(axis=-1) + np.eye(fan_out)
            assert gap.min() > 1e-5, (fan_in, fan_out)
            assert abs(neurons).max(axis=1).min() > 1e-3, (fan_in, fan_out)


def test_phases_that_fill_the_whole_turn_would_make_neurons_equal() -> None:
    # What the docstring says about the paper's phases, at 10 inputs and 20 neurons.
    k, j = np.arange(10)[:, np.newaxis], np.arange(1, 21)
    neurons = np.sin(2 * math.pi * (j * k / 10 + j / 20)).T
    assert _different(neurons.round(9) + 0.0) == 11
    np.testing.assert_allclose(neurons[:9], neurons[8::-1], atol=1e-12)  # j and 10 - j
    np.testing.assert_allclose(neurons[[9, 19]], 0, atol=1e-12)


@pytest.mark.parametrize("name", ["hadamard", "sinusoidal"])
@pytest.mark.parametrize("sizes", [[64, 17, 17, 10], [4, 16, 16, 3], [8, 16, 32, 5], [1, 2, 4, 1]])
def test_deterministic_weights_use_every_neuron(name: str, sizes: list[int]) -> None:
    model = tg.nn.MLP(sizes, weight_init=name)
    assert tg.symmetry.analyze(model).effective_widths == sizes[1:-1]


DIGESTS = {
    "latin_square": "4d2c216f5428d286",
    "hadamard": "eb18b0eb87362727",
    "sinusoidal": "0831161e00f9529b",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_the_bits_are_the_same_everywhere(name: str) -> None:
    sha = hashlib.sha256()
    for shape in [*SHAPES, (3, 12, 18), (100, 40)]:
        weights = tg.init.get(name)(shape, 0)
        sha.update(weights.astype("<f8").tobytes())
    assert sha.hexdigest()[:16] == DIGESTS[name]


@pytest.mark.parametrize("name", ["latin_square", "hadamard", "sinusoidal"])
def test_leading_axes_hold_one_network_each(name: str) -> None:
    first, second = tg.init.get(name)((2, 6, 4), 0)
    assert np.array_equal(first, second) == (name != "latin_square")
    if name != "latin_square":
        assert np.array_equal(first, tg.init.get(name)((6, 4)))


def test_a_maker_stands_for_the_initialiser_that_it_makes() -> None:
    for maker in tg.init.BY_NAME.values():
        assert repr(tg.init.get(maker)) == repr(maker())
    model = tg.nn.MLP([4, 4, 2], weight_init=[tg.init.latin_square, tg.init.ones])
    assert len(np.unique(model.layers[0].weight.data)) == 4
