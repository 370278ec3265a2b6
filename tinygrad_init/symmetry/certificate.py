"""The certificate: for one network, why its tied neurons stay tied, and that they did."""

from __future__ import annotations

import copy
import hashlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..autograd import DataError, Tensor, grad, no_grad
from ..autograd.modes import EXACT, PLAIN, in_arithmetic
from ..graph.article import Article, Paragraph, code, verbatim
from ..graph.written import Written
from ..nn import MLP, init, losses, optim
from ..nn.minibatches import passes
from . import proof
from .analysis import Symmetry, analyze, codes
from .blocks import blocks_of, partners
from .derivation import Derivation, activate, derive
from .examples import examples_of, refuse_what_is_no_plain_mlp, whole
from .watch import Batch, Break, Run, watch

Array = NDArray[Any]
MakeOptimiser = Callable[..., optim.Optimiser]


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
class Certificate(Written):
    """What :func:`certify` found; printing it gives the document as text.

    Attributes:
        symmetry: the classes at the start.
        setting: the network, data, loss, optimiser and so on, in words.
        assumptions: what the argument needs, each checked.
        derivation: the chain rule of two tied neurons, for every hidden layer that has some.
        exact: the run in order-independent arithmetic.
        ordinary: the same run in ordinary arithmetic.
        has_seed: whether the minibatches can be drawn again.
    """

    symmetry: Symmetry
    setting: dict[str, str]
    assumptions: list[Assumption]
    derivation: list[Derivation]
    exact: Run
    ordinary: Run
    has_seed: bool
    called = "a certificate"

    @cached_property
    def holds(self) -> bool:
        """Whether neurons were tied, and stayed so in every bit that was compared.

        All of it is computed: some neurons are tied at the start, no assumption was found not to be
        met, the equations of the derivation are true and their two sides equal, nothing differed at
        any step in order-independent arithmetic, all numbers stayed finite, and the classes of the
        start are ties of the trained network.
        """
        return (
            not self.symmetry.is_trivial
            and all(one.is_met is not False for one in self.assumptions)
            and self.exact.diverged is None
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
        """SHA-256 of all parameters of the exact run."""
        return self.exact.digest

    @property
    def is_repeatable(self) -> bool:
        """Whether everybody who repeats the run gets the digest, on any machine.

        So it is if every assumption is known to be met: a function of one's own may have other bits
        elsewhere, and what is drawn without a seed comes out otherwise.
        """
        return self.has_seed and all(one.is_met for one in self.assumptions)

    @cached_property
    def verdict(self) -> str:
        """Whether it holds, in a sentence or two."""
        return proof.verdict(self)

    @cached_property
    def article(self) -> Article:
        """The document, to be written in any of its formats."""
        return Article("Certificate of symmetry", [
            Paragraph(verbatim(self.verdict)),
            *proof.what_is_certified(self),
            *proof.why(self),
            *proof.what_follows(self),
            *proof.evidence(self),
        ])  # fmt: skip

    def __repr__(self) -> str:
        return (
            f"Certificate(holds={self.holds}, effective_widths={self.symmetry.effective_widths}, "
            f"steps={self.exact.steps}, digest={self.digest[:12]!r})"
        )


def certify(
    model: MLP,
    X: ArrayLike | Tensor,
    y: ArrayLike | Tensor,
    loss: str | losses.Loss = "cross_entropy",
    optimizer: str | MakeOptimiser = optim.SGD,
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
        optimizer: the name of an optimiser, a class of ``tg.optim``, or a function of parameters
            and ``lr=`` that makes one.
        lr: the learning rate.
        steps: how many steps to train.
        batch_size: how many examples in a minibatch; all of them unless said.
        rng: draws the minibatches.
        settings: more for the optimiser, such as ``momentum=0.9``.

    Raises:
        DataError: for what is no MLP, inputs that are not finite, or settings that make no sense.
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
    refuse_what_is_no_plain_mlp(model, "certify")
    whole("steps", steps, least=1)
    if batch_size is not None:
        whole("batch_size", batch_size, least=1)
    measure = losses.get(loss)
    symmetry = analyze(model)
    examples, wanted = examples_of(X, y)
    source = init.generator(rng)  # of which each run gets a copy, so that all see the same batches

    def minibatches() -> Iterator[Batch]:
        if batch_size is None:
            return iter([(examples, wanted)] * steps)
        return islice(passes(examples, wanted, batch_size, copy.deepcopy(source)), steps)

    def fresh() -> tuple[MLP, optim.Optimiser]:
        one = copy.deepcopy(model).train()
        return one, _make(optimizer, one.parameters(), lr, settings)

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
        "starting weights": f"SHA-256 {code(_fingerprint(*(p.data for p in model.parameters())))}",
        "data": f"{len(examples)} examples, shape {examples.shape}, SHA-256 "
        f"{code(_fingerprint(examples, wanted))}",
        "loss": code(_name(loss)),
        "optimiser": _optimiser_in_words(optimiser),
        "minibatches": _minibatches_in_words(len(examples), batch_size, rng),
        "steps": str(steps),
    }
    has_seed = batch_size is None or rng is not None
    return Certificate(symmetry, setting, assumptions, derivation, exact, ordinary, has_seed)


def _fingerprint(*arrays: Array) -> str:
    """The first digits of the SHA-256 of arrays, little-endian."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()[:16]


def _minibatches_in_words(count: int, batch_size: int | None, rng: init.Seed) -> str:
    if batch_size is None:
        return "all examples"
    if rng is None:
        drawn = "drawn without a seed"
    elif isinstance(rng, np.random.Generator):
        drawn = "drawn from a generator of yours"
    else:
        drawn = f"seed {rng.entropy if isinstance(rng, np.random.SeedSequence) else rng}"
    return f"{min(batch_size, count)} examples, {drawn}"


def _make(
    optimizer: str | MakeOptimiser, parameters: list[Tensor], lr: float, settings: dict[str, Any]
) -> optim.Optimiser:
    make = optim.get(optimizer)
    known = inspect.signature(make).parameters
    unknown = [name for name in settings if name not in known]
    if unknown and not any(one.kind is one.VAR_KEYWORD for one in known.values()):
        raise DataError(
            f"{_name(make)} has no setting {unknown[0]!r}: it has {', '.join([*known][1:])}; and "
            f"certify itself takes optimizer, lr, steps, batch_size and rng"
        )
    made = make(parameters, lr=lr, **settings)
    if not isinstance(made, optim.Optimiser):
        raise DataError(
            f"optimizer= makes a {type(made).__name__}, which is no optimiser: give the name of "
            f"one, a class of tg.optim, or a function of parameters and lr= that makes one"
        )
    return made


def _name(given: Any) -> str:
    """Of a function or of what acts like one; an address in memory would not be repeatable."""
    return given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)


def _optimiser_in_words(optimiser: optim.Optimiser) -> str:
    groups = [
        ", ".join(
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in group.items()
            if name != "parameters" and value is not False
        )
        for group in optimiser.groups
    ]
    if len(groups) > 1:
        groups = [
            f"group {k + 1} of {len(group['parameters'])} parameters: {told}"
            for k, (group, told) in enumerate(zip(optimiser.groups, groups, strict=True))
        ]
    return f"{code(type(optimiser).__name__)}, {verbatim('; '.join(groups))}"


# What the argument needs.


def _assumptions(
    model: MLP, optimiser: optim.Optimiser, loss: losses.Loss, batch: Batch
) -> list[Assumption]:
    name = type(optimiser).__name__
    is_own_rule = type(optimiser).__module__ != optim.__name__
    memories = [optimiser.memory(parameter) for parameter in model.parameters()]
    is_even = all(
        _is_even(kept, block)
        for memory, block in zip(memories, blocks_of(analyze(model)), strict=True)
        for kept in memory.values()
    )
    settings = [value for group in optimiser.groups for key, value in group.items()
                if key != "parameters"]  # fmt: skip
    has_arrays = any(map(np.ndim, settings))
    is_own_activation = not isinstance(model.activation, str)
    is_own_loss = loss not in losses.BY_NAME.values()
    is_settled = _has_settled_gradients(model, loss, batch)
    # Where masks are drawn, a neuron by itself has another one: that says nothing of the others.
    is_entrywise = not is_settled or _is_entrywise(model, batch[0])
    return [
        Assumption(
            "A sum does not depend on the order of its terms, nor a function on where in an array "
            "its argument stands. (A fact about real numbers; about a computer it is an "
            "assumption.)",
            "By construction: in order-independent arithmetic every sum over an axis and every "
            "product of matrices is the exact real number, rounded once, and elementary functions "
            "are made of correctly rounded operations (`tg.reproducible()`).",
            True,
        ),
        Assumption(
            "All entries of a matrix are moved by one rule: a function of the entry's value, "
            "gradient and memory, and of numbers that are the same for all of them, such as the "
            "rate, the decay, or the number of the step.",
            f"Nothing is known of {code(name)}: see the evidence."
            if is_own_rule
            else f"By construction: {code(name)} is one of `tg.optim`, with the formula below.",
            None if is_own_rule else True,
        ),
        Assumption(
            "The memories of all entries of a block start equal: of the weights from one class to "
            "another, and of the biases of a class.",
            "They do not."
            if not is_even
            else "Checked: they are equal."
            if any(memories)
            else "See the evidence; what it may remember is not known."
            if is_own_rule
            else "Checked: nothing is remembered at the start.",
            False if not is_even else None if is_own_rule else True,
        ),
        Assumption(
            "The settings of the rule are single numbers.",
            "Some are arrays." if has_arrays else "Checked.",
            not has_arrays,
        ),
        Assumption(
            "All neurons of a layer have the same activation, and into it goes a neuron's own sum "
            "and nothing else.",
            "A neuron that is computed without the others of its layer comes out otherwise."
            if not is_entrywise
            else "It is a function of your own: see the evidence."
            if not is_settled
            else "It is a function of your own; on a minibatch it computed each neuron by itself."
            if is_own_activation
            else f"By construction: it is {code(_name(model.activation))}, entry by entry.",
            False if not is_entrywise else None if is_own_activation else True,
        ),
        Assumption(
            "The loss sees the parameters only through the outputs.",
            "It is a function of your own: see the evidence."
            if is_own_loss
            else f"By construction: {code(_name(loss))} is given nothing else.",
            None if is_own_loss else True,
        ),
        Assumption(
            "Nothing is drawn at random on the way, as dropout does for every neuron.",
            "Checked: the gradients of one minibatch, computed twice, are the same."
            if is_settled
            else "The gradients of one minibatch, computed twice, are not the same.",
            is_settled,
        ),
    ]


def _is_even(kept: Array, block: Array) -> bool:
    """Whether a memory is one number on every block."""
    places, firsts = partners(np.zeros(block.shape), block)
    numbers = codes(np.broadcast_to(kept, block.shape)).ravel()
    return bool((numbers[places] == numbers[firsts]).all())


def _is_entrywise(model: MLP, X: Array) -> bool:
    """Whether every hidden neuron by itself computes what it computes beside the others."""
    with in_arithmetic(EXACT), no_grad():
        x: Any = X
        for layer in model.layers[:-1]:
            z = layer(x).data
            x = activate(model.activation, Tensor(z)).data
            alone = [activate(model.activation, Tensor(column)).data for column in _columns(z)]
            if x.shape != z.shape or not np.array_equal(codes(x), codes(np.hstack(alone))):
                return False
    return True


def _columns(array: Array) -> Iterator[Array]:
    return (array[:, c : c + 1] for c in range(array.shape[1]))


def _has_settled_gradients(model: MLP, loss: losses.Loss, batch: Batch) -> bool:
    """Whether they come out the same twice: the loss alone may not tell, where it is flat."""
    with in_arithmetic(EXACT):
        once, again = (grad(loss(model(batch[0]), batch[1]), model.parameters()) for _ in range(2))
    return all(
        np.array_equal(codes(a.data), codes(b.data)) for a, b in zip(once, again, strict=True)
    )
