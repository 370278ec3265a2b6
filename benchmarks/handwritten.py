"""Training steps written by hand in NumPy: the reference that every other step is compared with.

Each is written as somebody writes it who knows backpropagation and NumPy well: no graph, matrix
products on whole minibatches, in place where an array is free to be overwritten, no gradient that
nobody needs. No buffers are kept from step to step.

``python -m benchmarks.handwritten`` times the steps alone. Their results are compared with the
engine's, and with PyTorch's, in ``tests/test_benchmarks.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
Step = Callable[[Sequence[Array], Array, Array, float], Any]  #: moves parameters, gives the loss

LR = 0.01


@dataclass(frozen=True)
class Case:
    """A network and the minibatch that it is trained on.

    Attributes:
        sizes: inputs, hidden neurons of each layer, outputs.
        activation: of the hidden neurons.
        batch: how many examples.
        loss: ``"mse"``, or ``"cross_entropy"`` with one class for each output.
        members: how many networks are trained at once, or ``None`` for one alone.
    """

    sizes: tuple[int, ...]
    activation: str
    batch: int
    loss: str = "mse"
    members: int | None = None

    def __str__(self) -> str:
        many = f"{self.members} x " if self.members else ""
        layers = "-".join(map(str, self.sizes))
        return f"{many}{layers}, {self.activation}, {self.loss}, batch {self.batch}"

    def parameters(self, dtype: DTypeLike = np.float32, seed: int = 0) -> list[Array]:
        """Weights (in, out) and biases (out,), layer by layer, an axis of members in front."""
        rng = np.random.default_rng(seed)
        in_front = () if self.members is None else (self.members,)
        drawn: list[Array] = []
        for fan_in, fan_out in zip(self.sizes[:-1], self.sizes[1:], strict=True):
            bound = np.sqrt(6 / (fan_in + fan_out))
            drawn.append(rng.uniform(-bound, bound, (*in_front, fan_in, fan_out)).astype(dtype))
            drawn.append(rng.uniform(-0.1, 0.1, (*in_front, fan_out)).astype(dtype))
        return drawn

    def minibatch(self, dtype: DTypeLike = np.float32, seed: int = 1) -> tuple[Array, Array]:
        """Inputs (batch, in), and targets (batch, out) or labels (batch,)."""
        rng = np.random.default_rng(seed)
        x = rng.uniform(-1, 1, (self.batch, self.sizes[0])).astype(dtype)
        if self.loss == "cross_entropy":
            return x, rng.integers(0, self.sizes[-1], self.batch)
        return x, rng.uniform(-1, 1, (self.batch, self.sizes[-1])).astype(dtype)


def tanh_step(parameters: Sequence[Array], x: Array, target: Array, lr: float) -> Any:
    """One step of SGD on the mean squared error: three layers, tanh after the first two."""
    W1, b1, W2, b2, W3, b3 = parameters

    h1 = x @ W1
    h1 += b1
    np.tanh(h1, out=h1)
    h2 = h1 @ W2
    h2 += b2
    np.tanh(h2, out=h2)
    error = h2 @ W3
    error += b3
    error -= target
    loss = np.square(error).mean()

    error *= 2 / error.size  # from here on the gradient of the outputs
    g2 = error @ W3.T
    g2 *= 1 - h2 * h2
    g1 = g2 @ W2.T
    g1 *= 1 - h1 * h1

    W3 -= lr * (h2.T @ error)
    b3 -= lr * error.sum(axis=0)
    W2 -= lr * (h1.T @ g2)
    b2 -= lr * g2.sum(axis=0)
    W1 -= lr * (x.T @ g1)
    b1 -= lr * g1.sum(axis=0)
    return loss


def relu_step(parameters: Sequence[Array], x: Array, target: Array, lr: float) -> Any:
    """One step of SGD on the mean squared error: three layers, ReLU after the first two."""
    W1, b1, W2, b2, W3, b3 = parameters

    h1 = x @ W1
    h1 += b1
    np.maximum(h1, 0, out=h1)
    h2 = h1 @ W2
    h2 += b2
    np.maximum(h2, 0, out=h2)
    error = h2 @ W3
    error += b3
    error -= target
    loss = np.square(error).mean()

    error *= 2 / error.size  # from here on the gradient of the outputs
    g2 = error @ W3.T
    g2 *= h2 > 0
    g1 = g2 @ W2.T
    g1 *= h1 > 0

    W3 -= lr * (h2.T @ error)
    b3 -= lr * error.sum(axis=0)
    W2 -= lr * (h1.T @ g2)
    b2 -= lr * g2.sum(axis=0)
    W1 -= lr * (x.T @ g1)
    b1 -= lr * g1.sum(axis=0)
    return loss


def ensemble_step(parameters: Sequence[Array], x: Array, labels: Array, lr: float) -> Any:
    """One step of SGD of E networks with two layers, on the mean cross-entropy of each.

    All see the same minibatch, x of shape (N, in); their weights are stacked, (E, in, out), and so
    are their losses, (E,).
    """
    W1, b1, W2, b2 = parameters
    examples = np.arange(len(x))

    h = x @ W1
    h += b1[:, np.newaxis]
    np.tanh(h, out=h)
    logits = h @ W2
    logits += b2[:, np.newaxis]
    logits -= logits.max(axis=-1, keepdims=True)
    g2 = np.exp(logits)
    total = g2.sum(axis=-1, keepdims=True)
    loss = (np.log(total[..., 0]) - logits[:, examples, labels]).mean(axis=-1)

    g2 /= total  # the probabilities; from here on the gradient of the logits
    g2[:, examples, labels] -= 1
    g2 /= len(x)
    g1 = g2 @ W2.swapaxes(-1, -2)
    g1 *= 1 - h * h

    W2 -= lr * (h.swapaxes(-1, -2) @ g2)
    b2 -= lr * g2.sum(axis=-2)
    W1 -= lr * (x.T @ g1)
    b1 -= lr * g1.sum(axis=-2)
    return loss


CASES = {
    "T1": Case((2, 16, 16, 1), "tanh", batch=100),
    "T2": Case((64, 128, 64, 10), "relu", batch=64),
    "T3": Case((784, 256, 128, 10), "relu", batch=128),
    "T4": Case((1024, 1024, 1024, 1024), "relu", batch=512),
    "ensemble": Case((64, 32, 10), "tanh", batch=64, loss="cross_entropy", members=200),
}
STEPS: dict[str, Step] = {
    "T1": tanh_step,
    "T2": relu_step,
    "T3": relu_step,
    "T4": relu_step,
    "ensemble": ensemble_step,
}  #: the step written by hand for each case


def by_hand(name: str, dtype: DTypeLike = np.float32) -> Callable[[], Any]:
    """The step of a case as a function of nothing; each call trains on and gives the loss."""
    case, step = CASES[name], STEPS[name]
    parameters, (x, target) = case.parameters(dtype), case.minibatch(dtype)
    return lambda: step(parameters, x, target, LR)


def main() -> None:
    """Print the median time of each step."""
    for name, case in CASES.items():
        step, times = by_hand(name), []
        for _ in range(60):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        print(f"{name:10}{np.median(times) * 1e6:12.1f} us   {case}")


if __name__ == "__main__":
    main()
