"""A tiny study that the tests of the report share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import tinygrad_init as tg
from tinygrad_init.study import Study, TiedGradients


class Found(NamedTuple):
    """What a report is made of, and a way to write it."""

    tied: TiedGradients
    study: Study
    write: Callable[..., Path]


@pytest.fixture(scope="package")
def found() -> Found:
    data = tg.data.load("iris")
    tied = tg.study.tied_gradients(data, width=7)
    study = tg.study.run(tg.study.STANDARD_ARMS, data, sizes=[4, 7, 3], epochs=3)
    tiny = tg.study.tiny_step()

    def write(path: Path, study: Study = study, command: str = "tinygrad-init") -> Path:
        return tg.study.write_report(path, tied, study, tiny, command)

    return Found(tied, study, write)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written by halves, and then the disk is full."""
    real = Path.write_bytes

    def half(self: Path, content: bytes) -> int:
        real(self, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
