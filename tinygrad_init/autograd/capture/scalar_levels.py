"""Which operations on numbers can be computed at once: those of equal depth and kind.

The operations of a scalar network do not depend on each other where they are equally deep in the
graph: all 1,600 products of a layer can be computed together. So a tape is cut into *levels*: a
leaf has level 0, an operation one more than the deepest of its arguments. The operations of one
level that follow the same instruction are a *group*, and a group is one NumPy call.

Fewer levels are fewer calls. A loss that adds up 100 terms is a chain of additions 100 levels deep,
each with one operation. Where nobody else reads the results in between, the chain is one *sum* of
101 terms on a single level. (Its terms are still added in the order of the chain.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..inputs import Array
from ..operations import F
from .scalar_tape import Instruction, Tape

#: What a group has in common: level, instruction, number of arguments, which of them get gradients.
Key = tuple[int, int, int, tuple[bool, ...]]


@dataclass(eq=False, slots=True)
class Group:
    """Operations that are computed at once.

    Attributes:
        level: how deep they are.
        instruction: what each of them does.
        flows: for each argument, whether it gets a gradient. Of a sum: whether any term does.
        places: where the results stand, one for each operation.
        edges: (number of arguments, number of operations), what they read.
    """

    level: int
    instruction: Instruction
    flows: tuple[bool, ...]
    places: Array
    edges: Array

    @property
    def is_sum(self) -> bool:
        """Whether they add up any number of terms."""
        return is_addition(self.instruction)

    def reorder(self, order: Array) -> None:
        """Put the operations into another order."""
        self.places, self.edges = self.places[order], self.edges[:, order]

    @property
    def name(self) -> str:
        """What people call what they do."""
        if self.is_sum:
            return f"sum{'s' * (len(self.places) != 1)} of {len(self.edges)}"
        return self.instruction.operation.name

    def __str__(self) -> str:
        return f"level {self.level}: {len(self.places):,} {self.name}"


def is_addition(instruction: Instruction) -> bool:
    """Whether it is the table's row ``add``, whose gradient is the same for every term."""
    return instruction.operation is F.add


class Edges:
    """The edges of a tape after chains of additions were joined into sums.

    Attributes:
        reads, carries: as in the tape.
        user: the operation of the tape that reads here, its place.
        owner: the operation that reads here now: the last addition of the chain, or the user.
        position: which argument of the user it is.
    """

    def __init__(self, tape: Tape) -> None:
        counts = np.diff(tape.starts)
        self.user = np.repeat(np.arange(len(tape.leaves), tape.size), counts)
        self.position = np.arange(len(self.user)) - np.repeat(tape.starts[:-1], counts)
        self.reads, self.carries = tape.reads, tape.carries
        inner = _inside_chains(tape, self.user)
        last = _ends_of_chains(tape.size, self.reads[inner], self.user[inner])
        kept = np.delete(np.arange(len(self.user)), inner)
        # In a stable order terms keep that of the additions, which is that of the chain.
        kept = kept[np.argsort(last[self.user[kept]], kind="stable")]
        self.user, self.position = self.user[kept], self.position[kept]
        self.reads, self.carries = self.reads[kept], self.carries[kept]
        self.owner = last[self.user]


def _inside_chains(tape: Tape, user: Array) -> Array:
    """The edges along which one addition hands its result to the next, and to nobody else."""
    adds = np.array([is_addition(instruction) for instruction in tape.instructions], bool)
    is_sum = np.concatenate([np.zeros(len(tape.leaves), bool), adds[tape.made_by]])
    is_read_once = np.bincount(tape.reads, minlength=tape.size) == 1
    found = np.flatnonzero(is_sum[user] & is_sum[tape.reads] & is_read_once[tape.reads])
    _, first = np.unique(user[found], return_index=True)  # where two chains meet, one goes on
    return found[first]


def _ends_of_chains(size: int, inner: Array, outer: Array) -> Array:
    """For each place the last addition of its chain; itself if it is in none."""
    last = np.arange(size)
    last[inner] = outer
    while not np.array_equal(further := last[last], last):  # twice as far each time
        last = further
    return last


class Levels:
    """The operations of a tape, sorted by level and kind, before anything is made for them.

    Attributes:
        edges: what reads what.
        operations: how many there are, a sum being one.
        kinds: what has which :data:`Key`.
    """

    def __init__(self, tape: Tape) -> None:
        self.tape, self.edges = tape, Edges(tape)
        self._owners, self._starts, self._counts = np.unique(
            self.edges.owner, return_index=True, return_counts=True
        )
        self.operations = len(self._owners)
        self.kinds: dict[Key, list[int]] = {}
        made_by = tape.made_by[self._owners - len(tape.leaves)]
        reads, carries = self.edges.reads.tolist(), self.edges.carries.tolist()
        adds, level = list(map(is_addition, tape.instructions)), [0] * tape.size
        columns = (self._owners, self._starts, self._counts, made_by)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for k, (place, start, count, which) in enumerate(rows):
            arguments = slice(start, start + count)
            level[place] = 1 + max(level[read] for read in reads[arguments])
            flows = carries[arguments]
            kind = (any(flows),) if adds[which] else tuple(flows)
            self.kinds.setdefault((level[place], which, count, kind), []).append(k)

    def groups(self) -> list[Group]:
        """The groups, from level 1 up."""
        groups = []
        for (level, which, count, flows), found in sorted(self.kinds.items()):
            edges = self._starts[found] + np.arange(count)[:, None]
            instruction = self.tape.instructions[which]
            groups.append(Group(level, instruction, flows, self._owners[found], edges))
        return groups
