"""What it takes to begin: ``import tinygrad_init`` against ``import numpy``, as processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from benchmarks import pairs
from benchmarks.options import Options
from benchmarks.pairs import Contestant, Spread, take_turns
from benchmarks.results import Measurement, compared
from benchmarks.worker import ROOT

LIMIT = 0.4  #: seconds for --help


def of_children() -> float:
    """The processor's time that finished processes took, in seconds."""
    import resource  # not on every system

    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def process(arguments: list[str], cache: str, clock: str) -> Contestant:
    """An interpreter that is started so many times; its bytecode is kept in ``cache``."""
    now = of_children if clock == "processor" else pairs.CLOCKS[clock]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def run(calls: int) -> float:
        start = now()
        for _ in range(calls):
            subprocess.run(
                [sys.executable, *arguments],
                cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True,
            )  # fmt: skip
        return (now() - start) / calls

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
        contestants = {
            name: process(command, cache, options.clock) for name, command in commands.items()
        }
        times = take_turns(contestants, options.rounds)
    yield compared("start", "start", "import tinygrad_init", "import numpy", times, options)
    yield compared("start", "start", "import numpy", "python", times, options)
    name = "tinygrad-init --help"
    seconds = times.quartiles(name)
    yield Measurement(
        "start", "start", name, f"{LIMIT} s", seconds.median, LIMIT,
        Spread(*(each / LIMIT for each in seconds)), options.rounds, options.threads, options.clock,
    )  # fmt: skip
