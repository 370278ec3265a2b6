"""Every row of the table: forward against NumPy, derivatives against differences and PyTorch.

The catalogue below names, for each operation, calls through the public surface. A row of the table
that is missing from it fails :func:`test_catalogue_covers_the_table`.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_init as tg
from tinygrad_init.autograd import F

Array = NDArray[Any]
Shape = tuple[int, ...]

EVERYWHERE, POSITIVE, INSIDE = (-2.0, 2.0), (0.3, 2.5), (-0.9, 0.9)


@dataclass(frozen=True)
class Case:
    """One call: ``call`` takes Tensors; the same in NumPy and PyTorch where it cannot be reused."""

    call: Callable[..., Any]
    shapes: tuple[Shape, ...]
    domain: tuple[float, float] = EVERYWHERE
    numpy: Callable[..., Any] | None = None
    torch: Callable[..., Any] | None = None
    is_smooth: bool = True  # False: nothing flows back
    is_reproducible: bool = True  # False: refused in reproducible arithmetic

    def arrays(self, dtype: str = "float64") -> list[Array]:
        """Distinct numbers, none of them 0 or near another: no kink is within reach."""
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        low, high = self.domain
        grid = low + (high - low) * (np.arange(sum(sizes)) + 0.4) / max(sum(sizes), 1)
        rng = np.random.default_rng(zlib.crc32(repr((self.shapes, self.domain)).encode()))
        parts = np.split(rng.permutation(grid), np.cumsum(sizes)[:-1])
        return [
            part.reshape(shape).astype(dtype)
            for part, shape in zip(parts, self.shapes, strict=True)
        ]

    def tensors(self, dtype: str = "float64") -> list[tg.Tensor]:
        return [tg.Tensor(array, requires_grad=True) for array in self.arrays(dtype)]


FAMILIES: list[tuple[Shape, Shape]] = [
    ((2, 3), (2, 3)),
    ((3, 4), (4,)),
    ((3, 1), (1, 4)),
    ((2, 3, 2), (3, 1)),
    ((2, 3), ()),
    ((), (3,)),
    ((), ()),
    ((0, 4), (4,)),
    ((0, 4), (1, 1)),
    ((1,), (2, 1, 1)),
]
SHAPES: list[Shape] = [(2, 3), (), (0, 4), (2, 1, 2), (5,)]
PRODUCTS: list[tuple[Shape, Shape]] = [
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((2, 3), (3, 2)),
    ((2, 2, 3), (3,)),
    ((3,), (2, 3, 2)),
    ((2, 2, 3), (3, 2)),
    ((2, 3), (2, 3, 2)),
    ((2, 2, 3), (2, 3, 2)),
    ((2, 1, 2, 3), (2, 3, 1)),
    ((1, 2, 3), (2, 3, 2)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 2)),
    ((1, 1), (1, 1)),
]


def _on_families(call: Callable[..., Any], **settings: Any) -> list[Case]:
    return [Case(call, shapes, **settings) for shapes in FAMILIES]


def _on_shapes(call: Callable[..., Any], **settings: Any) -> list[Case]:
    return [Case(call, (shape,), **settings) for shape in SHAPES]


def _torch(name: str, **settings: Any) -> Callable[..., Any]:
    """The function of PyTorch of this name, looked up when it is called."""

    def call(*tensors: Any) -> Any:
        import torch

        place: Any = torch
        for part in name.split("."):
            place = getattr(place, part)
        return place(*tensors, **settings)

    return call


def _reductions(
    name: str, torch: str, axes: list[Any], is_never_single: bool = False, **settings: Any
) -> list[Case]:
    def case(axis: Any, keepdims: bool, shape: Shape) -> Case:
        dims = tuple(range(len(shape))) if axis is None else axis
        return Case(
            lambda x: getattr(x, name)(axis=axis, keepdims=keepdims),
            (shape,),
            torch=_torch(torch, dim=dims, keepdim=keepdims, **settings),
        )

    cases = [case(axis, keepdims, (2, 3, 2)) for axis in axes for keepdims in (False, True)]
    return [*cases, case(0, True, (3,)), *([] if is_never_single else [case(None, False, ())])]


def _indices() -> Iterator[Case]:
    repeated = np.array([0, 2, 2, -1])
    for index in (
        0,
        -1,
        slice(None, None, 2),
        slice(1, None),
        (slice(None), 1),
        (..., 0),
        (..., slice(None), None),
        None,
        (None, 2, ..., None),
        repeated,
        (repeated, np.array([1, 1, 1, 0])),
        (slice(None), np.array([[0, 1], [1, 1]])),
        np.array([], dtype=np.intp),
        slice(0, 0),
        np.array([True, False, True]),
    ):
        yield Case(lambda x, index=index: x[index], ((3, 2),))
    yield Case(lambda x: x[[2, 0, 2]], ((3, 2),))
    yield Case(lambda x: x[::-1, ::-1], ((3, 2),), torch=_torch("flip", dims=(0, 1)))
    yield Case(lambda x: x[()], ((),))
    yield Case(lambda x: x[x > 0], ((3, 2),))
    yield Case(lambda x: x[x.max(axis=1) > 0.5], ((3, 2),),
               numpy=lambda x: x[x.max(axis=1) > 0.5], torch=lambda x: x[x.amax(1) > 0.5])
    yield Case(lambda x: x[[0, 1, 2], x.argmax(axis=1)], ((3, 2),))


def _scattered(index: Any, shape: Shape) -> Callable[..., Array]:
    def expected(g: Array) -> Array:
        into = np.zeros(shape, g.dtype)
        np.add.at(into, index, g)
        return into

    return expected


def _scattered_by_torch(index: Any, shape: Shape) -> Callable[..., Any]:
    def expected(g: Any) -> Any:
        import torch

        places = tuple(torch.as_tensor(i) for i in (index if isinstance(index, tuple) else [index]))
        return torch.zeros(shape, dtype=g.dtype).index_put(places, g, accumulate=True)

    return expected


def _scatters() -> Iterator[Case]:
    for index, shape, of in (
        (np.array([0, 2]), (4,), (2,)),
        (np.array([1, 1, 3, 1]), (4,), (4,)),
        (np.array([2, 2]), (3, 2), (2, 2)),
        ((np.array([0, 0, 1]), np.array([1, 1, 0])), (2, 2), (3,)),
    ):
        yield Case(
            lambda g, index=index, shape=shape: F.scatter(g, index=index, shape=shape),
            (of,),
            numpy=_scattered(index, shape),
            torch=_scattered_by_torch(index, shape),
        )


def _log_softmax(x: Array, axis: int) -> Array:
    return np.asarray(x - np.logaddexp.reduce(x, axis=axis, keepdims=True))


def _logsumexp(x: Array, axis: Any, keepdims: bool) -> Array:
    return np.asarray(np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)))


def _normal_cdf(x: Array) -> Array:
    from scipy.stats import norm

    return np.asarray(norm.cdf(x.astype(float))).astype(x.dtype)


MASK = np.array([[True, False, True], [False, False, True]])
AXES: list[Any] = [None, 0, 1, -1, -3, (0, 1), (0, -1), (-1, -3), (2, 1, 0), ()]

CATALOGUE: dict[str, list[Case]] = {
    "add": [
        *_on_families(lambda a, b: a + b),
        Case(np.add, ((2, 3), (3,)), torch=_torch("add")),
        Case(lambda a: 2.5 + a, ((3,),)),
        Case(lambda a: a + 3, ((2, 2),)),
        Case(lambda a: a + a, ((3,),)),
        Case(lambda a: np.ones((2, 3)) + a, ((3,),), numpy=lambda a: np.ones((2, 3)) + a,
             torch=lambda a: a + _torch("ones", size=(2, 3), dtype=a.dtype)()),
    ],
    "subtract": [
        *_on_families(lambda a, b: a - b),
        Case(np.subtract, ((2, 3), (3,)), torch=_torch("subtract")),
        Case(lambda a: 2.5 - a, ((3,),)),
        Case(lambda a: a - 3, ((2, 2),)),
    ],
    "multiply": [
        *_on_families(lambda a, b: a * b),
        Case(np.multiply, ((2, 3), (3,)), torch=_torch("multiply")),
        Case(lambda a: 2.5 * a * a, ((3,),)),
        Case(lambda a: a * -3, ((2, 2),)),
    ],
    "divide": [
        *_on_families(lambda a, b: a / b, domain=POSITIVE),
        Case(np.divide, ((2, 3), (3,)), POSITIVE, torch=_torch("divide")),
        Case(np.true_divide, ((3,), (3,)), POSITIVE, torch=_torch("divide")),
        Case(lambda a: 2.5 / a, ((3,),), POSITIVE),
        Case(lambda a: a / -3, ((2, 2),)),
        Case(lambda a: a / a, ((2, 2),), POSITIVE),
    ],
    "negative": [
        *_on_shapes(lambda a: -a),
        Case(np.negative, ((3,),), torch=_torch("neg")),
        Case(lambda a: +a * -a, ((3,),)),
    ],
    "power": [
        *_on_families(lambda a, b: a ** b, domain=POSITIVE, is_reproducible=False),
        Case(lambda a: 2.5 ** a, ((2, 2),), is_reproducible=False),
        Case(lambda a: a ** 0.5, ((2, 2),), POSITIVE, is_reproducible=False),
        Case(lambda a: a ** -1.5, ((2, 2),), POSITIVE, is_reproducible=False),
        *(Case(lambda a, n=n: a ** n, ((2, 3),)) for n in (0, 1, 2, 3, 7, -1, -2, 2.0)),
        Case(lambda a: np.power(a, 3), ((4,),), torch=_torch("pow", exponent=3)),
        Case(lambda a: np.square(a) if isinstance(a, np.ndarray) else a ** 2, ((4,),),
             torch=lambda a: a ** 2),
        Case(lambda a: a ** np.array([0, 1, 2, 3]), ((4,),),
             torch=lambda a: a ** _torch("tensor", data=[0, 1, 2, 3])()),
    ],
    "absolute": [
        *_on_shapes(abs),
        Case(np.abs, ((3,),), torch=_torch("abs")),
        Case(lambda a: abs(a) * abs(a) * a, ((3,),)),
    ],
    "sign": _on_shapes(np.sign, is_smooth=False),
    "one_hot": [
        Case(lambda x: F.one_hot((x > 0).astype(int), count=3), (shape,), is_smooth=False,
             numpy=lambda x: np.eye(3, dtype=bool)[(x > 0).astype(int)])
        for shape in SHAPES
    ],
    "bernoulli": _on_shapes(
        lambda a: a.bernoulli(0.3, rng=1), is_smooth=False,
        numpy=lambda a: np.where(np.random.default_rng(1).random(a.shape) < 0.3, 1 + 0 * a, 0 * a),
    ),
    "uniform": _on_shapes(
        lambda a: a.uniform(rng=1), is_smooth=False,
        numpy=lambda a: np.random.default_rng(1).random(a.shape).astype(a.dtype),
    ),
    "maximum": [
        *_on_families(np.maximum, torch=_torch("maximum")),
        Case(lambda a, b: np.maximum(a, b) * np.maximum(b, a), ((2, 3), (3,)),
             torch=lambda a, b: _torch("maximum")(a, b) ** 2),
    ],
    "minimum": [
        *_on_families(np.minimum, torch=_torch("minimum")),
        Case(lambda a, b: np.minimum(a, b) * np.minimum(b, a), ((2, 3), (3,)),
             torch=lambda a, b: _torch("minimum")(a, b) ** 2),
    ],
    "exp": _on_shapes(np.exp, torch=_torch("exp")),
    "log": _on_shapes(np.log, domain=POSITIVE, torch=_torch("log")),
    "sqrt": _on_shapes(np.sqrt, domain=POSITIVE, torch=_torch("sqrt")),
    "tanh": _on_shapes(np.tanh, torch=_torch("tanh")),
    "sin": _on_shapes(np.sin, torch=_torch("sin")),
    "cos": _on_shapes(np.cos, torch=_torch("cos")),
    "relu": _on_shapes(lambda a: a.relu(), numpy=lambda a: np.where(a > 0, a, 0 * a)),
    "sigmoid": _on_shapes(lambda a: a.sigmoid(), numpy=lambda a: (1 + np.tanh(a / 2)) / 2),
    "log_softmax": [
        Case(lambda x, axis=axis: x.log_softmax(axis), (shape,),
             numpy=lambda x, axis=axis: _log_softmax(x, axis))
        for axis, shape in [(-1, (2, 3)), (0, (2, 3)), (1, (2, 3, 2)), (-2, (2, 3)), (0, (4,)),
                            (-1, (0, 3)), (-1, (2, 1))]
    ],
    "equal": [
        *_on_families(lambda a, b: a == b, is_smooth=False),
        Case(lambda a: a == a, ((3,),), is_smooth=False),
    ],
    "not_equal": _on_families(lambda a, b: a != b, is_smooth=False),
    "less": [
        *_on_families(lambda a, b: a < b, is_smooth=False),
        Case(lambda a: 0.1 < a, ((3,),), is_smooth=False),  # noqa: SIM300 - the reflected one
    ],
    "less_equal": _on_families(lambda a, b: a <= b, is_smooth=False),
    "greater": [
        *_on_families(lambda a, b: a > b, is_smooth=False),
        Case(np.greater, ((3,), (3,)), is_smooth=False),
    ],
    "greater_equal": _on_families(lambda a, b: a >= b, is_smooth=False),
    "where": [
        *_on_families(lambda a, b: np.where(a > 0, a * a, b * b),
                      torch=lambda a, b: _torch("where")(a > 0, a * a, b * b)),
        Case(lambda a, b: np.where(MASK, a, b * a), ((2, 3), (3,)),
             torch=lambda a, b: _torch("where")(_torch("tensor", data=MASK)(), a, b * a)),
        Case(lambda a: np.where(a < 0.5, a * a, 0.0), ((5,),),
             torch=lambda a: _torch("where")(a < 0.5, a * a, 0.0)),
        Case(lambda a: np.where(MASK, 1.0, a), ((),),
             torch=lambda a: _torch("where")(_torch("tensor", data=MASK)(), 1.0, a)),
    ],
    "matmul": [
        *(Case(lambda a, b: a @ b, shapes) for shapes in PRODUCTS),
        Case(np.matmul, ((2, 3), (3,)), torch=_torch("matmul")),
        Case(lambda a: a @ a, ((2, 2),)),
        Case(lambda a: a @ a, ((3,),)),
        Case(lambda a: a.T @ a, ((2, 3),)),
        Case(lambda a: np.ones((2, 3)) @ a, ((3, 2),),
             torch=lambda a: _torch("ones", size=(2, 3), dtype=a.dtype)() @ a),
        Case(lambda a: a @ [[1.0], [2.0], [3.0]], ((2, 3),),
             torch=lambda a: a @ _torch("tensor", data=[[1.0], [2.0], [3.0]], dtype=a.dtype)()),
    ],
    "sum": [
        *_reductions("sum", "sum", AXES[:-1]),
        Case(lambda x: x.sum(axis=()), ((2, 3),), torch=lambda x: x),
        Case(lambda x: x.sum(axis=0), ((0, 4),)),
        Case(lambda x: (x * x).sum(), ((0, 4),)),
        Case(lambda x: np.sum(x, axis=1, keepdims=True), ((2, 3),),
             torch=_torch("sum", dim=1, keepdim=True)),
        Case(lambda x: np.sum(x, 0), ((2, 3),), torch=_torch("sum", dim=0)),
    ],
    "mean": [
        *_reductions("mean", "mean", AXES[:-1]),
        Case(lambda x: x.mean(axis=1), ((0, 4),)),
        Case(lambda x: np.mean(x, axis=-1), ((2, 3),), torch=_torch("mean", dim=-1)),
    ],
    "max": [
        *_reductions("max", "amax", AXES[:-1]),
        Case(lambda x: x.max(axis=1), ((0, 4),), torch=_torch("amax", dim=1)),
        Case(lambda x: np.max(x, axis=-1), ((2, 3),), torch=_torch("amax", dim=-1)),
        Case(lambda x: x.max(axis=0) * x.max(axis=0), ((2, 3),), torch=lambda x: x.amax(0) ** 2),
    ],
    "argmax": [
        Case(lambda x: x.argmax(), ((2, 3),), is_smooth=False),
        Case(lambda x: x.argmax(axis=0), ((2, 3),), is_smooth=False),
        Case(lambda x: np.argmax(x, axis=-1), ((2, 3),), is_smooth=False),
    ],
    "reshape": [
        Case(lambda x: x.reshape(3, 2), ((2, 3),)),
        Case(lambda x: x.reshape((3, -1)), ((2, 3),)),
        Case(lambda x: x.reshape(-1), ((2, 3),)),
        Case(lambda x: x.reshape(()), ((1, 1),)),
        Case(lambda x: x.reshape(2, 0, 3), ((0, 4),)),
        Case(lambda x: np.reshape(x, (6, 1)), ((2, 3),), torch=lambda x: x.reshape(6, 1)),
    ],
    "sum_rows": [
        Case(F.sum_rows, (shape,), numpy=lambda x: np.sum(x, axis=-2), torch=lambda x: x.sum(-2))
        for shape in [(2, 3), (1, 3), (4, 1), (2, 3, 4), (0, 3)]
    ],
    "affine": [
        Case(F.affine, shapes, numpy=lambda x, w, b: np.add(np.matmul(x, w), b),
             torch=lambda x, w, b: x @ w + b)
        for shapes in [((4, 2), (2, 3), (3,)), ((2,), (2, 3), (3,)), ((1, 2), (2, 1), (1,)),
                       ((0, 2), (2, 3), (3,)), ((3, 4, 2), (2, 3), (3,))]
    ] + [
        Case(F.affine, shapes, numpy=lambda x, w, b: np.matmul(x, w) + b[:, np.newaxis],
             torch=lambda x, w, b: x @ w + b[:, None])
        for shapes in [((4, 2), (5, 2, 3), (5, 3)), ((5, 4, 2), (5, 2, 3), (5, 3)),
                       ((5, 1, 2), (5, 2, 3), (5, 3)), ((6, 5, 4, 2), (5, 2, 3), (5, 3))]
    ],
    "mse": [
        Case(F.mse, shapes, numpy=lambda a, b, axis=axis: np.mean(np.square(a - b), axis=axis),
             torch=lambda a, b, axis=axis: (a - b).square().mean(axis))
        for shapes, axis in [(((4, 2), (4, 2)), (-2, -1)), (((3,), (3,)), (-1,)),
                             (((5, 4, 2), (4, 2)), (-2, -1))]
    ],
    "transpose": [
        Case(lambda x: x.T, ((2, 3),)),
        Case(lambda x: x.transpose(), ((2, 3, 2),), torch=lambda x: x.permute(2, 1, 0)),
        Case(lambda x: x.mT, ((4, 2, 3),), torch=lambda x: x.mT),
        Case(lambda x: x.transpose(1, 2, 0), ((2, 3, 2),), torch=lambda x: x.permute(1, 2, 0)),
        Case(lambda x: x.transpose((2, 0, 1)), ((2, 3, 1),), torch=lambda x: x.permute(2, 0, 1)),
        Case(lambda x: x.transpose(-1, 0, -2), ((2, 3, 1),), torch=lambda x: x.permute(2, 0, 1)),
        Case(lambda x: np.transpose(x, (1, 0)), ((2, 3),), torch=lambda x: x.T),
        Case(lambda x: x.T, ((3,),), torch=lambda x: x),
        Case(lambda x: x.T, ((),), torch=lambda x: x),
    ],
    "broadcast_to": [
        Case(lambda x, shape=shape: np.broadcast_to(x, shape), (of,),
             torch=lambda x, shape=shape: x.broadcast_to(shape))
        for of, shape in [((3,), (2, 3)), ((2, 1), (2, 3)), ((), (2, 2)), ((1, 3), (2, 2, 3)),
                          ((2, 3), (2, 3)), ((1,), (0,))]
    ],
    "astype": [
        Case(lambda x: x.astype(np.float64) * 2, ((2, 3),), torch=lambda x: x.double() * 2),
        Case(lambda x: x.astype("float64"), ((),), torch=lambda x: x.double()),
    ],
    "getitem": list(_indices()),
    "scatter": list(_scatters()),
    "positive": _on_shapes(np.positive, torch=_torch("positive")),
    "reciprocal": _on_shapes(np.reciprocal, domain=POSITIVE, torch=_torch("reciprocal")),
    "square": [*_on_shapes(np.square, torch=_torch("square")), Case(lambda a: a.square(), ((2,),),
               numpy=np.square)],
    "hypot": _on_families(np.hypot, torch=_torch("hypot")),
    "clip": [
        Case(lambda a, low=low, high=high: np.clip(a, low, high), ((2, 3),),
             torch=_torch("clip", min=low, max=high))
        for low, high in [(-0.5, 0.7), (None, 0.7), (-0.5, None), (-9.0, 9.0), (5.0, 6.0)]
    ],
    "exp2": _on_shapes(np.exp2, torch=_torch("exp2")),
    "expm1": _on_shapes(np.expm1, torch=_torch("expm1")),
    "log2": _on_shapes(np.log2, domain=POSITIVE, torch=_torch("log2")),
    "log10": _on_shapes(np.log10, domain=POSITIVE, torch=_torch("log10")),
    "log1p": _on_shapes(np.log1p, domain=(-0.7, 2.0), torch=_torch("log1p")),
    "logaddexp": _on_families(np.logaddexp, torch=_torch("logaddexp")),
    "cbrt": _on_shapes(np.cbrt, domain=POSITIVE, torch=lambda a: a ** (1 / 3),
                       is_reproducible=False),
    "tan": _on_shapes(np.tan, domain=INSIDE, torch=_torch("tan")),
    "arcsin": _on_shapes(np.arcsin, domain=INSIDE, torch=_torch("arcsin"), is_reproducible=False),
    "arccos": _on_shapes(np.arccos, domain=INSIDE, torch=_torch("arccos"), is_reproducible=False),
    "arctan": _on_shapes(np.arctan, torch=_torch("arctan")),
    "arctan2": _on_families(np.arctan2, torch=_torch("arctan2"), is_reproducible=False),
    "sinh": _on_shapes(np.sinh, torch=_torch("sinh")),
    "cosh": _on_shapes(np.cosh, torch=_torch("cosh")),
    "arcsinh": _on_shapes(np.arcsinh, torch=_torch("arcsinh"), is_reproducible=False),
    "arccosh": _on_shapes(np.arccosh, domain=(1.2, 3.0), torch=_torch("arccosh"),
                          is_reproducible=False),
    "arctanh": _on_shapes(np.arctanh, domain=INSIDE, torch=_torch("arctanh"),
                          is_reproducible=False),
    "leaky_relu": [
        *_on_shapes(lambda a: a.leaky_relu(), numpy=lambda a: np.maximum(a, a * a.dtype.type(0.01)),
                    torch=_torch("nn.functional.leaky_relu")),
        Case(lambda a: a.leaky_relu(slope=0.2), ((2, 3),),
             numpy=lambda a: np.maximum(a, a * a.dtype.type(0.2)),
             torch=_torch("nn.functional.leaky_relu", negative_slope=0.2)),
    ],
    "elu": [
        *_on_shapes(lambda a: a.elu(), numpy=lambda a: np.where(a > 0, a, np.exp(a) - 1),
                    torch=_torch("nn.functional.elu")),
        Case(lambda a: a.elu(alpha=0.5), ((2, 3),),
             numpy=lambda a: np.where(a > 0, a, (np.exp(a) - 1) / 2),
             torch=_torch("nn.functional.elu", alpha=0.5)),
    ],
    "selu": _on_shapes(
        lambda a: a.selu(), torch=_torch("nn.functional.selu"),
        numpy=lambda a: 1.0507009873554805 * np.where(a > 0, a, 1.6732632423543772 * np.expm1(a)),
    ),
    "softplus": _on_shapes(lambda a: a.softplus(), numpy=lambda a: np.logaddexp(a, 0 * a),
                           torch=lambda a: _torch("logaddexp")(a, 0 * a)),
    "silu": _on_shapes(lambda a: a.silu(), numpy=lambda a: a * (1 + np.tanh(a / 2)) / 2,
                       torch=_torch("nn.functional.silu")),
    "normal_cdf": _on_shapes(lambda a: a.normal_cdf(), numpy=_normal_cdf,
                             torch=_torch("special.ndtr")),
    "gelu": _on_shapes(lambda a: a.gelu(), numpy=lambda a: a * _normal_cdf(a),
                       torch=_torch("nn.functional.gelu")),
    "softsign": _on_shapes(lambda a: a.softsign(), numpy=lambda a: a / (1 + abs(a)),
                           torch=_torch("nn.functional.softsign")),
    "hardtanh": _on_shapes(lambda a: a.hardtanh(), numpy=lambda a: np.clip(a, -1, 1),
                           torch=_torch("nn.functional.hardtanh")),
    "softmax": [
        Case(lambda x, axis=axis: x.softmax(axis), (shape,),
             numpy=lambda x, axis=axis: np.exp(_log_softmax(x, axis)),
             torch=_torch("softmax", dim=axis))
        for axis, shape in [(-1, (2, 3)), (0, (2, 3)), (1, (2, 3, 2)), (0, (4,)), (-1, (0, 3))]
    ],
    "min": [
        *_reductions("min", "amin", AXES[:-1]),
        Case(lambda x: np.min(x, axis=-1), ((2, 3),), torch=_torch("amin", dim=-1)),
    ],
    "argmin": [Case(lambda x: np.argmin(x, axis=-1), ((2, 3),), is_smooth=False)],
    "argsort": [Case(lambda x: np.argsort(x, axis=0), ((4, 3),), is_smooth=False)],
    "var": [
        *_reductions("var", "var", AXES[:-1], correction=0),
        Case(lambda x: x.var(axis=1, ddof=1), ((2, 3),), torch=_torch("var", dim=1, correction=1)),
    ],
    "std": [
        *_reductions("std", "std", [None, 0, -1, (0, -1), (2, 1, 0)], is_never_single=True,
                     correction=0),
        Case(lambda x: np.std(x, axis=0, ddof=1), ((3, 2),),
             torch=_torch("std", dim=0, correction=1)),
    ],
    "norm": [
        Case(np.linalg.norm, ((2, 3),), torch=_torch("linalg.norm")),
        Case(lambda x: np.linalg.norm(x, axis=0), ((2, 3),), torch=_torch("linalg.norm", dim=0)),
        Case(lambda x: np.linalg.norm(x, axis=-1, keepdims=True), ((2, 2, 3),),
             torch=_torch("linalg.norm", dim=-1, keepdim=True)),
    ],
    "prod": [
        *(Case(lambda x, axis=axis, keepdims=keepdims: x.prod(axis=axis, keepdims=keepdims),
               ((2, 3, 2),), is_reproducible=False,
               torch=(_torch("prod") if axis is None and not keepdims
                      else lambda x, axis=axis, keepdims=keepdims:
                      _torch("prod", dim=axis, keepdim=keepdims)(x) if axis is not None
                      else _torch("prod")(x).reshape(1, 1, 1)))
          for axis in (None, 0, -1) for keepdims in (False, True)),
        Case(lambda x: np.prod(x, axis=0), ((3,),), is_reproducible=False,
             torch=_torch("prod", dim=0)),
    ],
    "cumsum": [
        Case(lambda x, axis=axis: np.cumsum(x, axis=axis), (shape,),
             torch=_torch("cumsum", dim=axis))
        for axis, shape in [(0, (2, 3)), (1, (2, 3)), (-2, (2, 3, 2)), (0, (4,)), (0, (0,))]
    ] + [Case(np.cumsum, ((2, 3),), torch=lambda x: x.reshape(-1).cumsum(0))],
    "logsumexp": [
        Case(lambda x, axis=axis, keepdims=keepdims: x.logsumexp(axis=axis, keepdims=keepdims),
             ((2, 3, 2),),
             numpy=lambda x, axis=axis, keepdims=keepdims: _logsumexp(x, axis, keepdims),
             torch=_torch("logsumexp", dim=(0, 1, 2) if axis is None else axis, keepdim=keepdims))
        for axis in (None, 0, -1, (0, 2)) for keepdims in (False, True)
    ],
    "concatenate": [
        Case(lambda a, b: np.concatenate([a, b]), ((2, 3), (1, 3)),
             torch=lambda a, b: _torch("cat")([a, b])),
        Case(lambda a, b: np.concatenate([a, b, a], axis=-1), ((2, 3), (2, 0)),
             torch=lambda a, b: _torch("cat")([a, b, a], -1)),
        Case(lambda a: np.concatenate((a, np.ones((2, 1))), axis=1), ((2, 3),),
             numpy=lambda a: np.concatenate((a, np.ones((2, 1))), axis=1),
             torch=lambda a: _torch("cat")([a, _torch("ones", size=(2, 1), dtype=a.dtype)()], 1)),
    ],
}



def _each(*kinds: bool) -> pytest.MarkDecorator:
    """Run a test on every case whose ``is_smooth`` is among ``kinds``."""
    return pytest.mark.parametrize(("name", "case"), [
        pytest.param(name, case, id=f"{name}{number}-{'x'.join(map(str, case.shapes))}")
        for name, cases in CATALOGUE.items()
        for number, case in enumerate(cases)
        if case.is_smooth in kinds
    ])


each_case, each_smooth_case, each_flat_case = _each(True, False), _each(True), _each(False)


def test_catalogue_covers_the_table() -> None:
    missing = {operation.name for operation in F} - CATALOGUE.keys()
    assert not missing, f"operations without a case in this file: {sorted(missing)}"


def test_catalogue_names_only_operations_that_exist() -> None:
    assert CATALOGUE.keys() <= {operation.name for operation in F}


@each_smooth_case
def test_the_case_records_the_operation_it_is_filed_under(name: str, case: Case) -> None:
    recorded, waiting = set(), [case.call(*case.tensors())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tg.Tensor) and node.operation is not None:
            recorded.add(node.operation.name)
            waiting.extend(node.arguments)
    assert name in recorded


def _expected(case: Case, arrays: list[Array]) -> Array:
    return np.asarray((case.numpy or case.call)(*arrays))


@each_case
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_forward_agrees_with_numpy(name: str, case: Case, dtype: str) -> None:
    arrays = case.arrays(dtype)
    expected = _expected(case, arrays)
    got = case.call(*case.tensors(dtype))
    assert isinstance(got, tg.Tensor)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    tolerance = 1e-13 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(got.data, expected, rtol=tolerance, atol=tolerance)


@each_case
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_forward_agrees_with_numpy_in_reproducible_arithmetic(
    name: str, case: Case, dtype: str
) -> None:
    tensors = case.tensors(dtype)
    if not case.is_reproducible and tensors[0].size:
        with tg.reproducible(), pytest.raises(tg.GraphError, match=name):
            case.call(*tensors)
        return
    if not case.is_reproducible:
        return
    expected = _expected(case, case.arrays(dtype))
    with tg.reproducible():
        got = case.call(*tensors)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    tolerance = 1e-13 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(got.data, expected, rtol=tolerance, atol=tolerance)


def test_operations_without_reproducible_version_say_so_by_name() -> None:
    without = [operation for operation in F if operation.kernels[1] is None]
    assert {"arcsin", "cbrt", "prod"} <= {operation.name for operation in without}
    for operation in without:
        operands = len(operation.rules)
        with tg.reproducible(), pytest.raises(tg.GraphError, match=operation.name):
            operation(*[tg.Tensor([1.0])] * operands)
        if operation.scalar is not None:
            with tg.reproducible(), pytest.raises(tg.GraphError, match=operation.name):
                operation(*[tg.Value(1.0)] * operands)


@each_smooth_case
def test_first_and_second_derivative_agree_with_differences(name: str, case: Case) -> None:
    tg.check_grad(case.call, *case.arrays(), order=2)


@each_smooth_case
def test_derivatives_agree_with_differences_in_reproducible_arithmetic(
    name: str, case: Case
) -> None:
    # Differences of small cases; the larger ones would take long, and follow below.
    if case.is_reproducible and sum(array.size for array in case.arrays()) <= 7:
        with tg.reproducible():
            tg.check_grad(case.call, *case.arrays(), order=2)


@each_smooth_case
def test_a_changed_argument_means_an_error_or_the_unchanged_gradient(name: str, case: Case) -> None:
    for k in range(len(case.shapes)):
        tensors = case.tensors()
        y = case.call(*tensors)
        weights = _irregular(y.shape)
        before = tg.grad(y, tensors, gradient=weights)
        tensors[k].data = tensors[k].data * 1.01 + 0.001
        try:
            after = tg.grad(y, tensors, gradient=weights)
        except tg.GraphError:
            continue
        for one, other in zip(before, after, strict=True):
            np.testing.assert_array_equal(one.data, other.data)


def _irregular(shape: Shape) -> Array:
    """Weights that let no wrong entry hide behind another."""
    return np.asarray(0.5 + np.arange(int(np.prod(shape))) * 0.37 % 1.3).reshape(shape)


@each_smooth_case
def test_the_two_arithmetics_agree_on_both_derivatives(name: str, case: Case) -> None:
    def slopes() -> list[tg.Tensor]:
        tensors = case.tensors()
        y = case.call(*tensors)
        first = tg.grad(y, tensors, gradient=_irregular(y.shape), create_graph=True)
        total = sum(((g * g * _irregular(g.shape)).sum() for g in first), tg.Tensor(0.0))
        return first + (tg.grad(total, tensors) if total.requires_grad else [])

    if case.is_reproducible:
        for exact, plain in zip(tg.reproducible()(slopes)(), slopes(), strict=True):
            np.testing.assert_allclose(exact.data, plain.data, rtol=1e-12, atol=1e-12)


@each_smooth_case
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_gradients_have_the_shape_and_dtype_of_their_parameter(
    name: str, case: Case, dtype: str
) -> None:
    tensors = case.tensors(dtype)
    y = case.call(*tensors)
    y.backward(gradient=_irregular(y.shape))
    wide = case.tensors("float64")
    z = case.call(*wide)
    z.backward(gradient=_irregular(z.shape))
    for tensor, exact in zip(tensors, wide, strict=True):
        assert type(tensor.grad) is np.ndarray
        assert tensor.grad.dtype == np.dtype(dtype)
        assert tensor.grad.shape == tensor.shape
        np.testing.assert_allclose(tensor.grad, exact.grad, rtol=2e-4, atol=2e-4)


@each_flat_case
def test_operations_without_derivative_leave_no_history(name: str, case: Case) -> None:
    y = case.call(*case.tensors())
    assert not y.requires_grad
    assert y.is_leaf


@pytest.mark.torch
@each_smooth_case
def test_derivatives_agree_with_pytorch(name: str, case: Case) -> None:
    import torch

    ours, arrays = case.tensors(), case.arrays()
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    y, z = case.call(*ours), (case.torch or case.call)(*theirs)
    np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=1e-12, atol=1e-12)
    g = _irregular(y.shape)
    slopes = tg.grad(y, ours, gradient=g, create_graph=True)
    expected = torch.autograd.grad(z, theirs, torch.tensor(g), create_graph=True)
    for slope, reference in zip(slopes, expected, strict=True):
        np.testing.assert_allclose(
            slope.data, reference.detach().numpy(), rtol=1e-11, atol=1e-11
        )

    total = sum(((s * _irregular(s.shape)).sum() for s in slopes), tg.Tensor(0.0))
    reference = sum((r * torch.tensor(_irregular(tuple(r.shape)))).sum() for r in expected)
    if not total.requires_grad:  # linear: PyTorch may still record zeros
        total = total + 0 * sum(x.sum() for x in ours)
    reference = reference + 0 * sum(x.sum() for x in theirs)
    seconds = tg.grad(total, ours)
    for second, wanted in zip(seconds, torch.autograd.grad(reference, theirs), strict=True):
        np.testing.assert_allclose(second.data, wanted.numpy(), rtol=1e-10, atol=1e-10)


# Spellings: methods, operators and NumPy's names are the same rows.


METHODS = ["exp", "log", "sqrt", "tanh", "sin", "cos"]


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_the_function_of_numpy(name: str) -> None:
    x = tg.Tensor([0.5, 1.5])
    np.testing.assert_array_equal(getattr(x, name)().data, getattr(np, name)(x).data)


@pytest.mark.parametrize("kind", [tg.Tensor, tg.Value])
@pytest.mark.parametrize("name", [*METHODS, "sigmoid", "relu"])
def test_values_and_tensors_have_one_derivative(kind: Any, name: str) -> None:
    x = tg.Value(0.7)
    getattr(x, name)().backward()
    t = tg.Tensor(0.7, requires_grad=True)
    getattr(t, name)().backward()
    assert x.grad == pytest.approx(t.grad.item(), rel=1e-15)


def test_numpy_takes_a_tuple_of_axes_by_position_too() -> None:
    x = tg.Tensor(np.arange(12.0).reshape(2, 3, 2), requires_grad=True)
    np.testing.assert_array_equal(np.sum(x, (0, 2)).data, np.sum(x.data, (0, 2)))
    np.testing.assert_array_equal(np.max(x, (0, 2)).data, np.max(x.data, (0, 2)))


def test_an_array_on_the_left_gives_a_tensor() -> None:
    array, x = np.array([[1.0, 2.0]]), tg.Tensor([3.0, 4.0], requires_grad=True)
    for result in (array + x, array - x, array * x, array / x, array @ x, array ** x, array < x):
        assert isinstance(result, tg.Tensor)


def test_out_is_refused_rather_than_written_to() -> None:
    out = np.zeros(2)
    with pytest.raises(TypeError, match="out"):
        np.exp(tg.Tensor([1.0, 2.0]), out=out)
    with pytest.raises(TypeError, match="out"):
        out += tg.Tensor([1.0, 2.0])
    assert not out.any()


def test_turning_a_tensor_with_history_into_an_array_is_refused() -> None:
    with pytest.raises(tg.GraphError, match=r"\.data"):
        np.asarray(tg.Tensor([1.0], requires_grad=True))
    np.testing.assert_array_equal(np.asarray(tg.Tensor([1.0])), [1.0])


# Kinks and ties.


def _arithmetic(is_reproducible: bool) -> AbstractContextManager[None]:
    return tg.reproducible() if is_reproducible else nullcontext()


@pytest.mark.parametrize("is_reproducible", [False, True])
def test_relu_and_absolute_have_slope_zero_at_zero(is_reproducible: bool) -> None:
    with _arithmetic(is_reproducible):
        for f in (F.relu, abs):
            x = tg.Tensor([0.0, -0.0], requires_grad=True)
            f(x).sum().backward()
            np.testing.assert_array_equal(x.grad, [0.0, 0.0])
            v = tg.Value(0.0)
            (v.relu() + abs(v)).backward()
            assert v.grad == 0


@pytest.mark.parametrize("function", [np.maximum, np.minimum])
def test_equal_arguments_share_the_gradient_equally(function: Any) -> None:
    a = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    b = tg.Tensor([1.0, 5.0, 0.0], requires_grad=True)
    function(a, b).sum().backward()
    np.testing.assert_array_equal(a.grad + b.grad, [1, 1, 1])
    assert a.grad[0] == b.grad[0] == 0.5
    np.testing.assert_array_equal(a.grad[1:], [0, 1] if function is np.maximum else [1, 0])


def test_equal_entries_share_the_gradient_of_their_maximum() -> None:
    x = tg.Tensor([[3.0, 1.0, 3.0], [2.0, 2.0, 2.0], [0.0, -0.0, -1.0]], requires_grad=True)
    x.max(axis=1).sum().backward()
    np.testing.assert_array_equal(
        x.grad, [[0.5, 0, 0.5], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0]]
    )


def test_float32_ties_share_without_widening() -> None:
    x = tg.Tensor([[3.0, 1.0, 3.0]], dtype=np.float32, requires_grad=True)
    x.max(axis=1).sum().backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad, [[0.5, 0, 0.5]])


@pytest.mark.parametrize(("base", "exponent", "slope"), [
    (0.0, 0, 0.0), (3.0, 0, 0.0), (0.0, 1, 1.0), (0.0, 2, 0.0), (-2.0, 3, 12.0), (-2.0, 0, 0.0),
    (-2.0, -1, -0.25),
])
@pytest.mark.parametrize("is_reproducible", [False, True])
def test_slope_of_a_power_at_its_special_points(
    base: float, exponent: int, slope: float, is_reproducible: bool
) -> None:
    with _arithmetic(is_reproducible):
        x = tg.Tensor([base], requires_grad=True)
        (x ** exponent).sum().backward()
        assert x.grad.tolist() == [slope]
        v = tg.Value(base)
        (v ** exponent).backward()
        assert v.grad == slope


def test_slope_of_zero_to_a_power_with_respect_to_the_exponent_is_zero() -> None:
    a, b = tg.Tensor([0.0, 0.0], requires_grad=True), tg.Tensor([2.0, 0.0], requires_grad=True)
    (a ** b).sum().backward()
    np.testing.assert_array_equal(b.grad, [0.0, 0.0])
    np.testing.assert_array_equal(a.grad, [0.0, 0.0])


@pytest.mark.torch
def test_kinks_agree_with_pytorch() -> None:
    import torch

    data = np.array([[0.0, 1.0, 1.0], [-1.0, 0.0, 0.0], [2.0, 2.0, 2.0]])
    pairs: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = [
        (lambda x: x.relu(), torch.relu),
        (abs, torch.abs),
        (lambda x: x.max(axis=1), lambda x: x.amax(1)),
        (lambda x: np.maximum(x, 0.0 * x.data), lambda x: torch.maximum(x, 0 * x.detach())),
        (lambda x: np.minimum(x, x.T), lambda x: torch.minimum(x, x.T)),
        (lambda x: x ** 0, lambda x: x ** 0),
        (lambda x: x ** 1, lambda x: x ** 1),
    ]
    for ours, theirs in pairs:
        x = tg.Tensor(data, requires_grad=True)
        ours(x).sum().backward()
        t = torch.tensor(data, requires_grad=True)
        theirs(t).sum().backward()
        np.testing.assert_array_equal(x.grad, t.grad.numpy())


def test_zeros_of_both_signs_tie_the_same_way_in_any_order() -> None:
    # Which zero a processor calls the larger is its own affair; reproducible bits must not show it.
    zeros = np.zeros(18)
    zeros[::2] = -0.0
    with tg.reproducible():
        for function in (np.maximum, np.minimum):
            one, other = function(tg.Tensor(zeros), -zeros), function(tg.Tensor(-zeros), zeros)
            assert one.data.tobytes() == other.data.tobytes()
        assert tg.Tensor(zeros).max().data.tobytes() == tg.Tensor(zeros[::-1]).max().data.tobytes()


# Range: functions written with care for large arguments.


@pytest.mark.parametrize("is_reproducible", [False, True])
def test_sigmoid_and_log_softmax_do_not_overflow(is_reproducible: bool) -> None:
    with _arithmetic(is_reproducible):
        x = tg.Tensor([-1e4, -800.0, 0.0, 800.0, 1e4], requires_grad=True)
        np.testing.assert_array_equal(x.sigmoid().data, [0, 0, 0.5, 1, 1])
        y = x.log_softmax()
        np.testing.assert_array_equal(y.data, [-2e4, -10800.0, -1e4, -9200.0, 0])
        y.sum().backward()
        np.testing.assert_array_equal(x.grad, [1, 1, 1, 1, -4])


# Kernels that take another way for the sake of speed.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("entries", [2, 7, 16, 17])
@pytest.mark.parametrize("keepdims", [False, True])
def test_many_short_rows(dtype: str, entries: int, keepdims: bool) -> None:
    x = np.random.default_rng(0).uniform(-2, 2, (40, 20, entries)).astype(dtype)
    x[0, 0, 0], x[0, 1, 1], x[0, 2, 0] = np.nan, np.inf, -np.inf
    settings: dict[str, Any] = {"axis": -1, "keepdims": keepdims}
    for name in ("max", "min"):
        expected = getattr(np, name)(x, **settings)
        np.testing.assert_array_equal(getattr(F, name)(x, **settings), expected)
    exact = np.sum(x.astype(np.float64), axis=-1, keepdims=keepdims)
    found = F.sum(x, **settings)
    assert found.dtype == x.dtype
    np.testing.assert_allclose(found, exact, rtol=0, atol=64 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("x", [3.0, np.float32(3.0), [1.0, 2.0]])
def test_what_has_no_rows(x: Any) -> None:
    with pytest.raises((tg.ShapeError, tg.DataError), match=r"sum_rows.*two axes or more"):
        F.sum_rows(x)


@pytest.mark.parametrize("condition_shape", [(4, 3), (3,), (5, 4, 3), (1, 3), (2, 5, 4, 3), ()])
def test_a_mask_for_many_arrays(condition_shape: Shape) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 4, 3))
    x[0, 0] = np.nan, -np.inf, -0.0
    mask = rng.random(condition_shape) < 0.5
    expected = np.where(mask, x, 0)
    found = F.where(mask, x, 0)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


# Mistakes: the message names the operation and what did not fit.


def test_a_number_outside_the_domain_is_not_called_a_matter_of_shapes() -> None:
    for call in (tg.Value(-1.0).log, tg.Value(-1.0).sqrt):
        with pytest.raises(ValueError, match="domain") as caught:
            call()
        assert "shape" not in str(caught.value)


def test_reproducible_power_is_quiet_where_the_result_is_ordinary() -> None:
    # Warnings are errors in this suite: nothing overflows or divides by zero here.
    with tg.reproducible():
        for base, exponent in itertools.product([0.0, 1e200, -1e200, 1e-200], [0, 1]):
            assert (tg.Tensor([base]) ** exponent).data.tolist() == [base ** exponent]
        assert (tg.Tensor([0.0]) ** 5).data.tolist() == [0.0]
        assert (tg.Tensor([1e-200]) ** -1).data.tolist() == [1 / 1e-200]
