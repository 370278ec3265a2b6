"""Scopes: what each node remembers of the part of the program that recorded it."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

import tinygrad_init as tg
from tinygrad_init.autograd import scopes


def chain(node: Any) -> list[str]:
    """The names of the scopes around a node, from the inside out."""
    found, one = [], node.scope
    while one is not None:
        found.append(one.name)
        one = one.outer
    return found


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    assert scopes.current() is None


class TestBlocks:
    def test_nested(self) -> None:
        x = tg.Value(2.0)
        with tg.scope("a"):
            first = x * x
            with tg.scope("b"):
                inner = x + first
            last = inner * 2
        assert [chain(one) for one in (x, first, inner, last, last + 1)] == [
            [], ["a"], ["b", "a"], ["a"], [],
        ]
        assert first.scope is last.scope

    def test_arrays_and_gradients_that_are_recorded(self) -> None:
        x = tg.Tensor([1.0, 2.0], requires_grad=True)
        with tg.scope("penalty"):
            y = (x * x).sum()
            slope = tg.grad(y, x, create_graph=True)
        assert chain(y) == chain(slope) == ["penalty"]

    def test_left_by_an_exception(self) -> None:
        x = tg.Value(2.0)
        with pytest.raises(ZeroDivisionError), tg.scope("a"), tg.scope("b"):
            x / 0
        assert chain(x * x) == []
        with tg.scope("outer"):
            with pytest.raises(ZeroDivisionError), tg.scope("inner"):
                x / 0
            assert chain(x * x) == ["outer"]

    def test_one_object_entered_twice_is_two_scopes(self) -> None:
        x, block = tg.Value(2.0), tg.scope("block")
        with block:
            first = x * x
            with block:
                inner = first * x
        with block:
            second = inner * x
        assert [chain(one) for one in (first, inner, second)] == [
            ["block"], ["block", "block"], ["block"],
        ]
        assert len({id(one.scope) for one in (first, inner, second)}) == 3

    def test_generators_that_leave_out_of_order(self) -> None:
        def part(name: str) -> Iterator[Any]:
            with tg.scope(name):
                yield
                yield

        one, two = part("one"), part("two")
        next(one), next(two)
        list(one), list(two)
        assert scopes.current() is None


class TestFunctions:
    def test_each_call_is_a_scope_of_its_own(self) -> None:
        @tg.scope("square")
        def square(x: Any) -> Any:
            """x times x."""
            return x * x

        first, second = square(tg.Value(1.0)), square(tg.Value(2.0))
        assert chain(first) == chain(second) == ["square"]
        assert first.scope is not second.scope
        assert (square.__name__, square.__doc__) == ("square", "x times x.")

    def test_recursion(self) -> None:
        @tg.scope("power")
        def power(x: Any, n: int) -> Any:
            return x if n == 1 else x * power(x, n - 1)

        y = power(tg.Value(2.0), 4)
        depths = []
        while y.operation is not None:
            depths.append(len(chain(y)))
            y = y.arguments[1]
        assert depths == [1, 2, 3]

    def test_coroutines_do_not_see_each_other_s(self) -> None:
        @tg.scope("task")
        async def task(x: Any) -> Any:
            first = x * x
            await asyncio.sleep(0)
            return first, first + 1

        async def both() -> Any:
            with tg.scope("all"):
                return await asyncio.gather(task(tg.Value(1.0)), task(tg.Value(2.0)))

        (a, b), (c, d) = asyncio.run(both())
        assert [chain(one) for one in (a, b, c, d)] == [["task", "all"]] * 4
        assert a.scope is b.scope is not c.scope is d.scope

    def test_threads_start_without(self) -> None:
        x = tg.Value(2.0)
        found: dict[str, Any] = {}
        inside, seen = threading.Event(), threading.Event()

        def work() -> None:
            found["before"] = x * x
            with tg.scope("thread"):
                inside.set()
                seen.wait(10)
                found["inside"] = x * x

        with tg.scope("main"):
            thread = threading.Thread(target=work)
            thread.start()
            inside.wait(10)
            here = x * x
            seen.set()
            thread.join()
        assert [chain(one) for one in (here, found["before"], found["inside"])] == [
            ["main"], [], ["thread"],
        ]


class TestModules:
    def test_calls_of_layers(self) -> None:
        model = tg.nn.MLP([2, 3, 1], rng=0)
        y = model([[1.0, 2.0]])
        assert chain(y) == ["Linear", "MLP"]
        assert y.scope.owner is model.layers[1]
        assert y.scope.outer.owner is model
        activated = y.arguments[0]
        assert (activated.operation.name, chain(activated)) == ("tanh", ["MLP"])

    def test_numbers(self) -> None:
        model = tg.nn.scalar.MLP(2, [2, 1], rng=0)
        y = model([1.0, 2.0])
        assert chain(y) == ["Neuron", "Layer", "MLP"]
        assert y.scope.owner is model.layers[1].neurons[0]

    def test_losses(self) -> None:
        logits = tg.Tensor([[1.0, 2.0]], requires_grad=True)
        assert chain(tg.losses.mse(logits, [[0.0, 0.0]])) == ["mse"]
        assert chain(tg.losses.cross_entropy(logits, [0])) == ["cross_entropy"]


class TestMemory:
    @pytest.fixture(autouse=True)
    def without_collector(self) -> Iterator[None]:
        gc.collect()
        gc.disable()
        yield
        gc.enable()

    def test_a_graph_is_freed_at_once(self) -> None:
        model = tg.nn.MLP([2, 3, 1], rng=0)
        y = tg.losses.mse(model([[1.0, 2.0]]), [[0.0]])
        nodes = [weakref.ref(y), weakref.ref(y.arguments[0]), weakref.ref(model.layers[0])]
        del y, model
        assert [one() for one in nodes] == [None] * 3

    def test_a_module_that_keeps_its_output_is_no_cycle(self) -> None:
        class Keeps(tg.nn.Module):
            def __init__(self) -> None:
                self.weight = tg.Tensor([2.0], requires_grad=True)

            def forward(self, x: Any) -> Any:
                self.output = x * self.weight
                return self.output

        model = Keeps()
        model([1.0])
        gone = weakref.ref(model)
        output = model.output
        del model
        assert gone() is None
        assert output.scope.owner is None
        assert chain(output) == ["Keeps"]
