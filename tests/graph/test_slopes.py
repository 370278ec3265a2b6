"""Formulas of derivatives: what each says, written by hand in Python and NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg
from tinygrad_init import F, Tensor, Value
from tinygrad_init.graph.back import BACK, back
from tinygrad_init.graph.formula import as_text
from tinygrad_init.graph.slopes import SLOPES, slope

# Formulas of local derivatives: what each says, written in Python by hand.

normal = NormalDist()
SAID: dict[str, Callable[[float, float, float], float]] = {
    "1": lambda x, y, z: 1,
    "-1": lambda x, y, z: -1,
    "y": lambda x, y, z: y,
    "x": lambda x, y, z: x,
    "z": lambda x, y, z: z,
    "1/y": lambda x, y, z: 1 / y,
    "-x/y²": lambda x, y, z: -x / y**2,
    "y x^(y - 1)": lambda x, y, z: y * x ** (y - 1),
    "z ln x": lambda x, y, z: z * math.log(x),
    "-1/x²": lambda x, y, z: -1 / x**2,
    "2 x": lambda x, y, z: 2 * x,
    "x/z": lambda x, y, z: x / z,
    "y/z": lambda x, y, z: y / z,
    "sign(x)": lambda x, y, z: math.copysign(1, x),
    "z ln 2": lambda x, y, z: z * math.log(2),
    "z + 1": lambda x, y, z: z + 1,
    "1/x": lambda x, y, z: 1 / x,
    "1/(x ln 2)": lambda x, y, z: 1 / (x * math.log(2)),
    "1/(x ln 10)": lambda x, y, z: 1 / (x * math.log(10)),
    "1/(1 + x)": lambda x, y, z: 1 / (1 + x),
    "e^(x - z)": lambda x, y, z: math.exp(x - z),
    "e^(y - z)": lambda x, y, z: math.exp(y - z),
    "1/(2 z)": lambda x, y, z: 1 / (2 * z),
    "1/(3 z²)": lambda x, y, z: 1 / (3 * z**2),
    "cos(x)": lambda x, y, z: math.cos(x),
    "-sin(x)": lambda x, y, z: -math.sin(x),
    "1 + z²": lambda x, y, z: 1 + z**2,
    "1/(√(1 - x²))": lambda x, y, z: 1 / math.sqrt(1 - x**2),
    "-1/(√(1 - x²))": lambda x, y, z: -1 / math.sqrt(1 - x**2),
    "1/(1 + x²)": lambda x, y, z: 1 / (1 + x**2),
    "cosh(x)": lambda x, y, z: math.cosh(x),
    "sinh(x)": lambda x, y, z: math.sinh(x),
    "1 - z²": lambda x, y, z: 1 - z**2,
    "1/(√(x² + 1))": lambda x, y, z: 1 / math.sqrt(x**2 + 1),
    "1/(√(x² - 1))": lambda x, y, z: 1 / math.sqrt(x**2 - 1),
    "1/(1 - x²)": lambda x, y, z: 1 / (1 - x**2),
    "[x > 0]": lambda x, y, z: float(x > 0),
    "z (1 - z)": lambda x, y, z: z * (1 - z),
    "σ(x)": lambda x, y, z: 1 / (1 + math.exp(-x)),
    "[x > y] + 1/2 [x = y]": lambda x, y, z: 0.5 if x == y else float(x > y),
    "[y > x] + 1/2 [x = y]": lambda x, y, z: 0.5 if x == y else float(y > x),
    "[x < y] + 1/2 [x = y]": lambda x, y, z: 0.5 if x == y else float(x < y),
    "[y < x] + 1/2 [x = y]": lambda x, y, z: 0.5 if x == y else float(y < x),
    "y/(x² + y²)": lambda x, y, z: y / (x**2 + y**2),
    "-x/(x² + y²)": lambda x, y, z: -x / (x**2 + y**2),
    "[x > 0] + 0.25 [x ≤ 0]": lambda x, y, z: 1 if x > 0 else 0.25,
    "[x > 0] + 0.5 e^x [x ≤ 0]": lambda x, y, z: 1 if x > 0 else 0.5 * math.exp(x),
    "1.0507 [x > 0] + 1.7581 e^x [x ≤ 0]":
        lambda x, y, z: 1.0507 if x > 0 else 1.7581 * math.exp(x),
    "σ(x) + z (1 - σ(x))": lambda x, y, z: (s := 1 / (1 + math.exp(-x))) + z * (1 - s),
    "e^(-x²/2)/(√(2 π))": lambda x, y, z: normal.pdf(x),
    "Φ(x) + x e^(-x²/2)/(√(2 π))": lambda x, y, z: normal.cdf(x) + x * normal.pdf(x),
    "1/((1 + |x|)²)": lambda x, y, z: 1 / (1 + abs(x)) ** 2,
    "[|x| ≤ 1]": lambda x, y, z: float(abs(x) <= 1),
    "[-1 ≤ x ≤ 0.5]": lambda x, y, z: float(-1 <= x <= 0.5),
    "[x ≤ 0.5]": lambda x, y, z: float(x <= 0.5),
    "[-1 ≤ x]": lambda x, y, z: float(x >= -1),
    "2.5 x^(1.5)": lambda x, y, z: 2.5 * x**1.5,
    "-2 x⁻³": lambda x, y, z: -2 * x**-3,
    "3 x²": lambda x, y, z: 3 * x**2,
}  # fmt: skip
SETTINGS: dict[str, dict[str, Any]] = {"leaky_relu": {"slope": 0.25}, "elu": {"alpha": 0.5}}
ROWS = [(name, k) for name in SLOPES for k in range(len(SLOPES[name]))]
POSITIVE = ("power", "log", "log2", "log10", "sqrt", "arccosh")


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("name", "position"), ROWS)
def test_a_formula_says_what_the_values_do(name: str, position: int, sign: int) -> None:
    at = [1.6 if name == "arccosh" else 0.6, 1.7]
    at[0] *= 1 if name in POSITIVE else sign
    check_formula(partial(getattr(F, name), **SETTINGS.get(name, {})), at[: len(SLOPES[name])],
                  position)  # fmt: skip


def check_formula(function: Callable[..., Any], at: list[float], position: int) -> None:
    h = 1e-6
    up, down = list(at), list(at)
    up[position] += h
    down[position] -= h
    expected = (float(function(*up)) - float(function(*down))) / (2 * h)
    node = function(*map(Value, at))
    said = as_text(slope(node, position, "z", ["x", "y"][: len(at)], digits=5))
    means = SAID[said](at[0], at[-1], node.data)
    assert means == pytest.approx(expected, rel=1e-7 if "." not in said else 1e-4, abs=1e-9)


@pytest.mark.parametrize("at", [-2.0, 0.25, 0.75])
@pytest.mark.parametrize("bounds", [(-1, 0.5), (None, 0.5), (-1, None)])
def test_the_formula_of_a_clipped_number(bounds: tuple[Any, Any], at: float) -> None:
    check_formula(lambda a: F.clip(a, a_min=bounds[0], a_max=bounds[1]), [at], 0)


@pytest.mark.parametrize("exponent", [2.5, -2, 3])
def test_the_formula_of_a_power(exponent: float) -> None:
    check_formula(lambda a: a**exponent, [0.7], 0)


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_equal_arguments_share_the_gradient(name: str) -> None:
    x = Value(2.0, label="x")
    assert "· 0.5" in str(tg.explain(getattr(F, name)(x, 2.0) * 3, wrt=x))
    assert as_text(slope(getattr(F, name)(x, 2.0), 0, "z", ["x", "2"])).endswith("+ 1/2 [x = 2]")


def test_every_operation_on_numbers_has_a_formula() -> None:
    """A row is in the table, or its function is made for its arguments, as of clip."""
    known = {*SLOPES, "clip", "where"}
    assert {row.name for row in F if row.scalar and any(row.rules)} <= known


def test_every_operation_on_arrays_has_a_formula() -> None:
    for row in F:
        if row.scalar is None and any(row.rules):
            assert row.name in BACK, row.name


# Matrix formulas: the text, and what it says in NumPy.

RNG = np.random.default_rng(3)
X, W, B = RNG.normal(size=(5, 4)), RNG.normal(size=(4, 3)), RNG.normal(size=3)
S, V, COLUMN = RNG.normal(size=(2, 5, 4)), RNG.normal(size=4), RNG.normal(size=(5, 1))
P = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)  # softmax
CDF = np.vectorize(normal.cdf)
G = "dy/dz"


@pytest.mark.parametrize(
    ("operation", "arguments", "position", "said", "means"),
    [
        (F.matmul, (X, W), 1, f"aᵀ {G}", lambda g: X.T @ g),
        (F.matmul, (X, W), 0, f"{G} bᵀ", lambda g: g @ W.T),
        (F.matmul, (S, W), 1, f"Σ[axis 0] aᵀ {G}", lambda g: sum(S[k].T @ g[k] for k in range(2))),
        (F.matmul, (S, W), 0, f"{G} bᵀ", lambda g: g @ W.T),
        (F.matmul, (V, W), 1, f"a ({G})ᵀ", lambda g: np.outer(V, g)),
        (F.matmul, (V, W), 0, f"b {G}", lambda g: W @ g),
        (F.matmul, (X, V), 0, f"{G} bᵀ", lambda g: np.outer(g, V)),
        (F.matmul, (X, V), 1, f"aᵀ {G}", lambda g: X.T @ g),
        (F.matmul, (V, V), 0, f"{G} b", lambda g: g * V),
        (F.matmul, (S, V), 1, f"(∂z/∂b)ᵀ {G}", None),
        (F.affine, (X, W, B), 0, f"{G} bᵀ", lambda g: g @ W.T),
        (F.affine, (X, W, B), 1, f"aᵀ {G}", lambda g: X.T @ g),
        (F.affine, (X, W, B), 2, f"Σ[axis 0] {G}", lambda g: g.sum(axis=0)),
        (F.affine, (V, W, B), 2, "(∂z/∂c)ᵀ dy/dz", None),
        (F.mse, (X, X[::-1]), 0, f"2/20 (a - b) {G}", lambda g: 2 / 20 * (X - X[::-1]) * g),
        (F.mse, (X, X[::-1]), 1, f"2/20 (b - a) {G}", lambda g: 2 / 20 * (X[::-1] - X) * g),
        (F.sum_rows, (X,), 0, f"{G} in every row", lambda g: np.tile(g, (5, 1))),
        (F.add, (X @ W, B), 1, f"Σ[axis 0] {G}", lambda g: g.sum(axis=0)),
        (F.add, (X @ W, B), 0, G, lambda g: g),
        (F.add, (S, COLUMN), 1, f"Σ[axes 0,2] {G}", lambda g: g.sum(axis=(0, 2))[:, None]),
        (F.subtract, (X @ W, B), 1, f"Σ[axis 0] (-{G})", lambda g: -g.sum(axis=0)),
        (F.multiply, (X, 3.0), 0, f"b {G}", lambda g: 3 * g),
        (F.multiply, (X, V), 1, f"Σ[axis 0] a ⊙ {G}", lambda g: (X * g).sum(axis=0)),
        (F.tanh, (X,), 0, f"(1 - z²) ⊙ {G}", lambda g: (1 - np.tanh(X) ** 2) * g),
        (F.relu, (X,), 0, f"[a > 0] ⊙ {G}", lambda g: (X > 0) * g),
        (F.power, (X, 3.0), 0, f"3 a² ⊙ {G}", lambda g: 3 * X**2 * g),
        (F.where, (X > 0, X, 0.0), 1, f"[a] ⊙ {G}", lambda g: (X > 0) * g),
        (F.where, (X > 0, 0.0, X), 2, f"(1 - [a]) ⊙ {G}", lambda g: (X <= 0) * g),
        (F.where, (X.round(), X, 0.0), 1, f"[a ≠ 0] ⊙ {G}", lambda g: (X.round() != 0) * g),
        (F.sum, (X,), 0, f"{G} in every entry", lambda g: np.full((5, 4), g)),
        (F.mean, (X,), 0, f"1/20 {G} in every entry", lambda g: np.full((5, 4), g / 20)),
        (lambda x: F.mean(x, axis=0), (X,), 0, f"1/5 {G} repeated along axis 0",
         lambda g: np.repeat(g[None] / 5, 5, axis=0)),
        (lambda x: F.sum(x, axis=(-1, 0)), (S,), 0, f"{G} repeated along axes 2, 0",
         lambda g: np.broadcast_to(g[None, :, None], S.shape)),
        (F.transpose, (X,), 0, f"({G})ᵀ", lambda g: g.T),
        (lambda x: F.reshape(x, (4, 5)), (X,), 0, f"{G} in the shape before",
         lambda g: g.reshape(5, 4)),
        (lambda x: F.transpose(x, axes=(0, 2, 1)), (S,), 0, f"{G} with its axes put back",
         lambda g: g.transpose(0, 2, 1)),
        (lambda x: F.transpose(x, axes=(0, -1)), (X,), 0, G, lambda g: g),
        (F.softmax, (X,), 0, f"z ⊙ ({G} - Σ[axis 1] z ⊙ {G})",
         lambda g: P * (g - (P * g).sum(axis=1, keepdims=True))),
        (F.log_softmax, (X,), 0, f"{G} - softmax(a) ⊙ Σ[axis 1] {G}",
         lambda g: g - P * g.sum(axis=1, keepdims=True)),
        (lambda x: F.logsumexp(x, axis=1), (X,), 0, f"e^(a - z) ⊙ {G} repeated along axis 1",
         lambda g: P * g[:, None]),
        (lambda x: F.max(x, axis=0), (X,), 0, f"{G} for the largest along axis 0, in equal shares",
         lambda g: (X.max(axis=0) == X) * g),
        (F.min, (X,), 0, f"{G} for the smallest, in equal shares", lambda g: (X.min() == X) * g),
        (lambda x: F.var(x, axis=0, ddof=1), (X,), 0,
         f"2/4 (a - mean a) ⊙ {G} repeated along axis 0",
         lambda g: 2 / 4 * (X - X.mean(axis=0)) * g),
        (F.std, (X,), 0, f"(a - mean a)/(20 z) ⊙ {G} in every entry",
         lambda g: (X - X.mean()) / (20 * X.std()) * g),
        (lambda x: F.norm(x, axis=1), (X,), 0, f"a/z ⊙ {G} repeated along axis 1",
         lambda g: X / np.linalg.norm(X, axis=1, keepdims=True) * g[:, None]),
        (lambda x: F.prod(x, axis=1), (X,), 0,
         f"Π_others a ⊙ {G} repeated along axis 1",
         lambda g: X.prod(axis=1, keepdims=True) / X * g[:, None]),
        (F.cumsum, (V,), 0, f"Σ[from here on] {G}", lambda g: g[::-1].cumsum()[::-1]),
        (lambda x: F.broadcast_to(x, (5, 4)), (V,), 0, f"Σ[axis 0] {G}", lambda g: g.sum(axis=0)),
        (lambda x, y: np.concatenate([x, y]), (V, V), 1, f"its part of {G}", lambda g: g[4:]),
        (lambda x: F.astype(x, np.float32), (V,), 0, f"{G} in the dtype before", None),
        (lambda x: x[1:, 0], (X,), 0, f"{G} at its place, 0 elsewhere",
         lambda g: np.pad(g[:, None], ((1, 0), (0, 3)))),
        (lambda x: F.scatter(x, index=(slice(1, 5),), shape=(9,)), (V,), 0,
         f"{G} at the places that it went to", lambda g: g[1:5]),
        (F.gelu, (X,), 0, f"(Φ(a) + a e^(-a²/2)/(√(2 π))) ⊙ {G}",
         lambda g: (CDF(X) + X * np.exp(-X**2 / 2) / math.sqrt(2 * math.pi)) * g),
        (F.maximum, (X, V), 1, f"Σ[axis 0] ([b > a] + 1/2 [a = b]) ⊙ {G}",
         lambda g: ((V > X) * g).sum(axis=0)),
        (F.divide, (X, 4.0), 0, f"1/b {G}", lambda g: g / 4),
        (F.divide, (X, V), 0, f"1/b ⊙ {G}", lambda g: g / V),
        (F.exp, (np.array(0.5),), 0, f"z {G}", lambda g: np.exp(0.5) * g),
    ],
)  # fmt: skip
def test_matrix_formulas_say_what_the_gradient_is(
    operation: Any, arguments: Any, position: int, said: str, means: Any
) -> None:
    given = list(arguments)
    given[position] = leaf = Tensor(arguments[position], requires_grad=True)
    node = operation(*given)
    names = ["a", "b", "c"][: len(given)]
    shown = back(node, position, "z", names, r"\frac{\mathrm{d}y}{\mathrm{d}z}")
    assert as_text(shown) == said
    if means is not None:
        upstream = np.random.default_rng(4).normal(size=node.shape)
        expected = tg.grad(node, leaf, gradient=upstream).data
        np.testing.assert_allclose(means(upstream), expected, rtol=1e-12)
