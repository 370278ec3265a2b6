"""A certificate as text, Markdown, LaTeX and HTML: every format says all of it, and shows it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg
from tests.graph.pages import Page
from tests.graph.pdf import compile_latex
from tinygrad_init import DataError
from tinygrad_init.graph.article import Code, Formula, Heading, Items, Paragraph, Table
from tinygrad_init.graph.formula import as_mathml, as_text
from tinygrad_init.symmetry.certificate import Certificate

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 4)), RNG.integers(0, 3, 40)


def _dropout() -> Certificate:
    drop = tg.nn.Dropout(0.5, rng=0)

    def noisy_tanh(z: Any) -> Any:
        return drop(z.tanh())

    model = tg.nn.MLP([4, 16, 3], activation=noisy_tanh, weight_init="constant")
    return tg.symmetry.certify(model, X, Y, steps=10)


def _latin() -> Certificate:
    start: list[Any] = ["constant", tg.init.latin_square(), "constant"]
    model = tg.nn.MLP([4, 6, 6, 3], weight_init=start, rng=0)
    return tg.symmetry.certify(
        model, X, Y, optimizer=tg.optim.AdamW, lr=1e-3, steps=10, batch_size=8
    )


def _scattered() -> Certificate:
    """Classes whose members lie apart, so that their list is long, and the longest formula."""
    model = tg.nn.MLP([4, 160, 3], weight_init="constant")
    model.layers[0].bias.data[:] = np.arange(160) % 5
    return tg.symmetry.certify(
        model, X, Y, optimizer=tg.optim.Adam, lr=1e-3, steps=5, weight_decay=0.1
    )


MAKERS: dict[str, Callable[[], Certificate]] = {
    "constant": lambda: tg.symmetry.certify(
        tg.nn.MLP([4, 16, 8, 3], weight_init="constant"), X, Y, steps=10
    ),
    "latin": _latin,
    "no symmetry": lambda: tg.symmetry.certify(tg.nn.MLP([4, 16, 3], rng=0), X, Y, steps=10),
    "dropout": _dropout,
    "scattered": _scattered,
}


@cache
def certificate(name: str) -> Certificate:
    return MAKERS[name]()


every = pytest.mark.parametrize("name", MAKERS)


# Reading each format back.


def of_text(shown: str) -> str:
    return shown


def of_markdown(shown: str) -> str:
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown.replace("`", ""))


def of_latex(shown: str) -> str:
    """What TeX prints, for the commands that stand in certificates."""
    shown = shown[shown.index("\\begin{document}") :]
    shown = re.sub(r"\\char(\d+)\{\}", lambda sign: chr(int(sign[1])), shown)
    for latex, printed in {
        "\\breakable\n": "", "\\breakable ": "", "$-$": "-", "$\\cdot$": "·", "\\ldots{}": "…",
        "$<$": "<", "$>$": ">", "''": '"', "\\raggedright ": "", "\\raggedleft ": "",
        "\\item {}": "\\item ", " \\tabularnewline": " &",
    }.items():  # fmt: skip
        shown = shown.replace(latex, printed)
    shown = re.sub(r"\\texttt\{([^{}]*)\}", r"\1", shown)
    return re.sub(r"\\([&%#_{}])", r"\1", shown)


def of_html(shown: str) -> str:
    return Page(shown).text


FORMATS: dict[str, tuple[Callable[[Certificate], str], Callable[[str], str]]] = {
    ".txt": (Certificate.to_text, of_text),
    ".md": (Certificate.to_markdown, of_markdown),
    ".tex": (Certificate.to_latex, of_latex),
    ".html": (Certificate.to_html, of_html),
}
in_every_format = pytest.mark.parametrize("suffix", FORMATS)


def read(name: str, suffix: str) -> str:
    show, plain = FORMATS[suffix]
    return squeezed(plain(show(certificate(name))))


def squeezed(text: str) -> str:
    return " ".join(text.split())


def plain_words(words: str) -> list[str]:
    """What is to be read of words, cut at formulas."""
    pieces = re.split(r"(?<!\\)\$[^$]+\$", words)
    return [squeezed(re.sub(r"\\(.)", r"\1", piece.replace("`", ""))) for piece in pieces]


# All of it is there.


@every
@in_every_format
def test_every_format_says_every_word(name: str, suffix: str) -> None:
    shown = read(name, suffix)
    found = certificate(name)
    assert squeezed(found.verdict) in shown
    assert found.digest in shown
    words: list[str] = [found.article.title]
    for block in found.article.blocks:
        match block:
            case Heading(one) | Paragraph(one):
                words.append(one)
            case Items(points):
                words += points
            case Table(heads, rows):
                words += [*heads, *(cell for row in rows for cell in row)]
            case Code(text):
                words.append(text)
    assert len(words) > 20
    for piece in (piece for one in words for piece in plain_words(one)):
        assert piece in shown, piece


@every
@in_every_format
def test_every_format_shows_every_formula(name: str, suffix: str) -> None:
    show, _ = FORMATS[suffix]
    shown = show(certificate(name))
    ways: dict[str, Callable[[str], str]] = {
        ".txt": as_text, ".md": squeezed, ".tex": squeezed,
        ".html": lambda latex: as_mathml(latex, display=True),
    }  # fmt: skip
    formulas = [one.latex for one in certificate(name).article.blocks if isinstance(one, Formula)]
    assert bool(formulas) == (name in ("constant", "latin", "scattered"))
    for latex in formulas:
        assert ways[suffix](latex) in shown


@pytest.mark.parametrize("name", ["constant", "latin", "scattered"])
@in_every_format
def test_every_number_of_the_derivation_is_shown_with_all_its_digits(
    name: str, suffix: str
) -> None:
    shown = read(name, suffix)
    derivation = certificate(name).derivation
    assert derivation
    for one in derivation:
        totals = [side.total for equation in one.equations for side in equation.sides]
        for number in [*totals, *(value for pair in one.update.values() for value in pair)]:
            assert repr(number) in shown
            assert float(repr(number)) == number


@pytest.mark.parametrize("name", ["dropout"])
@in_every_format
def test_the_first_break_is_shown(name: str, suffix: str) -> None:
    found = certificate(name)
    assert found.exact.first_break is not None
    assert found.first_break is not None
    assert str(found.exact.first_break) in read(name, suffix)
    assert str(found.first_break) in read(name, suffix)


@in_every_format
def test_names_of_ones_own_are_shown_and_do_nothing(suffix: str) -> None:
    def loss(logits: Any, y: Any) -> Any:
        return tg.losses.cross_entropy(logits, y)

    hostile = "</p><script>alert(1)</script> | $x$ `y` \\input{z} % & # _ ^ ~ { }"
    loss.__name__ = hostile
    found = tg.symmetry.certify(
        tg.nn.MLP([4, 3, 3], weight_init="constant"), X, Y, loss=loss, steps=2
    )
    shown = FORMATS[suffix][0](found)
    seen = hostile.replace("`", "’")
    match suffix:
        case ".txt":
            assert seen in squeezed(shown)
        case ".md":
            assert f"`{seen}`" in shown
        case ".tex":
            assert "\\input" not in shown
            assert r"\char92{}input\char123{}z\char125{} \char37{}" in squeezed(shown)
        case ".html":
            assert ("script", ()) not in Page(shown).tags
            assert seen in Page(shown).text


# Written to a file.


@in_every_format
@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_the_suffix_says_the_format(
    suffix: str, change: Callable[[str], str], tmp_path: Path
) -> None:
    found = certificate("constant")
    path = tmp_path / f"tied{change(suffix)}"
    assert found.render(path) == path
    assert path.read_bytes() == FORMATS[suffix][0](found).encode()
    assert found.render(str(path)) == path
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("name", ["tied.pdf", "tied", "tied.html.gz", ".html"])
def test_an_unknown_suffix_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(name)) as caught:
        certificate("constant").render(tmp_path / name)
    assert all(suffix in str(caught.value) for suffix in FORMATS)
    assert not os.listdir(tmp_path)


def test_a_file_is_written_beside_and_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tied.md"
    path.write_text("before")
    seen: list[tuple[str, int]] = []

    def refuse(source: Path, target: Path) -> None:
        assert Path(source).parent == path.parent
        seen.append((path.read_text(), Path(source).stat().st_size))
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(OSError, match="disk is full"):
            certificate("constant").render(path)
    assert seen == [("before", len(certificate("constant").to_markdown().encode()))]
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["tied.md"]


@every
def test_notebooks_show_markdown_and_print_shows_text(name: str) -> None:
    found = certificate(name)
    assert found._repr_markdown_() == found.to_markdown()
    assert str(found) == found.to_text()
    assert found.digest[:12] in repr(found)
    assert "\n" not in repr(found)


# Compiled.


@pytest.mark.latex
@every
def test_it_compiles_and_stays_on_the_page(name: str, tmp_path: Path) -> None:
    compiled = compile_latex(certificate(name).to_latex(), tmp_path)
    assert not [points for points in compiled.overfull if points > 20]
    assert compiled.written == {"test.log", "test.aux", "test.pdf"}


# In a browser.


def _contrast(one: str, other: str) -> float:
    """Of two colours, as WCAG 2 defines it."""
    lights = []
    for colour in (one, other):
        channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.mark.browser
@every
@pytest.mark.parametrize("width", [1200, 390])
def test_the_page_fits_its_window(
    name: str, width: int, tmp_path: Path, browser_page: Any
) -> None:
    path = certificate(name).render(tmp_path / "tied.html")
    browser_page.set_viewport_size({"width": width, "height": 900})
    browser_page.goto(path.as_uri())
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= width
    assert browser_page.evaluate("document.body.scrollWidth") <= width
    sticking_out = browser_page.evaluate(
        "[...document.querySelectorAll('h1, h2, p, li, pre, .wide')]"
        ".filter(one => one.getBoundingClientRect().right > innerWidth).length"
    )
    assert sticking_out == 0
    heights = browser_page.evaluate(
        "[...document.querySelectorAll('.whole')].map(one => one.getClientRects().length)"
    )
    assert set(heights) <= {1}, "a number is broken into two lines"
    for box in map(browser_page.locator("math").nth, range(browser_page.locator("math").count())):
        size = box.bounding_box()
        assert size["width"] > 3
        assert size["height"] > 5


@pytest.mark.browser
@pytest.mark.parametrize("name", ["constant", "latin"])
def test_formulas_are_laid_out_as_formulas(
    name: str, tmp_path: Path, browser_page: Any
) -> None:
    path = certificate(name).render(tmp_path / "tied.html")
    browser_page.goto(path.as_uri())
    expected = certificate(name).to_html().count("<math")
    assert browser_page.locator("math").count() == expected > 20
    fractions = browser_page.evaluate(
        "[...document.querySelectorAll('mfrac')].map(one => [...one.children].map("
        "part => part.getBoundingClientRect()).map(box => [box.top, box.bottom]))"
    )
    assert len(fractions) > 10
    assert all(above[1] <= below[0] + 1 for above, below in fractions)
    lowered = browser_page.evaluate(
        "[...document.querySelectorAll('msub, msubsup')].map(one => [...one.children].map("
        "part => part.getBoundingClientRect()).map(box => box.bottom))"
    )
    assert all(bottoms[1] > bottoms[0] for bottoms in lowered)
    word = browser_page.locator("mtext").first.bounding_box()
    assert word["width"] > 100  # a sentence, with its spaces


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_can_be_read_in_light_and_in_the_dark(
    scheme: str, tmp_path: Path, browser_page: Any
) -> None:
    path = certificate("latin").render(tmp_path / "tied.html")
    browser_page.emulate_media(color_scheme=scheme)
    browser_page.goto(path.as_uri())
    paper = browser_page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    for part in ("h1", "h2", "p", "li", "td", "th", "code", "math", "mtext", "pre"):
        ink, card = browser_page.evaluate(
            f"(style => [style.color, style.backgroundColor])"
            f"(getComputedStyle(document.querySelector('{part}')))"
        )
        behind = paper if card == "rgba(0, 0, 0, 0)" else card
        assert _contrast(ink, behind) >= 4.5, part
