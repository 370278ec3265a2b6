"""Reproducible elementary functions against mpmath, and their independence of everything else."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import tinygrad_init as tg
from tinygrad_init.autograd import F
from tinygrad_init.autograd.exact import elementary

Array = NDArray[Any]


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "exp": (elementary.exp, mpmath.exp),
    "expm1": (elementary.expm1, mpmath.expm1),
    "log": (elementary.log, mpmath.log),
    "log1p": (elementary.log1p, mpmath.log1p),
    "tanh": (elementary.tanh, mpmath.tanh),
    "sigmoid": (elementary.sigmoid, _sigmoid),
}
each_function = pytest.mark.parametrize("name", FUNCTIONS)


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


def _worst(name: str, points: Array) -> tuple[float, float]:
    """The greatest error over the points, and where."""
    function, reference = FUNCTIONS[name]
    results = function(points)
    assert results.dtype == points.dtype
    # The precision holds the sum 1 + e**-x for the farthest x on the grid.
    with mpmath.workprec(1300 if name == "sigmoid" else 200):
        return max(
            (_units_off(got, reference(mpmath.mpf(float(x)))), float(x))
            for x, got in zip(points, results, strict=True)
        )


def _grid(name: str, dtype: Any) -> Array:
    """Points all over the range: evenly, by binary order, and close to where methods change."""
    rng = np.random.default_rng(4)
    orders = 2.0 ** rng.uniform(-60, 9.6, 400)
    if name == "log1p":
        below_zero = np.concatenate([-orders[orders < 1], orders[orders < 1] - 1])
        nearly = rng.uniform(-0.26, 0.26, 400)
        points = np.concatenate([_grid("log", dtype), below_zero, nearly]).astype(dtype)
        return points[points > -1]
    if name == "log":
        limits = np.finfo(dtype)
        lowest, highest = float(limits.minexp) - limits.nmant, float(limits.maxexp) - 0.01
        exponents = rng.uniform(lowest, highest, 600)
        near_one = 1 + rng.choice([-1, 1], 300) * 2.0 ** rng.uniform(-52, -1, 300)
        roots = math.sqrt(0.5) * (1 + rng.normal(size=50) * 1e-14)
        points = np.concatenate([2.0 ** exponents, near_one, roots, 2.0 ** np.arange(-70, 70),
                                 np.arange(1.0, 100.0), orders])
    else:
        steps = math.log(2) / 32 * np.arange(-64, 64)  # where the reduction of exp changes over
        points = np.concatenate([
            np.linspace(-745.2, 709.8, 800), rng.uniform(-40, 40, 600), rng.normal(size=300),
            orders, -orders, steps, np.nextafter(steps, 9), steps / 2,
            math.log(2) / 64 * (1 + rng.normal(size=20) * 1e-15),
            19.0 + rng.uniform(0, 2, 50), 1e-8 * rng.uniform(0.5, 2, 50),
            -745.13 + rng.uniform(-0.2, 0.2, 50), -708.4 + rng.uniform(-1, 1, 50),
            -np.arange(700.0, 746.0), 709.78 + rng.uniform(-0.02, 0.02, 50),
            -np.arange(85.0, 106.0), np.linspace(88.6, 88.8, 30), [5e-324, -5e-324, 1e-310],
        ])
    narrow: Array = points.astype(dtype)
    return narrow[narrow != 0] if name == "log" else narrow


@each_function
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_within_one_unit_in_the_last_place_over_the_whole_range(name: str, dtype: Any) -> None:
    error, where = _worst(name, _grid(name, dtype))
    print(f"greatest error: {error:.6f} units in the last place, at {where!r}")
    assert error <= 1, where


@each_function
@settings(max_examples=300)
@given(x=st.floats(allow_nan=False, allow_infinity=False))
@example(x=709.782712893384)
@example(x=709.7827128933841)
@example(x=-745.1332191019411)
@example(x=-745.1332191019412)
@example(x=-708.3964185322641)
@example(x=5e-324)
@example(x=1 - 2.0 ** -53)
def test_within_one_unit_anywhere(name: str, x: float) -> None:
    if name.startswith("log"):
        x = abs(x) or 1.0
    elif name in {"sigmoid", "exp", "expm1"} and abs(x) > 800:
        return  # these are among the special values below
    error, where = _worst(name, np.array([x]))
    assert error <= 1, where


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
    *((name, math.nan, math.nan) for name in FUNCTIONS),
])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
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


@each_function
def test_a_nan_keeps_its_payload_to_itself_and_its_neighbours_unharmed(name: str) -> None:
    function = FUNCTIONS[name][0]
    got = function(np.array([0.5, math.nan, math.inf, 0.5]))
    assert np.isnan(got[1])
    assert got[0] == got[3] == function(0.5)


def test_symmetries() -> None:
    x = np.random.default_rng(6).normal(size=200) * 5
    np.testing.assert_array_equal(elementary.tanh(-x), -elementary.tanh(x))
    for power_of_two in range(-1074, 1024, 7):
        exact = mpmath.log(mpmath.ldexp(1, power_of_two))
        assert _units_off(elementary.log(np.array([2.0 ** power_of_two]))[0], exact) <= 1


@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid", "log"])
def test_a_larger_argument_never_gives_a_smaller_result_by_more_than_a_unit(name: str) -> None:
    start = 0.3 if name == "log" else -0.3
    x = start + np.arange(4000) * 1e-13
    result = FUNCTIONS[name][0](x)
    assert (np.diff(result) >= -np.spacing(np.abs(result[1:]))).all()


# A result depends on its own argument alone.


def _points(name: str, dtype: Any) -> Array:
    rng = np.random.default_rng(8)
    points = np.concatenate([
        rng.normal(size=30) * 3,
        [0.0, 1.0, 1e-300, 1e-9, 30.0, 80.0, 700.0, math.inf],
        rng.uniform(0, 0.02, 32),
    ])
    return np.asarray(np.abs(points) if name == "log" else points).astype(dtype)


def _one_by_one(function: Callable[[Any], Any], x: Array) -> Array:
    return np.array([function(number) for number in x.ravel()], x.dtype).reshape(x.shape)


@each_function
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_length_and_position_change_no_bit(name: str, dtype: Any) -> None:
    function, x = FUNCTIONS[name][0], _points(name, dtype)
    alone = _one_by_one(function, x)
    for length in range(71):
        assert function(x[:length]).tobytes() == alone[:length].tobytes()
        assert function(x[len(x) - length :]).tobytes() == alone[len(x) - length :].tobytes()
    order = np.random.default_rng(0).permutation(len(x))
    assert function(x[order]).tobytes() == alone[order].tobytes()


@each_function
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
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
def test_the_argument_is_left_alone_and_integers_become_float64(name: str) -> None:
    function, x = FUNCTIONS[name][0], _points(name, np.float64)
    before = x.tobytes()
    function(x)
    assert x.tobytes() == before
    assert function(np.array([1, 2])).tobytes() == function(np.array([1.0, 2.0])).tobytes()
    assert function([[1.0]]).shape == (1, 1)
    assert function(1.0).shape == ()
    assert function(np.zeros((0, 3))).shape == (0, 3)


# In the mode.


@each_function
def test_the_mode_uses_these_functions_for_tensors_and_values(name: str) -> None:
    x = np.abs(np.random.default_rng(10).normal(size=200)) + 0.1
    with tg.reproducible():
        t = getattr(tg.Tensor(x), name)()
        v = [getattr(tg.Value(float(number)), name)().data for number in x]
    expected = FUNCTIONS[name][0](x)
    assert t.data.tobytes() == expected.tobytes()
    assert np.array(v).tobytes() == expected.tobytes()
    assert all(type(number) is float for number in v)


@each_function
def test_values_of_whole_numbers_and_fractions_take_these_functions_too(name: str) -> None:
    # The C library's own exp may differ in the last bit from one machine to the next.
    for number in (*range(1, 40), *(Fraction(k, 7) for k in range(1, 40))):
        with tg.reproducible():
            got = getattr(tg.Value(number), name)().data
        assert got == FUNCTIONS[name][0](float(number))


def test_the_square_root_is_correctly_rounded() -> None:
    x = np.random.default_rng(12).uniform(0, 100, 300)
    with tg.reproducible():
        roots = tg.Tensor(x).sqrt().data
    with mpmath.workprec(53):
        assert roots.tolist() == [float(mpmath.sqrt(mpmath.mpf(number))) for number in x.tolist()]


# Powers.


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 5, 7, 8, 15, 33, 64, -1, -2, -3, -7, -64])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_powers_by_whole_exponents(exponent: int, dtype: Any) -> None:
    base = np.random.default_rng(14).uniform(0.5, 1.5, 50).astype(dtype)
    base[::3] *= -1
    got = elementary.power(base, exponent)
    assert got.dtype == dtype
    for number, result in zip(base, got, strict=True):
        exact = Fraction(float(number)) ** exponent
        with mpmath.workprec(300):
            value = mpmath.mpf(exact.numerator) / exact.denominator
            assert _units_off(result, value) <= max(1, abs(exponent))
    for length in (1, 2, 7, 33):
        assert elementary.power(base[:length], exponent).tobytes() == got[:length].tobytes()


@given(st.floats(width=64, allow_nan=False))
def test_low_powers_are_the_products_they_stand_for(x: float) -> None:
    number = np.array([x])
    with np.errstate(all="ignore"):
        assert elementary.power(number, 2).tobytes() == (number * number).tobytes()
        assert elementary.power(number, 1).tobytes() == number.tobytes()
        assert elementary.power(number, -1).tobytes() == (1 / number).tobytes()
    assert elementary.power(number, 0).tolist() == [1.0]


def test_exponents_are_taken_entry_by_entry() -> None:
    base = np.array([[2.0], [3.0]])
    got = elementary.power(base, np.array([0, 1, 2, -1]))
    assert got.tolist() == [[1.0, 2.0, 4.0, 0.5], [1.0, 3.0, 9.0, 1 / 3]]
    assert elementary.power(2.0, [3.0, 4.0]).tolist() == [8.0, 16.0]


OTHER_EXPONENTS = [0.5, -1.5, 1025, -1025, 1e300, math.nan, math.inf, [1.0, 0.5]]


@pytest.mark.parametrize("exponent", OTHER_EXPONENTS)
def test_other_exponents_are_refused_with_advice(exponent: Any) -> None:
    with pytest.raises(tg.GraphError, match=r"power.*sqrt"):
        elementary.power(np.array([2.0, 3.0]), exponent)
    with tg.reproducible(), pytest.raises(tg.GraphError, match="power"):
        F.power(tg.Tensor([2.0, 3.0]), np.asarray(exponent))
    with tg.reproducible(), pytest.raises(tg.GraphError, match="power"):
        F.power(tg.Value(2.0), 0.5)
