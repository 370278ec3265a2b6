"""Fixtures for drawings."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture
def no_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


@pytest.fixture(params=["dot", "wasi"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of drawing, one after the other."""
    name: str = request.param
    if name == "dot" and shutil.which("dot") is None:
        pytest.skip("Graphviz's dot is not installed")
    if name == "wasi":
        monkeypatch.setenv("PATH", "")
    return name
