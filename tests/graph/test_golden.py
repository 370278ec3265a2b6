"""Drawings as they were when somebody last looked at them, byte for byte.

After a change that is meant, ``pytest tests/graph --update-golden`` writes them anew; look at what
has changed before you commit it. They are computed in order-independent arithmetic, so every
machine gets the same.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import unified_diff
from pathlib import Path

import numpy as np
import pytest

import tinygrad_init as tg
from tinygrad_init.graph import Graph

FOLDER = Path(__file__).parent / "golden"


def classic() -> str:
    """The expression of micrograd's first lesson."""
    a, b, c, f = (
        tg.Value(x, label=name) for x, name in ((2.0, "a"), (-3.0, "b"), (10.0, "c"), (-2.0, "f"))
    )
    e = a * b
    e.label = "e"
    d = e + c
    d.label = "d"
    L = d * f
    L.label = "L"
    return tg.trace(L).to_dot(legend=True)


def shared() -> str:
    """Both edges of a square, a node with three users, numbered arguments, constants."""
    x = tg.Value(3.0, label="x")
    square = x * x
    return tg.trace((square + square * x + 2) - x / 4).to_dot()


def step(weight_init: str = "constant") -> tuple[Graph, tg.nn.MLP]:
    """A training step of two layers on two examples, up to the loss."""
    model = tg.nn.MLP([2, 3, 1], activation="tanh", weight_init=weight_init, rng=0)
    loss = tg.losses.mse(model([[1.0, 2.0], [3.0, 4.0]]), tg.Tensor([[1.0], [0.0]]))
    return tg.trace(loss, model), model


def two_layers() -> str:
    """Boxes of layers and of the loss, equal columns of gradients, every key of the legend."""
    return step()[0].to_dot(legend=True)


def left_to_right() -> str:
    """The same, turned."""
    return step()[0].to_dot("LR")


def changed() -> str:
    """After a step of the optimiser: numbers of now, and gradients that are gone."""
    model = tg.nn.MLP([2, 2, 1], activation="tanh", rng=0)
    loss = tg.losses.mse(model([[1.0, 2.0], [3.0, 4.0]]), tg.Tensor([[1.0], [0.0]]))
    loss.backward()
    tg.optim.SGD(model.parameters(), lr=0.1).step()
    return tg.trace(loss, model).to_dot()


def wide() -> str:
    """Matrices too large to be written out, masks, settings of operations."""
    model = tg.nn.MLP([64, 32, 10], activation="relu", rng=0)
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 16, (16, 64)) / 16, rng.integers(0, 10, 16)
    return tg.trace(tg.losses.cross_entropy(model(X), y), model).to_dot()


def scalars(is_random: bool) -> str:
    """A network of single numbers, its neurons coloured by their class."""
    model = tg.nn.scalar.MLP(2, [3, 1])
    for k, parameter in enumerate(model.parameters()):
        parameter.data = 0.0625 * (k * 5 % 11 - 5) if is_random else 0.125
    graph = tg.trace(model([tg.Value(1.0, label="x0"), tg.Value(0.5, label="x1")]), model)
    return tg.symmetry.analyze(model).colour(graph).to_dot()


def constant_scalars() -> str:
    """One colour: three neurons that are copies."""
    return scalars(is_random=False)


def different_scalars() -> str:
    """Three colours."""
    return scalars(is_random=True)


def batch() -> str:
    """A network of numbers on eight examples: calls, neurons and terms are folded."""
    model = tg.nn.scalar.MLP(2, [4, 4, 1])
    for k, parameter in enumerate(model.parameters()):
        parameter.data = 0.0625 * (k * 5 % 11 - 5)
    losses = [(model([k / 8, 1 - k / 4]) - k % 2) ** 2 for k in range(8)]
    return tg.trace(sum(losses) / 8, model).to_dot(legend=True)


def loop() -> str:
    """A recurrent network: one turn stands for all, and a dashed edge leads to the next."""
    W, U = (tg.Tensor(np.eye(3) / k, requires_grad=True, label=label) for k, label in ((2, "W"),
            (4, "U")))  # fmt: skip
    h = tg.Tensor(np.zeros((2, 3)), label="start")
    for k in range(12):
        h = np.maximum(np.full((2, 3), k / 8) @ W + h @ U, 0)
    return tg.trace((h * h).mean()).to_dot()


def folded() -> str:
    """Closed modules, and a chain that is one node with a count."""
    model = tg.nn.MLP([2, 3, 1], activation="tanh", weight_init="constant", rng=0)
    x = model([[1.0, 2.0]])
    for _ in range(50):
        x = x.tanh()
    return tg.trace(x.sum(), model).fold("modules").to_dot(legend=True)


def stripes() -> str:
    """Arrays that have neurons of different classes."""
    graph, model = step()
    model.layers[0].weight.data = np.array([[0.5, 0.25, 0.5], [0.5, 0.25, 0.5]])
    return tg.symmetry.analyze(model).colour(graph).to_dot()


DRAWINGS: dict[str, Callable[[], str]] = {
    function.__name__: function
    for function in (classic, shared, two_layers, left_to_right, changed, wide, constant_scalars,
                     different_scalars, folded, stripes, batch, loop)
}  # fmt: skip


def compare(path: Path, drawn: str, update: bool) -> None:
    """Fail with the difference between a file and what it should be, or write it anew."""
    if update:
        path.parent.mkdir(exist_ok=True)
        path.write_text(drawn, encoding="utf-8", newline="\n")
        return
    golden = path.read_bytes().decode("utf-8") if path.exists() else ""
    if drawn != golden:
        difference = "\n".join(
            unified_diff(golden.splitlines(), drawn.splitlines(), path.name, "now", lineterm="")
        )
        pytest.fail(
            f"the drawing {path.name} has changed; if it was meant, run\n"
            f"    pytest tests/graph --update-golden\n"
            f"and look at the drawing before you commit it\n\n{difference}",
            pytrace=False,
        )


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing(name: str, update_golden: bool) -> None:
    with tg.reproducible():
        drawn = DRAWINGS[name]()
    compare(FOLDER / f"{name}.dot", drawn, update_golden)


def test_there_are_no_other_files() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.dot" for name in DRAWINGS}


def test_a_difference_is_shown_and_can_be_accepted(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "one.dot"
    with pytest.raises(pytest.fail.Exception, match=r"(?s)one\.dot has changed.*--update-golden"):
        compare(path, "digraph {\n\ta\n}\n", update=False)
    compare(path, "digraph {\n\ta\n}\n", update=True)
    compare(path, "digraph {\n\ta\n}\n", update=False)
    assert path.read_bytes() == b"digraph {\n\ta\n}\n"
    with pytest.raises(pytest.fail.Exception) as failure:
        compare(path, "digraph {\n\tb\n}\n", update=False)
    assert "\n-\ta\n+\tb\n" in str(failure.value)
    assert path.read_bytes() == b"digraph {\n\ta\n}\n"
