"""What the README shows is what its code prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def run(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_fifteen_lines_print_what_stands_below_them(tmp_path: Path) -> None:
    found = re.search(r"```python\n(import tinygrad_init.*?)```\n\n```text\n(.*?)```", README, re.S)
    assert found is not None
    code, shown = found.groups()
    assert code.count("\n") == 15
    assert run(code, tmp_path) == shown
    assert (tmp_path / "step.svg").exists()


def test_the_two_neurons_are_those_of_the_code(tmp_path: Path) -> None:
    found = re.search(
        r"## See the computation\n\n```python\n(.*?)```\n\n```text\n(.*?)```", README, re.S
    )
    assert found is not None
    code, shown = found.groups()
    assert run(code, tmp_path) == shown
    assert (tmp_path / "step.html").exists()


def test_two_arithmetics_print_what_their_comments_say(tmp_path: Path) -> None:
    found = re.search(r"## Two arithmetics\n\n```python\n(.*?)```", README, re.S)
    assert found is not None
    code = found[1]
    expected = re.findall(r"# ([0-9.]+):", code)
    assert run("import tinygrad_init as tg\n" + code, tmp_path).split() == expected


def test_the_proof_and_the_escape_print_what_stands_below_them(tmp_path: Path) -> None:
    found = re.search(
        r"## The proof, and the escape\n\n```python\n(.*?)```\n\n```text\n(.*?)```", README, re.S
    )
    assert found is not None
    code, shown = found.groups()
    assert run(code, tmp_path) == shown
    assert shown.splitlines()[1] in (tmp_path / "certificate.html").read_text(encoding="utf-8")


def test_the_plan_is_that_of_the_code(tmp_path: Path) -> None:
    found = re.search(r"## Record once.*?```python\n(.*?)```\n\n```text\n(.*?)```", README, re.S)
    assert found is not None
    code, shown = found.groups()
    assert run(code, tmp_path) == shown


def test_the_row_shown_is_the_row_of_the_table() -> None:
    import tinygrad_init.autograd.operations.elementary as rows

    shown = re.search(r'F\.define\(\n    "tanh".*?\n\)', README, re.S)
    assert shown is not None
    without_comments = re.sub(r" *#[^\n]*", "", shown[0])
    assert _squeeze(without_comments) in _squeeze(Path(rows.__file__).read_text(encoding="utf-8"))


def _squeeze(code: str) -> str:
    return re.sub(r"\s+", "", code)
