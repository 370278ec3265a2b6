"""How long it takes to find all ties: ``python -m benchmarks.refinement``.

Networks n-n-n with n inputs, n hidden neurons and n outputs, and n-n-n-n where a Latin square of
random numbers ties two hidden layers. Then the share that recording the effective widths after
every epoch has in the time of training.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import tinygrad_init as tg
from benchmarks.machine import describe_machine

Array = NDArray[Any]
Layers = list[tuple[Array, Array]]

WIDTHS = (256, 512, 1024, 2048, 4096)
REPEATS = 3


def networks(n: int) -> Iterator[tuple[str, Layers]]:
    """Weights with all ties that there can be, with none, and with some that are hard to see."""
    rng, zero = np.random.default_rng(0), np.zeros(n)
    number = np.add.outer(np.arange(n), np.arange(n)) % n
    constant = np.full((n, n), 0.1)
    random, another = rng.normal(size=(2, n, n))
    copies = rng.normal(size=(n, n // 4)).repeat(4, axis=1)
    yield "constant", [(constant, zero), (constant, zero)]
    yield "random", [(random, zero), (another, zero)]
    yield "copies in fours", [(copies, zero), (copies.T.copy(), zero)]
    yield "Latin square", [(constant, zero), (rng.normal(size=n)[number], zero), (constant, zero)]


def seconds(function: Callable[[], Any]) -> float:
    """The shortest of a few calls."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def report_sizes() -> None:
    """Print the time for every kind and width, and how it grows with the number of weights."""
    print(f"{'seconds':18}" + "".join(f"{n:>10,}" for n in WIDTHS) + "   rounds   per weight, ns")
    rows: dict[str, list[tuple[float, int, int]]] = {}
    for n in WIDTHS:
        for name, layers in networks(n):
            found = tg.symmetry.analyze(layers)
            edges = sum(weight.size for weight, _ in layers)
            took = seconds(partial(tg.symmetry.analyze, layers))
            rows.setdefault(name, []).append((took, found.rounds, edges))
    for name, row in rows.items():
        shares = [f"{took / edges * 1e9:.0f}" for took, _, edges in row]
        times = "".join(f"{took:>10.4f}" for took, *_ in row)
        print(f"{name:18}{times}   {row[-1][1]:>6}   {shares[0]} to {shares[-1]}")


def report_recording() -> None:
    """Print what effective widths cost beside an epoch of training."""
    digits = tg.data.load("digits")
    print("\n64-33-10 on digits, milliseconds")
    for name in ("constant", "glorot_uniform"):
        model = tg.nn.MLP([64, 33, 10], weight_init=name, rng=0)
        optimiser = tg.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

        def epoch(model: tg.nn.MLP = model, optimiser: Any = optimiser) -> None:
            for X, y in tg.data.batches(digits.X_train, digits.y_train, 64, rng=0):
                optimiser.zero_grad()
                tg.losses.cross_entropy(model(X), y).backward()
                optimiser.step()

        trained = seconds(epoch) * 1e3
        looked = seconds(partial(tg.symmetry.analyze, model)) * 1e3
        print(f"{name:18}an epoch {trained:.2f}, effective widths {looked:.2f} "
              f"({looked / trained:.1%})")  # fmt: skip


def main() -> None:
    """Print both tables."""
    print(describe_machine(), "\n")
    with threadpool_limits(limits=1, user_api="blas"):
        report_sizes()
        report_recording()


if __name__ == "__main__":
    main()
