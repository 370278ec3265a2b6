"""What ``help`` says: every operation has a sentence and an example, and the example is right."""

from __future__ import annotations

import doctest
import inspect
from typing import Any

import pytest

import tinygrad_init as tg
from tinygrad_init.autograd import F, manual

EVERY_NAME = [*F.rows, *F.compositions]


def test_every_operation_is_in_the_manual_and_nothing_else() -> None:
    assert set(EVERY_NAME) == manual.MANUAL.keys()


@pytest.mark.parametrize("name", EVERY_NAME)
def test_the_example_of_an_operation_is_right(name: str) -> None:
    text = inspect.getdoc(getattr(tg.Tensor, name, None) or getattr(F, name))
    assert text is not None
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    assert len(example.examples) == 3, "two imports and a call"
    assert name in example.examples[-1].source
    assert doctest.DocTestRunner(verbose=False).run(example).failed == 0


@pytest.mark.parametrize("row", list(F), ids=lambda row: row.name)
def test_help_says_what_a_row_computes_and_how(row: Any) -> None:
    text = inspect.getdoc(getattr(tg.Tensor, row.name, None)) or manual.of_row(row)
    first = text.splitlines()[0]
    assert first[0].isupper() or first[0].isdigit() or first.startswith(("-", "e to"))
    assert first.endswith(".")
    assert row.formula in text
    assert row.at_kinks in text
    assert all(f"{setting}=" in text for setting in row.params)


ENGINE = [
    name for name in tg.__all__
    if getattr(getattr(tg, name), "__module__", type(getattr(tg, name)).__module__).startswith(
        "tinygrad_init.autograd"
    )
]  # fmt: skip


def test_the_public_names_of_the_engine_are_known() -> None:
    assert {"Tensor", "Value", "F", "grad", "hvp", "operation", "no_grad", "DataError"} <= {*ENGINE}


@pytest.mark.parametrize("name", ENGINE)
def test_every_public_name_of_the_engine_has_a_docstring_with_an_example(name: str) -> None:
    text = inspect.getdoc(getattr(tg, name)) or ""
    assert len(text.splitlines()[0]) > 10, name
    assert ">>>" in text, name


@pytest.mark.parametrize("kind", [tg.Tensor, tg.Value], ids=["Tensor", "Value"])
def test_every_method_has_a_docstring(kind: type) -> None:
    public = {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}
    methods = [name for name, found in public.items() if callable(found)]
    properties = [name for name, found in public.items() if isinstance(found, property)]
    assert len(methods) > 70
    assert [name for name in methods + properties if not inspect.getdoc(public[name])] == []
