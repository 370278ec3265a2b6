"""Rounding tells copies apart in NumPy and PyTorch at some widths, in exact sums at none.

Which widths, and whether any, depends on the processor and its kernels, so that is printed and not
asserted. What is asserted: the comparison would see a difference of one unit in the last place, in
each engine; PyTorch is given the same training as we are; and exact sums split nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks import splits
from tinygrad_init.study.runs import one_blas_thread

WIDTHS = range(6, 41)


@pytest.mark.parametrize("dtype", splits.DTYPES)
def test_exact_sums_split_nothing(dtype: str) -> None:
    assert splits.splits(splits.exactly, dtype, [1, 2, 7, 17, 33, 40]) == {}


def _sees_one_bit(engine: splits.Engine, dtype: str) -> None:
    batches, unit = splits.minibatches(dtype), np.spacing(np.array(0.05, dtype))
    for width in (6, 17, 40):
        for position, place in ((0, (3, 4)), (1, (4,)), (2, (4, 7))):  # W1, b1 and W2
            start = splits.equal_weights(width, dtype)
            start[position][place] += unit
            assert splits.first_split(engine, start, batches) == 0, (width, position)


@pytest.mark.parametrize("dtype", splits.DTYPES)
@pytest.mark.parametrize("engine", [splits.in_numpy, splits.exactly])
def test_a_single_bit_of_one_neuron_is_seen(engine: splits.Engine, dtype: str) -> None:
    _sees_one_bit(engine, dtype)


def test_incoming_weights_bias_and_outgoing_weights_count() -> None:
    def twice_nothing(start: splits.Weights, _: splits.Minibatches) -> Iterator[splits.Weights]:
        yield splits.equal_weights(7, "float64")
        yield start

    for position, place in ((0, (3, 4)), (1, (4,)), (2, (4, 7))):
        start = splits.equal_weights(7, "float64")
        assert splits.first_split(twice_nothing, start, []) is None
        start[position][place] += 1e-17
        assert splits.first_split(twice_nothing, start, []) == 1
    start = splits.equal_weights(7, "float64")
    start[3][2] = 1  # an output's bias is no neuron's
    assert splits.first_split(twice_nothing, start, []) is None


def test_neighbouring_widths_are_printed_as_ranges() -> None:
    assert splits.ranges([]) == ""
    assert splits.ranges([3]) == "3"
    assert splits.ranges([1, 3, 4, 5, 9, 10]) == "1, 3-5, 9-10"


@pytest.mark.torch
@pytest.mark.parametrize("dtype", splits.DTYPES)
def test_a_single_bit_is_seen_in_pytorch(dtype: str) -> None:
    _sees_one_bit(splits.in_pytorch, dtype)


@pytest.mark.torch
@pytest.mark.parametrize(("dtype", "far"), [("float64", 1e-14), ("float32", 1e-5)])
def test_pytorch_is_trained_in_the_same_way(dtype: str, far: float) -> None:
    rng = np.random.default_rng(0)
    start = [w + rng.normal(0, 0.1, w.shape).astype(dtype) for w in splits.equal_weights(17, dtype)]
    batches = splits.minibatches(dtype)
    for engine in (splits.in_numpy, splits.exactly):
        pairs = zip(engine(start, batches), splits.in_pytorch(start, batches), strict=True)
        for ours, theirs in pairs:
            for mine, other in zip(ours, theirs, strict=True):
                assert mine.dtype == other.dtype == dtype
                np.testing.assert_allclose(mine, other, rtol=0, atol=far)
    moved = max(abs(w - s).max() for w, s in zip(ours, start, strict=True))
    assert moved > 0.01


@pytest.mark.torch
def test_the_widths_at_which_pytorch_splits_and_exact_sums_do_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with one_blas_thread():
        lines = list(splits.table(WIDTHS))
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    assert [line for line in lines if line.startswith("PyTorch")] != []
    exact = [line.split() for line in lines if line.startswith("tinygrad_init, reproducible")]
    assert [(row[2], row[3:]) for row in exact] == [(d, ["0"] * 6) for d in splits.DTYPES]
