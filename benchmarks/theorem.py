"""Do symmetric weights stay symmetric? ``python -m benchmarks.theorem [--configurations 500]``.

Random networks with tied neurons, of all structures, sizes, activations, losses and optimisers that
``tests/symmetry/coloured.py`` knows, are trained for 200 steps, once in reproducible arithmetic and
once in the ordinary one. The theorem says that in the first no tie ever breaks. In the second
rounding depends on the place in a matrix, and the report says in how many networks that tells tied
neurons apart, and when.

The second table asks the same of random networks whose hidden neurons are put in another order:
are they, after training, still the same network in another order?
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import median

import numpy as np
from tqdm import tqdm

import tinygrad_init as tg
from benchmarks.machine import describe_machine
from tests.symmetry.coloured import (
    DTYPES,
    RANDOM,
    STEPS,
    STRUCTURES,
    Configuration,
    at_random,
    bits,
    configuration,
    first_break,
    network,
    permuted,
    train,
    twin,
)


@dataclass(frozen=True)
class Outcome:
    """What became of one network: the step at which it broke in each arithmetic, 0 for never."""

    configuration: Configuration
    exact: int
    ordinary: int
    has_learned: bool = True


def main() -> int:
    """Print both tables; an exit code of 1 says that the theorem failed."""
    parser = argparse.ArgumentParser(description="Do symmetric weights stay symmetric?")
    parser.add_argument("--configurations", type=int, default=500, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(describe_machine(), "\n")
    choose = at_random(np.random.default_rng(given.seed))
    chosen = [configuration(choose) for _ in range(given.configurations)]
    tied = [ties_of(c) for c in progress(chosen)]
    print(f"{STEPS} steps of training: networks in which tied neurons come apart\n")
    report(tied, "dtype", DTYPES)
    report(tied, "structure", list(STRUCTURES))
    learned = sum(outcome.has_learned for outcome in tied)
    print(f"the weights of the first layer moved in {learned} of {len(tied)} networks")
    print("(in the others no gradient reaches it: dead ReLUs, or zeros in front of it)\n")
    chosen = [
        configuration(choose, structures=[RANDOM], depths=(1, 2, 3))
        for _ in range(given.configurations // 5)
    ]
    orders = [order_of(c) for c in progress(chosen)]
    print("random networks whose training depends on the order of their hidden neurons\n")
    report(orders, "dtype", DTYPES)
    failed = [outcome for outcome in (*tied, *orders) if outcome.exact]
    for outcome in failed:
        print("FAILED in reproducible arithmetic:", outcome)
    return bool(failed)


def progress(chosen: list[Configuration]) -> Iterable[Configuration]:
    """A bar on a terminal."""
    return tqdm(chosen, leave=False, disable=None)


def in_both(run: Callable[[], int]) -> tuple[int, int]:
    """A run in reproducible and in ordinary arithmetic."""
    found = []
    for mode in (tg.reproducible(), nullcontext()):
        with mode:
            found.append(run())
    return found[0], found[1]


def ties_of(c: Configuration) -> Outcome:
    """When the ties of a network break."""
    has_learned = False

    def run() -> int:
        nonlocal has_learned
        model, _ = network(c)
        before = model.layers[0].weight.data.copy()
        step, _ = first_break(model, c)
        has_learned |= bool((model.layers[0].weight.data != before).any())
        return step

    return Outcome(c, *in_both(run), has_learned)


def order_of(c: Configuration) -> Outcome:
    """When a network and its twin, whose neurons stand in another order, come to differ."""

    def run() -> int:
        model, other, orders = twin(c)
        pairs = zip(train(model, c), train(other, c), strict=True)
        for step, _ in enumerate(pairs, start=1):
            for (weight, bias), layer in zip(permuted(model, orders), other.layers, strict=True):
                if (bits(weight) != bits(layer.weight.data)).any():
                    return step
                if (bits(bias) != bits(layer.bias.data)).any():
                    return step
        return 0

    return Outcome(c, *in_both(run))


def report(outcomes: list[Outcome], attribute: str, values: list[str]) -> None:
    """A line for each value of an attribute, and one for all."""
    heads = f"{'networks':>10}{'reproducible':>15}{'ordinary':>19}   at step (quartiles)"
    print(f"{attribute:12}{heads}")
    for value in (*values, "all"):
        group = [o for o in outcomes if value in {getattr(o.configuration, attribute), "all"}]
        broken = [o.ordinary for o in group if o.ordinary]
        share = f"{len(broken)} ({len(broken) / max(len(group), 1):.0%})"
        when = "-"
        if broken:
            low, high = np.percentile(broken, [25, 75])
            when = f"{median(broken):g} ({low:g} to {high:g})"
        exact = sum(o.exact > 0 for o in group)
        print(f"{value:12}{len(group):10}{exact:15}{share:>19}   {when}")
    print()


if __name__ == "__main__":
    sys.exit(main())
