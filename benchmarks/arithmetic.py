"""What reproducible arithmetic costs: ``python -m benchmarks.arithmetic``.

Every line compares the same computation in both arithmetics, in pairs that take turns, so that a
busy moment of the machine strikes both. A ratio of 10 means: ten times the ordinary time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinygrad_init as tg
from benchmarks.machine import describe_machine
from tinygrad_init.autograd.exact import elementary, products

Array = NDArray[Any]
Line = tuple[str, Callable[[], Any], Callable[[], Any]]

DTYPES = [np.float64, np.float32]
SECONDS = 1.0  #: for each line, more or less
FEWEST, MOST = 9, 400  #: pairs for each line


def main() -> None:
    """Print a table of ratios."""
    print(describe_machine(), "\n")
    print(f"{'':36}{'ordinary':>13}{'ratio':>9}   quartiles")
    for name, ordinary, exact in lines():
        seconds, (low, middle, high) = compare(ordinary, exact)
        print(f"{name:36}{seconds * 1e6:10.1f} us{middle:9.2f}   [{low:.2f}, {high:.2f}]")


def compare(
    ordinary: Callable[[], Any], exact: Callable[[], Any]
) -> tuple[float, tuple[float, float, float]]:
    """The median time of the one, and the quartiles of the ratios of the other to it."""
    start = time.perf_counter()
    ordinary(), exact()  # the first calls fill caches and are not counted
    ordinary(), exact()
    pairs = int(np.clip(SECONDS / ((time.perf_counter() - start) / 2), FEWEST, MOST))
    times = np.array([[seconds(ordinary), seconds(exact)] for _ in range(pairs)])
    low, middle, high = np.percentile(times[:, 1] / times[:, 0], [25, 50, 75])
    return float(np.median(times[:, 0])), (float(low), float(middle), float(high))


def seconds(function: Callable[[], Any]) -> float:
    """The time that one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def lines() -> Iterator[Line]:
    """Names, and what to compare."""
    rng = np.random.default_rng(0)
    for dtype in DTYPES:
        for size in (64, 128, 256, 512, 1024):
            a, b = rng.uniform(-1, 1, (2, size, size)).astype(dtype)
            name = f"matmul {size}, {dtype.__name__}"
            yield name, partial(np.matmul, a, b), partial(products.matmul, a, b)
    for size in (64, 128, 256, 512):
        a, b = rng.uniform(0.5, 1, (2, size, size)) * 2.0 ** -rng.integers(0, 20, (2, size, size))
        name = f"matmul {size}, rows that span 2**20"
        yield name, partial(np.matmul, a, b), partial(products.matmul, a, b)
    for dtype in DTYPES:
        for size in (64, 1024):
            a = rng.uniform(-1, 1, (size, size)).astype(dtype)
            name = f"sum {size} x {size}, axis 0, {dtype.__name__}"
            yield name, partial(np.sum, a, axis=0), partial(products.sum, a, axis=0)
    x = rng.uniform(0.1, 3, (64, 64))
    for name in ("exp", "expm1", "log", "log1p", "tanh"):
        ufunc, exact = getattr(np, name), getattr(elementary, name)
        yield f"{name} 64 x 64", partial(ufunc, x), partial(exact, x)
    for data, images in (
        ("uniform data", rng.uniform(0, 1, (64, 64))),
        ("multiples of 1/16", rng.integers(0, 17, (64, 64)) / 16),
    ):
        step = training_step(images, rng.integers(0, 10, 64))
        yield f"training step, {data}", step, partial(reproducibly, step)


def training_step(images: Array, labels: Array) -> Callable[[], None]:
    """One step of a perceptron 64-33-10 with tanh on a batch of 64."""
    model = tg.nn.MLP([64, 33, 10])
    optimiser = tg.nn.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

    def step() -> None:
        optimiser.zero_grad()
        tg.nn.losses.cross_entropy(model(tg.Tensor(images)), labels).backward()
        optimiser.step()

    return step


def reproducibly(function: Callable[[], Any]) -> None:
    """The function under ``tg.reproducible()``."""
    with tg.reproducible():
        function()


if __name__ == "__main__":
    main()
