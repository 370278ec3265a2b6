"""`tg.explain`, against paths that are enumerated, differences of values, and hand calculation."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinygrad_init as tg
from tests.graph.pdf import compile_latex
from tinygrad_init import DataError, F, GraphError, Tensor, Value
from tinygrad_init.graph import Explanation
from tinygrad_init.graph.formula import as_text
from tinygrad_init.graph.slopes import SLOPES, back

# Golden text.


def micrograd() -> tuple[Value, Value]:
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    c, f = Value(10.0, label="c"), Value(-2.0, label="f")
    e = a * b
    e.label = "e"
    d = e + c
    d.label = "d"
    result = d * f
    result.label = "L"
    return result, a


def test_the_classic_expression() -> None:
    assert str(tg.explain(*micrograd())) == """\
How L depends on a
==================

One path leads from a to L. The derivative is the product of the local derivatives along
it.

   computed as  value
-  -----------  -----
a            a      2
e    e = a × b     -6
d    d = e + c      4
L    L = d × f     -8

- a → e → d → L: ∂L/∂d · ∂d/∂e · ∂e/∂a = f · 1 · b = (-2) · 1 · (-3) = 6

This is the derivative:

    dL/da = 6"""


def test_a_number_used_three_times() -> None:
    x = Value(3.0, label="x")
    assert str(tg.explain(x * x + x, wrt=x)) == """\
How y depends on x
==================

3 paths lead from x to y. Along a path the local derivatives multiply, and the products
of all paths add up.

     computed as  value
---  -----------  -----
x              x      3
n_1   n1 = x × x      9
y     y = n1 + x     12

1. x → n_1 → y (as argument 1): ∂y/∂n_1 · ∂n_1/∂x = 1 · x = 1 · 3 = 3
2. x → n_1 → y (as argument 2): ∂y/∂n_1 · ∂n_1/∂x = 1 · x = 1 · 3 = 3
3. x → y: ∂y/∂x = 1

The derivative is the sum over all paths:

    dy/dx = 3 + 3 + 1 = 7"""


def test_the_formulas_in_latex() -> None:
    latex = " ".join(tg.explain(*micrograd()).to_latex().split())
    assert (
        r"$\frac{\partial L}{\partial d} \,\cdot\, \frac{\partial d}{\partial e} \,\cdot\, "
        r"\frac{\partial e}{\partial a}$ $= f \,\cdot\, 1 \,\cdot\, b$ "
        r"$= (-2) \,\cdot\, 1 \,\cdot\, (-3)$ $= 6$"
    ) in latex
    assert r"\frac{\mathrm{dL}}{\mathrm{da}} = 6" in latex


# Paths, against enumeration. A program is a list of (sign, first, second), the places of earlier
# numbers, of which the first two are x and another leaf.

Program = list[tuple[str, int, int]]
NUMBERS = st.fractions(-3, 3, max_denominator=5)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    return [
        (
            draw(st.sampled_from("+-*")),
            draw(st.integers(max(0, k - 2), k + 1)),
            draw(st.integers(0, k + 1)),
        )
        for k in range(draw(st.integers(1, 7)))
    ]


def compute(program: Program, x: Any, other: Any) -> list[Any]:
    numbers = [x, other]
    for sign, i, j in program:
        a, b = numbers[i], numbers[j]
        numbers.append(a + b if sign == "+" else a - b if sign == "-" else a * b)
    return numbers


def one_by_one(program: Program, numbers: list[Fraction]) -> list[Fraction]:
    """The product of every path from the last number to the first."""

    def below(k: int) -> list[Fraction]:
        if k < 2:
            return [Fraction(1)] if k == 0 else []
        sign, i, j = program[k - 2]
        first = numbers[j] if sign == "*" else Fraction(1)
        second = numbers[i] if sign == "*" else Fraction(1 if sign == "+" else -1)
        return [p * first for p in below(i)] + [p * second for p in below(j)]

    return below(len(numbers) - 1)


@given(programs(), NUMBERS, NUMBERS, st.integers(1, 5))
def test_paths_are_those_that_one_finds_one_by_one(
    program: Program, at: Fraction, other: Fraction, shown: int
) -> None:
    x = Value(at, label="x")
    y = compute(program, x, Value(other))[-1]
    expected = one_by_one(program, compute(program, at, other))
    if not expected:
        with pytest.raises(GraphError, match="does not depend on leaf Value 'x'"):
            tg.explain(y, wrt=x)
        return
    explained = tg.explain(y, wrt=x, shown=shown)
    (found,) = explained.sums
    assert found.count == len(expected)
    assert [abs(term.product) for term in found.terms] == sorted(map(abs, expected))[::-1][:shown]
    assert found.total == sum(expected) == explained.gradient
    assert found.rest == sum(expected) - sum(term.product for term in found.terms)
    for term in found.terms:
        assert term.product in expected
        assert math.prod(term.factors) == term.product
        assert len(term.factors) == len(term.route) - 1


@given(programs(), NUMBERS, NUMBERS, st.integers(1, 200))
def test_what_is_printed_can_be_evaluated(
    program: Program, at: Fraction, other: Fraction, shown: int
) -> None:
    x = Value(at, label="x")
    y = compute(program, x, Value(other))[-1]
    assume(one_by_one(program, compute(program, at, other)))
    explained = tg.explain(y, wrt=x, shown=shown)
    printed = " ".join(explained.to_text().split())
    assume("≈" not in printed and "⁰" not in printed)  # numbers with more digits than are shown
    *_, derivative = printed.rpartition(": dy/dx = ")
    assert {evaluated(side) for side in derivative.split(" = ")} == {explained.gradient}
    paths = re.split(r" (?:\d+\.|-) x → ", printed.partition("derivative:")[0])[1:]
    paths = [path.partition(" The derivative is")[0].partition(" This is the")[0] for path in paths]
    terms = explained.sums[0].terms
    assert len(paths) == len(terms)
    for path, term in zip(paths, terms, strict=True):
        sides = path.split(" = ")
        assert evaluated(sides[-1]) == term.product
        if len(term.factors) > 1:
            assert evaluated(sides[-2]) == term.product


def evaluated(printed: str) -> Fraction:
    """What one gets who computes it."""
    plain = re.sub(r"… [\d,]+ (?:factors with product|more paths?, sum) ", "", printed)
    plain = plain.replace("·", "*")
    assert re.fullmatch(r"[-+*/() \d]+", plain), printed
    found = eval(re.sub(r"\d+", r"Fraction(\g<0>)", plain))
    assert isinstance(found, Fraction)
    return found


def test_a_million_paths_are_counted_and_not_walked() -> None:
    x = Value(Fraction(1, 2))
    y: Any = x
    for _ in range(20):
        y = y + y
    explained = tg.explain(y, wrt=x, shown=2)
    (found,) = explained.sums
    assert (found.count, found.rest, found.total) == (2**20, 2**20 - 2, 2**20)
    assert "1,048,576 paths lead from x to y" in explained.to_text()
    assert "1 + 1 + (… 1,048,574 more paths, sum 1048574) = 1048576" in explained.to_text()
    assert "(as argument 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1)" in " ".join(
        explained.to_text().split()
    )


def test_the_largest_of_very_many_paths() -> None:
    """Each step is y/2 + y/3: the largest product takes the half every time, the next all but
    once."""
    x = Value(Fraction(1))
    y: Any = x
    for _ in range(60):
        y = y * Fraction(1, 2) + y * Fraction(1, 3)
    (found,) = tg.explain(y, wrt=x, shown=61).sums
    assert found.count == 2**60
    assert found.terms[0].product == Fraction(1, 2**60)
    assert {term.product for term in found.terms[1:]} == {Fraction(1, 2**59 * 3)}
    assert len({term.route for term in found.terms}) == 61
    assert found.total == Fraction(5, 6) ** 60


def test_long_chains_neither_recurse_nor_print_everything() -> None:
    x = Value(0.5)
    y: Any = x
    for _ in range(10_000):
        y = y + y * 1e-3
    explained = tg.explain(y, wrt=x, shown=2)
    text = explained.to_text()
    assert "about 10³⁰¹⁰ paths lead from x to y" in text
    assert "(… 9,994 factors with product 1)" in " ".join(text.split())
    assert len(text) < 5_000
    assert explained.sums[0].total == pytest.approx(1.001**10_000)
    assert explained.sums[0].terms[1].product == pytest.approx(1e-3)


def test_a_sum_that_is_cut_short_says_so() -> None:
    x = Value(2.0, label="x")
    y = sum((x * k for k in (1.0, -3.0, 4.0, 2.0)), start=Value(0.0))
    assert "dy/dx = 4 + (-3) + (… 2 more paths, sum 3) = 4" in str(tg.explain(y, wrt=x, shown=2))
    assert "(… 1 more path, sum 1) = 4" in str(tg.explain(y, wrt=x, shown=3))


def test_the_rest_is_not_what_rounding_left_of_a_difference() -> None:
    x = Value(1.0, label="x")
    (found,) = tg.explain(x * 1e9 + x * 1e-9 + x * 2e-9, wrt=x, shown=1).sums
    assert found.rest == pytest.approx(3e-9, rel=1e-15)


def test_rounded_numbers_are_not_called_equal() -> None:
    x = Value(0.7, label="x")
    text = str(tg.explain(x.tanh(), wrt=x))
    assert "x → y: ∂y/∂x = 1 - y² ≈ 0.6347" in text
    assert "dy/dx ≈ 0.6347" in text
    assert "dy/dx = 0.5" in str(tg.explain(x * 0.5, wrt=x))
    third = str(tg.explain(x * (1 / 3) + x * (1 / 3), wrt=x))
    assert "dy/dx = 0.3333 + 0.3333 ≈ 0.6667" in third


def test_tensors_of_one_entry_are_numbers_too() -> None:
    x = Tensor([[3.0]], requires_grad=True, label="x", dtype=np.float32)
    explained = tg.explain((x @ x).sum() + x.reshape(()), wrt=x)
    assert sorted(term.product for term in explained.sums[0].terms) == [1, 3, 3]
    assert explained.gradient == np.array([[7.0]])


def test_the_result_itself() -> None:
    x = Value(3.0, label="x")
    explained = tg.explain(x, wrt=x)
    assert (explained.sums[0].total, explained.gradient) == (1, 1)
    assert "dx/dx = 1" in str(explained)


def test_nan_is_shown() -> None:
    x = Value(math.inf, label="x")
    assert "dy/dx ≈ nan" in str(tg.explain((x * 0.0).exp(), wrt=x)).replace("= nan", "≈ nan")
    assert "∞" in str(tg.explain(x * x, wrt=x)) or "inf" in str(tg.explain(x * x, wrt=x))


def test_names_that_cannot_stand_in_a_formula_give_way_to_ids() -> None:
    for label in ("two words", "n7", "x_y", "α", "$\\input{x}", "<b>", "\ud800", "x" * 1000):
        x = Value(2.0, label=label)
        explained = tg.explain(x * 3, wrt=x)
        assert "dy/dn_0 = 3" in explained.to_text()
        for shown in (explained.to_markdown(), explained.to_latex(), explained.to_html()):
            assert shown.encode()
        assert "<b>" not in explained.to_html().partition("<body>")[2]
        assert "\\input" not in explained.to_latex().partition("\\begin{document}")[2]
    twins = Value(2.0, label="w1"), Value(3.0, label="w_1")
    assert "dy/dn_0 = 3" in str(tg.explain(twins[0] * twins[1], wrt=twins[0]))


# Formulas of local derivatives: what each says, written in Python by hand.

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
}
ROWS = [(name, k) for name in SLOPES for k in range(len(SLOPES[name])) if name != "where"]
POSITIVE = ("power", "log", "log2", "log10", "sqrt", "arccosh")


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("name", "position"), ROWS)
def test_a_formula_says_what_the_values_do(name: str, position: int, sign: int) -> None:
    at = [1.6 if name == "arccosh" else 0.6, 1.7]
    at[0] *= 1 if name in POSITIVE else sign
    operands = at[: len(SLOPES[name])]
    h = 1e-6
    up, down = list(operands), list(operands)
    up[position] += h
    down[position] -= h
    row: Any = getattr(F, name)
    slope = (float(row(*up)) - float(row(*down))) / (2 * h)
    said = as_text(SLOPES[name][position] % {"x": "x", "y": "y", "z": "z"})
    means = SAID[said](at[0], at[1], float(row(*operands)))
    assert means == pytest.approx(slope, rel=1e-7, abs=1e-9)


# Matrix formulas: the text, and what it says in NumPy.

RNG = np.random.default_rng(3)
X, W, B = RNG.normal(size=(5, 4)), RNG.normal(size=(4, 3)), RNG.normal(size=3)
S, V, COLUMN = RNG.normal(size=(2, 5, 4)), RNG.normal(size=4), RNG.normal(size=(5, 1))
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
        (F.add, (X @ W, B), 1, f"Σ[axis 0] {G}", lambda g: g.sum(axis=0)),
        (F.add, (X @ W, B), 0, G, lambda g: g),
        (F.add, (S, COLUMN), 1, f"Σ[axes 0,2] {G}", lambda g: g.sum(axis=(0, 2))[:, None]),
        (F.subtract, (X @ W, B), 1, f"Σ[axis 0] (-{G})", lambda g: -g.sum(axis=0)),
        (F.multiply, (X, 3.0), 0, f"b {G}", lambda g: 3 * g),
        (F.multiply, (X, V), 1, f"Σ[axis 0] a ⊙ {G}", lambda g: (X * g).sum(axis=0)),
        (F.tanh, (X,), 0, f"(1 - z²) ⊙ {G}", lambda g: (1 - np.tanh(X) ** 2) * g),
        (F.relu, (X,), 0, f"[a > 0] ⊙ {G}", lambda g: (X > 0) * g),
        (F.power, (X, 3.0), 0, f"3 a² ⊙ {G}", lambda g: 3 * X**2 * g),
        (F.where, (X > 0, X, 0.0), 1, f"a ⊙ {G}", lambda g: (X > 0) * g),
        (F.where, (X > 0, 0.0, X), 2, f"(1 - a) ⊙ {G}", lambda g: (X <= 0) * g),
        (F.sum, (X,), 0, f"{G} in every entry", lambda g: np.full((5, 4), g)),
        (F.mean, (X,), 0, f"1/20 {G} in every entry", lambda g: np.full((5, 4), g / 20)),
        (lambda x: F.mean(x, axis=0), (X,), 0, f"1/5 {G} repeated along axis 0",
         lambda g: np.repeat(g[None] / 5, 5, axis=0)),
        (lambda x: F.sum(x, axis=(-1, 0)), (S,), 0, f"{G} repeated along axes 2, 0",
         lambda g: np.broadcast_to(g[None, :, None], S.shape)),
        (F.transpose, (X,), 0, f"({G})ᵀ", lambda g: g.T),
        (lambda x: F.reshape(x, (4, 5)), (X,), 0, f"{G} in the shape before",
         lambda g: g.reshape(5, 4)),
        (F.log_softmax, (X,), 0, f"(∂z/∂a)ᵀ {G}", None),
        (F.gelu, (X,), 0, f"gelu'(a) ⊙ {G}", None),
        (F.leaky_relu, (X,), 0, f"(∂z/∂a)ᵀ {G}", None),
        (F.maximum, (X, V), 1, f"(∂z/∂b)ᵀ {G}", None),
    ],
)  # fmt: skip
def test_matrix_formulas_say_what_the_gradient_is(
    operation: Any, arguments: Any, position: int, said: str, means: Any
) -> None:
    given = list(arguments)
    given[position] = leaf = Tensor(arguments[position], requires_grad=True)
    node = operation(*given)
    names = ["a", "b", "c"][: len(given)]
    shown = back(node, position, "z", names, r"\frac{\mathrm{dy}}{\mathrm{dz}}")
    assert as_text(shown) == said
    if means is not None:
        upstream = np.random.default_rng(4).normal(size=node.shape)
        expected = tg.grad(node, leaf, gradient=upstream).data
        np.testing.assert_allclose(means(upstream), expected, rtol=1e-12)


def test_an_operation_of_ones_own_is_only_named() -> None:
    """Although it is called tanh: nothing is known of what it does."""
    own = tg.operation("tanh", np.tanh, lambda g, y, x: g * (1 - y * y))
    x = Tensor([1.0, 2.0], requires_grad=True, label="x")
    assert "dy/dx = (∂n_1/∂x)ᵀ dy/dn_1" in str(tg.explain(own(x).sum(), wrt=x))
    u = Value(1.0, label="u")
    assert "- u → y: ∂y/∂u ≈ 0.42" in str(tg.explain(own(u), wrt=u))


# One entry, against differences of values.


def network(init: Any = "glorot_uniform", **settings: Any) -> tuple[Any, Any, Any]:
    data = np.random.default_rng(1)
    model = tg.nn.MLP([4, 6, 3], weight_init=init, rng=0, **settings)
    return model, data.normal(size=(8, 4)), data.integers(0, 3, 8)


def loss_of(model: Any, inputs: Any, labels: Any) -> Any:
    return tg.losses.cross_entropy(model(inputs), labels)


@pytest.mark.parametrize("k", range(4))
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_the_terms_of_an_entry_add_up_to_the_slope(k: int, activation: str) -> None:
    model, inputs, labels = network(activation=activation)
    parameter = model.parameters()[k]
    for index in [(0,) * parameter.ndim, (-1,) * parameter.ndim, None]:
        explained = tg.explain(loss_of(model, inputs, labels), wrt=parameter, index=index, shown=3)
        (found,), (place,) = explained.sums, explained.index
        h = 1e-6
        values = []
        for step in (h, -h):
            parameter.data[place] += step
            values.append(float(loss_of(model, inputs, labels)))
            parameter.data[place] -= step
        assert found.total == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-6, abs=1e-9)
        assert all(math.prod(term.factors) == term.product for term in found.terms)


def test_the_entry_with_the_largest_gradient_is_chosen() -> None:
    model, inputs, labels = network()
    explained = tg.explain(loss_of(model, inputs, labels), wrt=model.layers[0].weight)
    assert abs(explained.gradient[explained.index[0]]) == np.abs(explained.gradient).max()


def test_the_sum_over_the_batch_by_hand() -> None:
    """With z = x w and y = sum(z²), dy/dw[1, 0] is the sum of x[n, 1] times 2 z[n, 0]."""
    x = np.array([[1.0, 2.0], [3.0, 5.0], [0.0, 7.0]])
    w = Tensor([[1.0], [-1.0]], requires_grad=True, label="W")
    z: Any = x @ w
    z.label = "z"
    explained = tg.explain((z * z).sum(), wrt=w, index=(1, 0))
    told = sorted((term.route[1], term.factors) for term in explained.sums[0].terms)
    assert told == [("z[0, 0]", (2, -2)), ("z[1, 0]", (5, -4)), ("z[2, 0]", (7, -14))]
    text = explained.to_text()
    assert "dy/dW[1, 0] = Σ_k n_1[k, 1] · dy/dz[k, 0]" in text
    assert re.search(r"z\[2, 0\] +7 +-14 +-98\n", text)
    assert re.search(r"sum +-122$", text)


def test_contributions_of_several_uses_add_up() -> None:
    """Of the terms of y = sum((W W) ⊙ W) + 2 sum(W), those with W[1, 1] = d are
    b²d + c²d + bcd + d³ + 2d, so the slope is b² + c² + bc + 3d² + 2."""
    w = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, label="W")
    y = ((w @ w) * w + w.T.sum(axis=0)).sum()
    explained = tg.explain(y, wrt=w, index=(1, 1), shown=2)
    (found,) = explained.sums
    assert found.total == explained.gradient[1, 1] == 4 + 9 + 6 + 48 + 2
    assert (found.count, len(found.terms)) == (6, 2)
    text = " ".join(explained.to_text().split())
    assert "4 contributions add up: dy/dW = dy/dn_1 Wᵀ + Wᵀ dy/dn_1 + n_1 ⊙ dy/dn_2" in text
    assert "… 4 more 31 sum 69" in text


def test_an_entry_that_nothing_depends_on() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, label="x")
    explained = tg.explain(x[0] * 2, wrt=x, index=1)
    assert (explained.sums[0].count, explained.sums[0].total) == (0, 0)
    assert "All local derivatives are 0 here, and so is the gradient." in explained.to_text()


def test_a_rule_that_can_only_compute() -> None:
    """NumPy's accumulate refuses Tensors, so this rule cannot be differentiated."""
    own = tg.operation(
        "running", np.cumsum, lambda g, y, x: np.array(np.add.accumulate(g[::-1])[::-1])
    )
    x = Tensor([1.0, 2.0, 4.0], requires_grad=True, label="x")
    z = own(x)
    z.label = "z"
    explained = tg.explain((z * [1.0, 10.0, 100.0]).sum(), wrt=x, index=1)
    assert [term.factors for term in explained.sums[0].terms] == [(1, 100), (1, 10)]
    assert explained.gradient.tolist() == [111, 110, 100]


def test_long_chains_of_arrays_are_cut_short() -> None:
    x = Tensor([0.1, 0.2], requires_grad=True, label="x")
    y: Any = x
    for _ in range(5_000):
        y = y * 1.0
    text = tg.explain(y.sum(), wrt=x).to_text()
    assert "… 4,977 more steps …" in text
    assert len(text) < 5_000


def test_a_parameter_of_one_entry_that_works_on_arrays() -> None:
    scale = Tensor(2.0, requires_grad=True, label="s")
    explained = tg.explain((scale * [1.0, 2.0, 4.0]).sum(), wrt=scale)
    assert explained.sums[0].total == 7
    assert "dy/ds = Σ_k ∂n_2[k]/∂s · dy/dn_2[k]" in explained.to_text()


# Two neurons.


def test_constant_weights_have_identical_gradients_term_by_term() -> None:
    model, inputs, labels = network("constant")
    targets = np.eye(3)[labels]
    with tg.reproducible():
        loss = tg.losses.mse(model(inputs), targets)
    explained = tg.explain(loss, wrt=model.layers[0].weight, compare=(1, 4), shown=8)
    first, second = explained.sums
    assert [term.factors for term in first.terms] == [term.factors for term in second.terms]
    text = " ".join(explained.to_text().split())
    assert text.count(" equal") >= 8 + 2
    assert "different" not in text
    assert "All 4 entries of these two neurons have exactly equal gradients" in text


def test_random_weights_have_not() -> None:
    model, inputs, labels = network()
    explained = tg.explain(
        loss_of(model, inputs, labels), wrt=model.layers[0].weight, compare=(1, 4), shown=3
    )
    text = " ".join(explained.to_text().split())
    assert "0 of 5 equal" in text
    assert "Of the 4 entries of these two neurons, 0 have equal gradients" in text
    row = explained.index[0][0]
    assert explained.index == [(row, 1), (row, 4)]
    for place, found in zip(explained.index, explained.sums, strict=True):
        assert found.total == pytest.approx(explained.gradient[place], rel=1e-12)


def test_terms_are_set_side_by_side_by_what_they_go_through() -> None:
    """W is the left factor, so both columns go through the same entries of z = W A."""
    a = np.array([[1.0, 2.0, 5.0], [1.0, 3.0, 5.0]])
    w = Tensor([[1.0, 1.0], [2.0, 1.0]], requires_grad=True, label="W")
    z = w @ a
    z.label = "z"
    text = tg.explain((z * [1.0, 10.0, 100.0]).sum(), wrt=w, compare=(0, 1), index=0).to_text()
    assert re.search(r"z\[0, 0\] +1 · 1 = 1 +1 · 1 = 1 +equal\n", text)
    assert re.search(r"z\[0, 1\] +2 · 10 = 20 +3 · 10 = 30 +different\n", text)
    assert re.search(r"z\[0, 2\] +5 · 100 = 500 +5 · 100 = 500 +equal\n", text)
    assert re.search(r"gradient +521 +531 +different\n", text)


def test_biases_and_ensembles_can_be_compared() -> None:
    model, inputs, labels = network("constant", members=2)
    loss = loss_of(model, inputs, labels).sum()
    layer = model.layers[0]
    assert tg.explain(loss, wrt=layer.bias, compare=(0, 5), index=1).index == [(1, 0), (1, 5)]
    assert len(tg.explain(loss, wrt=layer.weight, compare=(0, -1)).index[0]) == 3


# Nobody else is disturbed.


def test_gradients_of_others_stay_as_they_are() -> None:
    model, inputs, labels = network()
    loss = loss_of(model, inputs, labels)
    before = tg.explain(loss, wrt=model.layers[0].weight).to_text()
    assert all(parameter.grad is None for parameter in model.parameters())
    loss.backward()
    kept = [parameter.grad.copy() for parameter in model.parameters()]
    with tg.no_grad():
        assert tg.explain(loss, wrt=model.layers[0].weight).to_text() == before
    for parameter, grad in zip(model.parameters(), kept, strict=True):
        np.testing.assert_array_equal(parameter.grad, grad)
    result, a = micrograd()
    tg.explain(result, wrt=a)
    assert a.grad == 0
    assert result.label == "L"


def test_in_reproducible_arithmetic_and_while_looking_for_anomalies() -> None:
    model, inputs, labels = network()
    with tg.reproducible(), tg.detect_anomaly():
        loss = loss_of(model, inputs, labels)
        loss.backward()
    explained = tg.explain(loss, wrt=model.layers[0].weight)
    np.testing.assert_array_equal(explained.gradient, model.layers[0].weight.grad)


# Files.


@pytest.mark.parametrize("suffix", [".txt", ".md", ".tex", ".html"])
def test_it_is_written_by_suffix(suffix: str, tmp_path: Path) -> None:
    explained = tg.explain(*micrograd())
    path = explained.render(tmp_path / f"a{suffix.upper()}")
    formats = {
        ".txt": explained.to_text, ".md": explained.to_markdown, ".tex": explained.to_latex,
        ".html": explained.to_html,
    }  # fmt: skip
    assert path.read_text(encoding="utf-8") == formats[suffix]()
    assert explained._repr_markdown_() == explained.to_markdown()
    assert repr(explained) == "Explanation('How L depends on a', terms: 1)"


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"an explanation to 'a\.png'.*\.txt, \.md, \.tex, \.html"):
        tg.explain(*micrograd()).render(tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def examples() -> list[Explanation]:
    x = Value(Fraction(1, 3), label="x")
    y: Any = x
    for _ in range(10):
        y = y * y + y.tanh()
    model, inputs, labels = network()
    loss = loss_of(model, inputs, labels)
    loss.label = "loss"
    w = model.layers[0].weight
    return [
        tg.explain(*micrograd()),
        tg.explain((x * x * x + 2) ** 2 / x, wrt=x),
        tg.explain(y, wrt=x),
        tg.explain(loss, wrt=w),
        tg.explain(loss, wrt=w, compare=(1, 4)),
    ]


@pytest.mark.latex
def test_the_latex_compiles(tmp_path: Path) -> None:
    for explained in examples():
        done = compile_latex(explained.to_latex(), tmp_path)
        assert all(points < 1 for points in done.overfull), explained.article.title


@pytest.mark.browser
def test_the_page_opens_without_a_complaint(browser_page: Any, tmp_path: Path) -> None:
    for explained in examples():
        browser_page.goto(explained.render(tmp_path / "page.html").as_uri())
        assert browser_page.locator("h1").inner_text() == explained.article.title
        assert browser_page.locator("math").count() > 3


# Mistakes.

MATRIX = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, label="W")
U = Value(2.0, label="u")
EXPLAIN: Any = tg.explain  # of which the type checker would find some mistakes, too


@pytest.mark.parametrize(
    ("attempt", "error", "words"),
    [
        (lambda: EXPLAIN(U * 2, wrt=Value(2.0, label="u")), GraphError,
         r"result \(multiply\) does not depend on leaf Value 'u'.*pass the very object"),
        (lambda: EXPLAIN(MATRIX, wrt=MATRIX), GraphError, r"shape \(2, 2\): reduce it"),
        (lambda: EXPLAIN(3.0, wrt=MATRIX), GraphError, "a Value or a Tensor, got float"),
        (lambda: EXPLAIN(MATRIX.sum(), wrt=[MATRIX]), GraphError, "got list: pass it itself"),
        (lambda: EXPLAIN(Tensor(2.0), wrt=MATRIX), GraphError, "has no history: compute it"),
        (lambda: EXPLAIN(MATRIX.sum(), wrt=Tensor([1.0])), GraphError, "requires_grad=True"),
        (lambda: EXPLAIN(U * U, wrt=U, index=0), DataError, "index= is for an array"),
        (lambda: EXPLAIN(U * U, wrt=U, compare=(0, 1)), DataError, "compare= is for an array"),
        (lambda: EXPLAIN(MATRIX.sum(), wrt=MATRIX, index=(2, 0)), DataError,
         r"index=\(2, 0\) names no entry: it takes 2 integers \(0 to 1, 0 to 1\)"),
        (lambda: EXPLAIN(MATRIX.sum(), wrt=MATRIX, index=0), DataError, "takes 2 integers"),
        (lambda: EXPLAIN(MATRIX.sum(), wrt=MATRIX, index="ab"), DataError, "takes 2 integers"),
        (lambda: EXPLAIN(MATRIX.sum(), wrt=MATRIX, compare=(0, 2)), DataError, "0 to 1"),
        (lambda: EXPLAIN(MATRIX.sum(), wrt=MATRIX, compare=(0, 1, 1)), DataError, "two neurons"),
        (lambda: EXPLAIN(MATRIX.sum(), wrt=MATRIX, compare=3), DataError, "two neurons"),
        (lambda: EXPLAIN(MATRIX.sum(), wrt=MATRIX, compare=(1, -1)), DataError, "two different"),
        (lambda: EXPLAIN(MATRIX.sum(), wrt=MATRIX, compare=(0, 1), index=(0, 1)), DataError,
         "with compare=, index"),
        (lambda: EXPLAIN(MATRIX.sum(), wrt=MATRIX, shown=0), DataError, "1 or more, got 0"),
        (lambda: EXPLAIN(MATRIX.sum(), wrt=MATRIX, shown=2.5), DataError, "1 or more"),
        (lambda: EXPLAIN(MATRIX[:0].sum(), wrt=MATRIX[:0]), GraphError, "depend"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_advice(
    attempt: Callable[[], Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        attempt()


def test_an_array_without_entries_has_none_to_work_out() -> None:
    empty = Tensor(np.zeros((0, 3)), requires_grad=True)
    with pytest.raises(DataError, match=r"shape \(0, 3\) has no entry"):
        EXPLAIN(empty.sum(), wrt=empty)
