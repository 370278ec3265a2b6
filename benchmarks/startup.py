"""What it takes to begin: ``import tinygrad_init`` against ``import numpy``, as processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmarks.pairs import Contestant, Spread, take_turns
from benchmarks.results import Measurement
from benchmarks.worker import ROOT

if TYPE_CHECKING:
    from benchmarks.sections import Options

LIMIT = 0.4  #: seconds for --help


def process(arguments: list[str], cache: str) -> Contestant:
    """An interpreter that is started so many times; its bytecode is kept in ``cache``."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def run(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            subprocess.run(
                [sys.executable, *arguments],
                cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True,
            )  # fmt: skip
        return (time.perf_counter() - start) / calls

    return run


def measure(options: Options) -> Iterator[Measurement]:
    """Paired processes: the import, and the help of the command."""
    commands = {
        "python": ["-c", "pass"],
        "import numpy": ["-c", "import numpy"],
        "import tinygrad_init": ["-c", "import tinygrad_init"],
        "tinygrad-init --help": ["-m", "tinygrad_init", "--help"],
    }
    with tempfile.TemporaryDirectory() as cache:
        contestants = {name: process(command, cache) for name, command in commands.items()}
        times = take_turns(contestants, options.rounds)
    for name, reference in (
        ("import tinygrad_init", "import numpy"),
        ("import numpy", "python"),
    ):
        yield Measurement(
            "start", "start", name, reference, times.median(name), times.median(reference),
            times.ratio(name, reference), options.rounds, options.threads,
        )  # fmt: skip
    name = "tinygrad-init --help"
    seconds = times.quartiles(name)
    yield Measurement(
        "start", "start", name, f"{LIMIT} s", seconds.median, LIMIT,
        Spread(*(each / LIMIT for each in seconds)), options.rounds, options.threads,
    )  # fmt: skip
