"""Rows that stand for several operations: the bits of these, and a tape that can be opened."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_init as tg
from tinygrad_init.autograd import F, Node
from tinygrad_init.autograd.opened import opened
from tinygrad_init.autograd.tape import youngest_first

Array = NDArray[Any]
MODES = [pytest.param(nullcontext, id="plain"), pytest.param(tg.reproducible, id="reproducible")]
FUSED = [row for row in F if row.made_of is not None]

#: For every fused row, shapes of its arguments.
SHAPES: dict[str, list[tuple[tuple[int, ...], ...]]] = {
    "affine": [
        ((7, 5), (5, 17), (17,)), ((5,), (5, 3), (3,)), ((1, 5), (5, 3), (3,)),
        ((2, 7, 5), (5, 3), (3,)), ((0, 5), (5, 3), (3,)),
        # Members of an ensemble, for all of which there is one batch, or one for each.
        ((7, 5), (4, 5, 3), (4, 3)), ((4, 7, 5), (4, 5, 3), (4, 3)),
        ((4, 1, 5), (4, 5, 3), (4, 3)), ((2, 4, 7, 5), (4, 5, 3), (4, 3)),
    ],
    "mse": [((7, 3), (7, 3)), ((7,), (7,)), ((1, 1), (1, 1)), ((4, 7, 3), (7, 3)), ((), ())],
}  # fmt: skip
CASES = [
    pytest.param(row, shapes, id=f"{row.name}-{'-'.join(map(str, shapes))}")
    for row in FUSED for shapes in SHAPES.get(row.name, [])
]  # fmt: skip


def test_every_fused_row_is_tested_here() -> None:
    assert SHAPES.keys() == {row.name for row in FUSED}


def numbers(shapes: tuple[tuple[int, ...], ...], dtype: str) -> list[tg.Tensor]:
    """Such that sums of a thousand of them depend on the order, and some products are -0."""
    rng = np.random.default_rng(5)
    arrays = [rng.normal(size=shape) * 2.0 ** rng.integers(-9, 9, shape) for shape in shapes]
    with_zeros = [np.where(rng.random(np.shape(array)) < 0.2, -0.0, array) for array in arrays]
    return [tg.Tensor(array.astype(dtype), requires_grad=True) for array in with_zeros]


def gradients(f: Callable[..., Any], tensors: list[tg.Tensor]) -> list[Array]:
    y = f(*tensors)
    weights = np.cos(np.arange(y.size, dtype=y.dtype)).reshape(y.shape)
    return [each.data for each in tg.grad(y, tensors, gradient=weights)]


def same_bits(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("row", "shapes"), CASES)
def test_the_result_has_the_bits_of_what_it_is_made_of(
    row: Any, shapes: Any, dtype: str, mode: Callable[[], AbstractContextManager[None]]
) -> None:
    tensors = numbers(shapes, dtype)
    with mode():
        fused, parts = row(*tensors), row.made_of(*tensors)
    assert fused.operation is row
    assert parts.operation is not row
    assert same_bits(fused.data, parts.data)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("row", "shapes"), CASES)
def test_in_reproducible_arithmetic_so_have_the_gradients(
    row: Any, shapes: Any, dtype: str
) -> None:
    tensors = numbers(shapes, dtype)
    with tg.reproducible():
        fused, parts = gradients(row, tensors), gradients(row.made_of, tensors)
    assert all(map(same_bits, fused, parts))


def test_in_ordinary_arithmetic_so_have_the_gradients_of_a_layer_and_its_loss() -> None:
    def fused(x: Any, w: Any, b: Any, t: Any) -> Any:
        return F.mse(F.affine(x, w, b), t)

    def parts(x: Any, w: Any, b: Any, t: Any) -> Any:
        error = x @ w + b - t
        return (error * error).mean(axis=(-2, -1))

    for dtype in ("float32", "float64"):
        tensors = numbers(((33, 17), (17, 9), (9,), (33, 9)), dtype)
        assert all(map(same_bits, gradients(fused, tensors), gradients(parts, tensors)))


@pytest.mark.parametrize("members", [None, 2])
def test_the_bias_of_one_example_has_an_exact_sum_which_is_positive_where_it_is_zero(
    members: int | None
) -> None:
    in_front = () if members is None else (members,)
    x, w, b = (
        tg.Tensor(np.ones(shape), requires_grad=True)
        for shape in ((*in_front, 1, 2), (*in_front, 2, 3), (*in_front, 3))
    )
    with tg.reproducible():
        F.affine(x, w, b).backward(gradient=np.full((*in_front, 1, 3), -0.0))
    assert not np.signbit(b.grad).any()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("row", "shapes"), CASES)
def test_second_derivatives_are_those_of_the_parts(
    row: Any, shapes: Any, mode: Callable[[], AbstractContextManager[None]]
) -> None:
    def curvature(f: Callable[..., Any]) -> list[Array]:
        slopes = tg.grad(f(*tensors).sum(), tensors, create_graph=True)
        total = sum((slope * slope).sum() for slope in slopes)
        return [each.data for each in tg.grad(total, tensors)]

    tensors = numbers(shapes, "float64")
    with mode():
        for fused, parts in zip(curvature(row), curvature(row.made_of), strict=True):
            np.testing.assert_allclose(fused, parts, rtol=1e-12, atol=1e-12)


# Opened for those who look.


def network() -> tuple[tg.nn.MLP, Array, Array]:
    rng = np.random.default_rng(0)
    model = tg.nn.MLP([2, 3, 1], activation="tanh", rng=0)
    return model, rng.normal(size=(5, 2)), rng.normal(size=(5, 1))


def names(root: Node) -> list[str]:
    tape = youngest_first(root, everything=True)
    return [node.operation.name for node in reversed(tape) if node.operation is not None]


def test_a_tape_without_fused_operations_is_the_same_tape() -> None:
    a = tg.Value(2.0)
    y = (a * a + a).tanh()
    assert all(like is node for node, like in opened(y).items())
    assert opened(y).keys() == set(youngest_first(y, everything=True))
    assert opened(a) == {a: a}


def test_a_network_is_opened_into_products_and_sums() -> None:
    model, X, y = network()
    loss = tg.losses.mse(model(X), y)
    assert names(loss) == ["affine", "tanh", "affine", "mse"]
    assert names(opened(loss)[loss]) == [
        "matmul", "add", "tanh", "matmul", "add", "subtract", "multiply", "mean"
    ]
    assert names(loss) == ["affine", "tanh", "affine", "mse"]  # as it was


@pytest.mark.parametrize("mode", MODES)
def test_the_opened_tape_has_the_same_numbers_and_gradients(
    mode: Callable[[], AbstractContextManager[None]]
) -> None:
    model, X, y = network()
    with mode():
        hidden = model.layers[0](X).tanh()
        loss = tg.losses.mse(model.layers[1](hidden), y)
        likes = opened(loss)
        parts = names(likes[loss])
        wanted = [*model.parameters(), hidden]
        fused, told = (
            tg.grad(root, [of.get(node, node) for node in wanted])
            for root, of in ((loss, {}), (likes[loss], likes))
        )
    assert parts.count("matmul") == 2
    assert same_bits(likes[loss].data, loss.data)
    assert likes[loss].arithmetic == loss.arithmetic
    assert all(same_bits(a.data, b.data) for a, b in zip(fused, told, strict=True))


def test_leaves_are_themselves_and_what_lies_above_keeps_what_it_is_called() -> None:
    model, X, y = network()
    hidden = model.layers[0](X)
    hidden.label = "hidden"
    loss = tg.losses.mse(model.layers[1](hidden.tanh()), y)
    loss.label = "loss"
    likes = opened(loss)
    assert all(likes[parameter] is parameter for parameter in model.parameters())
    assert likes[hidden] is not hidden
    assert (likes[hidden].label, likes[loss].label) == ("hidden", "loss")
    assert likes[hidden].operation is F.add
    assert likes[hidden].data is hidden.data


def test_parts_stand_in_the_scope_of_the_whole_and_between_its_arguments_and_it() -> None:
    model, X, y = network()
    loss = tg.losses.mse(model(X), y)
    likes = opened(loss)
    tape = youngest_first(likes[loss], everything=True)
    ages = [node.age for node in tape]
    assert ages == sorted(ages, reverse=True)
    assert len(set(ages)) == len(ages)
    for node in tape:
        assert all(not isinstance(one, Node) or one.age < node.age for one in node.arguments)
    scopes = [node.scope.name for node in reversed(tape) if node.operation and node.scope]
    assert scopes == ["Linear", "Linear", "MLP", "Linear", "Linear", "mse", "mse", "mse"]
    assert {node.scope for node in tape if node.operation} == {
        node.scope for node in youngest_first(loss) if node.operation
    }


def test_parts_of_changed_parameters_are_changed_and_the_rest_is_not() -> None:
    model, X, y = network()
    loss = tg.losses.mse(model(X), y)
    loss.backward()
    tg.optim.SGD(model.parameters(), lr=0.1).step()
    model.layers[1].bias.data = model.layers[1].bias.data
    changed = {node.operation or node.label for node in tg.trace(loss).nodes if node.changed}
    assert changed == {"matmul", "W1", "b1", "W2", "b2"}


def test_a_silent_write_shows_in_the_parts_too() -> None:
    x, w, b = numbers(((4, 3), (3, 2), (2,)), "float64")
    with tg.detect_anomaly():
        y = F.affine(x, w, b).sum()
        w.data[0] = 7.0
    changed = {node.operation: bool(node.changed) for node in tg.trace(y).nodes if node.operation}
    assert changed == {"matmul": True, "add": False, "sum": False}
    with tg.detect_anomaly():
        y = F.affine(x, w, b).sum()
    assert not any(node.changed for node in tg.trace(y).nodes)
    assert all(node.line for node in tg.trace(y).nodes if node.operation)


def test_opening_touches_nothing() -> None:
    model, X, y = network()
    loss = tg.losses.mse(model(X), y)
    before = [(node, node.operation, node.arguments, node.grad) for node in youngest_first(loss)]
    tg.trace(loss)
    tg.explain(loss, wrt=model.layers[0].weight)
    for node, operation, arguments, grad in before:
        assert node.operation is operation
        assert all(a is b for a, b in zip(node.arguments, arguments, strict=True))
        assert node.grad is grad
    with tg.no_grad():
        assert names(opened(loss)[loss]).count("matmul") == 2


def test_names_reach_results_above_a_layer() -> None:
    model, X, y = network()
    hidden = model.layers[0](X)
    loss = tg.losses.mse(model.layers[1](hidden.tanh()), y)
    graph = tg.trace(loss, {"model": model, "hidden": hidden})
    assert {"hidden", "model.layers.0.weight"} <= {node.label for node in graph.nodes}
    assert "hidden" in str(tg.explain(loss, wrt=hidden, names={"hidden": hidden}))


def test_an_operation_of_ones_own_may_be_made_of_others() -> None:
    def triple(x: Any) -> Any:
        return x + x + x

    row = tg.operation("triple", lambda x: 3 * x, lambda g, _y, _x: 3 * g, made_of=triple)
    x = tg.Value(2.0)
    y = row(x).exp()
    assert names(opened(y)[y]) == ["add", "add", "exp"]
    assert tg.grad(opened(y)[y], x).data == tg.grad(y, x).data


@pytest.mark.parametrize("x", [np.ones((4, 3)), [[1.0, 2.0, 3.0]], tg.Tensor(np.ones((4, 3)))],
                         ids=lambda x: type(x).__name__)  # fmt: skip
def test_data_need_no_gradient(x: Any) -> None:
    w, b = tg.Tensor(np.ones((3, 2)), requires_grad=True), tg.Tensor(np.ones(2), requires_grad=True)
    y = F.affine(x, w, b)
    y.sum().backward()
    count = len(np.asarray(x if isinstance(x, list) else getattr(x, "data", x)).reshape(-1, 3))
    assert b.grad.tolist() == [count, count]
