"""Entries moved about, repeated or picked; no arithmetic, so any order gives the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import errors, manual, modes
from ..axes import axes_of, axis_of
from ..errors import ShapeError
from ..exact import products
from ..inputs import as_array, frozen
from ..operation import REQUIRED
from ..table import F, add_method
from ..tape import Node, data_of

Array = NDArray[Any]


def _back(axes: int | tuple[int, ...] | None) -> tuple[int, ...] | None:
    """The order of axes that undoes the order ``axes``."""
    if axes is None:
        return None
    order = np.atleast_1d(axes)
    return tuple(int(i) for i in np.argsort(order % max(len(order), 1)))


def _reshape(x: Any, shape: Any) -> Any:
    return np.reshape(x, shape)  # by position: the keyword is newer than NumPy 2.0


def _astype(x: Any, dtype: Any) -> Any:
    return np.asarray(x).astype(dtype)


def _getitem(x: Any, index: Any) -> Any:
    return x[index]


def _parts(g: Any, lengths: Sequence[int], axis: int) -> list[Any]:
    """``g`` cut along an axis into pieces of these lengths."""
    before = (slice(None),) * (axis % len(g.shape))
    cuts = pairwise(accumulate(lengths, initial=0))
    return [F.getitem(g, index=(*before, slice(start, stop))) for start, stop in cuts]


def _scatter(g: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of ``shape`` with ``g`` added at ``index``; an entry named twice gets both."""
    into = np.zeros(shape, np.asarray(g).dtype)
    np.add.at(into, index, g)
    return into


F.define(
    "reshape", _reshape, _reshape,
    lambda g, _y, _x, *, shape: F.reshape(g, shape=_x.shape),
    params={"shape": REQUIRED}, formula=r"\operatorname{reshape} x", is_view=True,
    wants="lengths that multiply to the same number of entries; one of them may be -1",
)
F.define(
    "transpose", np.transpose, np.transpose,
    lambda g, _y, _x, *, axes: F.transpose(g, axes=_back(axes)),
    params={"axes": None}, formula=r"x^{\mathsf T}", symbol="T", is_view=True,
    wants="every axis once",
)
F.define(
    "broadcast_to", np.broadcast_to, np.broadcast_to,
    lambda g, *_, shape: g,
    params={"shape": REQUIRED}, formula=r"\operatorname{broadcast} x", symbol="broadcast",
    is_view=True, wants="lengths to which axes of length 1, and new ones in front, can be repeated",
)
F.define(
    "astype", _astype, _astype,
    lambda g, *_, dtype: g,
    params={"dtype": REQUIRED}, formula=r"x",
)
F.define(
    "getitem", _getitem, _getitem,
    lambda g, _y, _x, *, index: F.scatter(g, index=index, shape=_x.shape),
    params={"index": REQUIRED}, formula=r"x_{i}", symbol="[ ]", is_view=True,
    wants="integers within the lengths, slices, ..., None, and arrays of integers or bools, at "
    "most one for each axis",
)
F.define(
    "scatter", _scatter, products.scatter,
    lambda g, *_, index, shape: F.getitem(g, index=index),
    params={"index": REQUIRED, "shape": REQUIRED}, formula=r"0_{i} \leftarrow x",
    symbol="scatter", wants="the shape of what the index picks",
)
_ALIKE = "one axis that all have, and at least one array, of one shape but along that axis"
_join = F.define(
    "concatenate", lambda *parts, axis: np.concatenate(parts, axis),
    lambda *parts, axis: np.concatenate(parts, axis),
    lambda g, _y, *_x, axis: _parts(g, [part.shape[axis] for part in _x], axis),
    params={"axis": 0}, formula=r"[x_1, x_2, \dots]", is_variadic=True, wants=_ALIKE,
)


# The spelling of methods: x[i], x.reshape(2, 3), x.transpose(1, 0).


def _index_method(x: Any, index: Any) -> Any:
    parts = index if isinstance(index, tuple) else (index,)
    return F.getitem(x, index=tuple(map(frozen, parts)))


def _reshape_method(x: Any, *lengths: Any, **shape: Any) -> Any:
    return F.reshape(x, *(lengths if len(lengths) < 2 else (lengths,)), **shape)


def _transpose_method(x: Any, *order: Any, **axes: Any) -> Any:
    return F.transpose(x, *(order if len(order) < 2 else (order,)), **axes)


add_method(Node, "__getitem__", _index_method, "The entries at an index as NumPy takes it.")
add_method(Node, "reshape", _reshape_method, manual.of_row(F.reshape))
add_method(Node, "transpose", _transpose_method, manual.of_row(F.transpose))


# Made of rows, in NumPy's spelling: no rules needed.


def _whole_numbers(numbers: Any, what: str) -> Array:
    """Integers, as NumPy wants them: 1.5 is not cut to 1."""
    if isinstance(numbers, Node):
        modes.refuse_reading(what)
    array = np.asarray(data_of(numbers))
    if array.dtype.kind not in "iub" and array.size:
        raise errors.wrong_kind(what, "integers", numbers)
    return array if array.size else array.astype(int)


def _indices(numbers: Any) -> Any:
    """Whole numbers that pick entries: while ``capture`` records, a Tensor of them stays one."""
    is_recorded = modes.current().recorder is not None
    if is_recorded and isinstance(numbers, Node) and numbers.dtype.kind in "iu":
        return numbers
    return _whole_numbers(numbers, "indices")


@F.compose(np.ravel, wants="an array of any shape")
def ravel(a: Any) -> Any:
    """All entries in one row."""
    a = as_array(a)
    return F.reshape(a, shape=(-1,))


@F.compose(np.expand_dims, wants="the places of new axes, counted in the result")
def expand_dims(a: Any, axis: Any) -> Any:
    """New axes of length one, at the places that they have in the result."""
    a = as_array(a)
    places = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    ndim = len(a.shape) + len(places)
    new = [axis_of(place, ndim) for place in places]
    if len(set(new)) < len(new):
        raise errors.repeated_axis()
    lengths = iter(a.shape)
    return F.reshape(a, shape=tuple(1 if i in new else next(lengths) for i in range(ndim)))


@F.compose(np.squeeze, wants="axes of length one")
def squeeze(a: Any, axis: Any = None) -> Any:
    """Without axes of length one, all or those named."""
    a = as_array(a)
    short = tuple(i for i, length in enumerate(a.shape) if length == 1)
    dropped = short if axis is None else axes_of(axis, len(a.shape))
    if set(dropped) - set(short):
        raise ShapeError(f"axis={axis} must name axes of length one only")
    return F.reshape(a, shape=tuple(n for i, n in enumerate(a.shape) if i not in dropped))


@F.compose(np.moveaxis, wants="axes that there are, each once, and as many places for them")
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Axes moved to other places, the rest in order."""
    a = as_array(a)
    ndim = len(a.shape)
    given = (source, destination)
    if None in given:
        raise errors.not_an_axis(None)
    sources, targets = (axes_of(tuple(x) if isinstance(x, list) else x, ndim) for x in given)
    if len(sources) != len(targets):
        raise ShapeError("source and destination must name equally many axes")
    order = [i for i in range(ndim) if i not in sources]
    for target, moved in sorted(zip(targets, sources, strict=True)):
        order.insert(target, moved)
    return F.transpose(a, axes=tuple(order))


@F.compose(np.swapaxes, wants="two axes that there are")
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    a = as_array(a)
    order = list(range(len(a.shape)))
    i, j = axis_of(axis1, len(order)), axis_of(axis2, len(order))
    order[i], order[j] = j, i
    return F.transpose(a, axes=tuple(order))


@F.compose(np.flip, wants="axes that there are, each once")
def flip(m: Any, axis: Any = None) -> Any:
    """Entries in reverse order along some axes, or all."""
    m = as_array(m)
    turned = axes_of(axis, len(m.shape))
    return F.getitem(
        m, index=tuple(slice(None, None, -1 if i in turned else 1) for i in range(len(m.shape)))
    )


@F.compose(np.concatenate, wants=_ALIKE)
def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Arrays one after another along an axis that they have; ``None`` ravels them first."""
    parts = [as_array(part) for part in arrays]
    if axis is None:
        parts, axis = [ravel(part) for part in parts], 0
    return _join(*parts, axis=axis)


@F.compose(np.stack, wants="at least one array, all of one shape")
def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape side by side along a new axis."""
    parts = [as_array(part) for part in arrays]
    if len({part.shape for part in parts}) != 1:
        raise ShapeError("it takes arrays that are all of one shape, and at least one")
    place = axis_of(axis, len(parts[0].shape) + 1)
    return _join(*(expand_dims(part, place) for part in parts), axis=place)


@F.compose(np.split, wants="a number of equal parts, or places to cut at, along one axis")
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Into equal parts, or at the given places."""
    ary = as_array(ary)
    place = axis_of(axis, len(ary.shape))
    length = ary.shape[place]
    wanted = _whole_numbers(indices_or_sections, "parts and places")
    if wanted.ndim == 0:
        if wanted < 1 or length % int(wanted):
            raise ShapeError(f"an axis of length {length} does not make {wanted} equal parts")
        wanted = np.arange(1, int(wanted)) * (length // int(wanted))
    if wanted.ndim > 1:
        raise errors.wrong_kind("places", "a number or a list of them", indices_or_sections)
    before = (slice(None),) * place
    cuts = pairwise([0, *map(int, wanted), length])
    return [F.getitem(ary, index=(*before, slice(start, stop))) for start, stop in cuts]


@F.compose(np.repeat, wants="a count of 0 or more, for all entries or for each along the axis")
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Every entry several times in a row."""
    a = as_array(a)
    if axis is None:
        a, axis = ravel(a), 0
    length = a.shape[axis_of(axis, len(a.shape))]
    return take(a, np.repeat(np.arange(length), _whole_numbers(repeats, "repeats")), axis)


@F.compose(np.take, wants="indices within the length of the axis, or of the whole if there is none")
def take(a: Any, indices: Any, axis: int | None = None) -> Any:
    """The entries at ``indices`` along an axis, or of the ravelled array."""
    a = as_array(a)
    if axis is None:
        a, axis = ravel(a), 0
    before = (slice(None),) * axis_of(axis, len(a.shape))
    return F.getitem(a, index=(*before, frozen(_indices(indices).astype(int))))


@F.compose(np.take_along_axis, wants="indices within the length of the axis, of as many axes")
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """For each place along the other axes, the entries at ``indices`` there."""
    arr = as_array(arr)
    chosen = _indices(indices)
    if axis is None:
        arr, axis = ravel(arr), 0
    place = axis_of(axis, len(arr.shape))
    if chosen.ndim != len(arr.shape):
        raise ShapeError(f"indices must have {arr.ndim} axes, as the array, not {chosen.ndim}")
    everywhere = np.ix_(*map(np.arange, arr.shape))
    return F.getitem(
        arr, index=tuple(chosen if i == place else along for i, along in enumerate(everywhere))
    )
