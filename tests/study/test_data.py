"""Data sets: nothing leaks from the held-out part, and every example comes once per epoch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from sklearn import datasets

import tinygrad_init as tg
from tinygrad_init.nn.minibatches import passes

SHAPES = {
    "digits": (1797, 64, 10),
    "iris": (150, 4, 3),
    "wine": (178, 13, 3),
    "breast_cancer": (569, 30, 2),
}
each_name = pytest.mark.parametrize("name", SHAPES)


def test_every_known_name_is_tested_here() -> None:
    assert set(tg.data.NAMES) == set(SHAPES)


@each_name
def test_the_parts_have_the_sizes_that_were_asked_for(name: str) -> None:
    count, features, classes = SHAPES[name]
    data = tg.data.load(name)
    assert data.name == name
    assert data.X_train.shape == (count - int(count / 5), features)
    assert data.X_test.shape == (int(count / 5), features)
    assert (data.features, data.classes) == (features, classes)
    assert {data.X_train.dtype, data.X_test.dtype} == {np.dtype(np.float64)}
    assert data.y_train.dtype.kind == data.y_test.dtype.kind == "i"
    assert set(data.y_train) == set(range(classes))
    assert str(len(data.X_train)) in str(data)
    assert str(len(data.X_test)) in str(data)


@each_name
def test_the_training_part_is_standardised_and_only_it(name: str) -> None:
    data = tg.data.load(name)
    varies = data.X_train.std(axis=0) > 0
    np.testing.assert_allclose(data.X_train.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(data.X_train[:, varies].std(axis=0), 1, rtol=1e-13)
    assert not np.allclose(data.X_test[:, varies].mean(axis=0), 0, atol=1e-3)
    assert not np.allclose(data.X_test[:, varies].std(axis=0), 1, atol=1e-3)


def test_a_feature_that_is_constant_in_training_is_only_shifted() -> None:
    data = tg.data.load("digits")  # some pixels of the margin are always dark
    still = data.X_train.std(axis=0) == 0
    assert still.any()
    assert (data.X_train[:, still] == 0).all()
    assert np.isfinite(data.X_test).all()


@each_name
@pytest.mark.parametrize("seed", [0, 1])
def test_the_parts_together_are_the_data_set_each_example_once(name: str, seed: int) -> None:
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    data = tg.data.load(name, seed)
    # Undo the scaling by means that scikit-learn, not this package, can check: rank the features.
    joined = np.vstack([data.X_train, data.X_test])
    labels = np.concatenate([data.y_train, data.y_test])
    order = np.lexsort([*np.round(joined, 6).T, labels])
    std = X.std(axis=0) > 0
    scale = np.ptp(joined, axis=0)[std] / np.ptp(X, axis=0)[std]
    shift = joined[:, std].min(axis=0) - X[:, std].min(axis=0) * scale
    rebuilt = X[:, std] * scale + shift
    expected = np.lexsort([*np.round(rebuilt, 6).T, y])
    assert np.array_equal(labels[order], y[expected])
    np.testing.assert_allclose(joined[order][:, std], rebuilt[expected], atol=1e-9)


def test_nothing_of_the_held_out_part_reaches_the_training_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = tg.data.load("iris", seed=3)
    X, y = datasets.load_iris(return_X_y=True)
    held_out = np.random.default_rng(3).permutation(150)[120:]
    # The held-out rows are those that the seed's permutation puts last; make them absurd.
    X[held_out] = 1e6
    monkeypatch.setattr(datasets, "load_iris", lambda return_X_y: (X, y))
    after = tg.data.load("iris", seed=3)
    assert np.array_equal(before.X_train, after.X_train)
    assert np.array_equal(before.y_train, after.y_train)
    assert (after.X_test > 1e5).all()


def test_the_seed_decides_the_split() -> None:
    first, again, other = (tg.data.load("wine", seed) for seed in (0, 0, 1))
    assert np.array_equal(first.X_train, again.X_train)
    assert np.array_equal(first.y_test, again.y_test)
    assert not np.array_equal(first.y_test, other.y_test)


def test_the_held_out_share_can_be_chosen() -> None:
    data = tg.data.load("iris", held_out=0.5)
    assert (len(data.X_train), len(data.X_test)) == (75, 75)


@pytest.mark.parametrize("name", ["mnist", "", "Digits"])
def test_an_unknown_data_set_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(tg.DataError, match=f"{name!r}.*digits, iris, wine, breast_cancer"):
        tg.data.load(name)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(tg.DataError, match=str(share)):
        tg.data.load("iris", held_out=share)


def test_a_share_that_holds_out_nobody_is_refused() -> None:
    with pytest.raises(tg.DataError, match=r"0\.001"):
        tg.data.load("iris", held_out=0.001)  # 0.15 of an example


def test_a_missing_library_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tinygrad_init.study.extras.find_spec",
        lambda name: None if name in {"sklearn", "tqdm"} else find_spec(name),
    )
    with pytest.raises(tg.DataError, match=r'sklearn.*pip install "tinygrad-init\[study\]"'):
        tg.data.load("iris")
    with pytest.raises(tg.DataError, match=r"sklearn, tqdm"):
        tg.study.require()
    tg.study.require("scipy")


# Minibatches.


@pytest.mark.parametrize(("count", "size"), [(10, 3), (10, 5), (10, 10), (10, 99), (1, 1), (7, 1)])
def test_every_example_comes_once_with_its_label(count: int, size: int) -> None:
    X, y = np.arange(2.0 * count).reshape(count, 2), np.arange(count)
    seen = list(tg.data.batches(X, y, size, rng=0))
    sizes = [len(labels) for _, labels in seen]
    assert sizes[:-1] == [size] * (len(sizes) - 1)
    assert 1 <= sizes[-1] <= size
    assert sorted(np.concatenate([labels for _, labels in seen])) == list(range(count))
    for examples, labels in seen:
        assert np.array_equal(examples, X[labels])


def _order(rng: Any) -> list[int]:
    return [int(i) for _, y in tg.data.batches(np.zeros((20, 1)), np.arange(20), 6, rng) for i in y]


def test_a_seed_repeats_the_order_and_a_generator_moves_on() -> None:
    assert _order(1) == _order(1)
    assert _order(1) != _order(2)
    assert _order(1) != list(range(20)), "shuffled"
    rng = np.random.default_rng(1)
    assert _order(rng) == _order(1)
    assert _order(rng) != _order(1)


def test_the_data_are_left_as_they_were() -> None:
    X, y = np.arange(6.0).reshape(3, 2), np.arange(3)
    for examples, labels in tg.data.batches(X, y, 2, rng=0):
        examples += 100
        labels += 100
    assert np.array_equal(X, np.arange(6.0).reshape(3, 2))
    assert np.array_equal(y, np.arange(3))


@pytest.mark.parametrize("size", [0, -5])
def test_an_empty_minibatch_is_refused(size: int) -> None:
    with pytest.raises(tg.DataError, match=str(size)):
        next(tg.data.batches(np.zeros((4, 1)), np.zeros(4), size))


def test_examples_and_labels_go_in_pairs() -> None:
    with pytest.raises(tg.ShapeError, match="4 examples and 3 labels"):
        next(tg.data.batches(np.zeros((4, 1)), np.zeros(3), 2))


def test_no_examples_are_no_minibatches() -> None:
    with pytest.raises(tg.DataError, match="no examples"):
        next(tg.data.batches(np.zeros((0, 1)), np.zeros(0), 2))


def test_passes_go_on_for_ever_each_in_another_order() -> None:
    X, y = np.arange(12.0)[:, np.newaxis], np.arange(12)
    endless = passes(X, y, 5, rng=3)
    seen = [[int(i) for _ in range(3) for i in next(endless)[1]] for _ in range(4)]
    assert all(sorted(one) == list(range(12)) for one in seen)
    assert len({tuple(one) for one in seen}) == 4
    generator = np.random.default_rng(3)
    by_hand = [[int(i) for _, labels in tg.data.batches(X, y, 5, generator) for i in labels]
               for _ in range(4)]  # fmt: skip
    assert seen == by_hand
