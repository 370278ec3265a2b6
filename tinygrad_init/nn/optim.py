"""Optimisers: how parameters follow their gradients downhill.

An update acts on each entry alone, from its own gradient, history and value, by ``+ - * /`` and the
square root. So its bits are the same on every machine, and entries that start equal and receive
equal gradients stay equal: no optimiser here breaks a tie. Powers such as ``beta**t`` are running
products, since the power function of a C library is not the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from operator import is_
from typing import Any, TypeVar, overload

import numpy as np

from ..autograd import DataError, F, ShapeError, Tensor
from ..autograd.tape import data_of
from .rows import LONGEST, Array, Row, State, joined

Function = TypeVar("Function", bound=Callable[..., Any])

#: What settings may be: from the first number on, and below the second.
RANGES = {
    "lr": (0, math.inf), "momentum": (0, 1), "weight_decay": (0, math.inf), "eps": (0, math.inf),
    "beta1": (0, 1), "beta2": (0, 1), "decay": (0, 1),
}  # fmt: skip

_DECAY = r"g \leftarrow g + \lambda w, \quad "  #: coupled weight decay, in formulas


class Optimiser:
    """What all optimisers have in common: groups of parameters, their settings, and their states.

    Args:
        parameters: Tensors that require a gradient, or groups of them: dictionaries with
            ``"parameters"`` and settings of their own, such as ``"lr"``.
        settings: what holds for a group that does not say otherwise.

    Attributes:
        groups: dictionaries with ``"parameters"`` and all settings; may be changed between steps.

    Raises:
        DataError: for what is no parameter, is listed twice, or for a setting out of its range.

    >>> import tinygrad_init as tg
    >>> a, b = (tg.Tensor([1.0], requires_grad=True) for _ in range(2))
    >>> optimiser = tg.optim.SGD([{"parameters": [a], "lr": 1.0}, {"parameters": [b]}], lr=0.5)
    >>> (a + b).sum().backward()
    >>> optimiser.step()
    >>> a.data, b.data
    (array([0.]), array([0.5]))
    """

    def __init__(self, parameters: Iterable[Any], **settings: Any) -> None:
        self.groups = [{**settings, **group} for group in _as_groups(parameters)]
        for group in self.groups:
            unknown = group.keys() - settings.keys() - {"parameters"}
            if unknown:
                raise DataError(
                    f"{type(self).__name__} has no setting {min(unknown)!r}: "
                    f"it has {', '.join(settings)}"
                )
            for name, value in group.items():
                self._refuse_out_of_range(name, value)
        self._rows: list[Row] = []
        self._spare: Array = np.empty(0)
        self._arrange()

    def _refuse_out_of_range(self, name: str, value: Any) -> None:
        low, high = RANGES.get(name, (-math.inf, math.inf))
        is_number = isinstance(value, (int, float, np.integer, np.floating))
        if name in RANGES and not (is_number and low <= value < high):
            raise DataError(
                f"{type(self).__name__} wants {name} from {low} to below {high}, got {value!r}"
            )

    @property
    def parameters(self) -> list[Tensor]:
        """The parameters of all groups."""
        return [parameter for group in self.groups for parameter in group["parameters"]]

    @property
    def lr(self) -> float:
        """The learning rate (of the first group); assigning sets that of all groups."""
        rate: float = self.groups[0]["lr"]
        return rate

    @lr.setter
    def lr(self, rate: float) -> None:
        self._refuse_out_of_range("lr", rate)
        for group in self.groups:
            group["lr"] = rate

    @property
    def formula(self) -> str:
        """The update of one entry in LaTeX: weight w, gradient g, rate eta, decay lambda."""
        return ""

    def _has(self, setting: str) -> bool:
        """Whether some group has that setting other than 0."""
        return any(group.get(setting) for group in self.groups)

    def memory(self, parameter: Tensor) -> dict[str, Array]:
        """What is remembered of each entry of a parameter, such as its velocity; a copy.

        Empty before the first step: every memory starts at zero.

        >>> import tinygrad_init as tg
        >>> w = tg.Tensor([1.0], requires_grad=True)
        >>> optimiser = tg.optim.SGD([w], lr=0.1, momentum=0.9)
        >>> w.sum().backward()
        >>> optimiser.step()
        >>> optimiser.memory(w)
        {'velocity': array([1.])}
        """
        for row in self._rows:
            for single in row.apart():
                if single.parameters[0] is parameter:
                    kept = single.state.items()
                    return {k: array.copy() for k, array in kept if isinstance(array, np.ndarray)}
        raise DataError(f"{parameter.describe()} is not a parameter of this optimiser")

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        given = [group["parameters"] for group in self.groups]
        if len(given) != len(self._arranged) or not all(map(is_, given, self._arranged)):
            self._arrange()
        for row in tuple(self._rows):
            gradient = row.gradient()
            if gradient is NotImplemented:
                singles = row.apart()
                self._rows = [each for each in self._rows if each is not row] + singles
                for single in singles:
                    self._move(single, single.gradient())
            else:
                self._move(row, gradient)

    def _move(self, row: Row, gradient: Any) -> None:
        if gradient is not None:
            row.move(self._change(row.data, gradient, row.state, row.settings))

    def _scaled(self, change: Array, rate: Any) -> Array:
        """``rate * change``, for large arrays in memory that is kept from step to step.

        It lies above the gradients, so that the C library does not give their memory back to the
        system each time they are forgotten: 8 of the 104 ms of a step of a 1024-1024-1024-1024 MLP.
        """
        if change.size <= LONGEST or type(rate) is not float:
            return rate * change
        if self._spare.size < change.size or self._spare.dtype != change.dtype:
            self._spare = np.empty(change.size, change.dtype)
        return np.multiply(change, rate, out=self._spare[: change.size].reshape(change.shape))

    def _arrange(self) -> None:
        """Put the parameters into rows; what is remembered of them stays with them."""
        for group in self.groups:
            group["parameters"] = tuple(group["parameters"])
        _refuse_what_cannot_be_optimised(self.parameters)
        known = {id(one.parameters[0]): one.state for row in self._rows for one in row.apart()}
        singles = [
            Row(group, [parameter], known.get(id(parameter)))
            for group in self.groups for parameter in group["parameters"]
        ]  # fmt: skip
        is_entrywise = getattr(type(self)._change, "is_entrywise", False)
        self._rows = joined(singles) if is_entrywise else singles
        self._arranged = [group["parameters"] for group in self.groups]

    def __getstate__(self) -> dict[str, Any]:
        """For pickling and copying: each parameter will have memory of its own there."""
        rows = [one for row in self._rows for one in row.apart()]
        return {**vars(self), "_rows": rows, "_spare": np.empty(0)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._arrange()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.groups:
            for parameter in group["parameters"]:
                parameter.grad = None

    def _change(
        self, w: Array, gradient: Array, state: State, settings: Mapping[str, Any]
    ) -> Array:
        """How much to take from ``w``, of its shape; what is to be remembered goes to ``state``.

        Decorated with :func:`entrywise`, it is given the entries of several parameters in one row.
        """
        raise NotImplementedError


def _as_groups(parameters: Any) -> list[dict[str, Any]]:
    if not isinstance(parameters, Iterable) or isinstance(parameters, (Tensor, Mapping)):
        raise DataError(
            f"an optimiser takes a list of parameters, got {type(parameters).__name__}: "
            f"write model.parameters(), or [w] for one Tensor"
        )
    given = list(parameters)
    groups = given if given and isinstance(given[0], Mapping) else [{"parameters": given}]
    for group in groups:
        if not isinstance(group, Mapping) or "parameters" not in group:
            raise DataError(
                f"a group of parameters is a dictionary with 'parameters', got {group!r}"
            )
    return [{**group, "parameters": list(group["parameters"])} for group in groups]


def _refuse_what_cannot_be_optimised(parameters: list[Any]) -> None:
    if not parameters:
        raise DataError("there is nothing to optimise: no parameters were given")
    for parameter in parameters:
        if not isinstance(parameter, Tensor) or not parameter.requires_grad:
            raise DataError(f"cannot optimise {parameter!r}: it requires no gradient")
        if not parameter.is_leaf:
            raise DataError(
                f"cannot optimise {parameter.describe()}: it is the result of an operation, "
                f"which the next forward pass makes anew; optimise the leaves it comes from"
            )
    if len({id(parameter) for parameter in parameters}) < len(parameters):
        raise DataError("a parameter is listed twice, and would be moved twice")


def entrywise(change: Function) -> Function:
    """Mark a ``_change`` that treats each entry alone, so that its place does not matter."""
    vars(change)["is_entrywise"] = True
    return change


def _memory(state: State, name: str, w: Array) -> Array:
    """An array of the shape of ``w`` that starts at zero and is remembered from step to step."""
    if name not in state:
        state[name] = np.zeros_like(w)
    memory: Array = state[name]
    return memory


class SGD(Optimiser):
    """Gradient descent, with momentum.

    ``v = momentum * v + gradient + weight_decay * w``, then ``w = w - lr * v``; v starts at 0. With
    ``nesterov`` the step looks ahead: ``w = w - lr * (gradient + weight_decay * w + momentum * v)``
    (Sutskever et al. 2013, in the form of PyTorch).

    Args:
        parameters: Tensors that require a gradient, or groups of them.
        lr: the learning rate; may be assigned anew between steps.
        momentum: from 0 (none) to below 1.
        weight_decay: 0 or more.
        nesterov: whether to look ahead.

    >>> import tinygrad_init as tg
    >>> w = tg.Tensor([1.0], requires_grad=True)
    >>> optimiser = tg.optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimiser.step()
    >>> w
    Tensor([0.8], requires_grad=True)
    """

    def __init__(
        self, parameters: Iterable[Any], lr: float = 0.01, momentum: float = 0.0,
        weight_decay: float = 0.0, nesterov: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov
        )

    @property
    def formula(self) -> str:
        """The update in LaTeX; v is the velocity, mu the momentum."""
        slope = r"g + \lambda w" if self._has("weight_decay") else "g"
        if not self._has("momentum"):
            return r"w \leftarrow w - \eta " + (f"({slope})" if "+" in slope else slope)
        ahead = rf"({slope} + \mu v)" if self._has("nesterov") else "v"
        return rf"v \leftarrow \mu v + {slope}, \quad w \leftarrow w - \eta {ahead}"

    @entrywise
    def _change(
        self, w: Array, gradient: Array, state: State, settings: Mapping[str, Any]
    ) -> Array:
        momentum, weight_decay = settings["momentum"], settings["weight_decay"]
        decay = weight_decay * w if weight_decay else None
        step = gradient  # rounded in this order: the bits of training runs depend on it
        if momentum:
            velocity = _memory(state, "velocity", w)
            velocity *= momentum
            velocity += gradient
            if decay is not None:
                velocity += decay
            if not settings["nesterov"]:
                return self._scaled(velocity, settings["lr"])
            step = gradient + momentum * velocity
        return self._scaled(step if decay is None else step + decay, settings["lr"])


class Adam(Optimiser):
    """Steps of about equal size: the mean gradient over the root of the mean square gradient.

    ``m`` and ``v`` are running means of the gradient and its square, which start at 0 and are
    therefore divided by ``1 - beta1**t`` and ``1 - beta2**t``; then
    ``w = w - lr * m / (sqrt(v) + eps)``. Source: Kingma and Ba (2015).

    Args:
        parameters: Tensors that require a gradient, or groups of them.
        lr: the learning rate, the size of a step where gradients agree.
        beta1, beta2: how much of a running mean is kept at each step.
        eps: keeps the division from zero.
        weight_decay: is added to the gradient, times the weight.

    >>> import tinygrad_init as tg
    >>> w = tg.Tensor([1.0, 1.0], requires_grad=True)
    >>> optimiser = tg.optim.Adam([w], lr=0.1)
    >>> (w * [1000.0, 0.001]).sum().backward()
    >>> optimiser.step()
    >>> w.data.round(3)
    array([0.9, 0.9])
    """

    is_decoupled = False

    def __init__(
        self, parameters: Iterable[Any], lr: float = 0.001, beta1: float = 0.9,
        beta2: float = 0.999, eps: float = 1e-8, weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(
            parameters, lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay
        )

    @property
    def formula(self) -> str:
        """The update in LaTeX; m is the mean gradient, v the mean square, t counts steps."""
        decay = self._has("weight_decay")
        return (
            (_DECAY if decay and not self.is_decoupled else "")
            + r"m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad "
            r"v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad "
            r"w \leftarrow w - \eta \frac{m / (1 - \beta_1^t)}"
            r"{\sqrt{v / (1 - \beta_2^t)} + \varepsilon}"
            + (r" - \eta \lambda w" if decay and self.is_decoupled else "")
        )

    @entrywise
    def _change(
        self, w: Array, gradient: Array, state: State, settings: Mapping[str, Any]
    ) -> Array:
        beta1, beta2, weight_decay = (settings[k] for k in ("beta1", "beta2", "weight_decay"))
        if weight_decay and not self.is_decoupled:
            gradient = gradient + weight_decay * w
        mean, square = _memory(state, "mean", w), _memory(state, "square", w)
        mean *= beta1
        mean += (1 - beta1) * gradient
        square *= beta2
        square += (1 - beta2) * gradient * gradient
        state["power1"] = state.get("power1", 1.0) * beta1
        state["power2"] = state.get("power2", 1.0) * beta2
        root = np.sqrt(square / (1 - state["power2"]))
        change = mean / (1 - state["power1"]) / (root + settings["eps"])
        if weight_decay and self.is_decoupled:
            change += weight_decay * w
        return self._scaled(change, settings["lr"])


class AdamW(Adam):
    """Adam with decoupled weight decay: ``lr * weight_decay * w`` is taken from the weight.

    So the decay is not divided by the root of the mean square. Source: Loshchilov and Hutter
    (2019). Arguments as for :class:`Adam`, with a decay of 0.01 unless said.

    >>> import numpy as np
    >>> import tinygrad_init as tg
    >>> w = tg.Tensor([1.0], requires_grad=True)
    >>> w.grad = np.zeros(1)
    >>> tg.optim.AdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> w.data
    array([0.95])
    """

    is_decoupled = True

    def __init__(
        self, parameters: Iterable[Any], lr: float = 0.001, beta1: float = 0.9,
        beta2: float = 0.999, eps: float = 1e-8, weight_decay: float = 0.01,
    ) -> None:  # fmt: skip
        super().__init__(parameters, lr, beta1, beta2, eps, weight_decay)


class RMSProp(Optimiser):
    """The gradient over the root of its running mean square.

    ``v = decay * v + (1 - decay) * gradient**2``, then ``w = w - lr * gradient / (sqrt(v) + eps)``;
    with momentum, the quotient goes into a velocity first. Source: Tieleman and Hinton (2012).

    Args:
        parameters: Tensors that require a gradient, or groups of them.
        lr: the learning rate.
        decay: how much of the running mean is kept at each step.
        eps: keeps the division from zero.
        momentum: from 0 (none) to below 1.
        weight_decay: is added to the gradient, times the weight.

    >>> import tinygrad_init as tg
    >>> w = tg.Tensor([1.0], requires_grad=True)
    >>> optimiser = tg.optim.RMSProp([w], lr=0.1, decay=0.75)
    >>> (w * 1000).sum().backward()
    >>> optimiser.step()
    >>> w.data.round(6)
    array([0.8])
    """

    def __init__(
        self, parameters: Iterable[Any], lr: float = 0.01, decay: float = 0.99, eps: float = 1e-8,
        momentum: float = 0.0, weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(
            parameters, lr=lr, decay=decay, eps=eps, momentum=momentum, weight_decay=weight_decay
        )

    @property
    def formula(self) -> str:
        """The update in LaTeX; v is the mean square, rho its decay, u the velocity."""
        square = (_DECAY if self._has("weight_decay") else "") + (
            r"v \leftarrow \rho v + (1 - \rho) g^2, \quad "
        )
        quotient = r"\frac{g}{\sqrt{v} + \varepsilon}"
        if not self._has("momentum"):
            return square + r"w \leftarrow w - \eta " + quotient
        return square + rf"u \leftarrow \mu u + {quotient}, \quad w \leftarrow w - \eta u"

    @entrywise
    def _change(
        self, w: Array, gradient: Array, state: State, settings: Mapping[str, Any]
    ) -> Array:
        if settings["weight_decay"]:
            gradient = gradient + settings["weight_decay"] * w
        square = _memory(state, "square", w)
        square *= settings["decay"]
        square += (1 - settings["decay"]) * gradient * gradient
        quotient = gradient / (np.sqrt(square) + settings["eps"])
        if not settings["momentum"]:
            return self._scaled(quotient, settings["lr"])
        velocity = _memory(state, "velocity", w)
        velocity *= settings["momentum"]
        velocity += quotient
        return self._scaled(velocity, settings["lr"])


class Adagrad(Optimiser):
    """The gradient over the root of the sum of all its squares so far.

    ``s = s + gradient**2``, then ``w = w - lr * gradient / (sqrt(s) + eps)``. Source: Duchi, Hazan
    and Singer (2011).

    Args:
        parameters: Tensors that require a gradient, or groups of them.
        lr: the learning rate, the size of the first step.
        eps: keeps the division from zero.
        weight_decay: is added to the gradient, times the weight.

    >>> import tinygrad_init as tg
    >>> w = tg.Tensor([1.0], requires_grad=True)
    >>> optimiser = tg.optim.Adagrad([w], lr=0.5)
    >>> (w * 1000).sum().backward()
    >>> optimiser.step()
    >>> w.data.round(6)
    array([0.5])
    """

    def __init__(
        self, parameters: Iterable[Any], lr: float = 0.01, eps: float = 1e-10,
        weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(parameters, lr=lr, eps=eps, weight_decay=weight_decay)

    @property
    def formula(self) -> str:
        """The update in LaTeX; s is the sum of squares."""
        return (_DECAY if self._has("weight_decay") else "") + (
            r"s \leftarrow s + g^2, \quad w \leftarrow w - \eta \frac{g}{\sqrt{s} + \varepsilon}"
        )

    @entrywise
    def _change(
        self, w: Array, gradient: Array, state: State, settings: Mapping[str, Any]
    ) -> Array:
        if settings["weight_decay"]:
            gradient = gradient + settings["weight_decay"] * w
        total = _memory(state, "total", w)
        total += gradient * gradient
        return self._scaled(gradient, settings["lr"]) / (np.sqrt(total) + settings["eps"])


BY_NAME: dict[str, Callable[..., Optimiser]] = {
    maker.__name__.lower(): maker for maker in (SGD, Adam, AdamW, RMSProp, Adagrad)
}  #: the optimisers that are known by name


def get(name: str | Callable[..., Optimiser]) -> Callable[..., Optimiser]:
    """The class of that name; classes, and functions that make an optimiser, pass through.

    Raises:
        DataError: for an unknown name, listing the known ones, and for an optimiser that was made
            already.

    >>> get("adam").__name__
    'Adam'
    """
    if isinstance(name, str) and name in BY_NAME:
        return BY_NAME[name]
    if isinstance(name, Optimiser):
        raise DataError(
            f"a class of optimisers is wanted, and this {type(name).__name__} has its parameters "
            f"already: give tg.optim.{type(name).__name__}, and its settings by name"
        )
    if callable(name):
        return name
    raise DataError(f"unknown optimiser {name!r}: choose from {', '.join(BY_NAME)}")


@overload
def clip_norm(parameters: Iterable[Tensor], limit: float, members: None = None) -> float: ...
@overload
def clip_norm(parameters: Iterable[Tensor], limit: float, members: int) -> Array: ...
def clip_norm(
    parameters: Iterable[Tensor], limit: float, members: int | None = None
) -> float | Array:
    """Shorten all gradients together, so that their length as one long vector is ``limit`` at most.

    Every entry is multiplied by the same number, which keeps ties. Source: Pascanu, Mikolov and
    Bengio (2013).

    The members of an ensemble are clipped each by its own length, as if alone:
    ``clip_norm(model.parameters(), limit, model.members)`` is right for one network, too.

    Args:
        parameters: those without a gradient are passed over.
        limit: the greatest length, above 0.
        members: how many networks the first axis of every gradient counts; no axis does unless
            said.

    Returns:
        The length before; for an ensemble those of its members, an array of shape (members,).

    Raises:
        DataError: if the limit is not above 0.
        ShapeError: if a gradient has another first axis than one of length ``members``.

    >>> import numpy as np
    >>> import tinygrad_init as tg
    >>> w = tg.Tensor([0.0, 0.0], requires_grad=True)
    >>> w.grad = np.array([30.0, 40.0])
    >>> clip_norm([w], 5.0), w.grad
    (50.0, array([3., 4.]))
    >>> w.grad = np.array([30.0, 40.0])
    >>> clip_norm([w], 35.0, members=2), w.grad
    (array([30., 40.]), array([30., 35.]))
    """
    if not limit > 0:
        raise DataError(f"clip_norm wants a limit above 0, got {limit}")
    with_gradient = [parameter for parameter in parameters if parameter.grad is not None]
    for parameter in with_gradient:
        if members is not None and parameter.shape[:1] != (members,):
            raise ShapeError(
                f"clip_norm: {parameter.describe()} of shape {parameter.shape} has no first axis "
                f"that counts {members} members: clip in one call what belongs to one ensemble"
            )
    networks = 1 if members is None else members
    if not with_gradient:
        return 0.0 if members is None else np.zeros(networks)
    rows = [np.reshape(parameter.grad, (networks, -1)) for parameter in with_gradient]
    lengths = data_of(F.norm(np.concatenate(rows, axis=1), axis=1)).astype(np.float64)
    factors = np.divide(limit, lengths, out=np.ones(networks), where=lengths > limit)
    for parameter, row in zip(with_gradient, rows, strict=True):
        scaled = row * factors[:, np.newaxis].astype(row.dtype)
        parameter.grad = np.reshape(scaled, parameter.shape)
    return float(lengths[0]) if members is None else lengths
