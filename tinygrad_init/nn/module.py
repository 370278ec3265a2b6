"""`Module`: a part of a network that finds its own parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

from numpy.typing import NDArray

from ..autograd import DataError, ShapeError, Tensor
from ..autograd.capture import depends_on
from ..autograd.scopes import call_inside


class Module:
    """The base of layers and networks.

    Whatever a module keeps in its attributes is found by name, also inside lists, tuples and
    dictionaries: Tensors that require a gradient are its parameters, modules are its parts.

    >>> import tinygrad_init as tg
    >>> class Scale(tg.nn.Module):
    ...     def __init__(self):
    ...         self.factor = tg.Tensor(2.0, requires_grad=True)
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> scale = Scale()
    >>> scale([1.0, 2.0])
    Tensor([2., 4.], requires_grad=True)
    >>> scale.state_dict()
    {'factor': array(2.)}
    """

    @property
    def training(self) -> bool:
        """Whether it is trained or evaluated; ``capture`` records each of the two when it is asked.

        Assigning switches this module alone; ``train()`` and ``eval()`` switch its parts, too.
        """
        return bool(depends_on(lambda: vars(self).get("_training", True)))

    @training.setter
    def training(self, mode: bool) -> None:
        self._training = mode

    def __call__(self, *inputs: Any) -> Any:
        """What ``forward`` makes of the inputs; arrays and lists are taken as Tensors are."""
        return call_inside(type(self).__name__, self, self.forward, inputs)

    def forward(self, *inputs: Any) -> Any:
        """Compute the output; written by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} does not say what forward() computes")

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """The parameters with their names, each once, in the order of the attributes."""
        seen: set[int] = set()
        for name, part in _walk("", self):
            if isinstance(part, Tensor) and part.requires_grad and id(part) not in seen:
                seen.add(id(part))
                yield name, part

    def parameters(self) -> list[Tensor]:
        """The parameters, in the order of their names in the code."""
        return [parameter for _, parameter in self.named_parameters()]

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """A copy of all parameters by name."""
        return {name: parameter.data.copy() for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put the numbers of a ``state_dict`` into the parameters.

        Raises:
            DataError: if names are missing or unknown. Nothing is changed then.
            ShapeError: if a shape or dtype does not fit. Nothing is changed then.
        """
        own = dict(self.named_parameters())
        missing, unknown = own.keys() - state.keys(), state.keys() - own.keys()
        if missing or unknown:
            raise DataError(
                f"the state does not fit {type(self).__name__}: "
                f"missing {sorted(missing)}, unknown {sorted(unknown)}"
            )
        accepted = {}
        for name, parameter in own.items():
            try:
                accepted[name] = parameter.accept(state[name])
            except ShapeError as error:
                raise ShapeError(f"{name}: {error}") from error
        for name, parameter in own.items():
            parameter.data = accepted[name]

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, mode: bool = True) -> Self:
        """Switch this module and its parts to training."""
        for _, part in _walk("", self):
            if isinstance(part, Module):
                part.training = mode
        return self

    def eval(self) -> Self:
        """Switch this module and its parts to evaluation."""
        return self.train(False)


def _walk(name: str, part: Any, inside: tuple[Any, ...] = ()) -> Iterator[tuple[str, Any]]:
    """``part`` and what it holds, with dotted names; what holds itself is entered once."""
    if any(part is outer for outer in inside):
        return
    yield name, part
    held: Mapping[Any, Any] = {}
    if isinstance(part, Module):
        held = vars(part)
    elif isinstance(part, Mapping):
        held = part
    elif isinstance(part, (list, tuple)):
        held = dict(enumerate(part))
    for key, inner in held.items():
        yield from _walk(f"{name}.{key}" if name else str(key), inner, (*inside, part))
