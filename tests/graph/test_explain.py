"""`tg.explain`, against paths that are enumerated, differences of values, and hand calculation."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinygrad_init as tg
from tests.graph.networks import loss_of, network
from tests.graph.pdf import compile_latex
from tinygrad_init import DataError, F, GraphError, Tensor, Value
from tinygrad_init.graph import Explanation
from tinygrad_init.graph.article import Formula, Items, Paragraph, Table
from tinygrad_init.graph.formula import as_text
from tinygrad_init.graph.parts import equations

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


def test_of_a_long_path_the_factors_other_than_1_are_shown() -> None:
    x = Value(1, label="x")
    y: Any = x
    for k in range(2, 10):
        y = y * k + 1
    text = " ".join(str(tg.explain(y, wrt=x)).split())
    assert "x → n₂ → … → n₆ → … → n₁₀ → … → n₂₂ → … → n₂₆ → … → n₃₀ → y: " in text
    assert "= 9 · 8 · 7 · 4 · 3 · 2 · (… 10 factors with product 30) = 362880" in text
    assert re.search(r" n30 = n28 × 9 [\d,]+ … 9 more on these paths y = n30 \+ 1 ", text)
    first = Value(2, label="x")
    z: Any = first
    for k in range(2, 5):
        z = z * k + 1 + 1 + 1
    text = " ".join(str(tg.explain(z, wrt=first)).split())
    assert ": ∂n₁₂/∂n₁₀ · ∂n₆/∂n₄ · " not in text
    assert "= 4 · 3 · 2 · (… 9 factors with product 1) = 24" in text
    assert text.count("→ … → y: ") == 1  # what follows the last of them is left out, too


def test_a_choice_of_arguments_that_goes_on_is_cut_short() -> None:
    x = Value(1, label="x")
    y: Any = x
    for _ in range(8):
        y = y + y
    text = " ".join(str(tg.explain(y, wrt=x, shown=256)).split())
    assert "(as argument 1, 2, 1, 2, 1, 2, …): " in text
    assert "(as argument 1 (4 times), 2 (4 times)): " in text
    assert "as argument" not in str(tg.explain(y, wrt=x))


def test_short_sums_are_formulas_and_long_ones_may_break() -> None:
    x = Value(2.0, label="x")
    for many, kind in ((2, Formula), (4, Formula), (5, Paragraph)):
        y = sum((x * k for k in range(1, many + 1)), start=Value(0.0))
        assert isinstance(tg.explain(y, wrt=x).article.blocks[-1], kind)


def test_a_sum_that_is_cut_short_says_so() -> None:
    x = Value(2.0, label="x")
    y = sum((x * k for k in (1.0, -3.0, 4.0, 2.0)), start=Value(0.0))
    assert "dy/dx = 4 + (-3) + (… 2 more paths, sum 3) = 4" in str(tg.explain(y, wrt=x, shown=2))
    assert "(… 1 more path, sum 1) = 4" in str(tg.explain(y, wrt=x, shown=3))


def test_the_rest_is_not_what_rounding_left_of_a_difference() -> None:
    x = Value(1.0, label="x")
    (found,) = tg.explain(x * 1e9 + x * 1e-9 + x * 2e-9, wrt=x, shown=1).sums
    assert found.rest == pytest.approx(3e-9, rel=1e-15)


def test_paths_that_are_alike_count_as_often_as_they_are_also_in_the_rest() -> None:
    x = Value(3.0, label="x")
    (found,) = tg.explain((x + x) + x * x, wrt=x, shown=1).sums
    (term,) = found.terms
    assert (term.product, term.times) == (3, 2)
    assert (found.more, found.rest, found.total) == (2, 2, 8)


def test_an_infinite_slope_without_any_rest_is_infinite() -> None:
    x = Tensor(0.0, requires_grad=True, label="x")
    with np.errstate(all="ignore"):
        explained = tg.explain(F.log(x) * 2.0, wrt=x)
    assert explained.sums[0].total == explained.gradient == math.inf
    assert explained.sums[0].rest == 0


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


def test_the_title_says_what_made_a_result_that_is_called_by_its_id() -> None:
    """Where y is the name of something else, so are the result and perhaps the leaf."""
    y, x = Value(2.0, label="y"), Value(3.0, label="x")
    both = x * y
    assert tg.explain(both, wrt=y).article.title == "How n2, the result of multiply, depends on y"
    title = tg.explain(both.tanh(), wrt=both).article.title
    assert title == "How n3, the result of tanh, depends on n2, the result of multiply"
    both.label = "z"
    assert tg.explain(both, wrt=y).article.title == "How z depends on y"
    with tg.scope("outer <part> $x$"), tg.scope("inner"):
        product = x * y
    named = tg.explain(product, wrt=y)
    assert str(named).startswith("How n2, the result of outer <part> $x$, depends on y\n")
    assert "outer &lt;part&gt;" in named.to_html()
    assert "<part>" not in named.to_html()


def test_the_title_of_a_loss_says_which() -> None:
    model, targets = tg.nn.MLP([2, 3, 1], rng=0), Tensor([[1.0], [0.0]], label="y")
    loss = tg.losses.mse(model([[1.0, 2.0], [3.0, 4.0]]), targets)
    weight = model.layers[0].weight
    for compare in (None, (0, 1)):
        title = tg.explain(loss, wrt=weight, compare=compare, names=model).article.title
        assert title == "How n13, the result of mse, depends on layers.0.weight"
    title = tg.explain(model([1.0, 2.0])[0], wrt=weight, names={"y": weight}).article.title
    assert title == "How n10, the result of getitem, depends on y"
    title = tg.explain(model([1.0, 2.0]), wrt=weight, names={"y": weight}).article.title
    assert title == "How n9, the result of MLP, depends on y"


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


# Numbers that were changed, and ways that lead nowhere.


def test_values_that_were_changed_since_are_refused() -> None:
    x, w = Value(3.0, label="x"), Value(2.0, label="w")
    y = x * w + 1
    x.data = 5.0
    with pytest.raises(GraphError, match=r"'x', on the way.*changed after it was.*compute anew"):
        tg.explain(y, wrt=w)
    x.data = 3.0
    assert tg.explain(y, wrt=w).gradient == 3.0


def test_only_what_the_derivative_reads_must_be_unchanged() -> None:
    model, inputs, labels = network()
    loss = loss_of(model, inputs, labels)
    w1, w2 = (layer.weight for layer in model.layers)
    before = tg.explain(loss, wrt=w2).gradient
    w1.data = w1.data * 2  # the derivative by W2 reads what was computed from W1
    np.testing.assert_array_equal(tg.explain(loss, wrt=w2).gradient, before)
    w2.data = w2.data * 2
    with pytest.raises(GraphError, match="changed after it was recorded"):
        tg.explain(loss, wrt=w1)


def test_a_tensor_that_was_changed_is_shown_as_it_is_now() -> None:
    a = Tensor(2.0, requires_grad=True, label="a")
    y = a + 1
    a.data = 5.0
    text = str(tg.explain(y, wrt=a))
    assert re.search(r"\na +5 \(now\)\n", text)
    assert re.search(r"\ny = a \+ 1 +3\n", text)


def test_a_condition_passes_no_derivative_on() -> None:
    x = Tensor([1.0, -2.0], requires_grad=True, label="x")
    condition = x * 2
    chosen = F.where(condition, x, 0.0).sum()
    explained = tg.explain(chosen, wrt=x)
    assert explained.gradient.tolist() == [1, 1]
    assert "dy/dx[0] = [n₂[0] ≠ 0] · dy/dn₄[0]" in str(explained)
    with pytest.raises(GraphError, match="no derivative"):
        tg.explain(chosen, wrt=condition)
    other = Tensor(1.0, requires_grad=True)
    with pytest.raises(GraphError, match="no derivative"):
        tg.explain(F.where(x, 1.0, 0.0).sum() + other, wrt=x)


def test_an_inner_node_is_explained_like_a_leaf() -> None:
    model, inputs, labels = network()
    hidden = np.tanh(model.layers[0](inputs))
    loss = tg.losses.cross_entropy(model.layers[1](hidden), labels)
    explained = tg.explain(loss, wrt=hidden)
    np.testing.assert_array_equal(explained.gradient, tg.grad(loss, hidden).data)


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
    rate, out = Value(0.1, label="learning rate"), Value(2.0, label="w_out")
    greek = Value(-1.0, label="η")
    m = Tensor([[1.0, 3.0, 3.0], [0.0, 2.0, 1.0]], requires_grad=True, label="m_2")
    moved = F.where(m, m.std(axis=1, keepdims=True), 1.0) * m.max(axis=0) + m.T.T[:, ::-1]
    return [
        tg.explain(*micrograd()),
        tg.explain((rate * out).elu() * greek.relu() + rate**-2, wrt=rate),
        tg.explain(y, wrt=x, digits=None, shown=2),
        tg.explain((moved.softmax() ** 2).sum(), wrt=m),
        tg.explain(loss, wrt=w, compare=(1, 4), names=model, digits=12),
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
        (lambda: EXPLAIN(U * U, wrt=U, digits=0), DataError, r"digits= is .* None for all, 1 or"),
        (lambda: EXPLAIN(U * U, wrt=U, names=[1]), DataError, "names= takes"),
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


def test_nan_and_inf_are_not_called_roundings() -> None:
    x = Value(math.nan, label="x")
    told = str(tg.explain((x * 2.0) ** 2, wrt=x))
    assert "2 n₂ · 2 = nan · 2 = nan" in told
    assert "dy/dx = nan" in told
    x = Value(1e200, label="x")
    assert "x · x = 1·10²⁰⁰ · 1·10²⁰⁰ ≈ ∞" in str(tg.explain(x * x * x, wrt=x))  # that is one


def test_long_paths_are_written_so_that_they_can_be_told_apart() -> None:
    x = Value(1.1, label="x")
    z = x
    for _ in range(6):  # 729 paths of up to 18 steps, of which a few are written out
        z = z * z.sin() + z
    told = str(tg.explain(z, wrt=x, shown=40)).replace("\n   ", " ").replace("\n    ", " ")
    routes = re.findall(r"^\d+\. (.*?):", told, re.M)
    assert len(routes) == len(set(routes)) == 40


def test_paths_that_part_in_nothing_but_the_argument_say_which() -> None:
    x = Value(1.1, label="x")
    z = x
    for _ in range(7):
        z = z * 1 + 0
    told = str(tg.explain(z * z, wrt=x)).replace("\n   ", " ")
    assert re.findall(r"\(as argument \d\)", told) == ["(as argument 1)", "(as argument 2)"]


def test_a_label_that_a_formula_cannot_carry_is_told_beside_its_symbol() -> None:
    a, b = Value(1.0, label="w"), Value(2.0, label="w")
    assert "Here n₀ is labelled w, n₁ is labelled w." in str(tg.explain(a * b, wrt=a))
    x = Value(2.0, label="the temperature of the water")
    told = tg.explain(x * x, wrt=x)
    assert "Here n₀ is labelled the temperature of the water." in str(told)
    assert "$n_{0}$ is labelled `the temperature of the water`." in told.to_markdown()
    assert "is labelled" not in str(tg.explain(x * x, wrt=x, names={"x": x}))


def test_of_many_such_labels_a_few_are_told() -> None:
    values = [Value(1.0, label="w") for _ in range(20)]
    said = str(tg.explain(math.prod(values[1:], start=values[0]), wrt=values[0], shown=1))
    assert said.count("is labelled") <= 12
