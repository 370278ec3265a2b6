"""Networks of single numbers: every weight is a `Value`, every sum can be drawn.

The classes mean what micrograd's do, so a program written for it runs with its imports changed.
One difference: no global random state is read, so seed the weights with ``rng=``.

>>> from tinygrad_init.nn.scalar import MLP
>>> model = MLP(2, [3, 1], rng=0)
>>> output = model([1.0, -2.0])
>>> output.backward()
>>> len(model.parameters())
13
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..autograd import ShapeError, Value, scope
from . import init


class Module:
    """Something with parameters."""

    def parameters(self) -> list[Value]:
        """All weights and biases."""
        return []

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters():
            parameter.grad = 0


class Neuron(Module):
    """``relu(w . x + b)``, or without the relu.

    Args:
        nin: how many inputs.
        nonlin: whether the relu is applied.
        rng: a seed; weights are drawn evenly from -1 to 1, biases are 0.
        weight: one number for all weights, instead of drawing them.
    """

    def __init__(
        self, nin: int, nonlin: bool = True, *, rng: init.Seed = None, weight: Any = None
    ) -> None:
        drawn = init.uniform(-1, 1)((nin,), rng).tolist() if weight is None else [weight] * nin
        self.w = [Value(number) for number in drawn]
        self.b = Value(0)
        self.nonlin = nonlin

    def __call__(self, x: Sequence[Any]) -> Value:
        """The output for one example."""
        if len(x) != len(self.w):
            raise ShapeError(f"this neuron takes {len(self.w)} inputs, got {len(x)}")
        with scope("Neuron", self):
            total = self.b
            for weight, number in zip(self.w, x, strict=True):
                total = total + weight * number
            return total.relu() if self.nonlin else total

    def parameters(self) -> list[Value]:
        """Weights, then the bias."""
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    """Neurons side by side; a single one gives its output unwrapped."""

    def __init__(
        self,
        nin: int,
        nout: int,
        nonlin: bool = True,
        *,
        rng: init.Seed = None,
        weight: Any = None,
    ) -> None:
        streams = init.spawn(rng, nout)
        self.neurons = [Neuron(nin, nonlin, rng=stream, weight=weight) for stream in streams]

    def __call__(self, x: Sequence[Any]) -> Any:
        """The outputs for one example."""
        with scope("Layer", self):
            outputs = [neuron(x) for neuron in self.neurons]
        return outputs[0] if len(outputs) == 1 else outputs

    def parameters(self) -> list[Value]:
        """Neuron by neuron."""
        return [parameter for neuron in self.neurons for parameter in neuron.parameters()]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """Layers one after another: relu inside, linear last."""

    def __init__(
        self, nin: int, nouts: Sequence[int], *, rng: init.Seed = None, weight: Any = None
    ) -> None:
        sizes = [nin, *nouts]
        self.layers = [
            Layer(sizes[k], sizes[k + 1], k + 1 < len(nouts), rng=stream, weight=weight)
            for k, stream in enumerate(init.spawn(rng, len(nouts)))
        ]

    def __call__(self, x: Sequence[Any]) -> Any:
        """The output for one example, a Value or a list of them."""
        with scope("MLP", self):
            for layer in self.layers:
                x = layer(x)
                if not isinstance(x, list) and layer is not self.layers[-1]:
                    x = [x]  # a hidden layer of one neuron
        return x

    def parameters(self) -> list[Value]:
        """Layer by layer."""
        return [parameter for layer in self.layers for parameter in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"
