"""The tape of a Value as plain lists: numbered places, and what fills each of them.

A :class:`Tape` is what ``capture`` keeps of a recorded computation. Its nodes are gone. Left are
the *leaves* (parameters, inputs, other numbers) and the *operations*, in the order in which they
were recorded, each with the places that it reads. :class:`OneByOne` runs a tape as the engine
would; :mod:`scalar_plan` runs the same tape many operations at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .. import errors, modes
from ..inputs import Array, one_number
from ..operation import Function, Operation, Rule
from ..tape import Node, data_of, youngest_first
from ..value import Value
from . import complaints


class Instruction(NamedTuple):
    """An operation with its settings, and the arithmetic in which it was recorded."""

    operation: Operation
    params: Mapping[str, Any]
    arithmetic: int

    def rule(self, position: int) -> Rule | None:
        """The derivative for the argument at ``position``."""
        return self.operation.rules[0 if self.operation.is_variadic else position]

    def inside(self, compute: Function) -> Function:
        """``compute`` in the arithmetic of the recording, whatever is in force around it."""
        is_other = self.arithmetic != modes.current().arithmetic
        return modes.in_arithmetic(self.arithmetic)(compute) if is_other else compute

    def on_numbers(self, args: Sequence[Any]) -> Any:
        """The result for numbers of any kind, as the engine computes it."""
        operation, params = self.operation, self.params
        try:
            scalar = operation.scalar if self.arithmetic == modes.PLAIN else None
            result = scalar(*args, **params) if scalar else operation.compute(args, params)
        except errors.FROM_NUMPY:
            result = operation.compute(args, params)  # which says in words what is wrong
        return result if type(result) is float else one_number(result, operation.name)

    def on_arrays(self, args: Sequence[Array], out: Array) -> None:
        """The results for arrays, place by place, into ``out``."""
        kernel, name = self.operation.kernels[self.arithmetic], self.operation.name
        assert kernel is not None
        try:
            if isinstance(kernel, np.ufunc) and "d" in "".join(kernel.types):
                kernel(*args, out=out)
                return
            result = kernel(*args, **self.params)
        except FloatingPointError:
            raise
        except errors.FROM_NUMPY as error:
            raise errors.in_words(name, self.operation.wants, error, args, self.params) from error
        if np.shape(result) != out.shape:
            raise complaints.not_place_by_place(name, np.shape(result), out.shape)
        out[...] = result

    def pull(
        self, g: Any, y: Any, args: Sequence[Any], positions: Sequence[int], fit: Function
    ) -> Iterator[Any]:
        """From the gradient of the result to those of the arguments at ``positions``."""
        at_once = None  # what the one rule of a variadic operation gives
        for position in positions:
            rule = self.rule(position)
            assert rule is not None
            try:
                if at_once is None:
                    found = rule(g, y, *args, **self.params)
                    at_once = found if self.operation.is_variadic else None
                yield fit(found if at_once is None else at_once[position])
            except FloatingPointError:
                raise
            except errors.FROM_NUMPY as error:
                raise errors.in_rule(self.operation.name, position, args, error) from error


class Tape:
    """A recorded computation of one number, the loss.

    Places are numbered: first the leaves, then the results of the operations. An operation reads
    the places of its arguments along *edges*, which are numbered, too: operation by operation,
    argument by argument.

    Args:
        loss: the result.
        params: the Values whose gradients are wanted.
        inputs: Values that stand for numbers given anew at every call.
        since: the tick of the clock before the recording. Other Values that are older are read
            anew at every call; younger ones are numbers of the recording.

    Raises:
        GraphError: if a part of the loss was computed from a parameter before the recording, or
            in the other arithmetic.

    Attributes:
        leaves: the parameters, the inputs, then other Values and numbers.
        instructions: the different operations that occur.
        made_by: for each operation, which instruction it is.
        starts: for each operation, its first edge; one more entry, the number of all edges.
        reads: for each edge, the place that is read.
        carries: for each edge, whether a gradient flows back along it to a parameter.
        loss: the place of the result.
    """

    def __init__(
        self, loss: Value, params: Sequence[Value], inputs: Sequence[Value] = (), since: float = 0
    ) -> None:
        self.params = list(params)
        self.inputs = range(len(params), len(params) + len(inputs))
        self.leaves: list[Any] = [*params, *inputs]
        self.instructions: list[Instruction] = []
        reader = _Reader(self.leaves, self.instructions, since)
        varies = reader.read_history(loss, set(params))
        self.loss = self._place(reader.place(loss))
        self.made_by = np.array(reader.made_by, np.intp)
        self.starts = np.array(reader.starts, np.intp)
        self.reads = np.array([self._place(number) for number in reader.reads], np.intp)
        self.carries = self._what_arrives(reader.carries, loss in varies)

    def _place(self, number: int) -> int:
        """While reading, operations were counted 0, 1, ... and leaves -1, -2, ..."""
        return ~number if number < 0 else number + len(self.leaves)

    @property
    def size(self) -> int:
        """How many places there are."""
        return len(self.leaves) + len(self.made_by)

    def edges(self) -> list[range]:
        """For each operation, the numbers of its edges."""
        return [range(start, end) for start, end in pairwise(self.starts.tolist())]

    def _what_arrives(self, may_carry: list[bool], is_wanted: bool) -> Array:
        """From the loss down: an edge carries nothing where nothing arrives."""
        arrives = [False] * self.size
        arrives[self.loss] = is_wanted
        carries, reads, edges = may_carry, self.reads.tolist(), self.edges()
        for k in range(len(edges) - 1, -1, -1):
            for edge in edges[k]:
                carries[edge] = carries[edge] and arrives[len(self.leaves) + k]
                arrives[reads[edge]] = arrives[reads[edge]] or carries[edge]
        return np.array(carries, bool)


class _Reader:
    """Goes through the nodes behind a loss and writes them down."""

    def __init__(self, leaves: list[Any], instructions: list[Instruction], since: float) -> None:
        self.leaves, self.instructions, self.since = leaves, instructions, since
        self.made_by: list[int] = []
        self.starts, self.reads, self.carries = [0], list[int](), list[bool]()
        self.places: dict[Node, int] = {leaf: ~k for k, leaf in enumerate(leaves)}
        self.known: dict[Any, int] = {}
        self.stale: set[Node] = set()  # computed from a parameter before the recording

    def read_history(self, loss: Node, varies: set[Node]) -> set[Node]:
        """Write down all operations; the nodes through which a gradient may flow to ``varies``."""
        for node in reversed(youngest_first(loss, everything=True)):
            if node.operation is None:
                continue
            nodes = [argument for argument in node.arguments if isinstance(argument, Node)]
            if node.age > self.since:
                self._write(node, varies)
            elif not (varies.isdisjoint(nodes) and self.stale.isdisjoint(nodes)):
                self.stale.add(node)
        return varies

    def _write(self, node: Node, varies: set[Node]) -> None:
        which = self._instruction(node)
        rule = self.instructions[which].rule
        flows = [
            isinstance(argument, Node) and argument in varies and rule(position) is not None
            for position, argument in enumerate(node.arguments)
        ]
        if node.requires_grad and any(flows):
            varies.add(node)
            if node.arithmetic != modes.current().arithmetic:
                raise errors.other_arithmetic(node)
        self.reads += [self.place(argument) for argument in node.arguments]
        self.carries += flows
        self.starts.append(len(self.reads))
        self.places[node] = len(self.made_by)
        self.made_by.append(which)

    def place(self, argument: Any) -> int:
        """Where an argument stands: operations from 0 on, leaves from -1 down."""
        if not isinstance(argument, Node):
            return self._number(argument)
        if argument in self.stale:
            raise complaints.value_made_outside(argument)
        if argument not in self.places:
            if argument.age > self.since:
                return self._number(argument._data)
            self.leaves.append(argument)
            self.places[argument] = ~(len(self.leaves) - 1)
        return self.places[argument]

    def _number(self, number: Any) -> int:
        """Equal numbers share a place, but not 2 and 2.0, nor 0.0 and -0.0."""
        key = (type(number), number or str(number))
        if key not in self.known:
            self.leaves.append(number)
            self.known[key] = ~(len(self.leaves) - 1)
        return self.known[key]

    def _instruction(self, node: Node) -> int:
        assert node.operation is not None
        kinds = map(type, node.params.values())
        key: Any = (node.operation, node.arithmetic, *node.params.items(), *kinds)
        try:
            hash(key)
        except TypeError:  # settings that are arrays are told apart by identity
            key = (node.operation, node.arithmetic, id(node.params))
        if key not in self.known:
            self.known[key] = len(self.instructions)
            self.instructions.append(Instruction(node.operation, node.params, node.arithmetic))
        return self.known[key]


class OneByOne:
    """Runs a tape as the engine does: on Python's numbers, one operation after the other.

    Numbers keep their kind, sums their order, and mistakes their words.
    """

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        reads, carries = tape.reads.tolist(), tape.carries.tolist()
        computes = [instruction.inside(instruction.on_numbers) for instruction in tape.instructions]
        self.forward: list[tuple[Function, list[int]]] = []
        self.backward: list[tuple[int, Instruction, list[int], list[int]]] = []
        operations = zip(tape.made_by.tolist(), tape.edges(), strict=True)
        for place, (which, edges) in enumerate(operations, len(tape.leaves)):
            arguments = reads[edges.start : edges.stop]
            self.forward.append((computes[which], arguments))
            if positions := [k for k, edge in enumerate(edges) if carries[edge]]:
                self.backward.append((place, tape.instructions[which], arguments, positions))
        self.backward.reverse()

    def __call__(self, inputs: Sequence[Any]) -> tuple[Any, list[Any]]:
        """The loss and the gradients of the parameters."""
        values = [data_of(leaf) for leaf in self.tape.leaves]
        values[self.tape.inputs.start : self.tape.inputs.stop] = inputs
        for compute, arguments in self.forward:
            values.append(compute([values[argument] for argument in arguments]))
        loss = values[self.tape.loss]
        gradients: list[Any] = [None] * len(values)
        gradients[self.tape.loss] = type(loss)(1)
        for place, instruction, arguments, positions in self.backward:
            args = [values[argument] for argument in arguments]
            pull = instruction.pull(gradients[place], values[place], args, positions, _fit)
            for position, found in zip(positions, pull, strict=True):
                known = gradients[arguments[position]]
                gradients[arguments[position]] = found if known is None else known + found
        return loss, [0 if found is None else found for found in gradients[: len(self.tape.params)]]


def _fit(gradient: Any) -> Any:
    return gradient if type(gradient) is float else one_number(gradient, "a rule")
