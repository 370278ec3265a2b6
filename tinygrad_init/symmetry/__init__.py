"""Which neurons are the same neuron, and what their gradients say about it.

>>> import tinygrad_init as tg
>>> model = tg.nn.MLP([4, 5, 3], weight_init="constant")
>>> tg.symmetry.analyze(model).effective_widths
[1]
"""

from .analysis import Symmetry, analyze
from .gradients import NeuronGradients, gradients

__all__ = ["NeuronGradients", "Symmetry", "analyze", "gradients"]
