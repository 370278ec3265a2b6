"""The drawing of a network with every neuron in the colour of its class.

In a network of single numbers each node belongs to one neuron and has its colour. In a network of
arrays a node has all neurons of a layer along its last axis, and gets as many stripes as there are
classes: one colour for copies, many for neurons that differ.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..autograd import DataError
from ..graph import Graph, GraphNode

Classes = Sequence[Sequence[Sequence[int]]]  #: for each hidden layer groups of neurons

_PARAMETER = re.compile(r"(?:.*\.)?layers\.(\d+)\.neurons\.(\d+)\.(?:w\.\d+|b)")
_ARRAY = re.compile(r"(?:.*\.)?layers\.(\d+)\.(?:weight|bias)")


def colours(graph: Graph, classes: Classes) -> dict[str, int | Sequence[int]]:
    """The class of each node of a hidden neuron, by id, counted through all layers.

    For an array whose last axis is the neurons of a hidden layer: their classes.

    Raises:
        DataError: if no node of ``graph`` is a parameter of such a network, or the classes are
            those of another.
    """
    numbers = _numbered(classes)
    neurons, layers = neurons_of(graph), layers_of(graph)
    if not neurons and not layers:
        raise DataError(
            "no node of this graph bears the name of a parameter of a network: make it with "
            "trace(y, model), of an nn.MLP or an nn.scalar.MLP"
        )
    for layer, neuron in neurons.values():
        if layer > len(classes) or (layer < len(classes) and neuron not in numbers[layer]):
            raise _other(f"a neuron {neuron} in layer {layer}")
    for layer, width in set(layers.values()):
        if layer > len(classes) or (layer < len(classes) and width != len(numbers[layer])):
            raise _other(f"{width} neurons in layer {layer}")
    return {
        name: numbers[layer][neuron]
        for name, (layer, neuron) in neurons.items() if layer < len(classes)
    } | {
        name: [numbers[layer][neuron] for neuron in range(width)]
        for name, (layer, width) in layers.items() if layer < len(classes)
    }  # fmt: skip


def _numbered(classes: Classes) -> list[Mapping[int, int]]:
    """For each hidden layer the number of the class of each neuron."""
    found: list[Mapping[int, int]] = []
    before = 0
    for groups in classes:
        found.append({
            neuron: before + number for number, group in enumerate(groups) for neuron in group
        })
        before += len(groups)
    return found


def _other(what: str) -> DataError:
    return DataError(
        f"this graph has {what}, and the network that was analyzed does not: analyze the model "
        f"that was traced"
    )


def neurons_of(graph: Graph) -> dict[str, tuple[int, int]]:
    """The (layer, neuron) that each node belongs to, by id; nodes of no single neuron are left out.

    A parameter belongs to the neuron that its name says. What is computed belongs to the neuron
    whose parameters went into it, if those of the last layer among them are one neuron's: the
    products, the sums and the activation.
    """
    sources = _sources(graph)
    owners: dict[str, set[tuple[int, int]]] = {}  # of the last layer that went into each node
    for node in graph.nodes:  # arguments come before results
        if found := _PARAMETER.fullmatch(node.label):
            owners[node.id] = {(int(found[1]), int(found[2]))}
        else:
            into = set().union(*(owners[source.id] for source in sources.get(node.id, [])))
            last = max((layer for layer, _ in into), default=0)
            owners[node.id] = {one for one in into if one[0] == last}
    return {name: min(group) for name, group in owners.items() if len(group) == 1}


def layers_of(graph: Graph) -> dict[str, tuple[int, int]]:
    """The layer whose neurons are the last axis of a node, and how many they are, by id.

    Parameters say so by their names. A product has the neurons of its right operand, and what is
    computed entry by entry those of its arguments.
    """
    sources = _sources(graph)
    found: dict[str, tuple[int, int]] = {}
    for node in graph.nodes:
        if node.kind == "leaf" and (named := _ARRAY.fullmatch(node.label)) and node.shape:
            found[node.id] = (int(named[1]), node.shape[-1])
            continue
        arguments = sources.get(node.id, [])
        if node.operation == "matmul":
            arguments = arguments[1:]
        elif node.recipe is None or node.recipe.operation.scalar is None:
            continue
        owners = {found[one.id] for one in arguments if one.id in found}
        if len(owners) == 1 and node.shape and node.shape[-1] == (one := owners.pop())[1]:
            found[node.id] = one
    return found


def _sources(graph: Graph) -> dict[str, list[GraphNode]]:
    by_id = {node.id: node for node in graph.nodes}
    sources: dict[str, list[GraphNode]] = {}
    for edge in graph.edges:
        sources.setdefault(edge.target, []).append(by_id[edge.source])
    return sources
