"""Where equal columns stop being equal: ``python -m benchmarks.columns``.

A product whose right factor has equal columns has equal columns: in exact arithmetic. In
floating-point numbers a kernel adds the terms of one column in another order than those of the
next, when the width does not fit its registers, and then the last bits differ. Here every width
from 1 to 130 and every batch from 1 to 130 is tried, in NumPy, in PyTorch (where it is installed)
and in reproducible arithmetic, and so is the gradient that flows back to such a layer.

The second table shows how far each result is from the exact one, computed with fractions.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.machine import describe_machine
from tinygrad_init.autograd.exact import products

Array = NDArray[Any]
Product = Callable[[Array, Array], Array]
Factors = Callable[[int, int], tuple[Array, Array]]

SIZES = range(1, 131)
TERMS = 64


def engines() -> dict[str, Product]:
    """Ways to multiply two matrices."""
    found: dict[str, Product] = {"NumPy": np.matmul}
    if importlib.util.find_spec("torch"):
        torch = importlib.import_module("torch")
        found["PyTorch"] = lambda a, b: (torch.from_numpy(a) @ torch.from_numpy(b)).numpy()
    found["tinygrad_init, reproducible"] = products.matmul
    return found


def is_split(product: Array) -> bool:
    """Whether some column differs from the first in some bit."""
    return bool((product != product[:, :1]).any())


def splits(multiply: Product, dtype: str, factors: Factors) -> Array:
    """For every batch and width, whether equal columns come out different."""
    found = np.zeros((len(SIZES), len(SIZES)), bool)
    for batch in tqdm(SIZES, leave=False, disable=None):
        for width in SIZES:
            left, right = factors(batch, width)
            found[batch - 1, width - 1] = is_split(
                multiply(left.astype(dtype), np.ascontiguousarray(right.astype(dtype)))
            )
    return found


def forward(batch: int, width: int) -> tuple[Array, Array]:
    """A minibatch times weights with equal columns."""
    rng = np.random.default_rng(batch)
    return rng.random((batch, TERMS)), np.repeat(rng.random((TERMS, 1)), width, axis=1)


def backward(batch: int, width: int) -> tuple[Array, Array]:
    """The gradient of such weights: the minibatch, transposed, times equal columns."""
    rng = np.random.default_rng(batch)
    return rng.random((batch, TERMS)).T, np.repeat(rng.random((batch, 1)), width, axis=1)


def report_splits() -> None:
    """Print in how many of the cases equal columns come apart, and at which widths."""
    cases = len(SIZES) ** 2
    print(f"equal columns that come out different, of {cases:,} widths and batches from 1 to 130\n")
    print(f"{'':30}{'':10}{'X @ W':>10}{'X.T @ G':>10}   widths affected at batch 64, X @ W")
    for name, multiply in engines().items():
        for dtype in ("float64", "float32"):
            ahead, back = (splits(multiply, dtype, factors) for factors in (forward, backward))
            widths = [width for width in SIZES if ahead[63, width - 1]]
            shown = ", ".join(map(str, widths[:9])) + (", ..." if len(widths) > 9 else "")
            print(f"{name:30}{dtype:10}{ahead.sum():10,}{back.sum():10,}   {shown or 'none'}")
    print()


def ulps(got: Array, exact: Array) -> Array:
    """The distance from exact fractions in units of the last place."""
    far = [abs(Fraction(float(g)) - e) / Fraction(float(np.spacing(abs(g)))) for g, e in
           zip(got.ravel(), exact.ravel(), strict=True)]
    return np.array([float(distance) for distance in far])


def report_errors() -> None:
    """Print how far products are from the exact ones, with easy and with cancelling terms."""
    rng = np.random.default_rng(0)
    easy = rng.random((8, 500)), rng.random((500, 8))
    wild = (rng.normal(size=(8, 500)) * 10.0 ** rng.integers(-8, 9, (8, 500)),
            rng.normal(size=(500, 8)))  # fmt: skip
    print("largest error in units of the last place (half a unit is the best there is)\n")
    print(f"{'':30}{'positive terms':>16}{'cancelling terms':>20}")
    exacts = [
        np.array([[Fraction(v) for v in row] for row in left.tolist()], dtype=object)
        @ np.array([[Fraction(v) for v in row] for row in right.tolist()], dtype=object)
        for left, right in (easy, wild)
    ]
    for name, multiply in engines().items():
        worst = [ulps(multiply(*factors), exact).max()
                 for factors, exact in zip((easy, wild), exacts, strict=True)]
        print(f"{name:30}{worst[0]:16.3f}{worst[1]:20,.3f}")


def main() -> None:
    """Print both tables."""
    print(describe_machine(), "\n")
    report_splits()
    report_errors()


if __name__ == "__main__":
    main()
