"""How far a study has come: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import Any, Self

from .runs import Record


class Progress:
    """A callback for :func:`~tinygrad_init.study.run`, to be used as a ``with`` block.

    Args:
        arms: how many networks will be trained.
        epochs: for how many epochs each.
    """

    def __init__(self, arms: int, epochs: int) -> None:
        self.epochs = epochs
        self._bar: Any = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=arms * epochs, unit="epoch", leave=False, dynamic_ncols=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, arm: str, record: Record) -> None:
        """Note that an arm has trained for one more epoch."""
        if self._bar is not None:
            self._bar.set_description(f"training {arm}")
            self._bar.update()
        elif record.epochs == self.epochs:
            print(
                f"trained {arm}: {record.epochs} epochs, loss {record.losses[-1]:.4f}, "
                f"held-out accuracy {record.accuracies[-1]:.1%}",
                file=sys.stderr,
                flush=True,
            )
