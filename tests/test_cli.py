"""The command, run as its users run it: as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest

import tinygrad_init as tg

COMMAND = [sys.executable, "-m", "tinygrad_init"]
TINY = ["--data", "iris", "--width", "5", "--epochs", "2"]
LONG = ["--data", "iris", "--width", "5", "--epochs", "100000"]
PATIENCE = 120  # seconds until a test gives up on a process that hangs


def _environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "100", **changes}


def _run(
    folder: Path, *arguments: str | bytes, **changes: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=_environment(**changes), text=True,
        capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False,
    )  # fmt: skip


Finished = tuple[subprocess.CompletedProcess[str], Path]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One whole run, with an arm added and the report under another name."""
    folder = tmp_path_factory.mktemp("finished")
    done = _run(folder, *TINY, "--init", "he_normal", "--out", "why & how.html")
    return done, folder / "why & how.html"


# A run that goes well.


def test_a_run_ends_well_and_leaves_one_report(finished: Finished) -> None:
    done, path = finished
    assert done.returncode == 0, done.stderr
    assert list(path.parent.iterdir()) == [path]
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert done.stdout.rstrip().endswith("The report: why & how.html")


def test_the_screen_shows_data_gradients_tables_and_the_answer(finished: Finished) -> None:
    shown = " ".join(finished[0].stdout.split())  # however the lines are broken
    for expected in [
        "iris: 120 examples to train on and 30 held out, 4 features, 3 classes",
        "network 4-5-3, tanh",
        "all 5 gradients are identical, bit for bit",
        "Training 7 networks for 2 epochs each",
        "training loss",
        "held-out accuracy",
        "send every one of the 5 hidden neurons the identical gradient, bit for bit",
    ]:
        assert expected in shown


def test_init_adds_an_arm_to_the_tables_and_the_report(finished: Finished) -> None:
    done, path = finished
    for name in [*tg.study.STANDARD_ARMS, "he_normal"]:
        assert len(re.findall(rf"^{re.escape(name)} +\d", done.stdout, re.MULTILINE)) == 2
        assert name in unescape(path.read_text(encoding="utf-8"))


def test_without_a_terminal_progress_is_one_plain_line_per_arm(finished: Finished) -> None:
    done, _ = finished
    lines = done.stderr.splitlines()
    assert len(lines) == 7
    for line, name in zip(lines, [*tg.study.STANDARD_ARMS, "he_normal"], strict=True):
        assert re.fullmatch(
            rf"trained {re.escape(name)}: 2 epochs, loss \d+\.\d{{4}}, held-out accuracy .*%", line
        )


def test_the_report_says_how_to_repeat_it(finished: Finished) -> None:
    text = unescape(finished[1].read_text(encoding="utf-8"))
    assert (
        "tinygrad-init --data iris --width 5 --epochs 2 --init he_normal --out 'why & how.html'"
        in text
    )


def test_the_same_seed_repeats_the_run_under_the_default_name(
    finished: Finished, tmp_path: Path
) -> None:
    done = _run(tmp_path, *TINY, "--init", "he_normal")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    old = finished[0].stdout.replace("why & how.html", "report.html")
    # Between these stand the last bits of ordinary arithmetic, which nobody promises to repeat.
    assert done.stdout.splitlines()[:10] == old.splitlines()[:10]
    assert done.stdout.split("Training")[1] == old.split("Training")[1]


def test_other_settings_arrive_also_where_the_terminal_knows_ascii_alone(tmp_path: Path) -> None:
    done = _run(
        tmp_path, "--data", "wine", "--width", "3", "--activation", "sigmoid", "--seed", "4",
        "--epochs", "1", PYTHONIOENCODING="ascii",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "network 13-3-3, sigmoid" in done.stdout
    assert re.search(r"Training 6 networks for 1 epochs? each", done.stdout)
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Seed 4" in report
    assert "Network 13-3-3, sigmoid" in report


def test_a_report_may_be_called_anything_a_file_may(tmp_path: Path) -> None:
    # The name is Latin-1, which is no text where the locale is UTF-8.
    done = subprocess.run(
        [*(os.fsencode(part) for part in [*COMMAND, *TINY, "--out"]), b"caf\xe9.html"],
        cwd=tmp_path, env=_environment(), capture_output=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr
    assert done.returncode == 0
    assert [os.fsencode(path.name) for path in tmp_path.iterdir()] == [b"caf\xe9.html"]


# Values that are wrong.


WRONG = [
    ["--init", "kaiming"],
    ["--init", ""],
    ["--init"],
    ["--data", "mnist"],
    ["--activation", "swish"],
    ["--width", "0"],
    ["--width", "-1"],
    ["--width", "x"],
    ["--width", "1.5"],
    ["--width", "nan"],
    ["--width", "5000"],
    ["--width", ""],
    ["--width", "9" * 5000],
    ["--epochs", "0"],
    ["--epochs", "-3"],
    ["--epochs", "1e3"],
    ["--epochs", "1000000"],
    ["--seed", "-1"],
    ["--seed", "x"],
    ["--seed", "9223372036854775808"],
    ["--out", "missing/report.html"],
    ["--out", "."],
    ["--out", ""],
    ["--out", "file/report.html"],
    ["--out", "x" * 300 + ".html"],
    ["--colour"],
    ["--two\nlines"],
    ["surplus"],
]


@pytest.mark.parametrize("arguments", WRONG, ids=lambda given: " ".join(given)[:30] or "nothing")
def test_a_wrong_value_is_one_line_and_exit_code_2(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    done = _run(tmp_path, *TINY, *arguments)
    assert "Traceback" not in done.stderr
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.endswith("\n")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("tinygrad-init: error: ")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--init", "kaiming"], ["--init", "'kaiming'", "glorot_uniform", "he_normal"]),
        (["--data", "mnist"], ["--data", "'mnist'", "digits, iris, wine, breast_cancer"]),
        (["--activation", "swish"], ["--activation", "'swish'", "tanh, relu, sigmoid"]),
        (["--width", "1.5"], ["--width", "'1.5'", "1 to 4096"]),
        (["--seed", "-1"], ["--seed", "'-1'", "from 0"]),
        (["--out", "missing/r.html"], ["--out", "missing/r.html", "folder", "does not exist"]),
        (["--out", "."], ["--out", "'.'", "is a folder"]),
        (["--colour"], ["--colour", "--help"]),
    ],
)  # fmt: skip
def test_the_line_says_which_option_what_was_given_and_what_is_wanted(
    arguments: list[str], expected: list[str], tmp_path: Path
) -> None:
    stderr = _run(tmp_path, *arguments).stderr
    assert [word for word in expected if word not in stderr] == []


def test_a_pipe_is_not_replaced_by_a_report(tmp_path: Path) -> None:
    # Such as /dev/stdout or /dev/null: renaming a file over these would destroy them.
    os.mkfifo(tmp_path / "pipe")
    done = _run(tmp_path, *TINY, "--out", "pipe")
    assert (tmp_path / "pipe").is_fifo()
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("library", ["sklearn", "matplotlib"])
def test_a_missing_library_is_one_line_that_says_what_to_install(
    library: str, tmp_path: Path
) -> None:
    # An interpreter in which the library cannot be found; nothing is computed in vain.
    hide = (
        "import importlib.util as u, sys; real = u.find_spec;"
        f"u.find_spec = lambda name, *a: None if name == {library!r} else real(name, *a);"
        "from tinygrad_init.cli import main; sys.exit(main(['--data', 'iris']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", hide], cwd=tmp_path, env=_environment(), text=True,
        capture_output=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert f'{library}, which is not installed: pip install "tinygrad-init[study]"' in done.stderr


# Help.


def test_help_explains_every_option_in_a_line(tmp_path: Path) -> None:
    done = _run(tmp_path, "--help", COLUMNS="300")
    assert done.returncode == 0
    assert done.stderr == ""
    for option in ["--init", "--data", "--width", "--activation", "--epochs", "--seed", "--out",
                   "--quick", "--version", "--help"]:  # fmt: skip
        lines = [line for line in done.stdout.splitlines() if re.match(rf"  .*{option}\b", line)]
        assert len(lines) == 1, option
        assert len(re.split(r"\s{2,}", lines[0].strip(), maxsplit=1)) == 2, lines[0]
    for default in ["default digits", "default 33", "default tanh", "default 40", "default 0",
                    "default report.html"]:  # fmt: skip
        assert default in done.stdout


def test_version_prints_the_version(tmp_path: Path) -> None:
    done = _run(tmp_path, "--version")
    assert (done.returncode, done.stdout) == (0, f"tinygrad-init {tg.__version__}\n")


# Terminals, pipes and Ctrl-C.


def test_on_a_terminal_there_is_a_progress_bar(tmp_path: Path) -> None:
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 100))
    shown: list[bytes] = []

    def listen() -> None:
        try:
            while chunk := os.read(ours, 4096):
                shown.append(chunk)
        except OSError:  # Linux's way to say that the other side was closed
            pass

    listener = threading.Thread(target=listen)
    with subprocess.Popen(
        [*COMMAND, "--data", "iris", "--width", "2", "--quick"], cwd=tmp_path,
        env=_environment(TERM="xterm"), stderr=theirs,
        stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        os.close(theirs)
        listener.start()
        code = process.wait(PATIENCE)
    listener.join(PATIENCE)
    os.close(ours)
    text = b"".join(shown).decode()
    assert code == 0
    assert "0/60" in text, "six arms, and --quick means ten epochs"
    assert "epoch" in text
    assert "trained zeros:" not in text
    assert (tmp_path / "report.html").exists()


def _default_interrupt() -> None:
    """A shell starts background jobs with Ctrl-C ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, env=_environment(), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=_default_interrupt,  # noqa: PLW1509 - one thread here, one system call there
    )  # fmt: skip


def _read_until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return
    pytest.fail(f"the command ended without {word!r}")


@pytest.mark.parametrize("old_report", [None, "the report of yesterday"])
def test_ctrl_c_ends_with_130_and_leaves_files_as_they_were(
    old_report: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    if old_report is not None:
        path.write_text(old_report)
    with _start(tmp_path, *LONG) as process:
        _read_until(process, "Training")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert stderr.splitlines()[-1] == "tinygrad-init: interrupted; no report was written"
    assert list(tmp_path.iterdir()) == ([] if old_report is None else [path])
    if old_report is not None:
        assert path.read_text() == old_report


@pytest.mark.parametrize("seen_enough", [
    pytest.param(lambda process: None, id="at once"),
    pytest.param(lambda process: _read_until(process, "Training"), id="after the gradients"),
])  # fmt: skip
def test_a_reader_who_stops_reading_sees_no_traceback(
    seen_enough: Callable[[subprocess.Popen[str]], None], tmp_path: Path
) -> None:
    with _start(tmp_path, *TINY) as process:
        seen_enough(process)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        stderr = process.stderr.read()
        process.wait(PATIENCE)
    assert "Traceback" not in stderr
    assert "Exception ignored" not in stderr
    assert "Broken" not in stderr
    assert [path.name for path in tmp_path.iterdir()] in ([], ["report.html"])


def test_the_installed_command_is_the_same_as_the_module() -> None:
    from importlib.metadata import entry_points

    from tinygrad_init.cli import main

    (command,) = entry_points(group="console_scripts", name="tinygrad-init")
    assert command.load() is main
