"""Graphs of networks, for the tests of drawings and pages."""

from __future__ import annotations

import numpy as np

import tinygrad_init as tg
from tinygrad_init import Value
from tinygrad_init.graph import Graph, trace


def network() -> Graph:
    """A layer of matrices in a module, and another one, and a loss."""
    rng = np.random.default_rng(0)
    model = tg.nn.MLP([3, 4, 2], activation="tanh", rng=0)
    return trace(tg.losses.mse(model(rng.normal(size=(5, 3))), rng.normal(size=(5, 2))), model)


def folded() -> Graph:
    """A network of single numbers, for a few examples: modules, and many alike as one."""
    model = tg.nn.scalar.MLP(3, [4, 1])
    inputs = np.random.default_rng(0).normal(size=(5, 3)).tolist()
    losses = [(model([Value(x) for x in row]) - 1) ** 2 for row in inputs]
    return trace(sum(losses[1:], start=losses[0]), model).fold(0)
