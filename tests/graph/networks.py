"""A small network with data, for the tests that explain one."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_init as tg


def network(init: Any = "glorot_uniform", **settings: Any) -> tuple[Any, Any, Any]:
    data = np.random.default_rng(1)
    model = tg.nn.MLP([4, 6, 3], weight_init=init, rng=0, **settings)
    return model, data.normal(size=(8, 4)), data.integers(0, 3, 8)


def loss_of(model: Any, inputs: Any, labels: Any) -> Any:
    return tg.losses.cross_entropy(model(inputs), labels)
