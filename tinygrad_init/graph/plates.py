"""Repetitions in a text of operations, and the slots that repeated operations share.

A part of the text that is repeated, such as a b c in x a b c a b c a b c y, becomes a *plate*: one
turn that stands for all. What counts is the exact structure: in every turn an argument must come
from the same place of the same turn, from the same place of the turn before (a loop), or from
outside of the plate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.intp]

MAX_PERIOD = 1_000  #: letters in one turn
MAX_FAILURES = 2_000  #: places in a text at which a repetition is looked for in vain


@dataclass(frozen=True, eq=False)
class Text:
    """Letters, each of which stands for an operation or for a scope full of them.

    Attributes:
        letters: equal numbers for what is equal, apart from where arguments come from.
        starts: the place of the first operation of each letter; then the number of operations.
        first: where the arguments of each letter begin in ``sources``; then their number.
        sources: the places of arguments in this text; negative ones are outside.
    """

    letters: Ints
    starts: Ints
    first: Ints
    sources: Ints

    def key(self) -> tuple[bytes, ...]:
        """Equal for texts that are equal in every number."""
        return self.letters.tobytes(), self.first.tobytes(), self.sources.tobytes()


class Token(NamedTuple):
    """The letters from ``first`` to below ``last``; a plate has the tokens of one turn."""

    first: int
    last: int
    turn: tuple[Token, ...] = ()
    times: int = 1
    in_a_row: bool = False


def plates(text: Text, least: int) -> list[Token]:
    """The text with every repetition of ``least`` turns or more as a plate.

    Short turns come first, so that a plate may be repeated in its turn: a loop in a loop.
    """
    search = _Search(text, least)
    while search.shorten():
        pass
    return search.tokens


class _Search:
    def __init__(self, text: Text, least: int) -> None:
        self.text, self.least = text, least
        self.tokens = [Token(k, k + 1) for k in range(len(text.letters))]
        self.letters = text.letters
        self.known: dict[Any, int] = {}  # letters of plates, below 0
        self.failures = 0

    def shorten(self) -> bool:
        """Whether anything was found."""
        before = len(self.tokens)
        period = 1
        while period <= min(MAX_PERIOD, len(self.tokens) // self.least):
            self._fold(period)
            period += 1
        return len(self.tokens) < before

    def _fold(self, period: int) -> None:
        found: list[Token] = []
        done = 0
        for begin, end in self._stretches(period):
            for plate, following in self._in_stretch(max(begin, done), end, period):
                found += self.tokens[done : following - plate.times * period]
                found.append(plate)
                done = following
        if found:
            self.tokens = found + self.tokens[done:]
            self.letters = np.array([self._letter(token) for token in self.tokens], np.intp)

    def _in_stretch(self, begin: int, end: int, period: int) -> list[tuple[Token, int]]:
        """Plates, each with the token after it; turns begin with the first letter if they can."""
        found: list[tuple[Token, int]] = []
        for start in range(begin, begin + period):
            while start + period * self.least <= end and self.failures < MAX_FAILURES:
                times, in_a_row = self._turns(start, period, (end - start) // period)
                following = start + times * period
                if times >= self.least:
                    turn = tuple(self.tokens[start : start + period])
                    ends = turn[0].first, self.tokens[following - 1].last
                    found.append((Token(*ends, turn, times, in_a_row), following))
                else:
                    self.failures += 1
                start = following
            if found:
                break
        return found

    def _stretches(self, period: int) -> list[tuple[int, int]]:
        """Where each letter is the one ``period`` before it, for long enough."""
        alike = self.letters[period:] == self.letters[:-period]
        if np.count_nonzero(alike) < period * (self.least - 1):
            return []
        breaks = np.flatnonzero(np.concatenate([[True], ~alike, [True]]))
        lengths = np.diff(breaks) - 1
        long = np.flatnonzero(lengths >= period * (self.least - 1))
        return [(int(breaks[k]), int(breaks[k] + lengths[k]) + period) for k in long]

    def _turns(self, begin: int, period: int, at_most: int) -> tuple[int, bool]:
        """How many turns from a token on are wired alike, and whether each needs the one before."""
        text, tokens = self.text, self.tokens
        one, two = tokens[begin].first, tokens[begin + period].first
        start, length = text.starts[one], text.starts[two] - text.starts[one]
        first, width = text.first[one], text.first[two] - text.first[one]
        rows = text.sources[first : first + at_most * width].reshape(at_most, width)
        # How far from the start of its turn an argument is: told by the first two turns.
        in_first, in_second = rows[0] >= start, rows[1] >= start
        shift = np.where(in_first, rows[0], rows[1] - length) - start
        is_inside, is_carried = in_first | in_second, in_second & ~in_first
        if (shift[is_carried] >= 0).any():  # in its own turn, which in the first turn it was not
            return 1, False
        known, chunk = 1, 8
        while known < at_most:
            turns = np.arange(known, min(known + chunk, at_most))[:, np.newaxis]
            here = rows[turns[:, 0]]
            fits = np.where(is_inside, here == start + turns * length + shift, here < start)
            wrong = np.flatnonzero(~fits.all(axis=1))
            if wrong.size:
                return known + int(wrong[0]), bool(is_carried.any())
            known, chunk = known + len(turns), 4 * chunk
        return at_most, bool(is_carried.any())

    def _letter(self, token: Token) -> int:
        if not token.turn:
            return int(self.text.letters[token.first])
        # Two loops are alike if their turns are and as many; how they are wired is compared later.
        inner = tuple(self._letter(one) for one in token.turn)
        key = (inner, token.times, token.in_a_row)
        return self.known.setdefault(key, ~len(self.known))


class Box(NamedTuple):
    """A scope or a plate: the slots from ``low`` to below ``high``, and the box around it."""

    low: int
    high: int
    outer: int
    is_scope: bool
    times: int
    in_a_row: bool


class Layout(NamedTuple):
    """All slots and boxes of a pattern.

    Attributes:
        boxes: outer ones before inner ones.
        plates: the first slot, the slot after the last, and how many plates are around it. A plate
            of one slot or of one scope is no box: the slot or the scope is there so many times.
        times, in_a_row: for each slot, how many like it there are in the box around it.
    """

    boxes: list[Box]
    plates: list[tuple[int, int, int]]
    times: list[int]
    in_a_row: list[bool]


@dataclass(frozen=True, eq=False)
class Pattern:
    """Operations in their order, each with the slot that it shares with those like it.

    Attributes:
        slots: for each operation.
        turns: for each level of plates in plates, for each operation: the turn that it is in.
        width: how many slots there are.
        parts: patterns side by side, each with its first slot; without any, the slots are single.
        box: ``"scope"`` or ``"plate"`` if there is a box around all of this.
        times, in_a_row: of the box, or else of the one slot.
        is_plate: whether there are turns at this level.
    """

    slots: Ints
    turns: Ints
    width: int
    parts: tuple[tuple[int, Pattern], ...] = ()
    box: str = ""
    times: int = 1
    in_a_row: bool = False
    is_plate: bool = False

    def layout(self) -> Layout:
        """Where everything is, once for each place at which this pattern stands."""
        found = Layout([], [], [1] * self.width, [False] * self.width)
        waiting = [(self, 0, -1, 0)]
        while waiting:
            one, low, outer, level = waiting.pop()
            high = low + one.width
            if one.is_plate:
                found.plates.append((low, high, level))
                level += 1
            if one.box:
                box = Box(low, high, outer, one.box == "scope", one.times, one.in_a_row)
                outer = len(found.boxes)
                found.boxes.append(box)
            elif one.times > 1:
                found.times[low], found.in_a_row[low] = one.times, one.in_a_row
            waiting += [(part, low + start, outer, level) for start, part in reversed(one.parts)]
        return found


def operations(count: int) -> Pattern:
    """Single operations, each with a slot of its own."""
    return Pattern(np.arange(count), np.zeros((0, count), np.intp), count)


def in_a_box(inner: Pattern) -> Pattern:
    """The contents of a scope, inside the box of the scope."""
    return Pattern(inner.slots, inner.turns, inner.width, ((0, inner),), "scope")


def laid_out(tokens: Sequence[Token], letters: Callable[[int, int], list[Pattern]]) -> Pattern:
    """The pattern of a text, from those of its letters from one place to below another."""
    parts: list[Pattern] = []
    single = 0
    for k, token in enumerate(tokens):
        if token.turn:
            parts += letters(tokens[single].first, token.first) if single < k else []
            parts.append(_repeated(laid_out(token.turn, letters), token))
            single = k + 1
    parts += letters(tokens[single].first, tokens[-1].last) if single < len(tokens) else []
    return parts[0] if len(parts) == 1 else _side_by_side(parts)


def _side_by_side(parts: Sequence[Pattern]) -> Pattern:
    starts = np.cumsum([0] + [part.width for part in parts])
    turns = np.zeros(
        (max(len(part.turns) for part in parts), sum(len(part.slots) for part in parts)), np.intp
    )
    begin = 0
    for part in parts:
        end = begin + len(part.slots)
        turns[: len(part.turns), begin:end] = part.turns
        begin = end
    placed = list(zip(starts.tolist(), parts, strict=False))
    slots = np.concatenate([part.slots + start for start, part in placed])
    return Pattern(slots, turns, int(starts[-1]), tuple(placed))


def _repeated(turn: Pattern, plate: Token) -> Pattern:
    """A plate of these turns: each slot is shared by all turns."""
    size, times = len(turn.slots), plate.times
    turns = np.vstack([np.repeat(np.arange(times), size), np.tile(turn.turns, times)])
    slots = np.tile(turn.slots, times)
    if len(plate.turn) == 1 and not turn.is_plate:  # it gets the count, without a box around it
        box, parts = turn.box, turn.parts
    else:
        box, parts = "plate", ((0, turn),)
    return Pattern(slots, turns, turn.width, parts, box, times, plate.in_a_row, is_plate=True)
