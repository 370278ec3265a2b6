"""Einstein's sums, made of matrix products."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import errors, modes
from ..errors import ShapeError
from ..inputs import as_array
from ..table import F

_WANTS = (
    "a letter for each axis of each operand, ... at most once in each, as in 'ij,jk->ik', and "
    "equal lengths under one letter"
)
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WELL_FORMED = re.compile(r"[a-zA-Z]*(\.\.\.)?[a-zA-Z]*")


@F.compose(np.einsum, wants=_WANTS)
def einsum(subscripts: str, *operands: Any) -> Any:
    """Einstein's sums, as ``"ij,jk->ik"``: pairwise from the left, each pair a matrix product."""
    if not isinstance(subscripts, str):
        raise errors.wrong_kind("subscripts", "text such as 'ij,jk->ik'", subscripts)
    arrays = [as_array(operand) for operand in operands]
    dtype = np.result_type(*(array.dtype for array in arrays))  # NumPy widens before it multiplies
    arrays = [F.astype(x, dtype=dtype) if x.dtype != dtype else x for x in arrays]
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
    if not all(_WELL_FORMED.fullmatch(term) for term in (*terms, wanted)):
        raise ShapeError(
            f"{subscripts!r} must be made of letters, at most one ... in each term, commas and "
            f"one ->"
        )
    if len(terms) != len(ndims):
        raise ShapeError(
            f"{subscripts!r} must have a term for each operand, not {len(terms)} for {len(ndims)}"
        )
    named = [term.replace("...", "") for term in terms]
    spare = [letter for letter in _LETTERS if letter not in text]
    most = max(ndim - len(term) for ndim, term in zip(ndims, named, strict=True))
    dots = "".join(spare[: max(most, 0)])
    full = []
    for term, name, ndim in zip(terms, named, ndims, strict=True):
        rest = ndim - len(name)
        if rest < 0 or (rest and "..." not in term):
            raise ShapeError(f"{term!r} must name each of the {ndim} axes of its operand")
        full.append(term.replace("...", dots[len(dots) - rest :]))
    if not arrow:
        once = [letter for letter in "".join(named) if "".join(named).count(letter) == 1]
        wanted = ("..." if "..." in left else "") + "".join(sorted(once))
    wanted = wanted.replace("...", dots)
    if len(set(wanted)) < len(wanted) or not set(wanted) <= set("".join(full)):
        raise ShapeError(f"{wanted!r} must name letters of the operands, each once")
    return full, wanted


def _diagonal(term: str, array: Any) -> tuple[str, Any]:
    """The entries at which axes of one letter have one index; then letters are unique."""
    letters = "".join(dict.fromkeys(term))
    if letters == term:
        return term, array
    lengths = dict(zip(term, array.shape, strict=True))
    if [lengths[letter] for letter in term] != list(array.shape):
        raise ShapeError(f"axes of one letter in {term!r} must be equally long")
    along = dict(zip(letters, np.ix_(*(np.arange(lengths[x]) for x in letters)), strict=True))
    return letters, F.getitem(array, index=tuple(along[letter] for letter in term))


def _sum_out(letters: str, array: Any, needed: set[str]) -> tuple[str, Any]:
    """The sum over the axes that nobody needs."""
    axes = tuple(i for i, letter in enumerate(letters) if letter not in needed)
    kept = "".join(letter for letter in letters if letter in needed)
    return kept, F.sum(array, axis=axes, keepdims=False) if axes else array


def _without_repeated(of_a: str, a: Any, of_b: str, b: Any) -> tuple[str, Any]:
    """``a`` without axes of length 1 that the other operand has longer: they are broadcast."""
    longer = {letter for letter, length in zip(of_b, b.shape, strict=True) if length != 1}
    kept = [k for k, letter in enumerate(of_a) if a.shape[k] != 1 or letter not in longer]
    if len(kept) == len(of_a):
        return of_a, a
    return "".join(of_a[k] for k in kept), F.reshape(a, shape=tuple(a.shape[k] for k in kept))


def _repeated(of_a: str, a: Any, of_b: str, b: Any, needed: set[str]) -> tuple[str, Any]:
    """``a`` repeated along the axes that are summed and that only the other operand has."""
    only_b = "".join(letter for letter in of_b if letter not in of_a and letter not in needed)
    lengths = dict(zip(of_b, b.shape, strict=True))
    wide = F.reshape(a, shape=(*a.shape, *(1 for _ in only_b)))
    shape = (*a.shape, *(lengths[letter] for letter in only_b))
    return of_a + only_b, F.broadcast_to(wide, shape=shape)


def _multiply_terms(of_a: str, a: Any, of_b: str, b: Any, needed: set[str]) -> tuple[str, Any]:
    """The product of two operands, summed over the letters that only they have."""
    of_a, a = _without_repeated(of_a, a, of_b, b)
    of_b, b = _without_repeated(of_b, b, of_a, a)
    if modes.current().arithmetic == modes.EXACT:  # one product, so that one rounding is all
        wide_a, wide_b = _repeated(of_a, a, of_b, b, needed), _repeated(of_b, b, of_a, a, needed)
        (of_a, a), (of_b, b) = wide_a, wide_b
    else:
        of_a, a = _sum_out(of_a, a, needed | set(of_b))
        of_b, b = _sum_out(of_b, b, needed | set(of_a))
    lengths = dict(zip(of_a, a.shape, strict=True))
    for letter, length in zip(of_b, b.shape, strict=True):
        if lengths.setdefault(letter, length) != length:
            raise ShapeError(
                f"axis {letter!r} is {lengths[letter]} long in one operand and {length} in "
                f"another, and they must agree"
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
    product = F.matmul(left, right)
    letters = "".join((*stack, *rows, *columns))
    return letters, F.reshape(product, shape=tuple(lengths[letter] for letter in letters))
