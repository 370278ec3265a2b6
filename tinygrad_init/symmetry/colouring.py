"""The drawing of a network of single numbers, with every neuron in the colour of its class."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..autograd import DataError
from ..graph import Graph

_PARAMETER = re.compile(r"(?:.*\.)?layers\.(\d+)\.neurons\.(\d+)\.(?:w\.\d+|b)")


def neurons_of(graph: Graph) -> dict[str, tuple[int, int]]:
    """The (layer, neuron) that each node belongs to, by id; nodes of no single neuron are left out.

    A parameter belongs to the neuron that its name says. What is computed belongs to the neuron
    whose parameters went into it, if those of the last layer among them are one neuron's: the
    products, the sums and the activation.
    """
    sources: dict[str, list[str]] = {}
    for edge in graph.edges:
        sources.setdefault(edge.target, []).append(edge.source)
    owners: dict[str, set[tuple[int, int]]] = {}  # of the last layer that went into each node
    for node in graph.nodes:  # arguments come before results
        if found := _PARAMETER.fullmatch(node.label):
            owners[node.id] = {(int(found[1]), int(found[2]))}
        else:
            into = set().union(*(owners[source] for source in sources.get(node.id, [])))
            last = max((layer for layer, _ in into), default=0)
            owners[node.id] = {one for one in into if one[0] == last}
    return {name: min(group) for name, group in owners.items() if len(group) == 1}


def colours(graph: Graph, classes: Sequence[Sequence[Sequence[int]]]) -> dict[str, int]:
    """The number of the class of each node of a hidden neuron, by id; counted through all layers.

    Raises:
        DataError: if no node of ``graph`` is a parameter of such a network, or the classes are
            those of another.
    """
    neurons = neurons_of(graph)
    if not neurons:
        raise DataError(
            "no node of this graph bears the name of a neuron's parameter: make it with "
            "trace(y, model), of an nn.scalar.MLP (a Tensor holds all neurons of a layer at once)"
        )
    numbers: dict[tuple[int, int], int] = {}
    for number, (layer, group) in enumerate(
        (layer, group) for layer, groups in enumerate(classes) for group in groups
    ):
        numbers.update({(layer, neuron): number for neuron in group})
    for layer, neuron in neurons.values():
        if layer > len(classes) or (layer < len(classes) and (layer, neuron) not in numbers):
            raise DataError(
                f"this graph has a neuron {neuron} in layer {layer}, and the network that was "
                f"analyzed does not: analyze the model that was traced"
            )
    return {name: numbers[one] for name, one in neurons.items() if one in numbers}
