"""All benchmarks of speed: ``python -m benchmarks`` (about half an hour).

Prints its results while it measures. A whole run also writes them to ``results.json`` and into the
tables of ``RESULTS.md``; a part of it (``--quick``, ``--section``, ``--case``, ``--no-peers``) does
not, unless a path is given for the JSON.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import results, sections
from benchmarks.results import JSON, MARKDOWN, Curve, Measurement, Note, Record, Run
from benchmarks.worker import ROOT, environment

QUICK_ROUNDS = 9
THREADS = (1, 2)  #: the bar, and what is reported besides


def main() -> None:
    """Measure, print, write."""
    given = _parser().parse_args()
    if given.tables:
        write_tables(Run.read(JSON), MARKDOWN)
        return
    commit, date = results.commit(), datetime.now(UTC).date().isoformat()
    records: list[Record] = []
    for section in given.section or sections.SECTIONS:
        if given.no_peers and section in ("peers", "moons"):
            continue
        for threads in given.threads if section in sections.BY_THREADS else given.threads[:1]:
            print(f"\n{section}, {threads} BLAS thread{'s'[: threads > 1]}", flush=True)
            for record in _records(section, threads, given):
                print(" ", _line(record), flush=True)
                records.append(record)
    run = Run(commit, date, _machine(), tuple(records))
    is_whole = not (given.quick or given.section or given.cases or given.no_peers)
    if given.json or is_whole:
        run.write(given.json or JSON)
    if is_whole:
        write_tables(run, MARKDOWN)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    sections.add_options(parser)
    add = parser.add_argument
    add("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds, to see whether all works")
    add("--no-peers", action="store_true", help="leave out what needs other frameworks")
    add("--threads", type=int, nargs="+", default=THREADS, metavar="N",
        help="of the BLAS (default 1 2; what does not depend on it is measured once)")
    add("--section", action="append", choices=sections.SECTIONS, help="may be repeated")
    add("--tables", action="store_true", help="renew the tables from results.json, and end")
    add("--json", type=Path, metavar="PATH", help="where the results go")
    return parser


def _records(section: str, threads: int, given: argparse.Namespace) -> Iterator[Record]:
    """The records of one section, which runs in a process with so many BLAS threads."""
    command = [
        sys.executable, "-m", "benchmarks.sections", section, f"--threads={threads}",
        f"--rounds={QUICK_ROUNDS if given.quick else given.rounds}",
        f"--peers-python={given.peers_python}",
        f"--clock={given.clock if threads == 1 else 'wall'}",
        *(f"--case={case}" for case in given.cases or ()),
    ]  # fmt: skip
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(threads), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield from map(results.from_line, process.stdout)
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        sys.exit(f"{section} failed")


def _line(record: Record) -> str:
    """A record as a line of text."""
    if isinstance(record, Note):
        return f"{record.about}: {record.text}"
    if isinstance(record, Curve):
        each = [cost / n for n, cost in zip(record.sizes, record.costs, strict=True)]
        ends = " to ".join(results.amount(cost, record.unit) for cost in (each[0], each[-1]))
        return f"{record.case}: {ends} for each node, exponent {record.exponent:.3f}"
    bar = f"   bar {results.bar_text(record.bar)}: {record.verdict}" if record.bar else ""
    return (
        f"{record.case}: {record.ours} {results.amount(record.value, record.unit)}, "
        f"{record.reference} {results.amount(record.reference_value, record.unit)}, "
        f"ratio {results.ratio_text(record.ratio)}{bar}"
    )


def _machine() -> str:
    """In a process of its own: here no BLAS is loaded."""
    code = "from benchmarks.machine import describe_machine; print(describe_machine())"
    environment = {key: value for key, value in os.environ.items() if "NUM_THREADS" not in key}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.partition(", threads")[0].strip()


def write_tables(run: Run, path: Path) -> None:
    """Renew what stands between the markers in that file; the rest of it stays."""
    text = path.read_text(encoding="utf-8")
    text = results.replace_between(text, "speed", f"\n{describe(run)}\n")
    path.write_text(text, encoding="utf-8")


def describe(run: Run) -> str:
    """All tables of a run, in Markdown."""
    parts = [f"{run.date}, commit {run.commit}; {run.machine}."]
    for section, title in TITLES.items():
        parts.append(f"### {title}")
        records = [record for record in run.records if record.section == section]
        for threads in sorted({r.threads for r in records if isinstance(r, Measurement)}):
            measured = [r for r in records if isinstance(r, Measurement) and r.threads == threads]
            count = "One BLAS thread" if threads == 1 else f"{threads} BLAS threads"
            how = f"time of the {measured[0].clock}, {measured[0].rounds} rounds"
            parts.append(f"{count}, {how}:\n\n{results.table(measured)}")
        if curves := [record for record in records if isinstance(record, Curve)]:
            parts.append(results.curves(curves))
        notes: dict[str, list[str]] = {}
        for note in (record for record in records if isinstance(record, Note)):
            about = notes.setdefault(note.text, [])
            about += [note.about] if note.about not in about else []
        if notes:
            lines = (f"- {'; '.join(about)}: {text}" for text, about in notes.items())
            parts.append("\n".join(lines))
    return "\n\n".join(parts)


TITLES = {
    "steps": "Against the same step by hand, in one process",
    "peers": "Against other frameworks, each in a process of its own",
    "moons": "Numbers: the demo of micrograd",
    "start": "Start",
    "scaling": "Scaling",
    "arithmetic": "What reproducible arithmetic costs",
}


if __name__ == "__main__":
    main()
