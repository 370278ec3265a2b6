"""Random draws: operations without a derivative, for masks and noise.

The generator is always given, never a global state: ``rng`` is a ``numpy.random.Generator``, which
goes on where it stands, or a seed or ``SeedSequence``, which starts anew at each call.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError
from ..operation import REQUIRED
from ..table import F


def _uniform(x: Any, rng: Any) -> Any:
    """53 random bits over 2**53, so exact, and the same on every machine."""
    x = np.asarray(x)
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    # In a float32 a number just below 1 would be rounded up to it.
    below_one = np.nextafter(dtype.type(1), dtype.type(0))
    drawn = np.asarray(np.random.default_rng(rng).random(x.shape))
    return np.minimum(drawn.astype(dtype), below_one)


def _bernoulli(x: Any, p: float, rng: Any) -> Any:
    if not 0 <= p <= 1:
        raise DataError("p must be a probability, a number from 0 to 1")
    x = np.asarray(x)
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    return (np.asarray(np.random.default_rng(rng).random(x.shape)) < p).astype(dtype)


F.define(
    "bernoulli", _bernoulli, _bernoulli, None,
    params={"p": 0.5, "rng": REQUIRED}, formula=r"\operatorname{Bernoulli}(p)",
    wants="an array of the shape of the draw",
)
F.define(
    "uniform", _uniform, _uniform, None,
    params={"rng": REQUIRED}, formula=r"U[0, 1)", wants="an array of the shape of the draw",
)
