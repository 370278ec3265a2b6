"""The arms of the experiment: ways to start, in one arithmetic or the other."""

from __future__ import annotations

from dataclasses import dataclass

from ..nn import init


@dataclass(frozen=True)
class Arm:
    """One way to start.

    Attributes:
        weights: the initialiser of every layer's weights (biases start at zero).
        reproducible: whether to train in the arithmetic in which order does not matter.
    """

    weights: init.Initialiser
    reproducible: bool = False


CONSTANT = 0.05
STANDARD_ARMS: dict[str, Arm] = {
    "zeros": Arm(init.zeros()),
    "ones": Arm(init.ones()),
    "constant, exact": Arm(init.constant(CONSTANT), reproducible=True),
    "constant": Arm(init.constant(CONSTANT)),
    "constant + 1e-8": Arm(init.perturbed(init.constant(CONSTANT), 1e-8)),
    "glorot": Arm(init.glorot_uniform()),
}
