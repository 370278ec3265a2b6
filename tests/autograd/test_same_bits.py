"""A training run has the same bits on every processor, BLAS and number of threads.

The digest below was computed once; every process started here, under every kernel that this
machine can be made to use, must print it. A machine that cannot be told to use other kernels runs
what applies, and must still print the same digest.
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

#: To be changed only with the reproducible arithmetic itself, and noted in the changelog.
EXPECTED = "d875a2213be82ad35da0fc164523ed842502a2f26301766812a3c1e43698f4af"

# Data and weights come from whole numbers and one division, so no library function is involved.
TRAINING = '''
import hashlib
import sys

import numpy as np

import tinygrad_init as tg

BATCH, SIZES, STEPS = 32, (64, 17, 10), 30


def whole_numbers(count, seed):
    """A linear congruential generator: 20 bits at a time."""
    numbers, state = [], seed
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2 ** 64
        numbers.append(state >> 44)
    return np.array(numbers)


def train(dtype, weight):
    x = ((whole_numbers(BATCH * SIZES[0], 1) % 17) / 16).reshape(BATCH, SIZES[0]).astype(dtype)
    labels = whole_numbers(BATCH, 2) % SIZES[2]
    parameters = []
    for layer, shape in enumerate(zip(SIZES, SIZES[1:])):
        parameters.append(tg.Tensor(weight(layer, shape).astype(dtype), requires_grad=True))
        parameters.append(tg.Tensor(np.zeros(shape[1], dtype), requires_grad=True))
    for _ in range(STEPS):
        w1, b1, w2, b2 = parameters
        scores = np.tanh(x @ w1 + b1) @ w2 + b2
        loss = -scores.log_softmax()[np.arange(BATCH), labels].mean()
        for parameter in parameters:
            parameter.grad = None
        loss.backward()
        for parameter in parameters:
            parameter.data -= 0.25 * parameter.grad
    assert float(loss) < 2.3, float(loss)  # it has learned something
    return [parameter.data for parameter in parameters]


def constant(layer, shape):
    return np.full(shape, 0.05)


def irregular(layer, shape):
    return (whole_numbers(shape[0] * shape[1], 3 + layer) % 2001 - 1000).reshape(shape) / 8000


def digest_of_everything():
    digest = hashlib.sha256()
    for dtype in ("<f8", "<f4"):
        for weight in (constant, irregular):
            for parameter in train(dtype, weight):
                digest.update(parameter.astype(dtype).tobytes())
    return digest.hexdigest()


with tg.reproducible():
    w1, _, w2, _ = train("<f8", constant)
    assert (w1 == w1[:, :1]).all() and (w2 == w2[:1]).all(), "constant weights came apart"
    print(digest_of_everything())
print(digest_of_everything())
'''


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


def _run(settings: dict[str, str]) -> list[str]:
    kept = {
        name: value for name, value in os.environ.items()
        if not name.startswith(("OPENBLAS_", "NPY_", "OMP_", "MKL_", "PYTHON"))
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", TRAINING],
        env={**kept, "PYTHONPATH": str(Path(tg.__file__).parents[1]), **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("name", KERNELS)
def test_a_training_run_has_the_expected_bits(name: str) -> None:
    reproducible, ordinary = _run(KERNELS[name])
    # How the ordinary arithmetic fares is a matter of the machine: `pytest -rP` shows it.
    print("digest in ordinary arithmetic:", ordinary)
    assert reproducible == EXPECTED


def test_a_batch_computed_in_one_process_has_the_bits_of_its_rows() -> None:
    x = (np.arange(24 * 9) * 7919 % 101 / 50 - 1).reshape(24, 9)
    w = (np.arange(9 * 5) * 104729 % 97 / 48 - 1).reshape(9, 5)
    with tg.reproducible():
        whole = (tg.Tensor(x) @ w).tanh().log_softmax().data
        rows = [(tg.Tensor(row) @ w).tanh().log_softmax().data for row in x]
    assert whole.tobytes() == np.stack(rows).tobytes()
