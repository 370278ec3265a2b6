"""The graph in which some boxes are closed: groups of nodes, and the edges between groups."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable
from functools import cached_property
from typing import NamedTuple

import numpy as np

from . import merge, text
from .fold import Detail, Folding, Leaves, Names
from .parts import Edge, GraphNode, GraphScope
from .plates import Ints

SMALL = 50  #: nodes of a graph that is shown as it is, unless asked otherwise
READABLE = 50  #: nodes and edges of a folded graph, if it can have so few: its nodes say more
LEGIBLE = 150  #: the same for one whose modules are all closed, before its loops are closed, too


class Folded(NamedTuple):
    """A folded graph.

    Attributes:
        nodes, edges, scopes: as a Graph has them.
        members: for each node, the numbers of the nodes of the whole graph that it stands for.
    """

    nodes: list[GraphNode]
    edges: list[Edge]
    scopes: list[GraphScope]
    members: list[Ints]


class _Group(NamedTuple):
    """What becomes a node: a closed box, a slot, or leaves that the same nodes use."""

    order: tuple[int, int, int]
    home: int  #: the innermost box around it, which is open; -1 outside
    box: int = -1
    slot: int = -1
    leaves: tuple[Leaves, ...] = ()


def fold(folding: Folding, detail: Detail, opened: Names = (), closed: Names = ()) -> Folded:
    """The graph with the detail asked for; ``None``: the most detail that can be read."""
    if detail is not None:
        return View(folding, folding.closed(detail, opened, closed)).folded()

    def view(step: int) -> View:
        return View(folding, folding.except_for(folding.choice(step), opened, closed))

    def is_readable(step: int) -> bool:
        limit = READABLE if step < folding.deepest else LEGIBLE
        return view(step).size <= limit

    steps = range(folding.deepest + 1)  # if none is, the next one closes everything
    return view(bisect_left(steps, True, key=is_readable)).folded()


class View:
    """What is to be seen if some of the boxes of a graph are closed."""

    def __init__(self, folding: Folding, closed: set[int]) -> None:
        self.folding = folding
        self.around: list[int] = []  # for each box the outermost closed one around it, or itself
        for k, box in enumerate(folding.boxes):
            outer = self.around[box.outer] if box.outer >= 0 else -1
            self.around.append(outer if outer >= 0 else k if k in closed else -1)
        self.slot = folding.slot
        self.homes = folding.home.tolist()
        self._part_result()
        self.groups = sorted(self._grouped(), key=lambda group: group.order)

    def _part_result(self) -> None:
        """The result stays apart from those like it, unless it is in a closed box."""
        folding, last = self.folding, len(self.folding.nodes) - 1
        slot = int(folding.slot[last])
        if slot < 0 or self._closed_at(self.homes[slot]) >= 0:
            return
        if np.count_nonzero(folding.slot == slot) > 1:
            self.slot = folding.slot.copy()
            self.slot[last] = folding.width
            self.homes.append(self._single(self.homes[slot]))

    def _single(self, box: int) -> int:
        """The innermost box from here outwards of which there is one in the whole graph."""
        while box >= 0 and self.folding.copies[box] > 1:
            box = self.folding.boxes[box].outer
        return box

    def _closed_at(self, home: int) -> int:
        return self.around[home] if home >= 0 else -1

    @property
    def size(self) -> int:
        """How many nodes and edges there are."""
        return len(self.groups) + len(self.links)

    # Groups.

    @cached_property
    def _users(self) -> list[tuple[int, int]]:
        """For each slot what it is seen as: (0, slot) or (1, closed box)."""
        found = []
        for slot, home in enumerate(self.homes):
            box = self._closed_at(home)
            found.append((0, slot) if box < 0 else (1, box))
        return found

    def _grouped(self) -> list[_Group]:
        boxes, users = self.folding.boxes, self._users
        found = [
            _Group((boxes[one].low, 1, 0), boxes[one].outer, box=one)
            for one in sorted({one for is_box, one in users if is_box})
        ]
        found += [
            _Group((slot, 1, 0), self.homes[slot], slot=slot)
            for slot, (is_box, _) in enumerate(users) if not is_box
        ]
        alike: dict[Hashable, list[Leaves]] = {}
        for leaves in self.folding.leaves:
            if self._closed_at(leaves.home) < 0:
                seen = frozenset(
                    (users[slot], -1 if users[slot][0] else position)
                    for slot, position in leaves.users
                )
                alike.setdefault((leaves.likeness, leaves.home, seen), []).append(leaves)
        for some in alike.values():
            begins = [self._begin(slot) for leaves in some for slot, _ in leaves.users]
            number = min(leaves.members[0] for leaves in some)
            order = (min(begins, default=0), 0, number)
            found.append(_Group(order, some[0].home, leaves=tuple(some)))
        return found

    def _begin(self, slot: int) -> int:
        is_box, one = self._users[slot]
        return self.folding.boxes[one].low if is_box else slot

    # Nodes, edges and scopes.

    def folded(self) -> Folded:
        """The graph."""
        by_group = np.argsort(self.numbers, kind="stable")
        ends = np.cumsum(np.bincount(self.numbers, minlength=len(self.groups)))
        members = np.split(by_group, ends[:-1])
        names: dict[int, str] = {}
        scopes = list(self._scopes(names))
        nodes = [
            self._node(group, few, names.get(group.home, ""))
            for group, few in zip(self.groups, members, strict=True)
        ]
        return Folded(nodes, self._edges(nodes), scopes, members)

    @cached_property
    def numbers(self) -> Ints:
        """For each node of the whole graph, the group that it is in."""
        folding = self.folding
        of_slot, of_box = np.zeros(len(self.homes), np.intp), {}
        of_node = np.zeros(len(folding.nodes), np.intp)
        for k, group in enumerate(self.groups):
            if group.box >= 0:
                of_box[group.box] = k
            elif group.slot >= 0:
                of_slot[group.slot] = k
            for leaves in group.leaves:
                of_node[leaves.members] = k
        for slot, (is_box, one) in enumerate(self._users):
            if is_box:
                of_slot[slot] = of_box[one]
        for leaves in folding.leaves:
            if (box := self._closed_at(leaves.home)) >= 0:
                of_node[leaves.members] = of_box[box]
        is_operation = self.slot >= 0
        of_node[is_operation] = of_slot[self.slot[is_operation]]
        return of_node

    def _node(self, group: _Group, numbers: Ints, scope: str) -> GraphNode:
        folding = self.folding
        members = [folding.nodes[k] for k in numbers.tolist()]
        if group.box < 0:
            count = self._count(group, len(members))
            in_a_row = 0 <= group.slot < folding.width and folding.in_a_row[group.slot]
            return merge.alike(members, count, in_a_row, scope, len(members))
        box = folding.boxes[group.box]
        kind, title, label = folding.described(group.box)
        return merge.module(
            folding.ids[group.box], kind, title, label, members, self._results(int(numbers[-1])),
            box.times, box.in_a_row, scope,
        )  # fmt: skip

    def _count(self, group: _Group, size: int) -> int:
        """How many there are in one of the boxes around, the result not among them."""
        folding = self.folding
        if group.slot >= 0:
            is_result = group.slot == folding.width
            return 1 if is_result else min(folding.times[group.slot], size)
        return size // folding.copies_for(group.leaves[0].members, group.home)

    def _results(self, last: int) -> list[GraphNode]:
        """What the closed box with this node gives, if it gives one thing: what is used outside."""
        folding = self.folding
        if last == len(folding.nodes) - 1:
            return [folding.nodes[last]]
        found = self._leaving.get(int(self.numbers[last]), [])
        is_one = len({int(folding.slot[k]) for k in found}) == 1
        return [folding.nodes[k] for k in found] if is_one else []

    @cached_property
    def _leaving(self) -> dict[int, list[int]]:
        """For each group the operations in it that are used outside of it, in all its copies."""
        source, target = self.folding.source, self.folding.target
        outside = source[self.numbers[source] != self.numbers[target]]
        found: dict[int, list[int]] = {}
        for k in np.unique(outside[self.folding.slot[outside] >= 0]).tolist():
            found.setdefault(int(self.numbers[k]), []).append(k)
        return found

    @cached_property
    def links(self) -> list[tuple[int, int, int, int]]:
        """Target, position (0 in a closed box), source, and whether it is carried; sorted."""
        folding = self.folding
        is_box = np.array([group.box >= 0 for group in self.groups])
        source, target = self.numbers[folding.source], self.numbers[folding.target]
        position = np.where(is_box[target], 0, folding.position)
        carried = folding.carried & (self.slot[folding.target] < folding.width)
        sizes = len(self.groups), int(position.max(initial=0)) + 1, len(self.groups), 2
        links = np.ravel_multi_index((target, position, source, carried.astype(int)), sizes)
        found = np.unravel_index(np.unique(links[source != target]), sizes)
        return list(zip(*(column.tolist() for column in found), strict=True))

    def _edges(self, nodes: list[GraphNode]) -> list[Edge]:
        edges, inputs = [], [0] * len(nodes)
        for target, position, source, is_carried in self.links:
            if nodes[target].kind == "module":
                position, inputs[target] = inputs[target], inputs[target] + 1
            edges.append(Edge(nodes[source].id, nodes[target].id, position, bool(is_carried)))
        return edges

    def _scopes(self, names: dict[int, str]) -> list[GraphScope]:
        """The open boxes, outer ones first; their ids are put into ``names``."""
        folding, found = self.folding, []
        for k, box in enumerate(folding.boxes):
            if self.around[k] >= 0:
                continue
            kind, title, label = folding.described(k)
            names[k] = folding.ids[k]
            modules = {folding.scopes[one].module for one in folding.instances[k]}
            found.append(GraphScope(
                names[k], kind, label,
                ": ".join(filter(None, [label, title]))
                + text.repetition(box.times, box.in_a_row),
                names.get(box.outer, ""),
                modules.pop() if len(modules) == 1 else "",
                box.times, box.in_a_row,
            ))  # fmt: skip
        return found
