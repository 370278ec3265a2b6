"""Recording: a function runs once, and every operation on Tensors lands in one flat list.

Nothing of the engine is written twice for this. The function computes forward, and
:func:`~tinygrad_init.autograd.tape.backpropagate` walks back with ``create_graph=True``, so that
the rules, too, work on Tensors. Each operation passes through ``record`` on its way, and ``record``
hands it to the :class:`Recorder` that is in force. So the list holds forward pass, derivative rules
and the sums that undo broadcasting, in the order in which they must happen.

What is not an operation on Tensors is not in the list: it happens once, while recording. Therefore
a :class:`Recorder` refuses to give away numbers (``if t > 0``, ``float(t)``, ``t.data``): whatever
Python made of them would be the same in every replay.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import modes, scopes
from ..inputs import Array
from ..operation import COMPOSED, Operation
from ..operations import F
from ..tape import Node, backpropagate, data_of, tick
from ..tensor import Tensor
from . import complaints

ARGUMENT, MEMORY, NUMBER, RESULT = "argument", "memory", "number", "result"


@dataclass(eq=False, slots=True)
class Slot:
    """A place for an array: what a call reads or writes.

    Attributes:
        kind: ``ARGUMENT`` of the function; ``MEMORY`` that exists (parameters, constants) and is
            read anew each time; one ``NUMBER`` that is known now, repeated; ``RESULT`` of a call.
        array: what is there while recording.
        name: for people.
        base: of a view, what it is a view of.
    """

    kind: str
    array: Array
    name: str = ""
    base: Slot | None = None

    @property
    def root(self) -> Slot:
        """What a view is, in the end, a view of."""
        slot = self
        while slot.base is not None:
            slot = slot.base
        return slot


@dataclass(eq=False, slots=True)
class Call:
    """One operation on slots.

    Attributes:
        operation: the row of the table.
        arithmetic: in which it is computed.
        operands: slots, and Python's numbers.
        params: the settings; a setting that is an index may hold slots.
        result: where the result goes.
        scope: the part of the program that it belongs to, where known.
    """

    operation: Operation
    arithmetic: int
    operands: tuple[Any, ...]
    params: Mapping[str, Any]
    result: Slot
    scope: scopes.scope | None = None

    @property
    def kernel(self) -> Callable[..., Any]:
        """What computes it on arrays."""
        kernel = self.operation.kernels[self.arithmetic]
        assert kernel is not None
        return kernel

    @property
    def is_view(self) -> bool:
        """Whether nothing is computed: the result is another view of the first operand."""
        return self.result.base is not None

    @property
    def is_ours(self) -> bool:
        """Whether it is a row of our table, and not of the user's."""
        return F.rows.get(self.operation.name) is self.operation

    @property
    def is_pure(self) -> bool:
        """Whether it gives the same again, and does nothing else; a draw moves its generator on."""
        return self.is_ours and "rng" not in self.params

    @property
    def reverses_axes(self) -> bool:
        """Whether it is ``x.T``."""
        name, ndim = self.operation.name, self.result.array.ndim
        is_reverse = self.params.get("axes", ()) in (None, tuple(range(ndim))[::-1])
        return (name == "transpose" and is_reverse) or (name == "matrix_transpose" and ndim == 2)

    def name_of_view(self, of: str) -> str:
        """``x.T``, ``reshape(x)``; nothing of nothing."""
        if self.reverses_axes:
            return of and f"{of}.T"
        return of and f"{self.operation.name}({of})"

    @property
    def reads(self) -> list[Slot]:
        """The slots that it reads."""
        return [part for part in (*self.operands, *_parts_of_index(self)) if isinstance(part, Slot)]


def _parts_of_index(call: Call) -> tuple[Any, ...]:
    index = call.params.get("index", ())
    return index if isinstance(index, tuple) else ()


@dataclass
class Program:
    """What was recorded: the calls, and which slots are of interest to the outside."""

    arguments: list[Slot]
    calls: list[Call]
    loss: Slot
    gradients: list[Slot]  #: of the parameters, in their order
    parameters: list[str]  #: what they are called
    tensors: list[tuple[Tensor, Array]]  #: from outside, and the memory in which their numbers are
    guards: list[tuple[Callable[[], Any], Any]]  #: what else the recording depends on


@dataclass
class Recorder:
    """Takes down what happens to Tensors. Arrays are known by their identity.

    It keeps every array alive until the plan is made, so that no two have one identity.
    """

    calls: list[Call] = field(default_factory=list)
    slots: dict[int, Slot] = field(default_factory=dict)  #: by the identity of the array
    tensors: list[tuple[Tensor, Array]] = field(default_factory=list)
    guards: list[tuple[Callable[[], Any], Any]] = field(default_factory=list)
    start: float = field(default_factory=tick)

    def refuse(self, asked: str) -> None:
        """Raise: somebody wants to read numbers that will be others in the next replay."""
        raise complaints.read_while_recording(asked)

    def as_index(self, part: Any) -> Any:
        """A part of an index; how many entries a mask picks would have to be known in advance."""
        if isinstance(part, Node) and part._data.dtype.kind == "b":
            raise complaints.mask_as_index()
        return part

    def tensor(self, kind: str, array: Array, name: str) -> Tensor:
        """A new Tensor on that memory."""
        tensor = Tensor._wrap(array)
        tensor.label, self.slots[id(array)] = name, Slot(kind, array, name)
        return tensor

    def slot(self, operand: Any) -> Any:
        """The slot of an operand; Python's numbers stand for themselves."""
        if not isinstance(operand, (Node, np.ndarray, np.generic)):
            return operand
        array = np.asarray(data_of(operand))
        if id(array) not in self.slots:
            name = operand.label if isinstance(operand, Node) else ""
            kind = NUMBER if isinstance(operand, np.generic) else MEMORY  # nobody can change it
            self.slots[id(array)] = Slot(kind, array, name)
            if isinstance(operand, Tensor) and operand.age < self.start:
                if operand.requires_grad and not operand.is_leaf:
                    raise complaints.made_outside(operand)
                self.tensors.append((operand, array))
        return self.slots[id(array)]

    def compute(
        self, operation: Operation, args: tuple[Any, ...], params: Mapping[str, Any]
    ) -> Array:
        """The result of an operation on Tensors, and note how it came about."""
        arithmetic = modes.current().arithmetic
        kernel = operation.kernels[arithmetic]
        parts = kernel if kernel in COMPOSED else operation.made_of
        if parts is not None:
            with modes.no_grad():  # the operation as a whole is on the tape, with its own rule
                return np.asarray(data_of(parts(*args, **params)))
        bare = [data_of(arg) for arg in args]
        result = np.asarray(operation.compute(bare, _map_index(data_of, params)))
        call = Call(
            operation, arithmetic, tuple(map(self.slot, args)), _map_index(self.slot, params),
            Slot(RESULT, result), scopes.current(),
        )  # fmt: skip
        if any(result is arg for arg in bare):
            return result  # handed through
        shared = [isinstance(x, np.ndarray) and np.may_share_memory(result, x) for x in bare]
        if shared[0] and operation.is_view and call.is_pure:
            call.result.base = call.operands[0]
        elif any(shared) or not call.is_pure:
            call.result.array = result.copy()  # memory that somebody else may write to
        elif result.strides != np.empty_like(result).strides:
            call.result.array = result.copy("K")  # results are laid out without gaps
        self.calls.append(call)
        self.slots[id(call.result.array)] = call.result
        return call.result.array


def _map_index(function: Callable[[Any], Any], params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings, with ``function`` applied to the parts of an index."""
    if not isinstance(params.get("index"), tuple):
        return params
    return {**params, "index": tuple(map(function, params["index"]))}


def depends_on(read: Callable[[], Any]) -> Any:
    """What ``read`` gives; while ``capture`` records, note that the plan holds for that alone.

    When ``read`` gives something else, the captured function is recorded anew. So a module can
    behave in one way while training and in another in evaluation.
    """
    found, recorder = read(), modes.current().recorder
    if recorder is not None:
        recorder.guards.append((read, found))
    return found


def record(
    fn: Callable[..., Any], params: Sequence[Tensor], arrays: Sequence[Array]
) -> Program:
    """Run ``fn`` on arrays, and back."""
    recorder = Recorder()
    with modes.Mode(recording=True, recorder=recorder):
        # A view of its own for each argument: the same array may come twice.
        inputs = [
            recorder.tensor(ARGUMENT, array.view(), name)
            for array, name in zip(arrays, _names(fn, len(arrays)), strict=True)
        ]
        loss = fn(*inputs)
        complaints.check_loss(loss, params)
        # With respect to the seed, too, a derivative could be taken: so it is used as it is.
        seed = recorder.tensor(NUMBER, np.ones(loss.shape, loss.dtype), "")
        seed.requires_grad = True
        found = backpropagate(loss, seed)
    for param in params:
        if param not in found:
            raise complaints.no_gradient(param)
    return Program(
        arguments=[recorder.slots[id(tensor._data)] for tensor in inputs],
        calls=recorder.calls,
        loss=recorder.slot(loss),
        gradients=[recorder.slot(found[param]) for param in params],
        parameters=[param.label or f"parameter {k}" for k, param in enumerate(params)],
        tensors=recorder.tensors,
        guards=recorder.guards,
    )


def _names(fn: Callable[..., Any], count: int) -> list[str]:
    """The names of the arguments, where ``fn`` says them."""
    try:
        names = [name for name, p in inspect.signature(fn).parameters.items() if p.kind < 2]
    except (TypeError, ValueError):
        names = []
    return [*names, *(f"argument{k}" for k in range(len(names), count))][:count]
