"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy as np


def describe_machine() -> str:
    """The processor, NumPy, its BLAS and the number of threads."""
    processor = platform.processor() or platform.machine()
    described = Path("/proc/cpuinfo")
    if described.exists():
        names = [line for line in described.read_text().splitlines() if "model name" in line]
        processor = names[0].partition(":")[2].strip() if names else processor
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    threads = os.environ.get("OPENBLAS_NUM_THREADS") or f"all ({os.cpu_count()} processors)"
    return (
        f"{processor}; Python {platform.python_version()}, NumPy {np.__version__}, "
        f"{blas['name']} {blas['version']}, threads: {threads}"
    )
