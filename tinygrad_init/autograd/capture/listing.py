"""A plan as people read it: a line for each operation, with names for memory.

Results are named after the memory in which they live, m1, m2 and so on: what has the same name
overwrites what was there. The gradient of a parameter has memory of its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .memory import Layout
from .recording import MEMORY, NUMBER, Call, Program, Slot


class Line(NamedTuple):
    """One operation of a plan.

    Attributes:
        target: the name of the memory that it writes to.
        operation: what is computed; ``symbol``: how a drawing writes it.
        operands: what it reads, such as ``"x.T"``.
        sources: for each operand the position of the line that computed it, or a name where no line
            did: of an argument, a parameter, a constant, a number.
        settings: such as ``"axis=0"``.
        shape, dtype: of the result.
        how: ``"in place"`` of an operand, ``"gradient"``, ``"loss"``, or empty.
        scope: the part of the program that it belongs to, where known.
    """

    target: str
    operation: str
    symbol: str
    operands: tuple[str, ...]
    sources: tuple[int | str, ...]
    settings: str
    shape: tuple[int, ...]
    dtype: str
    how: str
    scope: str


def lines(program: Program, found: Layout) -> list[Line]:
    """A line for each operation that a replay computes."""
    names = {slot: slot.name for slot in program.arguments}
    origins: dict[Slot, int] = {}  # which line computed it
    listed: list[Line] = []

    def name(operand: Any) -> str:
        if not isinstance(operand, Slot):
            return f"{operand:g}"
        if operand.kind == NUMBER:
            return f"{operand.array[(0,) * operand.array.ndim]:g}"
        return operand.name or "constant" if operand.kind == MEMORY else names[operand]

    def source(operand: Any) -> int | str:
        whole = operand.root if isinstance(operand, Slot) else operand
        return origins[whole] if whole in origins else name(whole)

    for call in found.calls:
        result = call.result
        if call.is_view:
            names[result] = call.name_of_view(name(call.operands[0]))
            continue
        storage = found.storages[result]
        operands = (*call.operands, *(part for part in call.reads if part not in call.operands))
        listed.append(Line(
            storage.name, call.operation.name, call.operation.symbol,
            tuple(map(name, operands)), tuple(map(source, operands)), _settings(call),
            result.array.shape, str(result.array.dtype), _how(call, program, found),
            "" if call.scope is None else call.scope.name,
        ))  # fmt: skip
        names[result], origins[result] = storage.name, len(listed) - 1
    return listed


def _how(call: Call, program: Program, found: Layout) -> str:
    if call.result is program.loss.root:
        return "loss"
    if found.storages[call.result].home is not None:
        return "gradient"
    return "in place" if call.result in found.overwritten else ""


def _settings(call: Call) -> str:
    """Those that differ from their defaults; the index of ``x[i]`` would be long."""
    defaults = call.operation.params
    changed = {key: value for key, value in call.params.items() if value is not defaults.get(key)}
    return ", ".join(f"{key}={value}" for key, value in changed.items() if key in SHOWN)


SHOWN = ("axis", "keepdims", "ddof", "slope", "alpha", "a_min", "a_max", "p", "count", "dtype")


def as_text(listed: list[Line]) -> str:
    """The lines one below the other."""
    rows = []
    for number, line in enumerate(listed, start=1):
        inside = ", ".join(part for part in (*line.operands, line.settings) if part)
        equation = f"{line.target} = {line.operation}({inside})"
        shape = "x".join(map(str, line.shape)) or "one number"
        rows.append(f"{number:3}  {equation:48} {shape:>12}  {line.how}".rstrip())
    return "\n".join(rows)
