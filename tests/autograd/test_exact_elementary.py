"""Reproducible elementary functions against mpmath, and their independence of everything else."""

from __future__ import annotations

import functools
import importlib
import math
import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import tinygrad_init as tg
from tinygrad_init.autograd import F
from tinygrad_init.autograd.exact import (
    angles,
    elementary,
    elementwise,
    exponential,
    logarithm,
    normal,
    pairs,
)

Array = NDArray[Any]


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


def _softplus(x: Any) -> Any:
    return mpmath.log1p(mpmath.exp(-abs(x))) + max(x, 0)


def _normal_cdf(x: Any) -> Any:
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


LARGEST = float(np.finfo(np.float64).max)

#: name: (the function, its reference, and the range in which the reference is quick)
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], float, float]] = {
    "exp": (elementary.exp, mpmath.exp, -800, 800),
    "exp2": (elementary.exp2, lambda x: mpmath.power(2, x), -1100, 1100),
    "expm1": (elementary.expm1, mpmath.expm1, -800, 800),
    "log": (elementary.log, mpmath.log, 5e-324, LARGEST),
    "log2": (elementary.log2, lambda x: mpmath.log(x) / mpmath.log(2), 5e-324, LARGEST),
    "log10": (elementary.log10, lambda x: mpmath.log(x) / mpmath.log(10), 5e-324, LARGEST),
    "log1p": (elementary.log1p, mpmath.log1p, math.nextafter(-1, 0), LARGEST),
    "sinh": (elementary.sinh, mpmath.sinh, -800, 800),
    "cosh": (elementary.cosh, mpmath.cosh, -800, 800),
    "tanh": (elementary.tanh, mpmath.tanh, -800, 800),
    "sigmoid": (elementary.sigmoid, _sigmoid, -800, 800),
    "silu": (elementary.silu, lambda x: x * _sigmoid(x), -800, 800),
    "softplus": (elementary.softplus, _softplus, -800, 800),
    "normal_cdf": (elementary.normal_cdf, _normal_cdf, -45, 45),
    "gelu": (elementary.gelu, lambda x: x * _normal_cdf(x), -45, 45),
    "sin": (elementary.sin, mpmath.sin, -LARGEST, LARGEST),
    "cos": (elementary.cos, mpmath.cos, -LARGEST, LARGEST),
    "tan": (elementary.tan, mpmath.tan, -LARGEST, LARGEST),
    "arctan": (elementary.arctan, mpmath.atan, -LARGEST, LARGEST),
}
LOGARITHMS = ("log", "log2", "log10")
each_function = pytest.mark.parametrize("name", FUNCTIONS)
each_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32])


def _units_off(got: Any, exact: Any) -> float:
    """The error of ``got`` in units in the last place of its dtype, at the true value."""
    limits = np.finfo(got.dtype)
    if exact == 0:
        return 0.0 if got == 0 else math.inf
    _, exponent = mpmath.frexp(exact)
    unit = mpmath.ldexp(1, max(int(exponent) - 1, int(limits.minexp)) - limits.nmant)
    largest = mpmath.ldexp(1, int(limits.maxexp))
    if abs(exact) >= largest - unit / 2:  # this rounds to infinity
        return 0.0 if math.isinf(got) and (got > 0) == (exact > 0) else math.inf
    return float(abs(mpmath.mpf(float(got)) - exact) / unit)


def _errors(name: str, points: Array) -> Array:
    """The errors at the points, in units in the last place."""
    function, reference, _, _ = FUNCTIONS[name]
    results = function(points)
    assert results.dtype == points.dtype
    with mpmath.workprec(250):
        return np.array([
            _units_off(got, reference(mpmath.mpf(float(x))))
            for x, got in zip(points, results, strict=True)
        ])


def _neighbours(points: Any) -> Array:
    """The points and the floats next to them."""
    x = np.asarray(points, np.float64)
    return np.concatenate([x, np.nextafter(x, np.inf), np.nextafter(x, -np.inf)])


@functools.cache
def _nearest_to_zeros() -> Array:
    """Of the floats below 65536, those 50 that come closest to a multiple of π/2."""
    with mpmath.workprec(400):
        right_angle = int(mpmath.pi * 2**299)
    floats = [k * right_angle / (1 << 300) for k in range(1, 41722)]
    distances = [
        abs(k * right_angle - int(math.ldexp(x, 52)) * (1 << 248)) for k, x in enumerate(floats, 1)
    ]
    return np.array(floats)[np.argsort(np.array([float(d) for d in distances]))[:50]]


def _grid(name: str, dtype: Any) -> Array:
    """Points all over the range: evenly, by binary order, and close to where methods change."""
    rng = np.random.default_rng(4)
    _, _, lowest, highest = FUNCTIONS[name]
    orders = 2.0 ** rng.uniform(-70, 10.2, 300)
    subnormal = 2.0 ** rng.uniform(-1074, -1000, 60)
    parts = [
        orders, -orders, subnormal, -subnormal,
        rng.uniform(-40, 40, 400), rng.normal(size=300), rng.uniform(-0.02, 0.02, 100),
        _neighbours(math.log(2) / 512 * np.arange(-41, 41)),  # halfway between steps of exp
        _neighbours(np.arange(-40, 40) / 128),  # of tanh and arctan
        _neighbours(math.pi / 256 * rng.integers(-2000, 2000, 40)),  # of sin
        _neighbours([1.0, -1.0, 20.0, -20.0, 40.0, -40.0, -50.0, 65536.0, 1e17]),
    ]
    if name in LOGARITHMS or name == "log1p":
        near_one = rng.choice([-1, 1], 300) * 2.0 ** rng.uniform(-52, -1, 300)
        offset = 1.0 if name == "log1p" else 0.0
        parts += [
            2.0 ** rng.uniform(-1074, 1023.9, 400), 1 + near_one - offset, near_one,
            _neighbours(np.arange(182.5, 512) / 256 - offset),
            _neighbours([math.sqrt(0.5) - offset]), 2.0 ** np.arange(-1074, 1024, 31.0),
            10.0 ** np.arange(-300, 300, 13), np.arange(1.0, 100.0),
        ]
    elif name in {"sin", "cos", "tan"}:
        parts += [
            _neighbours(math.pi / 2 * rng.integers(-40000, 40000, 200)), _nearest_to_zeros(),
            rng.uniform(-70000, 70000, 200), 2.0 ** rng.uniform(16, 1023.9, 100),
            # Of all floats, the nearest to a multiple of π/2 (Muller, Elementary Functions).
            np.array([6381956970095103 * 2.0 ** 797, 5319372648326541 * 2.0 ** 707, 1e22]),
        ]
    else:
        parts += [
            rng.uniform(max(lowest, -1100), min(highest, 1100), 600), rng.uniform(-38.7, 9, 300),
            -745.13 + rng.uniform(-1, 1, 60), -708.4 + rng.uniform(-1, 1, 50),
            709.78 + rng.uniform(-0.02, 0.02, 40), 710.475 + rng.uniform(-0.01, 0.01, 40),
            -np.arange(85.0, 106.0), np.linspace(88.6, 89.5, 30), np.linspace(-15, -12, 30),
        ]
    points = np.concatenate(parts)
    points = points[(points >= lowest) & (points <= highest)]
    with np.errstate(all="ignore"):
        narrow: Array = points.astype(dtype)
    narrow = narrow[np.isfinite(narrow)]
    if name in LOGARITHMS:
        return narrow[narrow > 0]
    return narrow[narrow > -1] if name == "log1p" else narrow


# Accuracy.


@each_function
@each_dtype
def test_within_one_unit_in_the_last_place_over_the_whole_range(name: str, dtype: Any) -> None:
    points = _grid(name, dtype)
    errors = _errors(name, points)
    worst = int(errors.argmax())
    print(f"greatest error: {errors[worst]:.6f} units in the last place, at {points[worst]!r}")
    assert errors[worst] < 1, points[worst]
    # Subnormal results are rounded twice. Elsewhere there is little beside the last rounding.
    is_normal = np.abs(FUNCTIONS[name][0](points)) > np.finfo(dtype).tiny
    assert errors[is_normal].max() < 0.55


@each_function
@settings(max_examples=100)
@given(data=st.data())
def test_within_one_unit_anywhere(name: str, data: st.DataObject) -> None:
    _, _, lowest, highest = FUNCTIONS[name]
    x = data.draw(st.floats(lowest, highest))
    assert _errors(name, np.array([x]))[0] < 1


@pytest.mark.parametrize(("name", "x"), [
    *((name, x) for name in ("exp", "expm1", "sinh", "cosh", "sigmoid", "softplus", "silu") for x in
      (709.782712893384, 709.7827128933841, -745.1332191019411, -745.1332191019412,
       -708.3964185322641, 710.4758600739439, 710.475860073944, 5e-324)),
    ("exp2", 1023.9999999999999), ("exp2", 1024.0), ("exp2", -1074.5), ("exp2", -1075.0),
    ("normal_cdf", -38.4), ("normal_cdf", -38.5), ("gelu", -38.6), ("gelu", -38.7),
    ("log", 1 - 2.0 ** -53), ("log2", 1 - 2.0 ** -53), ("log10", 1 + 2.0 ** -52),
])
def test_within_one_unit_where_results_begin_and_end(name: str, x: float) -> None:
    assert _errors(name, np.array([x]))[0] < 1


# Special values.


@pytest.mark.parametrize(("name", "x", "expected"), [
    ("exp", 0.0, 1.0), ("exp", -0.0, 1.0), ("exp", math.inf, math.inf), ("exp", -math.inf, 0.0),
    ("exp", 1e308, math.inf), ("exp", -1e308, 0.0), ("exp", 710.0, math.inf), ("exp", -746.0, 0.0),
    ("log", 1.0, 0.0), ("log", 0.0, -math.inf), ("log", -0.0, -math.inf), ("log", -1.0, math.nan),
    ("log", math.inf, math.inf), ("log", -math.inf, math.nan), ("log", -5e-324, math.nan),
    ("tanh", 0.0, 0.0), ("tanh", -0.0, -0.0), ("tanh", math.inf, 1.0), ("tanh", -math.inf, -1.0),
    ("tanh", 1e308, 1.0), ("tanh", -20.0, -1.0), ("tanh", 5e-324, 5e-324),
    ("tanh", -5e-324, -5e-324),
    ("sigmoid", 0.0, 0.5), ("sigmoid", -0.0, 0.5), ("sigmoid", math.inf, 1.0),
    ("sigmoid", -math.inf, 0.0), ("sigmoid", 1e308, 1.0), ("sigmoid", -1e308, 0.0),
    ("sigmoid", -746.0, 0.0), ("sigmoid", 40.0, 1.0),
    ("expm1", -0.0, -0.0), ("expm1", 5e-324, 5e-324), ("expm1", math.inf, math.inf),
    ("expm1", -math.inf, -1.0), ("expm1", -50.0, -1.0), ("expm1", 710.0, math.inf),
    ("log1p", -0.0, -0.0), ("log1p", -1.0, -math.inf), ("log1p", -1.5, math.nan),
    ("log1p", math.inf, math.inf), ("log1p", -math.inf, math.nan), ("log1p", -5e-324, -5e-324),
    ("softplus", math.inf, math.inf), ("softplus", -math.inf, 0.0), ("softplus", 1e308, 1e308),
    ("softplus", -1e308, 0.0), ("softplus", 1000.0, 1000.0), ("softplus", -1000.0, 0.0),
    ("silu", 0.0, 0.0), ("silu", -0.0, -0.0), ("silu", math.inf, math.inf), ("silu", 1e308, 1e308),
    ("silu", -1e308, -0.0), ("silu", -math.inf, -0.0), ("silu", 1000.0, 1000.0),
    ("normal_cdf", 0.0, 0.5), ("normal_cdf", -0.0, 0.5), ("normal_cdf", math.inf, 1.0),
    ("normal_cdf", -math.inf, 0.0), ("normal_cdf", -39.0, 0.0), ("normal_cdf", 9.0, 1.0),
    ("gelu", 0.0, 0.0), ("gelu", -0.0, -0.0), ("gelu", math.inf, math.inf), ("gelu", 1e308, 1e308),
    ("gelu", -1e308, -0.0), ("gelu", -math.inf, -0.0), ("gelu", 1000.0, 1000.0),
    *((name, math.nan, math.nan) for name in FUNCTIONS),
])
@each_dtype
def test_special_values(name: str, x: float, expected: float, dtype: Any) -> None:
    with np.errstate(over="ignore"):  # as float32 the largest become infinite, the smallest zero
        argument, want = np.array([x]).astype(dtype), np.array([expected]).astype(dtype)
    if name == "log" and argument[0] == 0:
        want[:] = -math.inf
    got = FUNCTIONS[name][0](argument)
    assert got.dtype == dtype
    if np.isnan(want[0]):
        assert np.isnan(got[0])
    else:
        assert got.tobytes() == want.tobytes()


OF_NUMPY = [name for name in FUNCTIONS if hasattr(np, name)]


@pytest.mark.parametrize("name", OF_NUMPY)
@each_dtype
def test_special_values_are_those_of_numpy(name: str, dtype: Any) -> None:
    x = np.array([0, 1, 2, 8, 1024, 1e4, 5e-324, 1e-310, LARGEST, np.inf, np.nan])
    with np.errstate(all="ignore"):
        x = np.concatenate([x, -x]).astype(dtype)
        theirs, ours = getattr(np, name)(x), FUNCTIONS[name][0](x)
        special = (theirs == 0) | np.isin(np.abs(theirs), [1, np.inf]) | ~np.isfinite(x) | (x == 0)
    np.testing.assert_array_equal(ours[special], theirs[special])
    is_number = special & ~np.isnan(theirs)
    np.testing.assert_array_equal(np.signbit(ours[is_number]), np.signbit(theirs[is_number]))


def test_powers_of_two_and_ten_have_whole_logarithms() -> None:
    k = np.arange(-1074, 1024)
    assert elementary.log2(np.ldexp(1.0, k)).tolist() == k.tolist()
    assert elementary.exp2(k.astype(np.float64)).tolist() == np.ldexp(1.0, k).tolist()
    tens = np.arange(23)
    assert elementary.log10(np.array([float(10**int(n)) for n in tens])).tolist() == tens.tolist()


def test_symmetries() -> None:
    x = np.random.default_rng(6).normal(size=200) * 5
    for name in ("tanh", "sinh", "sin", "tan", "arctan"):
        function = FUNCTIONS[name][0]
        assert function(-x).tobytes() == (-function(x)).tobytes()
    for name in ("cosh", "cos"):
        function = FUNCTIONS[name][0]
        assert function(-x).tobytes() == function(x).tobytes()
    for power_of_two in range(-1074, 1024, 7):
        exact = mpmath.log(mpmath.ldexp(1, power_of_two))
        assert _units_off(elementary.log(np.array([2.0 ** power_of_two]))[0], exact) < 1


RISING = sorted(set(FUNCTIONS) - {"sin", "cos", "cosh", "gelu", "silu"})


@pytest.mark.parametrize("name", RISING)
def test_a_larger_argument_never_gives_a_smaller_result_by_more_than_a_unit(name: str) -> None:
    of_logarithms, of_others = (0.3, 0.7071067811865, 0.99999), (-0.3, 0.02707605, 0.9921875)
    for start in of_logarithms if name in LOGARITHMS else of_others:
        result = FUNCTIONS[name][0](start + np.arange(-2000, 2000) * 1e-13)
        assert (np.diff(result) >= -np.spacing(np.abs(result[1:]))).all()
    if name != "tan":
        wide = np.sort(np.abs(_grid(name, np.float64)))
        result = FUNCTIONS[name][0](wide)
        with np.errstate(invalid="ignore"):  # inf - inf
            steps = np.diff(result)
        assert not (steps < -np.spacing(np.abs(result[:-1]))).any()


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "normal_cdf", "sin", "cos"])
def test_results_stay_within_their_bounds(name: str) -> None:
    result = FUNCTIONS[name][0](_grid(name, np.float64))
    assert result.max() <= 1
    assert result.min() >= (0 if name in {"sigmoid", "normal_cdf"} else -1)


# A result depends on its own argument alone.


def _points(name: str, dtype: Any) -> Array:
    rng = np.random.default_rng(8)
    points = np.concatenate([
        rng.normal(size=30) * 3,
        [0.0, 1.0, 1e-300, 1e-9, 30.0, 80.0, 700.0, math.inf],
        rng.uniform(0, 0.02, 32),
    ])
    return np.asarray(np.abs(points) if name in LOGARITHMS else points).astype(dtype)


def _one_by_one(function: Callable[[Any], Any], x: Array) -> Array:
    return np.array([function(number) for number in x.ravel()], x.dtype).reshape(x.shape)


@each_function
@each_dtype
def test_length_and_position_change_no_bit(name: str, dtype: Any) -> None:
    function, x = FUNCTIONS[name][0], _points(name, dtype)
    alone = _one_by_one(function, x)
    for length in range(71):
        assert function(x[:length]).tobytes() == alone[:length].tobytes()
        assert function(x[len(x) - length :]).tobytes() == alone[len(x) - length :].tobytes()
    order = np.random.default_rng(0).permutation(len(x))
    assert function(x[order]).tobytes() == alone[order].tobytes()


@each_function
@each_dtype
def test_layout_changes_no_bit(name: str, dtype: Any) -> None:
    function, x = FUNCTIONS[name][0], _points(name, dtype)
    alone = _one_by_one(function, x)
    n = len(x)
    assert n == 70
    for step in (2, 3, 5):
        assert function(np.repeat(x, step)[::step]).tobytes() == alone.tobytes()
    assert function(x[::-1]).tobytes() == alone[::-1].tobytes()
    for shift in range(1, 9):
        memory = np.zeros(x.nbytes + shift, np.uint8)
        unaligned = memory[shift:].view(dtype)
        unaligned[...] = x
        assert function(unaligned).tobytes() == alone.tobytes()
    table, of_table = x.reshape(7, 10), alone.reshape(7, 10)
    assert function(np.asfortranarray(table)).tobytes() == of_table.tobytes()
    assert function(table.T).tobytes() == of_table.T.tobytes()
    assert function(x.astype(x.dtype.newbyteorder())).astype(dtype).tobytes() == alone.tobytes()
    assert function(np.broadcast_to(x[3], (4, 5))).tobytes() == np.full((4, 5), alone[3]).tobytes()


@each_function
@pytest.mark.parametrize("size", [-1, 0, 1, 500])
def test_a_long_array_is_computed_in_blocks_that_do_not_show(name: str, size: int) -> None:
    function, few = FUNCTIONS[name][0], _points(name, np.float64)
    x = np.resize(few, elementwise.BLOCK + size)
    assert function(x).tobytes() == np.resize(function(few), x.shape).tobytes()


@each_function
@settings(max_examples=50)
@given(data=st.data())
def test_no_neighbour_changes_a_bit(name: str, data: st.DataObject) -> None:
    function, anything = FUNCTIONS[name][0], st.floats()
    x = np.array(data.draw(st.lists(anything, min_size=1, max_size=20)))
    place = data.draw(st.integers(0, len(x)))
    among_others = function(np.insert(x, place, data.draw(anything)))
    assert np.delete(among_others, place).tobytes() == function(x).tobytes()


@each_function
def test_a_nan_keeps_its_payload_to_itself_and_its_neighbours_unharmed(name: str) -> None:
    function = FUNCTIONS[name][0]
    special = np.array([0x7FF8_0000_0000_1234], np.uint64).view(np.float64)[0]
    got = function(np.array([0.5, special, math.inf, 0.5]))
    assert got.view(np.uint64)[1] == 0x7FF8_0000_0000_1234
    assert got[0] == got[3] == function(0.5)


@each_function
def test_the_argument_is_left_alone_and_integers_become_float64(name: str) -> None:
    function, x = FUNCTIONS[name][0], _points(name, np.float64)
    before = x.tobytes()
    function(x)
    assert x.tobytes() == before
    assert function(np.array([1, 2])).tobytes() == function(np.array([1.0, 2.0])).tobytes()
    assert function([[1.0]]).shape == (1, 1)
    assert function(1.0).shape == ()
    assert function(np.zeros((0, 3))).shape == (0, 3)


@each_function
def test_no_argument_warns_even_where_numpy_is_told_to_raise(name: str) -> None:
    x = np.array([0.0, -0.0, 5e-324, 1e308, -1e308, np.inf, -np.inf, np.nan, -2.0])
    with np.errstate(all="raise"):
        FUNCTIONS[name][0](x)


# The same bits on every machine.

RESULTS = """
import hashlib
import numpy as np
from tinygrad_init.autograd.exact import elementary

rng = np.random.default_rng(20)  # whole numbers and fractions only: no logarithm on the way
fractions = rng.random(20_000) - 0.5
x = np.concatenate([
    fractions * 8, fractions * 1500, np.ldexp(fractions, rng.integers(-1070, 1024, fractions.size)),
])
y, exponent, digest = np.roll(x, 1), rng.integers(-40, 40, x.size), hashlib.sha256()
for name in sorted(elementary.__all__):
    second = {"power": [exponent], "hypot": [y], "logaddexp": [y]}.get(name, [])
    result = getattr(elementary, name)(x, *second)
    digest.update(np.where(np.isnan(result), 0.0, result).astype("<f8").tobytes())
print(digest.hexdigest())
"""
EXPECTED = "bec25d9f46f19cf21627110fef75daee82b0a5d65bccc6276b95a2f2ffb23264"


def _kernels() -> list[str]:
    """Features of the processor to do without, so that NumPy takes other versions of its loops."""
    umath = importlib.import_module("numpy._core._multiarray_umath")
    choices = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]]
    return sorted({"", " ".join(choices), " ".join(choices[len(choices) // 2 :])})


@pytest.mark.parametrize("without", _kernels())
def test_results_have_the_expected_bits_whatever_loops_numpy_takes(without: str) -> None:
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": without}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RESULTS],
        env={**environment, "PYTHONPATH": str(Path(tg.__file__).parents[1])},
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == EXPECTED


# What they are made of.


moderate = st.floats(-1e100, 1e100).filter(lambda x: x == 0 or abs(x) > 1e-100)


@given(moderate, moderate)
def test_sums_and_products_of_floats_are_exact_pairs(a: float, b: float) -> None:
    x, y = np.array([a]), np.array([b])
    for pair, exact in (
        (pairs.two_sum(x, y), Fraction(a) + Fraction(b)),
        (pairs.two_product(x, y), Fraction(a) * Fraction(b)),
        (pairs.shorten((x, np.zeros(1))), Fraction(a)),
        (pairs.fast_two_sum(*sorted((x, y), key=abs, reverse=True)), Fraction(a) + Fraction(b)),
    ):
        assert Fraction(float(pair[0][0])) + Fraction(float(pair[1][0])) == exact


@given(moderate, st.floats(0, 2.0 ** -53), moderate, st.floats(0, 2.0 ** -53))
def test_products_and_quotients_of_pairs_have_75_bits(
    a: float, a_part: float, b: float, b_part: float
) -> None:
    x = np.array([a]), np.array([a * a_part])
    y = np.array([b or 1.0]), np.array([b * b_part])
    exact_x, exact_y = (Fraction(float(h[0])) + Fraction(float(low[0])) for h, low in (x, y))
    product = pairs.multiply(pairs.shorten(x), pairs.shorten(y))
    quotient = pairs.divide(x, y)
    for (high, low), exact in ((product, exact_x * exact_y), (quotient, exact_x / exact_y)):
        error = Fraction(float(high[0])) + Fraction(float(low[0])) - exact
        assert abs(error) <= abs(exact) / 2**75


def _bits_right(high: Array, low: Array, exact: Callable[[int], Any]) -> float:
    """How many bits of a table are right where they are the fewest."""
    with mpmath.workprec(400):
        errors = [
            # Relative, but for sin(π), which is 0 up to the digits of π.
            abs(mpmath.mpf(float(h)) + mpmath.mpf(float(l)) - exact(j)) / (abs(exact(j)) + 1e-30)
            for j, (h, l) in enumerate(zip(high, low, strict=True))
        ]
        return float(-mpmath.log(max(errors) or mpmath.mpf(2) ** -300, 2))


def test_tables_made_of_integers_have_the_digits_that_mpmath_has() -> None:
    with mpmath.workprec(400):
        roots = exponential._roots_of_two()
        assert _bits_right(*roots, lambda j: mpmath.power(2, mpmath.mpf(j) / 256)) > 100
        tangents, sines = exponential._tanh_table(), angles._turn()[:2]
        assert _bits_right(*tangents, lambda j: mpmath.tanh(mpmath.mpf(j) / 64)) > 100
        assert _bits_right(*sines, lambda j: mpmath.sin(j * mpmath.pi / 128)) > 100
        c, high, low = logarithm._log_table()
        assert _bits_right(high, low, lambda j: -mpmath.log(mpmath.mpf(float(c[j])))) > 85
        slopes = [mpmath.mpf(j) / 64 for j in range(65)]
        arcs = [mpmath.atan(t) for t in slopes]
        arcs += [mpmath.pi / 2 - arc for arc in arcs[-2::-1]]
        assert _bits_right(*angles._angle_table(), lambda j: arcs[j]) > 100
        assert abs(pairs.pi(1400) - mpmath.pi * mpmath.mpf(2) ** 1400) < 2 ** 1010


def test_the_walk_of_the_mills_ratio_arrives_at_one_half() -> None:
    (high, low), slopes = normal._mills_table()
    assert high[0] == 0.5
    assert abs(low[0]) < 2.0 ** -100

    def exact(j: int) -> Any:
        t = mpmath.mpf(j) / 16
        return mpmath.erfc(t / mpmath.sqrt(2)) / 2 * mpmath.exp(t * t / 2)

    with mpmath.workprec(1500):
        assert _bits_right(high, low, exact) > 100
        assert float(slopes[0][0]) == float(-1 / mpmath.sqrt(2 * mpmath.pi))


UNITS, WIDE = np.linspace(-1, 1, 1001), np.linspace(-700, 40, 1001)
ABOUT_ONE, POSITIVE = np.linspace(0.99, 1.01, 1000), np.linspace(1e-3, 1, 1000) ** 8


@pytest.mark.parametrize(("bits", "pair", "reference", "points"), [
    (60, exponential.exp_pair, mpmath.exp, WIDE),
    (60, exponential._sigmoid_pair, _sigmoid, WIDE),
    (57, lambda x: (0, exponential._expm1_pair(x)), mpmath.expm1, UNITS[UNITS != 0]),
    (61, lambda x: (0, logarithm._log_pair(x)), mpmath.log, ABOUT_ONE),
    (61, lambda x: (0, logarithm._log1p_pair((x, 0.0))), mpmath.log1p, POSITIVE),
    (57, normal._normal_cdf_pair, _normal_cdf, np.linspace(-37, 8, 1000)),
    (57, lambda x: (0, angles._sine(*angles._reduce(x))), mpmath.sin, 100 * POSITIVE),
], ids=["exp", "sigmoid", "expm1", "log", "log1p", "normal_cdf", "sin"])
def test_pairs_on_the_way_hold_more_bits_than_a_float(
    bits: int, pair: Callable[[Any], Any], reference: Callable[[Any], Any], points: Array
) -> None:
    scale, (high, low) = pair(points)
    rows = zip(points, high, low, np.broadcast_to(scale, points.shape), strict=True)
    with mpmath.workprec(250):
        for x, h, l, k in rows:
            value = mpmath.ldexp(mpmath.mpf(float(h)) + mpmath.mpf(float(l)), int(k))
            exact = reference(mpmath.mpf(float(x)))
            assert abs(value - exact) < abs(exact) / 2**bits, x


def test_big_tables_wait_for_their_first_use() -> None:
    tables = (exponential._roots_of_two, exponential._tanh_table, logarithm._log_table,
              normal._mills_table, angles._turn, angles._angle_table)
    for table in tables:
        assert table() is table()


# In the mode.


@each_function
def test_the_mode_uses_these_functions_for_tensors_and_values(name: str) -> None:
    x = np.abs(np.random.default_rng(10).normal(size=200)) + 0.1
    with tg.reproducible():
        t = getattr(F, name)(tg.Tensor(x))
        v = [getattr(F, name)(tg.Value(float(number))).data for number in x]
    expected = FUNCTIONS[name][0](x)
    assert t.data.tobytes() == expected.tobytes()
    assert np.array(v).tobytes() == expected.tobytes()
    assert all(type(number) is float for number in v)


@each_function
def test_values_of_whole_numbers_and_fractions_take_these_functions_too(name: str) -> None:
    # The C library's own exp may differ in the last bit from one machine to the next.
    for number in (*range(1, 40), *(Fraction(k, 7) for k in range(1, 40))):
        with tg.reproducible():
            got = getattr(F, name)(tg.Value(number)).data
        assert got == FUNCTIONS[name][0](float(number))


def test_the_square_root_is_correctly_rounded() -> None:
    x = np.random.default_rng(12).uniform(0, 100, 300)
    with tg.reproducible():
        roots = tg.Tensor(x).sqrt().data
    with mpmath.workprec(53):
        assert roots.tolist() == [float(mpmath.sqrt(mpmath.mpf(number))) for number in x.tolist()]


# Powers.


def _power_error(base: Any, exponent: int, result: Any) -> float:
    with mpmath.workprec(300):
        return _units_off(result, mpmath.mpf(float(base)) ** exponent)


@pytest.mark.parametrize("exponent", [
    0, 1, 2, 3, 4, 5, 7, 8, 15, 33, 64, 1023, 1024, -1, -2, -3, -7, -64, -1023, -1024,
])
@each_dtype
def test_powers_by_whole_exponents_are_within_one_unit(exponent: int, dtype: Any) -> None:
    rng = np.random.default_rng(14)
    bits = float(np.finfo(dtype).maxexp)
    base = np.concatenate([
        rng.uniform(0.5, 1.5, 50),
        2.0 ** (rng.uniform(-1.1, 1.02, 100) * bits / max(abs(exponent), 1.2)),  # over the edges
    ]).astype(dtype)
    base = base[base != 0]
    base[::3] *= -1
    got = elementary.power(base, exponent)
    assert got.dtype == dtype
    assert max(map(_power_error, base, [exponent] * len(base), got)) < 1
    for length in (1, 2, 7, 33):
        assert elementary.power(base[:length], exponent).tobytes() == got[:length].tobytes()


@given(
    st.floats(allow_nan=False, allow_infinity=False).filter(bool),
    st.integers(-1024, 1024),
)
@example(4.0, -537)
@example(2.0, 1024)
@example(-1.5, 3)
@example(5e-324, -1)
@example(5e-324, 3)
@example(LARGEST, -1)
def test_any_whole_power_is_within_one_unit(x: float, exponent: int) -> None:
    assert _power_error(x, exponent, elementary.power(np.array([x]), exponent)[0]) < 1


@given(st.floats(width=64, allow_nan=False))
def test_low_powers_are_the_products_they_stand_for(x: float) -> None:
    number = np.array([x])
    with np.errstate(all="ignore"):
        assert elementary.power(number, 2).tobytes() == (number * number).tobytes()
        assert elementary.power(number, 1).tobytes() == number.tobytes()
        assert elementary.power(number, -1).tobytes() == (1 / number).tobytes()
    assert elementary.power(number, 0).tolist() == [1.0]


@each_dtype
def test_powers_of_zero_and_infinity_and_nan_are_those_of_numpy(dtype: Any) -> None:
    base = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0], dtype)[:, None]
    exponent = np.array([0, 1, 2, 3, 4, 5, 1024, -1, -2, -3, -4, -1023], dtype)
    with np.errstate(all="ignore"):
        theirs = np.power(base, exponent)
    ours = elementary.power(base, exponent)
    np.testing.assert_array_equal(ours, theirs)
    is_number = ~np.isnan(theirs)
    np.testing.assert_array_equal(np.signbit(ours)[is_number], np.signbit(theirs)[is_number])


def test_exponents_are_taken_entry_by_entry() -> None:
    base = np.array([[2.0], [3.0]])
    got = elementary.power(base, np.array([0, 1, 2, -1]))
    assert got.tolist() == [[1.0, 2.0, 4.0, 0.5], [1.0, 3.0, 9.0, 1 / 3]]
    assert elementary.power(2.0, [3.0, 4.0]).tolist() == [8.0, 16.0]
    assert elementary.power(2.0, 3).shape == ()
    assert elementary.power(np.zeros((0, 2)), 3).shape == (0, 2)


@given(st.lists(st.floats(), min_size=1, max_size=10), st.integers(-20, 20), st.integers(-20, 20))
def test_a_power_depends_on_its_own_base_and_exponent(x: list[float], b: int, other: int) -> None:
    base = np.array(x)
    mixed = elementary.power(base[:, None], np.array([other, b, 1024]))
    assert mixed[:, 1].tobytes() == elementary.power(base, b).tobytes()


def test_powers_have_the_dtype_that_numpy_gives_them() -> None:
    single, whole = np.ones(2, np.float32), np.array([2, -3])
    assert elementary.power(single, 3).dtype == np.float32
    assert elementary.power(single, 3.0).dtype == np.float32
    assert elementary.power(single, np.array([3.0, 3.0])).dtype == np.float64
    assert elementary.power(2.0, single).dtype == np.float32
    cubes = elementary.power(whole, 3)
    assert cubes.dtype == whole.dtype
    assert cubes.tolist() == [8, -27]


OTHER_EXPONENTS = [0.5, -1.5, 1025, -1025, 1e300, math.nan, math.inf, [1.0, 0.5]]


@pytest.mark.parametrize("exponent", OTHER_EXPONENTS)
def test_other_exponents_are_refused_with_advice(exponent: Any) -> None:
    with pytest.raises(tg.GraphError, match=r"power.*sqrt"):
        elementary.power(np.array([2.0, 3.0]), exponent)
    with tg.reproducible(), pytest.raises(tg.GraphError, match="power"):
        F.power(tg.Tensor([2.0, 3.0]), np.asarray(exponent))
    with tg.reproducible(), pytest.raises(tg.GraphError, match="power"):
        F.power(tg.Value(2.0), 0.5)


# Functions of two arguments.


def _two(dtype: Any, lowest: float, highest: float) -> tuple[Array, Array]:
    """Pairs of numbers of all sizes, alike and unlike."""
    rng = np.random.default_rng(16)
    a = rng.choice([-1, 1], 500) * 2.0 ** rng.uniform(lowest, highest, 500)
    ratio = np.where(rng.random(500) < 0.5, rng.normal(1, 0.5, 500), 2.0 ** rng.normal(0, 20, 500))
    b = a * ratio
    return a.astype(dtype), b.astype(dtype)


@each_dtype
def test_hypot_is_within_one_unit(dtype: Any) -> None:
    limits = np.finfo(dtype)
    with np.errstate(all="ignore"):
        a, b = _two(dtype, float(limits.minexp) - 20, float(limits.maxexp) - 0.5)
    a, b = a[np.isfinite(b)], b[np.isfinite(b)]
    with mpmath.workprec(250):
        errors = [
            _units_off(got, mpmath.sqrt(mpmath.mpf(float(x)) ** 2 + mpmath.mpf(float(y)) ** 2))
            for x, y, got in zip(a, b, elementary.hypot(a, b), strict=True)
        ]
    assert max(errors) < 0.6


def _logaddexp(x: Any, y: Any) -> Any:
    large, small = max(x, y), min(x, y)
    return large + mpmath.log1p(mpmath.exp(small - large))


@each_dtype
def test_logaddexp_is_within_one_unit_where_nothing_cancels(dtype: Any) -> None:
    a, b = _two(dtype, -30, 10)
    got = elementary.logaddexp(a, b)
    with mpmath.workprec(1500):
        for x, y, result in zip(a, b, got, strict=True):
            exact = _logaddexp(mpmath.mpf(float(x)), mpmath.mpf(float(y)))
            unit = mpmath.mpf(float(np.spacing(np.abs(max(x, y, dtype(abs(exact)))))))
            assert abs(mpmath.mpf(float(result)) - exact) < unit
            if max(x, y) > 0:
                assert _units_off(result, exact) < 1


def test_logaddexp_loses_little_where_it_cancels() -> None:
    a = -np.random.default_rng(18).uniform(0.01, 3, 300)
    b = np.log1p(-np.exp(a))  # so that e**a + e**b is nearly 1
    got = elementary.logaddexp(a, b)
    with mpmath.workprec(250):
        for x, y, result in zip(a, b, got, strict=True):
            exact = _logaddexp(mpmath.mpf(float(x)), mpmath.mpf(float(y)))
            assert abs(mpmath.mpf(float(result)) - exact) < 2.0 ** -58


@pytest.mark.parametrize("name", ["hypot", "logaddexp"])
@each_dtype
def test_special_pairs_are_those_of_numpy(name: str, dtype: Any) -> None:
    few = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e30, -1e30], dtype)
    ours = getattr(elementary, name)(few[:, None], few)
    with np.errstate(all="ignore"):
        theirs = getattr(np, name)(few[:, None], few)
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=2 * float(np.finfo(dtype).eps), atol=0)
    is_number = ~np.isnan(theirs)
    np.testing.assert_array_equal(np.signbit(ours)[is_number], np.signbit(theirs)[is_number])


@pytest.mark.parametrize("name", ["hypot", "logaddexp"])
@given(
    x=st.lists(st.tuples(st.floats(), st.floats()), min_size=1, max_size=10),
    other=st.tuples(st.floats(), st.floats()),
)
def test_a_pair_depends_on_itself_alone_and_on_no_order(
    name: str, x: list[tuple[float, float]], other: tuple[float, float]
) -> None:
    function = getattr(elementary, name)
    a, b = np.array([*x, other]).T  # strided
    together = function(a, b)
    assert together[:-1].tobytes() == function(a[:-1].copy(), b[:-1].copy()).tobytes()
    assert _same(together, function(b, a))


def _same(a: Array, b: Array) -> bool:
    return bool(((a == b) | (np.isnan(a) & np.isnan(b))).all())


@pytest.mark.parametrize("name", ["hypot", "logaddexp"])
def test_two_arguments_broadcast_and_keep_their_dtype(name: str) -> None:
    function = getattr(elementary, name)
    single = np.ones((3, 1), np.float32)
    assert function(single, np.ones(4, np.float32)).shape == (3, 4)
    assert function(single, 2.0).dtype == np.float32
    assert function(single, np.ones(4)).dtype == np.float64
    assert function(np.array([3]), np.array([4])).dtype == np.float64
    assert function(3, 4).shape == ()
