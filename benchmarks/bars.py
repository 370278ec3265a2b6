"""What was to be reached, as ratios: at most so many times the reference.

"Four times as fast as PyTorch" is a ratio of 1/4. The bars hold for one BLAS thread.
"""

from __future__ import annotations

#: By case, what is measured, and the reference.
BARS: dict[tuple[str, str, str], float] = {
    # Against the same step written by hand, in one process.
    ("T1", "eager", "by hand"): 1.6,
    ("T2", "eager", "by hand"): 1.5,
    ("T3", "eager", "by hand"): 1.15,
    ("T4", "eager", "by hand"): 1.05,
    ("T1", "captured", "by hand"): 0.6,
    ("T2", "captured", "by hand"): 0.85,
    ("T3", "captured", "by hand"): 1.0,
    ("T4", "captured", "by hand"): 1.0,
    ("ensemble", "eager", "by hand"): 1.05,
    ("ensemble", "captured", "by hand"): 1.05,
    # Against other frameworks, each in its own process.
    ("T1", "eager", "PyTorch"): 1 / 4,
    ("T2", "eager", "PyTorch"): 1 / 3,
    ("T3", "eager", "PyTorch"): 1 / 1.2,
    ("T1", "captured", "JAX jit"): 1.0,
    ("T2", "captured", "JAX jit"): 1.0,
    ("T3", "captured", "JAX jit"): 1.0,
    ("ensemble", "eager", "PyTorch"): 1 / 12,
    ("ensemble", "captured", "PyTorch"): 1 / 12,
    ("ensemble", "eager", "JAX jit"): 1.0,
    ("ensemble", "captured", "JAX jit"): 1.0,
    # The demo of micrograd.
    ("moons", "Value, eager", "micrograd"): 1 / 5,
    ("moons", "Value, captured", "micrograd"): 1 / 300,
    ("moons", "bytes per node", "micrograd"): 1 / 3,
    # Processes.
    ("start", "import tinygrad_init", "import numpy"): 1.25,
    ("start", "tinygrad-init --help", "0.4 s"): 1.0,
}
