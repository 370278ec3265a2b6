"""The curves of a study, as SVG or PNG."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..autograd import DataError
from ..graph.render import write_whole
from .extras import require
from .runs import Study

Draw = Callable[[Any, Study], None]  #: draws what a study found into axes

# Okabe and Ito's colours, which colour-blind readers can tell apart; dashes say the same again.
COLOURS = ("#999999", "#56B4E9", "#D55E00", "#E69F00", "#009E73", "#0072B2", "#CC79A7", "#000000")
DASHES = ("-", ":", "-", "--", "-.", "-", (0, (5, 1)), (0, (1, 1)))

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "tinygrad_init",  # same study, same bytes
    "font.family": "sans-serif",
    "font.size": 11,
    "text.parse_math": False,  # a $ in a name is a $
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}
# Neither a date nor a version: same study, same bytes.
_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}


def loss_curves(study: Study) -> str:
    """Training loss over epochs, one line for each arm."""
    return _svg(study, _draw_losses)


def accuracy_curves(study: Study) -> str:
    """Held-out accuracy over epochs, and the target."""
    return _svg(study, _draw_accuracies)


def distance_curves(study: Study) -> str:
    """The largest difference between two hidden neurons, on a logarithmic scale."""
    return _svg(study, _draw_distances)


def write_plot(path: str | Path, study: Study) -> Path:
    """Accuracy and distance between neurons, side by side, as an SVG or a PNG file.

    Args:
        path: where to; the suffix says the format. Written beside first, then renamed.
        study: the arms, trained.

    Raises:
        DataError: for another suffix, or if Matplotlib is missing.
    """
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in _METADATA:
        raise DataError(
            f"cannot plot to {path.name!r}: the suffix says the format, "
            f"and the known ones are .svg and .png"
        )
    require("matplotlib")
    below = {"loc": "outside lower center", "ncols": min(4, -(-len(study.records) // 2))}
    figure = _figure(study, [_draw_accuracies, _draw_distances], (12.8, 5.2), below)
    write_whole(path, _rendered(figure, kind))
    return path


def _draw_losses(axes: Any, study: Study) -> None:
    from matplotlib.ticker import LogLocator

    axes.set_ylabel("training loss")
    for k, record in enumerate(study.records.values()):
        axes.plot(record.losses, **_line(k))
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda loss, _: f"{loss:g}")
    axes.minorticks_off()


def _draw_accuracies(axes: Any, study: Study) -> None:
    axes.set_ylabel("held-out accuracy")
    for k, record in enumerate(study.records.values()):
        axes.plot(record.accuracies, **_line(k))
    axes.axhline(study.settings["target"], color="black", linewidth=0.8, alpha=0.5)
    axes.set_ylim(0, 1.02)


def _draw_distances(axes: Any, study: Study) -> None:
    axes.set_ylabel("largest difference between two neurons")
    axes.set_yscale("log")
    every = np.array([record.distances for record in study.records.values()])
    smallest = every[every > 0].min(initial=1e-16)
    zero = smallest / 1e3  # a place for exactly zero, which a logarithmic axis does not have
    for k, record in enumerate(study.records.values()):
        axes.plot([zero if found == 0 else found for found in record.distances], **_line(k))
    axes.axhspan(zero / 10, zero * 10, color="black", alpha=0.06, linewidth=0)
    axes.set_ylim(zero / 10, 10)
    ticks = [tick for tick in 10.0 ** np.arange(-30, 1, 3) if tick >= smallest]
    axes.set_yticks([zero, *ticks], ["exactly 0", *(f"{tick:g}" for tick in ticks)])
    axes.minorticks_off()


def _line(k: int) -> dict[str, Any]:
    return {
        "color": COLOURS[k % len(COLOURS)],
        "linestyle": DASHES[k % len(DASHES)],
        "linewidth": 2,
    }


def _figure(study: Study, panels: Sequence[Draw], size: tuple[float, float], legend: Any) -> Any:
    """The panels side by side, each over the epochs, with one legend for all of them."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = list(study.records)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        places = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, draw in zip(places, panels, strict=True):
            axes.set_xlabel("epoch")
            axes.set_xlim(0, study.settings["epochs"])
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            draw(axes, study)
        lines = axes.get_lines()[: len(names)]
        shown = figure.legend(lines, [str(k) for k in range(len(names))], frameon=False, **legend)
        # Set afterwards, since Matplotlib takes a label that starts with "_" for a private one.
        for text, name in zip(shown.get_texts(), names, strict=True):
            text.set_text(name)
    return figure


def _svg(study: Study, draw: Draw) -> str:
    figure = _figure(study, [draw], (7.6, 4.2), {"loc": "outside right center"})
    return _rendered(figure, "svg").decode()


def _rendered(figure: Any, kind: str) -> bytes:
    import matplotlib as mpl

    target = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(target, format=kind, dpi=160, metadata=_METADATA[kind])
    return target.getvalue()
