"""The demo of micrograd, for any engine of numbers that has its names.

Two moons of 100 points, a network 2-16-16-1 with ReLU, the hinge loss ("SVM max-margin") and L2
regularisation: about 66,000 nodes. The program is that of micrograd's notebook, less the accuracy.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

POINTS, SIZES, DECAY = 100, [16, 16, 1], 1e-4


def points() -> tuple[list[list[float]], list[int]]:
    """Coordinates, and labels -1 and 1."""
    from sklearn.datasets import make_moons

    X, y = make_moons(n_samples=POINTS, noise=0.1, random_state=1337)
    return X.tolist(), (2 * y - 1).tolist()


def demo(Value: Any, MLP: Any) -> tuple[Any, Callable[[], Any]]:
    """The network, with the same weights for every engine, and a function that gives its loss."""
    inputs, labels = points()
    model = MLP(2, SIZES)
    draw = random.Random(1337)
    for parameter in model.parameters():
        parameter.data = draw.uniform(-1, 1)

    def loss() -> Any:
        scores = [model([Value(number) for number in point]) for point in inputs]
        losses = [(1 + -label * score).relu() for label, score in zip(labels, scores, strict=True)]
        data_loss = sum(losses) * (1.0 / len(losses))
        return data_loss + DECAY * sum(p * p for p in model.parameters())

    return model, loss


def eager(Value: Any, MLP: Any) -> Callable[[], float]:
    """A training step that builds the graph anew; it gives the loss."""
    model, loss = demo(Value, MLP)
    update = descent(model)

    def step() -> float:
        total = loss()
        model.zero_grad()
        total.backward()
        update()
        return float(total.data)

    return step


def descent(model: Any) -> Callable[[], None]:
    """Gradient descent with the rate of the demo, which falls from 1 to 0.1 in 100 steps."""
    taken = 0

    def update() -> None:
        nonlocal taken
        rate = 1.0 - 0.9 * min(taken, 100) / 100
        taken += 1
        for parameter in model.parameters():
            parameter.data -= rate * parameter.grad

    return update


def bytes_per_node(Value: Any, MLP: Any, count: Callable[[Any], int]) -> float:
    """What the graph of one loss takes, after a backward pass, divided by its nodes."""
    import gc
    import tracemalloc

    _, loss = demo(Value, MLP)
    loss().backward()  # the first pass fills caches that are not the graph's
    gc.collect()
    tracemalloc.start()
    total = loss()
    total.backward()
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / count(total)
