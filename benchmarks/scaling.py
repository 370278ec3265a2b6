"""Time and memory by the number of nodes: forward, backward and freeing the graph.

Two chains, where each node is made of the one before: numbers, and arrays of one entry, so that
what is measured is the engine and not NumPy. Linear growth has an exponent of 1.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

import tinygrad_init as tg
from benchmarks import pairs
from benchmarks.options import Options
from benchmarks.results import Curve, Record

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
ROUNDS = 3  #: in each, every size is measured
NODES = 100_000  #: that a size makes in one round, or more if it is larger itself
QUICK = 20  #: with fewer rounds asked for, one is made here, and no large size
PHASES = ("forward", "backward", "free")

LEAVES: dict[str, Callable[[], Any]] = {
    "Value": lambda: tg.Value(1.0),
    "Tensor": lambda: tg.Tensor([1.0], requires_grad=True),
}


def chain(leaf: Any, nodes: int) -> Any:
    """The end of a chain of so many products."""
    y = leaf
    for _ in range(nodes):
        y = y * 0.999999
    return y


def phases(kind: str, nodes: int, clock: pairs.Clock) -> list[float]:
    """Seconds for forward, backward and freeing."""
    leaf = LEAVES[kind]()
    marks = [clock()]
    y = chain(leaf, nodes)
    marks.append(clock())
    y.backward()
    marks.append(clock())
    del y
    marks.append(clock())
    return [after - before for before, after in pairwise(marks)]


def peak_bytes(kind: str, nodes: int) -> int:
    """The most that forward and backward hold at once."""
    leaf = LEAVES[kind]()
    tracemalloc.start()
    chain(leaf, nodes).backward()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """The slope of the logarithms.

    >>> round(exponent((10, 100, 1000), (3.0, 300.0, 30000.0)), 6)
    2.0
    """
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def measure(options: Options) -> Iterator[Record]:
    """Curves of both kinds of node."""
    is_quick = options.rounds < QUICK
    sizes, rounds = (SIZES[:-2], 1) if is_quick else (SIZES, ROUNDS)
    for kind in LEAVES:
        curves = seconds(kind, sizes, rounds, pairs.CLOCKS[options.clock])
        gc.disable()
        try:  # nothing here needs it: graphs are freed by reference counting
            without = seconds(kind, sizes, rounds, pairs.CLOCKS[options.clock])
        finally:
            gc.enable()
        curves["all three, garbage collector off"] = without["all three"]
        for phase, costs in curves.items():
            yield Curve("scaling", f"{kind}, {phase}", sizes, costs, "s", exponent(sizes, costs))
        held = tuple(float(peak_bytes(kind, nodes)) for nodes in sizes)
        yield Curve("scaling", f"{kind}, memory", sizes, held, "B", exponent(sizes, held))


def seconds(
    kind: str, sizes: tuple[int, ...], rounds: int, clock: pairs.Clock
) -> dict[str, tuple[float, ...]]:
    """Medians of each phase, by size; sizes take turns, so that a busy minute bends no curve."""
    phases(kind, sizes[0], clock)  # warm-up
    found: dict[int, list[list[float]]] = {nodes: [] for nodes in sizes}
    for number in range(rounds):
        for nodes in pairs.in_turn(sizes, number):
            found[nodes] += [phases(kind, nodes, clock) for _ in range(max(1, NODES // nodes))]
    columns = [map(median, zip(*found[nodes], strict=True)) for nodes in sizes]
    curves = dict(zip(PHASES, zip(*columns, strict=True), strict=True))
    curves["all three"] = tuple(map(sum, zip(*curves.values(), strict=True)))
    return curves
