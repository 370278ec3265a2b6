"""The words of a certificate: what is claimed, what is assumed, why it follows, what was seen."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import numpy as np

from ..graph.article import Block, Code, Formula, Heading, Items, Paragraph, Table, verbatim
from ..nn import MLP
from .analysis import Classes, Symmetry, analyze
from .watch import Break, Run

if TYPE_CHECKING:
    from .certificate import Certificate

SHOWN_CLASSES = 6  #: of a layer, in a table


def verdict(certificate: Certificate) -> str:
    """Whether it holds, and why not, in a sentence or two."""
    symmetry, exact = certificate.symmetry, certificate.exact
    widths, after = _widths(symmetry), _widths(analyze(exact.model))
    if symmetry.is_trivial:
        return (
            "There is nothing to certify: no two neurons of this network are tied. "
            f"Different neurons in its hidden layers: {widths or 'it has none'}."
        )
    if exact.first_break is None and exact.diverged is not None:
        return (
            f"It does not hold: the run diverged. After step {exact.diverged} some parameters are "
            f"not finite, and of such numbers it makes no sense to say that they are equal. Take a "
            f"smaller rate."
        )
    if certificate.holds:
        return (
            f"It holds. The tied neurons of this network receive the same gradients and stay tied, "
            f"bit for bit: {exact.compared:,} comparisons in {_steps(exact)} found no difference. "
            f"Different neurons in the hidden layers: {widths} at the start, "
            f"{'as many' if after == widths else after} at the end."
        )
    if exact.first_break is not None:
        return (
            f"It does not hold. Neurons that were tied at the start ({widths} different in the "
            f"hidden layers) came apart in order-independent arithmetic: "
            f"{exact.first_break}."
        )
    unmet = [k for k, one in enumerate(certificate.assumptions, start=1) if one.is_met is False]
    if unmet:
        return (
            f"It is not shown: no difference between tied neurons was seen ({widths} different in "
            f"the hidden layers at the start, {'as many' if after == widths else after} at the "
            f"end), but the argument does not apply, since assumption "
            f"{' and '.join(map(str, unmet))} is not met."
        )
    if not all(one.holds for one in certificate.derivation):
        return "It does not hold: an equation of the derivation below is not true of the numbers."
    return "It does not hold: the classes of the start are no ties of the trained network."


def _widths(symmetry: Symmetry) -> str:
    told = [f"{len(layer)} of {sum(map(len, layer))}" for layer in symmetry.classes]
    return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)


def what_is_certified(certificate: Certificate) -> list[Block]:
    """The setting and the claim."""
    rows = [
        [f"hidden layer {k + 1}", str(sum(map(len, layer))), str(len(layer)), _classes(layer)]
        for k, layer in enumerate(certificate.symmetry.classes)
    ]
    blocks: list[Block] = [
        Heading("What is certified"),
        Items([f"{name}: {words}" for name, words in certificate.setting.items()]),
    ]
    if certificate.symmetry.is_trivial:
        return [*blocks, Table(["", "neurons", "different", "classes"], rows)]
    return [
        *blocks,
        Paragraph(
            "Claim. Number the neurons of each hidden layer from 0. Those in one class below have "
            "the same bias, and to every class of the layer before and of the layer after they "
            "have the same weights, apart from their order. They compute equal numbers, receive "
            "equal gradients, and are in one class after every step."
        ),
        Table(["", "neurons", "different", "classes"], rows),
        Paragraph(
            f"The classes were found by colour refinement in {certificate.symmetry.rounds} "
            f"round{'s'[: certificate.symmetry.rounds > 1]}: all neurons of a hidden layer start "
            "in one class, every input and every output in a class of its own, and classes are "
            "split until the claim is true of the weights at the start."
        ),
    ]


def _classes(layer: Classes) -> str:
    """The largest classes, as ranges of neurons."""
    by_size = sorted(layer, key=len, reverse=True)
    shown = "; ".join(f"{{{_ranges(group)}}}" for group in by_size[:SHOWN_CLASSES])
    rest = len(layer) - SHOWN_CLASSES
    return f"{shown}; … {rest} more" if rest > 0 else shown


def _ranges(numbers: tuple[int, ...]) -> str:
    """``0-3, 7``; the numbers ascend.

    >>> _ranges((0, 1, 2, 3, 7))
    '0-3, 7'
    """
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], number]
        else:
            ranges.append([number])
    return ", ".join("-".join(map(str, ends)) for ends in ranges)


def why(certificate: Certificate) -> list[Block]:
    """The assumptions, the chain rule with numbers, and the induction."""
    if certificate.symmetry.is_trivial:
        return []
    marks = {True: "", False: "NOT MET. ", None: "Not known. "}
    blocks: list[Block] = [
        Heading("What is assumed"),
        Items([f"{one.claim} {marks[one.is_met]}{one.finding}" for one in certificate.assumptions],
              is_numbered=True),
    ]  # fmt: skip
    if not certificate.derivation or any(one.is_met is False for one in certificate.assumptions):
        return blocks
    blocks += [
        Heading("The chain rule of two tied neurons, side by side"),
        Paragraph(
            "Below are sums of products, and between them steps through the activation. For two "
            "neurons of one class the sums have the same terms, perhaps in another order, so by "
            "assumption 1 they are the same number; and equal numbers have equal activations. $L$ "
            "is the loss, $n$ an example, $\\varphi$ the activation; layers are numbered from 1. "
            "Terms are shown with four digits, the largest first, and results with all the digits "
            "that tell a number from its neighbours."
        ),
    ]
    for one in certificate.derivation:
        blocks += one.blocks()
    return [*blocks, *_induction()]


def _induction() -> list[Block]:
    return [
        Heading("Why it lasts"),
        Paragraph(
            "Every input and every output is a class by itself. Let C be a class of one layer and "
            "D a class of the next. By the memory of an entry we mean whatever the optimiser "
            "remembers of it. Suppose that before a step:"
        ),
        Items([
            "the biases in a class are equal, and so are their memories;",
            "in the block of weights $W_{c,d}$ from the neurons c of C to the neurons d of D, "
            "each row has the same pairs (weight, memory) as every other row, in any order but as "
            "often, and each column has the same pairs as every other column.",
        ]),
        Paragraph("Then:"),
        Items([
            "Forward, from the inputs, layer by layer: the neurons of C give equal numbers $h_c$. "
            "So all neurons d of D sum the same products $h_c W_{c,d}$, add the same bias, get "
            "the same $z_d$, and give the same $h_d = \\varphi(z_d)$.",
            "Backward, from the outputs, where each class has one neuron and nothing is to be "
            "shown: the gradients $\\delta_d$ at the sums $z_d$ of D are equal. So all neurons c "
            "of C sum the same products $W_{c,d} \\delta_d$, and multiply by the same "
            "$\\varphi'(z_c)$.",
            "So the gradient is one number on the whole block, and one for the biases of a class:",
        ], is_numbered=True),
        Formula(
            r"\frac{\partial L}{\partial W_{c,d}} = \sum_n h_{n,c} \delta_{n,d}, \quad "
            r"\frac{\partial L}{\partial b_d} = \sum_n \delta_{n,d} "
            r"\quad \text{are the same for all } c \in C, d \in D"
        ),
        Paragraph(
            "The optimiser makes of each pair (weight, memory) a new one that depends on the "
            "pair, on this gradient, and on nothing else that differs within the block. Equal "
            "collections of pairs therefore become equal collections, and equal biases equal "
            "biases: what was supposed before the step is true after it. It is true at the start, "
            "where weights are as the classes say and memories are equal; by induction it is true "
            "after every step, whatever the minibatches are. (A colouring like this is called "
            "balanced; that dynamics leave it alone is known from coupled cells: Stewart, "
            "Golubitsky and Pivato 2003. That it survives rounding is due to assumption 1. At a "
            "kink such as that of relu at 0, $\\varphi'$ is the number that the engine takes.)"
        ),
    ]  # fmt: skip


def what_follows(certificate: Certificate) -> list[Block]:
    """What ties, or the lack of them, mean for training."""
    symmetry = certificate.symmetry
    if symmetry.is_trivial:
        return [
            Heading("What follows"),
            Paragraph(
                "Nothing keeps these neurons together. Numbers that are drawn independently from a "
                "density are all different with probability 1, which is how random weights come to "
                "have no ties. It is the difference that counts, not the chance: weights that are "
                "computed can be all different, too."
            ),
        ]
    if not certificate.holds:
        return []
    sizes = [len(layer) for layer in symmetry.all_classes]
    return [
        Heading("What follows"),
        Paragraph(
            f"At every step this network computes what a network of sizes {sizes} computes, with "
            "one neuron for each class, whose weights are those of a class added up "
            "(`analyze(model).quotient()`). However long it is trained, it can do no better than "
            "the best network of that size."
        ),
        Paragraph(
            "It would take a difference between tied neurons to change that. Numbers that are "
            "drawn independently from a density are all different with probability 1, so random "
            "weights start with no ties. How fast a small difference grows, `tg.symmetry.escape` "
            "predicts and measures."
        ),
    ]


def evidence(certificate: Certificate) -> list[Block]:
    """What was compared in both arithmetics, and the digest."""
    exact, ordinary = certificate.exact, certificate.ordinary
    blocks: list[Block] = [Heading("What was seen")]
    if not certificate.symmetry.is_trivial:
        blocks.append(Paragraph(
            "Numbers were compared bit by bit, but that +0 and -0 count as one number."
        ))  # fmt: skip
        blocks.append(Items([
            f"In order-independent arithmetic: {_seen(exact)}",
            f"In ordinary arithmetic, on this machine ({_machine()}): {_seen(ordinary)}"
            + _afterwards(ordinary, certificate),
        ]))
    blocks += [
        Paragraph(
            f"The loss went from {exact.losses[0]:.6g} to {exact.losses[-1]:.6g}, counted before "
            f"the first and before the last step of the run in order-independent arithmetic. "
            f"SHA-256 of its parameters, at the start and after each step"
            + (
                "; whoever repeats the run gets the same, on any machine:"
                if certificate.is_repeatable
                else ":"
            )
        ),
        Code(certificate.digest),
    ]  # fmt: skip
    return blocks


def _seen(run: Run) -> str:
    told = f"{run.compared:,} comparisons of two numbers, bit by bit, in {_steps(run)}"
    if run.first_break is None:
        return f"{told}; none found a difference."
    return f"after {run.compared:,} comparisons the first difference: " \
           f"{verbatim(str(run.first_break))}."


def _afterwards(run: Run, certificate: Certificate) -> str:
    if run.first_break is None:
        return " It may find one at other widths and minibatches, or on other machines."
    apart = f"up to {run.distance:.1e} apart" if np.isfinite(run.distance) else "not finite"
    told = f" After {_steps(run)}, weights that started equal are {apart}."
    if certificate.holds and _is_rounding(run.first_break, run.model):
        told += " So equal sums were added in different orders, and rounded differently."
    return told


def _is_rounding(found: Break, model: MLP) -> bool:
    """Whether the difference arose in a sum, and is as small as rounding makes it."""
    is_sum = found.operation.removeprefix("derivative of ") in {"matmul", "sum", "mean", "add"}
    precision = float(np.finfo(model.layers[0].weight.dtype).eps)
    return is_sum and found.difference <= precision**0.5 * max(map(abs, found.values))


def _steps(run: Run) -> str:
    return f"{run.steps} step{'s'[: run.steps > 1]}"


def _machine() -> str:
    return f"{platform.machine()}, NumPy {np.__version__}"
