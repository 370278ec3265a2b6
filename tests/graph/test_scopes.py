"""Which box each node is in, and what boxes are called."""

from __future__ import annotations

import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg
from tinygrad_init import Tensor, Value, nn
from tinygrad_init.graph import Graph, GraphNode, trace
from tinygrad_init.nn import scalar


def where(graph: Graph, node: GraphNode) -> str:
    """The path of boxes to a node, by their kinds, from the outside in."""
    by_id = {one.id: one for one in graph.scopes}
    path: list[str] = []
    scope = node.scope
    while scope:
        path.insert(0, by_id[scope].kind)
        scope = by_id[scope].outer
    return "/".join(path)


def places(graph: Graph) -> dict[str, str]:
    """The same for every node with a label."""
    return {node.label: where(graph, node) for node in graph.nodes if node.label}


def operations(graph: Graph) -> list[tuple[str, str]]:
    return [
        (node.operation, where(graph, node)) for node in graph.nodes if node.kind == "operation"
    ]


class Block(nn.Module):
    def __init__(self, rng: int) -> None:
        self.inner = nn.Linear(2, 2, rng=rng)
        self.gain = Tensor([1.0, 1.0], requires_grad=True)

    def forward(self, x: Any) -> Any:
        return np.tanh(self.inner(x)) * self.gain


class TestPlaces:
    def test_a_network_and_its_loss(self) -> None:
        model = nn.MLP([2, 3, 1], rng=0)
        X, y = Tensor([[1.0, 2.0]], label="X"), Tensor([[1.0]], label="y")
        graph = trace(tg.losses.mse(model(X), y), model)
        assert places(graph) == {
            "X": "", "y": "",  # data stay outside of what they go into
            "layers.0.weight": "MLP/Linear", "layers.0.bias": "MLP/Linear",
            "layers.1.weight": "MLP/Linear", "layers.1.bias": "MLP/Linear",
        }
        assert operations(graph) == [
            ("matmul", "MLP/Linear"), ("add", "MLP/Linear"), ("tanh", "MLP"),
            ("matmul", "MLP/Linear"), ("add", "MLP/Linear"),
            ("subtract", "mse"), ("multiply", "mse"), ("mean", "mse"),
        ]

    def test_arrays_are_data_too(self) -> None:
        model = nn.Linear(2, 1, rng=0)
        graph = trace(tg.losses.mse(model(np.ones((4, 2))), np.zeros((4, 1))))
        outside = [node.shape for node in graph.nodes if not node.scope]
        assert outside == [(4, 2), (4, 1)]

    def test_numbers_and_masks_stand_beside_their_operation(self) -> None:
        with tg.scope("part"):
            y = Value(2.0, label="x") * 3
        assert where(trace(y), trace(y).nodes[1]) == "part"
        logits = Tensor([[1.0, 2.0]], requires_grad=True, label="logits")
        graph = trace(tg.losses.cross_entropy(logits, [1]))
        mask = next(node for node in graph.nodes if node.dtype == "bool")
        assert where(graph, mask) == "cross_entropy"
        assert places(graph) == {"logits": ""}

    def test_a_mask_that_was_drawn_inside(self) -> None:
        drop = nn.Dropout(0.5, rng=0)
        x = Tensor(np.ones((2, 2)), requires_grad=True, label="x")
        graph = trace(drop(x).sum())
        assert [where(graph, node) for node in graph.nodes if node.label != "x"][:-1] == [
            "Dropout"
        ] * (len(graph.nodes) - 2)
        assert places(graph) == {"x": ""}

    def test_a_parameter_is_as_deep_as_who_holds_it(self) -> None:
        block = Block(0)
        assert places(trace(block(np.ones((1, 2))).sum(), block)) == {
            "gain": "Block", "inner.weight": "Block/Linear", "inner.bias": "Block/Linear",
        }

    def test_a_parameter_that_somebody_else_holds(self) -> None:
        w = Tensor([2.0], requires_grad=True, label="w")

        class Uses(nn.Module):
            def forward(self, x: Any) -> Any:
                return x * w

        assert places(trace(Uses()([1.0]).sum())) == {"w": ""}

    def test_a_parameter_of_two_calls_is_around_both(self) -> None:
        class Twice(nn.Module):
            def __init__(self) -> None:
                self.step = nn.Linear(2, 2, rng=0)

            def forward(self, x: Any) -> Any:
                return self.step(self.step(x))

        twice = Twice()
        assert places(trace(twice(np.ones((1, 2))).sum(), twice)) == {
            "step.weight": "Twice", "step.bias": "Twice",
        }
        layer = twice.step
        assert set(places(trace((layer(layer(np.ones((1, 2))))).sum(), layer)).values()) == {""}

    def test_weights_that_two_layers_share(self) -> None:
        class Tied(nn.Module):
            def __init__(self) -> None:
                self.there, self.back = nn.Linear(3, 2, rng=0), nn.Linear(2, 3, rng=1)
                self.back.weight = self.there.weight

            def forward(self, x: Any) -> Any:
                h = self.there(x)
                with tg.scope("back"):
                    return h @ self.back.weight.T + self.back.bias

        tied = Tied()
        assert places(trace(tied(np.ones((1, 3))).sum(), tied)) == {
            "there.weight": "Tied", "there.bias": "Tied/Linear", "back.bias": "Tied",
        }

    def test_a_penalty_takes_the_parameters_out(self) -> None:
        layer = nn.Linear(2, 1, rng=0)
        loss = layer(np.ones((1, 2))).sum() + (layer.weight * layer.weight).sum()
        assert places(trace(loss, layer)) == {"weight": "", "bias": "Linear"}

    def test_neurons(self) -> None:
        model = scalar.MLP(2, [2, 1], rng=0)
        graph = trace(model([Value(1.0, label="x0"), Value(2.0, label="x1")]), model)
        found = places(graph)
        assert (found.pop("x0"), found.pop("x1")) == ("", "")
        assert len(found) == 9
        assert set(found.values()) == {"MLP/Layer/Neuron"}

    def test_of_one_s_own(self) -> None:
        x = Value(2.0, label="x")
        with tg.scope("a"):
            y = x * x
            with tg.scope("b"):
                y = y + 1
        assert operations(trace(y)) == [("multiply", "a"), ("add", "a/b")]
        assert places(trace(y)) == {"x": ""}

    def test_every_result_of_a_graph_without_scopes_is_outside(self) -> None:
        graph = trace(Value(2.0) * 3)
        assert graph.scopes == []
        assert {node.scope for node in graph.nodes} == {""}


class TestWhoHoldsWhat:
    def test_calls_of_one_object_have_one_module(self) -> None:
        layer, other = nn.Linear(2, 2, rng=0), nn.Linear(2, 2, rng=1)
        graph = trace(other(layer(layer(np.ones((1, 2))))).sum(), {"l": layer, "o": other})
        assert [one.module for one in graph.scopes] == ["m0", "m0", "m1"]
        held = {node.label: node.held_by for node in graph.nodes if node.label}
        assert held == {
            "l.weight": ("m0",), "l.bias": ("m0",), "o.weight": ("m1",), "o.bias": ("m1",),
        }

    def test_all_that_hold_it(self) -> None:
        model = scalar.MLP(1, [1], rng=0)
        graph = trace(model([1.0]), model)
        modules = [one.module for one in graph.scopes]
        assert [one.kind for one in graph.scopes] == ["MLP", "Layer", "Neuron"]
        leaves = [node for node in graph.nodes if node.label]
        assert all(sorted(node.held_by) == sorted(modules) for node in leaves)

    def test_functions_and_blocks_are_no_modules(self) -> None:
        with tg.scope("a"):
            y = Value(2.0) * 3
        assert [one.module for one in trace(y).scopes] == [""]
        assert all(node.held_by == () for node in trace(y).nodes)


class TestNames:
    def test_of_layers(self) -> None:
        model = nn.MLP([2, 3, 1], rng=0)
        y = model(np.ones((1, 2))).sum()
        assert [(one.kind, one.label, one.title) for one in trace(y, model).scopes] == [
            ("MLP", "", "MLP([2, 3, 1], activation='tanh')"),
            ("Linear", "layers.0", "layers.0: Linear(2, 3)"),
            ("Linear", "layers.1", "layers.1: Linear(3, 1)"),
        ]
        named = trace(y, {"net": model}).scopes
        assert [one.label for one in named] == ["net", "net.layers.0", "net.layers.1"]
        assert [one.label for one in trace(y).scopes] == ["", "", ""]
        assert [one.outer for one in named] == ["", "s0", "s0"]

    def test_a_long_or_odd_description_gives_way_to_the_kind(self) -> None:
        class Odd(nn.Module):
            def __init__(self, said: str) -> None:
                self.said = said

            def forward(self, x: Any) -> Any:
                return x * 2

            def __repr__(self) -> str:
                return self.said

        for said in ("Odd(" + "x" * 100 + ")", "an odd one", "Odd(\n)", ""):
            odd = Odd(said)
            (one,) = trace(odd(Tensor([1.0], requires_grad=True)).sum()).scopes
            assert one.title == "Odd"

    def test_a_description_that_fails(self) -> None:
        class Rude(nn.Module):
            def forward(self, x: Any) -> Any:
                return x * 2

            def __repr__(self) -> str:
                raise RuntimeError("no")

        rude = Rude()
        (one,) = trace(rude(Tensor([1.0], requires_grad=True)).sum()).scopes
        assert (one.kind, one.title) == ("Rude", "Rude")

    def test_an_owner_that_is_gone(self) -> None:
        y = nn.Linear(2, 1, rng=0)(np.ones((1, 2))).sum()
        gc.collect()
        graph = trace(y)
        (one,) = graph.scopes
        assert (one.kind, one.label, one.title, one.module) == ("Linear", "", "Linear", "")
        weight = graph.nodes[0]
        assert (weight.kind, weight.scope, weight.held_by) == ("leaf", "", ())

    def test_in_a_drawing_a_box_does_not_repeat_the_name_around_it(self) -> None:
        model = nn.MLP([2, 3, 1], rng=0)
        dot = trace(model(np.ones((1, 2))).sum(), {"net": model}).to_dot()
        assert "{weight|2×3}" in dot
        assert 'label="layers.0: Linear(2, 3)"' in dot
        assert "net: MLP" in dot
        assert 'tooltip="net.layers.0.weight (leaf)"' in dot


class TestAsData:
    def test_order_and_ids(self) -> None:
        graph = trace(Block(0)(Block(1)(np.ones((1, 2)))).sum())
        assert [one.id for one in graph.scopes] == ["s0", "s1", "s2", "s3"]
        seen = {""}
        for one in graph.scopes:
            assert one.outer in seen
            seen.add(one.id)

    def test_pickled(self) -> None:
        model = nn.MLP([2, 3, 1], rng=0)
        graph = trace(model(np.ones((1, 2))).sum(), model)
        back = pickle.loads(pickle.dumps(graph))
        assert back.scopes == graph.scopes
        assert [node.scope for node in back.nodes] == [node.scope for node in graph.nodes]
        assert back.to_dot() == graph.to_dot()

    def test_a_graph_keeps_nobody_alive(self) -> None:
        model = nn.MLP([2, 3, 1], rng=0)
        y = model(np.ones((1, 2))).sum()
        graph = trace(y, model)
        gone = [weakref.ref(model), weakref.ref(y)]
        gc.disable()
        try:
            del model, y
            assert [one() for one in gone] == [None, None]
        finally:
            gc.enable()
        assert graph.scopes

    @pytest.mark.parametrize("depth", [200])
    def test_deep(self, depth: int) -> None:
        @tg.scope("down")
        def down(x: Any, n: int) -> Any:
            return x if n == 0 else down(x * 2, n - 1).tanh()

        graph = trace(down(Value(0.1), depth))
        assert len(graph.scopes) == depth
        assert [where(graph, node).count("/") for node in graph.nodes[-depth:]] == [
            *reversed(range(depth))
        ]
