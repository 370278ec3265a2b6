"""`tg.explain`, against paths that are enumerated, differences of values, and hand calculation."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinygrad_init as tg
from tests.graph.pdf import compile_latex
from tinygrad_init import DataError, F, GraphError, Tensor, Value
from tinygrad_init.graph import Explanation
from tinygrad_init.graph.article import Formula, Items, Table
from tinygrad_init.graph.back import BACK, back
from tinygrad_init.graph.formula import as_text
from tinygrad_init.graph.parts import equations
from tinygrad_init.graph.slopes import SLOPES, slope

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

           value
---------  -----
a              2
e = a × b     -6
d = e + c      4
L = d × f     -8

Here b = -3, c = 10, f = -2.

- a → e → d → L: ∂L/∂d · ∂d/∂e · ∂e/∂a = f · 1 · b = (-2) · 1 · (-3) = 6

This is the derivative:

    dL/da = 6"""


def test_a_number_used_three_times() -> None:
    x = Value(3.0, label="x")
    assert str(tg.explain(x * x + x, wrt=x)) == """\
How y depends on x
==================

There are 3 paths from x to y. Along a path the local derivatives multiply, and the
products of all paths add up.

            value
----------  -----
x               3
n1 = x × x      9
y = n1 + x     12

1. x → n₁ → y (as argument 1): ∂y/∂n₁ · ∂n₁/∂x = 1 · x = 1 · 3 = 3
2. x → n₁ → y (as argument 2): ∂y/∂n₁ · ∂n₁/∂x = 1 · x = 1 · 3 = 3
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
    assert r"\frac{\mathrm{d}L}{\mathrm{d}a} = 6" in latex


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


def one_by_one(program: Program, numbers: list[Fraction]) -> list[tuple[Any, ...]]:
    """Every path from the last number to the first: its places, each with the factor there."""

    def below(k: int) -> list[tuple[Any, ...]]:
        if k < 2:
            return [()] if k == 0 else []
        sign, i, j = program[k - 2]
        first = numbers[j] if sign == "*" else Fraction(1)
        second = numbers[i] if sign == "*" else Fraction(1 if sign == "+" else -1)
        return [
            *(((k, i, first), *rest) for rest in below(i)),
            *(((k, j, second), *rest) for rest in below(j)),
        ]

    return below(len(numbers) - 1)


def product(path: tuple[Any, ...]) -> Fraction:
    return math.prod((factor for _, _, factor in path), start=Fraction(1))


@settings(deadline=None)
@given(programs(), NUMBERS, NUMBERS, st.integers(1, 5))
def test_paths_are_those_that_one_finds_one_by_one(
    program: Program, at: Fraction, other: Fraction, shown: int
) -> None:
    x = Value(at, label="x")
    y = compute(program, x, Value(other))[-1]
    paths = one_by_one(program, compute(program, at, other))
    if not paths:
        with pytest.raises(GraphError, match="does not depend on leaf Value 'x'"):
            tg.explain(y, wrt=x)
        return
    explained = tg.explain(y, wrt=x, shown=shown)
    (found,) = explained.sums
    assert found.count == len(paths)
    assert found.total == sum(map(product, paths)) == explained.gradient
    # If not all are told, those through the same places with the same factors are one.
    alike = Counter(paths) if len(paths) > shown else dict.fromkeys(range(len(paths)), 1)
    terms = Counter(
        (product(paths[one] if isinstance(one, int) else one), times)
        for one, times in alike.items()
    )
    sizes = sorted((abs(one) * times for one, times in terms.elements()), reverse=True)
    assert [abs(term.product) * term.times for term in found.terms] == sizes[:shown]
    assert Counter((term.product, term.times) for term in found.terms) <= terms
    told = sum(term.product * term.times for term in found.terms)
    assert found.rest == found.total - told
    assert found.more == len(paths) - sum(term.times for term in found.terms)
    for term in found.terms:
        assert math.prod(term.factors) == term.product
        assert len(term.factors) == len(term.route) - 1


@settings(deadline=None)
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
        told, _, many = path.partition("; ")
        assert many == (f"{term.times} such paths" if term.times > 1 else "")
        sides = told.split(" = ")
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
    assert (found.count, found.rest, found.total) == (2**20, 0, 2**20)
    (term,) = found.terms  # they differ only in which of two equal arguments they take
    assert (term.times, term.product, set(term.factors)) == (2**20, 1, {1})
    assert len(term.route) == 21
    text = " ".join(explained.to_text().split())
    assert "There are 1,048,576 paths from x to y" in text
    assert "= 1; 1,048,576 such paths" in text
    assert "dy/dx = 1,048,576 · 1 = 1048576" in text


def test_paths_that_take_different_arguments_say_so_if_each_is_told() -> None:
    x = Value(3.0, label="x")
    doubled: Any = x
    for _ in range(3):
        doubled = doubled + doubled
    text = " ".join(str(tg.explain(doubled, wrt=x, shown=8)).split())
    assert "1. x → n₁ → n₂ → y (as argument 1 (3 times)): " in text
    assert "(as argument 1 (2 times), 2): " in text
    assert "(as argument 2, 1, 2): " in text
    assert "dy/dx = 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 = 8" in text
    one = x / x
    quotient = str(tg.explain(one + one, wrt=x, shown=2))
    assert "There are 4 paths" in quotient  # of two kinds, since dividend and divisor differ
    assert "dy/dx = 2 · 0.3333 + 2 · (-0.3333) = 0" in quotient


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
    assert "There are about 10³⁰¹⁰ paths from x to y" in text
    assert "(… 9,998 factors with product 1)" in " ".join(text.split())
    # With the second largest product there is one for each place where the step of 1e-3 may be.
    assert explained.sums[0].terms[1].times == 1
    assert len(text) < 5_000
    assert explained.sums[0].total == pytest.approx(1.001**10_000)
    assert explained.sums[0].terms[1].product == pytest.approx(1e-3)


@settings(deadline=None)
@given(st.floats(-3, 3), st.floats(0.1, 3))
def test_with_all_digits_what_is_printed_is_the_gradient_but_for_rounding(
    at: float, other: float
) -> None:
    x = Value(at, label="x")
    y = ((x * other).tanh() + x * x / 7.0) * (x.exp() + 0.1) - x
    for digits, accuracy in ((None, 1e-14), (12, 1e-10), (4, 5e-3)):
        explained = tg.explain(y, wrt=x, digits=digits)
        printed = " ".join(explained.to_text().split())
        *_, sides = printed.rpartition(": dy/dx ")
        terms, total = re.split(" [=≈] ", sides.lstrip("=≈ ").strip())
        size = sum(abs(term.product) for term in explained.sums[0].terms)
        for side in (terms, total):
            assert float_of(side) == pytest.approx(explained.gradient, abs=accuracy * (1 + size))
        (paths,) = (block for block in explained.article.blocks if isinstance(block, Items))
        for point, term in zip(paths.points, explained.sums[0].terms, strict=True):
            if len(term.factors) == 1:
                continue
            *_, numbers, product = (as_text(one) for one in re.findall(r"\$([^$]*)\$", point))
            told, found = (float_of(one.lstrip("=≈ ")) for one in (numbers, product))
            assert told == pytest.approx(found, rel=20 * accuracy, abs=1e-300)


def float_of(printed: str) -> float:
    """What one gets who computes it; powers of ten are written as 10⁻⁵."""
    plain = re.sub(r"·10([⁻⁰¹²³⁴-⁹]+)", lambda found: "e" + found[1].translate(RAISED), printed)
    plain = plain.replace("·", "*")
    assert re.fullmatch(r"[-+*/() \d.e]+", plain), printed
    return float(eval(plain))


RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def test_the_table_of_an_entry_has_the_digits_that_are_asked_for() -> None:
    model, inputs, labels = network()
    loss = loss_of(model, inputs, labels)
    explained = tg.explain(loss, wrt=model.layers[0].weight, digits=None, shown=8)
    *_, table = (block for block in explained.article.blocks if isinstance(block, Table))
    *terms, total = [[float(cell) for cell in row[1:] if cell] for row in table.rows]
    assert len(terms) == 8
    for local, upstream, product in terms:
        assert local * upstream == product
    gradient = explained.gradient[explained.index[0]]
    assert math.fsum(term[2] for term in terms) == total[0] == pytest.approx(gradient, rel=1e-13)


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


def test_labels_stand_in_formulas_where_they_can() -> None:
    for label, shown in {
        "W1": "dy/dW₁", "η": "dy/dη", "w_out": "dy/dw_out", "learning rate": "dy/d(learning rate)",
        "layers.0.bias": "dy/d(layers.0.bias)", "loss": "dy/dloss", "d": "dy/dd",
    }.items():  # fmt: skip
        x = Value(2.0, label=label)
        explained = tg.explain(x * 3, wrt=x)
        assert f"    {shown} = 3" in explained.to_text()
        assert f"How y depends on {label}" in explained.to_text()


def test_names_that_cannot_stand_in_a_formula_give_way_to_ids() -> None:
    for label in ("n7", "$\\input{x}", "<b>", "\ud800", "x" * 1000, "größe", "a-b", "-", "1"):
        x = Value(2.0, label=label)
        explained = tg.explain(x * 3, wrt=x)
        assert "dy/dn₀ = 3" in explained.to_text()
        for shown in (explained.to_markdown(), explained.to_latex(), explained.to_html()):
            assert shown.encode()
        assert "<b>" not in explained.to_html().partition("<body>")[2]
        assert "\\input" not in explained.to_latex().partition("\\begin{document}")[2]
    for labels in (("w1", "w_1"), ("a b c", "a_b_c"), ("w", "w")):
        twins = [Value(2.0, label=labels[0]), Value(3.0, label=labels[1])]
        assert "dy/dn₀ = 3" in str(tg.explain(twins[0] * twins[1], wrt=twins[0]))


def test_names_may_be_given_as_to_trace() -> None:
    a, b = Value(2.0), Value(3.0)
    given = {"speed": a, "time": [b]}
    assert "d(time.0) = 2" in str(tg.explain(a * b, wrt=b, names=given))
    model, inputs, labels = network()
    text = str(tg.explain(loss_of(model, inputs, labels), wrt=model.layers[0].weight, names=model))
    assert text.startswith("How y depends on layers.0.weight\n")
    assert "In layers.1: Linear(6, 3):" in text
    with pytest.raises(DataError, match="names="):
        tg.explain(a * b, wrt=b, names=3)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["", "", "x", "a b", "y"]), min_size=6, max_size=6))
def test_nodes_are_called_as_in_the_graph(labels: list[str]) -> None:
    """Ids are those of `tg.trace`, whatever else goes into the operations."""
    labels[0] = labels[0] or "w"  # so that it is not called x in equations
    x, z = Value(2.0, label=labels[0]), Value(3.0, label=labels[1])
    first = x * 2.0
    second = first * z + 1
    third = first - second * 2.0
    result = third * third
    for node, label in zip((first, second, third, result), labels[2:], strict=True):
        node.label = label
    graph = tg.trace(result)
    by_equation = {equation: node for node, equation in equations(graph.nodes, graph.edges).items()}
    explained = tg.explain(result, wrt=x)
    (table,) = (block for block in explained.article.blocks if isinstance(block, Table))
    for row in table.rows:
        name, equals, equation = row[0].strip("`").partition(" = ")
        if equals and (name != "y" or labels[-1]):
            node = next(one for one in graph.nodes if one.id == by_equation[equation])
            is_own = node.label and labels.count(node.label) == 1
            assert name == (node.label if is_own else node.id)


def test_arrays_are_called_as_in_the_graph() -> None:
    model, inputs, labels = network(members=2)
    loss = tg.losses.mse(model(inputs), np.eye(3)[labels]).sum()
    graph = tg.trace(loss)
    known = equations(graph.nodes, graph.edges)
    expected = {f"{key} = {equation}" for key, equation in known.items()}
    lines = re.findall("`([^`]+ = [^`]+)`", tg.explain(loss, model.layers[0].weight).to_markdown())
    assert len(lines) > 10
    assert {line for line in lines if not line.startswith("y = ")} <= expected
    assert lines[0] == f"y = {known[graph.output.id]}"


def test_a_label_that_looks_like_an_id_is_not_taken_for_one() -> None:
    a, b = Value(2.0, label="n2"), Value(3.0)
    text = str(tg.explain((a * b) * a, wrt=a))
    assert text.startswith("How y depends on n0\n")
    assert "\nn2 = n0 × n1 " in text


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


def test_an_operation_of_ones_own_is_only_named() -> None:
    """Although it is called tanh: nothing is known of what it does."""
    own = tg.operation("tanh", np.tanh, lambda g, y, x: g * (1 - y * y))
    x = Tensor([1.0, 2.0], requires_grad=True, label="x")
    assert "dy/dx = (∂n₁/∂x)ᵀ dy/dn₁" in str(tg.explain(own(x).sum(), wrt=x))
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
    assert "dy/dW[1, 0] = Σ_k n₁[k, 1] · dy/dz[k, 0]" in text
    assert re.search(r"z\[2, 0\] +7 +-14 +-98\n", text)
    assert re.search(r"sum +-122$", text)


def entry_of(printed: str, arrays: dict[str, Any], **letters: int) -> float:
    """What the printed local derivative says, with the numbers of the arrays."""
    told = re.sub(
        r"([a-z])\[([^]]*)\]", lambda found: f"arrays['{found[1]}'][{found[2]}]", printed
    )
    python = re.sub(r"(?<=\d)/(?=\d)", " / ", told).replace("²", "**2").replace(" · ", " * ")
    return float(eval(python, {"arrays": arrays, **letters}))


TALL = np.random.default_rng(5).normal(size=(3, 2, 4))
WIDE, VECTOR = np.random.default_rng(6).normal(size=(4, 5)), np.array([2.0, -3.0, 0.5, 7.0])


@pytest.mark.parametrize(
    ("make", "a", "b", "place", "said"),
    [
        (lambda a, b: a @ b, TALL, WIDE, (2, 1, 3), "b[3, k]"),
        (lambda b, a: a @ b, WIDE, TALL, (3, 4), "b[k, m, 3]"),
        (lambda a, b: a @ b, TALL, np.stack([WIDE] * 3), (2, 1, 3), "b[2, 3, k]"),
        (lambda a, b: a @ b, TALL[0], np.stack([WIDE] * 3), (1, 3), "b[k, 3, m]"),
        (lambda a, b: a @ b, TALL, np.stack([WIDE]), (2, 1, 3), "b[0, 3, k]"),
        (lambda a, b: a @ b, TALL, VECTOR, (2, 1, 3), "b[3]"),
        (lambda a, b: a @ b, VECTOR, WIDE, (3,), "b[3, k]"),
        (lambda b, a: a @ b, VECTOR, TALL, (3,), "b[k, m, 3]"),
        (lambda b, a: a @ b, WIDE, VECTOR, (3, 4), "b[3]"),
        (lambda a, b: a @ b, VECTOR, VECTOR + 1, (3,), "b[3]"),
        (lambda a, b: a * b, TALL, VECTOR, (2, 1, 3), "b[3]"),
        (lambda a, b: a * b, VECTOR, TALL, (3,), "b[k, m, 3]"),
        (lambda a, b: a * b, TALL, TALL[:, :1], (2, 1, 3), "b[2, 0, 3]"),
        (lambda a, b: a / b, VECTOR, TALL[0], (3,), "1/b[k, 3]"),
        (lambda a, b: b / a, VECTOR, TALL[0], (3,), "-b[k, 3]/a[3]²"),
        (lambda a, b: a.mean(axis=(0, 2)) * b[0, :2, 0], TALL, TALL, (2, 1, 3), "1/12"),
    ],
)  # fmt: skip
def test_the_formula_of_an_entry_names_the_numbers_of_its_table(
    make: Any, a: Any, b: Any, place: tuple[int, ...], said: str
) -> None:
    leaf, other = Tensor(a, requires_grad=True, label="a"), Tensor(b, label="b")
    result = make(leaf, other)
    explained = tg.explain((result * 1.5).sum(), wrt=leaf, index=place, shown=99)
    formula = next(block for block in explained.article.blocks if isinstance(block, Formula))
    printed = as_text(formula.latex).split(" = ")[1]
    local = re.fullmatch(r"(?:Σ\S+ )?(.*) · dy/d[^[]+(\[.*\])?", printed)
    assert local
    bare = local[1].removeprefix("(").removesuffix(")") if local[1].startswith("(") else local[1]
    assert bare.replace("(", "").replace(")", "") == said
    for term in explained.sums[0].terms:
        where = [int(k) for k in re.findall(r"\d+", term.route[1].partition("[")[2])]
        letters = (local[2] or "[]")[1:-1].split(", ") if where else []
        values = {name: k for name, k in zip(letters, where, strict=True) if name.isalpha()}
        assert entry_of(said, {"a": a, "b": b}, **values) == pytest.approx(term.factors[0])


def test_gradients_that_are_not_finite_are_not_added_up_to_a_number() -> None:
    x = np.array([[0.0, 1.0], [1.0, 2.0]])
    w = Tensor([[1e308, 1.0], [1e308, 2.0]], requires_grad=True, label="W")
    with np.errstate(all="ignore"):
        loss = np.exp(x @ w).sum()
        explained = tg.explain(loss, wrt=w, index=(0, 0))
    assert math.isnan(explained.gradient[0, 0])
    assert "The gradient itself is nan" in explained.to_text()
    with np.errstate(all="ignore"):
        assert "gradient itself" not in str(tg.explain(loss, wrt=w, index=(0, 1)))


def test_where_the_terms_of_a_product_cancel_it_is_said() -> None:
    ones = np.ones((3, 4))
    for delta, is_said in ((0.0, True), (1e-3, False)):
        x = Tensor(ones, requires_grad=True, label="x")
        z = x @ np.array([[0.1, 0.2, 0.3]] * 4)
        loss = (z * np.array([[3.0, 3.0, -3.0 + delta]])).sum()
        text = " ".join(str(tg.explain(loss, wrt=x)).split())
        # 0.1 * 3 + 0.2 * 3 - 0.3 * 3 is 5.6e-17 or so, in whatever order
        assert ("The terms, up to 1.8 if their signs are left out, cancel" in text) == is_said


def test_arrays_that_no_line_is_about_are_told() -> None:
    model, inputs, labels = network()
    text = " ".join(str(tg.explain(loss_of(model, inputs, labels), model.layers[0].weight)).split())
    others = text.partition("Other arrays in these formulas: ")[2].partition(" At the")[0]
    assert "W₂ (6×3, " in others
    assert "(8×3, 8 of 24 true)" in others
    assert "(8×4, " in others


def test_the_parts_of_a_program_are_named() -> None:
    x = Tensor([[1.0, 2.0]], requires_grad=True, label="x")
    with tg.scope("doubling"):
        z = x * 2
    text = str(tg.explain((z + 1).sum(), wrt=x))
    assert "At the end:\n\n- y = sum(n4)" in text
    assert "In doubling:\n\n- n2 = x × 2" in text
    assert "In " not in str(tg.explain((x * 2).sum(), wrt=x)).replace("In these", "")


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
    assert "4 contributions add up: dy/dW = dy/dn₁ Wᵀ + Wᵀ dy/dn₁ + n₁ ⊙ dy/dn₂" in text
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
    assert "dy/ds = Σ_k n₁[k] · dy/dn₂[k]" in explained.to_text()


# Cross-entropy: p - t.


def softmax(z: Any) -> Any:
    return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("members", [None, 2])
def test_the_gradient_of_a_cross_entropy_is_that_of_the_textbook(members: int | None) -> None:
    model, inputs, labels = network(members=members)
    loss = loss_of(model, inputs, labels).sum()
    explained = tg.explain(loss, wrt=model.layers[1].weight)
    text = " ".join(explained.to_text().split())
    assert "= 1/8 (p - t), p = softmax(n" in text
    table = next(block for block in explained.article.blocks
                 if isinstance(block, Table) and block.heads[0] == "class")  # fmt: skip
    # The example is that of the largest term of the entry.
    place = tuple(map(int, re.findall(r"\d+", explained.sums[0].terms[0].route[1].split("[")[1])))
    *member, example = place[:-1]
    named = ", ".join(map(str, place[:-1]))
    assert f"For example {named}, whose label is {labels[example]}:" in text
    logits = model(inputs).data[(*member, example)]
    p, t = softmax(logits), np.eye(3)[labels[example]]
    expected = np.stack([p, t, p - t, (p - t) / 8], axis=1)
    told = [[float(cell) for cell in row[1:]] for row in table.rows]
    np.testing.assert_allclose(told[:3], expected, rtol=1e-3)
    assert told[3] == [1, 1, 0, 0]
    assert [row[0] for row in table.rows] == ["0", "1", "2", "sum"]
    assert "A step against the gradient raises the logit of the label" in text


def test_many_classes_are_cut_short() -> None:
    z = Tensor(np.linspace(-1, 1, 50)[None], requires_grad=True, label="z")
    explained = tg.explain(tg.losses.cross_entropy(z, [7]) * -2, wrt=z)
    table = next(block for block in explained.article.blocks if isinstance(block, Table))
    assert len(table.rows) == 11 + 2
    assert table.rows[0][0] == "7"
    assert table.rows[-2][0] == "… 39 more, sum"
    p, t = softmax(z.data[0]), np.eye(50)[7]
    shown = [int(row[0]) for row in table.rows[:-2]]
    assert set(shown) == {7, *range(40, 50)}
    rest = np.delete(np.stack([p, t, p - t, -2 * (p - t)]), shown, axis=1).sum(axis=1)
    assert [float(cell) for cell in table.rows[-2][1:]] == pytest.approx(rest, rel=1e-3)
    text = str(explained)
    assert "= (-2) (p - t)" in text
    assert "raises the logit" not in text  # a step against this gradient lowers it


def test_weighted_examples_have_each_their_own_c() -> None:
    z = Tensor([[0.0, 1.0], [2.0, -1.0]], requires_grad=True, label="z")
    weights, is_label = np.array([1.0, 3.0]), np.eye(2, dtype=bool)
    loss = -(np.where(is_label, z.log_softmax(), 0).sum(axis=1) * weights).sum()
    assert "dy/dz = c (p - t)" in str(tg.explain(loss, wrt=z))


def test_other_gradients_of_a_softmax_are_no_p_minus_t() -> None:
    z = Tensor([[0.0, 1.0], [2.0, -1.0]], requires_grad=True, label="z")
    for loss in (
        z.log_softmax().sum(),  # a gradient at every place
        np.where([[True, False], [False, False]], z.log_softmax(), 0).sum(),  # a row without one
        z.log_softmax()[0, 0] + z.sum(),  # what arrives at z comes from elsewhere, too
        z.softmax()[0, 0] * 1.0,
    ):
        assert "p - t" not in str(tg.explain(loss, wrt=z))


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
    assert " apart" not in text
    assert "equal, bit for bit, in all 4 entries. So are their values" in text
    ladder, terms = (block for block in explained.article.blocks if isinstance(block, Table))
    assert {*ladder.tones, *terms.tones} == {"equal"}
    # From the weights through what the neuron computes to the gradient of the weights.
    assert [row[0] for row in ladder.rows] == [
        "weights in, `W1[:, ·]`", "`n5 = n4 @ W1`", "`b1[·]`", "`n6 = n5 + b1`",
        "`n7 = tanh(n6)`", "weights out, `W2[·, :]`",
        *(rf"$\mathrm{{d}}y / \mathrm{{d}}{one}$" for one in ("n_{7}", "n_{6}", "n_{5}", "W_{1}")),
    ]  # fmt: skip
    assert [row[-1] for row in ladder.rows] == [
        "4 of 4", "8 of 8", "1 of 1", "8 of 8", "8 of 8", "3 of 3", "8 of 8", "8 of 8", "8 of 8",
        "4 of 4",
    ]  # fmt: skip


def by_hand(model: Any, inputs: Any, targets: Any) -> dict[str, Any]:
    """Everything in a network of two layers under tanh and squared error, in NumPy."""
    w1, b1, w2, b2 = (parameter.data for parameter in model.parameters())
    sums = inputs @ w1 + b1
    hidden = np.tanh(sums)
    back = 2 * (hidden @ w2 + b2 - targets) / targets.size
    to_hidden = back @ w2.T
    to_sums = to_hidden * (1 - hidden**2)
    return {
        "W1": w1.T, "z": (inputs @ w1).T, "b1": b1[:, None], "a": sums.T, "h": hidden.T, "W2": w2,
        "dh": to_hidden.T, "da": to_sums.T, "dz": to_sums.T, "dW1": (inputs.T @ to_sums).T,
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    ["nothing", "one weight in", "a bias", "one weight out", "everything"],
)
def test_the_way_of_two_neurons_is_that_of_numpy(change: str) -> None:
    """How many numbers are equal in each row, and how far apart the others are."""
    model, inputs, labels = network("constant")
    targets = np.eye(3)[labels]
    w1, b1, w2, _ = (parameter.data for parameter in model.parameters())
    w1[:] = np.arange(4)[:, None] / 8  # powers of two: NumPy's sums round nothing away
    w2[:] = np.arange(3) / 4
    inputs = np.round(4 * inputs) / 4
    if change == "one weight in":
        w1[2, 4] += 0.5
    if change == "a bias":
        b1[4] = 0.5
    if change == "one weight out":
        w2[4, 1] += 0.5
    if change == "everything":
        w1[:] = np.random.default_rng(2).normal(size=w1.shape)
    explained = tg.explain(tg.losses.mse(model(inputs), targets), model.layers[0].weight,
                           compare=(1, 4))  # fmt: skip
    ladder = next(block for block in explained.article.blocks if isinstance(block, Table))
    expected = by_hand(model, inputs, targets)
    assert len(ladder.rows) == len(expected)
    for row, tone, rows in zip(ladder.rows, ladder.tones, expected.values(), strict=True):
        first, second = rows[1], rows[4]
        close = np.isclose(first, second, rtol=1e-12, atol=1e-15)
        many, _, apart = row[-1].partition("; up to ")
        assert many == f"{np.count_nonzero(close)} of {first.size}", row[0]
        assert tone == ("equal" if close.all() else "apart")
        if not close.all():
            found = float(apart.removesuffix(" apart"))
            assert found == pytest.approx(np.abs(first - second).max(), rel=1e-3)
    text = " ".join(explained.to_text().split())
    if change in ("nothing", "one weight out"):
        assert ("So are their values" in text) == (change == "nothing")
    if change == "a bias":
        assert "the first difference is in the row of b1[·]." in text
    if change == "one weight out":
        assert "the first difference is in the row of weights out, W2[·, :]." in text
    if change == "one weight in":
        assert "the first difference is in the row of weights in, W1[:, ·]." in text


def test_neurons_with_equal_gradients_and_different_weights_stay_apart() -> None:
    x = np.array([[1.0, 2.0]])
    w = Tensor([[-1.0, -2.0], [-3.0, -4.0]], requires_grad=True, label="W")
    loss = np.maximum(x @ w, 0).sum()  # both are off
    text = " ".join(str(tg.explain(loss, wrt=w, compare=(0, 1))).split())
    assert "equal, bit for bit, in all 2 entries. Their values are not" in text


def test_a_difference_as_small_as_rounding_is_called_so() -> None:
    u = Tensor([[2.0, 2.0]], requires_grad=True, label="u")
    loss = ((np.ones((1, 1)) @ u) * np.array([[1.0, 1.0 + 2**-40]])).sum()
    text = " ".join(str(tg.explain(loss, wrt=u, compare=(0, 1))).split())
    assert "of 9.095e-13: as small as rounding" in text
    loss = ((np.ones((1, 1)) @ u) * np.array([[1.0, 1.001]])).sum()
    assert "as small as rounding" not in str(tg.explain(loss, wrt=u, compare=(0, 1)))
    close = Tensor([1.0, 1.0 + 2**-40], requires_grad=True, label="v")  # values that were chosen
    text = " ".join(str(tg.explain((close * close).sum(), wrt=close, compare=(0, 1))).split())
    assert "the first difference is in the row of v[·]." in text


def test_a_long_way_is_cut_short() -> None:
    w = Tensor([[1.0, 1.0]], requires_grad=True, label="W")
    hidden: Any = w
    for k in range(20):
        hidden = hidden.tanh() if k % 2 else hidden * 1.5
    explained = tg.explain((hidden**2).sum(), wrt=w, compare=(0, 1))
    ladder = next(block for block in explained.article.blocks if isinstance(block, Table))
    assert len(ladder.rows) == 25
    assert ladder.rows[12] == ["… 20 more", "", "", "20 of 20 equal"]
    assert {*ladder.tones} == {"equal"}


def test_what_cannot_be_followed_ends_the_way() -> None:
    """An operation of one's own that refuses nan: nothing is said of what lies behind it."""

    def double(x: Any) -> Any:
        if np.isnan(x).any():
            raise ValueError("no nan here")
        return 2 * x

    own = tg.operation("careful", double, lambda g, y, x: 2 * g)
    w = Tensor([[1.0, 2.0]], requires_grad=True, label="W")
    explained = tg.explain((own(w * 3.0) ** 2).sum(), wrt=w, compare=(0, 1))
    ladder = next(block for block in explained.article.blocks if isinstance(block, Table))
    assert [row[0] for row in ladder.rows] == [
        "`W[:, ·]`", "`n2 = W × 3`",
        r"$\mathrm{d}y / \mathrm{d}n_{2}$", r"$\mathrm{d}y / \mathrm{d}W$",
    ]  # fmt: skip


def test_the_neurons_of_an_ensemble_side_by_side() -> None:
    model, inputs, labels = network("constant", members=2)
    with tg.reproducible():
        loss = tg.losses.mse(model(inputs), np.eye(3)[labels]).sum()
    explained = tg.explain(loss, model.layers[0].weight, compare=(0, 5), index=(1, 2))
    ladder = next(block for block in explained.article.blocks if isinstance(block, Table))
    told = {row[0]: row[-1] for row in ladder.rows}
    assert told["weights in, `W1[:, :, ·]`"] == "8 of 8"  # of both members
    assert told["weights out, `W2[·, :]`"] == "6 of 6"
    assert told["`b1[:, ·]`"] == "2 of 2"
    assert {*ladder.tones} == {"equal"}
    assert explained.index == [(1, 2, 0), (1, 2, 5)]


def test_outputs_meet_in_the_softmax() -> None:
    model, inputs, labels = network()
    explained = tg.explain(loss_of(model, inputs, labels), model.layers[1].weight, compare=(0, 2))
    ladder = next(block for block in explained.article.blocks if isinstance(block, Table))
    assert [row[0].partition(" = ")[0].strip("`") for row in ladder.rows] == [
        "weights in, `W2[:, ·]", "n8", "b2[·]", "n9", *(
            rf"$\mathrm{{d}}y / \mathrm{{d}}{one}$" for one in ("n_{9}", "n_{8}", "W_{2}")
        ),
    ]  # fmt: skip


def test_random_weights_have_not() -> None:
    model, inputs, labels = network()
    explained = tg.explain(
        loss_of(model, inputs, labels), wrt=model.layers[0].weight, compare=(1, 4), shown=3
    )
    text = " ".join(explained.to_text().split())
    assert "0 of 5 equal" in text
    assert "Their gradients differ: of 4 entries 0 are equal" in text
    assert "the first difference is in the row of weights in, W1[:, ·]." in text
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
    assert re.search(r"z\[0, 1\] +2 · 10 = 20 +3 · 10 = 30 +10 apart\n", text)
    assert re.search(r"z\[0, 2\] +5 · 100 = 500 +5 · 100 = 500 +equal\n", text)
    assert re.search(r"gradient +521 +531 +10 apart\n", text)


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
