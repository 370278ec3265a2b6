"""The page of a graph as text: what it says, what it allows itself, and labels in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg
from tests.graph.hostile import HOSTILE, labelled
from tests.graph.models import folded, network
from tests.graph.pages import Page
from tinygrad_init import Tensor, Value
from tinygrad_init.graph import Graph, text, trace
from tinygrad_init.graph.page import SCRIPTS

VOID = {"meta", "link", "br", "input", "hr"}


def small() -> Graph:
    x = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], label="x")
    w = Tensor([[0.1], [0.2]], requires_grad=True, label="w")
    return trace(((x @ w).tanh() ** 2).mean())


def data(page: str) -> dict[str, Any]:
    (found,) = re.findall(r'<script type="application/json" id="graph-data">(.*?)</script>', page)
    assert not set("<>&") & set(found)
    document: dict[str, Any] = json.loads(found)
    return document


def of(document: str, element: str) -> str:
    """What is in the one element without attributes."""
    (found,) = re.findall(rf"<{element}>(.*?)</{element}>", document, re.DOTALL)
    return str(found)


def card(page: str, node: str) -> str:
    """The text of the card of a node, with single spaces."""
    (found,) = re.findall(rf'<article class="card" id="about-{node}">(.*?)</article>', page, re.S)
    return " ".join(Page(found).text.split())


class Nesting(HTMLParser):
    """Fails where an element is closed that is not the innermost open one."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        assert not [name for name, _ in attrs if name.startswith("on") or name == "style"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


class TestPolicy:
    def test_one_style_sheet_and_one_script_by_their_hashes(self, engine: str) -> None:
        page = small().to_html()
        (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules == {
            "default-src": "'none'",
            "style-src": sha256(of(page, "style")),
            "script-src": sha256(of(page, "script")),
            "require-trusted-types-for": "'script'",
            "img-src": "data:",
            "base-uri": "'none'",
            "form-action": "'none'",
        }
        assert len(re.findall("<script", page)) == 2  # the other is data

    def test_asks_for_nothing(self, engine: str) -> None:
        page = small().to_html()
        assert page.startswith("<!DOCTYPE html>")
        addresses = set(re.findall(r"https?://[^\s\"'<]+", page))
        assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
        assert not re.findall(r"\b(?:src|href|srcset|action|ping)=(?!\"data:,\")", page)

    def test_the_script_makes_no_markup_from_strings(self) -> None:
        script = "".join(
            (files("tinygrad_init.graph") / "web" / f"{name}.js").read_text() for name in SCRIPTS
        )
        for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(",
                     "Function(", "fetch(", "XMLHttp", "import(", "</", "<!--"):  # fmt: skip
            assert word not in script

    def test_other_documents_have_no_script(self) -> None:
        x = Value(2.0, label="x")
        page = tg.explain(x * x, wrt=x).to_html()
        assert "<script" not in page
        assert "script-src" not in page


def sha256(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


class TestContent:
    def test_table_and_drawing_name_every_node(self, engine: str) -> None:
        graph = small()
        page = graph.to_html()
        assert page.count('class="node"') == len(graph.nodes)
        for node in graph.nodes:
            assert f"<td>{node.id}</td>" in page
        assert r"<code>\tanh x</code>" in page
        assert "x @ w" in page

    def test_elements_nest_and_ids_are_unique(self, engine: str) -> None:
        page = Nesting(small().to_html())
        assert len(page.ids) == len(set(page.ids))

    def test_same_graph_same_bytes(self, engine: str) -> None:
        assert small().to_html() == small().to_html()

    def test_card_of_a_number(self) -> None:
        a = Value(2.0, label="a")
        b = a + a
        b.label = "b"
        page = trace(b * b).to_html()
        assert "b = a + a = 2 + 2 = 4" in card(page, "n1")
        assert "dn2db = 4 + 4 = 8" in card(page, "n1")
        told = card(page, "n0")
        assert "a = 2 (leaf)" in told
        for use in (1, 2):
            assert f"through b, as its argument {use}" in told
        assert "8upstream × ∂b∂a=11local = 8term" in told
        assert "dn2da : 8 (use 1 of 2)" in told
        assert "dn2da = 8 + 8 = 16 (use 2 of 2)" in told
        assert "The backward pass starts here" in card(page, "n2")

    def test_card_of_a_matrix(self) -> None:
        page = small().to_html()
        told = card(page, "n1")
        assert "2×1, float64" in told
        assert "vector-Jacobian product" in told
        assert "x T" in told or "xT" in told
        (rows,) = re.findall(r'id="about-n1">.*?<table class="entries">(.*?)</table>', page, re.S)
        assert re.findall(r"<td>(.*?)</td>", rows) == ["0.1", "0.2"]

    def test_rounded_numbers_are_only_about_equal(self) -> None:
        x = Value(1 / 3, label="x")
        assert "n1 = x × x = 0.3333 × 0.3333 ≈ 0.1111" in card(trace(x * x).to_html(), "n1")
        a = Value(1.0, label="a")
        told = card(trace(a / 3 + a / 3).to_html(), "n0")
        assert "= 0.3333 + 0.3333 ≈ 0.6667 (use 2 of 2)" in told
        assert told.endswith("= 0.3333 + 0.3333 ≈ 0.6667")

    def test_large_arrays_are_summarised(self) -> None:
        w = Tensor(np.linspace(-1, 1, 10_000), requires_grad=True, label="w")
        page = trace((w * 2).sum()).to_html()
        assert "-1 … 1" in card(page, "n0")
        assert len(page) < 250_000

    def test_reasons(self) -> None:
        w = Tensor([2.0], requires_grad=True, label="w")
        loss = (w * w).sum()
        w.data = [3.0]
        told = card(trace(loss).to_html(), "n0")
        assert "value now" in told
        assert "unavailable: multiply needs its input leaf Tensor" in told

    def test_where_no_gradient_flows(self) -> None:
        page = trace(Tensor([1.0]) * 2).to_html()
        assert "nothing asks for one" in card(page, "n0")
        assert data(page)["seed"] is False

    def test_folded_nodes(self) -> None:
        graph = folded()
        page = graph.to_html()
        assert graph.note in " ".join(Page(page).text.split())
        module = next(node for node in graph.nodes if node.kind == "module")
        told = card(page, module.id)
        assert f"{module.size:,} nodes" in told
        assert "all its uses at once" in told
        many = next(node for node in graph.nodes if node.size > 1 and node.kind == "leaf")
        assert f"stands for{many.size:,} alike" in card(page, many.id)
        assert len(data(page)["nodes"]) == len(graph.nodes)

    def test_a_closed_module_of_several_results_has_no_number_of_its_own(self) -> None:
        model = tg.nn.scalar.MLP(2, [3, 2, 1], rng=0)
        nodes = data(trace(model([1.0, 2.0]), model).fold(1).to_html())["nodes"]
        assert [node["rows"] for node in nodes] == [[0, 0], [0, 0], [1, 1]]

    def test_a_result_in_a_closed_module_is_called_by_it(self) -> None:
        x = Value(2.0, label="x")
        with tg.scope("loss"):
            y = (x * 2).tanh()
        assert "<h1>How loss was computed</h1>" in trace(y).to_html(detail=0)

    def test_the_legend_has_a_key_for_what_the_script_closes(self) -> None:
        key = '<li data-live hidden><span class="key-closed">'
        assert key in trace(tg.nn.Linear(2, 1)([1.0, 2.0]).sum()).to_html()
        assert key not in trace(Value(2.0) * 3).to_html()

    def test_the_title_says_what_made_a_result_that_is_called_by_its_id(self) -> None:
        x = Value(2.0, label="x")
        page = trace(x * 3).to_html()
        assert "<h1>How n2, the result of multiply, was computed</h1>" in page
        with tg.scope("outer <part>"), tg.scope("inner"):
            y = (x * 3).tanh()
        page = trace(y).to_html()
        assert "<h1>How n3, the result of outer &lt;part&gt;, was computed</h1>" in page
        y.label = "z"
        assert "<h1>How z was computed</h1>" in trace(y).to_html()

    def test_a_formula_of_a_user_that_cannot_be_shown(self) -> None:
        odd = tg.operation("page_odd", lambda x: x, lambda g, *_: g, formula=r"\evil{<b>}")
        told = card(trace(odd(Value(1.0))).to_html(), "n1")
        assert r"\evil{<b>}" in told

    def test_without_turning_where_it_would_take_long(self) -> None:
        y = Value(0.0)
        for _ in range(200):
            y = y + 1
        assert len(data(trace(y).to_html(detail="operations"))["layouts"]) == 1
        assert list(data(small().to_html())["layouts"]) == ["LR", "TB"]


class TestData:
    def test_steps(self) -> None:
        graph = small()
        found = data(graph.to_html())
        assert [node["id"] for node in found["nodes"]] == [node.id for node in graph.nodes]
        assert found["edges"] == [
            [int(edge.source[1:]), int(edge.target[1:])] for edge in graph.edges
        ]
        assert [term["isLast"] for term in found["terms"]] == [True] * 4
        receivers = [graph.nodes[term["node"]] for term in found["terms"]]
        assert [node.symbol or node.label for node in receivers] == ["**", "tanh", "@", "w"]

    def test_texts_of_a_node_are_counted_from_the_end(self, engine: str) -> None:
        """The script finds the lines of value and gradient so, whatever the label says."""
        graph = labelled("data 2")
        page = graph.to_html()
        groups = re.findall(r'class="node".*?</g>\n</g>', page, re.S)
        shown = {
            re.findall("<title>(.*?)</title>", group)[0]: re.findall(">([^<]*)</text>", group)
            for group in groups
        }
        for node, told in zip(graph.nodes, data(page)["nodes"], strict=True):
            values, gradients = told["rows"]
            texts = [line.replace("&#45;", "-") for line in shown[node.id]]
            value = text.number(node.value)
            word = "" if node.kind == "constant" else "data "
            assert texts[len(texts) - values - gradients] == f"{word}{value}"
            if node.gradient is not None:
                assert texts[-1] == f"grad {text.number(node.gradient)}"

    def test_modules_have_the_numbers_of_their_one_result(self) -> None:
        graph = network()
        scopes = data(graph.to_html())["scopes"]
        assert [one["title"] for one in scopes] == [one.title for one in graph.scopes]
        for told, scope in zip(scopes, graph.scopes, strict=True):
            result = graph.nodes[told["output"]]
            assert told["value"] == f"data {text.inline(result.value)}"
            assert told["gradient"] == f"grad {text.inline(result.gradient)}"
            assert {"s0": result.scope == "s2", "s3": result is graph.output}.get(scope.id, True)


class TestHostile:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_labels_are_data(self, engine: str, name: str) -> None:
        page = labelled(HOSTILE[name]).to_html()
        page.encode()
        Nesting(page)
        lower = page.lower()
        for tag in ("<b>", "<h1>x", "<!--", "<![cdata"):
            assert tag not in lower
        assert lower.count("<script") == lower.count("</script") == 2
        titles = lower.count("<title>n") + lower.count("<title>computation")
        assert lower.count("</title>") == 1 + titles
        assert len(page) < len(labelled("a").to_html()) + 20_000
        assert data(page)["nodes"][3]["name"].startswith("f ")

    def test_a_megabyte(self) -> None:
        assert len(labelled("<" * 1_000_000).to_html()) < 200_000

    def test_names_of_modules_and_operations(self, engine: str) -> None:
        evil = "</script><script>alert(1)</script>\ud800\x00"
        with tg.scope(evil):
            page = trace(tg.operation(evil, lambda x: x, lambda g, *_: g)(Value(1.0))).to_html()
        page.encode()
        Nesting(page)
        assert page.count("<script") == page.count("</script") == 2


# What is said of a number that was computed.


def worked(graph: Graph) -> list[str]:
    found = re.findall(r'<p class="worked"><bdi>(.*?)</bdi></p>', graph.to_html())
    return [Page(each).text for each in found]


def test_a_changed_number_is_not_put_into_an_equation_that_it_does_not_fulfil() -> None:
    speed = Tensor(2.0, requires_grad=True, label="speed")
    way = speed * 3.0
    speed.data = 5.0
    assert worked(trace(way)) == [
        "speed = 5 (leaf, now)",
        "n1 = 3 (constant)",
        "n2 = speed × 3 = 6, from numbers that were changed since",
    ]


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (1 / 3, "y = x × 0 = 0.3333 × 0 = 0"),  # though the factor is rounded, the product is not
        (np.inf, "y = x × 0 = inf × 0 = nan"),
        (np.nan, "y = x × 0 = nan × 0 = nan"),
    ],
)
def test_the_sign_before_a_result_says_what_a_reader_finds(x: float, said: str) -> None:
    y = Value(x, label="x") * 0
    y.label = "y"
    assert worked(trace(y))[-1] == said


def test_a_rounded_factor_gives_a_rounded_product() -> None:
    said = worked(trace(Value(2 / 3, label="x") * 3))[-1]
    assert said == "n2 = x × 3 = 0.6667 × 3 ≈ 2"
    assert worked(trace(-Value(2 / 3, label="x")))[-1] == "n1 = −x = −0.6667 = -0.6667"


def test_nan_in_a_large_array_does_not_hide_the_range_of_the_others() -> None:
    x = np.arange(10.0)
    x[0], x[1] = np.nan, np.inf
    assert text.lines(x) == ["1 of 10 nan, others 2 … inf"]
    assert text.lines(np.full(10, np.nan)) == ["10 of 10 nan"]
