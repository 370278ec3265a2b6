"""A tape of numbers as a short list of NumPy calls: forward up the levels, backward down again.

All values stand in one array and all gradients in another. Each group of operations (see
:mod:`scalar_levels`) has a stretch of both (see :mod:`scalar_layout`).

- *Forward*, from level 1 up: gather the arguments of a group by an array of indices, and call the
  kernel of its row.
- *Backward*, from the top level down: a result that is read c times gets c gradients. Gather them
  as the rows of a table and add up the rows. Then call the rules of the row: what they give is what
  lower levels will gather.

Sums and gradients are added in the order of the tape, so that rounding is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import errors, modes
from ..inputs import Array
from .scalar_layout import Layout
from .scalar_levels import Edges, Group
from .scalar_tape import Tape


class Plan:
    """Runs a tape level by level, in float64, while all its numbers are finite."""

    def __init__(self, tape: Tape, edges: Edges, groups: list[Group]) -> None:
        layout = Layout(tape, edges, groups)
        self.values, self.gradients = np.zeros(tape.size), np.zeros(layout.n_gradients)
        for k in layout.numbers:
            self.values[layout.value[k]] = tape.leaves[k]
        if layout.gradient[tape.loss] >= 0:
            self.gradients[layout.gradient[tape.loss]] = 1
        self._given = [tape.leaves[k] for k in (*layout.params, *layout.outside)]
        self._loss = layout.value[tape.loss].item()
        self._params = np.argsort(layout.params)
        self._calls = [_Call(group, edges.reads, layout, self) for group in groups]
        self._arriving = _Arriving(layout, layout.params, self.gradients)

    def __call__(self, inputs: Sequence[Array]) -> tuple[float, list[float]]:
        """The loss and the gradients of the parameters.

        Raises:
            FloatingPointError: if there is a number that is not finite, or not a float.
        """
        values, gradients = self.values, self.gradients[: len(self._params)]
        given, at = np.array([value._data for value in self._given]), 0
        for array in (given, *inputs):
            if array.dtype.kind == "O" or array is given and array.dtype.kind != "f":
                raise FloatingPointError("there are other numbers than floats")
            values[at : at + array.size] = array.ravel()
            at += array.size
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            for call in self._calls:
                call.forward()
            for call in reversed(self._calls):
                call.backward()
            self._arriving.add_up()
            is_finite = np.isfinite(values.sum() + gradients.sum())  # none of them is nan or inf
        if not is_finite:
            raise FloatingPointError("not all numbers are finite")
        return values.item(self._loss), gradients[self._params].tolist()


class _Call:
    """A group with the arrays that it reads and writes."""

    def __init__(self, group: Group, reads: Array, layout: Layout, plan: Plan) -> None:
        self.instruction = group.instruction
        self.compute = group.instruction.inside(group.instruction.on_arrays)
        addresses = layout.value[reads[group.edges]]
        self.terms = _Gather(plan.values, addresses) if group.is_sum else None
        self.arguments = [] if group.is_sum else [_Gather(plan.values, row) for row in addresses]
        self.result = plan.values[_stretch(layout.value[group.places])]
        self.arriving = _Arriving(layout, group.places, plan.gradients)
        self.flows = [] if group.is_sum else np.flatnonzero(group.flows).tolist()
        if any(group.flows):
            self.gradient = plan.gradients[_stretch(layout.gradient[group.places])]
        self.handed = [
            plan.gradients[_stretch(layout.handed[group.edges[position]])] for position in self.flows
        ]

    def forward(self) -> None:
        """Compute all results from those of lower levels."""
        if self.terms is not None:
            _add_rows(self.terms(), self.result)
        else:
            self.compute([gather() for gather in self.arguments], self.result)

    def backward(self) -> None:
        """Add up the gradients that arrived, and hand on what they mean for the arguments."""
        self.arriving.add_up()
        if self.flows:
            arguments = [gather.found for gather in self.arguments]
            pulled = self.instruction.pull(self.gradient, self.result, arguments, self.flows, self._fit)
            for handed, (_, found) in zip(self.handed, pulled, strict=True):
                handed[...] = found

    def _fit(self, gradient: Any) -> Any:
        if np.shape(gradient) != self.result.shape:
            raise errors.gradient_shape(np.shape(gradient), self.result.shape)
        return gradient


class _Arriving:
    """The gradients that the results of a group get, as tables whose rows are added up."""

    def __init__(self, layout: Layout, places: Array, gradients: Array) -> None:
        self.tables = [
            (_Gather(gradients, table), gradients[sums]) for table, sums in layout.tables(places)
        ]

    def add_up(self) -> None:
        for table, sums in self.tables:
            _add_rows(table(), sums)


class _Gather:
    """Entries of an array by their indices, in the shape of the indices.

    They are copied, except where they stand side by side or are one and the same: a view will do.
    """

    def __init__(self, source: Array, indices: Array) -> None:
        first, count = indices.flat[0], indices.size
        self.source, self.indices = source, None
        if (indices == first).all():
            self.found = np.broadcast_to(source[first : first + 1], indices.shape)
        elif (indices.ravel() == np.arange(first, first + count)).all():
            self.found = source[first : first + count].reshape(indices.shape)
        else:
            self.found = np.empty(indices.shape)
            self.indices = np.ascontiguousarray(indices)

    def __call__(self) -> Array:
        if self.indices is not None:
            self.source.take(self.indices, out=self.found, mode="clip")  # other modes copy
        return self.found


def _add_rows(table: Array, out: Array) -> None:
    """The sum of the rows, added one after the other."""
    if table.shape[1] > 1:
        np.add.reduce(table, axis=0, out=out)  # down the columns, NumPy adds row by row
    else:
        out[...] = np.add.accumulate(table)[-1]


def _stretch(addresses: Array) -> slice:
    """Addresses side by side, as a slice."""
    return slice(int(addresses[0]), int(addresses[0]) + len(addresses))
