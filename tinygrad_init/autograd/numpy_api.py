"""NumPy's functions on Tensors that are made of several operations, in NumPy's own spelling.

``np.stack(tensors)`` comes here through ``Tensor.__array_function__``. Everything is composed of
rows of the table, so derivatives of any order, both arithmetics and drawings need nothing more.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import pairwise
from typing import Any

import numpy as np

from .errors import ShapeError, TinygradInitError
from .exact.products import axes_of
from .tape import F

FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}  #: ours, by NumPy's


def _implements(numpy_function: Callable[..., Any]) -> Callable[[Any], Any]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def checked(*args: Any, **settings: Any) -> Any:
            try:
                return function(*args, **settings)
            except TinygradInitError:
                raise
            except (ValueError, IndexError) as error:  # from NumPy's checks of axes and shapes
                raise ShapeError(f"{function.__name__}: {error}") from error

        FUNCTIONS[numpy_function] = checked
        return checked

    return register


# Shapes.


@_implements(np.ravel)
def ravel(a: Any) -> Any:
    """All entries in one row."""
    return F.reshape(a, shape=(-1,))


@_implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    """New axes of length one, at the places that they have in the result."""
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    new = axes_of(axis, len(a.shape) + count)
    lengths = iter(a.shape)
    shape = [1 if i in new else next(lengths) for i in range(len(a.shape) + count)]
    return F.reshape(a, shape=tuple(shape))


@_implements(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
    """Without axes of length one, all or those named."""
    named = axes_of(axis, len(a.shape)) if axis is not None else None
    if named is not None and any(a.shape[i] != 1 for i in named):
        raise ShapeError(f"squeeze: shape {a.shape} has axes longer than one among {named}")
    dropped = [i for i, n in enumerate(a.shape) if n == 1] if named is None else named
    return F.reshape(a, shape=tuple(n for i, n in enumerate(a.shape) if i not in dropped))


@_implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Axes moved to other places, the rest in order."""
    ndim = len(a.shape)
    sources, targets = axes_of(source, ndim), axes_of(destination, ndim)
    if len(sources) != len(targets):
        raise ShapeError(f"moveaxis: {len(sources)} axes cannot go to {len(targets)} places")
    order = [i for i in range(ndim) if i not in sources]
    for target, moved in sorted(zip(targets, sources, strict=True)):
        order.insert(target, moved)
    return F.transpose(a, axes=tuple(order))


@_implements(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    order = list(range(len(a.shape)))
    (i,), (j,) = axes_of(axis1, len(order)), axes_of(axis2, len(order))
    order[i], order[j] = j, i
    return F.transpose(a, axes=tuple(order))


@_implements(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    """Entries in reverse order along some axes, or all."""
    turned = axes_of(axis, len(m.shape))
    return F.getitem(
        m, index=tuple(slice(None, None, -1 if i in turned else 1) for i in range(len(m.shape)))
    )


# Several into one, one into several.


@_implements(np.concatenate)
def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Arrays one after another along an axis that they have; ``None`` ravels them first."""
    parts = [_as_array(part) for part in arrays]
    if axis is None:
        parts, axis = [ravel(part) for part in parts], 0
    return F.concatenate(*parts, axis=axis)


@_implements(np.stack)
def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape side by side along a new axis."""
    return F.concatenate(*(expand_dims(_as_array(part), axis) for part in arrays), axis=axis)


@_implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Into equal parts, or at the given places."""
    (place,) = axes_of(axis, len(ary.shape))
    length = ary.shape[place]
    if isinstance(indices_or_sections, (int, np.integer)):
        if indices_or_sections < 1 or length % indices_or_sections:
            raise ShapeError(
                f"split: axis {axis} of length {length} has no {indices_or_sections} equal parts"
            )
        step = length // indices_or_sections
        cuts = list(range(0, length + 1, step)) if step else [0] * (indices_or_sections + 1)
    else:
        cuts = [0, *(int(cut) for cut in indices_or_sections), length]
    before = (slice(None),) * place
    return [
        F.getitem(ary, index=(*before, slice(start, stop)))
        for start, stop in pairwise(cuts)
    ]


@_implements(np.repeat)
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Every entry several times in a row."""
    if axis is None:
        a, axis = ravel(a), 0
    return take(a, np.repeat(np.arange(a.shape[axis]), repeats), axis)


@_implements(np.take)
def take(a: Any, indices: Any, axis: int | None = None) -> Any:
    """The entries at ``indices`` along an axis, or of the ravelled array."""
    if axis is None:
        a, axis = ravel(a), 0
    (place,) = axes_of(axis, len(a.shape))
    return F.getitem(a, index=(*(slice(None),) * place, np.asarray(_bare(indices))))


@_implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """For each place along the other axes, the entries at ``indices`` there."""
    chosen = np.asarray(_bare(indices))
    if axis is None:
        arr, axis = ravel(arr), 0
    (place,) = axes_of(axis, len(arr.shape))
    if chosen.ndim != len(arr.shape):
        raise ShapeError(
            f"take_along_axis: indices of shape {chosen.shape} need as many axes as {arr.shape}"
        )
    everywhere = np.ix_(*map(np.arange, arr.shape))
    index = tuple(chosen if i == place else along for i, along in enumerate(everywhere))
    return F.getitem(arr, index=index)


# Products.


@_implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The sum of products over pairs of axes; the axes that are left stand in order."""
    a, b = _as_array(a), _as_array(b)
    if isinstance(axes, (int, np.integer)):
        of_a, of_b = tuple(range(len(a.shape) - axes, len(a.shape))), tuple(range(axes))
    else:
        of_a, of_b = axes_of(axes[0], len(a.shape)), axes_of(axes[1], len(b.shape))
    if [a.shape[i] for i in of_a] != [b.shape[i] for i in of_b]:
        raise ShapeError(
            f"tensordot: axes {of_a} of shape {a.shape} and {of_b} of {b.shape} differ in length"
        )
    left = [i for i in range(len(a.shape)) if i not in of_a]
    right = [i for i in range(len(b.shape)) if i not in of_b]
    summed = math.prod(a.shape[i] for i in of_a)
    shape = (*(a.shape[i] for i in left), *(b.shape[i] for i in right))
    rows = F.reshape(
        F.transpose(a, axes=(*left, *of_a)), shape=(math.prod(a.shape[i] for i in left), summed)
    )
    columns = F.reshape(
        F.transpose(b, axes=(*of_b, *right)), shape=(summed, math.prod(b.shape[i] for i in right))
    )
    return F.reshape(F.matmul(rows, columns), shape=shape)


@_implements(np.dot)
def dot(a: Any, b: Any) -> Any:
    """The sum over the last axis of ``a`` and the last but one of ``b``."""
    a, b = _as_array(a), _as_array(b)
    if not (a.shape and b.shape):
        return a * b
    return tensordot(a, b, axes=(len(a.shape) - 1, max(len(b.shape) - 2, 0)))


@_implements(np.inner)
def inner(a: Any, b: Any) -> Any:
    """The sum over the last axis of both."""
    a, b = _as_array(a), _as_array(b)
    if not (a.shape and b.shape):
        return a * b
    return tensordot(a, b, axes=(len(a.shape) - 1, len(b.shape) - 1))


@_implements(np.outer)
def outer(a: Any, b: Any) -> Any:
    """All products of an entry of ``a`` with an entry of ``b``."""
    return F.reshape(_as_array(a), shape=(-1, 1)) * F.reshape(_as_array(b), shape=(1, -1))


@_implements(np.einsum)
def einsum(subscripts: str, *operands: Any) -> Any:
    """Einstein's sums, as ``"ij,jk->ik"``: pairwise from the left, each pair a matrix product."""
    arrays = [_as_array(operand) for operand in operands]
    terms, wanted = _parse_einsum(subscripts, [len(array.shape) for array in arrays])
    pairs = [_diagonal(term, array) for term, array in zip(terms, arrays, strict=True)]
    letters, result = pairs[0]
    for k, (others, array) in enumerate(pairs[1:], start=2):
        needed = set(wanted).union(*(set(term) for term in terms[k:]))
        letters, result = _multiply_terms(letters, result, others, array, needed)
    letters, result = _sum_out(letters, result, set(wanted))
    return F.transpose(result, axes=tuple(letters.index(letter) for letter in wanted))


def _parse_einsum(subscripts: str, ndims: Sequence[int]) -> tuple[list[str], str]:
    """One letter for each axis of each operand and of the result; an ellipsis gets letters, too."""
    text = subscripts.replace(" ", "")
    left, arrow, wanted = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise ShapeError(f"einsum: {subscripts!r} is about {len(terms)} operands, got {len(ndims)}")
    named = [term.replace("...", "") for term in terms]
    spare = [letter for letter in string.ascii_letters if letter not in text]
    most = max(ndim - len(term) for ndim, term in zip(ndims, named, strict=True))
    dots = "".join(spare[: max(most, 0)])
    full = []
    for term, name, ndim in zip(terms, named, ndims, strict=True):
        rest = ndim - len(name)
        if rest < 0 or (rest and "..." not in term):
            raise ShapeError(f"einsum: {term!r} does not name the {ndim} axes of its operand")
        full.append(term.replace("...", dots[len(dots) - rest :]))
    if not arrow:
        once = [letter for letter in "".join(named) if "".join(named).count(letter) == 1]
        wanted = ("..." if "..." in left else "") + "".join(sorted(once))
    wanted = wanted.replace("...", dots)
    if len(set(wanted)) < len(wanted) or not set(wanted) <= set("".join(full)):
        raise ShapeError(f"einsum: the result of {subscripts!r} repeats or invents a letter")
    return full, wanted


def _diagonal(term: str, array: Any) -> tuple[str, Any]:
    """The entries at which axes of one letter have one index; then letters are unique."""
    letters = "".join(dict.fromkeys(term))
    if letters == term:
        return term, array
    lengths = dict(zip(term, array.shape, strict=True))
    if [lengths[letter] for letter in term] != list(array.shape):
        raise ShapeError(f"einsum: axes of {term!r} differ in length, shape {array.shape}")
    along = dict(zip(letters, np.ix_(*(np.arange(lengths[x]) for x in letters)), strict=True))
    return letters, F.getitem(array, index=tuple(along[letter] for letter in term))


def _sum_out(letters: str, array: Any, needed: set[str]) -> tuple[str, Any]:
    """The sum over the axes that nobody needs."""
    axes = tuple(i for i, letter in enumerate(letters) if letter not in needed)
    kept = "".join(letter for letter in letters if letter in needed)
    return kept, F.sum(array, axis=axes, keepdims=False) if axes else array


def _multiply_terms(of_a: str, a: Any, of_b: str, b: Any, needed: set[str]) -> tuple[str, Any]:
    """The product of two operands, summed over the letters that only they have."""
    of_a, a = _sum_out(of_a, a, needed | set(of_b))
    of_b, b = _sum_out(of_b, b, needed | set(of_a))
    lengths = dict(zip(of_a, a.shape, strict=True))
    for letter, length in zip(of_b, b.shape, strict=True):
        if lengths.setdefault(letter, length) != length:
            raise ShapeError(
                f"einsum: axis {letter!r} is {lengths[letter]} long in one operand and {length} "
                f"in another"
            )
    both = [letter for letter in of_a if letter in of_b]
    groups = (
        [letter for letter in both if letter in needed],  # a stack of products
        [letter for letter in of_a if letter not in of_b],  # rows
        [letter for letter in both if letter not in needed],  # summed
        [letter for letter in of_b if letter not in of_a],  # columns
    )
    stack, rows, summed, columns = groups
    sizes = [math.prod(lengths[letter] for letter in group) for group in groups]
    left = F.transpose(a, axes=tuple(of_a.index(letter) for letter in (*stack, *rows, *summed)))
    order = (*stack, *summed, *columns)
    right = F.transpose(b, axes=tuple(of_b.index(letter) for letter in order))
    left = F.reshape(left, shape=(sizes[0], sizes[1], sizes[2]))
    right = F.reshape(right, shape=(sizes[0], sizes[2], sizes[3]))
    product = F.matmul(left, right) if summed else left * right
    letters = "".join((*stack, *rows, *columns))
    return letters, F.reshape(product, shape=tuple(lengths[letter] for letter in letters))


@_implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The square root of the sum of squares; 0 has the derivative 0."""
    is_length = axis is not None or len(x.shape) == 1
    if ord not in ((None, 2) if is_length and not isinstance(axis, tuple) else (None, "fro")):
        raise TypeError(f"norm: ord={ord!r} is not an operation here, only the Euclidean length is")
    return F.norm(x, axis=axis, keepdims=keepdims)


def _as_array(part: Any) -> Any:
    return part if hasattr(part, "shape") else np.asarray(part)


def _bare(indices: Any) -> Any:
    return indices.data if hasattr(indices, "requires_grad") else indices
