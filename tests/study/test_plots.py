"""The plot of a study: two panels in one file, whole or not at all."""

from __future__ import annotations

import io
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import tinygrad_init as tg
from tinygrad_init.study import Record, Study, plots

POINT = r"([\d.]+) ([\d.]+) \s*"


@pytest.fixture
def study(found: Any) -> Study:
    shared: Study = found.study
    return shared


def _words(svg: str) -> list[str]:
    every = ElementTree.fromstring(svg).iter()
    return ["".join(node.itertext()) for node in every if node.tag.endswith("text")]


def _svg(study: Study, folder: Path) -> str:
    return study.plot(folder / "plot.svg").read_text(encoding="utf-8")


def test_an_svg_has_both_panels_and_the_names_of_all_arms_as_text(
    study: Study, tmp_path: Path
) -> None:
    words = _words(_svg(study, tmp_path))
    assert words.count("epoch") == 2
    for label in ("held-out accuracy", "largest difference between two neurons", "exactly 0"):
        assert label in words
    assert [words.count(name) for name in study.records] == [1] * len(study.records)


def test_a_png_is_a_picture_that_a_projector_can_show(study: Study, tmp_path: Path) -> None:
    from matplotlib.image import imread

    path = study.plot(tmp_path / "plot.PNG")
    height, width, _ = imread(io.BytesIO(path.read_bytes()), format="png").shape
    assert width >= 1600
    assert 1.5 < width / height < 3


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_study_gives_the_same_bytes_and_the_path(
    study: Study, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"plot.{suffix}"
    assert study.plot(str(path)) == path
    first = path.read_bytes()
    study.plot(path)
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["plot.jpg", "plot", "plot.svg.gz"])
def test_another_suffix_is_refused_with_the_known_ones(
    study: Study, tmp_path: Path, name: str
) -> None:
    with pytest.raises(tg.DataError, match=rf"{re.escape(name)}.*\.svg and \.png"):
        study.plot(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_it_says_what_to_install(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tg.study.extras, "find_spec", lambda _: None)
    with pytest.raises(tg.DataError, match=r"matplotlib.*pip install"):
        study.plot(tmp_path / "plot.svg")


def test_a_full_disk_leaves_the_old_plot_alone_and_no_rest(
    study: Study, tmp_path: Path, full_disk: None
) -> None:
    path = tmp_path / "plot.svg"
    path.write_text("the old one")  # write_bytes is what fails
    with pytest.raises(OSError, match="No space left"):
        study.plot(path)
    assert path.read_text() == "the old one"
    assert list(tmp_path.iterdir()) == [path]


def test_it_draws_accuracies_and_distances_and_no_losses(study: Study, tmp_path: Path) -> None:
    before = _svg(study, tmp_path)
    for field in ("losses", "accuracies", "distances"):
        other = {name: replace(record, **{field: [x / 2 + 0.01 for x in getattr(record, field)]})
                 for name, record in study.records.items()}  # fmt: skip
        is_changed = _svg(replace(study, records=other), tmp_path) != before
        assert is_changed == (field != "losses"), field


@pytest.mark.parametrize("name", ["$\\frac$", "$x$", "_hidden", "<b> & co"])
def test_any_name_is_shown_as_it_is(study: Study, tmp_path: Path, name: str) -> None:
    text = _svg(replace(study, records={name: study.records["glorot"]}), tmp_path)
    assert name in _words(text)


def _arm(*distances: float) -> Record:
    return Record([1.0] * 4, [0.5] * 4, list(distances))


def test_equal_factors_are_equal_steps_and_exactly_zero_is_below_them_all(study: Study) -> None:
    svg = plots.distance_curves(replace(study, records={"a": _arm(0.0, 1e-9, 1e-6, 1e-3)}))
    lines = re.findall(f'd="M {POINT}' + f"L {POINT}" * 3, svg)
    heights = [[float(y) for y in line[1::2]] for line in lines]  # from the top
    ((zero, low, middle, high),) = [h for h in heights if len(set(h)) == 4]
    assert zero > low > middle > high
    assert low - middle == pytest.approx(middle - high, rel=1e-3)
    assert zero - low > 0.9 * (low - middle)


def test_what_is_not_a_number_is_not_drawn_as_zero(study: Study) -> None:
    arms = [_arm(1e-3, *[rest] * 3) for rest in (math.nan, 0.0)]
    drawn = [plots.distance_curves(replace(study, records={"a": arm})) for arm in arms]
    assert drawn[0].count("L ") < drawn[1].count("L ")
