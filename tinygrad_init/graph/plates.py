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
    count: int = 1
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
            begin = max(begin, done)
            while begin + period * self.least <= end and self.failures < MAX_FAILURES:
                count, in_a_row = self._turns(begin, period, (end - begin) // period)
                if count < self.least:
                    self.failures += 1
                    begin += 1
                    continue
                found += self.tokens[done:begin]
                done = begin + count * period
                turn = tuple(self.tokens[begin : begin + period])
                ends = self.tokens[begin].first, self.tokens[done - 1].last
                found.append(Token(*ends, turn, count, in_a_row))
                begin = done
        if found:
            self.tokens = found + self.tokens[done:]
            self.letters = np.array([self._letter(token) for token in self.tokens], np.intp)

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
        key = (inner, token.count, token.in_a_row)
        return self.known.setdefault(key, ~len(self.known))


class Box(NamedTuple):
    """A scope or a plate: the slots from ``low`` to below ``high``, and the box around it."""

    low: int
    high: int
    outer: int
    is_scope: bool
    count: int = 1
    in_a_row: bool = False


@dataclass(frozen=True, eq=False)
class Pattern:
    """Operations in their order, each with the slot that it shares with those like it.

    Attributes:
        slots: for each operation.
        turns: for each level of plates in plates, for each operation: the turn that it is in.
        boxes: outer ones before inner ones. A plate of one slot or one box is none, but its
            count is that of the slot or the box.
        plates: the first slot, the slot after the last, and the level.
        counts, in_a_row: for each slot.
    """

    slots: Ints
    turns: Ints
    boxes: tuple[Box, ...]
    plates: tuple[tuple[int, int, int], ...]
    counts: tuple[int, ...]
    in_a_row: tuple[bool, ...]

    @property
    def width(self) -> int:
        """How many slots there are."""
        return len(self.counts)


def operations(count: int) -> Pattern:
    """Single operations, each with a slot of its own."""
    nothing = np.zeros((0, count), np.intp)
    return Pattern(np.arange(count), nothing, (), (), (1,) * count, (False,) * count)


def in_a_box(inner: Pattern) -> Pattern:
    """The contents of a scope, inside the box of the scope."""
    whole = Box(0, inner.width, -1, True)
    boxes = (whole, *(box._replace(outer=box.outer + 1) for box in inner.boxes))
    return Pattern(inner.slots, inner.turns, boxes, inner.plates, inner.counts, inner.in_a_row)


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
    levels = max(len(part.turns) for part in parts)
    slots, turns = [], []
    boxes: list[Box] = []
    found: list[tuple[int, int, int]] = []
    width = 0
    for part in parts:
        slots.append(part.slots + width)
        turns.append(np.pad(part.turns, ((0, levels - len(part.turns)), (0, 0))))
        before = len(boxes)
        boxes += [
            box._replace(
                low=box.low + width, high=box.high + width,
                outer=box.outer + before if box.outer >= 0 else -1,
            )
            for box in part.boxes
        ]  # fmt: skip
        found += [(low + width, high + width, level) for low, high, level in part.plates]
        width += part.width
    return Pattern(
        np.concatenate(slots), np.concatenate(turns, axis=1), tuple(boxes), tuple(found),
        tuple(count for part in parts for count in part.counts),
        tuple(one for part in parts for one in part.in_a_row),
    )  # fmt: skip


def _repeated(turn: Pattern, plate: Token) -> Pattern:
    """A plate of these turns: each slot is shared by all turns."""
    size = len(turn.slots)
    turns = np.vstack([
        np.repeat(np.arange(plate.count), size), np.tile(turn.turns, plate.count),
    ])  # fmt: skip
    boxes, counts, in_a_row = list(turn.boxes), turn.counts, turn.in_a_row
    if turn.width == 1 and not boxes:
        counts, in_a_row = (counts[0] * plate.count,), (in_a_row[0] or plate.in_a_row,)
    elif boxes and (boxes[0].low, boxes[0].high) == (0, turn.width) and len(plate.turn) == 1:
        whole = boxes[0]
        boxes[0] = whole._replace(
            count=whole.count * plate.count, in_a_row=whole.in_a_row or plate.in_a_row
        )
    else:
        whole = Box(0, turn.width, -1, False, plate.count, plate.in_a_row)
        boxes = [whole, *(box._replace(outer=box.outer + 1) for box in boxes)]
    inner = [(low, high, level + 1) for low, high, level in turn.plates]
    return Pattern(
        np.tile(turn.slots, plate.count), turns, tuple(boxes), ((0, turn.width, 0), *inner),
        counts, in_a_row,
    )  # fmt: skip
