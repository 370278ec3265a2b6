"""Compiles LaTeX for the tests that carry the marker ``latex``, and reads what TeX made of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Compiled:
    """A document that compiled.

    Attributes:
        log: TeX's log, each message on one line.
        read: the files it read, by absolute path.
        written: the names of the files it wrote.
    """

    log: str
    read: set[str]
    written: set[str]

    @property
    def overfull(self) -> list[float]:
        """By how many points each box sticks out of the page."""
        found = re.findall(r"^Overfull \\hbox \(([\d.]+)pt too wide\)", self.log, re.MULTILINE)
        return [float(points) for points in found]


def compile_latex(latex: str, folder: Path) -> Compiled:
    """With no shell, no other folder to write to, and no font that must be drawn first."""
    finished = _run(latex, folder, "-halt-on-error")
    log = (folder / "test.log").read_text(encoding="latin-1")
    assert finished.returncode == 0, log[-2000:]
    assert (folder / "test.pdf").read_bytes().startswith(b"%PDF")
    recorded = (folder / "test.fls").read_text(encoding="latin-1").splitlines()
    read = {str(folder / line[6:]) for line in recorded if line.startswith("INPUT ")}
    written = {Path(line[7:]).name for line in recorded if line.startswith("OUTPUT ")}
    return Compiled(log, read, written)


def typeset(words: str, preamble: str, folder: Path) -> str:
    """The letters that end up on the paper: TeX shows the box that it made of the words.

    A letter in a box is a font and a number; for the fonts that plain ASCII needs, the number says
    the letter, but for a few that are listed here, from the fonts' own tables.
    """
    body = (
        "\\showboxbreadth=\\maxdimen\\showboxdepth=\\maxdimen\n"
        f"\\setbox0=\\hbox{{{words}}}\\showbox0\n\\end{{document}}\n"
    )
    _run(f"{preamble}\n{body}", folder)  # to show a box counts as an error
    log = (folder / "test.log").read_text(encoding="latin-1")
    assert log.count("\n! ") == 1, log[-2000:]
    shown = ""
    box = log[log.index("> \\box0=") :]
    for line in box[: box.index("\n! OK")].split("\n"):
        letter = re.match(r"\.+\\(\w+)/(\w+)/\w+/\w+/[\d.]+ (\^\^.|.)(?: \(ligature (.*)\))?", line)
        if letter and letter[4]:
            shown += _LIGATURES.get(letter[4], letter[4])
        elif letter:
            shown += _LETTERS.get((letter[1], letter[2], letter[3]), letter[3])
        elif re.match(r"\.\\glue [1-9]", line):
            shown += " "
        elif line.startswith("..\\rule"):  # no font of TeX's text has an underscore
            shown += "_"
    return shown


_LETTERS = {
    ("OMS", "cmsy", "n"): "\\", ("OMS", "cmsy", "f"): "{", ("OMS", "cmsy", "g"): "}",
    ("OMS", "cmsy", "j"): "|", ("OMS", "cmsy", "^^@"): "-", ("OT1", "cmr", "^^R"): "`",
    ("OT1", "cmtt", "^^M"): "'", ("OT1", "cmtt", "^^R"): "`", ("OT1", "cmtt", "'"): "’",
    ("OT1", "cmr", "'"): "'", ("OT1", "cmr", "<"): "¡", ("OT1", "cmr", ">"): "¿",
    ("OT1", "cmr", "{"): "–", ("OT1", "cmr", "|"): "—", ("OT1", "cmr", "}"): "˝",
    ("OT1", "cmr", "\\"): "“", ("OT1", "cmr", "_"): "˙", ("OT1", "cmr", "`"): "‘",
}  # fmt: skip
_LIGATURES = {"--": "–", "---": "—", "``": "“", "''": "”", "!`": "¡", "?`": "¿"}  #: but ff, fi, fl


def _run(latex: str, folder: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    pdflatex = shutil.which("pdflatex")
    if pdflatex is None:
        pytest.fail("no pdflatex on the PATH: Debian has it in texlive-latex-base")
    (folder / "test.tex").write_text(latex, encoding="utf-8")
    environment = {**os.environ, "HOME": str(folder), "MKTEXPK": "0", "max_print_line": "100000"}
    command = [pdflatex, "-no-shell-escape", "-recorder", "-interaction=nonstopmode", *options]
    return subprocess.run(
        [*command, "test.tex"], cwd=folder, env=environment, check=False,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=300,
    )  # fmt: skip
