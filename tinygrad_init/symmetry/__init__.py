"""Which neurons are the same neuron, why they stay it, and how long it takes to tell them apart.

>>> import tinygrad_init as tg
>>> model = tg.nn.MLP([4, 5, 3], weight_init="constant")
>>> tg.symmetry.analyze(model).effective_widths
[1]

- :mod:`analysis`: the classes of tied neurons, by colour refinement, and the smaller network;
- :mod:`gradients`: what arrives at each neuron;
- :mod:`blocks` and :mod:`watch`: training with everything compared that tied neurons share;
- :mod:`derivation` and :mod:`certificate`: the proof, with the numbers of a given network;
- :mod:`plateau` and :mod:`spectrum`: how fast copies part, once something tells them apart.
"""

from .analysis import Symmetry, analyze
from .certificate import Assumption, Certificate, certify
from .derivation import Derivation, Equation
from .gradients import NeuronGradients, gradients
from .plateau import Escape, escape
from .watch import Break, Run

__all__ = [
    "Assumption",
    "Break",
    "Certificate",
    "Derivation",
    "Equation",
    "Escape",
    "NeuronGradients",
    "Run",
    "Symmetry",
    "analyze",
    "certify",
    "escape",
    "gradients",
]
