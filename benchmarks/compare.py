"""Is one commit slower than another? ``python -m benchmarks.compare OLD NEW``.

Both are checked out into a temporary folder. Processes that run the one and the other take turns,
and their times are compared pair by pair; the step written by hand, which is the same in both, is
the control. The measuring is this version's: it is copied into both.

Ends with code 1 if a step became slower by more than ``--tolerance``: if three quarters of the
pairs say so.
"""

from __future__ import annotations

import argparse
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import pairs, results
from benchmarks.options import CASES
from benchmarks.pairs import Spread, Times, joined, take_turns
from benchmarks.sections import PROCESS_BLOCK
from benchmarks.worker import ROOT, AbsentError, Worker

COMPARED = {
    **dict.fromkeys(CASES, ("by hand", "eager", "captured")),
    "moons": ("Value, eager", "Value, captured"),
}
CONTROL = "by hand"
TOLERANCE = 0.05
PROCESSES = 6  #: pairs of them


def main() -> int:
    """Print a table of ratios, new to old; the result is the exit code."""
    given = _parser().parse_args()
    with ExitStack() as stack:
        old, new = (stack.enter_context(checked_out(given_)) for given_ in (given.old, given.new))
        found: dict[str, Spread] = {}
        print(f"{'':28}{given.old:>12}{given.new:>12}   new / old [quartiles]")
        for case in given.cases or COMPARED:
            for name in COMPARED[case]:
                try:
                    times = compare(name, case, old, new, given.rounds, given.clock)
                except AbsentError as absent:
                    print(f"{case + ', ' + name:28}{absent}")
                    continue
                label, ratio = f"{case}, {name}", times.ratio("new", "old")
                each = (results.amount(times.median(side), "s") for side in ("old", "new"))
                shown = "".join(f"{seconds:>12}" for seconds in each)
                print(f"{label:28}{shown}   {results.ratio_text(ratio)}", flush=True)
                if name != CONTROL:
                    found[label] = ratio
    slower = became_slower(found, given.tolerance)
    print(f"slower by more than {given.tolerance:.0%}: {', '.join(slower) or 'none'}")
    return 1 if slower else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    add = parser.add_argument
    add("old", help="a commit, as git takes it")
    add("new", help="another one")
    add("--case", dest="cases", action="append", choices=COMPARED, help="may be repeated")
    add("--rounds", type=int, default=pairs.ROUNDS, help="of every comparison (default 60)")
    add("--clock", choices=pairs.CLOCKS, default="wall", help="as of python -m benchmarks")
    add("--tolerance", type=float, default=TOLERANCE, help="a share of the time (default 0.05)")
    return parser


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A temporary folder with that commit, and with the benchmarks of this version."""
    git = ["git", "-C", str(ROOT), "worktree"]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            shutil.rmtree(tree / "benchmarks", ignore_errors=True)
            shutil.copytree(ROOT / "benchmarks", tree / "benchmarks")
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def compare(name: str, case: str, old: Path, new: Path, rounds: int, clock: str) -> Times:
    """The times of one contestant, made from the sources in both folders.

    In several pairs of processes: where a process finds its memory, and on which processor, is luck
    that stays with it.
    """
    parts = []
    for _ in range(PROCESSES):
        before, after = (Worker(name, case, root=root, clock=clock) for root in (old, new))
        with before, after:
            sides = {"old": before, "new": after}
            parts.append(take_turns(sides, math.ceil(rounds / PROCESSES), PROCESS_BLOCK))
    return joined(parts)


def became_slower(ratios: dict[str, Spread], tolerance: float) -> Sequence[str]:
    """What three quarters of the pairs call slower.

    >>> became_slower({"a": Spread(1.1, 1.2, 1.3), "b": Spread(0.9, 1.2, 1.3)}, 0.05)
    ['a']
    """
    return [name for name, ratio in ratios.items() if ratio.low > 1 + tolerance]


if __name__ == "__main__":
    sys.exit(main())
