"""How drawings look: colours and their contrast, light and dark, the legend, which way they go."""

from __future__ import annotations

import itertools
import re
import shutil
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg
from tests.graph.pages import Page
from tinygrad_init import DataError, Tensor, Value
from tinygrad_init.graph import Graph, palette, trace

SVG = "{http://www.w3.org/2000/svg}"
FILLS = [palette.STYLES[kind][0] for kind in palette.STYLES if kind != "data"]

#: what a colour becomes for somebody without one kind of cones, in linear sRGB: Machado, Oliveira
#: and Fernandes (2009), severity 1.0
EYES = {
    "all three": np.eye(3),
    "protanopia": np.array([
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]),
    "deuteranopia": np.array([
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]),
    "tritanopia": np.array([
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ]),
}  # fmt: skip


def linear(colour: str) -> np.ndarray[Any, Any]:
    """Red, green and blue as amounts of light."""
    encoded = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2."""
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(light: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """CIE 1976 L*a*b*, in which 2.3 is about the smallest difference that one notices."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    t = to_xyz @ np.clip(light, 0, 1) / [0.9505, 1.0, 1.089]
    x, y, z = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def dark(colour: str) -> str:
    return palette.DARK.get(colour, colour)


def two_layers(members: int | None = None) -> Graph:
    """The graph of a training step of matrices, with boxes."""
    model = tg.nn.MLP([2, 3, 1], activation="tanh", weight_init="constant", members=members, rng=0)
    loss = tg.losses.mse(model([[1.0, 2.0], [3.0, 4.0]]), Tensor([[1.0], [0.0]]))
    return trace(loss if members is None else loss.sum(), model)


def all_kinds() -> Graph:
    """A graph with every kind of node."""
    x, w = Tensor([1.0, 2.0], label="x"), Tensor([3.0, 4.0], requires_grad=True, label="w")
    return trace(((x * w) * 2).sum())


def classes(count: int) -> Graph:
    """A graph with as many classes."""
    leaves = [Value(1.0, label=f"w{k}") for k in range(count)]
    y = leaves[0]
    for leaf in leaves[1:]:
        y = y + leaf
    return trace(y).colour({f"w{k}": k for k in range(count)})


def stripes(neurons: int | list[int]) -> Graph:
    """A layer whose neurons are of as many classes, or of those."""
    numbers = list(range(neurons)) if isinstance(neurons, int) else neurons
    w = Tensor(np.ones((2, len(numbers))), requires_grad=True, label="w")
    return trace((w * 2).sum()).colour({"w": numbers})


def widths(svg: str) -> list[tuple[str, float]]:
    """Of the stripes of the first node: the colour, and the part of the width of the node."""
    node = next(g for g in ET.fromstring(svg).iter(f"{SVG}g") if g.get("class") == "node")
    found = []
    for stripe in node.iter(f"{SVG}polygon"):
        if (fill := stripe.attrib["fill"]) != "none":
            across = [float(point.split(",")[0]) for point in stripe.attrib["points"].split()]
            found.append((fill.upper(), max(across) - min(across)))
    whole = sum(wide for _, wide in found)
    return [(fill, wide / whole) for fill, wide in found]


class TestColours:
    @pytest.mark.parametrize("shade", [str, dark], ids=["light", "dark"])
    def test_contrast(self, shade: Any) -> None:
        paper = shade(palette.PAPER)
        assert contrast(shade(palette.EDGE), paper) >= 4.5  # numbers of arguments, titles
        assert contrast(shade(palette.INK), paper) >= 4.5  # of nodes without a class
        for fill, border, _ in palette.STYLES.values():
            assert contrast(shade(palette.INK), shade(fill)) >= 4.5
            assert contrast(shade(border), shade(fill)) >= 3
            assert contrast(shade(border), paper) >= 3
        for number in range(40):
            look = palette.of_class(number)
            fill, border = shade(look["fillcolor"]), shade(look["color"])
            assert contrast(shade(look["fontcolor"]), fill) >= 4.5
            assert contrast(border, fill) >= 3
            assert max(contrast(border, paper), contrast(fill, paper)) >= 3

    @pytest.mark.parametrize("eyes", EYES)
    def test_fills_differ_for_all_eyes(self, eyes: str) -> None:
        for fills in (FILLS, [dark(fill) for fill in FILLS], palette.CLASSES):
            seen = [lab(EYES[eyes] @ linear(fill)) for fill in fills]
            apart = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
            assert apart > 12

    def test_outlines_differ_without_any_colour(self) -> None:
        outlines = [tuple(outline.items()) for _, _, outline in palette.STYLES.values()]
        assert len(set(outlines)) == len(outlines)

    def test_classes_that_share_a_fill_differ_in_their_outline(self) -> None:
        count = len(palette.CLASSES) * palette.MAX_WIDTH
        assert len({tuple(palette.of_class(k).items()) for k in range(count)}) == count == 32
        drawn = classes(40).to_dot()
        assert all(f"class {k}}}" in drawn for k in range(40))
        assert len(set(re.findall(r'fillcolor="(\S+)".*penwidth=(\S+)', drawn))) >= 32

    @pytest.mark.parametrize("number", [-1, 0.5, "red", None])
    def test_what_is_no_class(self, number: Any) -> None:
        with pytest.raises(DataError, match="counted from 0"):
            classes(3).colour({"w0": number})

    def test_every_colour_of_a_drawing_is_one_of_these(self, engine: str) -> None:
        known = {*palette.DARK, *palette.CLASSES, palette.CLASS_INK}
        known = {colour.lower() for colour in known} | {"none", "transparent"}
        for graph in (two_layers(), two_layers().fold(0), all_kinds(), classes(20), stripes(12)):
            svg = graph.to_svg()
            used = {
                element.attrib[name]
                for element in ET.fromstring(svg).iter()
                for name in ("fill", "stroke")
                if name in element.attrib
            }
            assert used <= known
            assert all("fill" in text.attrib for text in ET.fromstring(svg).iter(f"{SVG}text"))

    def test_every_colour_has_a_dark_one(self) -> None:
        rules = re.findall(
            r'\[(fill|stroke)="(#\w+)"\] \{ \1: light-dark\((#\w+), (#\w+)\)', palette.STYLE_SHEET
        )
        assert {light: dark for _, _, light, dark in rules} == palette.DARK
        assert all(written == light.lower() for _, written, light, _ in rules)
        kinds = {(name, light) for name, _, light, _ in rules}
        for fill, border, _ in palette.STYLES.values():
            assert ("fill", fill) in kinds
            assert ("stroke", border) in kinds
        for both in ("fill", "stroke"):  # the arrows
            assert (both, palette.EDGE) in kinds


class TestStripes:
    def test_are_as_wide_as_classes_are_big(self, engine: str) -> None:
        for sizes in ([1, 1], [2, 1], [1, 9], [17, 30, 3], [1] * 32):
            numbers = [number for number, size in enumerate(sizes) for _ in range(size)]
            fills, found = zip(*widths(stripes(numbers).to_svg()), strict=True)
            assert fills == tuple((palette.CLASSES * 4)[: len(sizes)])
            np.testing.assert_allclose(found, np.array(sizes) / sum(sizes), atol=5e-4)

    @pytest.mark.parametrize("neurons", [1_000, 100_000])
    @pytest.mark.parametrize("alone", [0, -1])
    def test_one_of_many_is_seen_and_small(self, engine: str, neurons: int, alone: int) -> None:
        numbers = [0] * neurons
        numbers[alone] = 1
        by_fill = dict(widths(stripes(numbers).to_svg()))
        assert list(by_fill) == [palette.CLASSES[number] for number in dict.fromkeys(numbers)]
        assert 0.005 < by_fill[palette.CLASSES[1]] < 0.02

    def test_many_that_are_small_leave_the_rest_to_the_large(self, engine: str) -> None:
        found = widths(stripes([*range(1, 32), *[0] * 100_000]).to_svg())
        assert len(found) == 32
        assert min(wide for _, wide in found) > 0.005
        assert found[-1][1] == max(wide for _, wide in found) > 0.7

    def test_of_too_many_the_largest_are_shown_in_the_order_of_the_neurons(self) -> None:
        numbers = [*range(1, 41), *[0] * 60]
        (fills,) = re.findall(r'fillcolor="(#[^"]*;[^"]*)"', stripes(numbers).to_dot())
        assert fills.count(":") == palette.MAX_STRIPES - 1
        assert fills.endswith(f":{palette.CLASSES[0]}")
        shares = [float(one.split(";")[1]) for one in fills.split(":")[:-1]]
        assert 1 - sum(shares) == pytest.approx(60 / 91, abs=0.01)
        assert "100 neurons, 41 classes" in stripes(numbers).to_dot()


class TestLegend:
    def test_has_a_key_for_each_kind_that_is_there(self, engine: str) -> None:
        for graph, kinds in (
            (all_kinds(), [kind for kind in palette.STYLES if kind != "module"]),
            (two_layers().fold(0), ["data", "constant", "module"]),
            (trace(Value(1.0, label="a") * 2), ["leaf", "constant", "output"]),
            (classes(3), ["leaf", "operation", "output"]),
            (two_layers(), ["leaf", "data", "operation", "constant", "output"]),
        ):
            svg = graph.to_svg()
            root = ET.fromstring(svg)
            keys = [g for g in root.iter(f"{SVG}g") if g.get("class") == "key"]
            texts = [key.findtext(f"{SVG}text") for key in keys]
            title = "legend" if len(graph.nodes) > 12 else None
            assert texts == [title, *(palette.KEYS[kind] for kind in kinds)]
            assert svg.count('class="node"') == len(graph.nodes)
            assert svg.count('class="edge"') == len(graph.edges)
            assert svg.count('class="cluster"') == len(graph.scopes)

    def test_takes_little_of_a_small_picture(self, engine: str) -> None:
        """Of micrograd's first lesson, and of the smallest graphs, whose legend is as wide as they.

        With a box as around the legend of a large graph these were 34 and 49 %.
        """
        def area(graph: Graph, legend: bool) -> float:
            size = re.search(r'<svg width="(.+?)pt" height="(.+?)pt"', graph.to_svg(legend=legend))
            assert size is not None
            return float(size[1]) * float(size[2])

        a, b, c, f = (Value(k, label=name) for k, name in zip((2.0, -3.0, 10.0, -2.0), "abcf",
                      strict=True))  # fmt: skip
        for graph, most in ((trace((a * b + c) * f), 0.15), (all_kinds(), 0.4)):
            assert 1 - area(graph, legend=False) / area(graph, legend=True) < most

    def test_stands_close_together_from_top_to_bottom(self, engine: str) -> None:
        """Between the rows of a graph with matrices there is much room, which keys do not need."""
        root = ET.fromstring(two_layers().to_svg("TB"))
        spans = []
        for key in [g for g in root.iter(f"{SVG}g") if g.get("class") == "key"][1:]:
            shape = next(one for one in key.iter() if one.get("points") or one.get("d"))
            found = re.findall(r"-?[\d.]+", shape.get("points") or shape.get("d") or "")
            spans.append(sorted(map(float, found[::2])))
        gaps = [right[0] - left[-1] for left, right in pairwise(sorted(spans))]
        assert len(gaps) == 4
        assert all(0 < gap < 40 for gap in gaps)

    def test_is_large_where_the_graph_is(self) -> None:
        def keys(nodes: int) -> str:
            y = Value(1.0)
            for _ in range(nodes - 1):
                y = y.tanh()
            return trace(y).to_dot(legend=True).partition("cluster_key")[2]

        assert "label=legend" in keys(13)
        assert "label=legend" not in keys(12)
        assert "height=0.2" in keys(12)
        assert "height=0.2" not in keys(13)

    def test_can_be_left_out(self, engine: str, tmp_path: Path) -> None:
        graph = two_layers()
        assert "legend" not in graph.to_svg(legend=False)
        assert "legend" not in graph.to_dot()
        assert "key_leaf" in graph.to_dot(legend=True)
        assert "legend" not in graph.render(tmp_path / "g.svg", legend=False).read_text("utf-8")
        assert "legend" in graph.render(tmp_path / "g.svg").read_text("utf-8")

    def test_is_in_pictures(self, tmp_path: Path) -> None:
        if shutil.which("dot") is None:
            pytest.skip("Graphviz's dot is not installed")
        for suffix in (".png", ".pdf"):
            sizes = [
                len(all_kinds().render(tmp_path / f"g{suffix}", legend=legend).read_bytes())
                for legend in (True, False)
            ]
            assert sizes[0] > 1.05 * sizes[1]


class TestDirection:
    def test_short_ones_go_from_left_to_right(self) -> None:
        a, b, c, f = Value(2.0), Value(-3.0), Value(10.0), Value(-2.0)
        assert "rankdir=LR" in trace((a * b + c) * f).to_dot()

    def test_what_would_be_wider_than_a_page_goes_down(self) -> None:
        assert "rankdir=TB" in two_layers().to_dot()
        y = Value(1.0)
        for _ in range(30):
            y = y.tanh()
        assert "rankdir=TB" in trace(y).to_dot()

    def test_but_not_if_it_is_wide_anyhow(self) -> None:
        model = tg.nn.scalar.MLP(3, [4, 4, 1])
        graph = trace(model([1.0, 2.0, 3.0]), model)
        assert "rankdir=LR" in graph.to_dot(detail="operations")

    def test_as_asked(self, tmp_path: Path) -> None:
        for direction in ("LR", "TB"):
            for graph in (all_kinds(), two_layers()):
                path = graph.render(tmp_path / "g.dot", direction=direction)
                assert f"rankdir={direction}" in path.read_text("utf-8")
        with pytest.raises(DataError, match="'LR' or 'TB'"):
            all_kinds().to_dot("RL")
        with pytest.raises(DataError, match="'LR' or 'TB'"):
            all_kinds().render(tmp_path / "g.svg", direction="lr")

    def test_the_estimate_is_that_of_the_drawing(self, engine: str) -> None:
        """What was chosen is narrower, or fits on a page."""
        for graph in (two_layers(), all_kinds(), classes(12)):
            widths = {
                direction: float(graph.to_svg(direction, legend=False).split('"')[1][:-2])
                for direction in ("LR", "TB")
            }
            chosen = re.findall(r"rankdir=(\w+)", graph.to_dot())[0]
            assert widths[chosen] <= max(1300, min(widths.values()))


class TestNotebook:
    def test_shows_the_drawing(self, engine: str) -> None:
        graph = two_layers()
        shown = graph._repr_html_()
        assert shown.count('class="node"') == len(graph.nodes)
        assert graph._repr_svg_() == graph.to_svg()

    def test_two_drawings_have_nothing_in_common(self, engine: str) -> None:
        page = Page(all_kinds()._repr_html_() + two_layers()._repr_html_())
        names = {name for _, attributes in page.tags for name, _ in attributes}
        assert "id" not in names
        assert not [name for name in names if name.startswith("on") or name.endswith("href")]
        assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "img"}
        for selector in re.findall(r"^(.*?) \{", palette.STYLE_SHEET, re.MULTILINE):
            # of drawings only, and none that reaches past an end of its own
            assert re.search(r"\.tinygrad-graph( \[\w+=\"#\w+\"\])?$", selector)
        assert "@" not in palette.STYLE_SHEET
        assert "url(" not in palette.STYLE_SHEET

    def test_where_nothing_can_be_drawn_it_shows_the_text(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tinygrad_init.graph.render.MAX_NODES", 2)
        y = Value(1.0, label="<b>x")
        for _ in range(100):
            y = y.tanh()
        page = Page(trace(y)._repr_html_())
        assert [tag for tag, _ in page.tags] == ["pre", "/pre", "p", "/p"]
        assert "n100 = tanh(n99)" in page.text
        assert "... and 41 more lines" in page.text
        assert "No drawing: a drawing of 3 nodes (more than 2)" in page.text
        assert "<b>x" in Page(trace(Value(1.0, label="<b>x") * 2 * 3)._repr_html_()).text
        assert trace(y)._repr_svg_() is None


def _hosts() -> dict[str, tuple[str, str | None]]:
    """Pages around a drawing, and what they want of it; None: what the reader's system says."""
    jupyter = '<html><body data-jp-theme-light="{}">'
    return {
        "light page": ("<html><body>", "light"),
        "dark page": ('<html style="color-scheme: dark"><body>', "dark"),
        "page for both": ('<html style="color-scheme: light dark"><body>', None),
        "light JupyterLab": (jupyter.format("true"), "light"),
        "dark JupyterLab": (jupyter.format("false"), "dark"),
        "light VS Code": ('<html><body class="vscode-light">', "light"),
        "dark VS Code": ('<html><body class="vscode-dark">', "dark"),
        "VS Code, contrast": ('<html><body class="vscode-high-contrast">', "dark"),
        "VS Code, light contrast":
            ('<html><body class="vscode-high-contrast vscode-high-contrast-light">', "light"),
        "light Colab": ('<html theme="light"><body>', "light"),
        "dark Colab": ('<html theme="dark"><body>', "dark"),
        "dark Sphinx": ('<html data-theme="dark"><body>', "dark"),
        "dark marimo": ('<html><body class="dark dark-theme" data-theme="dark">', "dark"),
    }  # fmt: skip


@pytest.mark.browser
class TestBrowser:
    # browser_page comes before engine: the browser is found before the PATH is emptied.

    LOOK = """() => [...document.querySelectorAll("g:is(.node, .key, .cluster, .edge)")].map(
    group => {
        const shape = group.querySelector("path, polygon"), text = group.querySelector("text");
        const of = (element, what) => element ? getComputedStyle(element)[what] : null;
        return [group.getAttribute("class"), of(shape, "fill"), of(shape, "stroke"),
                of(text, "fill")];
    })"""

    @staticmethod
    def colours(found: str | None) -> str | None:
        """``rgb(27, 27, 27)`` as ``#1B1B1B``; None for none."""
        numbers = re.findall(r"[\d.]+", found or "")
        is_clear = found in (None, "none") or numbers[3:] == ["0"]
        return None if is_clear else "#" + "".join(f"{int(number):02X}" for number in numbers[:3])

    def check(self, page: Any, scheme: str) -> None:
        """Contrasts as the browser has computed the colours."""
        paper = dark(palette.PAPER) if scheme == "dark" else palette.PAPER
        background = page.locator("g.graph > polygon").first.evaluate(
            "element => getComputedStyle(element).fill"
        )
        assert self.colours(background) == paper
        seen = page.evaluate(self.LOOK)
        assert len(seen) > 5
        for kind, *colours in seen:
            fill, stroke, ink = map(self.colours, colours)
            below = fill or paper
            if ink and kind == "edge":
                below = paper
            assert not ink or contrast(ink, below) >= 4.5, kind
            assert stroke
            assert max(contrast(stroke, paper), contrast(below, paper)) >= 3, kind
            assert kind == "edge" or contrast(stroke, below) >= 3, kind

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_a_file_follows_the_system(
        self, tmp_path: Path, browser_page: Any, engine: str, scheme: str
    ) -> None:
        browser_page.emulate_media(color_scheme=scheme)
        for graph in (all_kinds(), two_layers(), two_layers().fold(1), classes(20), stripes(12)):
            browser_page.goto(graph.render(tmp_path / "graph.svg").as_uri())
            self.check(browser_page, scheme)

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_in_a_page_it_follows_the_page(
        self, tmp_path: Path, browser_page: Any, engine: str, scheme: str
    ) -> None:
        browser_page.emulate_media(color_scheme=scheme)
        two = all_kinds()._repr_html_() + classes(20)._repr_html_()
        path = tmp_path / "page.html"
        for name, (head, wanted) in _hosts().items():
            start = f"<!DOCTYPE html><link rel=icon href=data:,>{head}"
            path.write_text(f"{start}{two}</body></html>", encoding="utf-8")
            browser_page.goto(path.as_uri())
            try:
                self.check(browser_page, wanted or scheme)
            except AssertionError as error:
                raise AssertionError(name) from error

    @pytest.mark.parametrize("width", [400, 1000, 1600])
    def test_a_wide_one_shrinks_a_little_and_then_scrolls(
        self, tmp_path: Path, browser_page: Any, engine: str, width: int
    ) -> None:
        browser_page.set_viewport_size({"width": width, "height": 700})
        svg = two_layers().to_svg("LR")
        path = tmp_path / "page.html"
        from tinygrad_init.graph.notebook import with_drawing

        jupyter = "<style>div svg { max-width: 100%; height: auto }</style>"
        path.write_text(
            f"<!DOCTYPE html><link rel=icon href=data:,>{jupyter}{with_drawing(svg)}", "utf-8"
        )
        browser_page.goto(path.as_uri())
        natural = float(svg.split('"')[1][:-2]) * 4 / 3
        drawn = browser_page.locator("svg").bounding_box()
        assert drawn["width"] == pytest.approx(max(0.6 * natural, min(natural, width - 16)), abs=2)
        page_width = browser_page.evaluate("document.documentElement.scrollWidth")
        assert page_width <= width
