"""Reproducible sums and products against ``fractions.Fraction``, bit for bit.

The oracle below works in rational numbers and rounds once; it shares nothing with the engine.
"""

from __future__ import annotations

import itertools
import math
import operator
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import tinygrad_init as tg
from tinygrad_init.autograd import F
from tinygrad_init.autograd.exact import digits, products, rounding, scratch

Array = NDArray[Any]
DTYPES = [np.float64, np.float32]
THREAD_SETTINGS = ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"]
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
#: Where a result overflows, NumPy warns; here that is expected.
overflows = pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")


# The oracle.


def nearest(exact: Fraction, dtype: Any) -> float:
    """The number of ``dtype`` nearest to a rational one, ties to even; zero is +0."""
    limits = np.finfo(dtype)
    size, bits = abs(exact), limits.nmant + 1
    if not size:
        return 0.0
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= size < Fraction(2) ** exponent  # 2**exponent <= size < 2**(exponent + 1)
    unit = Fraction(2) ** (max(exponent, int(limits.minexp)) - bits + 1)
    rounded = round(size / unit) * unit  # round() of a Fraction: to even, without overflow
    number = math.inf if rounded > Fraction(float(limits.max)) else float(rounded)
    return number if exact > 0 else -number


def dot(x: Iterable[Any], y: Iterable[Any], dtype: Any) -> float:
    """The exact inner product, rounded once; with nan and infinities as the real line has them."""
    x, y = [float(a) for a in x], [float(b) for b in y]
    if all(map(math.isfinite, (*x, *y))):
        return nearest(
            sum((Fraction(a) * Fraction(b) for a, b in zip(x, y, strict=True)), Fraction(0)), dtype
        )
    terms = []
    for a, b in zip(x, y, strict=True):
        if math.isfinite(a) and math.isfinite(b):
            continue
        if math.isnan(a) or math.isnan(b) or a == 0 or b == 0:
            return math.nan
        terms.append(math.copysign(1, a) * math.copysign(1, b))
    return math.nan if len(set(terms)) > 1 else terms[0] * math.inf


def product(a: Array, b: Array, dtype: Any) -> Array:
    """``a @ b`` for two matrices, entry by entry."""
    return np.array(
        [[dot(row, column, dtype) for column in b.T] for row in a], dtype
    ).reshape(a.shape[0], b.shape[1])


def same_bits(one: Any, other: Any) -> bool:
    """Equal in shape, dtype and every bit; any nan equals any other."""
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    is_nan = np.isnan(one)
    return bool(
        (is_nan == np.isnan(other)).all()
        and np.where(is_nan, 0, one).tobytes() == np.where(is_nan, 0, other).tobytes()
    )


def check_dot(x: Any, y: Any, dtype: Any = np.float64) -> None:
    x, y = np.asarray(x, dtype), np.asarray(y, dtype)
    expected = np.asarray(dot(x, y, dtype), dtype)
    got = products.matmul(x, y)
    assert same_bits(got, expected), (x, y, got, expected)


def check_sum(x: Any, dtype: Any = np.float64) -> None:
    x = np.asarray(x, dtype)
    expected = np.asarray(dot(x, np.ones(len(x)), dtype), dtype)
    got = products.sum(x)
    assert same_bits(got, expected), (x, got, expected)


@given(st.fractions(), st.integers(-1100, 1000))
def test_the_oracle_agrees_with_python(fraction: Fraction, exponent: int) -> None:
    exact = fraction * Fraction(2) ** exponent
    try:
        expected = exact.numerator / exact.denominator
    except OverflowError:
        expected = math.copysign(math.inf, exact)
    assert nearest(exact, np.float64) == expected


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(1, 7))
def test_the_oracle_rounds_to_float32_to_the_nearer_neighbour(x: float, eighths: int) -> None:
    with np.errstate(over="ignore"):
        up = float(np.nextafter(np.float32(x), np.float32(np.inf)))
    if math.isinf(up):
        return
    between = Fraction(x) + (Fraction(up) - Fraction(x)) * eighths / 8
    got = nearest(between, np.float32)
    if eighths != 4:
        assert got == (x if eighths < 4 else up)
    else:
        assert got in (x, up)
        assert np.float32(got).view(np.int32) % 2 == 0


# Numbers to try.


def floats(dtype: Any) -> st.SearchStrategy[float]:
    """Every finite number, and more often those with few bits, of a middling or extreme size."""
    limits = np.finfo(dtype)
    bits, low, high = limits.nmant + 1, int(limits.minexp) - limits.nmant, int(limits.maxexp)

    def scaled(bound: int, exponents: st.SearchStrategy[int]) -> st.SearchStrategy[float]:
        return st.builds(math.ldexp, st.integers(-bound, bound), exponents).filter(
            lambda x: abs(x) <= float(limits.max)
        )

    return st.one_of(
        st.sampled_from([0.0, -0.0, 1.0, -1.0, float(limits.max), -float(limits.max),
                         float(limits.tiny), float(limits.smallest_subnormal)]),
        scaled(3, st.integers(-bits - 2, bits + 2)),
        scaled(2 ** bits - 1, st.integers(-bits - 3, 3)),
        scaled(2 ** bits - 1, st.integers(low, high - bits)),
        scaled(2 ** bits - 1, st.integers(low // 2 - bits - 5, low // 2 - bits + 5)),
        scaled(2 ** bits - 1, st.integers(high // 2 - bits - 2, high // 2 - bits + 2)),
        st.floats(allow_nan=False, allow_infinity=False, width=64 if dtype is np.float64 else 32),
    )


def pairs(dtype: Any, most: int = 8) -> st.SearchStrategy[list[tuple[float, float]]]:
    one = floats(dtype)
    return st.lists(st.tuples(one, one), max_size=most)


# Inner products and sums.


@overflows
@each_dtype
@settings(max_examples=120)
@given(data=st.data())
def test_inner_products_are_exact_and_rounded_once(dtype: Any, data: st.DataObject) -> None:
    terms = data.draw(pairs(dtype))
    check_dot([a for a, _ in terms], [b for _, b in terms], dtype)


@overflows
@each_dtype
@settings(max_examples=120)
@given(data=st.data())
def test_sums_are_exact_and_rounded_once(dtype: Any, data: st.DataObject) -> None:
    check_sum(data.draw(st.lists(floats(dtype), max_size=12)), dtype)


@overflows
@each_dtype
@settings(max_examples=100)
@given(data=st.data())
def test_sums_that_cancel_leave_what_is_small(dtype: Any, data: st.DataObject) -> None:
    terms = data.draw(st.lists(floats(dtype), min_size=1, max_size=6))
    rest = data.draw(st.lists(floats(dtype), max_size=2))
    order = data.draw(st.permutations([*terms, *(-x for x in terms), *rest]))
    check_sum(order, dtype)


@each_dtype
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 32, 33, 64, 65, 100, 257])
def test_ordinary_data_of_any_length(dtype: Any, size: int) -> None:
    rng = np.random.default_rng(size)
    check_dot(rng.normal(size=size), rng.normal(size=size), dtype)
    check_sum(rng.normal(size=size) * 1e3, dtype)
    # Whole significands: the greatest integers that the slices must hold.
    limit = 2 ** (np.finfo(dtype).nmant + 1) - 1
    full = limit * rng.choice([-1.0, 1.0], size)
    check_dot(full, full, dtype)
    check_dot(np.abs(full), np.abs(full), dtype)


def test_a_hundred_thousand_terms() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=100_000), rng.normal(size=100_000)
    # In integers: x = m / 2**80 or so, exactly.
    ratios = [(Fraction(a) * Fraction(b)) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    common = max(ratio.denominator for ratio in ratios)  # all are powers of two
    whole = sum(ratio.numerator * (common // ratio.denominator) for ratio in ratios)
    expected = nearest(Fraction(whole, common), np.float64)
    assert products.matmul(x, y).item() == expected
    order = rng.permutation(len(x))
    assert products.matmul(x[order], y[order]).item() == expected
    assert products.sum(x).item() == math.fsum(x)
    narrow = x.astype(np.float32)
    assert products.sum(narrow) == np.float32(math.fsum(narrow))


def _full(length: int, terms: int, rng: np.random.Generator) -> list[int]:
    slices = 2 ** (length - 1) - 1 - rng.integers(0, 2, (terms, 3))
    wholes = [(a << 2 * length) + (b << length) + c for a, b, c in slices.tolist()]
    return [whole >> max(0, 3 * length - 1 - 53) for whole in wholes]


@pytest.mark.parametrize("terms", [1, 2, 3, 4, 16, 64, 65, 512, 2048])
def test_digits_lose_nothing_where_slices_are_as_full_as_they_can_be(
    terms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ones, and a zero after every so many of them: cut there, all slices are at their greatest, so
    # with slices one bit too long a digit would pass 2**53 and lose its last bit.
    rng = np.random.default_rng(terms)
    exact_sums = []
    original = rounding.round_all

    def spy(made: Array, bits: int, dtype: Any) -> Array:
        exact_sums.append(sum(map(Fraction, made.ravel().tolist()), Fraction(0)))
        return original(made, bits, dtype)

    for module in (digits, products):
        monkeypatch.setattr(module, "round_all", spy)
    monkeypatch.setattr(digits, "WORTH", math.inf)  # so that no digit is left out
    for length in range(12, 54):
        x, y = _full(length, terms, rng), _full(length, terms, rng)
        products.matmul(np.array(x, float), np.array(y, float))
        assert exact_sums.pop() == sum(map(operator.mul, x, y))
        products.sum(np.array(x, float))
        assert exact_sums.pop() == sum(x)


def test_a_million_terms() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.integers(-(2 ** 53), 2 ** 53, (2, 10 ** 6))
    whole = sum(map(operator.mul, x.tolist(), y.tolist()))
    got = products.matmul(x.astype(np.float64), y.astype(np.float64))
    assert got.item() == nearest(Fraction(whole), np.float64)
    assert products.sum(x.astype(np.float64)).item() == nearest(
        Fraction(sum(x.tolist())), np.float64
    )


@pytest.mark.parametrize("terms", [2 ** 9, 2 ** 13 + 1, 2 ** 17 + 1, 2 ** 18 + 1, 2 ** 20])
def test_many_terms_that_all_push_the_same_way(terms: int) -> None:
    # The fullest sums there are: the more terms, the shorter the slices, the longer the carries.
    for number in (1 - 2.0 ** -53, 1.0, 2.0 ** 0.5, -1 / 3):
        x = np.full(terms, number)
        assert products.matmul(x, x).item() == nearest(terms * Fraction(number) ** 2, np.float64)
        assert products.matmul(x, -x).item() == nearest(-terms * Fraction(number) ** 2, np.float64)
        assert products.sum(x).item() == nearest(terms * Fraction(number), np.float64)


@pytest.mark.parametrize(("x", "y", "expected"), [
    ([1e12, 1e-12], [0.0, 1.0], 1e-12),
    ([1e16, 1.0, -1e16], [1.0, 1.0, 1.0], 1.0),
    ([1e300, 1.0, -1e300], [1e5, 1.0, 1e5], 1.0),
    ([1e300, -1e300], [1e300, 1e300], 0.0),
    ([1e-200], [1e-100], 1e-300),
    ([1e200, 1e200, -1e200], [1e108, 1e108, 1e108], 1e200 * 1e108),
    ([1e308, 1e308, -1e308], [1.0, 1.0, 1.0], 1e308),
    ([-0.0], [1.0], 0.0),
    ([-0.0, -0.0], [1.0, 1.0], 0.0),
    ([1.0, -1.0], [3.0, 3.0], 0.0),
    ([], [], 0.0),
])
def test_examples_to_read(x: list[float], y: list[float], expected: float) -> None:
    got = products.matmul(np.array(x), np.array(y))
    assert same_bits(got, np.float64(expected))
    check_dot(x, y)


# Ties, and what lies just beside them.


def _halfway(dtype: Any) -> list[list[float]]:
    """Sums that lie on, just above and just below the middle of two neighbours."""
    bits = np.finfo(dtype).nmant + 1
    half = 2.0 ** -bits
    unit = 2 * half
    beside = [2.0 ** -k for k in (60, 70, 100, 110, 130, 140)] + (
        [2.0 ** -k for k in (300, 345, 346, 347, 348, 349, 400, 500, 1000, 1074)]
        if dtype is np.float64 else []
    )
    ties = [
        [1.0, half],  # down to even
        [1.0, unit, half],  # up to even
        [2.0, -half / 2],  # below a power of two the neighbours are closer
        [2.0, -half],
        [2.0, -unit, half],
        [2.0, -unit, half / 2],
        [1.0, half / 2, half / 4, half / 4],
        [2.0 ** bits - 1, 0.5],  # up, into the next binary order
    ]
    return [[*tie, sign * small] for tie in ties for small in [0.0, *beside] for sign in (1, -1)]


@each_dtype
@pytest.mark.parametrize("scale", [0, 40, -60])
@pytest.mark.parametrize("sign", [1, -1])
def test_ties_go_to_even_and_a_trace_beside_them_decides(
    dtype: Any, scale: int, sign: int
) -> None:
    for terms in _halfway(dtype):
        factor = sign * 2.0 ** scale
        left, right = [t for t in terms if t], [factor for t in terms if t]
        check_dot(left, right, dtype)
        check_dot(right, left, dtype)
        check_sum(left, dtype)


def test_float32_is_not_rounded_by_way_of_float64() -> None:
    # Rounded to float64 first, each of these would become a tie and then go the wrong way.
    one, half = 1.0, 2.0 ** -24
    for small in (2.0 ** -55, 2.0 ** -80, 2.0 ** -120):
        assert products.sum(np.array([one, half, small], np.float32)) == np.float32(1 + 2.0 ** -23)
        below = np.array([one, 2 * half, half, -small], np.float32)
        assert products.sum(below) == np.float32(1 + 2.0 ** -23)
    # The same where the product is subnormal in float32.
    check_dot([2.0 ** -100, 2.0 ** -100], [1.5 * 2.0 ** -49, 2.0 ** -120], np.float32)
    check_dot([2.0 ** -100, 2.0 ** -100], [2.0 ** -50, 2.0 ** -149], np.float32)
    check_dot([2.0 ** -100], [2.0 ** -50], np.float32)


# The ends of the range.


def test_results_that_round_to_subnormal_numbers() -> None:
    tiny = 5e-324
    for x, y in [
        ([2.0 ** -600], [2.0 ** -474]),  # the smallest number there is
        ([2.0 ** -600], [2.0 ** -475]),  # half of it: a tie, to zero
        ([2.0 ** -600, 2.0 ** -600], [2.0 ** -475, 2.0 ** -530]),  # above the tie
        ([2.0 ** -600, -(2.0 ** -600)], [2.0 ** -475, 2.0 ** -530]),  # below it
        ([2.0 ** -600], [3 * 2.0 ** -475]),  # a tie, up to even
        ([2.0 ** -600], [5 * 2.0 ** -475]),  # a tie, down to even
        ([tiny], [0.5]), ([tiny], [0.75]), ([tiny, tiny], [0.5, 0.5]), ([tiny, tiny], [0.5, 2.0]),
        ([tiny], [tiny]), ([-tiny], [0.5]), ([tiny, -tiny], [1.0, 1.0]),
        ([2.0 ** -1022], [1 - 2.0 ** -53]),  # just below the smallest normal number: up to it
        ([2.0 ** -1022], [1 - 2.0 ** -52]),
        ([2.0 ** -1022, tiny], [1.0, -0.5]),
        ([2.0 ** -1022, tiny], [1.0, -0.75]),
        ([2.0 ** -1021], [1 - 2.0 ** -53]),
        ([1e-160, 3e-160], [7e-161, -1e-162]),
    ]:
        check_dot(x, y)
        check_dot([-a for a in x], y)


@pytest.mark.parametrize("bits", range(1, 54))
def test_ties_between_subnormal_numbers_of_every_length(bits: int) -> None:
    # A trace beside the tie is lost if the result is rounded to 53 bits on the way.
    for whole in (2 ** (bits - 1), 2 ** (bits - 1) + 1, 2 ** bits - 2, 2 ** bits - 1):
        for trace in (0.0, 2.0 ** -530, -(2.0 ** -530), 2.0 ** -540, -(2.0 ** -540)):
            check_dot([2.0 ** -600] * 3, [math.ldexp(whole, -474), 2.0 ** -475, trace])


@settings(max_examples=120)
@given(
    st.lists(st.tuples(st.integers(-(2 ** 53), 2 ** 53), st.integers(-(2 ** 53), 2 ** 53),
                       st.integers(-40, 3)), min_size=1, max_size=5),
)
@example([(1, 1, -1)])
def test_subnormal_results_are_rounded_once(terms: list[tuple[int, int, int]]) -> None:
    # Products of magnitude 2**(-1074 +- a few dozen): everything near the end of the range.
    x = [math.ldexp(a, -600) for a, _, _ in terms]
    y = [math.ldexp(b, -580 + shift) for _, b, shift in terms]
    check_dot(x, y)
    check_dot([math.ldexp(a, -630) for a, _, _ in terms], y)


@overflows
@each_dtype
def test_it_overflows_exactly_where_the_real_value_does(dtype: Any) -> None:
    limits = np.finfo(dtype)
    most, half = float(limits.max), 2.0 ** (int(limits.maxexp) - limits.nmant - 2)
    quarter = half / 2
    for terms in [
        [most, half],  # a tie, to even: infinity
        [most, half, -quarter], [most, quarter], [most, quarter, quarter],
        [most, half, -float(limits.smallest_subnormal)], [most, half, -1.0], [most, half, 1.0],
        [most, most, -most], [most, most, -most, -most], [most] * 3 + [-most] * 2,
        [most, most], [-most, -half], [-most, -half, quarter], [most / 2, most / 2, half],
    ]:
        check_sum(terms, dtype)
        check_sum([-t for t in terms], dtype)
        check_sum(terms[::-1], dtype)
    root = 2.0 ** (int(limits.maxexp) // 2)
    for x, y in [
        ([root], [root]), ([root], [root / 2]), ([root, root], [root, -root]),
        ([root, root], [root, -root / 2]), ([root, 1.0], [root, -half]), ([most], [most]),
        ([most, most, 1.0], [most, -most, 1.0]), ([most], [0.0]), ([root, 1.0], [root, -2 * half]),
    ]:
        check_dot(x, y, dtype)
        check_dot(x, [-b for b in y], dtype)


@each_dtype
@settings(max_examples=120)
@given(data=st.data())
def test_nan_and_infinities_follow_the_real_line(dtype: Any, data: st.DataObject) -> None:
    special = st.sampled_from([0.0, -0.0, 1.0, -2.0, math.inf, -math.inf, math.nan,
                               float(np.finfo(dtype).max), 1e-30])
    size = data.draw(st.integers(1, 5))
    a = [data.draw(st.lists(special, min_size=size, max_size=size)) for _ in range(2)]
    b = [data.draw(st.lists(special, min_size=size, max_size=size)) for _ in range(2)]
    left, right = np.array(a, dtype), np.array(b, dtype).T
    with np.errstate(over="ignore"):
        got = products.matmul(left, right)
        assert same_bits(got, product(left, right, dtype))
        assert same_bits(products.sum(left, axis=1), product(left, np.ones((size, 1)), dtype)[:, 0])


def test_special_terms_reach_only_their_own_entries() -> None:
    a = np.array([[1.0, math.nan], [1.0, 2.0], [math.inf, 1.0], [1e308, 1e308]])
    b = np.array([[1.0, 0.0], [1.0, 1.0]])
    with np.errstate(over="ignore"):
        got = products.matmul(a, b)
    assert same_bits(got, [[math.nan, math.nan], [3.0, 2.0], [math.inf, math.nan],
                           [math.inf, 1e308]])


# Wide rows, where integers of any length take over.


@settings(max_examples=120)
@given(st.data())
def test_rows_that_span_hundreds_of_binary_orders(data: st.DataObject) -> None:
    numbers = st.builds(
        math.ldexp, st.integers(-(2 ** 53), 2 ** 53), st.integers(-1074, 900)
    )
    size = data.draw(st.integers(1, 6))
    x = data.draw(st.lists(numbers, min_size=size, max_size=size))
    y = data.draw(st.lists(numbers, min_size=size, max_size=size))
    with np.errstate(over="ignore"):
        check_dot(x, y)
        check_sum(x)


@pytest.mark.parametrize("orders", [*range(44, 52), *range(70, 80), *range(328, 336)])
def test_the_boundaries_between_the_ways_are_not_seen(orders: int) -> None:
    # Six terms: four slices reach over 99 bits, sixteen over 383, of which one number takes 53.
    rng = np.random.default_rng(7)
    for _ in range(20):
        x = rng.normal(size=6)
        x[0], x[1] = 1 + 2.0 ** -52, (1 + 2.0 ** -52) * 2.0 ** -orders
        y = rng.normal(size=6)
        y[0] = rng.choice([1.0, 0.0, 2.0 ** -30])
        check_dot(x, y)
        check_dot(y, x)
        check_sum(x)
        check_sum([1.0, 2.0 ** -53, x[1]])
        check_sum([1.0, 2.0 ** -53, -x[1]])


@pytest.mark.parametrize("limits", [(0,), (1, 2), (4,), (16,)])
def test_all_ways_give_the_same_bits(
    limits: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Many slices, few, or integers for everything: the choice is a matter of speed.
    monkeypatch.setattr(products, "SLICES", limits)
    rng = np.random.default_rng(1)
    for spread in (0, 10, 60, 150, 300):
        a = rng.normal(size=(3, 5)) * 2.0 ** rng.integers(-spread, spread + 1, (3, 5))
        b = rng.normal(size=(5, 2)) * 2.0 ** rng.integers(-spread, spread + 1, (5, 2))
        assert same_bits(products.matmul(a, b), product(a, b, np.float64))


@each_dtype
@pytest.mark.parametrize("limits", [(0,), (1, 2), (16,)])
def test_all_ways_break_ties_alike(
    limits: tuple[int, ...], dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "SLICES", limits)
    for terms in _halfway(dtype):
        check_sum([t for t in terms if t], dtype)
        check_sum([-t for t in terms if t], dtype)


@pytest.mark.parametrize("end", [-products.MODERATE, products.MODERATE])
def test_the_ends_of_the_moderate_range_are_not_seen(end: int) -> None:
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=(4, 6)), rng.normal(size=(6, 3))
    a[1], a[2, 1:] = 0.0, 0.0
    expected = product(a, b, np.float64)
    for order in range(end - 3, end + 4):
        scale = 2.0 ** order
        assert same_bits(products.matmul(a * scale, b), expected * scale)
        assert same_bits(products.matmul(a, b * scale), expected * scale)
        assert same_bits(products.matmul(a * scale, b / scale), expected)
        check_sum(a[0] * scale)


@each_dtype
@pytest.mark.parametrize("count", range(2, 8))
def test_digits_that_cancel_are_rounded_once(
    count: int, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sums on a tie or one finest unit beside it, hidden in digits that are large at random.
    added = []

    def spy(terms: list[float]) -> float:
        added.append(terms)
        return math.fsum(terms)

    monkeypatch.setattr(rounding, "math", SimpleNamespace(fsum=spy))
    rng, bits, columns, expected = np.random.default_rng(count), 20, [], []
    width = np.finfo(dtype).nmant + 2
    for beside, shift in itertools.product([-1, 0, 1], range(0, 20 * (count - 1) - 1, 3)):
        tie = int(rng.choice([-1, 1])) * (2 ** (width - 1) + 2 * int(rng.integers(1000)) + 1)
        whole, column = (tie << shift) + beside, []
        expected.append(nearest(Fraction(whole, 2 ** (bits * (count - 1))), dtype))
        for place in range(count - 1, 0, -1):
            here = whole % 2 ** bits + int(rng.integers(-(2 ** 32), 2 ** 32)) * 2 ** bits
            whole = (whole - here) >> bits
            column.append(math.ldexp(here, -bits * place))
        columns.append([*column, float(whole)])
    made = np.array(columns).T.copy()
    assert same_bits(
        rounding.round_all(made, bits, np.dtype(dtype)).astype(dtype), np.array(expected, dtype)
    )
    assert bool(added) == (count > 3)


@each_dtype
@pytest.mark.parametrize("axis", [0, 1, 2, (0, 1), (0, 2), (1, 2), (0, 1, 2), ()])
def test_sums_of_large_arrays_are_made_part_by_part(axis: Any, dtype: Any) -> None:
    rng = np.random.default_rng(7)
    x = (rng.normal(size=(70, 31, 40)) * 2.0 ** rng.integers(-9, 9, (70, 1, 1))).astype(dtype)
    x[:30], x[50:] = np.round(x[:30]), np.round(x[50:])  # parts that take fewer slices
    assert x.size > 2 * products.PART
    axes = axis if isinstance(axis, tuple) else (axis,)
    kept = [k for k in range(3) if k not in axes]
    cells = np.transpose(x, (*kept, *axes)).reshape(*(x.shape[k] for k in kept), -1)
    exact = [sum(map(Fraction, cell), Fraction(0)) for cell in _every_few(cells).tolist()]
    expected = np.array([nearest(whole, dtype) for whole in exact], dtype)
    assert same_bits(_every_few(products.sum(x, axis)[..., np.newaxis])[:, 0], expected)


def _every_few(cells: Array) -> Array:
    flat = cells.reshape(-1, cells.shape[-1])
    return flat[:: max(1, len(flat) // 25)]


# Digits that are left out at first.


def _factors(kind: str, rng: np.random.Generator) -> tuple[Array, Array]:
    a, b = rng.normal(size=(2, 6, 9)), rng.normal(size=(2, 9, 5))
    if kind == "cancelling":  # to a last bit or two, or to nothing
        a[..., 4:8] = -a[..., :4]
        b[..., 4:8, :] = b[..., :4, :] * (1 + 2.0 ** -rng.integers(20, 60, (4, 5)))
        b[..., 4:8, 0] = b[..., :4, 0]
        a[..., 8] = 0.0
    elif kind == "spread":
        a, b = a * 2.0 ** -rng.integers(0, 40, a.shape), b * 2.0 ** -rng.integers(0, 40, b.shape)
    elif kind == "zeros":
        a[:, ::2], b[:, :, 1] = 0.0, 0.0
    elif kind == "ties":  # sums that lie in the middle between two numbers, or a little beside it
        a[...], b[...] = 0.0, 1.0
        a[..., 0], a[..., 1] = 1.0, np.array([[2.0 ** -24], [2.0 ** -53]])
        a[0, :, 2] = rng.integers(-1, 2, 6) * 2.0 ** -54
        a[1, :, 2] = rng.integers(-1, 2, 6) * 2.0 ** -100
    return a, b


@each_dtype
@pytest.mark.parametrize("kind", ["ordinary", "cancelling", "spread", "zeros", "ties"])
@pytest.mark.parametrize("kept", [1, 2, 3])
@pytest.mark.parametrize("few", [0, 10 ** 9])
def test_left_out_digits_change_no_bit(
    few: int, kept: int, kind: str, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # few: whether open entries are looked at one by one, or all digits are made after all.
    rng = np.random.default_rng(kept)
    a, b = (x.astype(dtype) for x in _factors(kind, rng))
    expected = np.stack([product(*factors, dtype) for factors in zip(a, b, strict=True)])
    bounded = []
    original = rounding.round_sums

    def spy(made: Array, *others: Any) -> Array | None:
        bounded.append(len(made))
        return original(made, *others)

    monkeypatch.setattr(digits, "round_sums", spy)
    monkeypatch.setattr(digits.Digits, "_enough", lambda self, _: min(kept, self.count))
    monkeypatch.setattr(rounding, "FEW", few)
    assert same_bits(products.matmul(a, b), expected)
    assert same_bits(products.matmul(a[0], b), np.stack([product(a[0], y, dtype) for y in b]))
    if kept < 3:
        assert set(bounded) == {kept}


@pytest.mark.parametrize("kept", [1, 2, 3, 4])
def test_left_out_digits_are_within_their_bound(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, terms = np.random.default_rng(kept), 16
    bounds: list[float] = []

    def spy(made: Array, bits: int, dtype: Any, left_out: rounding.LeftOut) -> None:
        there = sum(map(Fraction, made.ravel().tolist()), Fraction(0))
        bounds.append(float((exact - there) / Fraction(left_out.bound.item())))

    monkeypatch.setattr(digits, "round_sums", spy)
    monkeypatch.setattr(digits.Digits, "_enough", lambda self, _: min(kept, self.count))
    for length in range(12, 28):
        x, y = _full(length, terms, rng), _full(length, terms, rng)
        exact = Fraction(sum(map(operator.mul, x, y)))
        products.matmul(np.array(x, float), np.array(y, float))
    assert max(map(abs, bounds)) < 1
    assert kept > 2 or max(map(abs, bounds)) > 0.2  # there are such products, or nearly


@each_dtype
def test_large_products_leave_digits_out(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    spread = 2.0 ** -rng.integers(0, 30, (2, 160, 160))
    a, b = (rng.normal(size=(2, 160, 160)) * spread).astype(dtype)
    made: list[int] = []
    make = digits.Digits._make

    def spy(self: digits.Digits, numbers: range) -> None:
        made.extend(numbers)
        make(self, numbers)

    monkeypatch.setattr(digits.Digits, "_make", spy)
    shortened = products.matmul(a, b)
    few = len(made)
    monkeypatch.setattr(digits, "WORTH", math.inf)
    assert same_bits(shortened, products.matmul(a, b))
    assert few < len(made) - few


def test_scratch_memory_is_each_threads_own_and_is_used_again() -> None:
    with scratch.Scratch() as outer:
        a = outer.empty(3)
        with scratch.Scratch() as inner:
            assert not np.shares_memory(a, inner.empty(3))
        assert outer.empty(scratch.KEPT).shape == (scratch.KEPT,)  # more than there is left
    with scratch.Scratch() as again:
        assert np.shares_memory(a, again.empty(3))


def test_a_zero_is_positive_whatever_zeros_a_kernel_makes() -> None:
    for count, dtype in itertools.product((1, 2, 5), DTYPES):
        got = rounding.round_all(np.full((count, 3), -0.0), 20, np.dtype(dtype))
        assert same_bits(got, np.zeros(3))


# Any layout.


def _unaligned(x: Array) -> Array:
    memory = np.zeros(x.nbytes + 1, np.uint8)
    view = memory[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def _read_only(x: Array) -> Array:
    copy = x.copy()
    copy.flags.writeable = False
    return copy


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "as it is": lambda x: x,
    "Fortran order": np.asfortranarray,
    "every other entry of a larger one": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "backwards in memory": lambda x: x[..., ::-1].copy()[..., ::-1],
    "a row repeated by broadcasting": lambda x: np.broadcast_to(x[..., :1, :], x.shape),
    "unaligned": _unaligned,
    "other byte order": lambda x: x.astype(x.dtype.newbyteorder()),
    "read only": _read_only,
}


@each_dtype
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_in_memory_changes_no_bit(layout: str, dtype: Any) -> None:
    rng = np.random.default_rng(3)
    a = LAYOUTS[layout](rng.normal(size=(4, 7)).astype(dtype))
    b = LAYOUTS[layout](rng.normal(size=(7, 3)).astype(dtype))
    before = a.copy(), b.copy()
    got = products.matmul(a, b)
    assert same_bits(got.astype(dtype), product(np.array(a, dtype), np.array(b, dtype), dtype))
    assert (a == before[0]).all()
    assert (b == before[1]).all()
    ones = np.ones((7, 1))
    expected = product(np.array(a, dtype), ones, dtype)[:, 0]
    assert same_bits(products.sum(a, axis=1).astype(dtype), expected)


@each_dtype
@pytest.mark.parametrize(("left", "right"), [
    ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((4, 2, 3), (3,)), ((3,), (4, 3, 2)),
    ((4, 2, 3), (3, 2)), ((2, 3), (4, 3, 2)), ((4, 2, 3), (4, 3, 2)), ((4, 1, 2, 3), (5, 3, 1)),
    ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 3), (3, 0)), ((0,), (0,)), ((0, 2, 3), (3, 1)),
    ((2, 0), (0,)), ((1, 1), (1, 1)), ((1,), (1, 4)),
])
def test_stacks_and_vectors_have_the_shapes_of_numpy(
    left: tuple[int, ...], right: tuple[int, ...], dtype: Any
) -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=left).astype(dtype), rng.normal(size=right).astype(dtype)
    got, shape = products.matmul(a, b), np.matmul(a, b).shape
    assert got.shape == shape
    assert got.dtype == dtype
    rows = a.reshape(1, -1) if a.ndim == 1 else a
    columns = b.reshape(-1, 1) if b.ndim == 1 else b
    batch = np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2])
    rows = np.broadcast_to(rows, (*batch, *rows.shape[-2:]))
    columns = np.broadcast_to(columns, (*batch, *columns.shape[-2:]))
    expected = np.zeros((*batch, rows.shape[-2], columns.shape[-1]), dtype)
    for place in np.ndindex(batch):
        expected[place] = product(rows[place], columns[place], dtype)
    assert same_bits(got, expected.reshape(shape))


def test_mixed_dtypes_give_the_wider_one() -> None:
    a, b = np.array([[0.1, 0.7]], np.float32), np.array([[0.3], [1e-20]])
    assert same_bits(products.matmul(a, b), product(a, b, np.float64))
    assert products.matmul(a, [[1], [2]]).dtype == np.matmul(a, [[1], [2]]).dtype
    assert products.matmul(np.arange(6).reshape(2, 3), np.arange(3)).tolist() == [5, 14]
    assert products.sum([[True, True], [False, True]]).item() == 3


@each_dtype
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, -3, (0, 1), (-1, 0), (2, 1, 0), ()])
def test_sums_over_any_axes(axis: Any, keepdims: bool, dtype: Any) -> None:
    x = np.random.default_rng(2).normal(size=(2, 3, 4)).astype(dtype)
    got = products.sum(x, axis=axis, keepdims=keepdims)
    rough = np.sum(x, axis=axis, keepdims=keepdims)
    assert got.shape == rough.shape
    assert got.dtype == dtype
    axes = range(3) if axis is None else np.atleast_1d(np.array(axis, int)) % 3
    kept = [i for i in range(3) if i not in axes]
    expected = np.zeros([x.shape[i] for i in kept], dtype)
    for place in np.ndindex(*expected.shape):
        index: list[Any] = [slice(None)] * 3
        for i, k in zip(kept, place, strict=True):
            index[i] = k
        terms = x[tuple(index)].ravel()
        expected[place] = dot(terms, np.ones(len(terms)), dtype)
    assert same_bits(got, expected.reshape(rough.shape))


def test_empty_sums_are_zero() -> None:
    for dtype in DTYPES:
        assert same_bits(products.sum(np.zeros((0, 3), dtype), axis=0), np.zeros(3, dtype))
        assert same_bits(products.sum(np.zeros((0, 3), dtype)), np.zeros((), dtype))
        assert products.sum(np.zeros((0, 3), dtype), axis=1).shape == (0,)


# Order, equal columns, batches: what the theorem stands on.


@overflows
@each_dtype
@settings(max_examples=120)
@given(data=st.data())
def test_the_order_of_terms_changes_no_bit(dtype: Any, data: st.DataObject) -> None:
    terms = data.draw(pairs(dtype))
    order = data.draw(st.permutations(range(len(terms))))
    x, y = np.array([a for a, _ in terms], dtype), np.array([b for _, b in terms], dtype)
    shuffled = list(order)
    with np.errstate(all="ignore"):
        assert same_bits(products.matmul(x, y), products.matmul(x[shuffled], y[shuffled]))
        assert same_bits(products.sum(x), products.sum(x[shuffled]))


@settings(max_examples=60)
@given(data=st.data())
def test_rows_and_columns_follow_their_permutation(data: st.DataObject) -> None:
    n, k, m = (data.draw(st.integers(1, 4)) for _ in range(3))
    numbers = floats(np.float64)
    a = np.reshape(data.draw(st.lists(numbers, min_size=n * k, max_size=n * k)), (n, k))
    b = np.reshape(data.draw(st.lists(numbers, min_size=k * m, max_size=k * m)), (k, m))
    rows, columns = data.draw(st.permutations(range(n))), data.draw(st.permutations(range(m)))
    with np.errstate(all="ignore"):
        whole, shuffled = products.matmul(a, b), products.matmul(a[rows], b[:, columns])
    assert same_bits(shuffled, whole[rows][:, columns])


def _unequal(product: Array) -> bool:
    """Whether the columns differ in any bit."""
    bits = product.view(np.int64 if product.dtype == np.float64 else np.int32)
    return bool((bits != bits[..., :1]).any())


@each_dtype
def test_equal_columns_give_equal_columns_for_every_width_and_batch(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x, column = rng.normal(size=(130, 7)).astype(dtype), rng.normal(size=(7, 1)).astype(dtype)
    expected = product(x, column, dtype)
    wide = np.tile(column, 130)
    apart = 0
    for batch, width in itertools.product(range(1, 131), repeat=2):
        got = products.matmul(x[:batch], wide[:, :width])
        assert (got == expected[:batch]).all(), (batch, width)
        apart += _unequal(x[:batch] @ np.ascontiguousarray(wide[:, :width]))
    # A matter of the machine, so it is not asserted: `pytest -rP` shows it.
    print(f"{apart} of 16900 shapes whose columns come apart in ordinary arithmetic")


@each_dtype
@pytest.mark.parametrize("batch", [2, 17])
def test_equal_neurons_receive_equal_gradients_in_every_width(batch: int, dtype: Any) -> None:
    rng = np.random.default_rng(batch)
    x = rng.normal(size=(batch, 11)).astype(dtype)
    column, row = (rng.normal(size=size).astype(dtype) for size in ((11, 1), (1, 5)))
    for width in range(1, 71, 3):
        w = tg.Tensor(np.tile(column, width), requires_grad=True)
        v = tg.Tensor(np.tile(row, (width, 1)), requires_grad=True)
        with tg.reproducible():
            (np.tanh(x @ w) @ v).log_softmax().sum().backward()
        assert not _unequal(w.grad)
        assert not _unequal(v.grad.T.copy())


@each_dtype
def test_splitting_a_batch_changes_no_row(dtype: Any) -> None:
    rng = np.random.default_rng(9)
    x, w = rng.normal(size=(20, 33)).astype(dtype), rng.normal(size=(33, 13)).astype(dtype)
    x[3] *= 1e-30
    x[4, ::2] *= 1e-12
    whole = products.matmul(x, w)
    for k in (1, 3, 7, 19):
        parts = [products.matmul(x[:k], w), products.matmul(x[k:], w)]
        assert same_bits(np.concatenate(parts), whole)
    for row, expected in zip(x, whole, strict=True):
        assert same_bits(products.matmul(row, w), expected)
    members = np.stack([w, w[:, ::-1], -w])
    stacked = products.matmul(x, members)
    for member, expected in zip(members, stacked, strict=True):
        assert same_bits(products.matmul(x, member), expected)


def test_a_wide_row_changes_no_other_row() -> None:
    rng = np.random.default_rng(11)
    x, w = rng.normal(size=(5, 6)), rng.normal(size=(6, 4))
    x[2, 0] = 1e-290
    whole = products.matmul(x, w)
    for row, expected in zip(x, whole, strict=True):
        assert same_bits(products.matmul(row, w), expected)


PRODUCT_OF_ANY_THREADS = """
import hashlib, numpy as np
from tinygrad_init.autograd.exact import products
rng = np.random.default_rng(19)
a, b = rng.normal(size=(301, 517)), rng.normal(size=(517, 203))
print(hashlib.sha256(products.matmul(a, b).tobytes()).hexdigest())
"""


def test_one_thread_or_two() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", PRODUCT_OF_ANY_THREADS],
            env={**os.environ, **dict.fromkeys(THREAD_SETTINGS, threads)},
            capture_output=True, text=True, check=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(digests) == 1


# Sums of what meets in one entry.


@each_dtype
@settings(max_examples=100)
@given(data=st.data())
def test_scatter_adds_exactly_what_meets_in_one_entry(dtype: Any, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 4))
    index = data.draw(st.lists(st.integers(-size, size - 1), max_size=8))
    g = np.array([data.draw(floats(dtype)) for _ in index], dtype)
    with np.errstate(over="ignore"):
        got = products.scatter(g, np.array(index, int), (size,))
    expected = np.array(
        [dot([x for i, x in zip(index, g, strict=True) if i % size == place],
             [1.0 for i in index if i % size == place], dtype) for place in range(size)], dtype
    )
    assert same_bits(got, expected)


INDICES: list[Any] = [
    np.array([0, 0, 1, 0]),
    np.array([[0, 1], [1, 1]]),
    (np.array([0, 2, 0]), np.array([1, 1, 1])),
    (slice(None), np.array([1, 1, 0, 1])),
    (np.array([[0], [0]]), np.array([1, 1])),
    (..., 0),
    np.array([True, False, True]),
    slice(None, None, 2),
    1,
    None,
    np.array([], int),
]


@pytest.mark.parametrize("number", range(len(INDICES)))
def test_scatter_is_the_transpose_of_indexing(number: int) -> None:
    index = INDICES[number]
    rng = np.random.default_rng(13)
    like = np.zeros((3, 2))[index]
    g = rng.normal(size=like.shape) * 10.0 ** rng.integers(-10, 10, like.shape)
    places = np.arange(6).reshape(3, 2)[index]
    expected = [
        dot(g[places == place], np.ones(int((places == place).sum())), np.float64)
        for place in range(6)
    ]
    assert same_bits(products.scatter(g, index, (3, 2)), np.reshape(expected, (3, 2)))


def test_a_zero_that_is_scattered_does_not_depend_on_its_neighbours() -> None:
    alone = products.scatter(np.array([-0.0]), np.array([0]), (2,))
    beside_a_pair = products.scatter(np.array([-0.0, 1.0, 1.0]), np.array([0, 1, 1]), (2,))
    assert same_bits(alone[0], beside_a_pair[0])
    assert same_bits(alone[0], 0.0)


def test_the_gradient_of_repeated_indices_is_exact() -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    weights = np.array([1e16, 1.0, -1e16, 1.0])
    with tg.reproducible():
        (x[[0, 0, 0, 1]] * weights).sum().backward()
    np.testing.assert_array_equal(x.grad, [1.0, 1.0])


# Through the public surface.


def test_the_mode_rounds_once_and_the_ordinary_arithmetic_does_not() -> None:
    terms = tg.Tensor([1e16, 1.0, -1e16])
    with tg.reproducible():
        assert terms.sum().item() == 1.0
        assert (terms @ [1.0, 1.0, 1.0]).item() == 1.0
        assert terms.mean().item() == 1 / 3
        np.testing.assert_array_equal((terms.reshape(1, 3) @ np.ones((3, 2))).data, [[1.0, 1.0]])
    assert terms.sum().item() == 0.0


def test_what_broadcasting_repeated_is_summed_exactly() -> None:
    bias = tg.Tensor([0.0], requires_grad=True)
    with tg.reproducible():
        ((bias + np.zeros((3, 1))) * [[1e16], [1.0], [-1e16]]).sum().backward()
    assert bias.grad.tolist() == [1.0]


@pytest.mark.parametrize(("a", "b"), [
    ((2, 3), (2, 3)), ((3,), (2,)), ((), (3,)), ((2, 2, 3), (3, 3, 2)),
])
def test_operands_that_do_not_fit_raise_the_error_of_numpy(a: Any, b: Any) -> None:
    with pytest.raises(ValueError, match=r"matmul|mismatch|broadcast"):
        products.matmul(np.ones(a), np.ones(b))
    with tg.reproducible(), pytest.raises(tg.ShapeError, match="matmul"):
        F.matmul(np.ones(a), np.ones(b))


def test_every_pair_of_neighbouring_orders_of_magnitude() -> None:
    # A grid over the exponents of two terms: no window of digits is lost between slices.
    for i, j in itertools.product(range(0, 120, 3), range(0, 120, 7)):
        x = [1 + 2.0 ** -52, -(1 + 2.0 ** -51) * 2.0 ** -i, 2.0 ** -j]
        check_sum(x)
        check_dot(x, [1 - 2.0 ** -53, 1 + 2.0 ** -52, -1.0])


def test_the_dot_product_is_symmetric() -> None:
    rng = np.random.default_rng(17)
    for size in (1, 2, 5, 40):
        x, y = rng.normal(size=size), rng.normal(size=size) * 10.0 ** rng.integers(-9, 9, size)
        assert operator.eq(products.matmul(x, y).tobytes(), products.matmul(y, x).tobytes())


# What is composed of exact products is one of them, too.


def _exact_einsum(subscripts: str, a: Array, b: Array) -> Array:
    fractions = [np.vectorize(Fraction, otypes=[object])(x) for x in (a, b)]
    whole = np.asarray(np.einsum(subscripts, *fractions, optimize=False))
    return np.vectorize(float, otypes=[float])(whole)


@pytest.mark.parametrize("subscripts", ["ij,j->", "i,j->", "ij,jk->k", "ij,jk->", "ij,k->i",
                                        "ij,jk->ik", "i,j->ij", "ij,ij->i"])  # fmt: skip
def test_an_einsum_of_two_operands_is_rounded_once(subscripts: str) -> None:
    rng = np.random.default_rng(0)
    lengths = {"i": 2, "j": 3, "k": 4}
    for _ in range(20):
        terms = subscripts.partition("->")[0].split(",")
        shapes = [[lengths[letter] for letter in term] for term in terms]
        a, b = (rng.normal(size=s) * 2.0 ** rng.integers(-60, 60, s) for s in shapes)
        with tg.reproducible():
            got = np.asarray(F.einsum(subscripts, a, b))
        assert got.tobytes() == _exact_einsum(subscripts, a, b).tobytes()


def test_an_einsum_sees_what_cancels() -> None:
    with tg.reproducible():
        got = F.einsum("ij,j->", np.array([[1.0, -1.0], [2.0**-53, 0.0]]), np.ones(2))
    assert float(got) == 2.0**-53


@pytest.mark.parametrize(
    "product", [F.outer, lambda a, b: F.einsum("i,j->ij", a, b)]
)
def test_an_exact_zero_of_an_outer_product_is_positive(product: Any) -> None:
    with tg.reproducible():
        got = product(np.array([0.0, -2.0]), np.array([-1.0, 0.0]))
    assert not np.signbit(got[got == 0]).any()


def test_what_is_not_finite_reaches_the_sums_behind_it_alone() -> None:
    with tg.reproducible():
        np.testing.assert_array_equal(F.cumsum([1.0, 2.0, np.nan, 4.0]), [1, 3, np.nan, np.nan])
        np.testing.assert_array_equal(F.cumsum([1.0, np.inf, 3.0]), [1, np.inf, np.inf])
        np.testing.assert_array_equal(F.cumsum([np.inf, 1.0, -np.inf]), [np.inf, np.inf, np.nan])


def test_a_number_held_at_zero_is_the_one_zero() -> None:
    with tg.reproducible():
        for bound in (0.0, np.zeros(1)):
            assert not np.signbit(F.clip(np.array([-0.0]), bound, 1.0)).any()


@pytest.mark.parametrize(
    ("scale", "span", "more"), [(0, 500, 540), (290, 210, 250), (290, 205, 248)]
)
def test_ties_far_apart_are_decided_by_what_lies_far_below(
    scale: int, span: int, more: int
) -> None:
    def at(number: float, exponent: int) -> float:
        return float(np.ldexp(number, -scale - exponent))

    a = [at(1.0, 0), at(1.0, 0), at(1 + 2.0**-30, span), at(1.0, more)]
    b = [at(1.0, 0), at(-1.0, 0), at(1 + 2.0**-23, span), at(1.0, more)]
    check_dot(a, b)
