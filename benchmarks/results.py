"""Results: as data, as JSON and as tables in ``RESULTS.md``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.bars import BARS
from benchmarks.options import Options
from benchmarks.pairs import Spread, Times

SCHEMA = 1  #: of the JSON
HERE = Path(__file__).parent
JSON, MARKDOWN = HERE / "results.json", HERE / "RESULTS.md"


@dataclass(frozen=True)
class Measurement:
    """One thing compared with another, in rounds.

    Attributes:
        section: the part of the benchmarks that it belongs to.
        case, ours, reference: what was compared with what, as in :data:`bars.BARS`.
        value, reference_value: their medians, in ``unit``.
        ratio: the quartiles of ours divided by the reference, round by round.
        rounds: how many there were.
        threads: of the BLAS.
        clock: whose time it was, of :data:`pairs.CLOCKS`.
        unit: ``"s"`` or ``"B"``.
    """

    section: str
    case: str
    ours: str
    reference: str
    value: float
    reference_value: float
    ratio: Spread
    rounds: int
    threads: int
    clock: str = "wall"
    unit: str = "s"

    @property
    def bar(self) -> float | None:
        """What the ratio is to be at most; only for one thread."""
        bar = BARS.get((self.case, self.ours, self.reference))
        return bar if self.threads == 1 else None

    @property
    def verdict(self) -> str:
        """Whether the median is within the bar."""
        if self.bar is None:
            return ""
        return "reached" if self.ratio.median <= self.bar else "not reached"


def compared(
    section: str, case: str, ours: str, reference: str, times: Times, options: Options
) -> Measurement:
    """The measurement of two contestants that took turns."""
    return Measurement(
        section, case, ours, reference, times.median(ours), times.median(reference),
        times.ratio(ours, reference), len(times.seconds[ours]), options.threads, options.clock,
    )  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """How a cost grows with the number of nodes.

    Attributes:
        section, case: what was measured.
        sizes: numbers of nodes.
        costs: for each size, the median.
        unit: ``"s"`` or ``"B"``.
        exponent: p of the fit ``cost = c * size**p``, by least squares on logarithms.
    """

    section: str
    case: str
    sizes: tuple[int, ...]
    costs: tuple[float, ...]
    unit: str
    exponent: float


@dataclass(frozen=True)
class Note:
    """What a section has to say besides: the version of a peer, or why one is absent."""

    section: str
    about: str
    text: str


Record = Measurement | Curve | Note
KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (Measurement, Curve, Note)}


def to_line(record: Record) -> str:
    """A record as one line of JSON.

    >>> from_line(to_line(Note("peers", "JAX", "not installed")))
    Note(section='peers', about='JAX', text='not installed')
    """
    return json.dumps({"kind": type(record).__name__, **asdict(record)})


def from_line(line: str) -> Record:
    """The record that :func:`to_line` wrote."""
    return _from_dict(json.loads(line))


def _from_dict(fields: dict[str, Any]) -> Record:
    fields = dict(fields)
    kind = KINDS[fields.pop("kind")]
    if kind is Measurement:
        fields["ratio"] = Spread(*fields["ratio"])
    if kind is Curve:
        fields["sizes"], fields["costs"] = tuple(fields["sizes"]), tuple(fields["costs"])
    record: Record = kind(**fields)
    return record


@dataclass(frozen=True)
class Run:
    """All records of one run, and what it ran on.

    Attributes:
        commit: of the repository, with ``+`` if files were changed since.
        date: ISO 8601.
        machine: processor, versions of Python, NumPy and its BLAS.
        records: in the order in which they were made.
    """

    commit: str
    date: str
    machine: str
    records: tuple[Record, ...]

    def write(self, path: Path) -> None:
        """Write JSON, one record to a line, so that versions of the file can be compared."""
        lines = ",\n".join(f"  {to_line(record)}" for record in self.records)
        head = {
            "schema": SCHEMA, "commit": self.commit, "date": self.date, "machine": self.machine,
        }  # fmt: skip
        path.write_text(f'{json.dumps(head)[:-1]}, "records": [\n{lines}\n]}}\n', encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Run:
        """Read what :meth:`write` wrote.

        Raises:
            ValueError: if another version of this module wrote it.
        """
        found = json.loads(path.read_text(encoding="utf-8"))
        if found.pop("schema") != SCHEMA:
            raise ValueError(f"{path} has another schema than {SCHEMA}: measure anew")
        found["records"] = tuple(map(_from_dict, found["records"]))
        return cls(**found)


def commit(root: Path = HERE) -> str:
    """The commit that is checked out, with ``+`` if tracked files were changed since."""
    git = ["git", "-C", str(root)]
    try:
        described = subprocess.run(
            [*git, "describe", "--always", "--dirty=+", "--exclude=*"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()


# Numbers in words.


def amount(value: float, unit: str) -> str:
    """A number with its unit, to three digits.

    >>> amount(0.0000413, "s"), amount(0.1, "s"), amount(1.61, "s"), amount(290.8, "B")
    ('41.3 us', '100 ms', '1.61 s', '291 B')
    """
    if unit == "s":
        factor, unit = next(
            ((f, u) for f, u in ((1, "s"), (1e3, "ms")) if value * f >= 0.9995), (1e6, "us")
        )
        value *= factor
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {unit}"


def ratio_text(ratio: Spread) -> str:
    """The median and its quartiles, with digits enough for what is small.

    >>> ratio_text(Spread(1.0, 1.05, 1.1)), ratio_text(Spread(0.0021, 0.0022, 0.0024))
    ('1.05 [1.00, 1.10]', '0.0022 [0.0021, 0.0024]')
    """
    digits = 2 if ratio.median >= 0.3 else 3 if ratio.median >= 0.03 else 4
    low, median, high = (f"{number:.{digits}f}" for number in ratio)
    return f"{median} [{low}, {high}]"


def bar_text(bar: float | None) -> str:
    """A bar as its issue puts it: a ratio, or how many times as fast.

    >>> bar_text(1.6), bar_text(1 / 12), bar_text(None)
    ('1.6', '1/12', '')
    """
    if bar is None:
        return ""
    return f"{bar:g}" if bar >= 0.5 and round(bar, 2) == bar else f"1/{1 / bar:.4g}"


def table(records: Iterable[Record]) -> str:
    """Measurements as a table in Markdown."""
    head = ("case", "", "time", "compared with", "time", "ratio [quartiles]", "bar", "")
    rows = [
        (
            record.case,
            record.ours,
            amount(record.value, record.unit),
            record.reference,
            amount(record.reference_value, record.unit),
            ratio_text(record.ratio),
            bar_text(record.bar),
            record.verdict,
        )
        for record in records
        if isinstance(record, Measurement)
    ]
    return _markdown(head, rows)


def curves(records: Iterable[Record]) -> str:
    """Curves as a table in Markdown: the cost of one node at each size."""
    found = [record for record in records if isinstance(record, Curve)]
    sizes = sorted({size for curve in found for size in curve.sizes})
    head = ("for each node", *(f"{size:,}" for size in sizes), "exponent")
    rows = []
    for curve in found:
        each = {n: cost / n for n, cost in zip(curve.sizes, curve.costs, strict=True)}
        cells = [amount(each[n], curve.unit) if n in each else "" for n in sizes]
        rows.append((curve.case, *cells, f"{curve.exponent:.3f}"))
    return _markdown(head, rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def replace_between(text: str, name: str, content: str) -> str:
    """``text`` with ``content`` between the markers of that name; all else stays.

    >>> replace_between("a <!-- x: begin -->old<!-- x: end --> b", "x", "new")
    'a <!-- x: begin -->new<!-- x: end --> b'

    Raises:
        ValueError: if the markers are not there, once each.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"the text has no place for {name}: write {begin} and {end} into it")
    before, _, rest = text.partition(begin)
    return before + begin + content + end + rest.partition(end)[2]
