"""Two neurons side by side, against the same network written by hand in NumPy."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg
from tests.graph.networks import loss_of, network
from tinygrad_init import Tensor
from tinygrad_init.graph.article import Table

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
        assert not np.isnan(x).any()
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


def test_where_neurons_are_rows_their_weights_out_are_columns() -> None:
    w = Tensor([[1.0, 1.0, 2.0]], requires_grad=True, label="W")
    hidden = np.tanh(np.array([[0.5], [0.25]]) @ w)
    out = Tensor([[3.0, 3.0, 0.0], [4.0, 5.0, 0.0]], label="A")
    explained = tg.explain((out @ hidden.T).sum(), wrt=w, compare=(0, 1))
    ladder = next(block for block in explained.article.blocks if isinstance(block, Table))
    (row,) = (row for row in ladder.rows if row[0].startswith("weights out"))
    assert row == ["weights out, `A[:, ·]`", "[3, 4]", "[3, 5]", "1 of 2; up to 1 apart"]


def test_parts_that_are_no_columns_are_compared_where_they_can_be() -> None:
    v = Tensor([1.0, 1.0, 5.0], requires_grad=True, label="v")
    spread = v[np.array([[0, 1, 1], [0, 2, 2]])]  # the one goes down, the other across
    beside = Tensor([[2.0], [3.0]], label="c")
    across = Tensor([[7.0, 8.0, 9.0], [10.0, 11.0, 12.0]], label="d")
    explained = tg.explain((spread * beside * across).sum(), wrt=v, compare=(0, 1))
    ladder = next(block for block in explained.article.blocks if isinstance(block, Table))
    told = {row[0].strip("`"): row[1:] for row in ladder.rows}
    assert not [name for name in told if name.startswith("c")]  # two numbers and one
    assert told["d, the part of each"] == ["[7, 10]", "[8, 9]", "0 of 2; up to 1 apart"]


def test_equal_entries_that_are_0_say_little() -> None:
    w = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, label="W")
    for first, words in ((0.0, "1 are equal (they are 0), the"), (7.0, "1 are equal, the")):
        loss = (w * np.array([[first, first], [2.0, 3.0]])).sum()
        text = " ".join(str(tg.explain(loss, wrt=w, compare=(0, 1))).split())
        assert f"of 2 entries {words} others up to 1 apart" in text


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
    assert [text.index(f"\nz[0, {k}]") for k in (2, 1, 0)] == sorted(
        text.index(f"\nz[0, {k}]") for k in range(3)
    )  # the largest first


def test_biases_and_ensembles_can_be_compared() -> None:
    model, inputs, labels = network("constant", members=2)
    loss = loss_of(model, inputs, labels).sum()
    layer = model.layers[0]
    assert tg.explain(loss, wrt=layer.bias, compare=(0, 5), index=1).index == [(1, 0), (1, 5)]
    assert len(tg.explain(loss, wrt=layer.weight, compare=(0, -1)).index[0]) == 3
