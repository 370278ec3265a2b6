"""A training run has the same bits on every processor, BLAS and number of threads.

The digests in ``same_bits.txt`` were computed once; every process started here, under every kernel
that this machine can be made to use, must print them. A machine that cannot be told to use other
kernels runs what applies, and must still print the same digests.
"""

from __future__ import annotations

import importlib
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_init as tg

TRAINING = Path(__file__).with_name("same_bits.py")
#: To be changed only with the reproducible arithmetic itself, and noted in the changelog:
#: ``python tests/autograd/same_bits.py exact > tests/autograd/same_bits.txt``
EXPECTED = TRAINING.with_suffix(".txt").read_text().splitlines()


def _kernels() -> dict[str, dict[str, str]]:
    """Settings of the environment under which NumPy and OpenBLAS choose other kernels."""
    umath = importlib.import_module("numpy._core._multiarray_umath")

    environments = {
        "as it is, 1 thread": {"OPENBLAS_NUM_THREADS": "1"},
        "as it is, 2 threads": {"OPENBLAS_NUM_THREADS": "2"},
    }
    has = {name for name, is_there in umath.__cpu_features__.items() if is_there}
    if platform.machine().lower() in {"x86_64", "amd64"}:
        cores = ["Nehalem"]
        cores += ["Haswell"] if {"AVX2", "FMA3"} <= has else []
        cores += ["SkylakeX"] if "AVX512F" in has else []
    elif platform.machine().lower() in {"arm64", "aarch64"}:
        cores = ["ARMV8"]
    else:
        cores = []
    for number, core in enumerate(cores):
        environments[f"OpenBLAS for {core}"] = {
            "OPENBLAS_CORETYPE": core, "OPENBLAS_NUM_THREADS": str(1 + number % 2)
        }
    # Names that this NumPy chooses between at run time, and that this processor has.
    choices = [name for name in umath.__cpu_dispatch__ if name in has]
    if choices:
        environments["NumPy without its faster kernels"] = {
            "NPY_DISABLE_CPU_FEATURES": " ".join(choices), "OPENBLAS_NUM_THREADS": "1",
            **({"OPENBLAS_CORETYPE": cores[0]} if cores else {}),
        }
        environments["NumPy without its fastest kernels"] = {
            "NPY_DISABLE_CPU_FEATURES": " ".join(choices[len(choices) // 2 :]),
            "OPENBLAS_NUM_THREADS": "2",
        }
    return environments


KERNELS = _kernels()


def _run(arithmetic: str, settings: dict[str, str]) -> list[str]:
    kept = {
        name: value for name, value in os.environ.items()
        if not name.startswith(("OPENBLAS_", "NPY_", "OMP_", "MKL_", "PYTHON"))
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", str(TRAINING), arithmetic],
        env={**kept, "PYTHONPATH": str(Path(tg.__file__).parents[1]), **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", KERNELS)
def test_training_runs_have_the_expected_bits(name: str) -> None:
    assert _run("exact", KERNELS[name]) == EXPECTED


def test_ordinary_arithmetic_has_other_bits() -> None:
    # Otherwise the digests would not see what they are about.
    ordinary = _run("plain", {"OPENBLAS_NUM_THREADS": "1"})
    assert len(ordinary) == len(EXPECTED)
    different = [a for a, b in zip(ordinary, EXPECTED, strict=True) if a != b]
    assert len(different) == len(EXPECTED)


def test_constant_weights_stay_tied_for_the_whole_run() -> None:
    model = tg.nn.MLP([20, 33, 4], weight_init="constant")
    optimiser = tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    rng = np.random.default_rng(0)
    X, labels = rng.random((64, 20)), rng.integers(0, 4, 64)
    with tg.reproducible():
        for _ in range(200):
            optimiser.zero_grad()
            tg.losses.cross_entropy(model(X), labels).backward()
            optimiser.step()
    hidden, output = (layer.weight.data for layer in model.layers)
    assert (hidden == hidden[:, :1]).all()
    assert (output == output[:1]).all()
    assert (hidden != 0.05).all()  # they have moved


def test_a_batch_computed_in_one_process_has_the_bits_of_its_rows() -> None:
    x = (np.arange(24 * 9) * 7919 % 101 / 50 - 1).reshape(24, 9)
    w = (np.arange(9 * 5) * 104729 % 97 / 48 - 1).reshape(9, 5)
    with tg.reproducible():
        whole = (tg.Tensor(x) @ w).tanh().log_softmax().data
        rows = [(tg.Tensor(row) @ w).tanh().log_softmax().data for row in x]
    assert whole.tobytes() == np.stack(rows).tobytes()
