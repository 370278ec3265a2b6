"""The report: one file, whole or not at all, that asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import tinygrad_init as tg
from tinygrad_init.study import Arm, Record, plots, report

VOID = {"meta", "link", "img", "br", "hr", "input"}
MARKUP = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></svg><b>",
    "a & b &lt; c",
    "it's \"quoted\" -- {braces} 100% #1",
]
FOR_MATPLOTLIB = ["$\\frac$", "$x$", "_hidden"]  # a formula that fails, one that works, no legend


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text; tags must be balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def names(self) -> set[str]:
        return {tag for tag, _ in self.tags}

    def charts(self) -> list[ElementTree.Element]:
        """The charts, which are images inside the page."""
        prefix = "data:image/svg+xml;base64,"
        sources = [attributes["src"] for tag, attributes in self.tags if tag == "img"]
        return [
            ElementTree.fromstring(base64.b64decode(source.removeprefix(prefix), validate=True))
            for source in sources
        ]


@pytest.fixture(scope="module")
def text(found: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = found.write(tmp_path_factory.mktemp("report") / "report.html")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


# One file.


def test_one_file_is_written_and_its_path_comes_back(found: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    assert found.write(path) == path
    assert list(tmp_path.iterdir()) == [path]


def test_writing_again_replaces_the_report_with_the_same_bytes(found: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    found.write(path)
    first = path.read_bytes()
    assert found.write(str(path)) == path, "a path may be a string"
    assert path.read_bytes() == first


@pytest.mark.parametrize("error", [RuntimeError("no chart"), KeyboardInterrupt()])
def test_a_failure_while_drawing_leaves_the_old_report_alone(
    found: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = tmp_path / "report.html"
    path.write_text("the old one")

    def fail(*_: Any) -> str:
        raise error

    monkeypatch.setattr(report, "distance_curves", fail)
    with pytest.raises(type(error)):
        found.write(path)
    assert path.read_text() == "the old one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_report_alone_and_no_rest(
    found: Any, tmp_path: Path, full_disk: None
) -> None:
    path = tmp_path / "report.html"
    path.write_text("the old one")  # write_bytes is what fails
    with pytest.raises(OSError, match="No space left"):
        found.write(path)
    assert path.read_text() == "the old one"
    assert list(tmp_path.iterdir()) == [path]


# That asks nobody.


def test_nothing_outside_the_page_is_referred_to(page: Page) -> None:
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
            value = attributes.get(name, "")
            assert value == "" or value.startswith(("data:", "#")), (tag, name, value[:80])
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        assert "url(" not in attributes.get("style", "")
    assert page.names().isdisjoint({"script", "iframe", "object", "embed", "form", "base"})


def test_the_style_sheet_imports_nothing(text: str) -> None:
    style = text.split("<style>", 1)[1].split("</style>", 1)[0]
    assert "@import" not in style
    assert "url(" not in style


def test_the_charts_refer_to_nothing_outside_themselves(page: Page) -> None:
    charts = page.charts()
    assert len(charts) == 3
    for chart in charts:
        assert chart.tag == "{http://www.w3.org/2000/svg}svg"
        for element in chart.iter():
            assert not element.tag.endswith(("}script", "}image", "}foreignObject"))
            for name, value in element.attrib.items():
                if name.endswith("href"):
                    assert value.startswith("#")


def test_the_policy_allows_the_one_style_sheet_and_nothing_else(text: str, page: Page) -> None:
    policies = [
        attributes["content"] for tag, attributes in page.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]  # fmt: skip
    assert len(policies) == 1
    rules = dict(rule.strip().split(" ", 1) for rule in policies[0].split(";"))
    style = text.split("<style>", 1)[1].split("</style>", 1)[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert rules["default-src"] == "'none'"
    assert rules["style-src"] == f"'sha256-{digest}'"
    assert rules["img-src"] == "data:"
    assert "script-src" not in rules


# That shows what was found.


def test_there_are_headings_charts_with_words_and_a_drawing(page: Page) -> None:
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == 1
    assert tags.count("h2") >= 4
    assert all(len(attributes["alt"]) > 10 for tag, attributes in page.tags if tag == "img")
    graph = [a for tag, a in page.tags if tag == "g" and a.get("class", "").split()[:1] == ["node"]]
    assert len(graph) == len(tg.study.tiny_step().nodes)


def test_every_arm_is_in_the_table_and_in_every_chart(found: Any, page: Page) -> None:
    for name, record in found.study.records.items():
        assert name in page.text
        assert f"{record.losses[-1]:.4f}" in page.text
        assert f"{record.accuracies[-1]:.1%}" in page.text
    for chart in page.charts():
        words = {"".join(element.itertext()).strip() for element in chart.iter()}
        assert set(found.study.records) <= words


def test_the_gradients_are_shown_with_their_bits_and_a_colour_per_class(
    found: Any, page: Page
) -> None:
    for gradients in (found.tied.exact, found.tied.ordinary):
        for neuron in gradients.neurons:
            assert neuron.digest in page.text
            assert f"{neuron.norm:.6e}" in page.text
    coloured = {a["class"] for tag, a in page.tags if tag == "td" and "class" in a}
    assert "class0" in coloured


def test_the_way_to_repeat_it_is_written_down(found: Any, tmp_path: Path) -> None:
    command = "tinygrad-init --data iris --out 'a b.html'"
    page = Page(found.write(tmp_path / "r.html", command=command).read_text(encoding="utf-8"))
    assert command in page.text
    assert "Seed 0" in page.text


# Names are data.


@pytest.mark.parametrize("names", [MARKUP, *([name] for name in FOR_MATPLOTLIB)])
def test_hostile_names_of_arms_are_shown_as_they_are(
    found: Any, tmp_path: Path, names: list[str]
) -> None:
    renamed = replace(
        found.study,
        records=dict.fromkeys([*names, "other"], found.study.records["glorot"]),
        arms={name: Arm(tg.init.glorot_uniform()) for name in [*names, "other"]},
    )
    page = Page(found.write(tmp_path / "r.html", study=renamed).read_text(encoding="utf-8"))
    assert page.names().isdisjoint({"script", "b"})
    assert len([tag for tag, _ in page.tags if tag == "img"]) == 3
    for name in names:
        assert name in page.text
        for chart in page.charts():
            assert name in {"".join(element.itertext()).strip() for element in chart.iter()}


def test_a_hostile_command_is_shown_as_it_is(found: Any, tmp_path: Path) -> None:
    command = " ".join([*MARKUP, *FOR_MATPLOTLIB])
    page = Page(found.write(tmp_path / "r.html", command=command).read_text(encoding="utf-8"))
    assert command in page.text
    assert page.names().isdisjoint({"script", "b"})
    assert len([tag for tag, _ in page.tags if tag == "img"]) == 3


def test_a_command_with_bytes_that_are_no_text_is_written_all_the_same(
    found: Any, tmp_path: Path
) -> None:
    # What Python makes of the byte 0xE9 in an argument where the locale is UTF-8.
    path = found.write(tmp_path / "r.html", command="tinygrad-init --out caf\udce9.html")
    assert "tinygrad-init --out caf" in path.read_text(encoding="utf-8")


# The answer.


def _record(accuracies: list[float], width: int) -> Record:
    count = len(accuracies)
    return Record([1.0] * count, accuracies, [0.0] * count, [[width]] * count)


def _answer(found: Any, records: dict[str, Record], target: float = 0.9) -> str:
    last = len(next(iter(records.values())).losses) - 1
    settings = {**found.study.settings, "epochs": last, "target": target}
    return tg.study.answer(found.tied, replace(found.study, records=records, settings=settings))


def test_the_answer_says_what_became_of_each_arm(found: Any) -> None:
    said = _answer(found, {
        "constant, exact": _record([0.1, 0.2, 0.36], 1),
        "constant": _record([0.1, 0.2, 0.47], 2),
        "constant + 1e-8": _record([0.1, 0.5, 0.93], 7),
        "glorot": _record([0.1, 0.95, 0.97], 7),
    }).replace(";", ".")  # fmt: skip
    assert "7 hidden neurons the identical gradient, bit for bit" in said
    assert re.search(r"one neuron wide after 2 epochs: [^%]*did not reach 90%[^%]* 36%\)", said)
    assert re.search(r"In ordinary arithmetic[^%]* 2 kinds[^%]* did not reach 90%[^%]* 47%\)", said)
    assert re.search(r"asymmetry, not randomness[^%]* reached 90%[^.]* after 2 epochs\.", said)
    assert re.search(r"Random weights [^%]* reached 90%[^.]* after 1 epoch\.", said)


def test_the_answer_concludes_nothing_that_the_run_does_not_show(found: Any) -> None:
    enough = _answer(found, {"constant, exact": _record([0.1, 0.95], 1),
                             "constant + 1e-8": _record([0.1, 0.95], 7),
                             "glorot": _record([0.1, 0.95], 7)})  # fmt: skip
    assert "enough on these data" in enough
    assert "not randomness" not in enough
    assert "without that wait" not in enough
    nobody = _answer(found, {"constant, exact": _record([0.1, 0.2], 1),
                             "constant + 1e-8": _record([0.1, 0.2], 7),
                             "glorot": _record([0.1, 0.3], 7)})  # fmt: skip
    assert "not randomness" not in nobody
    assert "without that wait" not in nobody


def test_the_answer_counts_neurons_at_the_end(found: Any) -> None:
    split = replace(_record([0.1, 0.2], 1), widths=[[1], [4]])
    assert "4 kinds" in _answer(found, {"constant": split})


def test_arms_that_only_bear_a_standard_name_are_not_spoken_of(found: Any) -> None:
    study = replace(found.study, arms={"glorot": Arm(tg.init.zeros())})
    assert "andom weights" not in tg.study.answer(found.tied, study)


def test_charts_show_numbers_and_no_markup(found: Any, tmp_path: Path) -> None:
    page = Page(found.write(tmp_path / "r.html").read_text(encoding="utf-8"))
    for chart in page.charts():
        words = [text for element in chart.iter() if (text := (element.text or "").strip())]
        assert len(words) > 5
        assert not [word for word in words if "$" in word or "\\" in word]


def test_the_answer_follows_the_target(found: Any) -> None:
    records = {"glorot": _record([0.1, 0.6, 0.7], 7)}
    assert re.search(r"did not reach 90%[^%]* 70%\)", _answer(found, records))
    assert re.search(r"[^t] reached 60%[^.]* after 1 epoch\.", _answer(found, records, target=0.6))


def test_the_answer_is_silent_about_arms_that_were_not_run(found: Any) -> None:
    said = _answer(found, {"mine": _record([0.1, 0.2], 7)})
    assert "1e-8" not in said
    assert "Random weights" not in said


def test_the_answer_admits_it_if_the_gradients_were_not_identical(found: Any) -> None:
    data = tg.data.load("iris")
    apart = tg.symmetry.gradients(tg.nn.MLP([4, 7, 3], rng=0), data.X_train, data.y_train)
    said = tg.study.answer(replace(found.tied, exact=apart), found.study)
    assert "bit for bit" not in said
    assert "stay equal" not in said


# What stays unseen if only names are compared.


@pytest.mark.parametrize(("draw", "shown"), [
    (plots.loss_curves, "losses"),
    (plots.accuracy_curves, "accuracies"),
    (plots.distance_curves, "distances"),
])
def test_each_chart_draws_its_own_numbers_and_no_others(
    found: Any, draw: Callable[[Any], str], shown: str
) -> None:
    before = draw(found.study)
    for field in ("losses", "accuracies", "distances"):
        other = {name: replace(record, **{field: [x / 2 + 0.01 for x in getattr(record, field)]})
                 for name, record in found.study.records.items()}  # fmt: skip
        is_changed = draw(replace(found.study, records=other)) != before
        assert is_changed == (field == shown), field


def test_the_loss_has_a_logarithmic_axis(found: Any) -> None:
    # Equal factors are equal steps: a loss that triples at each epoch is a straight line.
    tripled = replace(found.study.records["glorot"], losses=[1.0, 3.0, 9.0])
    svg = plots.loss_curves(replace(found.study, records={"a": tripled}))
    point = r"([\d.]+) ([\d.]+) \s*"
    lines = re.findall(f'd="M {point}L {point}L {point}', svg)
    heights = [[float(y) for y in line[1::2]] for line in lines]
    (drawn,) = [h for h in heights if len(set(h)) == 3]
    assert drawn[0] - drawn[1] == pytest.approx(drawn[1] - drawn[2], rel=1e-3)


def test_rows_of_different_classes_have_different_colours(found: Any, tmp_path: Path) -> None:
    data = tg.data.load("iris")
    apart = tg.symmetry.gradients(tg.nn.MLP([4, 3, 3], rng=0), data.X_train, data.y_train)
    path = tg.study.write_report(
        tmp_path / "r.html", replace(found.tied, exact=apart), found.study, tg.study.tiny_step(), ""
    )
    page = Page(path.read_text(encoding="utf-8"))
    colours = [a["class"] for tag, a in page.tags if tag == "td" and "class" in a]
    assert {"class0", "class1", "class2"} <= set(colours)
