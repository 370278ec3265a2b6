"""Every operation on families of shapes, dtypes, settings and memory layouts drawn by Hypothesis.

A family draws one :class:`Call`: operands, one of the spellings of the operation, and three oracles
that share no formula with the table: NumPy or SciPy for the value, the same function continued to
complex numbers for the derivatives, PyTorch for both. The derivative of an analytic function is the
imaginary part of ``f(x + ih) / h``, free of cancellation (Squire and Trapp 1998), so a step as
small as 1e-30 gives it to the last digit or two.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import special

import tinygrad_init as tg
from tinygrad_init.autograd import F

Array = NDArray[Any]
Shape = tuple[int, ...]
Function = Callable[..., Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]
Family = Callable[[Draw, bool], "Call"]

EVERYWHERE, POSITIVE, INSIDE = (-2.0, 2.0), (0.3, 2.5), (-0.9, 0.9)
NOT_NEAR_0 = (-2.5, 2.5)  # all of one sign, and no pole of the derivative is near
LARGEST = 16  # entries in an operand
FEW = settings(
    derandomize=False, deadline=None, max_examples=14,
    suppress_health_check=[HealthCheck.too_slow],  # a busy machine is no mistake of the engine
)
STEP = 1e-30
REFUSALS = (tg.ShapeError, tg.DataError, TypeError)


@dataclass(frozen=True)
class Call:
    """One call with its oracles; ``spellings`` take Tensors, the oracles arrays of their kind."""

    arrays: list[Array]
    spellings: dict[str, Function]
    numpy: Function
    analytic: Function | None  # takes complex numbers; None: nothing flows back
    torch: Function | None = None
    layouts: list[str] = field(default_factory=list)
    spelling: str = ""

    def ours(self, *tensors: tg.Tensor) -> Any:
        return self.spellings[self.spelling](*tensors)

    def tensors(self, dtypes: Sequence[str], requires_grad: bool = True) -> list[tg.Tensor]:
        return [
            laid_out(array.astype(dtype), layout, requires_grad)
            for array, layout, dtype in zip(self.arrays, self.layouts, dtypes, strict=True)
        ]


def laid_out(array: Array, layout: str, requires_grad: bool) -> tg.Tensor:
    """A Tensor that looks like ``array`` and lies in memory in another way."""
    if layout == "fortran":
        return tg.Tensor(np.asfortranarray(array), requires_grad)
    if layout == "transposed":
        return tg.Tensor(np.ascontiguousarray(array.T), requires_grad).T
    if layout == "strided":
        return tg.Tensor(np.repeat(array, 2, axis=-1), requires_grad)[..., ::2]
    if layout == "reversed":
        return tg.Tensor(array[::-1].copy(), requires_grad)[::-1]
    return tg.Tensor(array, requires_grad)


# What is drawn.


def a_size(shape: Shape) -> int:
    return math.prod(shape)


def a_shape(draw: Draw, empty: bool, at_least: int = 0, at_most: int = 4, side: int = 4) -> Shape:
    """Lengths of up to four axes; with ``empty`` at least one of them is 0."""
    ndim = draw(st.integers(max(at_least, int(empty)), at_most))
    sides = st.integers(1, min(side, 4 if ndim < 3 else 5 - ndim // 2))
    shape = draw(st.tuples(*[sides] * ndim).filter(lambda shape: a_size(shape) <= LARGEST))
    if not empty:
        return tuple(shape)
    zero = draw(st.integers(0, len(shape) - 1))
    return (*shape[:zero], 0, *shape[zero + 1 :])


def broadcasting(draw: Draw, empty: bool, count: int) -> list[Shape]:
    """Shapes that broadcast: of each, some axes are missing and others have the length 1."""
    whole = a_shape(draw, empty)

    def part() -> Shape:
        kept = whole[draw(st.integers(0, len(whole))) :]
        return tuple(1 if draw(st.booleans()) else n for n in kept)

    return [whole if empty and k == 0 else part() for k in range(count)]


def numbers(draw: Draw, shapes: Sequence[Shape], domain: tuple[float, float]) -> list[Array]:
    """Distinct numbers, none of them 0, 1 or near another: no kink is within reach."""
    sizes = [a_size(shape) for shape in shapes]
    low, high = domain
    grid = low + (high - low) * (np.arange(sum(sizes)) + 0.37) / max(sum(sizes), 1)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts = np.split(rng.permutation(grid), np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def one_axis(draw: Draw, ndim: int) -> int:
    return int(draw(st.integers(-ndim, ndim - 1)))


def some_axes(draw: Draw, ndim: int) -> tuple[int, ...]:
    """Distinct axes in any order, each counted from the front or from the back."""
    chosen = draw(st.lists(st.sampled_from(range(ndim)), unique=True)) if ndim else []
    return tuple(axis - ndim * draw(st.integers(0, 1)) for axis in chosen)


def any_axes(draw: Draw, ndim: int) -> Any:
    """What a reduction takes: nothing, one axis, a tuple of them."""
    kind = draw(st.sampled_from(["none", "one", "several"] if ndim else ["none", "several"]))
    if kind == "none":
        return None
    return one_axis(draw, ndim) if kind == "one" else some_axes(draw, ndim)


def normal_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    return tuple(i % max(ndim, 1) for i in (axis if isinstance(axis, tuple) else (axis,)))


def a_call(
    draw: Draw,
    shapes: Sequence[Shape],
    spellings: dict[str, Function],
    numpy: Function,
    analytic: Function | None,
    torch: Function | None = None,
    domain: tuple[float, float] = EVERYWHERE,
) -> Call:
    if domain is NOT_NEAR_0:
        domain = draw(st.sampled_from([POSITIVE, (-2.5, -0.3)]))

    def layout(shape: Shape) -> str:
        kinds = ["contiguous", "fortran", "transposed", "strided", "reversed"]
        return str(draw(st.sampled_from(kinds))) if shape else "contiguous"

    return Call(
        numbers(draw, shapes, domain), spellings, numpy, analytic, torch,
        [layout(shape) for shape in shapes], draw(st.sampled_from(sorted(spellings))),
    )


def spelled(name: str, numpy: Function | None, **keywords: Any) -> dict[str, Function]:
    """As a row of the table, as a method and, where there is one, as NumPy's function."""
    ways: dict[str, Function] = {
        "row": lambda *xs: getattr(F, name)(*xs, **keywords),
        "method": lambda x, *rest: getattr(x, name)(*rest, **keywords),
        "row by position": lambda *xs: getattr(F, name)(*xs, *keywords.values()),
        "method by position": lambda x, *rest: getattr(x, name)(*rest, *keywords.values()),
    }
    if numpy is not None:
        ways["numpy"] = lambda *xs: numpy(*xs, **keywords)
    return ways


def of_torch(name: str, **keywords: Any) -> Function:
    """The function of PyTorch of this name, looked up when it is called."""

    def call(*tensors: Any) -> Any:
        import torch

        place: Any = torch
        for part in name.split("."):
            place = getattr(place, part)
        return place(*tensors, **keywords)

    return call


def picked(of_positions: Function) -> Function:
    """In PyTorch any choice of entries is one of places in the ravelled array."""

    def call(x: Any) -> Any:
        import torch

        places = np.asarray(of_positions(np.arange(x.numel()).reshape(tuple(x.shape))))
        return x.reshape(-1)[torch.tensor(places.copy())]

    return call


# Elementwise, one operand.

ROOT_OF_2 = math.sqrt(2)
SELU = (1.0507009873554804934193349852946, 1.6732632423543772848170429916717)


def sign_of(z: Array) -> Array:
    return np.sign(np.real(z))


def normal_cdf(z: Array) -> Array:
    return np.asarray((1 + special.erf(z / ROOT_OF_2)) / 2)


def logistic(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


def bent(z: Array, below: Function) -> Array:
    """z where it is positive, ``below(z)`` elsewhere."""
    return np.where(np.real(z) > 0, z, below(z))


def elementwise(
    name: str,
    domain: tuple[float, float] = EVERYWHERE,
    numpy: Function | None = None,
    analytic: Function | None = None,
    torch: str | Function = "",
    operator: Function | None = None,
) -> Family:
    of_numpy = getattr(np, name, None)
    oracle = numpy or of_numpy
    assert oracle is not None

    def family(draw: Draw, empty: bool) -> Call:
        ways = spelled(name, of_numpy)
        if operator is not None:
            ways["operator"] = operator
        return a_call(
            draw, [a_shape(draw, empty)], ways, oracle, analytic or oracle,
            torch if callable(torch) else of_torch(torch or name), domain,
        )

    return family


def cbrt_by_torch(x: Any) -> Any:
    return x.sign() * x.abs() ** (1 / 3)


def leaky_relu(draw: Draw, empty: bool) -> Call:
    slope = draw(st.sampled_from([0.01, 0.2, -0.5, 2.0]))
    return a_call(
        draw, [a_shape(draw, empty)], spelled("leaky_relu", None, slope=slope),
        lambda x: np.where(x > 0, x, slope * x), lambda z: bent(z, lambda z: slope * z),
        of_torch("nn.functional.leaky_relu", negative_slope=slope),
    )


def elu(draw: Draw, empty: bool) -> Call:
    alpha = draw(st.sampled_from([1.0, 0.3, 2.5]))
    return a_call(
        draw, [a_shape(draw, empty)], spelled("elu", None, alpha=alpha),
        lambda x: np.where(x > 0, x, alpha * np.expm1(x)),
        lambda z: bent(z, lambda z: alpha * np.expm1(z)),
        of_torch("nn.functional.elu", alpha=alpha),
    )


def clip(draw: Draw, empty: bool) -> Call:
    low = draw(st.sampled_from([None, -0.503, 0.111, -3.0]))
    high = draw(st.sampled_from([None, 0.709, 0.203, 3.0]))
    assume(low is not None or high is not None)
    call = a_call(
        draw, [a_shape(draw, empty)], spelled("clip", np.clip, a_min=low, a_max=high),
        lambda x: np.clip(x, low, high), lambda z: np.clip(z, low, high),
        of_torch("clip", min=low, max=high),
    )
    for bound in (low, high):  # stay clear of the kinks
        assume(bound is None or not np.any(abs(call.arrays[0] - bound) < 0.01))
    return call


def sign(draw: Draw, empty: bool) -> Call:
    return a_call(draw, [a_shape(draw, empty)], spelled("sign", np.sign), np.sign, None)


def astype(draw: Draw, empty: bool) -> Call:
    dtype = draw(st.sampled_from([np.float64, "float64", float, np.dtype("f8")]))
    return a_call(
        draw, [a_shape(draw, empty)], spelled("astype", None, dtype=dtype),
        lambda x: x.astype(np.float64), lambda z: z * 1, lambda x: x.double(),
    )


# Elementwise, several operands.


def binary(
    name: str,
    domain: tuple[float, float] = EVERYWHERE,
    analytic: Function | None = None,
    operator: Function | None = None,
    is_smooth: bool = True,
) -> Family:
    of_numpy = getattr(np, name)

    def family(draw: Draw, empty: bool) -> Call:
        ways = spelled(name, of_numpy)
        if operator is not None:
            ways["operator"] = operator
        return a_call(
            draw, broadcasting(draw, empty, 2), ways, of_numpy,
            (analytic or of_numpy) if is_smooth else None, of_torch(name), domain,
        )

    return family


def power(draw: Draw, empty: bool) -> Call:
    exponent = draw(st.sampled_from([None, 0, 1, 2, 3, 5, -1, -2, 2.0, 0.5, -1.5]))
    if exponent is None:
        return a_call(
            draw, broadcasting(draw, empty, 2),
            {**spelled("power", np.power), "operator": lambda a, b: a**b},
            np.power, lambda a, b: np.exp(b * np.log(a)), of_torch("pow"), POSITIVE,
        )

    def by_products(z: Array) -> Array:
        result = np.ones_like(z)
        for _ in range(abs(int(exponent))):
            result = result * z
        return 1 / result if exponent < 0 else result

    is_whole = exponent == int(exponent)
    domain = POSITIVE if not is_whole else NOT_NEAR_0 if exponent < 0 else EVERYWHERE
    return a_call(
        draw, [a_shape(draw, empty)],
        {"row": lambda a: F.power(a, exponent), "operator": lambda a: a**exponent,
         "numpy": lambda a: np.power(a, exponent), "method": lambda a: a.power(exponent)},
        # NumPy refuses whole negative exponents of integers alone, never of floats.
        lambda a: np.power(a, exponent),
        by_products if is_whole else lambda a: np.exp(exponent * np.log(a)),
        lambda a: a**exponent, domain,
    )


def where(draw: Draw, empty: bool) -> Call:
    of_condition, *shapes = broadcasting(draw, empty, 3)
    condition = draw(hnp.arrays(bool, of_condition))

    def by_torch(a: Any, b: Any) -> Any:
        import torch

        return torch.where(torch.tensor(condition), a, b)

    return a_call(
        draw, shapes,
        {"row": lambda a, b: F.where(condition, a, b),
         "numpy": lambda a, b: np.where(condition, a, b),
         "method": lambda a, b: tg.Tensor(condition).where(a, b)},
        lambda a, b: np.where(condition, a, b), lambda a, b: np.where(condition, a, b), by_torch,
    )


# Products.


def matmul(draw: Draw, empty: bool) -> Call:
    """1-d operands, matrices, and stacks of matrices that broadcast."""
    k, m, n = (draw(st.integers(1, 3)) for _ in range(3))
    if empty:
        k, m, n = draw(st.sampled_from([(0, m, n), (k, 0, n), (k, m, 0), (0, m, 0)]))
    kind = draw(st.sampled_from(["vector left", "vector right", "vectors", "matrices"]))
    stacks: list[Shape] = [(), ()]
    if draw(st.booleans()):
        whole = a_shape(draw, False, at_most=2, side=2)
        stacks = [
            tuple(1 if draw(st.booleans()) else n for n in whole[draw(st.integers(0, 2)) :])
            for _ in stacks
        ]
    left = (k,) if kind in ("vector left", "vectors") else (*stacks[0], m, k)
    right = (k,) if kind in ("vector right", "vectors") else (*stacks[1], k, n)
    return a_call(
        draw, [left, right], {**spelled("matmul", np.matmul), "operator": lambda a, b: a @ b},
        np.matmul, np.matmul, of_torch("matmul"),
    )


def affine(draw: Draw, empty: bool) -> Call:
    """A layer, or several side by side: their biases have an axis in front."""
    fan_in, fan_out = (draw(st.integers(1, 3)) for _ in range(2))
    members: Shape = draw(st.sampled_from([(), (), (2,), (1,)]))
    in_front = a_shape(draw, empty, at_most=1, side=2) if members else a_shape(draw, empty)
    examples = (draw(st.integers(1, 3)),) if members else ()
    shared = draw(st.booleans())
    x = (*in_front, *(() if shared and not in_front else members), *examples, fan_in)

    def by_numpy(x: Array, w: Array, b: Array) -> Array:
        return np.asarray(np.matmul(x, w) + (b[:, np.newaxis] if members else b))

    def by_torch(x: Any, w: Any, b: Any) -> Any:
        return x @ w + (b[:, None] if members else b)

    return a_call(
        draw, [x, (*members, fan_in, fan_out), (*members, fan_out)], spelled("affine", None),
        by_numpy, by_numpy, by_torch,
    )


def product(name: str, shapes_of: Function, torch: Function) -> Family:
    of_numpy = getattr(np, name)

    def family(draw: Draw, empty: bool) -> Call:
        ways = {"numpy": of_numpy, "method": lambda a, b: getattr(a, name)(b)}
        return a_call(draw, shapes_of(draw, empty), ways, of_numpy, of_numpy, torch)

    return family


def shapes_of_dot(draw: Draw, empty: bool) -> list[Shape]:
    n = 0 if empty else draw(st.integers(1, 3))
    left = a_shape(draw, False, at_most=2, side=3)
    right = a_shape(draw, False, at_most=2, side=3)
    if not empty and draw(st.integers(0, 4)) == 0:
        return [draw(st.sampled_from([(), left])), ()]
    return [(*left, n), (*right[:-1], n, *right[-1:])]


def shapes_of_inner(draw: Draw, empty: bool) -> list[Shape]:
    n = 0 if empty else draw(st.integers(1, 3))
    left = a_shape(draw, False, at_most=2, side=3)
    right = a_shape(draw, False, at_most=2, side=3)
    if not empty and draw(st.integers(0, 4)) == 0:
        return [(), right]
    return [(*left, n), (*right, n)]


def dot_by_torch(a: Any, b: Any) -> Any:
    import torch

    if not (a.ndim and b.ndim):
        return a * b
    return torch.tensordot(a, b, dims=([a.ndim - 1], [max(b.ndim - 2, 0)]))


def inner_by_torch(a: Any, b: Any) -> Any:
    import torch

    return torch.inner(a, b)


def outer_by_torch(a: Any, b: Any) -> Any:
    import torch

    return torch.outer(a.reshape(-1), b.reshape(-1))


def tensordot(draw: Draw, empty: bool) -> Call:
    summed = list(a_shape(draw, False, at_most=2, side=2))
    left = list(a_shape(draw, False, at_most=2, side=2))
    right = list(a_shape(draw, False, at_most=2, side=3))
    if empty:
        draw(st.sampled_from([summed, left, right])).append(0)
    count = len(summed)
    axes: Any = count
    of_a, of_b = (*left, *summed), (*summed, *right)
    if draw(st.booleans()):  # the same product with the axes of one operand in another order
        order = draw(st.permutations(range(len(of_a))))
        found = [order.index(len(left) + i) - len(of_a) * draw(st.integers(0, 1))
                 for i in range(count)]
        of_a = tuple(of_a[i] for i in order)
        axes = (found, list(range(count)))
        if count == 1 and draw(st.booleans()):
            axes = (found[0], 0)
    return a_call(
        draw, [of_a, of_b],
        {"numpy": lambda a, b: np.tensordot(a, b, axes=axes),
         "numpy by position": lambda a, b: np.tensordot(a, b, axes),
         "method": lambda a, b: a.tensordot(b, axes=axes)},
        lambda a, b: np.tensordot(a, b, axes), lambda a, b: np.tensordot(a, b, axes),
        of_torch("tensordot", dims=axes if isinstance(axes, int) or isinstance(axes[0], list)
                 else ([axes[0]], [axes[1]])),
    )


SUBSCRIPTS = [
    "i->i", "i->", "ij->ji", "ij->", "ij->j", "ii->", "ii->i", "ij,jk->ik", "ij,jk", "ij,kj->ki",
    "i,i->", "i,j->ij", "ij,ij->ij", "ij,ij->", "bij,bjk->bik", "bij,bjk->ki", "...ij,...jk->...ik",
    "...i->...", "i...,i...->...", "ij,j,i->", "ij,jk,kl->il", ",i->i", "ii,ij->j", "ij,k->i",
    "ba", "i j , j k -> i k", "iij->ij", "ij,jk,ik->", "a...b,b->a...",
]


def einsum(draw: Draw, empty: bool) -> Call:
    subscripts = draw(st.sampled_from(SUBSCRIPTS))
    lengths: dict[str, int] = {}
    dots = a_shape(draw, False, at_most=2, side=2)

    def length(letter: str) -> int:
        return lengths.setdefault(letter, 0 if empty and not lengths else draw(st.integers(1, 3)))

    shapes = []
    for term in subscripts.replace(" ", "").split("->")[0].split(","):
        before, ellipsis, after = term.partition("...")
        shapes.append((*map(length, before), *(dots if ellipsis else ()), *map(length, after)))
    return a_call(
        draw, shapes, {"numpy": lambda *xs: np.einsum(subscripts, *xs)},
        lambda *xs: np.einsum(subscripts, *xs), lambda *xs: np.einsum(subscripts, *xs),
        lambda *xs: of_torch("einsum")(subscripts, *xs),
    )


# Reductions.


def reduction(
    name: str, numpy: Function, analytic: Function, torch: Function, of_numpy: Function | None
) -> Family:
    def family(draw: Draw, empty: bool) -> Call:
        shape = a_shape(draw, empty)
        axis, keepdims = any_axes(draw, len(shape)), draw(st.booleans())
        keywords = {"axis": axis, "keepdims": keepdims}
        dims = normal_axes(axis, len(shape)) if shape else ()

        def by_torch(x: Any) -> Any:
            if dims:
                return torch(x, dims, keepdims)
            # PyTorch takes () for all axes: reduce a new one instead
            return torch(x.unsqueeze(-1), (len(shape),), False)

        return a_call(
            draw, [shape], spelled(name, of_numpy, **keywords),
            lambda x: numpy(x, **keywords), lambda z: analytic(z, **keywords), by_torch,
        )

    return family


def torch_prod(x: Any, dims: Shape, keepdims: bool) -> Any:
    for dim in sorted(dims, reverse=True):
        x = x.prod(dim, keepdim=keepdims)
    return x


def norm_of(z: Array, axis: Any = None, keepdims: bool = False) -> Array:
    return np.asarray(np.sqrt(np.sum(z * z, axis=axis, keepdims=keepdims)))


def norm(draw: Draw, empty: bool) -> Call:
    """NumPy's own takes at most two axes; the row takes any."""
    shape = a_shape(draw, empty)
    axis, keepdims = any_axes(draw, len(shape)), draw(st.booleans())
    keywords = {"axis": axis, "keepdims": keepdims}
    ways = {
        "row": lambda x: F.norm(x, **keywords),
        "row by position": lambda x: F.norm(x, None, axis, keepdims),
        "method": lambda x: x.norm(**keywords),
    }
    is_numpys = axis is None or isinstance(axis, int) or len(axis) in (1, 2)
    if shape and is_numpys:
        ways["numpy"] = lambda x: np.linalg.norm(x, **keywords)
        ways["numpy by position"] = lambda x: np.linalg.norm(x, None, axis, keepdims)
    oracle = np.linalg.norm if "numpy" in ways else norm_of
    dims = normal_axes(axis, len(shape)) if shape else ()

    def by_torch(x: Any) -> Any:
        if not dims:
            return x.abs()
        return (x * x).sum(dims, keepdim=keepdims).sqrt()

    return a_call(draw, [shape], ways, lambda x: oracle(x, **keywords),
                  lambda z: norm_of(z, **keywords), by_torch)


def spread(name: str) -> Family:
    """var and std: ``ddof``, and more entries than it takes away."""
    of_numpy = getattr(np, name)

    def family(draw: Draw, empty: bool) -> Call:
        shape = a_shape(draw, empty)
        axis, keepdims = any_axes(draw, len(shape)), draw(st.booleans())
        ddof = draw(st.sampled_from([0, 0, 1, 2]))
        dims = normal_axes(axis, len(shape)) if shape else ()
        count = math.prod(shape[i] for i in dims)
        # The deviation of one number is 0, where std has a corner: tested below.
        assume(empty or count > max(ddof, int(name == "std")))
        keywords = {"axis": axis, "ddof": ddof, "keepdims": keepdims}

        def analytic(z: Array) -> Array:
            deviation = z - np.mean(z, axis=axis, keepdims=True)
            squares = np.sum(deviation**2, axis=axis, keepdims=keepdims) / (count - ddof)
            return np.asarray(squares if name == "var" else np.sqrt(squares))

        def by_torch(x: Any) -> Any:
            if not dims:
                return 0 * x
            return getattr(x, name)(dims, correction=ddof, keepdim=keepdims)

        return a_call(draw, [shape], spelled(name, of_numpy, **keywords),
                      lambda x: of_numpy(x, **keywords), analytic, by_torch)

    return family


def scores(name: str, numpy: Function, analytic: Function) -> Family:
    """softmax and its logarithm."""

    def family(draw: Draw, empty: bool) -> Call:
        shape = a_shape(draw, empty, at_least=1)
        axis = one_axis(draw, len(shape))
        return a_call(
            draw, [shape], spelled(name, None, axis=axis), lambda x: numpy(x, axis=axis),
            lambda z: analytic(z, axis), of_torch(name, dim=axis),
        )

    return family


def softmax_of(z: Array, axis: int) -> Array:
    return np.asarray(np.exp(z) / np.sum(np.exp(z), axis=axis, keepdims=True))


def cumsum(draw: Draw, empty: bool) -> Call:
    shape = a_shape(draw, empty)
    axis = draw(st.sampled_from([None, *range(-len(shape), len(shape))]))

    def by_torch(x: Any) -> Any:
        return x.reshape(-1).cumsum(0) if axis is None else x.cumsum(axis)

    return a_call(
        draw, [shape], spelled("cumsum", np.cumsum, axis=axis), lambda x: np.cumsum(x, axis=axis),
        lambda z: np.cumsum(z, axis=axis), by_torch,
    )


def sum_rows(draw: Draw, empty: bool) -> Call:
    shape = (*a_shape(draw, empty, at_most=2), draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    return a_call(
        draw, [shape], spelled("sum_rows", None), lambda x: np.sum(x, axis=-2),
        lambda z: np.sum(z, axis=-2), lambda x: x.sum(-2),
    )


def mse(draw: Draw, empty: bool) -> Call:
    """Of arrays that broadcast, over their last two axes."""
    shapes = broadcasting(draw, empty, 2)
    axis = (-2, -1)[-max(map(len, shapes)) :] if max(map(len, shapes)) else ()

    def of_numpy(a: Array, b: Array) -> Array:
        return np.asarray(np.mean(np.square(a - b), axis=axis))

    def by_torch(a: Any, b: Any) -> Any:
        return (a - b).square().mean(axis) if axis else (a - b).square()

    return a_call(draw, shapes, spelled("mse", None), of_numpy, of_numpy, by_torch)


def places(name: str) -> Family:
    """argmax, argmin and argsort: whole numbers, from which nothing flows back."""
    of_numpy = getattr(np, name)

    def family(draw: Draw, empty: bool) -> Call:
        shape = a_shape(draw, empty)
        axis = draw(st.sampled_from([None, *range(-len(shape), len(shape))]))
        return a_call(draw, [shape], spelled(name, of_numpy, axis=axis),
                      lambda x: of_numpy(x, axis=axis), None)

    return family


def one_hot(draw: Draw, empty: bool) -> Call:
    """Labels are whole numbers, here those of an argsort; the oracle is rows of a unit matrix."""
    shape = a_shape(draw, empty, at_least=1, at_most=3)
    count = max(shape[-1], 1) + draw(st.integers(0, 2))
    ways = {
        "row": lambda x: F.one_hot(F.argsort(x, axis=-1), count=count),
        "row by position": lambda x: F.one_hot(F.argsort(x, axis=-1), count),
        "method": lambda x: x.argsort(axis=-1).one_hot(count=count),
    }
    return a_call(draw, [shape], ways, lambda x: np.eye(count, dtype=bool)[np.argsort(x)], None)


def drawn(name: str, oracle: Callable[[Array, np.random.Generator], Array], **given: Any) -> Family:
    """Random draws: the numbers of the generator that is given, in the shape of the operand."""

    def family(draw: Draw, empty: bool) -> Call:
        seed = draw(st.integers(0, 9))
        ways = {
            "row": lambda x: getattr(F, name)(x, **given, rng=seed),
            "row by position": lambda x: getattr(F, name)(x, *given.values(), seed),
            "method": lambda x: getattr(x, name)(**given, rng=np.random.default_rng(seed)),
        }
        return a_call(draw, [a_shape(draw, empty)], ways,
                      lambda x: oracle(x, np.random.default_rng(seed)), None)

    return family


# Shapes.


def moved(
    shape: Shape, draw: Draw, ways: dict[str, Function], numpy: Function, torch: Function | None
) -> Call:
    """An operation that moves entries about; complex ones move as real ones do."""
    return a_call(draw, [shape], ways, numpy, numpy, torch or picked(numpy))


def reshape(draw: Draw, empty: bool) -> Call:
    shape = a_shape(draw, empty)
    lengths = list(draw(st.permutations([*shape, 1])))
    if len(lengths) > 1 and draw(st.booleans()):  # two axes become one
        lengths[:2] = [lengths[0] * lengths[1]]
    if a_size(shape) and draw(st.booleans()):
        lengths[draw(st.integers(0, len(lengths) - 1))] = -1
    new = tuple(lengths)
    return moved(shape, draw, {
        "row": lambda x: F.reshape(x, shape=new),
        "row by position": lambda x: F.reshape(x, new),
        "method": lambda x: x.reshape(new),
        "lengths": lambda x: x.reshape(*new),
        "list": lambda x: x.reshape(list(new)),
        "numpy": lambda x: np.reshape(x, new),
    }, lambda x: np.reshape(x, new), of_torch("reshape", shape=new))


def transpose(draw: Draw, empty: bool) -> Call:
    shape = a_shape(draw, empty)
    if draw(st.integers(0, 3)) == 0:
        return moved(shape, draw, {
            "T": lambda x: x.T, "method": lambda x: x.transpose(), "row": F.transpose,
            "numpy": np.transpose, "none": lambda x: np.transpose(x, None),
        }, np.transpose, None)
    if len(shape) > 1 and draw(st.integers(0, 3)) == 0:
        return moved(shape, draw, {"mT": lambda x: x.mT}, lambda x: np.swapaxes(x, -1, -2), None)
    axes = tuple(
        i - len(shape) * draw(st.integers(0, 1)) for i in draw(st.permutations(range(len(shape))))
    )
    return moved(shape, draw, {
        "row": lambda x: F.transpose(x, axes=axes),
        "row by position": lambda x: F.transpose(x, axes),
        "method": lambda x: x.transpose(axes),
        "numpy": lambda x: np.transpose(x, axes=axes),
        "lengths": lambda x: x.transpose(*axes) if axes else x.transpose(),
        "other name": lambda x: np.permute_dims(x, axes),
    }, lambda x: np.transpose(x, axes), None)


def broadcast_to(draw: Draw, empty: bool) -> Call:
    whole = a_shape(draw, empty)
    of: Shape = ()
    if draw(st.integers(0, 4)):
        kept = whole[draw(st.integers(0, len(whole))) :]
        of = tuple(1 if draw(st.booleans()) else n for n in kept)
    return moved(of, draw, spelled("broadcast_to", np.broadcast_to, shape=whole),
                 lambda x: np.broadcast_to(x, whole), of_torch("broadcast_to", size=whole))


def several(draw: Draw, shapes: Sequence[Shape], row: Function | None, ways: dict[str, Function],
            numpy: Function, torch: Function) -> Call:
    if row is not None:
        ways["row"] = row
    return a_call(draw, shapes, ways, numpy, numpy, torch)


def concatenate(draw: Draw, empty: bool) -> Call:
    count = draw(st.integers(1, 3))
    if draw(st.integers(0, 3)) == 0:
        shapes = [a_shape(draw, empty and k == 0, at_most=3, side=2) for k in range(count)]
        return several(
            draw, shapes, None, {"numpy": lambda *xs: np.concatenate(xs, axis=None)},
            lambda *xs: np.concatenate(xs, axis=None),
            lambda *xs: of_torch("cat")([x.reshape(-1) for x in xs]),
        )
    shape = a_shape(draw, empty, at_least=1, side=3)
    axis = one_axis(draw, len(shape))
    shapes = [shape]
    for _ in range(count - 1):
        lengths = list(shape)
        lengths[axis] = draw(st.integers(0 if empty else 1, 3))
        shapes.append(tuple(lengths))
    return several(
        draw, shapes, lambda *xs: F.concatenate(xs, axis=axis),
        {"numpy": lambda *xs: np.concatenate(xs, axis=axis),
         "numpy by position": lambda *xs: np.concatenate(list(xs), axis)},
        lambda *xs: np.concatenate(xs, axis), lambda *xs: of_torch("cat")(xs, axis),
    )


def stack(draw: Draw, empty: bool) -> Call:
    shape = a_shape(draw, empty, at_most=3, side=3)
    axis = one_axis(draw, len(shape) + 1)
    return several(
        draw, [shape] * draw(st.integers(1, 3)), None,
        {"numpy": lambda *xs: np.stack(xs, axis=axis),
         "numpy by position": lambda *xs: np.stack(list(xs), axis)},
        lambda *xs: np.stack(xs, axis), lambda *xs: of_torch("stack")(xs, axis),
    )


def getitem(draw: Draw, empty: bool) -> Call:
    shape = a_shape(draw, empty, at_least=0)
    kinds = ["basic", "mask"] + ["integers"] * bool(shape and a_size(shape))
    kind = draw(st.sampled_from(kinds))
    index: Any = draw(hnp.arrays(bool, shape) if kind == "mask" else hnp.basic_indices(
        shape, allow_newaxis=True) if kind == "basic" else hnp.integer_array_indices(
        shape, result_shape=hnp.array_shapes(min_dims=0, max_dims=2, max_side=3)))
    return moved(shape, draw, {
        "brackets": lambda x: x[index], "row": lambda x: F.getitem(x, index=index),
        "method": lambda x: x.getitem(index),
    }, lambda x: x[index], None)


def scatter(draw: Draw, empty: bool) -> Call:
    shape = a_shape(draw, False, at_least=1, at_most=3)
    if empty:
        index: Any = (np.zeros(0, dtype=np.intp),)
    else:
        index = draw(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2)))
    of = np.zeros(shape)[index].shape

    def added(g: Array) -> Array:
        into = np.zeros(shape, g.dtype)
        np.add.at(into, index, g)
        return into

    def by_torch(g: Any) -> Any:
        import torch

        where_to = tuple(torch.tensor(part) for part in index)
        return torch.zeros(shape, dtype=g.dtype).index_put(where_to, g, accumulate=True)

    return moved(of, draw, spelled("scatter", None, index=index, shape=shape), added, by_torch)


def composed(name: str, settings_of: Function) -> Family:
    """NumPy's function ``name`` of one operand, by keyword, by position and as a method."""
    of_numpy = getattr(np, name)

    def family(draw: Draw, empty: bool) -> Call:
        shape, keywords = settings_of(draw, empty)
        ways = {
            "numpy": lambda x: of_numpy(x, **keywords),
            "numpy by position": lambda x: of_numpy(x, *keywords.values()),
            "method": lambda x: getattr(x, name)(**keywords),
            "method by position": lambda x: getattr(x, name)(*keywords.values()),
        }
        return moved(shape, draw, ways, lambda x: of_numpy(x, **keywords), None)

    return family


def settings_of_ravel(draw: Draw, empty: bool) -> tuple[Shape, dict[str, Any]]:
    return a_shape(draw, empty), {}


def settings_of_expand_dims(draw: Draw, empty: bool) -> tuple[Shape, dict[str, Any]]:
    shape = a_shape(draw, empty, at_most=3)
    if draw(st.booleans()):
        return shape, {"axis": one_axis(draw, len(shape) + 1)}
    count = draw(st.integers(0, 2))
    axes = draw(st.permutations(range(len(shape) + count)))[:count]
    signed = [axis - (len(shape) + count) * draw(st.integers(0, 1)) for axis in axes]
    return shape, {"axis": tuple(signed)}


def settings_of_squeeze(draw: Draw, empty: bool) -> tuple[Shape, dict[str, Any]]:
    shape = a_shape(draw, empty, side=2)
    ones = [i - len(shape) * draw(st.integers(0, 1)) for i, n in enumerate(shape) if n == 1]
    choices: list[Any] = [None, tuple(ones), tuple(ones[1:]), *ones]
    return shape, {"axis": draw(st.sampled_from(choices))}


def settings_of_moveaxis(draw: Draw, empty: bool) -> tuple[Shape, dict[str, Any]]:
    if draw(st.integers(0, 3)) == 0:
        shape = a_shape(draw, empty, at_least=1)
        return shape, {"source": one_axis(draw, len(shape)),
                       "destination": one_axis(draw, len(shape))}
    shape = a_shape(draw, empty, at_least=3)
    count = draw(st.integers(0, len(shape)))
    source, targets = (draw(st.permutations(range(len(shape))))[:count] for _ in range(2))
    signed = tuple(axis - len(shape) * draw(st.integers(0, 1)) for axis in source)
    return shape, {"source": signed, "destination": list(targets)}


def settings_of_swapaxes(draw: Draw, empty: bool) -> tuple[Shape, dict[str, Any]]:
    shape = a_shape(draw, empty, at_least=1)
    return shape, {"axis1": one_axis(draw, len(shape)), "axis2": one_axis(draw, len(shape))}


def settings_of_flip(draw: Draw, empty: bool) -> tuple[Shape, dict[str, Any]]:
    shape = a_shape(draw, empty)
    axis = any_axes(draw, len(shape)) if shape else None
    return shape, {"axis": axis}


def settings_of_repeat(draw: Draw, empty: bool) -> tuple[Shape, dict[str, Any]]:
    shape = a_shape(draw, empty, at_least=0 if empty else 1, side=3)
    axis = draw(st.sampled_from([None, *range(-len(shape), len(shape))]))
    length = a_size(shape) if axis is None else shape[axis]
    each = draw(st.lists(st.integers(0, 2), min_size=length, max_size=length))
    repeats = draw(st.sampled_from([0, 1, 3, each, np.array(each, dtype=int)]))
    return shape, {"repeats": repeats, "axis": axis}


def settings_of_take(draw: Draw, empty: bool) -> tuple[Shape, dict[str, Any]]:
    shape = a_shape(draw, empty, at_least=1, side=3)
    axis = draw(st.sampled_from([None, *range(-len(shape), len(shape))]))
    length = a_size(shape) if axis is None else shape[axis]
    of = a_shape(draw, False, at_most=2, side=3) if length else (0,)
    inside = st.integers(-length, max(length - 1, 0))
    indices: Any = draw(hnp.arrays(np.intp, of, elements=inside))
    return shape, {"indices": int(indices) if of == () else indices, "axis": axis}


def settings_of_take_along_axis(draw: Draw, empty: bool) -> tuple[Shape, dict[str, Any]]:
    shape = a_shape(draw, empty, at_least=1, side=3)
    axis = draw(st.sampled_from([None, *range(-len(shape), len(shape))]))
    lengths = [a_size(shape)] if axis is None else list(shape)
    along = lengths[axis or 0]
    lengths[axis or 0] = draw(st.integers(1, 3)) if along else 0
    for i in range(len(lengths)):  # other axes may be given once for all
        if i != (axis or 0) % len(lengths) and lengths[i] and draw(st.integers(0, 3)) == 0:
            lengths[i] = 1
    inside = st.integers(-along, max(along - 1, 0))
    return shape, {"indices": draw(hnp.arrays(np.intp, tuple(lengths), elements=inside)),
                   "axis": axis}


def split(draw: Draw, empty: bool) -> Call:
    """One of the parts; which one is drawn."""
    shape = a_shape(draw, empty, at_least=1, side=4)
    axis = one_axis(draw, len(shape))
    length = shape[axis]
    cuts = sorted(draw(st.lists(st.integers(0, length + 1), max_size=2)))
    divisors = [n for n in range(1, length + 1) if length % n == 0] or [1, 2]
    into = draw(st.sampled_from([*divisors, cuts, tuple(cuts), np.array(cuts, dtype=int)]))
    k = draw(st.integers(-2 if np.ndim(into) and len(into) else -1, 0))
    return moved(shape, draw, {
        "numpy": lambda x: np.split(x, into, axis=axis)[k],
        "numpy by position": lambda x: np.split(x, into, axis)[k],
        "method": lambda x: x.split(into, axis)[k],
    }, lambda x: np.split(x, into, axis)[k], None)


def max_by_torch(x: Any, dims: Shape, keepdims: bool) -> Any:
    return x.amax(dims, keepdim=keepdims)


def log_softmax_of(z: Array, axis: int) -> Array:
    return np.asarray(z - np.log(np.sum(np.exp(z), axis=axis, keepdims=True)))


FAMILIES: dict[str, Family] = {
    # arithmetic
    "add": binary("add", operator=lambda a, b: a + b),
    "subtract": binary("subtract", operator=lambda a, b: a - b),
    "multiply": binary("multiply", operator=lambda a, b: a * b),
    "divide": binary("divide", POSITIVE, operator=lambda a, b: a / b),
    "negative": elementwise("negative", operator=lambda a: -a),
    "positive": elementwise("positive", operator=lambda a: +a),
    "power": power,
    "reciprocal": elementwise("reciprocal", NOT_NEAR_0, analytic=lambda z: 1 / z),
    "square": elementwise("square"),
    "hypot": binary("hypot", analytic=lambda a, b: np.sqrt(a * a + b * b)),
    "absolute": elementwise("absolute", operator=abs, analytic=lambda z: z * sign_of(z)),
    "sign": sign,
    "maximum": binary("maximum"),
    "minimum": binary("minimum"),
    "clip": clip,
    "where": where,
    "equal": binary("equal", operator=lambda a, b: a == b, is_smooth=False),
    "not_equal": binary("not_equal", operator=lambda a, b: a != b, is_smooth=False),
    "less": binary("less", operator=lambda a, b: a < b, is_smooth=False),
    "less_equal": binary("less_equal", operator=lambda a, b: a <= b, is_smooth=False),
    "greater": binary("greater", operator=lambda a, b: a > b, is_smooth=False),
    "greater_equal": binary("greater_equal", operator=lambda a, b: a >= b, is_smooth=False),
    # elementary functions
    "exp": elementwise("exp"),
    "exp2": elementwise("exp2"),
    "expm1": elementwise("expm1"),
    "log": elementwise("log", POSITIVE),
    "log2": elementwise("log2", POSITIVE),
    "log10": elementwise("log10", POSITIVE),
    "log1p": elementwise("log1p", (-0.7, 2.0)),
    "logaddexp": binary("logaddexp", analytic=lambda a, b: np.log(np.exp(a) + np.exp(b))),
    "sqrt": elementwise("sqrt", POSITIVE),
    "cbrt": elementwise("cbrt", NOT_NEAR_0, torch=cbrt_by_torch,
                        analytic=lambda z: sign_of(z) * (z * sign_of(z)) ** (1 / 3)),
    "sin": elementwise("sin"),
    "cos": elementwise("cos"),
    "tan": elementwise("tan", INSIDE),
    "arcsin": elementwise("arcsin", INSIDE),
    "arccos": elementwise("arccos", INSIDE),
    "arctan": elementwise("arctan"),
    "arctan2": binary("arctan2", analytic=lambda a, b: 2 * np.arctan(
        a / (np.sqrt(a * a + b * b) + b))),
    "sinh": elementwise("sinh"),
    "cosh": elementwise("cosh"),
    "tanh": elementwise("tanh"),
    "arcsinh": elementwise("arcsinh"),
    "arccosh": elementwise("arccosh", (1.2, 3.0)),
    "arctanh": elementwise("arctanh", INSIDE),
    # activations
    "relu": elementwise("relu", numpy=lambda x: np.maximum(x, 0),
                        analytic=lambda z: bent(z, lambda z: 0 * z)),
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": elementwise(
        "selu", torch="nn.functional.selu",
        numpy=lambda x: np.where(x > 0, SELU[0] * x, SELU[0] * SELU[1] * np.expm1(x)),
        analytic=lambda z: SELU[0] * bent(z, lambda z: SELU[1] * np.expm1(z))),
    "gelu": elementwise("gelu", torch="nn.functional.gelu", numpy=lambda x: x * special.ndtr(x),
                        analytic=lambda z: z * normal_cdf(z)),
    "normal_cdf": elementwise("normal_cdf", torch="special.ndtr", numpy=special.ndtr,
                              analytic=normal_cdf),
    "silu": elementwise("silu", torch="nn.functional.silu", numpy=lambda x: x * special.expit(x),
                        analytic=lambda z: z * logistic(z)),
    "sigmoid": elementwise("sigmoid", numpy=special.expit, analytic=logistic),
    "softplus": elementwise("softplus", torch="nn.functional.softplus",
                            numpy=lambda x: np.logaddexp(x, x.dtype.type(0)),
                            analytic=lambda z: np.log(1 + np.exp(z))),
    "softsign": elementwise("softsign", torch="nn.functional.softsign",
                            numpy=lambda x: x / (1 + abs(x)),
                            analytic=lambda z: z / (1 + z * sign_of(z))),
    "hardtanh": elementwise("hardtanh", torch="nn.functional.hardtanh",
                            numpy=lambda x: np.clip(x, -1, 1)),
    "softmax": scores("softmax", special.softmax, softmax_of),
    "log_softmax": scores("log_softmax", special.log_softmax, log_softmax_of),
    # reductions
    "sum": reduction("sum", np.sum, np.sum, lambda x, d, k: x.sum(d, keepdim=k), np.sum),
    "mean": reduction("mean", np.mean, np.mean, lambda x, d, k: x.mean(d, keepdim=k), np.mean),
    "max": reduction("max", np.max, np.max, max_by_torch, np.max),
    "min": reduction("min", np.min, np.min, lambda x, d, k: x.amin(d, keepdim=k), np.min),
    "prod": reduction("prod", np.prod, np.prod, torch_prod, np.prod),
    "logsumexp": reduction(
        "logsumexp", np.logaddexp.reduce,
        lambda z, axis, keepdims: np.log(np.sum(np.exp(z), axis=axis, keepdims=keepdims)),
        lambda x, d, k: x.logsumexp(d, keepdim=k), None),
    "var": spread("var"),
    "std": spread("std"),
    "norm": norm,
    "cumsum": cumsum,
    "sum_rows": sum_rows,
    "mse": mse,
    "bernoulli": drawn(
        "bernoulli", lambda x, rng: np.where(rng.random(x.shape) < 0.3, 1, 0).astype(x.dtype), p=0.3
    ),
    "uniform": drawn("uniform", lambda x, rng: np.asarray(rng.random(x.shape)).astype(x.dtype)),
    "argmax": places("argmax"),
    "argmin": places("argmin"),
    "argsort": places("argsort"),
    "one_hot": one_hot,
    # products
    "matmul": matmul,
    "affine": affine,
    "np.dot": product("dot", shapes_of_dot, dot_by_torch),
    "np.inner": product("inner", shapes_of_inner, inner_by_torch),
    "np.outer": product("outer", lambda draw, empty: [a_shape(draw, empty, at_most=2, side=3),
                                                      a_shape(draw, False, at_most=2, side=3)],
                        outer_by_torch),
    "np.tensordot": tensordot,
    "np.einsum": einsum,
    # shapes
    "astype": astype,
    "reshape": reshape,
    "transpose": transpose,
    "broadcast_to": broadcast_to,
    "concatenate": concatenate,
    "getitem": getitem,
    "scatter": scatter,
    "np.stack": stack,
    "np.split": split,
    "np.ravel": composed("ravel", settings_of_ravel),
    "np.expand_dims": composed("expand_dims", settings_of_expand_dims),
    "np.squeeze": composed("squeeze", settings_of_squeeze),
    "np.moveaxis": composed("moveaxis", settings_of_moveaxis),
    "np.swapaxes": composed("swapaxes", settings_of_swapaxes),
    "np.flip": composed("flip", settings_of_flip),
    "np.repeat": composed("repeat", settings_of_repeat),
    "np.take": composed("take", settings_of_take),
    "np.take_along_axis": composed("take_along_axis", settings_of_take_along_axis),
}
FLAT = {"sign", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
        "argmax", "argmin", "argsort", "one_hot", "bernoulli", "uniform"}

each_family = pytest.mark.parametrize("name", FAMILIES)
each_smooth_family = pytest.mark.parametrize(
    "name", [name for name in FAMILIES if name not in FLAT]
)


@st.composite
def calls(draw: Any, name: str, empty: bool = False) -> Call:
    return FAMILIES[name](draw, empty)


def test_every_operation_has_a_family() -> None:
    missing = {operation.name for operation in F} - FAMILIES.keys()
    assert not missing, f"operations without a family in this file: {sorted(missing)}"


# Values.


def outcome(f: Function, *operands: Any) -> tuple[str, Any]:
    """What became of a call: "quiet" or "warned" with the result, or "raised" with the error."""
    try:
        return "quiet", f(*operands)
    except Warning:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return "warned", f(*operands)
    except Exception as error:
        return "raised", error


def assert_close(got: Array, expected: Any, tolerance: float) -> None:
    """Equal to ``tolerance``, relative to the largest entry where that is above 1."""
    finite = np.abs(expected)[np.isfinite(expected)]
    scale = max(1.0, float(np.max(finite, initial=0.0)))
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * scale)


def assert_as_numpy(name: str, call: Call, dtypes: Sequence[str]) -> None:
    """The same value, shape and dtype; an error or a warning only where NumPy has one."""
    arrays = [a.astype(dtype) for a, dtype in zip(call.arrays, dtypes, strict=True)]
    became, expected = outcome(call.numpy, *arrays)
    ours_became, got = outcome(call.ours, *call.tensors(dtypes))
    if became == "raised":
        assert ours_became == "raised", f"NumPy refuses: {expected!r}"
        assert isinstance(got, REFUSALS), f"{got!r} for {expected!r}"
        assert name.removeprefix("np.") in str(got)
        return
    if ours_became == "raised":
        raise got
    assert ours_became == "quiet" or became == "warned"
    assert isinstance(got, tg.Tensor)
    expected = np.asarray(expected)
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    assert_close(got.data, expected, 1e-13 if got.dtype != np.float32 else 2e-6)


DTYPES = st.sampled_from(["float64", "float32"])


def some_dtypes(data: st.DataObject, call: Call) -> list[str]:
    """One for each operand; three have one in common (einsum of mixed dtypes: tested below)."""
    count = len(call.arrays)
    return [data.draw(DTYPES)] * count if count > 2 else [data.draw(DTYPES) for _ in range(count)]


@each_family
@FEW
@given(data=st.data())
def test_values_shapes_and_dtypes_are_those_of_numpy(name: str, data: st.DataObject) -> None:
    call = data.draw(calls(name))
    assert_as_numpy(name, call, some_dtypes(data, call))


@each_family
@FEW
@given(data=st.data())
def test_empty_operands_give_what_numpy_gives_and_gradients_of_their_shape(
    name: str, data: st.DataObject
) -> None:
    call = data.draw(calls(name, empty=True))
    dtypes = some_dtypes(data, call)
    assert_as_numpy(name, call, dtypes)
    tensors = call.tensors(dtypes)
    became, y = outcome(call.ours, *tensors)
    if became != "quiet" or name in FLAT:
        return
    slopes = tg.grad(y, tensors, gradient=weights(y.shape), create_graph=True)
    total = weighted(slopes)
    seconds = tg.grad(total, tensors) if total.requires_grad else []
    for slope, tensor in [*zip(slopes, tensors, strict=True), *zip(seconds, tensors, strict=False)]:
        assert slope.shape == tensor.shape
        assert slope.dtype == tensor.dtype
        assert np.isfinite(slope.data).all()


@each_family
@FEW
@given(data=st.data())
def test_all_spellings_of_an_operation_are_one(name: str, data: st.DataObject) -> None:
    call = data.draw(calls(name))
    dtypes = some_dtypes(data, call)
    results = {}
    for spelling, function in call.spellings.items():
        tensors = call.tensors(dtypes)
        y = function(*tensors)
        slopes = [] if name in FLAT else tg.grad(y, tensors, gradient=weights(y.shape))
        results[spelling] = [y.data, *(slope.data for slope in slopes)]
    first = results[call.spelling]
    for spelling, result in results.items():
        for one, other in zip(first, result, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=f"{call.spelling} and {spelling}")
            assert one.dtype == other.dtype


@pytest.mark.parametrize("name", sorted(FLAT))
@FEW
@given(data=st.data())
def test_nothing_flows_back_from_a_choice(name: str, data: st.DataObject) -> None:
    call = data.draw(calls(name))
    assert not call.ours(*call.tensors(["float64"] * len(call.arrays))).requires_grad


# Derivatives.


def weights(shape: Shape, seed: float = 0.5) -> Array:
    """Irregular factors between -1 and 1, so that no wrong entry hides behind another."""
    return np.cos(np.arange(a_size(shape), dtype=float) * 1.7 + seed).reshape(shape)


def weighted(slopes: Sequence[tg.Tensor]) -> tg.Tensor:
    total = tg.Tensor(0.0)
    for k, slope in enumerate(slopes):
        total = total + (slope * weights(slope.shape, k + 1.0)).sum()
    return total


def our_derivatives(call: Call, dtype: str = "float64") -> tuple[list[Array], list[Array]]:
    """The gradient of the weighted result, and the gradient of the weighted gradient."""
    tensors = call.tensors([dtype] * len(call.arrays))
    y = call.ours(*tensors)
    slopes = tg.grad(y, tensors, gradient=weights(y.shape), create_graph=True)
    total = weighted(slopes)
    if not total.requires_grad:  # linear
        return [s.data for s in slopes], [np.zeros_like(s.data) for s in slopes]
    return [s.data for s in slopes], [s.data for s in tg.grad(total, tensors)]


def complex_step(call: Call, points: Sequence[Array], along: Sequence[Array]) -> float:
    """The derivative of the weighted result at ``points`` in the direction ``along``."""
    assert call.analytic is not None
    moved = [x + 1j * STEP * d for x, d in zip(points, along, strict=True)]
    y = np.asarray(call.analytic(*moved))
    return float(np.sum(weights(y.shape) * y.imag / STEP))


def each_entry(arrays: Sequence[Array]) -> list[tuple[int, Shape, list[Array]]]:
    """Every entry of every operand, with the direction in which it alone changes."""
    found = []
    for k, array in enumerate(arrays):
        for entry in np.ndindex(array.shape):
            along = [np.zeros(a.shape) for a in arrays]
            along[k][entry] = 1
            found.append((k, entry, along))
    return found


@each_smooth_family
@FEW
@given(data=st.data())
def test_first_derivatives_agree_with_complex_steps(name: str, data: st.DataObject) -> None:
    call = data.draw(calls(name))
    got, _ = our_derivatives(call)
    for k, entry, along in each_entry(call.arrays):
        expected = complex_step(call, call.arrays, along)
        assert got[k][entry] == pytest.approx(expected, rel=1e-11, abs=1e-12)


@each_smooth_family
@FEW
@given(data=st.data())
def test_second_derivatives_agree_with_differences_of_complex_steps(
    name: str, data: st.DataObject
) -> None:
    call = data.draw(calls(name))
    _, got = our_derivatives(call)
    inwards = [weights(a.shape, k + 1.0) for k, a in enumerate(call.arrays)]
    h = 1e-3

    def slope(distance: float, along: Sequence[Array]) -> float:
        points = [x + distance * d for x, d in zip(call.arrays, along, strict=True)]
        return complex_step(call, points, inwards)

    for k, entry, along in each_entry(call.arrays):
        near, far = slope(h, along) - slope(-h, along), slope(2 * h, along) - slope(-2 * h, along)
        expected = (8 * near - far) / (12 * h)  # central, of fourth order
        assert got[k][entry] == pytest.approx(expected, rel=1e-7, abs=1e-8)


@each_smooth_family
@FEW
@given(data=st.data())
def test_float32_derivatives_are_those_of_float64_rounded(
    name: str, data: st.DataObject
) -> None:
    call = data.draw(calls(name))
    call.arrays[:] = [a.astype(np.float32).astype(np.float64) for a in call.arrays]
    for single, double in zip(
        our_derivatives(call, "float32"), our_derivatives(call), strict=True
    ):
        for got, expected in zip(single, double, strict=True):
            assert got.dtype == np.float32
            assert_close(got, expected, 3e-5)


@pytest.mark.torch
@each_smooth_family
@FEW
@given(data=st.data())
def test_values_and_derivatives_agree_with_pytorch(name: str, data: st.DataObject) -> None:
    import torch

    call = data.draw(calls(name))
    assert call.torch is not None
    tensors = [torch.tensor(a, requires_grad=True) for a in call.arrays]
    y = call.torch(*tensors)
    ours = call.ours(*call.tensors(["float64"] * len(tensors)))
    assert tuple(y.shape) == ours.shape
    assert_close(ours.data, y.detach().numpy(), 1e-12)
    slopes = torch.autograd.grad(
        y, tensors, torch.tensor(weights(ours.shape)), create_graph=True, materialize_grads=True
    )
    total = sum(
        (slope * torch.tensor(weights(tuple(slope.shape), k + 1.0))).sum()
        for k, slope in enumerate(slopes)
    ) + 0 * sum(t.sum() for t in tensors)
    seconds = torch.autograd.grad(total, tensors)
    got, got_seconds = our_derivatives(call)
    for found, wanted in zip([*got, *got_seconds], [*slopes, *seconds], strict=True):
        assert_close(found, wanted.detach().numpy(), 1e-10)


# Mixtures: a Tensor with a number, an array or a list.


BINARY = ["add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "hypot",
          "logaddexp", "arctan2"]
OTHERS = {
    "float": 1.5, "int": 2, "bool": True, "float64": np.float64(1.5), "float32": np.float32(1.5),
    "int64 array": np.array([1, 2, 3]), "float32 array": np.array([[0.5], [1.5]], np.float32),
    "float64 array": np.array([0.5, 1.5, 2.5]), "0-d array": np.array(1.5),
    "bool array": np.array([True, True, True]),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("name", BINARY)
def test_mixtures_have_the_dtype_and_value_of_numpy_and_the_slope_of_two_tensors(
    name: str, kind: str, dtype: str
) -> None:
    other, array = OTHERS[kind], np.array([0.7, 1.1, 1.9], dtype)
    function = getattr(np, name)
    for is_left in (True, False):
        expected = function(array, other) if is_left else function(other, array)
        x = tg.Tensor(array, requires_grad=True)
        y = function(x, other) if is_left else function(other, x)
        assert y.dtype == expected.dtype
        assert_close(y.data, expected, 1e-14 if expected.dtype == np.float64 else 1e-6)
        twin = tg.Tensor(np.asarray(other, float), requires_grad=True)
        wide = tg.Tensor(array.astype(float), requires_grad=True)
        z = function(wide, twin) if is_left else function(twin, wide)
        slope = tg.grad(y, x, gradient=weights(y.shape))
        assert slope.dtype == x.dtype
        wanted = tg.grad(z, wide, gradient=weights(z.shape))
        assert_close(slope.data, wanted.data, 1e-5 if dtype == "float32" else 1e-6)


# Settings of NumPy's functions beyond those above: obeyed, or refused by name.

MATRIX = np.array([[3.0, 1.0, 2.0], [1.0, 5.0, 4.0], [7.0, 8.0, 9.5]])

SPELLINGS: dict[str, Function] = {
    "argmax keepdims": lambda x: np.argmax(x, axis=0, keepdims=True),
    "argmin keepdims": lambda x: np.argmin(x, axis=1, keepdims=True),
    "argsort kind": lambda x: np.argsort(x, axis=0, kind="stable"),
    "argsort stable": lambda x: np.argsort(x, stable=True),
    "clip max": lambda x: np.clip(x, 2.5, None),
    "clip a_max": lambda x: np.clip(x, a_min=None, a_max=2.5),
    "clip array": lambda x: np.clip(x, np.array([0.0, 2.0, 3.0]), np.array([[4.0], [4.5], [5.0]])),
    "clip list": lambda x: np.clip(x, [0.0, 2.0, 3.0], [4.0, 4.5, 5.0]),
    "concatenate dtype": lambda x: np.concatenate([x, x], dtype=np.float32),
    "cumsum dtype": lambda x: np.cumsum(x, dtype=np.float32),
    "einsum lists": lambda x: np.einsum(x, [0, 1], x, [1, 2], [0, 2]),
    "einsum optimize": lambda x: np.einsum("ij,jk->ik", x, x, optimize=True),
    "exp where": lambda x: np.exp(x, where=MATRIX > 2, out=np.zeros((3, 3))),
    "exp dtype": lambda x: np.exp(x, dtype=np.float32),
    "expand_dims list": lambda x: np.expand_dims(x, [0, -1]),
    "max where": lambda x: np.max(x, where=MATRIX > 2, initial=0.0),
    "max initial": lambda x: np.max(x, initial=4.0),
    "mean dtype": lambda x: np.mean(x, dtype=np.float32),
    "mean where": lambda x: np.mean(x, where=MATRIX > 2),
    "norm 1": lambda x: np.linalg.norm(x, 1),
    "norm fro": lambda x: np.linalg.norm(x, "fro"),
    "norm 2 along": lambda x: np.linalg.norm(x, 2, axis=0),
    "norm inf along": lambda x: np.linalg.norm(x, np.inf, axis=0),
    "norm nuc": lambda x: np.linalg.norm(x, "nuc"),
    "norm axes": lambda x: np.linalg.norm(x, ord=2, axis=(0, 1)),
    "prod dtype": lambda x: np.prod(x, dtype=np.float32),
    "prod initial": lambda x: np.prod(x, initial=2.0),
    "ravel order": lambda x: np.ravel(x, order="F"),
    "reshape order": lambda x: np.reshape(x, (9,), order="F"),
    "repeat list": lambda x: np.repeat(x, [1, 0, 2], axis=0),
    "split list": lambda x: np.split(x, [1, 2])[1],
    "stack dtype": lambda x: np.stack([x, x], dtype=np.float32),
    "std correction": lambda x: np.std(x, axis=0, correction=1),
    "sum dtype": lambda x: np.sum(x, dtype=np.float32),
    "sum initial": lambda x: np.sum(x, initial=2.0),
    "sum where": lambda x: np.sum(x, where=MATRIX > 2),
    "take mode": lambda x: np.take(x, [0, 11], mode="wrap"),
    "take list": lambda x: np.take(x, [[0, 1], [2, 2]], axis=1),
    "tensordot 0": lambda x: np.tensordot(x, x, axes=0),
    "transpose list": lambda x: np.transpose(x, [1, 0]),
    "var ddof 1.5": lambda x: np.var(x, axis=0, ddof=1.5),
    "var mean": lambda x: np.var(x, axis=0, mean=np.zeros((1, 3))),
    "where one": lambda x: np.where(x > 2)[0],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_setting_of_numpy_is_obeyed_or_refused_by_name(spelling: str) -> None:
    call = SPELLINGS[spelling]
    expected = np.asarray(call(MATRIX))
    became, got = outcome(call, tg.Tensor(MATRIX, requires_grad=True))
    if became == "raised":
        assert isinstance(got, TypeError)
        assert spelling.split(" ", 1)[0] in str(got)
        return
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert_close(got.data, expected, 1e-13)


def test_a_clip_between_tensors_differentiates_its_bounds_or_is_refused_by_name() -> None:
    low = tg.Tensor([1.5, 1.0], requires_grad=True)
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    became, y = outcome(lambda: np.clip(x, low, None))
    if became == "raised":
        assert isinstance(y, TypeError)
        assert "clip" in str(y)
        return
    np.testing.assert_array_equal(y.data, [1.5, 2.0])
    y.sum().backward()
    np.testing.assert_array_equal(low.grad, [1, 0])


def test_an_integer_result_has_no_history() -> None:
    x = tg.Tensor([1.5, 2.5], requires_grad=True)
    for dtype in (int, np.int32, bool):
        assert not x.astype(dtype).requires_grad


def test_einsum_of_mixed_dtypes_computes_in_the_widest() -> None:
    narrow, wide = np.array([1.1, 1.3], np.float32), np.array([1.7, 1.9])
    got = np.einsum("i,i,i->", tg.Tensor(narrow), narrow, wide)
    assert got.dtype == np.float64
    assert_close(got.data, np.einsum("i,i,i->", narrow, narrow, wide), 1e-14)


def test_joining_without_an_axis_through_the_row_ravels_or_is_refused_by_name() -> None:
    x = tg.Tensor([[1.0, 2.0]], requires_grad=True)
    became, y = outcome(lambda: F.concatenate([x, x], axis=None))
    if became == "raised":
        assert isinstance(y, REFUSALS)
        assert "concatenate" in str(y)
        return
    slope = tg.grad(y, x, gradient=weights((4,)))
    np.testing.assert_array_equal(slope.data, weights((4,)).reshape(2, 1, 2).sum(axis=0))


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "cumsum"])
def test_a_number_may_be_reduced_along_its_axis_as_in_numpy(name: str, axis: int) -> None:
    for spelling in (getattr(np, name), getattr(F, name)):
        x = tg.Tensor(3.0, requires_grad=True)
        y = spelling(x, axis=axis)
        expected = getattr(np, name)(np.array(3.0), axis=axis)
        assert y.shape == expected.shape
        assert y.data.tolist() == expected.tolist()
        slope = tg.grad((y * y).sum(), x, create_graph=True)
        assert slope.data.tolist() == 6.0
        assert tg.grad(slope, x).data.tolist() == 2.0


@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize(("count", "ddof"), [(1, 1), (1, 2), (2, 3), (0, 1)])
@pytest.mark.filterwarnings("ignore")
def test_fewer_entries_than_ddof_give_what_numpy_gives(name: str, count: int, ddof: int) -> None:
    data = np.arange(count, dtype=float)
    expected = getattr(np, name)(data, ddof=ddof)
    np.testing.assert_array_equal(getattr(np, name)(tg.Tensor(data), ddof=ddof).data, expected)


# Conventions at kinks and zeros, each exact. First and second derivative of f at one number.


def slopes_at(f: Function, *numbers: float, dtype: str = "float64") -> list[list[float]]:
    """For each argument the first derivative and the unmixed second one."""
    found = []
    for k in range(len(numbers)):
        xs = [tg.Tensor(number, requires_grad=True, dtype=dtype) for number in numbers]
        first = tg.grad(f(*xs), xs[k], create_graph=True)
        assert first.dtype == np.dtype(dtype)
        second = tg.grad(first, xs[k]).data.item() if first.requires_grad else 0.0
        found.append([first.data.item(), second])
    return found


LAMBDA, ALPHA = (float(x) for x in SELU)

KINKS: list[tuple[str, Function, float, float, float]] = [
    ("relu", lambda x: x.relu(), 0.0, 0, 0),
    ("relu", lambda x: x.relu(), -0.0, 0, 0),
    ("absolute", abs, 0.0, 0, 0),
    ("absolute", abs, -0.0, 0, 0),
    ("leaky_relu", lambda x: x.leaky_relu(), 0.0, 0.01, 0),
    ("leaky_relu 0.25", lambda x: x.leaky_relu(0.25), -0.0, 0.25, 0),
    ("hardtanh", lambda x: x.hardtanh(), 1.0, 1, 0),
    ("hardtanh", lambda x: x.hardtanh(), -1.0, 1, 0),
    ("hardtanh", lambda x: x.hardtanh(), 1.5, 0, 0),
    ("clip low", lambda x: np.clip(x, -0.5, 2.0), -0.5, 1, 0),
    ("clip high", lambda x: np.clip(x, -0.5, 2.0), 2.0, 1, 0),
    ("clip one", lambda x: np.clip(x, 2.0, 2.0), 2.0, 1, 0),
    ("clip below", lambda x: np.clip(x, None, 2.0), 2.0, 1, 0),
    ("softsign", lambda x: x.softsign(), 0.0, 1, 0),
    ("softsign", lambda x: x.softsign(), -0.0, 1, 0),
    ("sqrt at infinity", np.sqrt, math.inf, 0, 0),
    ("0**0", lambda x: x**0, 0.0, 0, 0),
    ("0**1", lambda x: x**1, 0.0, 1, 0),
    ("0**2", lambda x: x**2, 0.0, 0, 2),
    ("0**3", lambda x: x**3, 0.0, 0, 0),
    ("0**2.0", lambda x: x**2.0, -0.0, 0, 2),
    ("x**0", lambda x: x**0, -3.0, 0, 0),
    ("x**0.0", lambda x: x**0.0, 5.0, 0, 0),
    ("0.0**y", lambda y: 0.0**y, 2.0, 0, 0),
    ("0.0**y at 0", lambda y: 0.0**y, 0.0, 0, 0),
    ("1.0**y", lambda y: 1.0**y, 2.0, 0, 0),
    ("std of one", lambda x: x.std(), 3.0, 0, 0),
    ("var of one", lambda x: x.var(), 3.0, 0, 0),
    ("square", np.square, 0.0, 0, 2),
    ("sinh", np.sinh, 0.0, 1, 0),
    ("cosh", np.cosh, 0.0, 0, 1),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "f", "at", "first", "second"), [
    pytest.param(*kink, id=f"{kink[0]}-{kink[2]}") for kink in KINKS
])
def test_convention_at_a_kink(
    name: str, f: Function, at: float, first: float, second: float, dtype: str
) -> None:
    rounded = np.dtype(dtype).type
    assert slopes_at(f, at, dtype=dtype) == [[rounded(first), rounded(second)]]


@pytest.mark.parametrize(("f", "slope"), [
    (lambda x: x.elu(), 1.0), (lambda x: x.elu(0.5), 0.5), (lambda x: x.selu(), LAMBDA * ALPHA),
])
def test_elu_and_selu_have_the_slope_of_their_left_side_at_zero(f: Function, slope: float) -> None:
    for zero in (0.0, -0.0):
        [[first, second]] = slopes_at(f, zero)
        assert first == pytest.approx(slope, rel=1e-15)
        assert 0 <= second <= slope  # it jumps there, from the slope to 0


@pytest.mark.parametrize("f", [np.sqrt, np.cbrt])
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_roots_are_infinitely_steep_at_zero(f: Function) -> None:
    x = tg.Tensor(0.0, requires_grad=True)
    assert tg.grad(f(x), x).data == math.inf


@pytest.mark.parametrize("name", ["maximum", "minimum"])
@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (0.0, -0.0), (-2.0, -2.0)])
def test_equal_arguments_share_equally_in_both_orders_of_derivative(
    name: str, a: float, b: float
) -> None:
    assert slopes_at(getattr(np, name), a, b) == [[0.5, 0], [0.5, 0]]
    x = tg.Tensor(a, requires_grad=True)
    assert tg.grad(getattr(np, name)(x, x), x).data == 1


@pytest.mark.parametrize(("name", "sign"), [("max", 1), ("min", -1)])
@pytest.mark.parametrize("axis", [None, 0, (0, 1), -1])
def test_equal_entries_share_equally(name: str, sign: int, axis: Any) -> None:
    data = sign * np.array([[2.0, 2.0, 1.0], [2.0, 0.0, 2.0]])
    expected = {
        None: [[0.25, 0.25, 0], [0.25, 0, 0.25]], 0: [[0.5, 1, 0], [0.5, 0, 1]],
        (0, 1): [[0.25, 0.25, 0], [0.25, 0, 0.25]], -1: [[0.5, 0.5, 0], [0.5, 0, 0.5]],
    }[axis]
    x = tg.Tensor(data, requires_grad=True)
    slope = tg.grad(getattr(x, name)(axis=axis).sum(), x, create_graph=True)
    np.testing.assert_array_equal(slope.data, expected)
    if slope.requires_grad:
        np.testing.assert_array_equal(tg.grad(slope.sum(), x).data, 0 * data)


def test_hypot_and_norm_and_std_are_flat_at_their_corner() -> None:
    assert slopes_at(np.hypot, 0.0, 0.0)[0][0] == 0
    assert slopes_at(np.hypot, 0.0, 0.0)[1][0] == 0
    assert slopes_at(np.hypot, 0.0, 2.0) == [[0, 0.5], [1, 0]]
    functions: list[Function] = [np.linalg.norm, lambda x: np.linalg.norm(x, axis=-1).sum()]
    for f in functions:
        x = tg.Tensor(np.zeros((2, 3)), requires_grad=True)
        np.testing.assert_array_equal(tg.grad(f(x), x).data, np.zeros((2, 3)))
    x = tg.Tensor([[2.0, 2.0], [1.0, 3.0]], requires_grad=True)
    np.testing.assert_array_equal(tg.grad(x.std(axis=1).sum(), x).data, [[0, 0], [-0.5, 0.5]])


@pytest.mark.parametrize("f", [
    pytest.param(np.linalg.norm, id="norm"),
    pytest.param(np.std, id="std"),
    pytest.param(lambda x: np.hypot(x[0], x[1]), id="hypot"),
])
def test_second_derivatives_at_a_corner_are_finite(f: Function) -> None:
    x = tg.Tensor([0.0, 0.0], requires_grad=True)
    slope = tg.grad(f(x), x, create_graph=True)
    np.testing.assert_array_equal(slope.data, [0, 0])
    assert np.isfinite(tg.grad((slope * slope).sum(), x).data).all()


@pytest.mark.parametrize("data", [
    (2.0, 3.0, 5.0, 7.0), (0.0, 3.0, 5.0, 7.0), (0.0, 3.0, 0.0, 7.0), (0.0, 0.0, 0.0, 7.0),
    (-0.0, 3.0, 0.0, -7.0), (0.0, 0.0, 0.0, 0.0), (2.0, 0.0), (0.0,), (4.0,),
], ids=str)
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_a_product_with_zeros_has_the_derivatives_of_its_polynomial(
    data: tuple[float, ...], axis: int | None
) -> None:
    n = len(data)
    hessian = tg.hessian(lambda x: x.prod(axis=axis))(data).data
    gradient = tg.jacobian(lambda x: x.prod(axis=axis))(data).data
    for i in range(n):
        assert gradient[i] == math.prod(data[:i] + data[i + 1 :])
        for j in range(n):
            others = [data[k] for k in range(n) if k not in (i, j)]
            assert hessian[i, j] == (0 if i == j else math.prod(others))


# Activations far from zero, against 60 digits.

FAR = [-1e4, -1000.0, -800.0, 800.0, 1000.0, 1e4]


def exact(name: str) -> Function:
    """The activation on numbers of mpmath, by definition."""
    mp = mpmath
    return {
        "relu": lambda x: mp.mpf(max(x, 0)),
        "leaky_relu": lambda x: x if x > 0 else x * mp.mpf(0.01),
        "elu": lambda x: x if x > 0 else mp.exp(x) - 1,
        "selu": lambda x: LAMBDA * (x if x > 0 else ALPHA * (mp.exp(x) - 1)),
        "gelu": lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2,
        "silu": lambda x: x / (1 + mp.exp(-x)),
        "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
        "softplus": lambda x: mp.log1p(mp.exp(x)),
        "softsign": lambda x: x / (1 + abs(x)),
        "hardtanh": lambda x: min(max(x, mp.mpf(-1)), mp.mpf(1)),
        "tanh": mp.tanh,
    }[name]


def assert_rounded(got: float, wanted: Any, dtype: str) -> None:
    """To a few units in the last place; what underflows may be zero or nearly so."""
    kind = np.finfo(dtype)
    assert math.isfinite(got)
    assert abs(got - float(wanted)) <= 8 * float(kind.eps) * abs(float(wanted)) + float(kind.tiny)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("at", FAR)
@pytest.mark.parametrize("name", [
    "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "sigmoid", "softplus", "softsign",
    "hardtanh", "tanh",
])
def test_activations_far_from_zero_agree_with_sixty_digits(
    name: str, at: float, dtype: str
) -> None:
    x = tg.Tensor([at], requires_grad=True, dtype=dtype)
    y = getattr(x, name)()
    slope = tg.grad(y.sum(), x, create_graph=True)
    second = tg.grad(slope.sum(), x).data if slope.requires_grad else np.zeros(1, dtype)
    with mpmath.workdps(60):
        f = exact(name)
        wanted = [mpmath.diff(f, mpmath.mpf(at), n) for n in range(3)]
    for got, true in zip((y.data, slope.data, second), wanted, strict=True):
        assert got.dtype == np.dtype(dtype)
        assert_rounded(float(got[0]), true, dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("a", "b"), [(1e4, 1e4), (-1000.0, -1001.0), (1000.0, -1000.0),
                                      (1e4, 9998.0), (0.0, 1e4)])
def test_logaddexp_far_from_zero_agrees_with_sixty_digits(a: float, b: float, dtype: str) -> None:
    x, y = (tg.Tensor(number, requires_grad=True, dtype=dtype) for number in (a, b))
    with mpmath.workdps(60):
        wanted = [1 / (1 + mpmath.exp(mpmath.mpf(d))) for d in (b - a, a - b)]
        value = max(a, b) + mpmath.log1p(mpmath.exp(-abs(mpmath.mpf(a - b))))
    z: Any = np.logaddexp(x, y)
    assert_rounded(float(z.data), value, dtype)
    for slope, true in zip(tg.grad(z, [x, y]), wanted, strict=True):
        assert_rounded(float(slope.data), true, dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("data", [
    [-1000.0, 0.0, 1000.0], [1000.0, 1000.0, 999.0], [-1000.0, -1001.0], [1e4, -1e4, 9999.0, 0.0],
    [-1e4, -1e4], [1e4, 1e4, 1e4], [1000.0],
], ids=str)
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_scores_far_from_zero_agree_with_sixty_digits(
    name: str, data: list[float], dtype: str
) -> None:
    def f(*xs: Any) -> Any:
        total = mpmath.fsum(mpmath.exp(x) for x in xs)
        if name == "logsumexp":
            return mpmath.log(total)
        parts = [mpmath.exp(x) / total for x in xs]
        parts = [mpmath.log(part) for part in parts] if name == "log_softmax" else parts
        return mpmath.fsum(w * part for w, part in zip(factors, parts, strict=True))

    x = tg.Tensor(data, requires_grad=True, dtype=dtype)
    y = getattr(x, name)()
    # Powers of two: their products are exact, and only the derivative itself is rounded.
    factors = [2.0 ** -k for k in range(len(data))]
    weighted_sum = y if name == "logsumexp" else (y * factors).sum()
    slope = tg.grad(weighted_sum, x)
    kind = np.finfo(dtype)
    with mpmath.workdps(60):
        points = [mpmath.mpf(number) for number in data]
        value = f(*points)
        assert abs(float(weighted_sum.data) - float(value)) <= 8 * kind.eps * max(1, abs(value))
        for k in range(len(data)):
            order = tuple(int(i == k) for i in range(len(data)))
            wanted = float(mpmath.diff(f, points, order))
            assert abs(float(slope.data[k]) - wanted) <= 8 * float(kind.eps) * max(1, abs(wanted))


# Random draws.


def test_a_draw_goes_on_where_its_generator_stands_and_is_a_mask_without_history() -> None:
    x = tg.Tensor(np.ones((50, 40)), requires_grad=True)
    rng = np.random.default_rng(0)
    first, second = x.bernoulli(0.25, rng=rng), x.bernoulli(0.25, rng=rng)
    assert not (first == second).data.all()
    assert not first.requires_grad
    # The mean of 2,000 draws: 0.25, with a standard deviation of 0.0097.
    assert abs(first.data.mean() - 0.25) < 0.04
    (x * first).sum().backward()
    np.testing.assert_array_equal(x.grad, first.data)


@pytest.mark.parametrize(("p", "expected"), [(0, 0.0), (1, 1.0)])
def test_a_certain_draw_is_certain(p: float, expected: float) -> None:
    np.testing.assert_array_equal(F.bernoulli(np.zeros(1000), p, rng=0), expected)


@pytest.mark.parametrize("p", [-0.1, 1.1, np.nan])
def test_what_is_no_probability_is_refused(p: float) -> None:
    with pytest.raises(tg.DataError, match=r"bernoulli.*from 0 to 1"):
        F.bernoulli(np.zeros(3), p, rng=0)


def test_a_draw_needs_a_generator_or_a_seed() -> None:
    with pytest.raises(TypeError, match="uniform must be told rng="):
        F.uniform(np.zeros(3))


def test_uniform_numbers_are_below_one_in_float32_too() -> None:
    class AlmostOne(np.random.Generator):
        def random(self, *_: Any, **__: Any) -> Any:
            return np.full(3, 1 - 2.0**-53)

    drawn = F.uniform(np.zeros(3, np.float32), rng=AlmostOne(np.random.PCG64(0)))
    assert drawn.dtype == np.float32
    assert (drawn < 1).all()


# Whole numbers, infinities, and powers of nothing.

FLOATING = ["sigmoid", "softplus", "silu", "softsign", "softmax", "log_softmax", "logsumexp",
            "norm", "gelu", "std"]


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("name", FLOATING)
def test_narrow_whole_numbers_do_not_wrap(name: str, dtype: str) -> None:
    x = np.array([1, 2, 100], dtype)
    expected = getattr(F, name)(x.astype(float))
    np.testing.assert_allclose(getattr(tg.Tensor(x), name)().data, expected, rtol=1e-12)


def test_logsumexp_of_infinities_is_the_limit_and_has_no_nan_in_its_gradient() -> None:
    x = tg.Tensor([[-np.inf, -np.inf], [0.0, -np.inf]], requires_grad=True)
    y = x.logsumexp(axis=1)
    assert y.data.tolist() == [-np.inf, 0.0]
    assert tg.grad(y[1], x).data.tolist() == [[0, 0], [1, 0]]
    assert tg.Tensor([np.inf, 0.0]).logsumexp().item() == np.inf


def test_second_derivatives_of_a_power_at_the_exponent_zero() -> None:
    tg.check_grad(lambda a, b: a**b, [2.0, 3.0], [0.0, 0.0], order=2)


def test_a_rule_wrong_by_a_thousandth_is_caught_where_derivatives_are_small() -> None:
    wrong = tg.operation(
        "wrong", lambda x: 1e-4 * x * x, lambda g, y, x: g * (2e-4 * 1.001 * x)
    )
    with pytest.raises(tg.GradientError):
        tg.check_grad(wrong, [1.0, -2.0])


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [("...i,...i->...", [(1, 3), (4, 3)]), ("i,i->i", [(1,), (3,)]),
     ("ij,ij->j", [(2, 1), (2, 4)])],
)
def test_einsum_broadcasts_as_numpy_does(subscripts: str, shapes: list[Shape]) -> None:
    arrays = [np.random.default_rng(k).normal(size=shape) for k, shape in enumerate(shapes)]
    got = np.einsum(subscripts, *map(tg.Tensor, arrays))
    np.testing.assert_allclose(got.data, np.einsum(subscripts, *arrays), rtol=1e-13)
    tg.check_grad(lambda a, b: np.einsum(subscripts, a, b), *arrays, order=2)
