"""A large graph as a small one: closed modules are one node, and what is repeated is one node.

What is alike is found by :mod:`repeats`, once for a graph: operations that are alike share a
*slot*, and boxes (scopes and plates) are ranges of slots. A folded graph is a choice of boxes that
are closed. Its nodes are groups of nodes of the whole graph, so that nothing is left out: a closed
box, a slot, or leaves that the same slots use.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..autograd import DataError
from . import merge, text
from .parts import Edge, GraphNode, GraphScope
from .plates import Box
from .repeats import Program, repeats

LEAST = 4  #: alike ones that fold; three are told apart as easily as counted

#: How much to show: everything, or with repetitions folded: everything, the innermost modules
#: closed, modules closed from a depth on (0: all of them); None: as much as can be read.
Detail = Literal["operations", "repeats", "modules"] | int | None
Names = Collection[str]  #: labels, kinds or ids of scopes


@dataclass(frozen=True, eq=False)
class Leaves:
    """Leaves or constants that are alike and used alike."""

    members: list[int]
    users: frozenset[tuple[int, int]]  #: slots, with the position as an argument
    home: int  #: the innermost box around them
    likeness: Hashable


class Folding:
    """What can be folded in a graph."""

    def __init__(
        self, nodes: Sequence[GraphNode], edges: Sequence[Edge], scopes: Sequence[GraphScope]
    ) -> None:
        self.nodes, self.scopes = nodes, scopes
        number = {node.id: k for k, node in enumerate(nodes)}
        self.source, self.target, self.position = np.array(
            [(number[edge.source], number[edge.target], edge.position) for edge in edges], np.intp
        ).reshape(-1, 3).T  # fmt: skip
        scope_number = {"": -1} | {one.id: k for k, one in enumerate(scopes)}
        self.scope = [scope_number[node.scope] for node in nodes]
        self.outer = [scope_number[one.outer] for one in scopes]
        self._find()
        self.home = np.full(self.width, -1, np.intp)  # for each slot the innermost box
        for k, box in enumerate(self.boxes):
            self.home[box.low : box.high] = k
        self.leaves = list(self._leaves())

    def _find(self) -> None:
        nodes = self.nodes
        arguments: list[list[int]] = [[] for _ in nodes]
        for source, target in zip(self.source.tolist(), self.target.tolist(), strict=True):
            arguments[target].append(source)
        letters = [
            merge.likeness(node, [nodes[one].shape for one in arguments[k]])
            if node.kind == "operation" else None
            for k, node in enumerate(nodes)
        ]  # fmt: skip
        kinds = [(one.kind, merge.pattern(one.label)) for one in self.scopes]
        found = repeats(Program(letters, arguments, self.scope, self.outer, kinds), LEAST)
        self.boxes, plates, self.times, self.in_a_row = found.layout
        self.box_of, self.width = found.box_of, found.pattern.width
        self.slot = np.full(len(nodes), -1, np.intp)
        self.slot[found.order] = found.pattern.slots
        self.turns = np.zeros((len(found.pattern.turns), len(nodes)), np.intp)
        self.turns[:, found.order] = found.pattern.turns
        self.carried = self._carried(plates)
        self.level = {(low, high): level for low, high, level in plates}
        self.instances: list[list[int]] = [[] for _ in self.boxes]  # scopes that a box stands for
        for k, number in enumerate(self.box_of):
            if number >= 0:
                self.instances[number].append(k)

    def _carried(self, plates: list[tuple[int, int, int]]) -> NDArray[np.bool_]:
        """For each edge whether it leads from one turn of a plate to another."""
        found = np.zeros(len(self.source), bool)
        plate = np.full((len(self.turns), self.width + 1), -1, np.intp)
        for k, (low, high, level) in enumerate(plates):
            plate[level, low:high] = k
        for of_slot, turn in zip(plate, self.turns, strict=True):  # the last slot is "none"
            here, there = (of_slot[self.slot[end]] for end in (self.source, self.target))
            is_same = (here == there) & (here >= 0)
            found |= is_same & (turn[self.source] != turn[self.target])
        return found

    # Where leaves belong.

    def _leaves(self) -> Iterator[Leaves]:
        used: dict[int, list[int]] = {}  # edges, by leaf
        for edge in np.flatnonzero(self.slot[self.source] < 0).tolist():
            used.setdefault(int(self.source[edge]), []).append(edge)
        slots, positions = self.slot[self.target].tolist(), self.position.tolist()
        groups: dict[tuple[Hashable, frozenset[tuple[int, int]], int], list[int]] = {}
        for k in np.flatnonzero(self.slot < 0).tolist():
            users = frozenset((slots[edge], positions[edge]) for edge in used.get(k, ()))
            home = self._box(self.scope[k])
            key = (merge.likeness(self.nodes[k]), users, home)
            groups.setdefault(key, []).append(k)
        for (likeness, users, home), members in groups.items():
            inner = self._moved_in(members, users, [used.get(k, []) for k in members], home)
            yield Leaves(members, users, self._divisible(members, inner), likeness)

    def _box(self, scope: int) -> int:
        """The innermost box around a scope that has one."""
        while scope >= 0 and self.box_of[scope] < 0:
            scope = self.outer[scope]
        return self.box_of[scope] if scope >= 0 else -1

    def _moved_in(
        self, members: list[int], users: frozenset[tuple[int, int]], edges: list[list[int]],
        home: int,
    ) -> int:  # fmt: skip
        """Further inside: into the calls of the module that holds them, or the turns of a loop."""
        held_by = {one for k in members for one in self.nodes[k].held_by}
        inner = self._common({slot for slot, _ in users})
        while inner != home and inner >= 0:
            box = self.boxes[inner]
            if box.is_scope:
                if held_by & {self.scopes[k].module for k in self.instances[inner]}:
                    return inner
            elif all(self._is_in_one_turn(one, box) for one in edges):
                return inner
            inner = box.outer
        return home

    def _common(self, slots: set[int]) -> int:
        """The innermost box around all of these."""
        if not slots:
            return -1
        low, high = min(slots), max(slots)
        inner = int(self.home[low])
        while inner >= 0 and self.boxes[inner].high <= high:
            inner = self.boxes[inner].outer
        return inner

    def _is_in_one_turn(self, edges: list[int], plate: Box) -> bool:
        turns = self.turns[: self.level[plate.low, plate.high] + 1, self.target[edges]]
        return bool((turns == turns[:, :1]).all())

    def _divisible(self, members: list[int], home: int) -> int:
        """The innermost box of which each copy has the same number of these."""
        while home >= 0 and len(members) % self.copies_for(members, home):
            home = self.boxes[home].outer
        return home

    def copies_for(self, members: list[int], home: int) -> int:
        """How many boxes like this one there are for leaves: parameters serve all calls."""
        if home < 0:
            return 1
        modules = {self.scopes[k].module for k in self.instances[home]}
        if self.nodes[members[0]].held_by and modules:
            return len(modules)
        return self.copies[home]

    @cached_property
    def copies(self) -> list[int]:
        """How many boxes there are in the whole graph for each box."""
        found: list[int] = []
        for box in self.boxes:
            found.append(box.times * (found[box.outer] if box.outer >= 0 else 1))
        return found

    # What to close.

    @cached_property
    def depth(self) -> list[int]:
        """How many scopes are around each box."""
        found: list[int] = []
        for box in self.boxes:
            outer = box.outer
            found.append(found[outer] + self.boxes[outer].is_scope if outer >= 0 else 0)
        return found

    def closed(self, detail: Detail, opened: Names = (), closed: Names = ()) -> set[int]:
        """The boxes to be closed, of which those inside of another do not matter."""
        return self.except_for(self._of_detail(detail), opened, closed)

    def except_for(self, chosen: set[int], opened: Names, closed: Names) -> set[int]:
        """The chosen boxes, but the named ones open or closed."""
        return (chosen - self._with_outer(self.named(opened))) | self.named(closed)

    def _of_detail(self, detail: Detail) -> set[int]:
        scopes = {k for k, box in enumerate(self.boxes) if box.is_scope}
        match detail:
            case "repeats":
                return set()
            case "modules":
                return scopes - {
                    one for k in scopes for one in self._with_outer({k}) if one != k
                }
            case int() if detail >= 0:
                return {k for k in scopes if self.depth[k] >= detail}
        raise DataError(
            f"detail= takes 'operations', 'repeats', 'modules', a depth from 0 on, or None, "
            f"got {detail!r}"
        )

    def choice(self, step: int) -> set[int]:
        """What might be closed: in step 0 nothing, then one depth after the other, then loops."""
        if step > self.deepest:
            return set(range(len(self.boxes)))
        return self._of_detail(self.deepest - step)

    @cached_property
    def deepest(self) -> int:
        """The depth at which nothing is closed."""
        boxes = zip(self.boxes, self.depth, strict=True)
        return max((depth + 1 for box, depth in boxes if box.is_scope), default=0)

    def _with_outer(self, boxes: Iterable[int]) -> set[int]:
        found: set[int] = set()
        for one in boxes:
            while one >= 0:
                found.add(one)
                one = self.boxes[one].outer
        return found

    def named(self, names: Names) -> set[int]:
        """The boxes that are called so."""
        if isinstance(names, str):
            names = [names]
        found: set[int] = set()
        for name in names:
            chosen = {k for k in range(len(self.boxes)) if name in self._names(k)}
            if not chosen:
                known = sorted({one.label or one.kind for one in self.scopes})
                raise DataError(
                    f"this graph has no module {text.label(str(name))!r}: use the label, the kind "
                    f"or the id of one of graph.scopes, such as {', '.join(known[:5]) or 'none'}"
                )
            found |= chosen
        return found

    def _names(self, box: int) -> set[str]:
        found = {self.ids[box]}
        for k in self.instances[box]:
            one = self.scopes[k]
            found |= {one.id, one.kind, one.label}
        return found - {""}

    # What boxes are called.

    def described(self, box: int) -> tuple[str, str, str]:
        """The kind of a box, its title, and its label, which its title does not repeat."""
        calls = [self.scopes[k] for k in self.instances[box]]
        if not calls:
            return "repeat", "", ""
        titles = {one.title.removeprefix(f"{one.label}: ") for one in calls}
        title = titles.pop() if len(titles) == 1 else calls[0].kind
        return calls[0].kind, title, merge.common_label([one.label for one in calls])

    @cached_property
    def ids(self) -> list[str]:
        """Those of the first calls, and ``"r0"``, ``"r1"``, ... for plates."""
        loops = (f"r{k}" for k in count())
        return [
            self.scopes[min(calls)].id if calls else next(loops) for calls in self.instances
        ]
