"""A training run, digested: run as a script, it prints a line for every network.

``python same_bits.py exact`` computes in reproducible arithmetic, ``plain`` in the ordinary one. A
line is the name of the network and the SHA-256 of all its parameters before and after 200 steps of
gradient descent on small batches. The numbers are drawn, standardised, learned from and decayed
entirely inside the arithmetic.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np

import tinygrad_init as tg

EXAMPLES, FEATURES, WIDTH, CLASSES, BATCH, STEPS = 96, 20, 17, 4, 32, 200

#: dtype, activation, initial weights, loss, optimiser
NETWORKS = [
    ("float64", "tanh", "constant", "cross_entropy", "SGD"),
    ("float64", "tanh", "glorot_uniform", "cross_entropy", "Adam"),
    ("float64", "relu", "he_normal", "cross_entropy", "SGD"),
    ("float64", "sigmoid", "normal", "mse", "RMSProp"),
    ("float64", "gelu", "glorot_normal", "cross_entropy", "AdamW"),
    ("float64", "softplus", "uniform", "mse", "SGD"),
    ("float64", "silu", "he_uniform", "mse", "SGD"),
    ("float64", "elu", "glorot_uniform", "cross_entropy", "Adagrad"),
    ("float64", "sin", "glorot_uniform", "mse", "SGD"),
    ("float32", "tanh", "constant", "cross_entropy", "SGD"),
    ("float32", "tanh", "glorot_normal", "mse", "Adam"),
    ("float32", "gelu", "he_normal", "cross_entropy", "SGD"),
]

OPTIMISERS: dict[str, dict[str, float]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3},
    "Adam": {"lr": 0.01},
    "AdamW": {"lr": 0.01},
    "RMSProp": {"lr": 0.003, "momentum": 0.5},
    "Adagrad": {"lr": 0.03},
}


def main(arithmetic: str) -> None:
    """Print a line for every network."""
    with tg.reproducible() if arithmetic == "exact" else nullcontext():
        for network in NETWORKS:
            print(" ".join(network), *digests(*network))


def digests(
    dtype: str, activation: str, weights: str, loss: str, optimiser_name: str
) -> Iterator[str]:
    """The digests of the parameters before and after the training."""
    X, labels = examples(dtype)
    wanted = np.eye(CLASSES, dtype=dtype)[labels] if loss == "mse" else labels
    model = tg.nn.MLP([FEATURES, WIDTH, CLASSES], activation, weights, rng=1, dtype=dtype)
    settings = OPTIMISERS[optimiser_name]
    optimiser = getattr(tg.optim, optimiser_name)(model.parameters(), **settings)
    order = np.random.default_rng(2)
    yield digest(model)
    for _ in range(STEPS):
        batch = order.permutation(EXAMPLES)[:BATCH]
        optimiser.zero_grad()
        getattr(tg.losses, loss)(model(X[batch]), wanted[batch]).backward()
        optimiser.step()
        optimiser.lr *= 0.995
    yield digest(model)


def examples(dtype: str) -> tuple[Any, Any]:
    """Standardised random features, of which a few sums decide about the label."""
    rng = np.random.default_rng(0)
    X = tg.Tensor(rng.random((EXAMPLES, FEATURES)), dtype=dtype)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    scores = np.stack([X[:, k::CLASSES].sum(axis=1) for k in range(CLASSES)], axis=1)
    return X.data, scores.argmax(axis=1).data


def digest(model: Any) -> str:
    """SHA-256 of the bytes of all parameters, in little-endian order."""
    sha = hashlib.sha256()
    for parameter in model.parameters():
        data = parameter.data
        sha.update(data.astype(data.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()


if __name__ == "__main__":
    main(sys.argv[1])
