"""What captured functions of Tensors and of Values have in common."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from . import complaints

P = TypeVar("P")  #: a kind of plan


class Captured(Generic[P]):
    """A captured function, its parameters, and its plans.

    Attributes:
        params: the parameters.
        plans: what was recorded, a plan for each signature; the one used last comes first.
    """

    def __init__(self, fn: Callable[..., Any], params: Iterable[Any]) -> None:
        self.params = list(dict.fromkeys(params))
        self.plans: list[P] = []
        self._fn = fn
        self._lock = threading.Lock()  # threads take turns

    @property
    def plan(self) -> P:
        """The plan that was used last; print it, to see what is computed.

        Raises:
            GraphError: if nothing has been recorded yet.
        """
        if not self.plans:
            raise complaints.nothing_recorded()
        return self.plans[0]

    def __repr__(self) -> str:
        name = getattr(self._fn, "__name__", type(self._fn).__name__)
        return f"<captured {name}: {len(self.params)} parameters, {len(self.plans)} plans>"
