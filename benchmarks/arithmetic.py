"""What reproducible arithmetic costs: ``python -m benchmarks --section arithmetic``.

Every line compares the same computation in both arithmetics. A ratio of 10 means: ten times the
ordinary time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinygrad_init as tg
from benchmarks import pairs
from benchmarks.options import Options
from benchmarks.results import Measurement, compared
from tinygrad_init.autograd.exact import elementary, products

Array = NDArray[Any]
Line = tuple[str, Callable[[], Any], Callable[[], Any]]

DTYPES = [np.float64, np.float32]


def measure(options: Options) -> Iterator[Measurement]:
    """Each line of :func:`lines`, in rounds."""
    clock = pairs.CLOCKS[options.clock]
    for name, ordinary, exact in lines():
        both = {"reproducible": exact, "ordinary": ordinary}
        sides = {side: pairs.timed(function, clock) for side, function in both.items()}
        times = pairs.take_turns(sides, options.rounds)
        yield compared("arithmetic", name, "reproducible", "ordinary", times, options)


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
