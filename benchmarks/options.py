"""What is measured, and how."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import pairs

NETWORKS = ("T1", "T2", "T3", "T4")
ENSEMBLE = "ensemble"
CASES = (*NETWORKS, ENSEMBLE)


@dataclass(frozen=True)
class Options:
    """How to measure.

    Attributes:
        rounds: of every comparison.
        threads: of the BLAS.
        cases: which of :data:`CASES`.
        python: the interpreter that has the peers.
        clock: whose time counts, of :data:`pairs.CLOCKS`.
    """

    rounds: int = pairs.ROUNDS
    threads: int = 1
    cases: Sequence[str] = CASES
    python: str = sys.executable
    clock: str = "wall"
