"""The command ``tinygrad-init``: shows, on real data, why random weights help."""

from __future__ import annotations

import argparse
import io
import os
import shlex
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from . import __version__, study
from .autograd import TinygradInitError
from .nn import ACTIVATIONS, init

EPOCHS, QUICK_EPOCHS = 40, 10
DESCRIPTION = """\
Trains networks that differ in their starting weights (and one in its arithmetic), shows the
gradients that arrive at every hidden neuron, and writes a report.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is its exit code: 0, 1, 2 (a wrong value) or 130 (Ctrl-C)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal cannot show is no error
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        options = _parser().parse_args(given)
        _run(options, shlex.join(["tinygrad-init", *given]))
    except KeyboardInterrupt:
        print("tinygrad-init: interrupted; no report was written", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `tinygrad-init | head` has seen enough
        sys.stderr.close()
        return 1
    except (TinygradInitError, OSError) as error:
        print(f"tinygrad-init: error: {error}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace, command: str) -> None:
    study.require()
    data = study.data.load(options.data, options.seed)
    sizes = [data.features, options.width, data.classes]
    print(f"{data}\nnetwork {'-'.join(map(str, sizes))}, {options.activation}; "
          f"constant weights, after {study.STEPS} steps:\n")  # fmt: skip
    tied = study.tied_gradients(data, options.width, options.activation, options.seed)
    print(tied, flush=True)
    added = [name for name in options.init if name not in study.STANDARD_ARMS]
    arms = {**study.STANDARD_ARMS, **{name: study.Arm(init.get(name)) for name in added}}
    plural = "s"[: options.epochs > 1]
    print(f"\nTraining {len(arms)} networks for {options.epochs} epoch{plural} each.\n", flush=True)
    with study.Progress(len(arms), options.epochs) as progress:
        found = study.run(
            arms,
            data,
            sizes=sizes,
            activation=options.activation,
            epochs=options.epochs,
            seed=options.seed,
            progress=progress,
        )
    print(found)
    path = study.write_report(options.out, tied, found, study.tiny_step(), command)
    print(f"\n{textwrap.fill(study.answer(tied, found), 80)}\n\nThe report: {path}")


class _OneLineParser(argparse.ArgumentParser):
    """Says what was wrong in one line, without repeating the usage."""

    def error(self, message: str) -> NoReturn:
        one_line = " ".join(message.split())
        self.exit(2, f"{self.prog}: error: {one_line} (--help explains the options)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(
        prog="tinygrad-init",
        description=DESCRIPTION,
        epilog=f"initialisers: {', '.join(init.BY_NAME)}. "
        f"data sets: {', '.join(study.data.NAMES)}. activations: {', '.join(ACTIVATIONS)}.",
    )
    add = parser.add_argument
    add("--init", metavar="NAME", action="append", default=[], type=_one_of(init.BY_NAME),
        help="add an arm with this initialiser; may be repeated")
    add("--data", metavar="NAME", default="digits", type=_one_of(study.data.NAMES),
        help="the data set (default digits)")
    add("--width", metavar="N", default=33, type=_whole(1, 4096),
        help="how many hidden neurons (default 33)")
    add("--activation", metavar="NAME", default="tanh", type=_one_of(ACTIVATIONS),
        help="of the hidden neurons (default tanh)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", metavar="N", default=EPOCHS, type=_whole(1, 100_000),
                        help="passes over the training data (default 40)")
    length.add_argument("--quick", dest="epochs", action="store_const", const=QUICK_EPOCHS,
                        help=f"{QUICK_EPOCHS} epochs instead of {EPOCHS}")
    add("--seed", metavar="N", default=0, type=_whole(0, 2**63 - 1),
        help="of the split, the draws and the order of data (default 0)")
    add("--out", metavar="PATH", default=Path("report.html"), type=_page,
        help="where the report goes (default report.html)")
    add("--version", action="version", version=f"tinygrad-init {__version__}")
    return parser


def _one_of(names: Any) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not known: choose from {', '.join(names)}"
            )
        return text

    return check


def _whole(least: int, most: int) -> Callable[[str], int]:
    def check(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {least} to {most}"
            )
        return number

    return check


def _page(text: str) -> Path:
    path = Path(text)
    try:
        path.lstat()
    except FileNotFoundError:
        pass  # as it should be, or in a folder that does not exist
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error.strerror}") from error
    if path.is_dir():
        reason = "is a folder"
    elif path.exists() and not path.is_file():
        reason = "is no ordinary file"
    elif not path.parent.is_dir():
        reason = "lies in a folder that does not exist"
    elif not os.access(path.parent, os.W_OK):
        reason = "lies in a folder that may not be written to"
    elif path.suffix.lower() not in (".html", ".htm"):
        reason = "does not end in .html"
    else:
        return path
    raise argparse.ArgumentTypeError(f"{text!r} {reason}: give the path of a file to write")
