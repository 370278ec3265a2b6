"""Training steps of this project, written as a user writes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinygrad_init as tg
from benchmarks import moons
from benchmarks.handwritten import CASES, LR
from tinygrad_init.nn import scalar

Step = Callable[[], Any]  #: trains on, and gives the loss


def _network(name: str) -> tuple[tg.nn.MLP, tg.optim.SGD, NDArray[Any], NDArray[Any]]:
    """The model, its optimiser and the minibatch of a case."""
    case = CASES[name]
    model = tg.nn.MLP(case.sizes, case.activation, dtype=np.float32, members=case.members)
    for parameter, start in zip(model.parameters(), case.parameters(), strict=True):
        parameter.data = start
    return model, tg.optim.SGD(model.parameters(), lr=LR), *case.minibatch()


def eager(name: str) -> Step:
    """Build the graph, go backwards, update: each step anew."""
    model, optimiser, x, target = _network(name)
    loss_of = tg.losses.get(CASES[name].loss)

    def step() -> Any:
        loss = loss_of(model(x), target)
        optimiser.zero_grad()
        (loss if model.members is None else loss.sum()).backward()
        optimiser.step()
        return loss.data

    return step


def captured(name: str) -> Step:
    """Forward and backward are recorded once and replayed; then update."""
    model, optimiser, x, target = _network(name)
    loss_of = tg.losses.get(CASES[name].loss)
    gradients = tg.capture(lambda x, target: loss_of(model(x), target), model.parameters())

    def step() -> Any:
        loss = gradients(x, target)
        optimiser.step()
        return loss

    return step


# The demo of micrograd.


def value_eager(_name: str) -> Step:
    """Numbers, eager."""
    return moons.eager(tg.Value, scalar.MLP)


def value_captured(_name: str) -> Step:
    """Numbers, recorded once and replayed."""
    model, loss = moons.demo(tg.Value, scalar.MLP)
    gradients, update = tg.capture(loss, model.parameters()), moons.descent(model)

    def step() -> Any:
        total = gradients()
        update()
        return total

    return step


def value_bytes() -> float:
    """Bytes for each node of the demo's graph."""
    from tinygrad_init.autograd.tape import youngest_first  # no public name, so not always there

    return moons.bytes_per_node(
        tg.Value, scalar.MLP, lambda root: len(youngest_first(root, everything=True))
    )
