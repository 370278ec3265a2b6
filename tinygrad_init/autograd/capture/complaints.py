"""What can go wrong with ``capture``, in words."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import Any

from ..errors import GraphError, ShapeError
from ..tape import Node
from ..tensor import Tensor


def read_while_recording(
    asked: str,
    instead: str = "Tensor (np.where(condition, a, b) in place of an `if`; comparisons give masks)",
) -> GraphError:
    """A number is asked for that would be frozen."""
    return GraphError(
        f"{asked} reads or writes numbers while capture records, and every replay would repeat "
        f"what was made of these: compute with the {instead}, or do it outside the captured "
        f"function"
    )


def value_read_while_recording(asked: str) -> GraphError:
    """The same of a Value."""
    return read_while_recording(
        asked, "Value (a.maximum(b), a.relu(), tg.F.where(a < b, x, y) in place of an `if`)"
    )


def mask_as_index() -> GraphError:
    """How many entries a mask picks depends on numbers."""
    return GraphError(
        "a mask that is computed picks another number of entries each time, and capture has to "
        "know all shapes: write np.where(mask, x, 0) in place of x[mask]"
    )


def made_outside(tensor: Tensor) -> GraphError:
    """A result with history that no replay would renew."""
    return GraphError(
        f"{tensor.describe()} was computed outside the captured function, and no replay would "
        f"compute it anew: compute it inside, or use its .detach() as a constant"
    )


def other_shape(name: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> ShapeError:
    """A kernel that is not true to the shape that it had while recording."""
    return ShapeError(
        f"{name} gave shape {found}, and {wanted} when it was recorded: what it gives must depend "
        f"on the shapes of its operands alone"
    )


def no_gradient(param: Tensor) -> GraphError:
    """A parameter that has nothing to do with the loss."""
    return GraphError(
        f"the loss does not depend on the parameter {param.describe()}: leave it out of the list, "
        f"or use it in the captured function"
    )


def check_loss(loss: Any, params: Sequence[Tensor]) -> None:
    """Raise unless ``loss`` is what a captured function has to return."""
    if not isinstance(loss, Tensor):
        raise GraphError(
            f"a captured function returns its loss, a Tensor (or a Value), "
            f"not {type(loss).__name__}: return what is to be minimised, and nothing else"
        )
    if not loss.requires_grad:
        raise GraphError(
            "the loss of the captured function depends on no parameter: compute it from Tensors "
            "that require a gradient, outside no_grad"
        )
    members = loss.shape[0] if loss.shape else 0
    is_ensemble = loss.ndim == 1 and all(param.shape[:1] == (members,) for param in params)
    if loss.ndim and not is_ensemble:
        raise GraphError(
            f"the loss of the captured function has shape {loss.shape}: it must be one number, "
            f"reduce it with .mean() or .sum(). (In an ensemble it may be one number for each "
            f"member, if the first axis of every parameter counts the members.)"
        )


def no_value(found: Any) -> GraphError:
    """A captured function of Values that returns something else."""
    return GraphError(
        f"a captured function of Values returns its loss, a Value, not {type(found).__name__}: "
        f"return what is to be minimised, and nothing else"
    )


def tensor_among_values() -> GraphError:
    """A Tensor in a captured function whose parameters are Values."""
    return GraphError(
        "a captured function of Values computed with a Tensor, which it cannot record: use Values "
        "alone, and pass arrays as arguments"
    )


def value_made_outside(value: Node) -> GraphError:
    """A result with history that no replay would renew."""
    return GraphError(
        f"{value.describe()} was computed from a parameter outside the captured function, and no "
        f"replay would compute it anew: compute it inside"
    )


def not_place_by_place(name: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> ShapeError:
    """A kernel that does something else with many numbers than with one."""
    return ShapeError(
        f"{name} gave shape {found} for operands of shape {wanted}: capture computes many Values "
        f"at once, so its forward function must work place by place, as NumPy's functions do"
    )


def no_parameter(found: Any) -> GraphError:
    """Something else than a leaf among the parameters, or in place of their list."""
    return GraphError(
        f"capture takes a list of parameters, Tensors with requires_grad=True that no operation "
        f"made, or Values, and {reprlib.repr(found)} is none: write model.parameters(), or [w]"
    )


def not_a_function(found: Any) -> TypeError:
    """A result where the function belongs."""
    return TypeError(
        f"capture takes a function of Tensors that returns a loss, not {reprlib.repr(found)}: "
        f"pass the function itself, not its result"
    )


def nothing_recorded() -> GraphError:
    """A plan is asked for too early."""
    return GraphError("there is no plan yet: call the step once, which records one")


def reads_gradients() -> GraphError:
    """The ``.grad`` of a parameter as a constant."""
    return GraphError(
        "the captured function reads the .grad of a parameter, which its replay overwrites: pass "
        "it as an argument, or use a copy"
    )


def captured_inside() -> GraphError:
    """A captured function called by another one."""
    return GraphError(
        "a captured function was called while another one is recorded, and it gives bare numbers, "
        "which every replay would repeat: call the function itself, and capture the outer one"
    )
