"""Plans: a recorded program with memory for its results, ready to be replayed, and to be read.

A replay is one loop over functions and arguments. Which function, and which memory, is decided
beforehand. Only the arguments of the captured function are other arrays each time; a plan knows the
places where they go.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .. import errors, modes
from ..inputs import Array
from ..operation import Operation
from . import complaints, kernels, listing
from .memory import Layout, Memory, layout
from .passes import simplified
from .recording import ARGUMENT, MEMORY, NUMBER, Call, Program, Slot


class Plan:
    """What a step does, call by call; printing it shows a line for each.

    Attributes:
        lines: a :class:`~tinygrad_init.autograd.capture.listing.Line` for each operation.
        loss: where a replay leaves the loss.
    """

    def __init__(self, program: Program, memory: Memory) -> None:
        program = simplified(program)
        for slot in {slot for call in program.calls for slot in call.reads}:
            if slot.kind == MEMORY and memory.holds(slot.array):
                raise complaints.reads_gradients()
        found = layout(program, memory)
        self._arithmetic = modes.current().arithmetic
        self._signature = signature(slot.array for slot in program.arguments)
        self._tensors, self._guards = program.tensors, program.guards
        self._steps: list[kernels.Step] = []
        self._origins: list[tuple[Operation, list[Any]]] = []  #: of each step, for messages
        self._views: list[tuple[int, Callable[[Array], Array]]] = []  #: of arguments, or of views
        numbers = {slot: number for number, slot in enumerate(program.arguments)}
        for call in found.calls:
            if not call.is_view:
                steps = _written(call, found)
                self._steps += steps
                self._origins += [(call.operation, [*map(_like, call.operands)])] * len(steps)
            elif call.result.root.kind == ARGUMENT:
                self._views.append((numbers[call.operands[0]], _view(call)))
                numbers[call.result] = len(numbers)
        #: Which of the arguments (views of them behind) goes where in which list of arguments.
        self._places = [
            (numbers[argument], arguments, position)
            for _, arguments in self._steps
            for position, argument in enumerate(arguments)
            if isinstance(argument, Slot)
        ]
        self._let_go()
        self.loss = _array(program.loss, found)
        self.lines = listing.lines(program, found)

    def fits(self, arithmetic: int, arrays: Sequence[Array]) -> bool:
        """Whether it may be replayed on these arrays, in this arithmetic, as things are now."""
        if signature(arrays) != self._signature or arithmetic != self._arithmetic:
            return False
        for read, found in self._guards:
            if read() != found:
                return False
        return self.has_memory()

    def has_memory(self) -> bool:
        """Whether all Tensors from outside still have the memory that they had."""
        for tensor, memory in self._tensors:  # a loop, since all() takes twice as long
            if tensor._data is not memory:
                break
        else:
            return True
        return False

    def run(self, arrays: Sequence[Array]) -> None:
        """Replay on arguments that fit."""
        present = [*arrays]
        for source, view in self._views:
            present.append(view(present[source]))
        for number, arguments, position in self._places:
            arguments[position] = present[number]
        arguments = []
        try:
            for function, arguments in self._steps:
                function(*arguments)
        except errors.FROM_NUMPY as error:
            raise self._in_words(error, arguments) from error
        self._let_go()

    def _let_go(self) -> None:
        """Forget the arguments, which are not ours to keep."""
        for _, arguments, position in self._places:
            arguments[position] = None

    def _in_words(self, error: Exception, failed: list[Any]) -> Exception:
        """What NumPy complained of, in the name of the operation."""
        at = next(k for k, (_, arguments) in enumerate(self._steps) if arguments is failed)
        row, operands = self._origins[at]
        return errors.in_words(row.name, row.wants, error, operands, {})

    def __str__(self) -> str:
        return listing.as_text(self.lines)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{dtype} {shape}" for shape, dtype in self._signature)
        return f"<plan of {len(self.lines)} operations for ({arguments})>"


def signature(arrays: Iterable[Array]) -> list[tuple[Any, ...]]:
    """What a plan must be made for."""
    return [(array.shape, array.dtype) for array in arrays]


def _array(operand: Any, found: Layout, is_one_enough: bool = False) -> Any:
    """The array of a slot, if it is known before the replay; what is no slot stays."""
    if not isinstance(operand, Slot) or operand.root.kind == ARGUMENT:
        return operand
    if operand.kind == NUMBER:
        first = operand.array[(0,) * operand.array.ndim]
        return np.array(first if is_one_enough else operand.array)
    return operand.array if operand.kind == MEMORY else found.arrays[operand]


def _like(operand: Any) -> Any:
    """An array of the shape and dtype of a slot, without memory."""
    if not isinstance(operand, Slot):
        return operand
    return np.broadcast_to(np.empty((), operand.array.dtype), operand.array.shape)


def _written(call: Call, found: Layout) -> list[kernels.Step]:
    """What writes the result of a call, with arrays in place of slots where they are known."""
    others = [x.array.shape for x in call.operands if isinstance(x, Slot) and x.kind != NUMBER]
    is_one_enough = (
        kernels.is_entry_by_entry(call)
        and np.broadcast_shapes(*others) == call.result.array.shape
    )
    operands = [_array(operand, found, is_one_enough) for operand in call.operands]
    if isinstance(call.params.get("index"), tuple):
        index = tuple(_array(part, found) for part in call.params["index"])
        call = replace(call, params={**call.params, "index": index})
    return kernels.steps(call, found.arrays[call.result], operands)


def _view(call: Call) -> Callable[[Array], Array]:
    """What makes a view of an argument, the shortest way."""
    if call.reverses_axes:
        return operator.attrgetter("T")
    return functools.partial(call.kernel, **call.params)
