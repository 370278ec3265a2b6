"""Threads do not see each other's modes or numbers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np

import tinygrad_init as tg


def _train(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(40, 8)), rng.integers(0, 3, 40)
    model = tg.nn.MLP([8, 9, 3], rng=seed)
    optimiser = tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def steps(count: int) -> None:
        for _ in range(count):
            loss = tg.losses.cross_entropy(model(X), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            with tg.no_grad():
                model(X)

    with (nullcontext(), tg.reproducible(), tg.detect_anomaly())[seed % 3]:
        steps(20)
        if seed % 2:
            with tg.reproducible():
                steps(5)
        steps(20)
    return b"".join(parameter.data.tobytes() for parameter in model.parameters())


def test_sixteen_threads_give_the_bits_that_each_gives_alone() -> None:
    alone = [_train(seed) for seed in range(16)]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(_train, range(16))) == alone
