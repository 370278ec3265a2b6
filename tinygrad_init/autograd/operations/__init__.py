"""The table of operations, by family. Importing this package fills the table ``F``.

A row reads: name, the kernel of ordinary arithmetic, the kernel of reproducible arithmetic, one
derivative rule per argument. In a rule, ``g`` is the gradient that arrives and ``y`` the result;
a leading underscore marks what the rule reads at most the shape of. Rules are written in
``+ - * /`` and rows of ``F`` alone, which is why each of them is written only once. The engine, not
the rule, sums over what broadcasting repeated.

Where both kernels are the same NumPy function, that function is correctly rounded (IEEE 754
demands it of ``+ - * /`` and the square root) or only moves entries about.
"""

from ..readings import read_anew
from ..table import F
from . import (
    activations,
    arithmetic,
    choices,
    draws,
    einsum,
    elementary,
    fused,
    products,
    reductions,
    shapes,
)

read_anew(F, F.compositions)

__all__ = [
    "F",
    "activations",
    "arithmetic",
    "choices",
    "draws",
    "einsum",
    "elementary",
    "fused",
    "products",
    "reductions",
    "shapes",
]
