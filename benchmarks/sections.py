"""The parts of the benchmarks; each runs in a process of its own and yields records.

``python -m benchmarks.sections steps`` prints the records of one part as lines of JSON. The number
of BLAS threads is that of the environment; ``python -m benchmarks`` sets it.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack

from benchmarks import pairs, worker
from benchmarks.options import CASES, ENSEMBLE, NETWORKS, Options
from benchmarks.pairs import Contestant, Times, joined, spread, take_turns, timed
from benchmarks.results import Measurement, Note, Record, compared, to_line
from benchmarks.worker import AbsentError, Worker

OURS = ("eager", "captured")
CONTROL = "by hand, again"
REMAKES = 4
PROCESS_BLOCK = 0.01  #: seconds; a process that was woken up finds its caches cold


def steps(options: Options) -> Iterator[Record]:
    """Our training steps against the same by hand, in one process.

    All are made anew several times: where arrays come to lie in memory is luck, and a matter of
    some percent.
    """
    for case in options.cases:
        parts: list[Times] = []
        absent: dict[str, str] = {}
        for _ in range(REMAKES):
            contestants, absent = _in_this_process(case, options.clock)
            parts.append(take_turns(contestants, math.ceil(options.rounds / REMAKES)))
        times = joined(parts)
        compared = [label for label in times.seconds if label != "by hand"]
        yield from _measurements("steps", case, times, compared, ["by hand"], options)
        for label, reason in absent.items():
            yield Note("steps", f"{case}, {label}", reason)


def _in_this_process(case: str, clock: str) -> tuple[dict[str, Contestant], dict[str, str]]:
    """The contestants of a case, and why others are absent."""
    contestants, absent = {}, {}
    expected: list[list[float]] = []
    for label in ("by hand", CONTROL, *OURS):
        try:
            step = worker.make(label.partition(",")[0], case)
            losses = worker.first_losses(step)
        except Exception as error:  # what this version cannot do is reported, not hidden
            absent[label] = f"{type(error).__name__}: {error}"
            continue
        expected = expected or losses
        _refuse_if_other(label, losses, expected)
        contestants[label] = timed(step, pairs.CLOCKS[clock])
    return contestants, absent


PEERS = {
    **dict.fromkeys(NETWORKS, ("PyTorch", "torch.compile", "JAX jit", "MyGrad", "HIPS autograd")),
    ENSEMBLE: ("PyTorch", "JAX jit"),
}


def peers(options: Options) -> Iterator[Record]:
    """Our training steps against those of other frameworks, all in processes of their own."""
    for case in options.cases:
        yield from _processes("peers", case, OURS, PEERS[case], options)


def moons(options: Options) -> Iterator[Record]:
    """The demo of micrograd: time of a step, and memory of the graph."""
    numbers = ("Value, eager", "Value, captured")
    yield from _processes("moons", "moons", numbers, ("micrograd",), options)
    try:
        ours = worker.ask("ours.value_bytes")
        theirs = worker.ask("peers.micrograd_bytes", options.python)
    except AbsentError as absent:
        yield Note("moons", "bytes per node", str(absent))
        return
    yield Measurement(
        "moons", "moons", "bytes per node", "micrograd", ours, theirs, spread([ours / theirs]),
        rounds=1, threads=options.threads, clock=options.clock, unit="B",
    )  # fmt: skip


def _processes(
    section: str, case: str, ours: Sequence[str], theirs: Sequence[str], options: Options
) -> Iterator[Record]:
    """Contestants in processes of their own, that take turns."""
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for name in (*ours, *theirs):
            python = options.python if name in theirs else sys.executable
            try:
                found = Worker(name, case, options.threads, python, clock=options.clock)
                stack.enter_context(found)
            except AbsentError as absent:
                yield Note(section, f"{case}, {name}", str(absent))
                continue
            if workers:
                _refuse_if_other(name, found.losses, next(iter(workers.values())).losses)
            workers[name] = found
        times = take_turns(workers, options.rounds, PROCESS_BLOCK)
        references = [name for name in theirs if name in workers]
        compared = [name for name in ours if name in workers]
        yield from _measurements(section, case, times, compared, references, options)
        for name in references:
            yield Note(section, name, workers[name].version)
            if (busy := workers[name].busy) > options.threads + 0.2:
                yield Note(section, f"{case}, {name}", f"kept {busy:.1f} processors busy")


def _refuse_if_other(
    name: str, losses: Sequence[Sequence[float]], expected: Sequence[Sequence[float]]
) -> None:
    if not worker.same(losses, expected):
        raise ArithmeticError(f"{name} computes something else: {losses}, and not {expected}")


def _measurements(
    section: str, case: str, times: Times, ours: Sequence[str], references: Sequence[str],
    options: Options,
) -> Iterator[Measurement]:  # fmt: skip
    for reference in references:
        for name in ours:
            yield compared(section, case, name, reference, times, options)


def start(options: Options) -> Iterator[Record]:
    """What it takes to begin, as whole processes."""
    from benchmarks.startup import measure

    return measure(options)


def arithmetic(options: Options) -> Iterator[Record]:
    """Reproducible arithmetic against the ordinary one."""
    from benchmarks.arithmetic import measure

    return measure(options)


def scaling(options: Options) -> Iterator[Record]:
    """Time and memory of forward, backward and free, by the number of nodes."""
    from benchmarks.scaling import measure

    return measure(options)


SECTIONS: Mapping[str, Callable[[Options], Iterator[Record]]] = {
    "steps": steps,
    "peers": peers,
    "moons": moons,
    "start": start,
    "scaling": scaling,
    "arithmetic": arithmetic,
}
BY_THREADS = ("steps", "peers")  #: what depends on the number of BLAS threads


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that ``python -m benchmarks`` shares."""
    add = parser.add_argument
    add("--rounds", type=int, default=pairs.ROUNDS, help="of every comparison (default 60)")
    add("--case", dest="cases", action="append", choices=CASES, help="may be repeated")
    add("--clock", choices=pairs.CLOCKS, default="wall",
        help="of the wall (default), or of the processor where one thread runs")
    add("--peers-python", metavar="PATH", default=sys.executable,
        help="an interpreter that has the peers (default: this one)")  # fmt: skip


def main() -> None:
    """Print the records of one section."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sections", description=__doc__)
    parser.add_argument("section", choices=SECTIONS)
    parser.add_argument("--threads", type=int, default=1)
    add_options(parser)
    given = parser.parse_args()
    options = Options(
        given.rounds, given.threads, given.cases or CASES, given.peers_python, given.clock
    )
    for record in SECTIONS[given.section](options):
        print(to_line(record), flush=True)


if __name__ == "__main__":
    main()
