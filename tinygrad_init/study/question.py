"""The question, asked of real data: do constant weights send every neuron the same gradient?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np

from .. import graph
from ..autograd import Tensor
from ..nn import MLP, init, losses, optim
from ..nn.minibatches import passes
from ..symmetry import NeuronGradients, gradients
from .arms import CONSTANT
from .data import Dataset
from .runs import BATCH_SIZE, LR, MOMENTUM, WIDTH, arithmetic, one_blas_thread, train_step

STEPS = 10  #: minibatch steps before the gradients are shown


@dataclass(frozen=True, eq=False)
class TiedGradients:
    """The gradients of constant weights after a few steps, in both arithmetics.

    Why not at the very start? With constant weights the hidden layer's first gradient is
    ``c * sum(p - y)``, and the softmax p and the label y both add up to one: it is zero but for
    rounding. From the second step on it is not.
    """

    exact: NeuronGradients
    ordinary: NeuronGradients
    steps: int

    @property
    def verdicts(self) -> tuple[str, str]:
        """In words, for the exact and for the ordinary arithmetic."""
        width = len(self.exact.neurons)
        if width == 1:
            return ("order-independent arithmetic: one neuron, nothing to compare.",
                    "ordinary arithmetic: one neuron, nothing to compare.")  # fmt: skip
        exact = (
            f"order-independent arithmetic: all {width} gradients are identical, bit for bit."
            if self.exact.identical
            else f"order-independent arithmetic: {len(self.exact.classes)} different gradients, "
            f"which must not happen: please report it."
        )
        found, gap = self.ordinary.classes, self.ordinary.largest_difference
        ordinary = (
            f"ordinary arithmetic: all {width} are identical here, too; at other widths or on "
            f"other machines they may not be."
            if self.ordinary.identical
            else f"ordinary arithmetic: {len(found)} different gradients among {width} neurons "
            f"that started equal. They differ by at most {gap:.1e}: the rounding of a sum whose "
            f"order depends on the column."
        )
        return exact, ordinary

    def __str__(self) -> str:
        exact, ordinary = self.verdicts
        return f"{self.exact}\n{exact}\n\n{self.ordinary}\n{ordinary}"


def tied_gradients(
    data: Dataset, width: int = WIDTH, activation: str = "tanh", seed: int = 0, steps: int = STEPS
) -> TiedGradients:
    """Train constant weights for a few steps in each arithmetic, and compare the neurons.

    >>> import tinygrad_init as tg
    >>> tied = tied_gradients(tg.data.load("iris"), width=5)
    >>> tied.exact.identical
    True
    """
    found = []
    with one_blas_thread():
        for is_exact in (True, False):
            model = MLP([data.features, width, data.classes], activation, init.constant(CONSTANT))
            optimiser = optim.SGD(model.parameters(), LR, MOMENTUM)
            minibatches = passes(data.X_train, data.y_train, BATCH_SIZE, seed)
            with arithmetic(is_exact):
                for X, y in islice(minibatches, steps):
                    train_step(model, optimiser, X, y)
                found.append(gradients(model, data.X_train, data.y_train))
    return TiedGradients(found[0], found[1], steps)


def tiny_step() -> graph.Graph:
    """The computation of one step of a 2-2-1 network with constant weights, ready to be drawn."""
    model = MLP([2, 2, 1], weight_init=init.constant(0.5))
    X = Tensor([[1.0, -2.0], [0.5, 1.0]], label="X")
    target = Tensor(np.array([[1.0], [0.0]]), label="target")
    loss = losses.mse(model(X), target)
    loss.label = "loss"
    return graph.trace(loss)
