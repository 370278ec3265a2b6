"""How fast copies part, predicted and measured: ``python -m benchmarks.escape``.

Handwritten digits, constant weights, gradient descent on all examples. At the plateau of each
network the growth per step that the Hessian predicts is compared with the growth that is seen after
perturbations of several sizes, in reproducible arithmetic; and with none, in the ordinary one,
where the rounding of a BLAS kernel may take its place. Then the steps until 90% of the training
examples are classified correctly, against log(1 / size).
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import tinygrad_init as tg
from benchmarks.machine import describe_machine

Array = NDArray[Any]

SIZES = (1e-14, 1e-12, 1e-10, 1e-8, 1e-6)
NETWORKS = [(16, "tanh", 0.2), (33, "tanh", 0.2), (16, "relu", 0.1), (33, "relu", 0.1)]
FEW = 400  #: examples; products of so few go through kernels that may tell columns apart
PATIENCE = 4000  #: steps


def main() -> None:
    """Print a table for every network."""
    print(describe_machine())
    digits = tg.data.load("digits")
    with threadpool_limits(limits=1, user_api="blas"):
        for width, activation, lr in NETWORKS:
            print(f"\n64-{width}-10, {activation}, gradient descent at rate {lr}")
            compare(digits, width, activation, lr)


def compare(digits: Any, width: int, activation: str, lr: float) -> None:
    """All rows of one network."""
    model = tg.nn.MLP([64, width, 10], activation, "constant")
    X, y = digits.X_train, digits.y_train
    found = tg.symmetry.escape(model, X, y, lr=lr, eps=SIZES[0])
    print(f"plateau: loss {found.loss:.4f}; most negative transverse eigenvalue "
          f"{found.eigenvalue:.4f}; predicted growth per step {found.predicted:.5f}")  # fmt: skip
    print(f"{'difference':>12} {'measured':>10} {'off by':>8} {'slope':>9} {'off by':>8} "
          f"{'eigenvalue then':>16} "
          f"{'0.1 apart after':>16} {'90% after':>10}")  # fmt: skip
    waits = []
    for eps in SIZES:
        one = found if eps == SIZES[0] else found.again(eps)
        waits.append(steps_to_90(found.plateau, X, y, lr, eps))
        print(_row(f"{eps:g}", one, waits[-1]))
    print(_row("0, BLAS", found.again(0, reproducible=False), None))
    few = tg.symmetry.escape(
        model, X[:FEW], y[:FEW], lr=lr, eps=0, reproducible=False
    )
    print(f"{_row('0, BLAS', few, None)}   ({FEW} examples: predicted {few.predicted:.5f})")
    logs = np.log(1 / np.array(SIZES))
    slope, start = np.polyfit(logs, waits, 1)
    left = np.array(waits) - (slope * logs + start)
    share = 1 - left.var() / np.var(waits)
    print(f"steps to 90% = {start:.0f} + {slope:.2f} log(1 / difference), R^2 {share:.5f}; "
          f"the theory says {1 / found.predicted:.2f} for the slope")  # fmt: skip


def _row(size: str, found: tg.symmetry.Escape, to_90: int | None) -> str:
    if found.measured is None:
        return f"{size:>12} copies are still {found.curve[-1]:g} apart after " \
               f"{len(found.curve) - 1} steps"
    grown = f"{found.measured:>10.5f} {found.measured / found.predicted - 1:>+8.2%}"
    slope = f"{'-':>9} {'':>8}"
    if found.slope is not None:
        slope = f"{found.slope:>9.5f} {found.slope / found.predicted - 1:>+8.2%}"
    return (f"{size:>12} {grown} {slope} {found.eigenvalue_after:>16.4f} "
            f"{found.wait or '-':>16} {to_90 or '':>10}")  # fmt: skip


def steps_to_90(plateau: tg.nn.MLP, X: Array, y: Array, lr: float, eps: float) -> int:
    """Steps of gradient descent from the perturbed plateau to 90% accuracy on ``X``."""
    model, rng = copy.deepcopy(plateau), np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.data = parameter.data + eps * rng.normal(size=parameter.shape)
    optimiser = tg.optim.SGD(model.parameters(), lr)
    with tg.reproducible():
        for step in range(PATIENCE):
            output = model(X)
            if (output.data.argmax(axis=1) == y).mean() >= 0.9:
                return step
            optimiser.zero_grad()
            tg.losses.cross_entropy(output, y).backward()
            optimiser.step()
    raise RuntimeError(f"90% was not reached in {PATIENCE} steps")


if __name__ == "__main__":
    main()
