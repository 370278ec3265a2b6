"""Neural networks on the engine: modules, layers, starting weights, losses and optimisers.

>>> import tinygrad_init as tg
>>> model = tg.nn.MLP([2, 3, 1], activation="tanh", rng=0)
>>> [name for name, _ in model.named_parameters()]
['layers.0.weight', 'layers.0.bias', 'layers.1.weight', 'layers.1.bias']
"""

from . import init, losses, optim, scalar
from .layers import ACTIVATIONS, MLP, Dropout, LayerNorm, Linear
from .minibatches import batches
from .module import Module

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "Dropout",
    "LayerNorm",
    "Linear",
    "Module",
    "batches",
    "init",
    "losses",
    "optim",
    "scalar",
]
