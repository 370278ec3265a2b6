"""Entries moved about, repeated or picked; no arithmetic, so any order gives the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..exact import products
from ..tape import F


def _back(axes: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """The order of axes that undoes the order ``axes``."""
    if axes is None:
        return None
    return tuple(int(i) for i in np.argsort([axis % len(axes) for axis in axes]))


def _reshape(x: Any, shape: Any) -> Any:
    return np.reshape(x, shape)  # by position: the keyword is newer than NumPy 2.0


def _astype(x: Any, dtype: Any) -> Any:
    return np.asarray(x).astype(dtype)


def _getitem(x: Any, index: Any) -> Any:
    return x[index]


def _place(parts: Any, position: int, axis: int) -> tuple[Any, ...]:
    """Where the part at ``position`` lies in the whole."""
    lengths = [part.shape[axis] for part in parts[: position + 1]]
    stop = sum(lengths)
    before = axis % len(parts[position].shape)
    return (*(slice(None),) * before, slice(stop - lengths[-1], stop))


def _scatter(g: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of ``shape`` with ``g`` added at ``index``; an entry named twice gets both."""
    into = np.zeros(shape, np.asarray(g).dtype)
    np.add.at(into, index, g)
    return into


F.define(
    "reshape", _reshape, _reshape,
    lambda g, _y, _x, *, shape: F.reshape(g, shape=_x.shape),
    params={"shape": None}, formula=r"\operatorname{reshape} x", is_view=True,
)
F.define(
    "transpose", np.transpose, np.transpose,
    lambda g, _y, _x, *, axes: F.transpose(g, axes=_back(axes)),
    params={"axes": None}, formula=r"x^{\mathsf T}", symbol="T", is_view=True,
)
F.define(
    "broadcast_to", np.broadcast_to, np.broadcast_to,
    lambda g, *_, shape: g,
    params={"shape": None}, formula=r"\operatorname{broadcast} x", symbol="broadcast",
    is_view=True,
)
F.define(
    "astype", _astype, _astype,
    lambda g, *_, dtype: g,
    params={"dtype": None}, formula=r"x",
)
F.define(
    "concatenate", lambda *parts, axis: np.concatenate(parts, axis),
    lambda *parts, axis: np.concatenate(parts, axis),
    lambda g, _y, *_parts, position, axis: F.getitem(g, index=_place(_parts, position, axis)),
    params={"axis": 0}, formula=r"[x_1, x_2, \dots]", is_variadic=True,
)
F.define(
    "getitem", _getitem, _getitem,
    lambda g, _y, _x, *, index: F.scatter(g, index=index, shape=_x.shape),
    params={"index": None}, formula=r"x_{i}", symbol="[ ]", is_view=True,
)
F.define(
    "scatter", _scatter, products.scatter,
    lambda g, *_, index, shape: F.getitem(g, index=index),
    params={"index": None, "shape": None}, formula=r"0_{i} \leftarrow x", symbol="scatter",
)
