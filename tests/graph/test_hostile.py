"""Text that tries to break out of a drawing, in every place and every format, with both engines."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import unicodedata
import xml.etree.ElementTree as ET
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from tests.graph.hostile import HOSTILE, TEXT, everywhere, written
from tests.graph.pages import Page
from tinygrad_init.graph import Graph, text
from tinygrad_init.graph.palette import STYLE_SHEET

ENGINES = ["dot", "wasi"]
SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"
DRAWN = {"svg", "style", "g", "a", "title", "text", "path", "polygon", "polyline"}
ATTRIBUTES = {
    "width", "height", "viewBox", "class", "transform", "fill", "stroke", "stroke-width",
    "stroke-dasharray", "points", "d", "text-anchor", "x", "y", "font-family", "font-size",
    f"{XLINK}title", "{http://www.w3.org/XML/1998/namespace}space",
}  # fmt: skip


def svg_of(graph: Graph, engine: str) -> str:
    """Drawn by one of the engines."""
    if engine == "dot":
        if shutil.which("dot") is None:
            pytest.skip("Graphviz's dot is not installed")
        return graph.to_svg()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "")
        return graph.to_svg()


def shown(given: str) -> str:
    """What a drawing has of a text, but for the width of spaces."""
    return " ".join(text.label(given).split())


def check_svg(graph: Graph, svg: str, evil: str) -> None:
    """Every node and box once, every text where it belongs, and nothing else."""
    root = ET.fromstring(svg)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= DRAWN
    assert {name for element in root.iter() for name in element.attrib} <= ATTRIBUTES
    (style,) = root.iter(f"{SVG}style")
    assert (style.text or "").strip() == STYLE_SHEET
    groups: dict[str, list[str]] = {"node": [], "edge": [], "cluster": []}
    for group in root.iter(f"{SVG}g"):
        if group.get("class") in groups:
            groups[group.attrib["class"]].append(group.findtext(f"{SVG}title") or "")
    assert sorted(groups["node"]) == sorted(node.id for node in graph.nodes)
    assert sorted(groups["edge"]) == sorted(f"{e.source}->{e.target}" for e in graph.edges)
    assert sorted(groups["cluster"]) == sorted(f"cluster_{one.id}" for one in graph.scopes)
    texts = [" ".join((element.text or "").split()) for element in root.iter(f"{SVG}text")]
    for node in graph.nodes:
        if wanted := shown(node.label):
            assert wanted in texts
    tips = [" ".join(e.attrib[f"{XLINK}title"].split()) for e in root.iter(f"{SVG}a")]
    for one in graph.scopes:
        if wanted := shown(one.title):
            assert wanted in texts
            assert wanted in tips
    assert max(map(len, texts)) <= 2 * text.MAX_LABEL
    assert max(map(len, tips)) <= text.MAX_TIP
    for character in set("".join(texts + tips)):
        assert unicodedata.category(character) not in ("Cc", "Cs")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", HOSTILE)
def test_svg(engine: str, name: str) -> None:
    for graph in (everywhere(HOSTILE[name]), written(HOSTILE[name])):
        check_svg(graph, svg_of(graph, engine), HOSTILE[name])


@pytest.mark.parametrize("engine", ENGINES)
@settings(derandomize=True, deadline=None, max_examples=60)
@given(evil=TEXT)
def test_svg_of_any_text(engine: str, evil: str) -> None:
    graph = everywhere(evil)
    check_svg(graph, svg_of(graph, engine), evil)


def parsed(dot_source: str) -> dict[str, Any]:
    """The graph as Graphviz reads it."""
    dot = shutil.which("dot")
    if dot is None:
        pytest.skip("Graphviz's dot is not installed")
    done = subprocess.run(
        [dot, "-Tdot_json"], input=dot_source.encode(), capture_output=True, check=True
    )
    # Graphviz before 9 writes control characters and bytes of a string as they are.
    found: dict[str, Any] = json.loads(done.stdout.decode(errors="replace"), strict=False)
    return found


def check_dot(graph: Graph) -> None:
    """Graphviz reads the nodes and edges of the graph, and no attribute that it should not have."""
    read = parsed(graph.to_dot())
    nodes = [one for one in read["objects"] if "nodes" not in one and "label" in one
             and not one["name"].startswith("cluster_")]  # fmt: skip
    boxes = [one for one in read["objects"] if one["name"].startswith("cluster_")]
    assert len(nodes) + len(boxes) == len(read["objects"])
    assert sorted(one["name"] for one in nodes) == sorted(node.id for node in graph.nodes)
    assert sorted(one["name"] for one in boxes) == sorted(f"cluster_{s.id}" for s in graph.scopes)
    names = {one["_gvid"]: one["name"] for one in read["objects"]}
    edges = [(names[one["tail"]], names[one["head"]]) for one in read.get("edges", [])]
    assert sorted(edges) == sorted((edge.source, edge.target) for edge in graph.edges)
    attributes = {key for one in (*nodes, *boxes) for key in one}
    assert attributes <= {
        "_gvid", "name", "label", "color", "fillcolor", "fontcolor", "fontname", "fontsize",
        "height", "margin", "shape", "style", "tooltip", "penwidth", "labeljust", "subgraphs",
        "nodes", "edges", "bgcolor", "nodesep", "rankdir", "ranksep", "compound",
    }  # fmt: skip
    assert {one.get("shape", "record") for one in nodes} <= {"record", "Mrecord"}


@pytest.mark.parametrize("name", HOSTILE)
def test_dot(name: str) -> None:
    check_dot(everywhere(HOSTILE[name]))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(evil=TEXT)
def test_dot_of_any_text(evil: str) -> None:
    check_dot(everywhere(evil))


def pixels(png: bytes) -> tuple[int, int]:
    """The size of a PNG whose every chunk is whole."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    size, place, kinds = (0, 0), 8, []
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        kind, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        (checksum,) = struct.unpack_from(">I", png, place + 8 + length)
        assert zlib.crc32(kind + data) == checksum
        if kind == b"IHDR":
            size = struct.unpack_from(">II", data)
        kinds.append(kind)
        place += 12 + length
    assert kinds[-1] == b"IEND"
    return size


@pytest.mark.parametrize("name", HOSTILE)
def test_pictures(tmp_path: Path, name: str) -> None:
    if shutil.which("dot") is None:
        pytest.skip("Graphviz's dot is not installed")
    graph = everywhere(HOSTILE[name])
    width, height = pixels(graph.render(tmp_path / "graph.png").read_bytes())
    assert 400 < width < 20_000
    assert 200 < height < 5_000
    assert graph.render(tmp_path / "graph.pdf").read_bytes().rstrip().endswith(b"%%EOF")


@settings(derandomize=True, deadline=None, max_examples=60)
@given(evil=TEXT)
def test_json_and_text_of_any_text(evil: str) -> None:
    graph = everywhere(evil)
    read = json.loads(graph.to_json())
    assert [node["id"] for node in read["nodes"]] == [node.id for node in graph.nodes]
    assert not set("<>&") & set(graph.to_json())
    printed = str(graph)
    printed.encode()
    assert len(printed.splitlines()) == len(graph.nodes)
    assert all(unicodedata.category(one) not in ("Cc", "Cs") for one in set(printed) - {"\n"})


@pytest.mark.parametrize("engine", ENGINES)
@settings(derandomize=True, deadline=None, max_examples=30)
@given(evil=TEXT)
def test_notebooks_show_tags_of_ours_only(engine: str, evil: str) -> None:
    graph = everywhere(evil)
    with pytest.MonkeyPatch.context() as patch:
        if engine == "wasi":
            patch.setenv("PATH", "")
        page = Page(graph._repr_html_())
        assert {tag.strip("/") for tag, _ in page.tags} <= DRAWN | {"div"}
        patch.setattr("tinygrad_init.graph.render.MAX_NODES", 1)
        page = Page(graph._repr_html_())
        assert {tag.strip("/") for tag, _ in page.tags} == {"pre", "p"}


@pytest.mark.browser
@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_happens_in_a_browser(
    tmp_path: Path, browser_page: Any, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in a page with a policy, nor in a notebook without one, nor in the file by itself."""
    if engine == "wasi":  # after the browser was found
        monkeypatch.setenv("PATH", "")
    dialogs: list[str] = []

    def dismiss(dialog: Any) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    browser_page.on("dialog", dismiss)
    for name, evil in HOSTILE.items():
        graph = everywhere(evil)
        page = graph.render(tmp_path / "graph.html")
        file = graph.render(tmp_path / "graph.svg")
        notebook = tmp_path / "notebook.html"
        notebook.write_text(
            f"<!DOCTYPE html><meta charset=utf-8><link rel=icon href=data:,>{graph._repr_html_()}",
            encoding="utf-8",
        )
        for path in (page, notebook, file):
            browser_page.goto(path.as_uri())
            assert browser_page.locator("g.node").count() == len(graph.nodes), (name, path)
            tags = browser_page.evaluate(
                "[...document.querySelectorAll('svg *')].map(one => one.localName)"
            )
            assert set(tags) <= DRAWN, (name, path)
        browser_page.goto(notebook.as_uri())
        assert browser_page.locator("script, img, [id], [onload], [href]:not(link)").count() == 0
    assert not dialogs
