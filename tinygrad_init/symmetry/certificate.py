"""The certificate: for one network, why its tied neurons stay tied, and that they did."""

from __future__ import annotations

import copy
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..autograd import DataError, ShapeError, Tensor, grad
from ..autograd.modes import EXACT, PLAIN, in_arithmetic
from ..graph.article import (
    Article,
    Block,
    Code,
    Formula,
    Heading,
    Items,
    Paragraph,
    Table,
    code,
    verbatim,
)
from ..graph.render import write_whole
from ..nn import ACTIVATIONS, MLP, init, losses, optim
from ..nn.minibatches import passes
from .analysis import Symmetry, analyze, codes
from .derivation import Derivation, derive
from .watch import Batch, Break, Run, watch

Array = NDArray[Any]
MakeOptimiser = Callable[..., optim.Optimiser]

#: what a certificate can be written as, by the suffix of the file
WRITERS: Mapping[str, Callable[[Article], str]] = {
    ".txt": Article.to_text,
    ".md": Article.to_markdown,
    ".tex": Article.to_latex,
    ".html": Article.to_html,
}
SHOWN_CLASSES = 6  #: of a layer, in a table


@dataclass(frozen=True)
class Assumption:
    """Something that the argument needs.

    Attributes:
        claim: what is assumed.
        finding: how it was checked, and what was found.
        is_met: whether it is; ``None`` where only the evidence can tell.
    """

    claim: str
    finding: str
    is_met: bool | None


@dataclass(frozen=True, eq=False)
class Certificate:
    """What :func:`certify` found; printing it gives the document as text.

    Attributes:
        symmetry: the classes at the start.
        setting: the network, data, loss, optimiser and so on, in words.
        assumptions: what the argument needs, each checked.
        derivation: the chain rule of two tied neurons, for every hidden layer that has some.
        exact: the run in order-independent arithmetic.
        ordinary: the same run in ordinary arithmetic.
    """

    symmetry: Symmetry
    setting: dict[str, str]
    assumptions: list[Assumption]
    derivation: list[Derivation]
    exact: Run
    ordinary: Run

    @cached_property
    def holds(self) -> bool:
        """Whether neurons were tied, and stayed so in every bit that was compared.

        All of it is computed: some neurons are tied at the start, the two sides of the derivation
        are equal, nothing differed at any step in order-independent arithmetic, and the classes of
        the start are ties of the trained network.
        """
        return (
            not self.symmetry.is_trivial
            and all(one.holds for one in self.derivation)
            and self.exact.first_break is None
            and self.symmetry.holds_for(self.exact.model)
        )

    @property
    def first_break(self) -> Break | None:
        """Where ordinary arithmetic first told two tied neurons apart, if it did."""
        return self.ordinary.first_break

    @property
    def digest(self) -> str:
        """SHA-256 of all parameters of the exact run, which everybody gets who repeats it."""
        return self.exact.digest

    @cached_property
    def verdict(self) -> str:
        """Whether it holds, in a sentence or two."""
        return _verdict(self)

    @cached_property
    def article(self) -> Article:
        """The document, to be written in any of its formats."""
        return Article("Certificate of symmetry", [
            Paragraph(verbatim(self.verdict)),
            *_what_is_certified(self),
            *_why(self),
            *_evidence(self),
        ])  # fmt: skip

    def to_text(self) -> str:
        """The document as plain text."""
        return self.article.to_text()

    def to_markdown(self) -> str:
        """The document in Markdown, formulas between dollars."""
        return self.article.to_markdown()

    def to_latex(self) -> str:
        """The document in LaTeX, to be compiled as it is."""
        return self.article.to_latex()

    def to_html(self) -> str:
        """The document as a page that needs nothing else."""
        return self.article.to_html()

    def render(self, path: str | os.PathLike[str]) -> Path:
        """Write the document to a file, in the format that its suffix says.

        Returns:
            The path.

        Raises:
            DataError: for a suffix other than .txt, .md, .tex and .html.
        """
        target = Path(path)
        if target.suffix.lower() not in WRITERS:
            raise DataError(
                f"cannot write a certificate to {target.name!r}: the suffix says the format, and "
                f"the known ones are {', '.join(WRITERS)}"
            )
        write_whole(target, WRITERS[target.suffix.lower()](self.article).encode())
        return target

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return (
            f"Certificate(holds={self.holds}, effective_widths={self.symmetry.effective_widths}, "
            f"steps={self.exact.steps}, digest={self.digest[:12]!r})"
        )

    def _repr_markdown_(self) -> str:
        return self.to_markdown()


def certify(
    model: MLP,
    X: ArrayLike | Tensor,
    y: ArrayLike | Tensor,
    loss: str | losses.Loss = "cross_entropy",
    optimizer: MakeOptimiser = optim.SGD,
    lr: float = 0.1,
    steps: int = 50,
    batch_size: int | None = None,
    rng: init.Seed = 0,
    **settings: Any,
) -> Certificate:
    """Show for this network which neurons are tied, why they stay tied, and that they did.

    A copy is trained twice, in order-independent and in ordinary arithmetic, and at every step
    everything that tied neurons have in common is compared, bit by bit.

    Args:
        model: an MLP; it is left as it is.
        X: inputs of shape (N, inputs).
        y: what the loss takes, N of them.
        loss: a loss or its name.
        optimizer: a class of ``tg.optim``, or a function of parameters and ``lr=`` that makes one.
        lr: the learning rate.
        steps: how many steps to train.
        batch_size: how many examples in a minibatch; all of them unless said.
        rng: draws the minibatches.
        settings: more for the optimiser, such as ``momentum=0.9``.

    Raises:
        DataError: for what is no MLP, or for settings that make no sense.
        ShapeError: if X and y do not go in pairs.

    >>> import numpy as np
    >>> import tinygrad_init as tg
    >>> X, y = np.eye(4), [0, 1, 2, 0]
    >>> tied = tg.symmetry.certify(tg.nn.MLP([4, 6, 3], weight_init="constant"), X, y, steps=10)
    >>> tied.holds, tied.symmetry.effective_widths
    (True, [1])
    >>> tied
    Certificate(holds=True, effective_widths=[1], steps=10, digest='...')
    >>> tg.symmetry.certify(tg.nn.MLP([4, 6, 3], rng=0), X, y, steps=10).holds
    False
    """
    if not isinstance(model, MLP):
        raise DataError(f"certify takes an MLP, got {type(model).__name__}")
    if steps < 1:
        raise DataError(f"a certificate needs one step of training or more, got steps={steps}")
    measure = losses.get(loss)
    symmetry = analyze(model)
    examples, wanted = _as_array(X), _as_array(y)
    if len(examples) != len(wanted):
        raise ShapeError(
            f"there are {len(examples)} examples and {len(wanted)} labels: they go in pairs"
        )
    source = init.generator(rng)  # of which each run gets a copy, so that all see the same batches

    def minibatches() -> Iterator[Batch]:
        if batch_size is None:
            return iter([(examples, wanted)] * steps)
        return islice(passes(examples, wanted, batch_size, copy.deepcopy(source)), steps)

    def fresh() -> tuple[MLP, optim.Optimiser]:
        one = copy.deepcopy(model).train()
        made = optimizer(one.parameters(), lr=lr, **settings)
        if not isinstance(made, optim.Optimiser):
            raise DataError(
                f"optimizer= makes a {type(made).__name__}, which is no optimiser: give a class "
                f"of tg.optim, or a function of parameters and lr= that makes one"
            )
        return one, made

    def run(arithmetic: int) -> Run:
        one, optimiser = fresh()
        with in_arithmetic(arithmetic):
            return watch(one, minibatches(), measure, optimiser, symmetry)

    # A run that diverges shows it in its numbers; NumPy need not warn.
    with np.errstate(over="ignore", invalid="ignore"):
        exact, ordinary = run(EXACT), run(PLAIN)
        derivation: list[Derivation] = []
        if not symmetry.is_trivial and exact.first_break is None:
            one, optimiser = fresh()
            with in_arithmetic(EXACT):
                derivation = derive(one, minibatches(), measure, optimiser, symmetry)
    one, optimiser = fresh()
    assumptions = _assumptions(one, optimiser, measure, next(minibatches()))
    setting = {
        "network": code(f"MLP({model.sizes}), {_name(model.activation)}"),
        "numbers": str(model.layers[0].weight.dtype),
        "data": f"{len(examples)} examples, shape {examples.shape}",
        "loss": code(_name(loss)),
        "optimiser": _optimiser_in_words(optimiser),
        "minibatches": "all examples" if batch_size is None else f"{batch_size} examples",
        "steps": str(steps),
    }
    return Certificate(symmetry, setting, assumptions, derivation, exact, ordinary)


def _as_array(data: Any) -> Array:
    return np.asarray(data.data if isinstance(data, Tensor) else data)


def _name(given: Any) -> str:
    """Of a function or of what acts like one; an address in memory would not be repeatable."""
    return given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)


def _optimiser_in_words(optimiser: optim.Optimiser) -> str:
    group = {k: v for k, v in optimiser.groups[0].items() if k != "parameters" and v is not False}
    told = ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
                     for name, value in group.items())  # fmt: skip
    return f"{code(type(optimiser).__name__)}, {verbatim(told)}"


# What the argument needs.


def _assumptions(
    model: MLP, optimiser: optim.Optimiser, loss: losses.Loss, batch: Batch
) -> list[Assumption]:
    name = type(optimiser).__name__
    is_known = type(optimiser).__module__ == optim.__name__
    memories = [optimiser.memory(parameter) for parameter in model.parameters()]
    settings = [value for group in optimiser.groups for key, value in group.items()
                if key != "parameters"]  # fmt: skip
    is_settled = _has_settled_gradients(model, loss, batch)
    return [
        Assumption(
            "A sum does not depend on the order of its terms.",
            "So it is in order-independent arithmetic: every sum over an axis and every product of "
            "matrices is the exact real number, rounded once (`tg.reproducible()`).",
            True,
        ),
        Assumption(
            "The optimiser moves each entry by a rule that looks at nothing but this entry: its "
            "value, its gradient, and what is remembered of them.",
            f"{code(name)} is one of `tg.optim`, and they all do."
            if is_known
            else f"Nothing is known of {code(name)}: see the evidence.",
            True if is_known else None,
        ),
        Assumption(
            "What it remembers starts at zero.",
            "It remembers nothing yet."
            if not any(memories)
            else "It starts with a memory of its own.",
            not any(memories),
        ),
        Assumption(
            "Its settings are numbers, the same for all entries of a matrix.",
            "They are." if not any(map(np.ndim, settings)) else "Some are arrays.",
            not any(map(np.ndim, settings)),
        ),
        Assumption(
            "Every neuron of a layer has the same activation, and nothing but its own sum goes in.",
            f"It is {code(_name(model.activation))}, entry by entry."
            if model.activation in ACTIVATIONS
            else "It is a function of your own: see the evidence.",
            True if model.activation in ACTIVATIONS else None,
        ),
        Assumption(
            "Nothing is drawn at random for single neurons, as dropout does.",
            "The gradients of one minibatch, computed twice, are the same."
            if is_settled
            else "The gradients of one minibatch, computed twice, are not the same.",
            is_settled,
        ),
    ]  # fmt: skip


def _has_settled_gradients(model: MLP, loss: losses.Loss, batch: Batch) -> bool:
    """Whether they come out the same twice: the loss alone may not tell, where it is flat."""
    with in_arithmetic(EXACT):
        once, again = (grad(loss(model(batch[0]), batch[1]), model.parameters()) for _ in range(2))
    return all(
        np.array_equal(codes(a.data), codes(b.data)) for a, b in zip(once, again, strict=True)
    )


# The document.


def _verdict(certificate: Certificate) -> str:
    symmetry, exact = certificate.symmetry, certificate.exact
    widths, after = _widths(symmetry), _widths(analyze(exact.model))
    if symmetry.is_trivial:
        return (
            "There is nothing to certify: no two neurons of this network are tied. "
            f"Different neurons in its hidden layers: {widths or 'it has none'}."
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
    return "It does not hold: the two sides of the derivation below are not equal."


def _widths(symmetry: Symmetry) -> str:
    told = [f"{len(layer)} of {sum(map(len, layer))}" for layer in symmetry.classes]
    return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)


def _what_is_certified(certificate: Certificate) -> list[Block]:
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
            f"round{'s'[: certificate.symmetry.rounds > 1]}: all neurons of a layer start in one "
            f"class, and classes are split until the claim is true of the weights at the start."
        ),
    ]


def _classes(layer: tuple[tuple[int, ...], ...]) -> str:
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


def _why(certificate: Certificate) -> list[Block]:
    if certificate.symmetry.is_trivial:
        return []
    marks = {True: "Checked.", False: "NOT MET.", None: "Not known."}
    blocks: list[Block] = [
        Heading("What is assumed"),
        Items([f"{one.claim} {marks[one.is_met]} {one.finding}" for one in certificate.assumptions],
              is_numbered=True),
    ]  # fmt: skip
    if not certificate.derivation:
        return blocks
    blocks += [
        Heading("The chain rule of two tied neurons, side by side"),
        Paragraph(
            "Every line of the chain rule is a sum of products. For two neurons of one class these "
            "sums have the same terms, perhaps in another order, so by assumption 1 they are the "
            "same number. $L$ is the loss, $n$ an example, $\\varphi$ the activation; layers are "
            "numbered from 1. Terms are shown with four digits, the largest first, and sums with "
            "all the digits that tell a number from its neighbours."
        ),
    ]
    for one in certificate.derivation:
        blocks += one.blocks()
    return [*blocks, *_induction()]


def _induction() -> list[Block]:
    return [
        Heading("Why it lasts"),
        Paragraph(
            "Let C be a class of one layer and D a class of the next, and look at the block of "
            "weights $W_{c,d}$ from the neurons c of C to the neurons d of D. Suppose that before "
            "a step each row of the block has the same numbers as the other rows, and each column "
            "the same as the other columns, in any order; and so in every block."
        ),
        Items([
            "Forward, layer by layer: the neurons of C give equal numbers $h_c$, so each neuron d "
            "sums the same products $h_c W_{c,d}$, adds the same bias, and gives the same number.",
            "Backward, layer by layer from the end: the gradients $\\delta_d$ at the neurons of D "
            "are equal, so each neuron c sums the same products $W_{c,d} \\delta_d$.",
            "So the gradient of the whole block is one number, the sum of $h_c \\delta_d$ over the "
            "examples:",
        ], is_numbered=True),
        Formula(
            r"\frac{\partial L}{\partial W_{c,d}} = \sum_n h_{n,c} \delta_{n,d} "
            r"\quad \text{ is the same for all } c \in C, d \in D"
        ),
        Paragraph(
            "Entries of the block that are equal, with equal memories, therefore move alike and "
            "stay equal, and keep equal memories. So after the step the rows of the block still "
            "have the same numbers as one another, and the columns too: what held before the step "
            "holds after it. It holds at the start, where all memories are zero; by induction it "
            "holds after every step, whatever the minibatches are. (A colouring like this is "
            "called balanced; that dynamics leave it alone is known from coupled cells: Stewart, "
            "Golubitsky and Pivato 2003. That it survives rounding is due to assumption 1.)"
        ),
    ]  # fmt: skip


def _evidence(certificate: Certificate) -> list[Block]:
    exact, ordinary = certificate.exact, certificate.ordinary
    blocks: list[Block] = [Heading("What was seen")]
    if not certificate.symmetry.is_trivial:
        blocks.append(Items([
            f"In order-independent arithmetic: {_seen(exact)}",
            f"In ordinary arithmetic, on this machine ({_machine()}): {_seen(ordinary)}"
            + _afterwards(ordinary, is_rounding=exact.first_break is None),
        ]))
    blocks += [
        Paragraph(
            f"The loss went from {exact.losses[0]:.6g} to {exact.losses[-1]:.6g}, counted before "
            f"the first and before the last step of the run in order-independent arithmetic. "
            f"SHA-256 of its parameters, at the start and after each step"
            + ("; whoever repeats the run gets the same, on any machine:"
               if certificate.assumptions[-1].is_met else ":")
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


def _afterwards(run: Run, is_rounding: bool) -> str:
    if run.first_break is None:
        return " It may find one at other widths and minibatches, or on other machines."
    told = f" After {_steps(run)}, weights that started equal are up to {run.distance:.1e} apart."
    if is_rounding:
        told += " So equal sums were added in different orders, and rounded differently."
    return told


def _steps(run: Run) -> str:
    return f"{run.steps} step{'s'[: run.steps > 1]}"


def _machine() -> str:
    return f"{platform.machine()}, NumPy {np.__version__}"
