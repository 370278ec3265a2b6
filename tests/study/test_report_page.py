"""The report in a browser: it opens offline, draws everything, and stays inside its window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tinygrad_init as tg

pytestmark = pytest.mark.browser

SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def opened(browser_page: Any, found: Any, tmp_path: Path) -> Any:
    """The page with a tiny report in it; the fixture below it collects errors and requests."""
    path: Path = found.write(tmp_path / "report.html")
    browser_page.set_viewport_size({"width": 1200, "height": 800})
    browser_page.goto(path.as_uri())
    return browser_page


def test_the_report_has_its_headings(opened: Any) -> None:
    assert opened.locator("h1").all_inner_texts() == ["Why do random weights help?"]
    assert opened.locator("h2").count() >= 4
    assert opened.title() != ""


def test_every_image_is_loaded(opened: Any) -> None:
    widths = opened.eval_on_selector_all("img", "all => all.map(one => one.naturalWidth)")
    assert len(widths) == 3
    assert all(width > 0 for width in widths)


def test_the_style_sheet_is_in_force(opened: Any) -> None:
    # The policy names the sheet by its digest; with a wrong one the page would be unstyled.
    size = opened.eval_on_selector("h1", "one => getComputedStyle(one).fontSize")
    assert size == "30.4px"  # 1.9rem; unstyled it would be 32px
    tint = opened.eval_on_selector("td.class0", "one => getComputedStyle(one).backgroundColor")
    assert tint == "rgb(191, 227, 247)"


def test_every_node_of_the_small_graph_is_drawn(opened: Any) -> None:
    nodes = opened.locator(".node")
    assert nodes.count() == len(tg.study.tiny_step().nodes)
    boxes = opened.eval_on_selector_all(
        ".node", "all => all.map(one => one.getBoundingClientRect().width)"
    )
    assert all(width > 0 for width in boxes)


@pytest.mark.parametrize("width", [1200, 800, 400])
def test_the_page_does_not_scroll_sideways(opened: Any, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 800})
    assert opened.evaluate(SIDEWAYS) <= 0


def test_the_full_list_of_neurons_unfolds(opened: Any) -> None:
    details = opened.locator("details").first
    rows = details.locator("tbody tr")
    assert not rows.first.is_visible()
    details.locator("summary").click()
    assert rows.first.is_visible()
    assert rows.count() == 7
