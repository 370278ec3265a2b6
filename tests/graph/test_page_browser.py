"""The page of a graph in Chromium: what is seen after each step, key and click."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import tinygrad_init as tg
from tests.graph.hostile import HOSTILE, labelled
from tests.graph.models import folded, network
from tinygrad_init import Value
from tinygrad_init.graph import Graph, text, trace

pytestmark = pytest.mark.browser

# Fixtures: browser_page comes before engine, so that the browser is found before PATH is emptied.

OPEN = Callable[..., Any]


@pytest.fixture
def show(tmp_path: Path, browser_page: Any) -> OPEN:
    """Opens the page of a graph; violations of the policy would be errors on the console."""

    def opened(graph: Graph, **options: Any) -> Any:
        browser_page.goto(graph.render(tmp_path / "graph.html", **options).as_uri())
        return browser_page

    browser_page.emulate_media(reduced_motion="reduce")  # every movement is over at once
    return opened


def shared() -> Graph:
    a = Value(Fraction(2), label="a")
    b = a + a
    b.label = "b"
    c = b * b
    c.label = "c"
    return trace((c - a) * Fraction(1, 3))


def nested() -> Graph:
    """Scalars in modules in a module, with a number outside that goes into each."""
    x = Value(0.5, label="x")
    with tg.scope("outer"):
        with tg.scope("first"):
            y = (x * 2).tanh()
        with tg.scope("second"):
            y = (y + x).tanh() * 3
    return trace(y * x)


def exclusive_or() -> Graph:
    """The loss of a small network of single numbers: four calls of one module."""
    model = tg.nn.scalar.MLP(2, [3, 1])
    samples = [((0.0, 0.0), 0.0), ((0.0, 1.0), 1.0), ((1.0, 0.0), 1.0), ((1.0, 1.0), 0.0)]
    return trace(sum((model(list(x)) - y) ** 2 for x, y in samples), model)


def shown(page: Any) -> set[str]:
    """The ids of the nodes that are there, not in a closed module."""
    found: list[str] = page.evaluate("""() => {
        const { nodes } = JSON.parse(document.querySelector("#graph-data").textContent);
        const groups = [...document.querySelectorAll("g.node:not(.gone)")];
        const names = new Set(groups.map((group) => group.ariaLabel));
        return nodes.filter((node) => names.has(node.says)).map((node) => node.id);
    }""")
    return set(found)


def opened(show: OPEN, graph: Graph) -> Any:
    """The page, with all modules open."""
    page = show(graph)
    if page.locator("g.module:not(.gone)").count():
        page.keyboard.press("m")
    assert not page.locator("g.node.gone, g.module:not(.gone)").count()
    return page


# What can be seen.


def node(page: Any, name: str) -> Any:
    return page.locator(f'g.node[aria-label^="{name} "]')


def seen(page: Any) -> dict[str, tuple[str, str]]:
    """For each node the value and the gradient that can be seen, by id."""
    found: dict[str, tuple[str, str]] = page.evaluate("""() => {
        const { nodes } = JSON.parse(document.querySelector("#graph-data").textContent);
        const seen = (text) => getComputedStyle(text).visibility === "visible";
        const words = (group, name) => [...group.querySelectorAll("." + name)]
            .filter(seen).map((text) => text.textContent).join(" ");
        const groups = [...document.querySelectorAll("g.node")];
        const of = (node) => groups.find((group) => group.ariaLabel === node.says);
        return Object.fromEntries(nodes.map((node) => (
            [node.id, [words(of(node), "value"), words(of(node), "gradient")]])));
    }""")
    return {key: (value, gradient) for key, (value, gradient) in found.items()}


def wait_until(page: Any, happens: Callable[[], bool]) -> None:
    """Playwright's own waiting compiles a string, which the policy refuses."""
    for _ in range(200):
        if happens():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not happen")


def words(page: Any) -> str:
    return " ".join(page.locator(".words").inner_text().split())


def expected_steps(graph: Graph) -> Iterator[tuple[dict[str, tuple[str, str]], dict[str, Any]]]:
    """What must be seen after each step, found from edges, values and local derivatives alone."""
    known: dict[str, str] = {one.id: "" for one in graph.nodes}
    received: dict[str, Any] = {}
    by_id = {one.id: one for one in graph.nodes}

    def now() -> dict[str, tuple[str, str]]:
        shown = {key: f"grad {text.number(value)}" for key, value in received.items()}
        return {key: (value, shown.get(key, "")) for key, value in known.items()}

    yield now(), {}
    for one in graph.nodes:
        word = "" if one.kind == "constant" else "data "
        known[one.id] = f"{word}{text.number(one.value)}"
        yield now(), {"value": one.value}
    received[graph.output.id] = 1
    yield now(), {}
    for target in reversed(graph.nodes):
        for edge in [edge for edge in graph.edges if edge.target == target.id]:
            local = graph.local(edge)
            if local is None:
                continue
            upstream = by_id[edge.target].gradient
            received[edge.source] = received.get(edge.source, 0) + upstream * local.value
            yield now(), {"upstream": upstream, "local": local.value,
                          "term": upstream * local.value, "so far": received[edge.source]}


class TestSteps:
    @pytest.mark.parametrize("make", [shared, nested], ids=["shared", "nested"])
    def test_a_whole_pass(self, show: OPEN, engine: str, make: Callable[[], Graph]) -> None:
        graph = make()
        page = opened(show, graph)
        whole = seen(page)
        for shown, said in expected_steps(graph):
            page.keyboard.press("ArrowRight")
            assert seen(page) == shown
            told = words(page)
            if "term" in said:
                numbers = [text.number(said[name]) for name in ("upstream", "local", "term")]
                factors = page.locator(".words .factor .number").all_inner_texts()
                assert factors == numbers
                assert page.locator(".words .so-far strong").inner_text() == text.number(
                    said["so far"]
                )
                assert re.fullmatch(r".* [=≈] .*", page.locator(".badge text").text_content())
            elif "value" in said:
                assert re.search(rf"[=≈] {re.escape(text.number(said['value']))}( \(\w+\))?$", told)
        assert seen(page) == whole  # the last step
        page.keyboard.press("ArrowRight")
        assert "All numbers are here" in words(page)
        assert seen(page) == whole

    def test_what_is_written_beside_an_edge_hides_no_number(self, show: OPEN) -> None:
        given = {"a": 2.0, "b": -3.0, "c": 10.0, "f": -2.0}
        a, b, c, f = (Value(x, label=name) for name, x in given.items())
        product = a * b
        product.label = "e"
        d = product + c
        d.label = "d"
        result = d * f
        result.label = "L"
        page = show(trace(result))
        page.set_viewport_size({"width": 1400, "height": 900})
        page.reload()
        page.keyboard.press("End")
        for _ in range(6):
            page.keyboard.press("ArrowLeft")
            assert page.locator(".badge").is_visible()
            assert page.evaluate("""() => {
                const badge = document.querySelector(".badge rect").getBoundingClientRect();
                return [...document.querySelectorAll(".node .outline")]
                    .map((outline) => outline.getBoundingClientRect())
                    .filter((box) => (
                        Math.min(box.right, badge.right) - Math.max(box.left, badge.left) > 1
                        && Math.min(box.bottom, badge.bottom) - Math.max(box.top, badge.top) > 1))
                    .length;
            }""") == 0

    def test_a_closed_module_at_work_is_not_faint(self, show: OPEN) -> None:
        page = show(network())
        if "Close" in page.locator('[data-do="modules"]').inner_text():
            page.keyboard.press("m")
        page.keyboard.press("Home")
        for _ in range(20):
            page.keyboard.press("ArrowRight")
            opacity = "(one) => getComputedStyle(one).opacity"
            at_work = page.locator("g.module.future.active")
            if at_work.count():
                assert at_work.evaluate(opacity) == "1"
                return
        raise AssertionError("no module was seen at work")

    def test_back_is_the_way_it_came(self, show: OPEN) -> None:
        page = show(shared())
        page.keyboard.press("Home")
        there = []
        for _ in range(12):
            there.append((seen(page), words(page)))
            page.keyboard.press("ArrowRight")
        for shown in reversed(there):
            page.keyboard.press("ArrowLeft")
            assert (seen(page), words(page)) == shown

    def test_the_gradient_of_a_shared_node_grows(self, show: OPEN) -> None:
        page = show(shared())
        page.keyboard.press("End")
        grown: list[str] = []
        for _ in range(8):
            page.keyboard.press("ArrowLeft")
            grown.insert(0, seen(page)["n0"][1])
        assert list(dict.fromkeys(grown)) == ["", "grad -1/3", "grad 7/3", "grad 5"]
        assert graph_gradient(shared(), "a") == 5

    def test_matrices(self, show: OPEN, engine: str) -> None:
        graph = network()
        page = opened(show, graph)
        whole = seen(page)
        page.keyboard.press("Home")
        assert set(seen(page).values()) == {("", "")}
        for k, _ in enumerate(graph.nodes):
            page.keyboard.press("ArrowRight")
            shown = seen(page)
            assert [shown[one.id][0] != "" for one in graph.nodes] == [
                i <= k for i, _ in enumerate(graph.nodes)
            ]
        gradients = 0
        while "All numbers" not in words(page):
            count = sum(gradient != "" for _, gradient in seen(page).values())
            assert gradients <= count <= gradients + 1
            gradients = count
            page.keyboard.press("ArrowRight")
        assert seen(page) == whole
        assert gradients == sum(one.gradient is not None for one in graph.nodes)

    def test_the_product_that_is_told_is_that_of_the_rule(self, show: OPEN) -> None:
        page = show(network())
        page.keyboard.press("End")
        page.keyboard.press("ArrowLeft")  # the first weight comes last
        assert "vector-Jacobian product, 3×4" in words(page)
        assert "layers.0.weight receives" in page.locator(".spoken").inner_text()

    def test_folded_nodes(self, show: OPEN, engine: str) -> None:
        """Their gradients come as a whole, when everything that they go into is done."""
        graph = folded()
        page = opened(show, graph)
        whole = seen(page)
        page.keyboard.press("Home")
        assert set(seen(page).values()) == {("", "")}
        done: list[str] = []
        while "All numbers" not in words(page):
            shown = seen(page)
            done += [key for key, (_, told) in shown.items() if told and key not in done]
            page.keyboard.press("ArrowRight")
        assert seen(page) == whole
        assert set(done) == {one.id for one in graph.nodes if one.gradient is not None}
        users = {(edge.source, edge.target) for edge in graph.edges if not edge.carried}
        assert all(
            done.index(target) < done.index(source)
            for source, target in users if source in done and target in done
        )

    def test_what_is_not_available_is_said_at_the_end(self, show: OPEN) -> None:
        w = tg.Tensor([2.0], requires_grad=True, label="w")
        loss = (w * w + w).sum()
        w.data = [3.0]
        page = show(trace(loss))
        assert seen(page)["n0"] == ("data now [3]", "grad unavailable")
        page.keyboard.press("Home")
        assert seen(page)["n0"] == ("", "")
        for _ in range(9):  # four nodes, the seed, and the first part of w * w is the fourth term
            page.keyboard.press("ArrowRight")
        assert "changed after it was recorded" in words(page)

    def test_at_the_end_all_is_shown_even_what_no_step_tells(self, show: OPEN) -> None:
        """A pickle keeps no rule of one's own, so no step says that w has no gradient."""
        own = tg.operation("page_triple", lambda x: 3 * x, lambda g, y, x: 3 * g)
        w = tg.Tensor([2.0], requires_grad=True, label="w")
        loss = (own(w) * w).sum()
        w.data = [3.0]
        graph: Graph = pickle.loads(pickle.dumps(trace(loss)))
        page = show(graph)
        assert seen(page)["n0"] == ("data now [3]", "grad unavailable")

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_stripes_show_value_and_gradient_apart(self, show: OPEN, scheme: str) -> None:
        """A node whose neurons have several classes has both on one line."""
        graph = network().colour({"layers.0.weight": (0, 1, 1, 0)})
        page = opened(show, graph)
        page.emulate_media(color_scheme=scheme)
        line = node(page, "layers.0.weight").locator("text").last
        value, gradient = line.locator("tspan").all()
        assert line.text_content() == f"{value.text_content()}   {gradient.text_content()}"
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        visibility = "one => getComputedStyle(one).visibility"
        assert [value.evaluate(visibility), gradient.evaluate(visibility)] == ["visible", "hidden"]
        page.keyboard.press("End")
        assert gradient.evaluate(visibility) == "visible"

    def test_play_and_speed(self, show: OPEN) -> None:
        page = show(shared())
        page.locator(".speed").select_option("4")
        page.locator("h1").click()
        page.keyboard.press("Space")
        assert page.locator('[data-do="play"]').get_attribute("aria-label") == "pause"
        wait_until(page, lambda: int(page.locator(".progress").input_value()) > 1)
        page.keyboard.press("Space")
        assert page.locator('[data-do="play"]').get_attribute("aria-label") == "play"
        at = page.locator(".progress").input_value()
        page.wait_for_timeout(600)
        assert page.locator(".progress").input_value() == at

    def test_slider_and_buttons(self, show: OPEN) -> None:
        page = show(shared())
        page.locator(".progress").fill("3")
        assert [value for value, _ in seen(page).values()].count("") == 3
        page.locator('[data-do="next"]').click()
        page.locator('[data-do="back"]').click()
        assert page.locator(".progress").input_value() == "3"
        page.locator('[data-do="first"]').click()
        assert "Nothing is computed yet" in words(page)
        page.locator('[data-do="last"]').click()
        assert "All numbers are here" in words(page)

    def test_from_node_to_node(self, show: OPEN) -> None:
        """Page down goes over both terms that b * b adds to b."""
        page = show(shared())
        page.locator(".progress").fill("8")
        told = []
        for _ in range(3):
            page.keyboard.press("PageDown")
            told.append(page.locator(".spoken").text_content())
        assert [re.findall(r"through (\w+)", one) for one in told] == [["n3"], ["c"], ["b"]]


def graph_gradient(graph: Graph, label: str) -> Any:
    (found,) = [one.gradient for one in graph.nodes if one.label == label]
    return found


def box(page: Any, selector: str, k: int = 0) -> dict[str, float]:
    found: dict[str, float] = page.locator(selector).nth(k).bounding_box()
    return found


def overlap(one: dict[str, float], other: dict[str, float]) -> float:
    across, down = (
        min(one[at] + one[size], other[at] + other[size]) - max(one[at], other[at])
        for at, size in (("x", "width"), ("y", "height"))
    )
    return max(0.0, across) * max(0.0, down)


BOXES = "g.node:not(.gone) .outline, g.module:not(.gone) > .outline"


class TestModules:
    @pytest.mark.parametrize("is_turned", [False, True], ids=["", "turned"])
    @pytest.mark.parametrize("make", [network, nested], ids=["network", "nested"])
    def test_closing_hides_what_is_inside(
        self, show: OPEN, engine: str, make: Callable[[], Graph], is_turned: bool
    ) -> None:
        graph = make()
        page = opened(show, graph)
        if is_turned:
            page.keyboard.press("t")
        outer = {one.id: one.outer for one in graph.scopes}
        homes_of = {one.id: one.scope for one in graph.nodes}

        def is_in(home: str, scope: str) -> bool:
            while home and home != scope:
                home = outer[home]
            return home == scope

        for scope in graph.scopes:
            page.locator(f'g.toggle[aria-label="close {scope.title}"]').dispatch_event("click")
            inside = []
            for one in graph.nodes:
                users = [edge.target for edge in graph.edges if edge.source == one.id]
                is_parameter = scope.module in one.held_by if scope.module else False
                homes = [homes_of[user] for user in users] if is_parameter else [one.scope]
                inside.append(all(is_in(home, scope.id) for home in homes))
            gone = page.locator("g.node").evaluate_all(
                "groups => groups.map((group) => [group.ariaLabel, group.matches('.gone')])"
            )
            hidden = {name.split(" ")[0] for name, is_gone in gone if is_gone}
            names = page.evaluate(
                "JSON.parse(document.querySelector('#graph-data').textContent).nodes"
                ".map((node) => node.name)"
            )
            assert hidden == {name for name, is_in in zip(names, inside, strict=True) if is_in}
            assert page.locator("g.module:not(.gone)").count() == 1
            boxes = [box(page, BOXES, i) for i in range(page.locator(BOXES).count())]
            for i, place in enumerate(boxes):
                assert all(overlap(place, other) < 1 for other in boxes[:i])
            page.locator("g.module:not(.gone)").dispatch_event("click")

    def test_a_graph_over_the_limit_of_a_drawing_opens_and_closes(
        self, show: OPEN, engine: str
    ) -> None:
        graph = exclusive_or()
        assert len(graph.fold().nodes) < len(graph.nodes)
        page = show(graph)
        whole = {one.id for one in graph.nodes if not one.scope and not one.held_by}
        assert shown(page) == whole  # no parameter stands beside the closed calls of its module
        assert page.locator("g.module:not(.gone)").count() == 4
        boxes = [box(page, BOXES, i) for i in range(page.locator(BOXES).count())]
        for i, place in enumerate(boxes):
            assert all(overlap(place, other) < 1 for other in boxes[:i])
        for _ in range(3):  # the call, its layer, a neuron of it
            page.locator("g.module:not(.gone)").first.click()
        first = next(one for one in graph.scopes if one.kind.endswith("Neuron"))
        computed = {one.id for one in graph.nodes if one.scope == first.id}
        read = {edge.source for edge in graph.edges if edge.target in computed}
        assert computed
        assert shown(page) == whole | computed | read
        page.keyboard.press("m")
        assert shown(page) == {one.id for one in graph.nodes}
        page.keyboard.press("m")
        assert shown(page) == whole

    def test_search_opens_a_call_that_uses_a_parameter(self, show: OPEN) -> None:
        page = show(exclusive_or())
        page.keyboard.press("/")
        page.keyboard.type("layers.0.neurons.1.b")
        page.keyboard.press("Enter")
        assert node(page, "layers.0.neurons.1.b").is_visible()

    def test_opening_restores_the_drawing(self, show: OPEN) -> None:
        page = opened(show, network())

        def drawn() -> str:
            found: str = page.evaluate("""[...document.querySelectorAll("g.graph *")].map((one) => (
                [...one.attributes].filter(({ value }) => value !== "")
                    .map(({ name, value }) => name + value))).join()""")
            return found

        both = []
        for _ in range(2):
            page.keyboard.press("t")
            both.append(drawn())
        assert both[0] != both[1]
        for _ in range(2):
            page.keyboard.press("m")  # chooses the direction anew
        assert drawn() in both
        page.keyboard.press("t")
        assert drawn() in both

    @pytest.mark.parametrize("direction", ["LR", "TB"])
    def test_open_it_is_what_graphviz_has_drawn(
        self, tmp_path: Path, browser_page: Any, direction: str
    ) -> None:
        graph = network()
        browser_page.emulate_media(reduced_motion="reduce")
        path = graph.render(tmp_path / "graph.html", direction=direction)
        browser_page.goto(path.as_uri())
        if browser_page.locator("g.module:not(.gone)").count():
            browser_page.keyboard.press("m")
        lines = browser_page.locator("g.edge path").evaluate_all(
            "all => all.map((line) => line.getAttribute('d'))"
        )
        svg = graph.to_svg(direction, legend=False)
        assert lines == re.findall(r'class="edge".*?<path[^>]* d="([^"]*)"', svg, re.S)
        transforms = browser_page.locator("g.node").evaluate_all(
            "all => all.map((group) => group.getAttribute('transform'))"
        )
        assert set(transforms) == {"translate(0.00,0.00)"}

    def test_a_closed_drawing_is_smaller_and_keeps_its_order(self, show: OPEN) -> None:
        page = opened(show, network())

        def places() -> dict[str, list[float]]:
            found: list[Any] = page.evaluate("""() => {
                const origin = document.querySelector("g.graph").getScreenCTM().inverse();
                return [...document.querySelectorAll("g.node:not(.gone)")].map((group) => {
                    const { x, y, width, height } = group.getBBox();
                    const { e, f } = origin.multiply(group.getScreenCTM());
                    return [group.ariaLabel, [x + e, y + f, x + e + width, y + f + height]];
                });
            }""")
            return dict(found)

        area = """(({ width, height }) => width * height)(
            document.querySelector("g.graph").getBBox())"""
        before, large = places(), page.evaluate(area)
        for title in ("layers.0: Linear(3, 4)", "mse"):
            page.locator(f'g.toggle[aria-label="close {title}"]').dispatch_event("click")
            after = places()
            for one in after:
                for other in after:
                    for low in (0, 1):
                        if before[one][low + 2] <= before[other][low]:
                            assert after[one][low + 2] <= after[other][low]
        assert page.evaluate(area) < 0.85 * large

    def test_edges_end_at_the_box(self, show: OPEN, engine: str) -> None:
        page = opened(show, nested())
        page.keyboard.press("m")
        tips = page.evaluate("""() => {
            const outline = document.querySelector("g.module:not(.gone) > .outline");
            const box = outline.getBoundingClientRect();
            const away = ([x, y]) => (
                Math.max(box.left - x, x - box.right, box.top - y, y - box.bottom));
            return [...document.querySelectorAll("g.edge:not(.gone)")].map((edge) => {
                const [line, arrow] = [edge.querySelector("path"), edge.querySelector("polygon")];
                const matrix = line.getScreenCTM();
                return [line.getPointAtLength(0), arrow.points[1]].map((point) => {
                    const { x, y } = point.matrixTransform(matrix);
                    return away([x, y]);
                });
            });
        }""")
        # from x into the module, from the module to the result, and from x to the result
        assert len(tips) == 3
        assert sum(abs(end) < 2 for ends in tips for end in ends) == 2
        assert all(end > -2 for ends in tips for end in ends)

    def test_its_box_tells_the_numbers_of_its_result(self, show: OPEN) -> None:
        graph = nested()
        page = opened(show, graph)
        page.keyboard.press("m")
        result = graph.nodes[-2]
        told = page.locator("g.module:not(.gone) text").all_text_contents()
        assert told == [
            "outer", "7 nodes inside", f"data {text.number(result.value)}",
            f"grad {text.number(result.gradient)}",
        ]  # fmt: skip
        page.keyboard.press("Home")
        module = page.locator("g.module:not(.gone)")
        assert "future" in module.get_attribute("class")
        for _ in graph.nodes[:-1]:
            page.keyboard.press("ArrowRight")
        assert "future" not in module.get_attribute("class")
        assert "active" in module.get_attribute("class")

    def test_movement_takes_its_time_unless_unwanted(self, show: OPEN) -> None:
        page = opened(show, nested())
        page.emulate_media(reduced_motion="no-preference")
        place = "document.querySelector('g.node').getAttribute('transform')"
        before = page.evaluate(place)
        at_once = page.evaluate(
            f"() => {{ document.querySelector('[data-do=modules]').click(); return {place}; }}"
        )
        assert at_once == before
        wait_until(page, lambda: page.evaluate(place) != before)
        page.wait_for_timeout(500)
        closed = page.evaluate(place)
        page.emulate_media(reduced_motion="reduce")
        page.keyboard.press("m")
        assert page.evaluate(place) == before
        page.keyboard.press("m")
        assert page.evaluate(place) == closed


class TestCards:
    def test_a_click_shows_the_sum(self, show: OPEN, engine: str) -> None:
        page = show(shared())
        node(page, "b").click()
        panel = page.locator(".panel")
        assert panel.locator(".card:visible h3").all_inner_texts() == ["b"]
        numbers = panel.locator(".card:visible .factor .number").all_inner_texts()
        assert numbers == ["1/3", "4", "4/3"] * 2
        assert " ".join(panel.locator(".card:visible .sum").inner_text().split()).endswith(
            "= 4/3 + 4/3 = 8/3"
        )
        page.locator(".drawing").click(position={"x": 5, "y": 5})
        assert not panel.locator(".card:visible").count()

    def test_hover_tells_value_gradient_and_formula(self, show: OPEN) -> None:
        page = show(shared())
        tooltip = page.locator(".tooltip")
        assert tooltip.is_hidden()
        node(page, "c").hover()
        told = " ".join(tooltip.inner_text().split())
        assert told.startswith("c c = b × b = 4 × 4 = 16")
        assert told.endswith("gradient 1/3")
        assert tooltip.locator("math").count() == 1
        inside = tooltip.bounding_box()
        stage = page.locator(".drawing").bounding_box()
        assert inside["y"] >= stage["y"]
        assert inside["y"] + inside["height"] <= stage["y"] + stage["height"]
        page.locator("h1").hover()
        assert tooltip.is_hidden()


class TestKeyboard:
    def test_nodes_one_after_the_other(self, show: OPEN) -> None:
        graph = shared()
        page = show(graph)
        focused = "document.activeElement.ariaLabel?.split(' ')[0]"
        names = []
        for _ in graph.nodes:
            page.keyboard.press("ArrowDown")
            names.append(page.evaluate(focused))
        assert names == ["a", "b", "c", "n3", "n4", "n5"]
        page.keyboard.press("ArrowUp")
        assert page.evaluate(focused) == "n4"
        outline = page.evaluate(
            "getComputedStyle(document.activeElement.querySelector('.outline')).strokeWidth"
        )
        assert outline == "4px"
        page.keyboard.press("Enter")
        assert page.locator(".card:visible h3").inner_text() == "n4"
        page.keyboard.press("Escape")
        assert not page.locator(".card:visible").count()

    def test_tab_reaches_the_drawing_once_and_all_buttons(self, show: OPEN) -> None:
        page = show(shared())
        reached = []
        for _ in range(40):
            page.keyboard.press("Tab")
            reached.append(page.evaluate(
                "(({ dataset, localName }) => dataset.do ?? localName)(document.activeElement)"
            ))
        assert {"play", "next", "back", "first", "last", "help", "theme", "text", "input", "select",
                "g", "in", "out", "fit"} <= set(reached)  # fmt: skip
        assert reached[: reached.index("body")].count("g") == 1

    def test_modules(self, show: OPEN) -> None:
        page = opened(show, nested())
        focused = "document.activeElement.ariaLabel"
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        assert page.evaluate(focused) == "close outer"
        page.keyboard.press("Enter")
        assert page.evaluate(focused) == "open outer"
        assert page.evaluate("document.activeElement.ariaExpanded") == "false"
        page.keyboard.press("Enter")
        assert page.evaluate(focused) == "close outer"
        assert not page.locator("g.node.gone").count()

    def test_zoom(self, show: OPEN) -> None:
        page = show(shared())
        width = node(page, "a").bounding_box()["width"]
        page.keyboard.press("+")
        assert node(page, "a").bounding_box()["width"] > 1.2 * width
        page.keyboard.press("0")
        assert node(page, "a").bounding_box()["width"] == pytest.approx(width)
        page.keyboard.press("-")
        assert node(page, "a").bounding_box()["width"] < width

    def test_help(self, show: OPEN) -> None:
        page = show(shared())
        page.keyboard.press("?")
        assert page.locator(".help").is_visible()
        page.keyboard.press("ArrowRight")  # is not for the page while help is shown
        assert "All numbers" in words(page)
        page.keyboard.press("Escape")
        assert page.locator(".help").is_hidden()

    def test_keys_in_the_search_field_are_letters(self, show: OPEN) -> None:
        page = show(shared())
        page.keyboard.press("/")
        page.keyboard.type("m t0")
        assert page.locator(".search input").input_value() == "m t0"
        assert "All numbers" in words(page)

    def test_keys_of_the_browser_stay_its_own(self, show: OPEN) -> None:
        page = show(shared())
        page.keyboard.press("Control+ArrowRight")
        page.keyboard.press("Alt+ArrowRight")
        assert "All numbers" in words(page)


class TestSearch:
    def test_by_name_operation_and_id(self, show: OPEN) -> None:
        page = show(network())
        page.keyboard.press("m")
        count = page.locator(".search output")
        card = page.locator(".card:visible h3")
        page.keyboard.press("/")
        page.keyboard.type("weight")
        assert count.inner_text() == "1 of 2"
        assert card.inner_text() == "layers.0.weight"
        assert page.locator("g.node.match").count() == 2
        page.keyboard.press("Enter")
        assert (count.inner_text(), card.inner_text()) == ("2 of 2", "layers.1.weight")
        page.keyboard.press("Enter")
        page.keyboard.press("Shift+Enter")
        assert count.inner_text() == "2 of 2"
        page.locator('[data-do="search-next"]').click()
        assert count.inner_text() == "1 of 2"
        for asked, found in (("tanh", "1 of 1"), ("matmul", "1 of 2"), ("n1", "1 of 5"),
                             ("nothing such", "none"), ("", "")):  # fmt: skip
            page.locator(".search input").fill(asked)
            assert count.inner_text() == found
        page.locator(".search input").fill("n12")
        assert card.inner_text() == "n12"
        page.keyboard.press("Escape")
        assert page.locator(".search input").input_value() == ""
        assert not page.locator("g.node.match").count()

    def test_opens_the_module_and_goes_there(self, show: OPEN) -> None:
        page = show(network())
        if not page.locator("g.module:not(.gone)").count():
            page.keyboard.press("m")
        page.keyboard.press("/")
        page.keyboard.type("layers.1.bias")
        found = page.locator("g.node.match")
        stage = page.locator(".drawing").bounding_box()
        at = found.bounding_box()
        assert found.is_visible()
        assert stage["x"] <= at["x"]
        assert at["x"] + at["width"] <= stage["x"] + stage["width"]
        assert stage["y"] <= at["y"]
        assert at["y"] + at["height"] <= stage["y"] + stage["height"]


class TestSafety:
    def test_hostile_labels(self, tmp_path: Path, browser_page: Any, engine: str) -> None:
        dialogs: list[str] = []

        def dismiss(dialog: Any) -> None:
            dialogs.append(dialog.message)
            dialog.dismiss()

        browser_page.on("dialog", dismiss)
        browser_page.emulate_media(reduced_motion="reduce")
        for name, label in HOSTILE.items():
            graph = labelled(label)
            browser_page.goto(graph.render(tmp_path / "graph.html").as_uri())
            assert browser_page.locator("g.node").count() == 4, name
            assert browser_page.locator("script").count() == 2, name
            assert browser_page.locator("h1 *, b, svg svg").count() == 0, name
            browser_page.keyboard.press("Home")
            for shown, _ in expected_steps(graph):
                assert seen(browser_page) == shown, name
                browser_page.keyboard.press("ArrowRight")
            browser_page.locator("g.node").first.click()
            shown_label = " ".join(text.label(label).split()) if label.strip() else "n0"
            head = browser_page.locator(".card:visible h3").text_content()
            assert " ".join(head.split()) == shown_label, name
            browser_page.keyboard.press("/")
            browser_page.keyboard.type("zz")
            browser_page.keyboard.press("Escape")
        assert not dialogs

    def test_the_policy_holds(self, tmp_path: Path, browser_page: Any) -> None:
        """What the policy forbids is tried from within; a violation shows that it was stopped."""
        path = shared().render(tmp_path / "graph.html")
        text_of_page = path.read_text(encoding="utf-8")
        attack = (
            "<script>document.title = 'ran'</script>"
            "<img src='x.png' onerror=\"document.title = 'ran'\">"
            "<p style='color: red' id='styled'>x</p>"
        )
        path.write_text(text_of_page.replace("</body>", f"{attack}</body>"), encoding="utf-8")
        context = browser_page.context.browser.new_context(offline=True)
        page = context.new_page()
        refused: list[str] = []
        page.on("console", lambda message: refused.append(message.text))
        page.goto(path.as_uri())
        assert "ran" not in page.title()
        assert page.evaluate("getComputedStyle(styled).color") != "rgb(255, 0, 0)"
        assert len(refused) >= 4
        assert page.evaluate(
            "() => { try { document.body.innerHTML = '<p>x</p>'; } catch { return 'refused'; } }"
        ) == "refused"
        context.close()


class TestScreens:
    @pytest.mark.parametrize(("width", "height"), [(390, 844), (320, 568), (844, 390)])
    @pytest.mark.parametrize("make", [shared, network], ids=["shared", "network"])
    def test_a_phone(
        self, show: OPEN, make: Callable[[], Graph], width: int, height: int
    ) -> None:
        page = show(make())
        page.set_viewport_size({"width": width, "height": height})
        for at in ("Home", *["ArrowRight"] * 3, "End", "ArrowLeft"):
            page.keyboard.press(at)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            sticking_out = page.locator("header button:visible, .controls > *").evaluate_all(
                "(all) => all.map((one) => one.getBoundingClientRect())"
                ".filter(({ left, right, top, bottom }) => "
                "left < 0 || top < 0 || right > innerWidth || bottom > innerHeight).length"
            )
            assert sticking_out == 0
        assert page.locator(".drawing").bounding_box()["height"] > 60
        page.keyboard.press("0")
        page.locator("g.node:not(.gone)").first.click()
        assert page.locator(".card:visible").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    @pytest.mark.parametrize("make", [shared, nested, network])
    def test_a_whole_step_can_be_read_on_a_phone(
        self, show: OPEN, make: Callable[[], Graph]
    ) -> None:
        page = show(make())
        page.set_viewport_size({"width": 390, "height": 844})
        page.keyboard.press("End")
        while page.locator(".phase").inner_text() != "Forward":
            page.keyboard.press("ArrowLeft")
            hidden = page.locator(".words, .words .product").evaluate_all(
                "(all) => all.map((one) => [one.scrollWidth - one.clientWidth, "
                "one.scrollHeight - one.clientHeight])"
            )
            assert max(map(max, hidden)) <= 1, words(page)

    def test_large_text_is_large_in_the_drawing_too(self, show: OPEN) -> None:
        page = show(network(), detail="operations")
        page.keyboard.press("m")

        def heights() -> float:
            page.keyboard.press("Home")
            page.keyboard.press("0")  # everything, and so smaller than can be read
            page.keyboard.press("ArrowRight")
            found: float = page.locator("g.node.active text").first.bounding_box()["height"]
            return found

        page.set_viewport_size({"width": 700, "height": 500})
        medium = heights()
        page.keyboard.press("a")
        page.keyboard.press("a")
        assert heights() == pytest.approx(1.5 * medium, rel=0.05)

    def test_fingers(self, show: OPEN) -> None:
        page = show(shared())
        width = node(page, "a").bounding_box()["width"]
        touch = """([kind, id, x, y]) => document.querySelector(".drawing").dispatchEvent(
            new PointerEvent(kind, { pointerId: id, pointerType: "touch", clientX: x, clientY: y,
                                     bubbles: true }))"""
        page.evaluate("document.querySelector('.drawing').setPointerCapture = () => {}")
        for event in (["pointerdown", 1, 300, 300], ["pointerdown", 2, 400, 300],
                      ["pointermove", 2, 450, 300], ["pointermove", 2, 500, 300],
                      ["pointerup", 2, 500, 300]):  # fmt: skip
            page.evaluate(touch, event)
        wider = node(page, "a").bounding_box()
        assert wider["width"] == pytest.approx(2 * width, rel=0.02)
        page.evaluate(touch, ["pointermove", 1, 330, 340])
        page.evaluate(touch, ["pointerup", 1, 330, 340])
        moved = node(page, "a").bounding_box()
        assert moved["x"] - wider["x"] == pytest.approx(30, abs=0.5)
        assert moved["y"] - wider["y"] == pytest.approx(40, abs=0.5)

    def test_wheel_zooms_around_the_pointer(self, show: OPEN) -> None:
        page = show(shared())
        before = node(page, "b").bounding_box()
        page.mouse.move(before["x"], before["y"])
        page.mouse.wheel(0, -400)
        wait_until(page, lambda: node(page, "b").bounding_box()["width"] > 1.1 * before["width"])
        after = node(page, "b").bounding_box()
        assert after["x"] == pytest.approx(before["x"], abs=1)
        assert after["y"] == pytest.approx(before["y"], abs=1)

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_light_and_dark(self, show: OPEN, scheme: str) -> None:
        page = show(shared())
        page.emulate_media(color_scheme=scheme)
        paper = "getComputedStyle(document.body).backgroundColor"
        light, dark = "rgb(255, 255, 255)", "rgb(22, 24, 28)"
        assert page.evaluate(paper) == {"light": light, "dark": dark}[scheme]
        page.keyboard.press("d")
        assert page.evaluate(paper) == {"light": dark, "dark": light}[scheme]

    def test_larger_text(self, show: OPEN) -> None:
        page = show(shared())
        size = "parseFloat(getComputedStyle(document.querySelector('.words p')).fontSize)"
        sizes = [page.evaluate(size)]
        for _ in range(3):
            page.locator('[data-do="text"]').click()
            sizes.append(page.evaluate(size))
        assert sizes[0] == sizes[3] < sizes[1] < sizes[2]

    def test_table(self, show: OPEN) -> None:
        page = show(shared())
        assert page.locator(".table").is_hidden()
        page.locator('[data-do="table"]').click()
        assert page.locator(".table tr").count() == 7
        assert page.locator(".table").is_visible()

    def test_print_shows_everything(self, show: OPEN) -> None:
        graph = network()
        page = show(graph)
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator(".card:visible").count() == len(graph.nodes)
        assert page.locator(".table").is_visible()
        assert page.locator(".player, .tools, .zoom").locator("visible=true").count() == 0

    def test_print_in_the_middle_of_a_pass_has_all_numbers(self, show: OPEN) -> None:
        graph = shared()
        page = show(graph)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        before = seen(page)
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert not page.locator(".future, .no-gradient, .partial, .active").count()
        assert all(value for value, _ in seen(page).values())
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        page.emulate_media(media="screen")
        assert seen(page) == before

    def test_without_javascript(self, tmp_path: Path, browser_page: Any, engine: str) -> None:
        graph = network()
        path = graph.render(tmp_path / "graph.html")
        context = browser_page.context.browser.new_context(offline=True, java_script_enabled=False)
        page = context.new_page()
        page.goto(path.as_uri())
        nodes = page.locator("g.node")
        assert nodes.count() == len(graph.nodes)
        assert all(nodes.nth(k).is_visible() for k in range(nodes.count()))
        assert page.locator(".table").is_visible()
        assert page.locator(".card:visible").count() == len(graph.nodes)
        assert page.locator("button:visible, input:visible, select:visible").count() == 0
        context.close()


class TestLarge:
    def test_many_nodes(self, show: OPEN) -> None:
        """Steps, searches and zooms through hundreds of nodes."""
        nodes = [Value(float(k % 7) - 3, label=f"x{k}") for k in range(20)]
        for k in range(300):
            nodes.append(nodes[-1].tanh() if k % 3 else nodes[-1] * nodes[-5])
        graph = trace(nodes[-1])
        page = show(graph, detail="operations")
        page.locator(".progress").fill(str(len(graph.nodes) + 20))
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        assert page.locator(".words .factor").count() == 3
        page.keyboard.press("/")
        page.keyboard.type("x15")
        assert page.locator(".card:visible h3").inner_text() == "x15"
