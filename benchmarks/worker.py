"""A contestant in a process of its own, which runs when it is told to.

Two libraries with thread pools of their own disturb each other in one process, and so do two
collectors of garbage. So a peer runs alone: it is started with the name of a contestant, answers
with what it is made of and its first losses, and then waits for numbers of steps to take.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from benchmarks.pairs import CLOCKS

ROOT = Path(__file__).parents[1]
CHECKED = 3  #: losses that are compared before anything is timed


class Maker(NamedTuple):
    """Where a contestant is made.

    Attributes:
        module: of this package.
        function: takes the name of a case and gives a step.
        distribution: what it measures, as package indexes call it.
    """

    module: str
    function: str
    distribution: str


MAKERS = {
    "by hand": Maker("handwritten", "by_hand", "numpy"),
    "eager": Maker("ours", "eager", "tinygrad-init"),
    "captured": Maker("ours", "captured", "tinygrad-init"),
    "Value, eager": Maker("ours", "value_eager", "tinygrad-init"),
    "Value, captured": Maker("ours", "value_captured", "tinygrad-init"),
    "PyTorch": Maker("peers", "pytorch", "torch"),
    "torch.compile": Maker("peers", "pytorch_compiled", "torch"),
    "JAX jit": Maker("peers", "jax_jit", "jax"),
    "MyGrad": Maker("peers", "mygrad", "mygrad"),
    "HIPS autograd": Maker("peers", "hips_autograd", "autograd"),
    "micrograd": Maker("peers", "micrograd", "micrograd"),
}


def environment(threads: int) -> dict[str, str]:
    """This process's, with so many threads for every BLAS, OpenMP and XLA."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")
    return {**os.environ, **dict.fromkeys(names, str(threads))}


def make(name: str, case: str) -> Any:
    """The step of a contestant.

    Raises:
        ImportError: if it is not installed.
        AttributeError: if this version of the project cannot do that.
    """
    module = importlib.import_module(f"benchmarks.{MAKERS[name].module}")
    return getattr(module, MAKERS[name].function)(case)


class AbsentError(Exception):
    """A contestant that cannot take part, with the reason."""


class Worker:
    """A process with one contestant; calling it runs steps, as :data:`pairs.Contestant` says.

    Attributes:
        version: of what it measures.
        losses: of its first steps.
        busy: how many processors it kept busy in the last call.

    Raises:
        AbsentError: if the process could not make its contestant.
    """

    def __init__(
        self, name: str, case: str, threads: int = 1, python: str = sys.executable,
        root: Path = ROOT, clock: str = "wall",
    ) -> None:  # fmt: skip
        self._clock = clock
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.worker", name, case],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            cwd=root,
            env={**environment(threads), "PYTHONPATH": str(root)},
        )
        self.busy = 0.0
        hello = self._answer()
        self.version, self.losses = hello["version"], hello["losses"]

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._complaints.seek(0)
            complaint = self._complaints.read().decode(errors="replace").strip().splitlines()
            self.close()
            raise AbsentError(complaint[-1] if complaint else f"it ended with code {code}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __call__(self, calls: int) -> float:
        """Take so many steps; the result is the seconds of one."""
        assert self._process.stdin is not None
        print(calls, file=self._process.stdin, flush=True)
        answer = self._answer()
        self.busy = answer["processor"] / answer["wall"]
        return float(answer[self._clock] / calls)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()  # closes its input, at which it ends
        self._complaints.close()


def ask(expression: str, python: str = sys.executable, root: Path = ROOT) -> Any:
    """What a function of this package gives in a process of its own, such as ``ours.value_bytes``.

    Raises:
        AbsentError: if it cannot.
    """
    module, _, function = expression.partition(".")
    code = f"import json\nfrom benchmarks import {module}\nprint(json.dumps({module}.{function}()))"
    done = subprocess.run(
        [python, "-c", code], cwd=root, env={**environment(1), "PYTHONPATH": str(root)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise AbsentError((done.stderr.strip().splitlines() or ["it failed"])[-1])
    return json.loads(done.stdout)


def serve(name: str, case: str) -> None:
    """Be that process: numbers of steps come in on standard input, times go out."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    step = make(name, case)
    hello = {"version": _version(name), "losses": first_losses(step)}
    print(json.dumps(hello), file=answers, flush=True)
    for line in sys.stdin:
        start = {name: clock() for name, clock in CLOCKS.items()}
        for _ in range(int(line)):
            step()
        spent = {name: clock() - start[name] for name, clock in CLOCKS.items()}
        print(json.dumps(spent), file=answers, flush=True)


def first_losses(step: Any) -> list[list[float]]:
    """The losses of the first steps; of an ensemble those of its first members."""
    import numpy as np  # here, so that the process that gives orders loads no BLAS

    return [[float(number) for number in np.ravel(step())[:3]] for _ in range(CHECKED)]


def _version(name: str) -> str:
    distribution = MAKERS[name].distribution
    try:
        return f"{distribution} {metadata.version(distribution)}"
    except metadata.PackageNotFoundError:
        return distribution


def same(losses: Sequence[Sequence[float]], expected: Sequence[Sequence[float]]) -> bool:
    """Whether two contestants compute the same, to the rounding of single precision."""
    pairs = zip(chain(*losses), chain(*expected), strict=True)
    return all(abs(a - b) <= 1e-4 * max(abs(a), abs(b)) for a, b in pairs)


if __name__ == "__main__":
    serve(*sys.argv[1:])
