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

from .. import errors
from ..inputs import Array
from .scalar_layout import Layout
from .scalar_levels import Group, Levels
from .scalar_tape import Tape


class LevelByLevel:
    """Runs a tape level by level, in float64, while all its numbers are finite.

    Attributes:
        groups: what is computed at once, from level 1 up.
    """

    def __init__(self, tape: Tape, levels: Levels) -> None:
        self.groups = levels.groups()
        layout = Layout(tape, levels.edges, self.groups)
        self.values, self.gradients = np.zeros(layout.n_values), np.zeros(layout.n_gradients)
        for k in layout.numbers:
            self.values[layout.value[k]] = tape.leaves[k]
        if layout.gradient[tape.loss] >= 0:
            self.gradients[layout.gradient[tape.loss]] = 1
        self._given = [tape.leaves[k] for k in (*layout.params, *layout.outside)]
        self._loss = layout.value[tape.loss].item()
        self._params = np.argsort(layout.params)
        self._scratch = np.empty(len(levels.edges.reads))
        self._calls = [_Call(group, levels.edges.reads, layout, self) for group in self.groups]
        self._arriving = self.arriving(layout, layout.params)

    def arriving(self, layout: Layout, places: Array) -> list[tuple[_Gather, Array]]:
        """Tables of the gradients that results get, each with the place for the sum of its rows."""
        return [
            (_Gather(self.gradients, table, self._scratch), self.gradients[sums])
            for table, sums in layout.tables(places)
        ]

    def __call__(self, inputs: Sequence[Array]) -> tuple[float, list[float]]:
        """The loss and the gradients of the parameters.

        Raises:
            FloatingPointError: if there is a number that is not finite, or not a float.
        """
        values, gradients = self.values, self.gradients[: len(self._params)]
        self._read(inputs)
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            for call in self._calls:
                call.forward()
            for call in reversed(self._calls):
                call.backward()
            _add_up(self._arriving)
            is_finite = np.isfinite(values.sum() + gradients.sum())  # then each of them is
        if not is_finite:
            raise FloatingPointError("not all numbers are finite")
        return values.item(self._loss), gradients[self._params].tolist()

    def _read(self, inputs: Sequence[Array]) -> None:
        """The present numbers of parameters, of other Values and of inputs, in this order."""
        given, at = np.array([value._data for value in self._given] or [0.0]), 0
        if given.dtype != float or any(array.dtype == object for array in inputs):
            raise FloatingPointError("not all numbers are floats")
        for array in (given[: len(self._given)], *inputs):
            self.values[at : at + array.size] = array.ravel()
            at += array.size


class _Call:
    """A group with the arrays that it reads and writes."""

    def __init__(self, group: Group, reads: Array, layout: Layout, runner: LevelByLevel) -> None:
        self.instruction, self.is_sum = group.instruction, group.is_sum
        self.compute = group.instruction.inside(group.instruction.on_arrays)
        addresses = layout.value[reads[group.edges]]
        rows = addresses[None] if group.is_sum else addresses
        self.arguments = [_Gather(runner.values, row) for row in rows]
        self.result = runner.values[_stretch(layout.value[group.places])]
        self.arriving = runner.arriving(layout, group.places)
        self.gradient = runner.gradients[_stretch(layout.gradient[group.places])]
        self.flows = [] if group.is_sum else np.flatnonzero(group.flows).tolist()
        edges = [group.edges[position] for position in self.flows]
        self.handed = [runner.gradients[_stretch(layout.handed[edge])] for edge in edges]

    def forward(self) -> None:
        """Compute all results from those of lower levels."""
        arguments = [gather() for gather in self.arguments]
        if self.is_sum:
            _add_rows(arguments[0], self.result)
        else:
            self.compute(arguments, self.result)

    def backward(self) -> None:
        """Add up the gradients that arrived, and hand on what they mean for the arguments.

        To the terms of a sum they mean what they are: nothing has to be computed.
        """
        _add_up(self.arriving)
        if self.flows:
            arguments = [gather.found for gather in self.arguments]
            pull = self.instruction.pull
            found = pull(self.gradient, self.result, arguments, self.flows, self._fit)
            for handed, gradient in zip(self.handed, found, strict=True):
                handed[...] = gradient

    def _fit(self, gradient: Any) -> Any:
        if np.shape(gradient) != self.result.shape:
            raise errors.gradient_shape(np.shape(gradient), self.result.shape)
        return gradient


class _Gather:
    """Entries of an array by their indices, in the shape of the indices.

    They are copied, except where they stand side by side or are one and the same: a view will do.
    """

    def __init__(self, source: Array, indices: Array, into: Array | None = None) -> None:
        first, count = int(indices.flat[0]), indices.size
        self.source, self.indices = source, None
        if (indices == first).all():
            self.found = np.broadcast_to(source[first : first + 1], indices.shape)
        elif (indices.ravel() == np.arange(first, first + count)).all():
            self.found = source[first : first + count].reshape(indices.shape)
        else:
            self.indices = np.ascontiguousarray(indices)
            space = np.empty(count) if into is None else into[:count]
            self.found = space.reshape(indices.shape)

    def __call__(self) -> Array:
        if self.indices is not None:
            self.source.take(self.indices, out=self.found, mode="clip")  # other modes copy
        return self.found


def _add_up(tables: Sequence[tuple[_Gather, Array]]) -> None:
    for gather, sums in tables:
        _add_rows(gather(), sums)


def _add_rows(table: Array, out: Array) -> None:
    """The sum of the rows, added one after the other."""
    if table.shape[1] > 1:
        np.add.reduce(table, axis=0, out=out)  # along whole rows NumPy adds one after the other
    else:
        out[...] = np.add.accumulate(table)[-1]  # down a single column it would not


def _stretch(addresses: Array) -> slice:
    """Addresses side by side, as a slice; an empty one where there are none."""
    first = max(int(addresses[0]), 0)
    return slice(first, first + len(addresses))
