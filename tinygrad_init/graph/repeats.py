"""Which parts of a computation are alike: the examples of a batch, neurons, the steps of a loop.

A program that does the same again records the same operations in the same order. So the operations
of a graph, oldest first, are read as a text in which :mod:`plates` finds the repetitions. Scopes
are read from the inside out: the call of a layer is one letter in the text of the network around
it. Calls of the same structure are the same letter, so what a layer that is called a thousand times
consists of is searched once.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from .plates import Ints, Layout, Pattern, Text, in_a_box, laid_out, operations, plates


class Program(NamedTuple):
    """What was computed, by number: nodes, and the scopes that they are in."""

    letters: Sequence[Hashable]  #: what an operation is, apart from its arguments; None for others
    arguments: Sequence[Sequence[int]]  #: nodes; empty unless it is an operation
    scopes: Sequence[int]  #: that of each node; -1 outside
    outer: Sequence[int]  #: for each scope the one around it, of a smaller number; -1 outside
    kinds: Sequence[Hashable]  #: for each scope what it is, apart from its contents


class Repeats(NamedTuple):
    """What is alike in a computation.

    Attributes:
        order: the operations, in the order in which they were read.
        pattern: their slots.
        layout: the slots and the boxes.
        box_of: for each scope the number of its box; -1 for one that is not in one piece.
    """

    order: Ints
    pattern: Pattern
    layout: Layout
    box_of: list[int]


def repeats(program: Program, least: int) -> Repeats:
    """Every repetition of ``least`` turns or more."""
    outer, contents = _contents(program)
    return _Reader(program, contents, least).read(outer)


def _contents(program: Program) -> tuple[list[int], dict[int, list[int]]]:
    """What is directly in each scope (-1: outside), oldest first: operations, and ~k for scope k.

    A scope that is not in one piece, since others need some of it and precede the rest, cannot be
    a box with arrows in and out. What it contains is moved to the scope around it. The scopes
    around scopes are returned, too, with this mended.
    """
    is_operation = [letter is not None for letter in program.letters]
    given = [node for node, is_one in enumerate(is_operation) if is_one]
    source, target = np.array(
        [(one, node) for node in given for one in program.arguments[node] if is_operation[one]],
        np.intp,
    ).reshape(-1, 2).T  # fmt: skip
    outer, torn = list(program.outer), set[int]()
    while True:
        outer = [_whole(one, outer, torn) for one in outer]
        scopes = [_whole(one, outer, torn) for one in program.scopes]
        contents: dict[int, list[int]] = {-1: []}
        for node in given:
            item, scope = node, scopes[node]
            while scope not in contents:
                contents[scope] = [item]
                item, scope = ~scope, outer[scope]
            contents[scope].append(item)
        place = np.zeros(len(scopes), np.intp)
        place[_flat(contents)] = np.arange(len(given))
        wrong = np.flatnonzero(place[source] > place[target])
        if not wrong.size:
            return outer, contents
        for k in wrong:
            torn |= _around(scopes[source[k]], outer) ^ _around(scopes[target[k]], outer)


def _whole(scope: int, outer: Sequence[int], torn: set[int]) -> int:
    """The innermost scope from here outwards that is in one piece."""
    while scope in torn:
        scope = outer[scope]
    return scope


def _around(scope: int, outer: Sequence[int]) -> set[int]:
    """This scope and those around it."""
    found = set()
    while scope >= 0:
        found.add(scope)
        scope = outer[scope]
    return found


def _flat(contents: dict[int, list[int]]) -> list[int]:
    """All operations, scope by scope."""
    found: list[int] = []
    waiting = contents[-1][::-1]
    while waiting:
        item = waiting.pop()
        if item < 0:
            waiting += reversed(contents[~item])
        else:
            found.append(item)
    return found


class _Reader:
    """Reads from the inside out.

    What is read so far is made of *items*, operations and ~k for scopes. For every operation there
    are the outermost item that it is in, and its place among the operations of this item.
    """

    def __init__(self, program: Program, contents: dict[int, list[int]], least: int) -> None:
        self.program, self.contents, self.least = program, contents, least
        self.item = list(range(len(program.letters)))
        self.place = [0] * len(program.letters)
        self.members: dict[int, list[int]] = {}  # operations of a scope
        self.inputs: dict[int, list[int]] = {}  # nodes that a scope needs, in the order of use
        self.letters: dict[Hashable, int] = {}
        self.letter_of: dict[int, int] = {}  # by scope
        self.patterns: dict[int, Pattern] = {}  # of scopes, by letter

    def read(self, outer: Sequence[int]) -> Repeats:
        first: dict[int, int] = {}
        for scope in sorted(self.contents.keys() - {-1}, reverse=True):
            items = self._sorted(self.contents[scope])
            text = self._text(scope, items)
            first[scope] = self.members[scope][0]
            key = (self.program.kinds[scope], *text.key())
            self.letter_of[scope] = letter = self._letter(key)
            if letter not in self.patterns:
                self.patterns[letter] = in_a_box(self._pattern(text, items))
        items = self._sorted(self.contents[-1])
        pattern = self._pattern(self._text(-1, items), items)
        layout = pattern.layout()
        box_of = self._boxes(pattern, layout, outer, first)
        return Repeats(np.array(self.members[-1], np.intp), pattern, layout, box_of)

    def _letter(self, key: Hashable) -> int:
        return self.letters.setdefault(key, len(self.letters))

    def _sorted(self, items: Sequence[int]) -> list[int]:
        """The same; scopes that follow but do not need each other in groups of those alike."""
        found: list[int] = []
        block: dict[int, list[int]] = {}  # such scopes, by letter
        inside: set[int] = set()
        for item in items:
            if item >= 0 or any(self.item[one] in inside for one in self.inputs[~item]):
                found += [one for alike in block.values() for one in alike]
                block, inside = {}, set()
            if item >= 0:
                found.append(item)
            else:
                block.setdefault(self.letter_of[~item], []).append(item)
                inside.add(item)
        return found + [one for alike in block.values() for one in alike]

    def _text(self, scope: int, items: Sequence[int]) -> Text:
        letters, starts, first = [], [], []
        members: list[int] = []
        sources: list[int] = []
        begins: dict[int, int] = {}  # by item, in this text
        outside: dict[int, int] = {}
        for item in items:
            starts.append(len(members))
            first.append(len(sources))
            if item >= 0:
                inputs: Sequence[int] = self.program.arguments[item]
                letters.append(self._letter((self.program.letters[item], len(inputs))))
                own = [item]
            else:
                inputs, own = self.inputs.pop(~item), self.members.pop(~item)
                letters.append(self.letter_of[~item])
            for one in inputs:
                begin = begins.get(self.item[one])
                sources.append(
                    ~outside.setdefault(one, len(outside)) if begin is None
                    else begin + self.place[one]
                )  # fmt: skip
            begins[item] = len(members)
            members += own
        for place, node in enumerate(members):
            self.item[node], self.place[node] = ~scope, place
        self.members[scope], self.inputs[scope] = members, list(outside)
        lists = letters, [*starts, len(members)], [*first, len(sources)], sources
        return Text(*(np.array(numbers, np.intp) for numbers in lists))

    def _pattern(self, text: Text, items: Sequence[int]) -> Pattern:
        def of_letters(first: int, last: int) -> list[Pattern]:
            found: list[Pattern] = []
            single = 0  # operations since the last scope
            for k in range(first, last):
                if items[k] >= 0:
                    single += 1
                    continue
                found += [operations(single)] if single else []
                found.append(self.patterns[int(text.letters[k])])
                single = 0
            return found + ([operations(single)] if single else [])

        return laid_out(plates(text, self.least), of_letters) if items else operations(0)

    def _boxes(
        self, pattern: Pattern, layout: Layout, outer: Sequence[int], first: dict[int, int]
    ) -> list[int]:
        """The box of each scope: that which begins with its first operation, as deep as it is."""
        depths: list[int] = []
        by_place: dict[tuple[int, int], int] = {}
        for number, box in enumerate(layout.boxes):
            depths.append((depths[box.outer] if box.outer >= 0 else 0) + box.is_scope)
            if box.is_scope:
                by_place[box.low, depths[-1]] = number
        found = [-1] * len(outer)
        depth = {-1: 0}
        for scope in sorted(first):
            depth[scope] = depth[outer[scope]] + 1
            slot = int(pattern.slots[self.place[first[scope]]])
            found[scope] = by_place[slot, depth[scope]]
        return found
