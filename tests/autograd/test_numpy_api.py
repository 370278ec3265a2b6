"""NumPy's functions that are made of several operations: like NumPy's, and differentiable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_init as tg
from tinygrad_init.autograd import F

Array = NDArray[Any]
Call = Callable[..., Any]

RNG = np.random.default_rng(0)
A, B, V = RNG.normal(size=(2, 3, 4)), RNG.normal(size=(4, 3)), RNG.normal(size=3)
INDEX = np.array([[0, 2], [1, 1]])
ORDER = np.argsort(A, axis=1)[:, :2]

CASES: dict[Call, list[tuple[Call, Array]]] = {
    np.ravel: [(np.ravel, A), (lambda x: x.ravel(), A)],
    np.expand_dims: [(lambda x: np.expand_dims(x, (0, -1)), A),
                     (lambda x: np.expand_dims(x, 1), V)],
    np.squeeze: [(lambda x: np.squeeze(x[:, :1]), A), (lambda x: np.squeeze(x[:1], axis=0), A)],
    np.moveaxis: [(lambda x: np.moveaxis(x, 0, -1), A),
                  (lambda x: np.moveaxis(x, [0, 1], [-1, 0]), A)],
    np.swapaxes: [(lambda x: np.swapaxes(x, 0, -1), A)],
    np.flip: [(np.flip, A), (lambda x: np.flip(x, 1), A), (lambda x: np.flip(x, (0, 2)), A)],
    np.concatenate: [(lambda x: np.concatenate([x, x * 2, np.ones((2, 1, 4))], axis=1), A),
                     (lambda x: np.concatenate([x, x], axis=None), A)],
    np.stack: [(lambda x: np.stack([x, x * x], axis=-1), A), (lambda x: np.stack([x, x]), V)],
    np.split: [(lambda x: np.split(x, 2, axis=-1)[1], A),
               (lambda x: np.split(x, [1, 3], axis=2)[1], A), (lambda x: np.split(x, 3)[2], V)],
    np.repeat: [(lambda x: np.repeat(x, 3, axis=1), A), (lambda x: np.repeat(x, 2), A),
                (lambda x: np.repeat(x, [1, 0, 2], axis=1), A)],
    np.take: [(lambda x: np.take(x, INDEX), A), (lambda x: np.take(x, INDEX, axis=1), A)],
    np.take_along_axis: [(lambda x: np.take_along_axis(x, ORDER, axis=1), A)],
    np.tensordot: [(lambda x: np.tensordot(x, B, axes=([2], [0])), A),
                   (lambda x: np.tensordot(x, B, axes=1), A),
                   (lambda x: np.tensordot(x, A, axes=3), A),
                   (lambda x: np.tensordot(V, x, axes=0), A)],
    np.dot: [(lambda x: np.dot(x, B), A), (lambda x: np.dot(V, x), V),
             (lambda x: np.dot(x, 2.0), V), (lambda x: np.dot(A, x), B)],
    np.inner: [(lambda x: np.inner(x, B.T), A), (lambda x: np.inner(x, x), V)],
    np.outer: [(lambda x: np.outer(x, V), A), (lambda x: np.outer(x, x), V)],
    np.linalg.norm: [(np.linalg.norm, B), (lambda x: np.linalg.norm(x, axis=1), A)],
    np.einsum: [(lambda x: np.einsum("ijk,kl->lij", x, B), A)],
}

EINSUMS = [
    "ij,jk->ik", "ij,jk", "ij,ij->", "ij,ij->ij", "ij->ji", "ij->", "ij->i", "i,j->ij", "ij,j->i",
    "ijk,jkl->il", "ijk,ikl,lm->ijm", "ij,kl->", "bij,bjk->bik", "...ij,...jk->...ik", "...i->...",
    "i...,i...->...", "ij,jk,kl", "ij,ik,il->jkl", "i,i,i->i", "ki,kj", "ii->i", "ii", "iji->j",
    "ii,ij->j",
]  # fmt: skip
LENGTHS = dict(zip("bijklmxy", (2, 2, 3, 4, 2, 3, 2, 3), strict=True))


def _operands(subscripts: str) -> list[Array]:
    terms = subscripts.partition("->")[0].replace("...", "xy").split(",")
    is_square = any(len(set(term)) < len(term) for term in terms)
    lengths = dict.fromkeys(LENGTHS, 3) if is_square else LENGTHS
    rng = np.random.default_rng(len(subscripts))
    return [rng.normal(size=[lengths[letter] for letter in term]) for term in terms]


def test_every_function_has_a_case() -> None:
    composed = {name for name, ours in F.of_numpy.items() if ours in F.compositions.values()}
    assert CASES.keys() == composed | {np.linalg.norm}


@pytest.mark.parametrize(("call", "x"), [
    pytest.param(*case, id=f"{function.__name__}{k}")
    for function, cases in CASES.items() for k, case in enumerate(cases)
])
def test_forward_as_in_numpy_and_both_derivatives(call: Call, x: Array) -> None:
    got = call(tg.Tensor(x, requires_grad=True))
    expected = call(x)
    assert isinstance(got, tg.Tensor)
    assert got.shape == np.shape(expected)
    np.testing.assert_allclose(got.data, expected, rtol=1e-13, atol=1e-13)
    tg.check_grad(call, x, order=2)


@pytest.mark.parametrize("subscripts", EINSUMS)
def test_einsum_as_in_numpy_and_both_derivatives(subscripts: str) -> None:
    operands = _operands(subscripts)
    got = np.einsum(subscripts, *(tg.Tensor(x, requires_grad=True) for x in operands))
    np.testing.assert_allclose(got.data, np.einsum(subscripts, *operands), rtol=1e-12, atol=1e-13)
    tg.check_grad(lambda *xs: np.einsum(subscripts, *xs), *operands, order=2)
    with tg.reproducible():
        exact = np.einsum(subscripts, *map(tg.Tensor, operands))
    np.testing.assert_allclose(exact.data, got.data, rtol=1e-12, atol=1e-13)
