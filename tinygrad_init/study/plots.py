"""The curves of a study, as SVG."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from .runs import Study

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


def loss_curves(study: Study) -> str:
    """Training loss over epochs, one line for each arm."""
    from matplotlib.ticker import LogLocator

    figure, axes = _figure("training loss", study)
    for k, record in enumerate(study.records.values()):
        axes.plot(record.losses, **_line(k))
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda loss, _: f"{loss:g}")
    axes.minorticks_off()
    return _svg(figure, axes, study)


def accuracy_curves(study: Study) -> str:
    """Held-out accuracy over epochs, and the target."""
    figure, axes = _figure("held-out accuracy", study)
    for k, record in enumerate(study.records.values()):
        axes.plot(record.accuracies, **_line(k))
    axes.axhline(study.settings["target"], color="black", linewidth=0.8, alpha=0.5)
    axes.set_ylim(0, 1.02)
    return _svg(figure, axes, study)


def distance_curves(study: Study) -> str:
    """The largest difference between two hidden neurons, on a logarithmic scale."""
    figure, axes = _figure("largest difference between two neurons", study)
    axes.set_yscale("log")
    found = np.array([record.distances for record in study.records.values()])
    smallest = found[found > 0].min(initial=1e-16)
    zero = smallest / 1e3  # a place for exactly zero, which a logarithmic axis does not have
    for k, record in enumerate(study.records.values()):
        axes.plot(np.where(np.array(record.distances) > 0, record.distances, zero), **_line(k))
    axes.axhspan(zero / 10, zero * 10, color="black", alpha=0.06, linewidth=0)
    axes.set_ylim(zero / 10, 10)
    ticks = [tick for tick in 10.0 ** np.arange(-30, 1, 3) if tick >= smallest]
    axes.set_yticks([zero, *ticks], ["exactly 0", *(f"{tick:g}" for tick in ticks)])
    axes.minorticks_off()
    return _svg(figure, axes, study)


def _line(k: int) -> dict[str, Any]:
    return {
        "color": COLOURS[k % len(COLOURS)],
        "linestyle": DASHES[k % len(DASHES)],
        "linewidth": 2,
    }


def _figure(what: str, study: Study) -> tuple[Any, Any]:
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.6, 4.2), layout="constrained")
        axes = figure.add_subplot()
    axes.set_xlabel("epoch")
    axes.set_ylabel(what)
    axes.set_xlim(0, study.settings["epochs"])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure, axes


def _svg(figure: Any, axes: Any, study: Study) -> str:
    import matplotlib as mpl

    target = io.StringIO()
    with mpl.rc_context(_STYLE):
        names = list(study.records)
        numbers = [str(k) for k in range(len(names))]
        legend = axes.legend(
            axes.get_lines()[: len(names)],
            numbers,
            loc="center left",
            bbox_to_anchor=(1.01, 0.5),
            frameon=False,
        )
        # Set afterwards, since Matplotlib takes a label that starts with "_" for a private one.
        for shown, name in zip(legend.get_texts(), names, strict=True):
            shown.set_text(name)
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    return target.getvalue()
