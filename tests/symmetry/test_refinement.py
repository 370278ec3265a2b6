"""Tolerance, dtypes, quotients in training: against a plain refinement of Python's numbers."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Hashable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import tinygrad_init as tg
from tests.symmetry.coloured import STRUCTURES, Configuration, at_random, configuration, network

Array = NDArray[Any]
Layers = list[tuple[Array, Array]]
Numbers = Sequence[Sequence[Hashable]]

repeatable = settings(derandomize=True, deadline=None, max_examples=80)


# A refinement that shares nothing with the one under test: linked entries, multisets as Counters.


def _linked(entries: Sequence[Any], tol: Fraction) -> list[int]:
    """For every entry the smallest index that a chain of steps of at most ``tol`` leads to."""
    root = list(range(len(entries)))
    for i, j in itertools.combinations(range(len(entries)), 2):
        if abs(entries[i] - entries[j]) <= tol and root[i] != root[j]:
            low, high = sorted((root[i], root[j]))
            root = [low if one == high else one for one in root]
    return root


def _plain_refinement(layers: Layers, tol: float = 0.0) -> list[set[frozenset[int]]]:
    """The classes, after at most as many rounds as there are neurons."""
    exact, weights = Fraction(tol), [np.vectorize(Fraction, otypes=[object])(w) for w, _ in layers]
    biases = [[Fraction(float(b)) for b in bias] for _, bias in layers]
    widths = [len(weights[0]), *(w.shape[1] for w in weights)]
    colours: list[list[Any]] = [
        list(range(width)) if k in (0, len(layers)) else [0] * width
        for k, width in enumerate(widths)
    ]
    for _ in range(sum(widths)):
        refined = [list(layer) for layer in colours]
        for k in range(1, len(layers)):
            seen = [
                _of_neurons(weights[k - 1].T, colours[k - 1], exact),
                _of_neurons(weights[k], colours[k + 1], exact),
                _linked(biases[k - 1], exact),
            ]
            keys = list(zip(colours[k], *seen, strict=True))
            refined[k] = [keys.index(key) for key in keys]
        if [len(set(layer)) for layer in refined] == [len(set(layer)) for layer in colours]:
            break
        colours = refined
    return [
        {frozenset(i for i, c in enumerate(layer) if c == colour) for colour in set(layer)}
        for layer in colours[1:-1]
    ]


def _of_neurons(rows: Array, colours: Sequence[Any], tol: Fraction) -> list[Hashable]:
    """For each neuron its multisets of linked entries, one for each colour at the other end."""
    found: list[list[Hashable]] = [[] for _ in rows]
    for colour in sorted(set(colours)):
        columns = [j for j, c in enumerate(colours) if c == colour]
        entries = [rows[i, j] for i in range(len(rows)) for j in columns]
        links = iter(_linked(entries, tol))
        for of_one in found:
            of_one.append(frozenset(Counter(next(links) for _ in columns).items()))
    return [tuple(of_one) for of_one in found]


def _sets(found: tg.symmetry.Symmetry) -> list[set[frozenset[int]]]:
    return [{frozenset(group) for group in layer} for layer in found.classes]


def _pairs(model: tg.nn.MLP) -> Layers:
    return [(layer.weight.data.copy(), layer.bias.data.copy()) for layer in model.layers]


@st.composite
def _coloured(draw: st.DrawFn) -> Configuration:
    seed = draw(st.integers(0, 10**6))
    return configuration(
        at_random(np.random.default_rng(seed)), depths=(1, 2, 3), widths=range(1, 9)
    )


@repeatable
@given(_coloured(), st.integers(0, 3), st.integers(0, 10**6))
def test_classes_are_those_of_the_plain_refinement(
    drawn: Configuration, nudges: int, seed: int
) -> None:
    layers, rng = _pairs(network(drawn)[0]), np.random.default_rng(seed)
    for _ in range(nudges):
        array = layers[rng.integers(len(layers))][rng.integers(2)].reshape(-1)
        place = rng.integers(array.size)
        array[place] = np.nextafter(array[place], array.dtype.type(np.inf))
    assert _sets(tg.symmetry.analyze(layers)) == _plain_refinement(layers)


@repeatable
@given(_coloured(), st.sampled_from([1e-9, 1e-3, 0.02, 0.1]), st.integers(0, 10**6))
def test_with_a_tolerance_too(drawn: Configuration, tol: float, seed: int) -> None:
    layers, rng = _pairs(network(drawn)[0]), np.random.default_rng(seed)
    for weight, bias in layers:
        weight += rng.uniform(-1e-9, 1e-9, weight.shape).astype(weight.dtype)
        bias += rng.uniform(-1e-9, 1e-9, bias.shape).astype(bias.dtype)
    assert _sets(tg.symmetry.analyze(layers, tol=tol)) == _plain_refinement(layers, tol)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_tolerance_finds_the_ties_below_the_noise(structure: str) -> None:
    drawn = Configuration((4, 12, 12, 3), structure, seed=3)
    clean = _pairs(network(drawn)[0])
    rng = np.random.default_rng(0)
    noisy = [(w + rng.uniform(-1e-10, 1e-10, w.shape), b) for w, b in clean]
    expected = tg.symmetry.analyze(clean).classes
    assert tg.symmetry.analyze(noisy, tol=1e-8).classes == expected
    assert tg.symmetry.analyze(noisy).effective_widths == [12, 12]


@repeatable
@given(_coloured(), st.integers(0, 10**6))
def test_a_larger_tolerance_never_splits(drawn: Configuration, seed: int) -> None:
    layers, rng = _pairs(network(drawn)[0]), np.random.default_rng(seed)
    layers = [(w + rng.normal(scale=1e-4, size=w.shape), b) for w, b in layers]
    widths = [
        tg.symmetry.analyze(layers, tol=tol).effective_widths
        for tol in (0.0, 1e-6, 1e-4, 1e-3, 1e-1, 10.0)
    ]
    for finer, coarser in itertools.pairwise(widths):
        assert all(a >= b for a, b in zip(finer, coarser, strict=True))
    if not any(bias.any() for _, bias in layers):
        assert widths[-1] == [1] * len(widths[-1])


def test_a_chain_links_what_is_farther_apart_and_the_report_says_how_far() -> None:
    layers = [([[0.0, 0.9, 1.8, 5.0]], [0.0] * 4), ([[1.0]] * 4, [0.0])]
    found = tg.symmetry.analyze(layers, tol=1.0)
    assert found.classes == [((0, 1, 2), (3,))]
    assert found.widest == pytest.approx(1.8)
    assert "within 1 of each other" in str(found)
    assert "differ by 1.8" in str(found)
    assert tg.symmetry.analyze(layers, tol=0.5).widest == 0
    assert "within" not in str(tg.symmetry.analyze(layers))


def test_a_chain_may_lead_through_neurons_of_other_classes() -> None:
    layers = [([[0.0, 0.9, 1.8]], [0.0] * 3), ([[1.0], [5.0], [1.0]], [0.0])]
    found = tg.symmetry.analyze(layers, tol=1.0)
    assert found.classes == [((0, 2), (1,))]
    assert found.widest == pytest.approx(1.8)
    assert found.holds_for(layers)


@repeatable
@given(_coloured(), st.sampled_from([1e-3, 0.02, 0.1, 0.4]), st.integers(0, 10**6))
def test_classes_with_a_tolerance_hold_for_their_network(
    drawn: Configuration, tol: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    layers = [(w + rng.normal(scale=tol / 3, size=w.shape), b) for w, b in
              _pairs(network(drawn)[0])]  # fmt: skip
    assert tg.symmetry.analyze(layers, tol=tol).holds_for(layers)


def test_a_tolerance_takes_entries_that_are_exactly_that_far_apart() -> None:
    layers = [([[1.0, 1.5]], [0.0, 0.0]), ([[1.0], [1.0]], [0.0])]
    assert tg.symmetry.analyze(layers, tol=0.5).effective_widths == [1]


def test_the_quotient_keeps_the_dtype() -> None:
    model = tg.nn.MLP([3, 5, 2], weight_init="constant", dtype=np.float32)
    small = tg.symmetry.analyze(model).quotient()
    assert {parameter.dtype for parameter in small.parameters()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ([np.ones((2, 2)), np.ones(2)], "a list of ndarray"),
        ([(np.ones((2, 2)), None)], "zeros"),
        ([([[1.0, 2.0], [3.0]], [0.0, 0.0])], "several lengths"),
    ],
)
def test_what_was_meant_is_said(model: Any, message: str) -> None:
    with pytest.raises(tg.DataError, match=message):
        tg.symmetry.analyze(model)


def test_entries_to_different_classes_are_not_compared() -> None:
    # From input 0 the weights are 0 and 1, from input 1 they are 0.5 and 0.5 + 1e-9. Were all four
    # taken together, a tolerance of 0.6 would link 0 to 1 by way of 0.5.
    layers = [([[0.0, 1.0], [0.5, 0.5 + 1e-9]], [0.0, 0.0]), ([[1.0], [1.0]], [0.0])]
    assert tg.symmetry.analyze(layers, tol=0.6).effective_widths == [2]


@pytest.mark.parametrize("tol", [-1e-9, math.nan, math.inf, None, "a"])
def test_what_is_no_tolerance_is_refused(tol: Any) -> None:
    with pytest.raises(tg.DataError, match="tol="):
        tg.symmetry.analyze(tg.nn.MLP([2, 3, 1]), tol=tol)


def test_a_tolerance_takes_infinities_and_nan_as_they_are() -> None:
    inf, nan = math.inf, math.nan
    layers = [([[inf, inf, nan, nan, -inf, 1.0]], [0.0] * 6), ([[1.0]] * 6, [0.0])]
    for tol in (0.0, 1e-3):
        found = tg.symmetry.analyze(layers, tol=tol)
        assert found.classes == [((0, 1), (2, 3), (4,), (5,))]


# Numbers of any kind are compared as they are.


@pytest.mark.parametrize(
    ("dtype", "first", "second"),
    [
        (np.int64, 2**53, 2**53 + 1),
        (np.uint64, 2**64 - 1, 2**64 - 2),
        (np.int8, 3, 4),
        (np.bool_, True, False),
        (np.float16, 1.0, np.nextafter(np.float16(1), np.float16(2))),
        (np.float32, 1.0, np.nextafter(np.float32(1), np.float32(2))),
        (np.float64, 1.0, np.nextafter(1.0, 2.0)),
        (np.longdouble, 1.0, np.nextafter(np.longdouble(1), np.longdouble(2))),
        (np.dtype(">f8"), 1.0, np.nextafter(1.0, 2.0)),
    ],
)
def test_neighbouring_numbers_of_any_dtype_are_told_apart(
    dtype: Any, first: Any, second: Any
) -> None:
    incoming = np.array([[first, first, second]], dtype)
    assert incoming[0, 0] != incoming[0, 2]
    found = tg.symmetry.analyze([(incoming, np.zeros(3)), (np.ones((3, 1)), np.zeros(1))])
    assert found.classes == [((0, 1), (2,))]


def test_all_kinds_of_nan_are_one() -> None:
    nans = np.array([0x7FF8000000000000, 0xFFF8000000000000, 0x7FF8000000000001], np.uint64)
    layers = [(nans.view(np.float64).reshape(1, 3), np.zeros(3)), (np.ones((3, 1)), np.zeros(1))]
    assert tg.symmetry.analyze(layers).effective_widths == [1]


def test_layers_may_have_dtypes_of_their_own() -> None:
    half = np.full((2, 3), 0.5, np.float32)
    layers = [(half, np.zeros(3)), (np.full((3, 2), 7), np.zeros(2, np.float16))]
    assert tg.symmetry.analyze(layers).effective_widths == [1]


# Large networks.


def test_a_wide_network_is_refined_in_as_many_rounds_as_a_narrow_one() -> None:
    width = 1024
    rng = np.random.default_rng(0)
    square = rng.normal(size=width)[np.add.outer(np.arange(width), np.arange(width)) % width]
    zero = np.zeros(width)
    latin = [(np.full((width, width), 0.1), zero), (square, zero), (np.full((width, 8), 0.1),
             np.zeros(8))]  # fmt: skip
    assert tg.symmetry.analyze(latin).effective_widths == [1, 1]
    assert tg.symmetry.analyze(latin).rounds == 1
    square[3, 5] = np.nextafter(square[3, 5], np.inf)
    found = tg.symmetry.analyze(latin)
    # A circulant of different numbers: once one row is known by its number, all are.
    assert found.effective_widths == [width, width]
    assert found.rounds == 3
    random = [(rng.normal(size=(width, width)), zero), (rng.normal(size=(width, width)), zero)]
    assert tg.symmetry.analyze(random).rounds == 2


def test_a_split_runs_through_a_deep_network_layer_by_layer() -> None:
    depth, width = 60, 4
    square = 1 + (np.eye(width) == 1)
    layers = [(np.ones((2, width)), np.zeros(width)), *((square.copy(), np.zeros(width)) for _ in
              range(depth)), (np.ones((width, 1)), np.zeros(1))]  # fmt: skip
    layers[0][1][0] = 7
    found = tg.symmetry.analyze(layers)
    assert found.classes == [((0,), (1, 2, 3))] * (depth + 1)
    assert found.rounds == depth + 2


# Classes of one state, asked of another.


def test_classes_hold_for_coarser_states_and_not_for_finer_ones() -> None:
    model = tg.nn.MLP([3, 6, 2], weight_init="constant")
    coarse = tg.symmetry.analyze(model)
    model.layers[0].bias.data = [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    fine = tg.symmetry.analyze(model)
    assert fine.holds_for(model)
    assert not coarse.holds_for(model)
    assert fine.holds_for(tg.nn.MLP([3, 6, 2], weight_init="constant"))


@repeatable
@given(_coloured())
def test_classes_hold_for_the_network_that_they_are_of(drawn: Configuration) -> None:
    model = network(drawn)[0]
    assert tg.symmetry.analyze(model).holds_for(_pairs(model))


def test_classes_of_another_shape_are_refused() -> None:
    found = tg.symmetry.analyze(tg.nn.MLP([3, 6, 2]))
    with pytest.raises(tg.ShapeError, match=r"\[3, 6, 2\].*\[3, 5, 2\]"):
        found.holds_for(tg.nn.MLP([3, 5, 2]))


def test_an_ensemble_is_analyzed_member_by_member() -> None:
    ensemble = tg.nn.MLP([3, 5, 2], weight_init="constant", members=3, rng=0)
    ensemble.layers[0].bias.data = np.arange(15.0).reshape(3, 5) * [[0], [0], [1]]
    with pytest.raises(tg.DataError, match=r"ensemble of 3.*model\.member\(0\)"):
        tg.symmetry.analyze(ensemble)
    widths = [tg.symmetry.analyze(ensemble.member(e)).effective_widths for e in range(3)]
    assert widths == [[1], [1], [5]]


# The quotient in training.


def _train(model: tg.nn.MLP, lr: float, factors: Sequence[Any], X: Array, y: Array) -> None:
    """Gradient descent at the rate ``lr`` times a factor for each entry."""
    for _ in range(60):
        model.zero_grad()
        tg.losses.cross_entropy(model(X), y).backward()
        for parameter, factor in zip(model.parameters(), factors, strict=True):
            parameter.data = parameter.data - lr * factor * parameter.grad


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("activation", ["tanh", "leaky_relu", "gelu"])
def test_the_trained_quotient_is_the_quotient_of_the_trained(
    structure: str, activation: str
) -> None:
    drawn = Configuration((5, 14, 14, 9, 3), structure, activation, seed=11)
    wide = network(drawn)[0]
    found = tg.symmetry.analyze(wide)
    assert not found.is_trivial
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(30, 5)), rng.integers(0, 3, 30)
    factors = [one for pair in found.rate_factors() for one in pair]
    narrow, unscaled = found.quotient(), found.quotient()
    before = narrow.layers[1].weight.data.copy()
    with tg.reproducible():
        _train(wide, 0.2, [1.0] * 8, X, y)
        _train(narrow, 0.2, factors, X, y)
        _train(unscaled, 0.2, [1.0] * 8, X, y)
    assert found.holds_for(wide)
    # The same classes, of the trained network: its own analysis may have merged some.
    again = tg.symmetry.analyze(wide)
    if again.classes == found.classes:
        for mine, expected in zip(
            narrow.parameters(), again.quotient().parameters(), strict=True
        ):
            np.testing.assert_allclose(mine.data, expected.data, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(narrow(X).data, wide(X).data, rtol=1e-9, atol=1e-10)
    # Both by a hundred thousand times what is allowed above.
    assert np.abs(narrow.layers[1].weight.data - before).max() > 1e-4, "nothing was learned"
    assert np.abs(unscaled(X).data - wide(X).data).max() > 1e-4, "the factors made no difference"
