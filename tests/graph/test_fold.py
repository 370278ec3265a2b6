"""Folded graphs: what is one node, what it shows, and that nothing is left out or made up."""

from __future__ import annotations

import json
import pickle
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_init as tg
from tinygrad_init import DataError, GraphError, Tensor, Value, nn
from tinygrad_init.graph import Edge, Graph, GraphNode, trace
from tinygrad_init.graph.fold import Detail
from tinygrad_init.graph.plates import plates
from tinygrad_init.nn import scalar


def says(node: GraphNode) -> str:
    """``2 × relu``, ``MLP``, ``4 leaf``: how many of what."""
    what = node.symbol if node.kind == "module" else node.operation or node.kind
    return f"{node.count} {what}" if node.count > 1 else what


def content(graph: Graph) -> Counter[str]:
    return Counter(map(says, graph.nodes))


def only(graph: Graph, what: str) -> GraphNode:
    (node,) = (node for node in graph.nodes if says(node) == what)
    return node


def links(graph: Graph) -> set[tuple[str, str]]:
    by_id = {node.id: says(node) for node in graph.nodes}
    return {(by_id[edge.source], by_id[edge.target]) for edge in graph.edges}


def check(folded: Graph) -> Graph:
    """A folded graph is a partition of the whole one, with exactly the edges between its parts."""
    whole = folded.whole
    assert folded._fold is not None
    numbers = {node.id: k for k, node in enumerate(whole.nodes)}
    group: dict[int, int] = {}
    for k, (node, members) in enumerate(zip(folded.nodes, folded._fold.members, strict=True)):
        assert node.size == len(members)
        inside = [whole.nodes[one] for one in members]
        group |= dict.fromkeys(members.tolist(), k)
        if node.kind == "module":
            assert node.id in {one.id for one in whole.scopes} | {f"r{k}" for k in range(99)}
            continue
        assert {one.kind for one in inside} == {node.kind}
        assert {one.operation for one in inside} == {node.operation}
        assert {one.shape for one in inside} == {node.shape}
        assert node.id == inside[0].id
        if node.size > 1:
            for seen, given_ in ((node.value, "value"), (node.gradient, "gradient")):
                if seen is not None:
                    wanted = np.array([getattr(one, given_) for one in inside])
                    np.testing.assert_array_equal(seen, wanted)
    assert len(group) == len(whole.nodes)
    assert len({node.id for node in folded.nodes}) == len(folded.nodes)
    place = {node.id: k for k, node in enumerate(folded.nodes)}
    between = {
        (group[numbers[edge.source]], group[numbers[edge.target]]) for edge in whole.edges
    }
    assert {(place[edge.source], place[edge.target]) for edge in folded.edges} == {
        (source, target) for source, target in between if source != target
    }
    for edge in folded.edges:
        assert edge.carried or place[edge.source] < place[edge.target]
    assert group[len(whole.nodes) - 1] == len(folded.nodes) - 1  # the result is the last
    ids = [one.id for one in folded.scopes]
    assert {node.scope for node in folded.nodes} <= {"", *ids}
    assert all(one.outer in ("", *ids[:k]) for k, one in enumerate(folded.scopes))
    return folded


DETAILS = ["repeats", "modules", 0, 1, 2, 3, None]


def demo(examples: int = 100, penalty: bool = True) -> tuple[scalar.MLP, Value]:
    """The loss of micrograd's demo: a margin for each example, and a penalty on all parameters."""
    rng = np.random.default_rng(0)
    model = scalar.MLP(2, [16, 16, 1], rng=0)
    inputs = [list(map(Value, row)) for row in rng.normal(size=(examples, 2)).tolist()]
    labels = rng.choice([-1, 1], size=examples).tolist()
    scores = [model(x) for x in inputs]
    losses = [(1 + -label * score).relu() for label, score in zip(labels, scores, strict=True)]
    loss = sum(losses) * (1.0 / len(losses))
    if penalty:
        loss = loss + 1e-4 * sum(p * p for p in model.parameters())
    return model, loss


@pytest.fixture(scope="module")
def graph() -> Graph:
    model, loss = demo()
    return trace(loss, model)


class TestDemo:
    def test_is_one_readable_picture(self, graph: Graph) -> None:
        assert len(graph.nodes) == 65_818
        folded = check(graph.fold())
        assert content(folded) == {
            "200 leaf": 1, "304 leaf": 1, "33 leaf": 1, "100 MLP": 1,
            "multiply": 4, "add": 3, "relu": 1, "100 add": 1, "constant": 6,
        }
        assert [(one.title, one.outer) for one in folded.scopes] == [
            (" × 100", ""), (" × 337 in a row", ""),
        ]
        assert {("200 leaf", "100 MLP"), ("304 leaf", "100 MLP"), ("100 MLP", "multiply"),
                ("relu", "100 add"), ("304 leaf", "multiply")} <= links(folded)  # fmt: skip
        assert only(folded, "100 MLP").size == 64_000
        assert folded.output.value == graph.output.value
        assert not any(edge.carried for edge in folded.edges)

    def test_and_opens_layer_by_layer(self, graph: Graph) -> None:
        layers = check(graph.fold(1))
        assert [one.title for one in layers.scopes[:1]] == ["MLP × 100"]
        assert [node.label for node in layers.nodes if node.kind == "module"] == [
            "layers.0", "layers.1", "layers.2",
        ]
        neurons = check(graph.fold("modules"))
        assert [says(node) for node in neurons.nodes if node.kind == "module"] == [
            "16 ReLUNeuron(2)", "16 ReLUNeuron(16)", "LinearNeuron(16)",
        ]
        everything = check(graph.fold("repeats"))
        assert "module" not in {node.kind for node in everything.nodes}
        assert "neurons.*: ReLUNeuron(16) × 16" in {
            one.title.removeprefix("layers.1.") for one in everything.scopes
        }
        assert graph.fold(3).to_dot() == everything.to_dot()

    def test_without_the_penalty_parameters_are_inside(self) -> None:
        model, loss = demo(20, penalty=False)
        node = only(check(trace(loss, model).fold(0)), "20 MLP")
        assert node.parameters == 337
        assert "leaf" not in {one.kind for one in trace(loss, model).fold(0).nodes[1:]}

    @pytest.mark.parametrize("suffix", [".svg", ".png", ".html", ".dot"])
    def test_is_drawn(self, graph: Graph, tmp_path: Path, suffix: str) -> None:
        if suffix == ".png" and shutil.which("dot") is None:
            with pytest.raises(GraphError, match="install Graphviz"):
                graph.render(tmp_path / "demo.png")
            return
        assert graph.render(tmp_path / f"demo{suffix}").stat().st_size > 1_000
        svg = graph.to_svg()
        assert svg.count('class="node"') == len(graph.fold().nodes) == 19
        assert "65,818 nodes folded to 19" in svg


class TestChains:
    def test_of_100_000(self) -> None:
        y = Value(0.5, label="x")
        for _ in range(100_000):
            y = y.tanh()
        folded = check(trace(y).fold())
        assert [says(node) for node in folded.nodes] == ["leaf", "99999 tanh", "tanh"]
        assert folded.nodes[1].in_a_row
        assert folded.edges == [Edge("n0", "n1", 0), Edge("n1", "n100000", 0)]

    def test_with_a_number_in_each_step(self) -> None:
        y = Value(0.5)
        for _ in range(30):
            y = y + 1
        folded = check(trace(y).fold())
        assert content(folded) == {"leaf": 1, "30 constant": 1, "29 add": 1, "add": 1}

    def test_too_short(self) -> None:
        y = Value(0.5).tanh().tanh().tanh()
        assert content(check(trace(y).fold("repeats"))) == {"leaf": 1, "tanh": 3}

    def test_a_step_that_differs_parts_them(self) -> None:
        y = Value(0.5)
        for k in range(40):
            y = y.sin() if k == 20 else y.tanh()
        folded = check(trace(y).fold("repeats"))
        assert [says(node) for node in folded.nodes] == [
            "leaf", "20 tanh", "sin", "18 tanh", "tanh",
        ]

    def test_a_name_that_is_more_than_a_number_parts_them(self) -> None:
        def chain(name: Callable[[int], str]) -> Graph:
            y = Value(0.5)
            for k in range(12):
                y = y.tanh()
                y.label = name(k)
            return check(trace(y).fold("repeats"))

        assert [node.label for node in chain("h{}".format).nodes] == ["", "h*", "h11"]
        names = chain(lambda k: "middle" if k == 5 else "")
        assert [says(node) for node in names.nodes] == [
            "leaf", "5 tanh", "tanh", "5 tanh", "tanh",
        ]

    def test_a_sum_of_terms(self) -> None:
        folded = check(trace(sum(Value(float(k)).exp() for k in range(50))).fold())
        assert content(folded) == {"leaf": 1, "constant": 1, "exp": 1, "add": 2}
        assert [(one.count, one.in_a_row) for one in folded.scopes] == [(50, True)]
        first = [Value(float(k)).exp() for k in range(50)]
        folded = check(trace(sum(first)).fold())
        assert content(folded) == {
            "50 leaf": 1, "constant": 1, "50 exp": 1, "49 add": 1, "add": 1,
        }


class TestLoops:
    def recurrent(self, steps: int = 50) -> tuple[Graph, Any]:
        rng = np.random.default_rng(0)
        W, U = (Tensor(rng.normal(size=(n, 4)), requires_grad=True, label=name)
                for n, name in ((3, "W"), (4, "U")))  # fmt: skip
        h = Tensor(np.zeros((2, 4)), label="start")
        for x in rng.normal(size=(steps, 2, 3)):
            h = np.tanh(x @ W + h @ U)
        return trace((h * h).mean()), rng

    def test_a_recurrent_network(self) -> None:
        graph, _ = self.recurrent()
        folded = check(graph.fold())
        (loop,) = folded.scopes
        assert (loop.kind, loop.count, loop.in_a_row, loop.title) == (
            "repeat", 50, True, " × 50 in a row",
        )
        inside = [node for node in folded.nodes if node.scope == loop.id]
        assert sorted(map(says, inside)) == ["add", "constant", "matmul", "matmul", "tanh"]
        assert all(node.size == 50 for node in inside)
        outside = [node.label or node.operation for node in folded.nodes if not node.scope]
        assert outside == ["W", "U", "start", "multiply", "mean"]
        by_id = {node.id: node for node in folded.nodes}
        (back,) = (edge for edge in folded.edges if edge.carried)
        assert (by_id[back.source].operation, by_id[back.target].operation) == ("tanh", "matmul")

    def test_carried_edges_are_those_from_turn_to_turn(self) -> None:
        """By hand: of 50 uses of h in U, one is of the start and 49 are of the turn before."""
        graph, _ = self.recurrent()
        folded = graph.fold()
        into = [edge for edge in folded.edges if edge.carried]
        assert len(into) == 1
        starts = [e for e in folded.edges if e.target == into[0].target and not e.carried]
        assert sorted(folded._by_id[one.source].label for one in starts) == ["U", "start"]

    def test_a_cell_that_is_called_at_each_step_holds_its_parameters(self) -> None:
        class Cell(nn.Module):
            def __init__(self) -> None:
                self.input, self.hidden = nn.Linear(3, 4, rng=0), nn.Linear(4, 4, rng=1)

            def forward(self, x: Any, h: Any) -> Any:
                return np.tanh(self.input(x) + self.hidden(h))

        cell, head = Cell(), nn.Linear(4, 1, rng=2)
        h: Any = Tensor(np.zeros((2, 4)))
        total: Any = 0
        rng = np.random.default_rng(0)
        for x in rng.normal(size=(30, 2, 3)):
            h = cell(x, h)
            total = total + tg.losses.mse(head(h), np.zeros((2, 1)))
        graph = trace(total, {"cell": cell, "head": head})
        closed = check(graph.fold(0))
        assert only(closed, "Cell").parameters == 3 * 4 + 4 + 4 * 4 + 4
        assert only(closed, "Linear(4, 1)").parameters == 5
        assert only(closed, "Cell").count == 1  # in each turn
        assert [one.count for one in closed.scopes] == [30]
        opened = check(graph.fold("repeats"))
        scopes = {one.id: one for one in opened.scopes}
        places = {
            node.label: scopes[node.scope].label
            for node in opened.nodes if "weight" in node.label or "bias" in node.label
        }  # fmt: skip
        assert places == {
            f"{name}.{kind}": name
            for name in ("cell.input", "cell.hidden", "head") for kind in ("weight", "bias")
        }

    def test_steps_that_take_other_rows_of_the_data(self) -> None:
        X, w = Tensor(np.ones((20, 3)), requires_grad=True), Tensor([1.0] * 3, requires_grad=True)
        total: Any = 0
        for k in range(20):
            total = total + (X[k] * w).sum()
        folded = check(trace(total).fold())
        rows = next(node for node in folded.nodes if node.operation == "getitem")
        assert rows.settings == "index=[0] … [19]"

    def test_other_settings_are_another_operation(self) -> None:
        x = Tensor(np.ones((2, 2)), requires_grad=True)
        parts = [x.sum(axis=k % 2) for k in range(10)]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        folded = check(trace(total.sum()).fold("repeats"))
        assert sorted(node.settings for node in folded.nodes if node.operation == "sum") == [
            "", "axis=0", "axis=1",
        ]

    def test_closed(self) -> None:
        y = Value(0.5)
        for _ in range(50):
            y = (y * 2).tanh().sin() + 1
        graph = trace(y)
        (loop,) = graph.fold("repeats").scopes
        node = check(graph.fold("repeats", closed=[loop.id])).nodes[-1]
        assert (node.kind, node.id, node.operation, node.count, node.in_a_row) == (
            "module", "r0", "repeat", 50, True,
        )
        assert node.value == y.data

    def test_the_result_is_outside(self) -> None:
        model = scalar.MLP(2, [4, 1], rng=0)
        total: Any = 0
        for x in np.random.default_rng(0).normal(size=(8, 2)).tolist():
            total = total + (model(x) - 1) ** 2
        for detail in (0, "modules", "repeats"):
            folded = check(trace(total, model).fold(detail))
            assert (folded.output.scope, folded.output.value) == ("", total.data)
            assert [node.size for node in folded.nodes if node.operation == "add"][-2:] == [7, 1]

    def test_what_two_turns_share_is_outside(self) -> None:
        ws = [Value(float(k)) for k in range(8)]
        terms = [(ws[k] * ws[(k + 1) % 8]).tanh() for k in range(8)]
        total: Any = sum(terms) * 2
        folded = check(trace(total).fold("repeats"))
        leaf = folded.nodes[0]
        assert (leaf.kind, leaf.scope, leaf.count, leaf.size) == ("leaf", "", 8, 8)

    def test_rows_side_by_side(self) -> None:
        ends = []
        for k in range(5):
            y = Value(float(k))
            for _ in range(6):
                y = y.tanh()
            ends.append(y)
        total: Any = sum(ends) * 2
        folded = check(trace(total).fold("repeats"))
        row = next(node for node in folded.nodes if node.operation == "tanh")
        assert (row.count, row.in_a_row, row.size) == (6, True, 30)
        (box,) = folded.scopes
        assert (box.count, box.in_a_row, row.scope) == (5, False, box.id)

    def test_unrolled_training(self) -> None:
        w = Value(0.5)
        for _ in range(20):
            slope = tg.grad((w * 3 - 1) ** 2, w, create_graph=True)
            w = w - 0.1 * slope
        folded = check(trace(w).fold())
        assert [(one.count, one.in_a_row) for one in folded.scopes] == [(20, True)]


def stack(depth: int, width: int = 3) -> tuple[nn.MLP, Graph]:
    model = nn.MLP([2, *[width] * depth, 1], rng=0)
    X = Tensor(np.ones((4, 2)), label="X")
    return model, trace(tg.losses.mse(model(X), np.zeros((4, 1))), model)


class TestModules:
    def test_levels(self) -> None:
        _, graph = stack(2)
        assert content(check(graph.fold(0))) == {
            "leaf": 2, "MLP([2, 3, 3, 1], activation='tanh')": 1, "mse": 1,
        }
        one = check(graph.fold(1))
        assert [says(node) for node in one.nodes if node.kind == "module"] == [
            "Linear(2, 3)", "Linear(3, 3)", "Linear(3, 1)",
        ]
        assert content(one)["tanh"] == 2
        modules = check(graph.fold("modules"))
        assert {says(node) for node in modules.nodes if node.kind == "module"} == {
            "Linear(2, 3)", "Linear(3, 3)", "Linear(3, 1)", "mse",
        }
        assert graph.fold("operations") is graph
        assert graph.fold() is graph
        assert len(check(graph.fold(2)).nodes) == len(graph.nodes)

    def test_what_a_closed_one_shows(self) -> None:
        model, graph = stack(1)
        hidden, last = (n for n in graph.fold(1).nodes if n.kind == "module")
        inside = [node for node in graph.nodes if node.scope == "s1"]
        assert (hidden.id, hidden.operation, hidden.symbol) == ("s1", "Linear", "Linear(2, 3)")
        assert (hidden.label, hidden.shape, hidden.dtype) == ("layers.0", (4, 3), "float64")
        assert (hidden.count, hidden.size, hidden.parameters) == (1, len(inside), 2 * 3 + 3)
        result = next(node for node in reversed(graph.nodes) if node.scope == "s1")
        np.testing.assert_array_equal(hidden.value, result.value)
        np.testing.assert_array_equal(hidden.gradient, result.gradient)
        assert last.parameters == 3 + 1
        assert sum(layer.weight.size + layer.bias.size for layer in model.layers) == 13

    def test_one_with_two_results_has_no_value(self) -> None:
        class Two(nn.Module):
            def forward(self, x: Any) -> Any:
                return x.sin(), x.cos()

        sine, cosine = Two()(Tensor([0.5], requires_grad=True, label="x"))
        graph = trace((sine * cosine).sum())
        node = only(check(graph.fold(0)), "Two")
        assert (node.value, node.gradient, node.shape) == (None, None, ())
        assert "data" not in graph.fold(0).to_dot().split("Two")[1].split("]")[0]
        assert json.loads(graph.fold(0).to_json())["nodes"][1]["value"] is None
        assert str(graph.fold(0)).splitlines()[3] == "    s0 Two: 2 nodes"

    def test_arguments_are_counted_and_not_told_apart(self) -> None:
        class Pair(nn.Module):
            def forward(self, x: Any, y: Any, z: Any) -> Any:
                return x * x + (y - z)

        x, y, z = (Value(float(k), label=name) for k, name in enumerate("ab1"))
        z.label = "b2"
        y.label = "b1"
        folded = check(trace(Pair()(x, y, z) * 2).fold(0))
        node = only(folded, "Pair")
        assert [(folded._by_id[edge.source].label, edge.position) for edge in folded.edges
                if edge.target == node.id] == [("a", 0), ("b*", 1)]  # fmt: skip
        assert [n.count for n in folded.nodes if n.label == "b*"] == [2]

    def test_what_has_no_gradient_is_no_parameter(self) -> None:
        drop = nn.Dropout(0.5, rng=0)
        x = Tensor(np.ones((2, 2)), requires_grad=True)
        node = only(check(trace(drop(x).sum()).fold(0)), "Dropout(0.5)")
        assert node.parameters == 0

    def test_the_result_may_be_inside(self) -> None:
        _, graph = stack(1)
        folded = check(graph.fold(0))
        assert folded.output.operation == "mse"
        assert folded.output.value == graph.output.value
        assert folded.output.gradient == 1

    def test_equal_layers_in_a_row(self) -> None:
        class Block(nn.Module):
            def __init__(self, rng: int) -> None:
                self.inner = nn.Linear(3, 3, rng=rng)

            def forward(self, x: Any) -> Any:
                return x + np.tanh(self.inner(x))

        class Tower(nn.Module):
            def __init__(self, depth: int) -> None:
                self.blocks = [Block(k) for k in range(depth)]

            def forward(self, x: Any) -> Any:
                for block in self.blocks:
                    x = block(x)
                return x

        tower = Tower(12)
        graph = trace(tower(np.ones((2, 3))).sum(), tower)
        node = only(check(graph.fold(1)), "12 Block")
        assert (node.in_a_row, node.label, node.parameters) == (True, "blocks.*", 12 * 12)
        assert node.shape == (2, 3)
        opened = check(graph.fold("repeats"))
        assert [one.title for one in opened.scopes] == [
            "Tower", "blocks.*: Block × 12 in a row", "blocks.*.inner: Linear(3, 3)",
        ]
        weight = next(node for node in opened.nodes if node.label.endswith("weight"))
        assert (weight.label, weight.count, weight.size) == ("blocks.*.inner.weight", 1, 12)
        assert weight.value.shape == (12, 3, 3)
        assert [edge for edge in opened.edges if edge.carried]

    def test_modules_with_names_of_their_own_stay_apart(self) -> None:
        parts = {name: nn.Linear(2, 2, rng=0) for name in ("one", "two", "three", "four", "five")}
        outputs = [part(np.ones((1, 2))) for part in parts.values()]
        graph = trace(sum(one.sum() for one in outputs), parts)
        assert [n.label for n in graph.fold(0).nodes if n.kind == "module"] == list(parts)
        unnamed = check(trace(sum(one.sum() for one in outputs)).fold(0))
        assert only(unnamed, "5 Linear(2, 2)").parameters == 5 * 6

    def test_opened_and_closed_by_name(self) -> None:
        _, graph = stack(2)
        for name in ("layers.0", "s1"):
            folded = check(graph.fold(0, opened=[name]))
            assert [one.label for one in folded.scopes] == ["", "layers.0"]
            assert {node.label for node in folded.nodes if node.kind == "module"} == {
                "layers.1", "layers.2", "",
            }
        folded = check(graph.fold("repeats", closed=["Linear"]))
        assert [says(node) for node in folded.nodes if node.kind == "module"] == [
            "Linear(2, 3)", "Linear(3, 3)", "Linear(3, 1)",
        ]
        assert check(graph.fold(closed="mse")).output.operation == "mse"
        assert len(check(graph.fold("operations", closed=["layers.1"])).nodes) == (
            len(graph.nodes) - 3
        )

    @pytest.mark.parametrize("detail", [-1, "all", 1.5, "module", (), [1]])
    def test_what_is_no_detail(self, detail: Any) -> None:
        with pytest.raises(DataError, match="detail= takes"):
            stack(1)[1].fold(detail)

    def test_what_is_no_name(self) -> None:
        with pytest.raises(DataError, match=r"no module 'layers\.9'.*such as MLP, layers\.0"):
            stack(1)[1].fold(0, opened=["layers.9"])
        with pytest.raises(DataError, match=r"no module 'x'.*such as none"):
            trace(Value(1.0) * 2).fold(0, closed=["x"])
        for detail in (None, "operations"):  # small graphs are shown as they are, and yet
            with pytest.raises(DataError, match=r"no module 'layers\.9'"):
                stack(1)[1].fold(detail, opened="layers.9")
        graph = stack(1)[1]
        assert graph.fold(opened="layers.0") is graph

    def test_a_shared_weight_stays_outside(self) -> None:
        model, loss = demo(8)
        shared = [node for node in trace(loss, model).fold(0).nodes if node.kind == "leaf"]
        assert sorted(node.size for node in shared) == [16, 33, 304]

    def test_a_part_that_is_not_in_one_piece_stays_open(self) -> None:
        """Two generators, of which each goes on with what the other has made, inside one part."""
        def part(name: str, x: Any) -> Generator[Any, Any, None]:
            with tg.scope(name):
                y = yield x.tanh()
                yield y.sin()

        with tg.scope("both"):
            one, two = part("one", Value(0.5)), part("two", Value(0.25))
            here, there = copy_context(), copy_context()
            first, second = here.run(next, one), there.run(next, two)
            y = here.run(one.send, second) + there.run(two.send, first)
            here.run(one.close), there.run(two.close)
        assert [one.kind for one in trace(y).scopes] == ["both", "one", "two"]
        folded = check(trace(y * 3).fold(1))
        assert [one.kind for one in folded.scopes] == ["both"]
        assert content(folded) == {
            "leaf": 2, "tanh": 2, "sin": 2, "add": 1, "constant": 1, "multiply": 1,
        }
        assert content(check(trace(y * 3).fold(0)))["both"] == 1

    def test_calls_in_threads(self) -> None:
        model = scalar.MLP(2, [4, 1], rng=0)
        data = np.random.default_rng(0).normal(size=(8, 2)).tolist()
        old = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            with ThreadPoolExecutor(4) as pool:
                outputs = list(pool.map(model, data))
        finally:
            sys.setswitchinterval(old)
        folded = check(trace(sum(outputs), model).fold(0))
        assert sum(node.count for node in folded.nodes if node.kind == "module") == 8


class TestNeurons:
    def test_of_one_layer(self) -> None:
        model = scalar.MLP(2, [16, 16, 1], rng=0)
        graph = trace(model([Value(1.0), Value(2.0)]), model)
        folded = check(graph.fold("modules"))
        assert [(one.title, one.outer) for one in folded.scopes] == [
            ("MLP", ""), ("layers.0: Layer", "s0"), ("layers.1: Layer", "s0"),
            ("layers.2: Layer", "s0"),
        ]
        assert [(node.label, node.count, node.parameters) for node in folded.nodes[1:]] == [
            ("layers.0.neurons.*", 16, 48), ("layers.1.neurons.*", 16, 272),
            ("layers.2.neurons.0", 1, 17),
        ]
        outputs = [node.value for node in graph.nodes if node.operation == "relu"]
        np.testing.assert_array_equal(folded.nodes[1].value, outputs[:16])
        np.testing.assert_array_equal(folded.nodes[2].value, outputs[16:])

    def test_names_are_short_also_inside_of_a_loop(self) -> None:
        model = scalar.MLP(2, [6, 6, 1], rng=0)
        dot = trace(model([1.0, 2.0]), {"net": model}).to_dot(detail="repeats")
        assert "{w.*}|{data" in dot  # in a loop, a neuron, a layer, a network
        assert "{leaf|" not in dot
        assert 'label="neurons.*: ReLUNeuron(6) × 6"' in dot

    def test_a_neuron_of_another_shape_stays_apart(self) -> None:
        layer = scalar.Layer(2, 9, rng=0)
        layer.neurons[4].nonlin = False
        y = sum(layer([1.0, 2.0]))
        assert sorted(says(n) for n in check(trace(y).fold(1)).nodes if n.kind == "module") == [
            "8 ReLUNeuron(2)", "LinearNeuron(2)",
        ]

    def test_a_weight_that_is_used_twice_sets_one_apart(self) -> None:
        layer = scalar.Layer(2, 9, rng=0)
        layer.neurons[4].w[1] = layer.neurons[4].w[0]
        folded = check(trace(sum(layer([1.0, 2.0])), layer).fold(1))
        modules = [(n.label, n.count) for n in folded.nodes if n.kind == "module"]
        assert sorted(modules) == [("neurons.*", 8), ("neurons.4", 1)]

    def test_classes_stay_apart_wherever_they_stand(self) -> None:
        model = scalar.MLP(2, [12, 1], rng=0)
        neurons, out = model.layers[0].neurons, model.layers[1].neurons[0]
        for k in range(12):
            like = k % 3 // 2 * 2  # 0, 0, 2, 0, 0, 2, ...
            for p, q in zip(neurons[k].parameters(), neurons[like].parameters(), strict=True):
                p.data = q.data
            out.w[k].data = out.w[like].data
        symmetry = tg.symmetry.analyze(model)
        assert [len(group) for group in symmetry.classes[0]] == [8, 4]
        folded = check(symmetry.colour(trace(model([1.0, 2.0]), model)).fold("modules"))
        found = [(n.colour, n.count, n.in_a_row) for n in folded.nodes if n.kind == "module"]
        assert found == [(0, 8, False), (1, 4, False), (None, 1, False)]
        assert "class 0" in folded.to_dot()


class TestNumbers:
    def test_all_of_them(self) -> None:
        xs = [Value(float(k), label=f"x{k}") for k in range(10)]
        folded = check(trace(sum(x * x for x in xs)).fold("repeats"))
        leaf = folded.nodes[0]
        assert (leaf.label, leaf.count, leaf.size, leaf.shape) == ("x*", 1, 10, ())
        np.testing.assert_array_equal(leaf.value, range(10))
        np.testing.assert_array_equal(leaf.gradient, [2.0 * k for k in range(10)])
        with pytest.raises(ValueError, match="read-only"):
            leaf.value[0] = 1.0
        assert "data 0 … 9" in folded.to_dot()

    def test_fractions_stay_exact(self) -> None:
        xs = [Value(Fraction(1, k)) for k in range(1, 81)]
        folded = check(trace(sum(x * x for x in xs)).fold("repeats"))
        leaf = folded.nodes[0]
        assert leaf.gradient[2] == Fraction(2, 3)
        assert "1/80 … 1" in folded.to_dot()
        node = json.loads(folded.to_json())["nodes"][0]
        assert (node["value"]["min"], node["value"]["max"]) == ("1/80", "1")

    @pytest.mark.parametrize("odd", [float("nan"), float("inf"), 10**400, True])
    def test_odd_ones(self, odd: Any) -> None:
        xs = [Value(odd if k == 3 else 1) for k in range(12)]
        folded = check(trace(sum(x * 2 for x in xs)).fold("repeats"))
        json.loads(folded.to_json())
        assert folded.to_dot()
        assert str(folded)

    def test_reasons_say_of_how_many(self) -> None:
        ws = [Tensor([float(k)], requires_grad=True) for k in range(8)]
        loss = sum((w * w).sum() for w in ws)
        ws[2].data, ws[5].data = [7.0], [8.0]
        folded = trace(loss).fold("repeats")
        (changed,) = (node for node in folded.nodes if node.changed)
        assert (changed.size, changed.unavailable[:8]) == (2, "multiply")
        (parameters,) = (one for one in check(trace(loss).fold(0)).nodes if one.size == 6)
        assert not parameters.changed
        # numbers do not know when they were changed: any of them may be
        xs = [Value(float(k)) for k in range(8)]
        y = sum(x * x for x in xs)
        xs[2].data = 9.0
        leaves = [node for node in trace(y).fold("repeats").nodes if node.kind == "leaf"]
        assert sorted(node.size for node in leaves) == [1, 7]


class TestLocal:
    def test_of_single_operations_as_in_the_whole_graph(self) -> None:
        y = Value(0.5, label="x")
        for _ in range(60):
            y = y.tanh()
        graph = trace(y * 3)
        folded = graph.fold()
        of_many, of_one, of_number = map(folded.local, folded.edges)
        assert of_many is not None
        assert of_many.value is None
        assert "stands for 60 operations" in of_many.unavailable
        assert of_one is not None
        assert of_one.value == 3
        assert of_number is None

    def test_of_modules_and_constants(self) -> None:
        _, graph = stack(1)
        folded = graph.fold(0)
        found = {says(folded._by_id[edge.source]): folded.local(edge) for edge in folded.edges}
        through = next(one for name, one in found.items() if name.startswith("MLP"))
        assert through is not None
        assert through.shape == (4, 1)
        assert "nodes: open it with graph.fold" in through.unavailable
        assert found["leaf"] is None

    def test_no_such_edge(self) -> None:
        _, graph = stack(1)
        with pytest.raises(DataError, match="no Edge"):
            graph.fold(0).local(Edge("s0", "nowhere", 0))


class TestColour:
    def test_by_what_folded_nodes_are_called(self) -> None:
        xs = [Value(float(k), label=f"x{k}") for k in range(10)]
        graph = trace(sum(x * x for x in xs))
        folded = graph.fold("repeats").colour({"x*": 2})
        assert [node.colour for node in folded.nodes if node.kind == "leaf"] == [2]
        assert [node.colour for node in folded.whole.nodes if node.kind == "leaf"] == [2] * 10

    def test_what_differs_comes_apart(self) -> None:
        xs = [Value(float(k), label=f"x{k}") for k in range(10)]
        graph = trace(sum(x * x for x in xs)).fold("repeats")
        folded = check(graph.colour({f"x{k}": k // 5 for k in range(10)}))
        assert sorted(n.size for n in folded.nodes if n.kind == "leaf") == [5, 5]

    def test_modules_have_that_of_what_is_inside(self) -> None:
        _, graph = stack(1)
        folded = graph.fold(1).colour({"layers.0": 4})
        assert [n.colour for n in folded.nodes if n.kind == "module"] == [4, None]

    def test_a_class_for_each_entry(self) -> None:
        _, graph = stack(1)
        node = graph.colour({"layers.0.bias": [0, 1, 1]})._by_id
        (bias,) = (one for one in node.values() if one.label == "layers.0.bias")
        assert bias.colour == (0, 1, 1)
        dot = graph.colour({"layers.0.bias": [0, 1, 1]}).to_dot()
        assert "3 neurons, 2 classes" in dot
        assert "style=striped" in dot
        assert "3 neurons, 1 class" in graph.colour({"layers.0.bias": [5, 5, 5]}).to_dot()
        json.loads(graph.colour({"layers.0.bias": [0, 1, 1]}).to_json())

    @pytest.mark.parametrize("classes", [[0, 1], [0, 1, 2, 3], []])
    def test_as_many_classes_as_entries(self, classes: list[int]) -> None:
        with pytest.raises(DataError, match="do not fit the last axis"):
            stack(1)[1].colour({"layers.0.bias": classes})


class TestForms:
    def test_text(self) -> None:
        y = Value(0.5, label="x")
        for _ in range(1_000):
            y = (y * 2).tanh()
        assert str(trace(y)).splitlines() == [
            "3,001 nodes folded to 5; × 1,000 stands for 1,000 alike, with the range of their "
            "numbers; graph.to_text('operations') writes all",
            "n3000 = tanh(n2): data 0.9575, grad 1",
            "  n2 multiply × 1,000: data 1 … 1.915, grad 0 … 0.08319",
            "    n0 x: data 0.5, grad 0",
            "    from the turn before: n3 tanh × 999: data 0.7616 … 0.9575, grad 0 … 0.1664",
            "      (see n2)",
            "    n1 constant × 1,000: data all 2",
        ]
        assert len(trace(y).to_text("operations").splitlines()) == 3_001

    def test_text_that_cannot_be_folded_is_cut(self) -> None:
        rng, y = random.Random(0), Value(0.5)
        for _ in range(1_000):
            y = rng.choice([y.tanh, y.sin, y.sigmoid, y.cos])()
        lines = str(trace(y)).splitlines()
        assert len(lines) == 202
        assert "more nodes: graph.to_text('operations') writes all" in lines[-1]
        assert len(trace(y).to_text("operations").splitlines()) == 1_001

    def test_text_of_a_loop(self) -> None:
        graph, _ = TestLoops().recurrent()
        assert "from the turn before: (see n" in str(graph)

    def test_small_graphs_are_drawn_whole(self) -> None:
        y = Value(0.5)
        for _ in range(40):
            y = y.tanh()
        assert trace(y).to_svg().count('class="node"') == 41
        assert "folded" not in trace(y).to_dot()
        graph = trace(y)
        assert graph.fold() is graph.whole is graph

    def test_detail_for_each_form(self, tmp_path: Path) -> None:
        y = Value(0.5)
        for _ in range(60):
            y = y.tanh()
        graph = trace(y)
        counts: dict[Detail, int] = {"operations": 61, "repeats": 3, None: 3}
        for detail, nodes in counts.items():
            assert graph.to_dot(detail=detail).count("tooltip=") == nodes
            assert graph.to_svg(detail=detail).count('class="node"') == nodes
            path = graph.render(tmp_path / "g.svg", detail=detail)
            assert path.read_text(encoding="utf-8").count('class="node"') == nodes
        json_ = json.loads(graph.render(tmp_path / "g.json").read_text(encoding="utf-8"))
        assert len(json_["nodes"]) == 61
        json_ = json.loads(graph.render(tmp_path / "f.json", detail=0).read_text(encoding="utf-8"))
        assert [node["count"] for node in json_["nodes"]] == [1, 59, 1]
        assert graph.fold(0).to_svg() == graph.to_svg(detail=0)

    def test_what_does_not_fold_is_refused_with_advice(self, tmp_path: Path) -> None:
        rng, y = random.Random(0), Value(0.5)
        for _ in range(6_000):
            y = rng.choice([y.tanh, y.sin, y.sigmoid, y.cos])()
        with pytest.raises(GraphError, match="trace a smaller part"):
            trace(y).render(tmp_path / "g.svg")

    def test_repr_and_note(self) -> None:
        _, graph = stack(1)
        assert repr(graph.fold(0)).endswith(f", folded from {len(graph.nodes)} nodes")
        assert graph.fold(0).note == f"{len(graph.nodes)} nodes folded to 4"
        assert graph.note == ""

    def test_fold_again_starts_from_the_whole(self) -> None:
        _, graph = stack(1)
        folded = graph.fold(0)
        assert folded.whole is graph
        assert folded.fold(1).to_dot() == graph.fold(1).to_dot()
        assert folded.fold("operations") is graph
        assert folded.to_dot() != folded.to_dot(detail=1)

    def test_pickled(self) -> None:
        _, graph = stack(1)
        folded = pickle.loads(pickle.dumps(graph.fold(0)))
        assert folded.to_dot() == graph.fold(0).to_dot()
        assert folded.fold(1).to_dot() == graph.fold(1).to_dot()

    def test_same_program_same_drawing(self) -> None:
        assert trace(demo(8)[1]).to_dot() == trace(demo(8)[1]).to_dot()


# Any program at all.


@st.composite
def results(draw: st.DrawFn) -> Any:
    """The result of a random program of numbers, with loops and scopes."""
    made: list[Any] = [Value(0.1, label="x"), Value(0.2)]
    fresh = count()

    def statement(depth: int) -> None:
        kind = draw(st.sampled_from(["unary", "binary", "loop", "scope", "number"]))
        if kind in ("loop", "scope") and depth < 3:
            body = draw(st.integers(1, 3))
            times = draw(st.integers(1, 6)) if kind == "loop" else 1
            plan = [draw(st.sampled_from(["unary", "binary", "number"])) for _ in range(body)]
            which = [draw(st.integers(1, 4)) for _ in range(body)]
            for _ in range(times):
                with tg.scope(f"part {kind}"):
                    for one, back in zip(plan, which, strict=True):
                        apply(one, back)
        else:
            apply(kind, draw(st.integers(1, 4)))

    def apply(kind: str, back: int) -> None:
        x, y = made[-min(back, len(made))], made[-1]
        if kind == "unary":
            made.append(x.tanh())
        elif kind == "number":
            made.append(x * 0.5 + next(fresh) % 2)
        else:
            made.append(x + y)

    for _ in range(draw(st.integers(1, 12))):
        statement(0)
    total = made[-1]
    for one in made[-5:]:
        total = total + one
    return total


@settings(max_examples=150, deadline=None)
@given(results(), st.sampled_from(DETAILS))
def test_a_folded_graph_is_a_partition(y: Any, detail: Any) -> None:
    graph = trace(y)
    folded = check(graph.fold("repeats" if detail is None else detail))
    json.loads(folded.to_json())
    assert folded.to_dot()
    assert str(folded)


@pytest.mark.parametrize("detail", DETAILS[:-1])
def test_every_detail_of_every_kind_of_program(detail: Any) -> None:
    model, loss = demo(5)
    check(trace(loss, model).fold(detail))
    check(stack(5)[1].fold(detail))
    check(TestLoops().recurrent(7)[0].fold(detail))


def test_structure_is_searched_once_for_each_kind_of_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However often a network is called, there are four texts of modules, and that outside."""
    searched: list[int] = []

    def counted(text: Any, least: int) -> Any:
        searched.append(len(text.letters))
        return plates(text, least)

    monkeypatch.setattr("tinygrad_init.graph.repeats.plates", counted)
    for examples in (5, 20):
        searched.clear()
        model, loss = demo(examples)
        trace(loss, model).fold(0)
        # neurons of 2, of 16 with and without relu; layers of 16, 16 and 1; the network; outside
        assert len(searched) == 3 + 3 + 1 + 1
