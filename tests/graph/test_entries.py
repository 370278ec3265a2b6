"""Derivatives by arrays, against differences of values, hand calculation and NumPy."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg
from tests.graph.networks import loss_of, network
from tinygrad_init import Tensor, Value
from tinygrad_init.graph.article import Formula, Table
from tinygrad_init.graph.formula import as_text


def test_an_operation_of_ones_own_is_only_named() -> None:
    """Although it is called tanh: nothing is known of what it does."""
    own = tg.operation("tanh", np.tanh, lambda g, y, x: g * (1 - y * y))
    x = Tensor([1.0, 2.0], requires_grad=True, label="x")
    assert "dy/dx = (∂n₁/∂x)ᵀ dy/dn₁" in str(tg.explain(own(x).sum(), wrt=x))
    u = Value(1.0, label="u")
    assert "- u → y: ∂y/∂u ≈ 0.42" in str(tg.explain(own(u), wrt=u))


# One entry, against differences of values.


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
        (lambda a, b: a @ b, np.stack([TALL, -TALL]), np.stack([WIDE, 2 * WIDE, 3 * WIDE]),
         (1, 2, 1, 3), "b[2, 3, k]"),
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


def test_a_lookup_does_not_go_everywhere() -> None:
    table = Tensor(np.arange(12.0).reshape(6, 2), requires_grad=True, label="E")
    found = table[np.array([5, 1, 5])]
    found.label = "z"
    text = str(tg.explain((found**2).sum(), wrt=table, index=(5, 1)))
    assert "dy/dE[5, 1] = Σ_k ∂z[k, 1]/∂E[5, 1] · dy/dz[k, 1]" in text
    assert "z[1, 1]" not in text
    everywhere = str(tg.explain((table[np.array([5, 5])] ** 2).sum(), wrt=table, index=(5, 1)))
    assert "dy/dE[5, 1] = Σ_k dy/dn₁[k, 1]" in everywhere


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
        v = Tensor([0.0, 1.0], requires_grad=True, label="v")
        explained = tg.explain((np.log(v) * np.array([0.0, 1.0])).sum(), wrt=v, index=0)
    assert math.isnan(explained.sums[0].total)  # as the gradient is
    assert "gradient itself" not in str(explained)


def test_large_numbers_beside_small_gradients_raise_no_alarm() -> None:
    w = Tensor(np.full((2, 2), 0.5), requires_grad=True, label="W")
    with tg.detect_anomaly():
        loss = ((w @ np.full((2, 3), 1e308)) * 1e-308).sum()
    explained = tg.explain(loss, wrt=w)  # 1e308 added up would be inf
    assert explained.sums[0].total == pytest.approx(3)


def test_where_the_terms_of_a_product_cancel_it_is_said() -> None:
    ones = np.ones((3, 4))
    for delta, is_said in ((0.0, True), (1e-3, False)):
        x = Tensor(ones, requires_grad=True, label="x")
        z = x @ np.array([[0.1, 0.2, 0.3]] * 4)
        loss = (z * np.array([[3.0, 3.0, -3.0 + delta]])).sum()
        text = " ".join(str(tg.explain(loss, wrt=x)).split())
        # 0.1 * 3 + 0.2 * 3 - 0.3 * 3 is 5.6e-17 or so, in whatever order
        assert ("The terms, up to 1.8 if their signs are left out, cancel" in text) == is_said


def test_of_an_exact_zero_and_of_several_uses_no_rounding_is_told() -> None:
    x = Tensor(np.ones((3, 1)), requires_grad=True, label="x")
    assert "cancel" not in str(tg.explain((x @ np.array([[1.0, -1.0]])).sum(), wrt=x))
    noise = (x @ np.array([[0.1, 0.2, 0.3]])) * np.array([[3.0, 3.0, -3.0]])
    assert "cancel" not in str(tg.explain(noise.sum() + (x * 0).sum(), wrt=x))


def test_what_is_not_written_out_is_added_up_with_one_rounding() -> None:
    x = Tensor(1.0, requires_grad=True, label="x")
    loss = (x * np.array([3e16, 1.0, 1.0, -1e16])).sum()
    (found,) = tg.explain(loss, wrt=x, shown=1).sums
    assert (found.terms[0].product, found.more, found.rest) == (3e16, 3, -9999999999999998.0)


def test_words_are_kept_apart_from_the_next_term() -> None:
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True, label="x")
    text = " ".join(str(tg.explain((x[1:] ** 2).sum() + x.sum(), wrt=x)).split())
    assert "dy/dx = (dy/dn₁ at its place, 0 elsewhere) + (dy/dn₅ in every entry);" in text


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
        z.softmax()[0, 0] * 1.0,
    ):
        assert "p - t" not in str(tg.explain(loss, wrt=z))
    one = Tensor([[0.0, 1.0]], requires_grad=True, label="z")
    assert "dy/dz = p - t,  p = softmax(z)" in str(tg.explain(-one.log_softmax()[0, 0], wrt=one))
    both = one.sum() - one.log_softmax()[0, 0]  # what arrives at z comes from elsewhere, too
    assert "p - t" not in str(tg.explain(both, wrt=one))


def test_classes_may_be_along_any_axis() -> None:
    values = np.array([[0.0, 1.0], [2.0, -1.0], [0.5, 0.0]])  # three classes, two examples
    z = Tensor(values, requires_grad=True, label="z")
    explained = tg.explain(-(z.log_softmax(axis=0)[2, 0] + z.log_softmax(axis=0)[0, 1]), wrt=z)
    assert "p - t" not in str(explained)  # two softmaxes of one z
    chosen = np.where([[False, True], [False, False], [True, False]], z.log_softmax(axis=0), 0)
    explained = tg.explain(-chosen.sum(), wrt=z, index=(0, 1))
    assert "For example 1, whose label is 0:" in str(explained)
    table = next(block for block in explained.article.blocks if isinstance(block, Table))
    p = softmax(values.T[1])
    told = [[float(cell) for cell in row[1:]] for row in table.rows[:3]]
    np.testing.assert_allclose([row[2] for row in told], p - np.eye(3)[0], rtol=1e-3)


def test_the_largest_gradient_is_shown_where_the_entry_is_of_no_example() -> None:
    v = Tensor([0.3, -0.2], requires_grad=True, label="v")
    z = np.tanh(v) + np.array([[[0.0, 0.0], [0.0, 9.0]], [[0.0, 1.0], [2.0, 0.0]]])
    loss = -np.where([True, False], z.log_softmax(), 0).sum()
    assert "For example 0, 1, whose label is 0:" in str(tg.explain(loss, wrt=v))
