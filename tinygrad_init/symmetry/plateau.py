r"""How fast copies part: predicted by the curvature of the loss, and measured.

While its neurons are tied a network trains as its quotient does, and stops at a plateau: the best
that so few different neurons can do, or nearly. Let d be a small difference between tied neurons
there, with nothing of what they have in common. To first order its gradient is H d, where H is the
Hessian of the loss, which leads from such *transverse* directions to transverse ones. So a step of
gradient descent makes d - rate * H d of it. Along an eigenvector of eigenvalue -k the difference
grows by the factor 1 + rate * k, step by step, and from size e to size 1 takes
log(1 / e) / log(1 + rate * k) steps: long for small e, but for no e for ever, except for 0.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..autograd import DataError, Tensor, hvp
from ..autograd.modes import EXACT, PLAIN, in_arithmetic
from ..nn import MLP, init, losses, optim
from .analysis import Symmetry, analyze, class_numbers, codes
from .blocks import blocks_of, partners, tied_part
from .examples import examples_of, refuse_what_is_no_plain_mlp, whole
from .spectrum import lowest_eigenpair

Array = NDArray[Any]
Objective = Callable[[Any], Any]  #: from all parameters in one row to the loss

LINEAR = 1e-4  #: differences up to this size are small; ReLU's kinks are felt soon after
ROUNDED = 1e-13  #: differences from here on are more than the rounding that made them
STEADY = 0.05  #: by which share the curvature of a plateau may change during a measurement
APART = 0.1  #: a difference of this size is none any more: the copies have parted
FEWEST = 10  #: steps that a slope is measured from


@dataclass(frozen=True, eq=False, repr=False)
class Escape:
    """What :func:`escape` found; printing it compares the prediction with the measurement.

    Attributes:
        eigenvalue: the most negative one of the Hessian among transverse directions.
        predicted: the growth that it implies, natural logarithm per step.
        eigenvalue_after: the same eigenvalue where the tied network is when the measurement ends.
            A plateau is never quite flat: where this is another number, so is the growth.
        measured: the growth that was seen along the direction of that eigenvalue, the median over
            the steps at which copies were less than 1e-4 apart; ``None`` if these were too few.
        slope: the same of the whole distance, by least squares over the second half of its way (in
            orders of magnitude) to 1e-4: a random difference first has to turn in that direction.
        curve: the distance between copies before each step: the length of all transverse
            differences from the plateau, as one vector.
        along: the part of it in the direction of the eigenvalue.
        wait: after how many steps copies were 0.1 apart; ``None`` if they never were.
        eps: the length of the perturbation.
        reproducible: in which arithmetic it was measured.
        lr: the learning rate.
        momentum: of gradient descent.
        loss: on the plateau.
        plateau: the tied network there.
    """

    eigenvalue: float
    predicted: float
    eigenvalue_after: float
    measured: float | None
    slope: float | None
    curve: Array
    along: Array
    wait: int | None
    eps: float
    reproducible: bool
    lr: float
    momentum: float
    loss: float
    plateau: MLP
    _problem: _Problem = field(repr=False)
    _direction: Array = field(repr=False)

    def again(
        self, eps: float, reproducible: bool = True, steps: int = 2000, rng: init.Seed = 0
    ) -> Escape:
        """Another perturbation of the same plateau.

        ``eps=0`` with ``reproducible=False`` leaves it to the rounding of the BLAS kernels, which
        may tell copies apart or not, as width and minibatch happen to fit them.
        """
        whole("steps", steps, least=0)
        curve, along = self._problem.let_go(
            self._direction, _size(eps), reproducible, self.lr, self.momentum, steps, rng
        )
        small = np.flatnonzero(curve < LINEAR)
        later = self._problem.later(self.lr, self.momentum, len(small))
        return replace(
            self, eigenvalue_after=later.steepest_way_down(0)[0],
            measured=_growth_seen(curve, along, eps), slope=_slope(curve), curve=curve, along=along,
            wait=_first(curve >= APART), eps=eps, reproducible=reproducible,
        )  # fmt: skip

    @property
    def predicted_wait(self) -> float:
        """Steps from the component of the perturbation along the direction to copies 0.1 apart."""
        if not self.predicted > 0 or not self.along[0] > 0:
            return math.inf
        return max(0.0, math.log(APART / float(self.along[0])) / self.predicted)

    @property
    def is_steady(self) -> bool:
        """Whether the curvature stayed the same, but for 5%: if not, this was no plateau yet."""
        return abs(self.eigenvalue_after - self.eigenvalue) <= STEADY * abs(self.eigenvalue)

    def __repr__(self) -> str:
        seen = "None" if self.measured is None else f"{self.measured:.5f}"
        return f"Escape(predicted={self.predicted:.5f}, measured={seen}, eps={self.eps:g})"

    def __str__(self) -> str:
        kind = f"momentum {self.momentum:g}" if self.momentum else "no momentum"
        return "\n".join([
            f"{self.plateau}, tied, after gradient descent at rate {self.lr:g}, {kind}:",
            f"  loss on the plateau                    {self.loss:.6f}",
            f"  most negative transverse eigenvalue    {self.eigenvalue:.5f}, and "
            f"{self.eigenvalue_after:.5f} after the measurement",
            f"  growth per step, predicted             {self.predicted:.5f}",
            f"  growth per step, measured              {self._seen()}",
            *self._slope_line(),
            f"  steps until copies are {APART:g} apart       {self._waited()}",
            f"  ({self._cause()})",
            *self._doubts(),
        ])

    def _seen(self) -> str:
        if not self.curve.any():
            return "there was no difference to measure"
        return self._compared(self.measured)

    def _slope_line(self) -> list[str]:
        if not self.curve.any():
            return []
        return [f"  slope of the logarithm of the distance {self._compared(self.slope)}"]

    def _compared(self, growth: float | None) -> str:
        if growth is None:
            return "too few steps to tell"
        off = f" ({growth / self.predicted - 1:+.2%})" if self.predicted > 0 else ""
        return f"{growth:.5f}{off}"

    def _waited(self) -> str:
        expected = f"predicted {self.predicted_wait:.0f}, " if self.eps else ""
        if self.wait is not None:
            return f"{expected}measured {self.wait}"
        steps = len(self.curve) - 1
        return f"{expected}measured not in {steps} (then {self.curve[-1]:.1e} apart)"

    def _cause(self) -> str:
        arithmetic = "reproducible" if self.reproducible else "ordinary"
        if self.eps:
            return f"from a difference of {self.eps:g}, in {arithmetic} arithmetic"
        if self.reproducible:
            return "from no difference at all, in reproducible arithmetic"
        return "from the rounding of ordinary arithmetic alone"

    def _doubts(self) -> list[str]:
        if not self.eigenvalue:
            return ["  The loss is flat here to second order: no growth is predicted."]
        if self.is_steady:
            return []
        return [
            "  This is no plateau yet: the curvature changed during the measurement, and a "
            "prediction from\n  its start is not for the whole. Raise plateau_steps, or lower the "
            "rate."
        ]


def escape(
    model: MLP,
    X: ArrayLike | Tensor,
    y: ArrayLike | Tensor,
    loss: str | losses.Loss = "cross_entropy",
    lr: float = 0.2,
    plateau_steps: int = 2000,
    eps: float = 1e-9,
    momentum: float = 0.0,
    reproducible: bool = True,
    steps: int = 2000,
    rng: init.Seed = 0,
) -> Escape:
    """Train a tied network to its plateau, predict how fast copies part there, and let them.

    All by gradient descent on all examples, in float64. Up to the plateau the quotient is trained
    in place of the network (see :meth:`Symmetry.rate_factors`), which is the same and quicker, and
    cannot come apart. Then a random transverse perturbation is added.

    Args:
        model: an MLP with tied neurons, such as one of constant weights; it is left as it is.
        X: inputs, shape (N, inputs).
        y: what the loss takes, N of them.
        loss: a loss or its name.
        lr: the learning rate.
        plateau_steps: how many steps to the plateau.
        eps: the length of the perturbation, from 0 to below 1e-5.
        momentum: from 0 to below 1.
        reproducible: the arithmetic in which the perturbed network is trained.
        steps: how long to wait for copies to be 0.1 apart, at the most.
        rng: draws the perturbation.

    Raises:
        DataError: for what is no MLP, has no tied neurons or an activation that mixes them, for
            training that diverges, or for settings that make no sense.

    >>> import tinygrad_init as tg
    >>> digits = tg.data.load("digits")
    >>> X, y = digits.X_train[:100], digits.y_train[:100]
    >>> model = tg.nn.MLP([64, 5, 10], weight_init="constant")
    >>> found = tg.symmetry.escape(model, X, y, lr=0.2, plateau_steps=1000, eps=1e-8)
    >>> abs(found.measured / found.predicted - 1) < 0.03
    True
    """
    refuse_what_is_no_plain_mlp(model, "escape")
    symmetry = analyze(model)
    if symmetry.is_trivial:
        raise DataError(
            f"no two neurons of {model} are tied, so there is nothing to escape from: start from "
            f'constant weights, for one, with weight_init="constant"'
        )
    whole("plateau_steps", plateau_steps, least=0)
    whole("steps", steps, least=0)
    _size(eps)
    optim.SGD(model.parameters(), lr, momentum)  # refuses what is out of range
    examples, wanted = examples_of(X, y)
    problem = _Problem(model, symmetry, examples, wanted, losses.get(loss))
    with np.errstate(over="ignore", invalid="ignore"):
        problem.train(lr, momentum, plateau_steps)
    if not np.isfinite(problem.loss()):
        raise DataError(
            f"gradient descent at rate {lr:g} diverged on the way to the plateau: lower the rate"
        )
    eigenvalue, direction = problem.steepest_way_down(rng)
    start = Escape(
        eigenvalue, growth(eigenvalue, lr, momentum), eigenvalue, None, None, np.zeros(1),
        np.zeros(1), None, eps, reproducible, lr, momentum, problem.loss(), problem.model, problem,
        direction,
    )  # fmt: skip
    return start.again(eps, reproducible, steps, rng)


def growth(eigenvalue: float, lr: float, momentum: float = 0.0) -> float:
    """The natural logarithm of the factor by which a step stretches a small difference.

    A difference d with velocity v, in the direction of an eigenvector of the Hessian: the step is
    ``v = momentum * v + eigenvalue * d``, then ``d = d - lr * v``; a matrix of two by two, whose
    largest eigenvalue wins. Without momentum it is ``log|1 - lr * eigenvalue|``.

    >>> round(growth(-0.4867, lr=0.2), 4)
    0.0929
    """
    step = np.array([[1 - lr * eigenvalue, -lr * momentum], [eigenvalue, momentum]])
    return float(np.log(np.abs(np.linalg.eigvals(step)).max()))


def _size(eps: float) -> float:
    if not (isinstance(eps, (int, float, np.number)) and 0 <= eps < LINEAR / 10):
        raise DataError(
            f"eps is the length of a small perturbation, from 0 to below {LINEAR / 10:g}, "
            f"got {eps!r}"
        )
    return eps


def _growth_seen(curve: Array, along: Array, eps: float) -> float | None:
    """The median growth of the component while differences are small.

    The component along an eigenvector grows by its factor from the first step on, whatever else the
    perturbation contains. A median, because the kinks of ReLU, when the copies cross one at
    different steps, kick the difference.
    """
    smallest = ROUNDED if eps == 0 else 0.0
    is_small = (curve > smallest) & (curve < LINEAR) & (along > 0)
    steps = np.flatnonzero(is_small[:-1] & is_small[1:])
    if len(steps) < FEWEST:
        return None
    return float(np.median(np.log(along[steps + 1] / along[steps])))


def _slope(curve: Array) -> float | None:
    """The slope of the logarithm of the distance, over the second half of its way to 1e-4."""
    positive = curve[curve > 0]
    if not positive.size:
        return None
    middle = math.sqrt(max(float(positive[0]), ROUNDED) * LINEAR)
    (steps,) = np.nonzero((curve > middle) & (curve < LINEAR))
    if len(steps) < FEWEST:
        return None
    return float(np.polyfit(steps, np.log(curve[steps]), 1)[0])


def _first(is_so: Array) -> int | None:
    found = np.flatnonzero(is_so)
    return int(found[0]) if len(found) else None


class _Problem:
    """A tied network, its data and its loss; in float64, whatever the network was in."""

    def __init__(
        self, model: MLP, symmetry: Symmetry, X: Array, y: Array, loss: losses.Loss
    ) -> None:
        self.model = MLP(model.sizes, model.activation, "zeros")
        for mine, given in zip(self.model.parameters(), model.parameters(), strict=True):
            mine.data = given.data
        self.symmetry = symmetry
        self.blocks = blocks_of(symmetry)
        self.small = analyze(self.model).quotient()
        self.velocities = [np.zeros(parameter.shape) for parameter in self.small.parameters()]
        self.X, self.y, self.measure = X, y, loss
        if not np.allclose(self.small(X).data, self.model(X).data, rtol=1e-6, atol=1e-9):
            raise DataError(
                "the quotient of this network computes something else: its activation mixes the "
                "neurons of a layer, and one neuron cannot stand for a class"
            )

    def loss(self) -> float:
        """At the present parameters."""
        return float(self.measure(self.model(self.X), self.y).data)

    def later(self, lr: float, momentum: float, steps: int) -> _Problem:
        """The same network some steps on, with its ties."""
        other = copy.deepcopy(self)
        other.train(lr, momentum, steps)
        return other

    def train(self, lr: float, momentum: float, steps: int) -> None:
        """Train the quotient, and move the tied network as it moves."""
        start = [parameter.data.copy() for parameter in self.small.parameters()]
        factors = [one for pair in self.symmetry.rate_factors() for one in pair]
        with in_arithmetic(PLAIN):
            for _ in range(steps):
                self.small.zero_grad()
                self.measure(self.small(self.X), self.y).backward()
                for parameter, factor, velocity in zip(
                    self.small.parameters(), factors, self.velocities, strict=True
                ):
                    velocity *= momentum
                    velocity += parameter.grad
                    parameter.data -= lr * factor * velocity
        moved = self._lift(
            [now.data - before for now, before in zip(self.small.parameters(), start, strict=True)]
        )
        for parameter, change in zip(self.model.parameters(), moved, strict=True):
            parameter.data = parameter.data + change

    def _lift(self, changes: Sequence[Array]) -> list[Array]:
        """Changes of the quotient's parameters, as changes of the network's.

        A weight of the quotient stands for the sum over a class, whose members share the change.
        """
        numbers = [class_numbers(layer) for layer in self.symmetry.all_classes]
        lifted = []
        for k, (before, after) in enumerate(itertools.pairwise(numbers)):
            shared = changes[2 * k] / np.bincount(before)[:, np.newaxis]
            lifted += [shared[before][:, after], changes[2 * k + 1][after]]
        return lifted

    def steepest_way_down(self, rng: init.Seed) -> tuple[float, Array]:
        """The lowest eigenvalue of the Hessian among transverse directions, and a direction."""
        at = _flat([parameter.data for parameter in self.model.parameters()])
        products = hvp(self._objective())

        def product(v: Array) -> Array:
            return self._transverse(products(at, self._transverse(v.ravel())).data)

        with in_arithmetic(PLAIN):
            value, direction = lowest_eigenpair(product, self._random_direction(at.size, rng))
        direction = self._transverse(direction)
        return value, direction / np.linalg.norm(direction)

    def let_go(
        self, direction: Array, eps: float, reproducible: bool, lr: float, momentum: float,
        steps: int, rng: init.Seed,
    ) -> tuple[Array, Array]:  # fmt: skip
        """Distances between copies before each step, and their parts along a direction."""
        model = copy.deepcopy(self.model)
        plateau = _flat([parameter.data for parameter in model.parameters()])
        push = eps * self._random_direction(plateau.size, rng)
        for parameter, change in zip(model.parameters(), self._parts(push), strict=True):
            parameter.data = parameter.data + change
        optimiser = optim.SGD(model.parameters(), lr, momentum)
        curve, along = [], []
        with in_arithmetic(EXACT if reproducible else PLAIN):
            for step in range(steps + 1):
                now = _flat([parameter.data for parameter in model.parameters()])
                difference = self._transverse(now - plateau)
                if not eps and self.are_tied(model):
                    difference[:] = 0.0  # what there is is the rounding of this very subtraction
                curve.append(float(np.linalg.norm(difference)))
                along.append(abs(float(direction @ difference)))
                if step == steps or not curve[-1] < APART:
                    break
                optimiser.zero_grad()
                self.measure(model(self.X), self.y).backward()
                optimiser.step()
        return np.array(curve), np.array(along)

    def are_tied(self, model: MLP) -> bool:
        """Whether entries that were equal and together on the plateau are so in ``model``."""
        for mine, other, block in zip(
            self.model.parameters(), model.parameters(), self.blocks, strict=True
        ):
            places, firsts = partners(mine.data, block)
            now = codes(other.data).ravel()
            if (now[places] != now[firsts]).any():
                return False
        return True

    def _random_direction(self, size: int, rng: init.Seed) -> Array:
        """A transverse one, of length 1."""
        drawn = self._transverse(init.normal(0.0, 1.0)((size,), rng))
        return drawn / np.linalg.norm(drawn)

    def _transverse(self, flat: Array) -> Array:
        """What differs within the blocks."""
        parts = self._parts(flat)
        return flat - _flat(tied_part(parts, self.blocks))

    def _parts(self, flat: Array) -> list[Array]:
        """A row of all parameters, cut into their shapes."""
        cuts = np.cumsum([block.size for block in self.blocks])[:-1]
        pieces = np.split(flat, cuts)
        return [part.reshape(block.shape) for part, block in zip(pieces, self.blocks, strict=True)]

    def _objective(self) -> Objective:
        """The loss as a function of all parameters in one row."""
        shell = copy.deepcopy(self.model)
        ends = np.cumsum([block.size for block in self.blocks]).tolist()
        places = [
            (slice(end - block.size, end), block.shape)
            for block, end in zip(self.blocks, ends, strict=True)
        ]

        def objective(flat: Tensor) -> Any:
            parts = iter([flat[place].reshape(shape) for place, shape in places])
            for layer in shell.layers:
                layer.weight, layer.bias = next(parts), next(parts)
            return self.measure(shell(self.X), self.y)

        return objective


def _flat(arrays: Sequence[Array]) -> Array:
    return np.concatenate([array.ravel() for array in arrays])
