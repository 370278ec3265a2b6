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
        about: what to look for, in a few words.
    """

    weights: init.Initialiser
    reproducible: bool = False
    about: str = ""


CONSTANT = 0.05
STANDARD_ARMS: dict[str, Arm] = {
    "zeros": Arm(init.zeros(), about="no gradient reaches the hidden layer"),
    "ones": Arm(init.ones(), about="neither small nor different"),
    "constant, exact": Arm(init.constant(CONSTANT), True, "one neuron wide for ever"),
    "constant": Arm(init.constant(CONSTANT), about="rounding alone breaks the tie"),
    "constant + 1e-8": Arm(
        init.perturbed(init.constant(CONSTANT), 1e-8), about="a trace of asymmetry is enough"
    ),
    "glorot": Arm(init.glorot_uniform(), about="asymmetric from the start, at the right scale"),
}
