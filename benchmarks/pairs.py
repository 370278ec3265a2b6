"""Times that are compared: contestants take turns, round by round.

A machine is slower in one minute than in the next, because it is warm or somebody else uses it. Who
measures one program, and then another, measures that. Here every round runs all contestants, one
after the other, in an order that changes; times are compared within a round, and what is reported
is the median of those ratios, with their quartiles.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import NamedTuple, TypeVar

Name = TypeVar("Name")
Clock = Callable[[], float]
Contestant = Callable[[int], float]  #: runs so many times, and gives the seconds of one

#: That of the wall shows what a user waits for. That of the processor leaves out the time in which
#: other programs had it: for one thread on a busy machine.
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "processor": time.process_time}
ROUNDS = 60
BLOCK = 0.003  #: seconds that a contestant runs in one round, or longer for a single run
WARM_UP = 0.3  #: seconds before the first round, during which caches fill and compilers compile
FEWEST = 3  #: runs of the warm-up


class Spread(NamedTuple):
    """The quartiles of some numbers."""

    low: float
    median: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.low:.2f}, {self.high:.2f}]"


def spread(numbers: Sequence[float]) -> Spread:
    """The quartiles; of one number, that number.

    >>> spread([3.0, 1.0, 2.0, 5.0, 4.0])
    Spread(low=2.0, median=3.0, high=4.0)
    """
    if len(numbers) == 1:
        return Spread(numbers[0], numbers[0], numbers[0])
    return Spread(*quantiles(numbers, n=4, method="inclusive"))


def timed(function: Callable[[], object], clock: Clock = CLOCKS["wall"]) -> Contestant:
    """A contestant in this process: a function that is called so many times in a row."""

    def run(calls: int) -> float:
        start = clock()
        for _ in range(calls):
            function()
        return (clock() - start) / calls

    return run


@dataclass(frozen=True)
class Times:
    """Seconds per run of every contestant, round by round."""

    seconds: Mapping[str, Sequence[float]]

    def quartiles(self, name: str) -> Spread:
        """Of the time of a contestant."""
        return spread(self.seconds[name])

    def median(self, name: str) -> float:
        """The median time of a contestant."""
        return self.quartiles(name).median

    def ratio(self, name: str, reference: str) -> Spread:
        """The quartiles of the ratios of the one to the other, taken within each round.

        >>> times = Times({"ours": [2.0, 40.0, 6.0], "theirs": [1.0, 10.0, 2.0]})
        >>> times.ratio("ours", "theirs")
        Spread(low=2.5, median=3.0, high=3.5)
        """
        pairs = zip(self.seconds[name], self.seconds[reference], strict=True)
        return spread([ours / theirs for ours, theirs in pairs])


def joined(parts: Sequence[Times]) -> Times:
    """The rounds of several measurements of the same contestants."""
    return Times({n: [s for part in parts for s in part.seconds[n]] for n in parts[0].seconds})


def take_turns(
    contestants: Mapping[str, Contestant], rounds: int = ROUNDS, block: float = BLOCK,
    warm_up: float = WARM_UP,
) -> Times:  # fmt: skip
    """Run all contestants in every round, each so often that it takes about ``block`` seconds."""
    calls = {name: _calls(run, block, warm_up) for name, run in contestants.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name in in_turn(tuple(contestants), number):
            seconds[name].append(contestants[name](calls[name]))
    return Times(seconds)


def _calls(run: Contestant, block: float, warm_up: float) -> int:
    """How many runs fill a block, found out by warming up."""
    spent, fastest, done = 0.0, math.inf, 0
    while done < FEWEST or spent < warm_up:
        seconds = run(1)
        spent, fastest, done = spent + seconds, min(fastest, seconds), done + 1
    return max(1, math.ceil(block / fastest)) if fastest > 0 else 1


def in_turn(names: Sequence[Name], number: int) -> list[Name]:
    """The order of a round: every other round goes backwards, and then another one begins.

    >>> in_turn(["a", "b", "c"], 0), in_turn(["a", "b", "c"], 1)
    (['a', 'b', 'c'], ['c', 'b', 'a'])
    """
    shift = number // 2 % len(names)
    order = [*names[shift:], *names[:shift]]
    return order if number % 2 == 0 else order[::-1]
