"""Where the numbers of a plan stand: what is added up together stands together.

The results of a group do not stand in the order of recording: results that get equally many
gradients stand side by side, for their gradients are added up as one table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from ..inputs import Array
from ..tape import Node
from .scalar_levels import Edges, Group
from .scalar_tape import Tape


class Layout:
    """Which number stands where in the arrays of values and of gradients.

    It puts the operations of each group into the order in which their results stand.

    Attributes:
        params: the places of the parameters, in the order in which they stand.
        outside: the places of other Values that are read at every call; they stand behind.
        numbers: the places of the numbers of the recording.
        value: for each place, where its value stands, or -1 inside a sum.
        gradient: for each place, where its gradient stands, or -1.
        handed: for each edge, where the gradient stands that it hands back, or -1.
        n_values, n_gradients: how many there are.
    """

    def __init__(self, tape: Tape, edges: Edges, groups: Sequence[Group]) -> None:
        self._gets = np.bincount(edges.reads[edges.carries], minlength=tape.size)
        self.params = np.argsort(self._gets[: len(tape.params)], kind="stable")
        for group in groups:
            group.reorder(np.argsort(self._gets[group.places], kind="stable"))
        others = range(tape.inputs.stop, len(tape.leaves))
        self.outside = [k for k in others if isinstance(tape.leaves[k], Node)]
        self.numbers = [k for k in others if not isinstance(tape.leaves[k], Node)]
        leaves: list[Sequence[int] | Array] = [self.params, self.outside, tape.inputs, self.numbers]
        self.value, self.n_values = np.full(tape.size, -1), 0
        for places in (*leaves, *(group.places for group in groups)):
            self.n_values = _number(self.value, places, self.n_values)
        self._place_gradients(tape, edges, groups)
        # The edges to each result as the engine goes through them: its youngest reader first.
        back = np.flatnonzero(edges.carries)
        target = self.value[edges.reads[back]]
        order = np.lexsort((edges.position[back], -edges.user[back], target))
        self._found = self.handed[back[order]]
        self._first = np.searchsorted(target[order], np.arange(tape.size))

    def _place_gradients(self, tape: Tape, edges: Edges, groups: Sequence[Group]) -> None:
        self.gradient, self.handed = np.full(tape.size, -1), np.full(len(edges.reads), -1)
        at = _number(self.gradient, self.params, 0)
        for group in groups:
            if not any(group.flows):
                continue
            at = _number(self.gradient, group.places, at)
            if group.is_sum:  # which hands on what it gets
                self.handed[group.edges] = self.gradient[group.places]
                continue
            for edge, flows in zip(group.edges, group.flows, strict=True):
                at = _number(self.handed, edge, at) if flows else at
        self.n_gradients = at

    def tables(self, places: Array) -> Iterator[tuple[Array, slice]]:
        """Of results that stand in this order: which gradients they get, and where the sums go.

        A table has a column for each result, and as many rows as each of them gets gradients.
        """
        gets = self._gets[places]
        changes = np.flatnonzero(np.diff(gets, prepend=-1))
        for start, stop in pairwise([*changes.tolist(), len(places)]):
            count, columns, place = gets[start], stop - start, places[start]
            first, at = self._first[self.value[place]], self.gradient[place]
            if count:
                found = self._found[first : first + count * columns]
                yield found.reshape(columns, count).T, slice(at, at + columns)


def _number(where: Array, places: Sequence[int] | Array, at: int) -> int:
    """Let ``places`` stand side by side from ``at`` on; the end."""
    end = at + len(places)
    where[np.asarray(places, np.intp)] = np.arange(at, end)
    return end
