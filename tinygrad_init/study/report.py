"""The report: one HTML file that holds everything and asks for nothing."""

from __future__ import annotations

import base64
import platform
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import numpy as np

from ..graph import Graph
from ..graph.document import document
from ..graph.render import write_whole
from ..symmetry.gradients import NeuronGradients, class_name, telling_entries
from .arms import STANDARD_ARMS
from .plots import accuracy_curves, distance_curves, loss_curves
from .question import TiedGradients
from .runs import Record, Study, width_text

# Tints of Okabe and Ito's colours, dark text readable on each; the letter says the same.
CLASS_TINTS = ("#BFE3F7", "#FBD9A5", "#A8E0CC", "#F2C9DD", "#F5EFA0", "#F3BD9B", "#D5D5D5")

_STYLE = """
body { max-width: 62rem; font-size: 17px; }
h1 { font-size: 1.9rem; line-height: 1.2; }
h2 { font-size: 1.3rem; margin-top: 2.6rem; }
.answer { background: var(--card); border-left: 5px solid #0072B2; padding: .8rem 1.2rem; }
.wide { overflow-x: auto; }
figure { margin: 1rem 0; }
figure img { background: #ffffff; border-radius: 6px; }
figure img { width: 100%; min-width: 36rem; height: auto; display: block; }
.paper { padding: .8rem; overflow-x: auto; }
.paper svg { display: block; margin: auto; height: auto; max-width: 100%; min-width: 30rem; }
figcaption, .note { color: var(--soft); font-size: .92rem; }
th, td { padding: .3rem .7rem; text-align: right; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
th { vertical-align: bottom; }
th[colspan] { text-align: center; border-bottom: none; }
details { margin: .6rem 0; }
"""


def write_report(
    path: str | Path, tied: TiedGradients, study: Study, tiny: Graph, command: str
) -> Path:
    """Write everything that was found into one HTML file, beside first and then renamed.

    Args:
        path: where to.
        tied: the gradients of constant weights.
        study: the arms, trained.
        tiny: the graph of one small step.
        command: how to repeat it.
    """
    path = Path(path)
    write_whole(path, to_html(tied, study, tiny, command).encode("utf-8", "replace"))
    return path


def to_html(tied: TiedGradients, study: Study, tiny: Graph, command: str) -> str:
    """The page as text: it runs no script and makes no request, and says so in its policy."""
    tints = "".join(
        f"td.class{k} {{ background: {tint}; color: #1b1b1b; }}\n"
        for k, tint in enumerate(CLASS_TINTS)
    )
    exact, ordinary = tied.verdicts
    sizes = "-".join(map(str, study.settings["sizes"]))
    return document("Why random weights?", _STYLE + tints, f"""<h1>Why do random weights help?</h1>
<p class="answer">{escape(answer(tied, study))}</p>
<p class="note">{escape(str(study.data))}. Network {sizes}, {escape(study.settings["activation"])},
softmax cross-entropy, SGD at rate {study.settings["lr"]:g} with momentum
{study.settings["momentum"]:g}, minibatches of {study.settings["batch_size"]}: one seed,
one learning rate for all. Every arm sees the same data in the same order; they differ in their
starting weights and, where it says “exact”, in the arithmetic: there every sum over an axis and
every matrix product is the exact value, rounded once (<code>tg.reproducible()</code>), so nothing
depends on the order of adding.</p>

<h2>The loss</h2>
{_figure(loss_curves(study), "Training loss over epochs", "Training loss, logarithmic.")}
{_figure(accuracy_curves(study), "Held-out accuracy over epochs",
         "Accuracy on the examples that were held out. The thin line is the target.")}
{_results(study)}

<h2>The distance between copies</h2>
{_figure(distance_curves(study), "Largest difference between two hidden neurons over epochs",
         "The largest difference of a weight between any two hidden neurons, logarithmic. "
         "In the shaded band it is exactly zero: all neurons are one neuron. "
         "Lines that run together there hide one another.")}

<h2>The gradients of constant weights</h2>
<p>After {tied.steps} minibatch steps from constant weights, this is the gradient that arrives at
each hidden neuron. Within a table, equal colours and letters mean equal
bits. The entries shown are the first that are not zero for every neuron.</p>
<p>In {escape(exact)}</p>
{_gradient_table(tied.exact)}
<p>In {escape(ordinary)}</p>
{_gradient_table(tied.ordinary)}

<h2>One step, drawn</h2>
<p>A 2-2-1 network with constant weights, its mean squared error on two examples, and the chain
rule: every box shows a value and the gradient of the loss with respect to it. The two columns of
the gradient of W1 are equal, and so are the two rows of that of W2.</p>
<figure><div class="paper" tabindex="0">{tiny.to_svg("TB", legend=False)}</div></figure>

<h2>To repeat it</h2>
<p><code>{escape(command)}</code></p>
<p class="note">Seed {study.settings["seed"]}, Python {platform.python_version()}, NumPy
{escape(np.__version__)}, {escape(platform.machine())}. In ordinary arithmetic the last bits, and so
the moment at which copies part, depend on the machine; in order-independent arithmetic they do
not.</p>""")


def answer(tied: TiedGradients, study: Study) -> str:
    """The answer in a paragraph: only what the standard arms of this run show."""
    width = len(tied.exact.neurons)
    if width == 1:
        return (
            "A hidden layer of one neuron has no copies, so constant weights tie nothing there: "
            "take a width of two or more to see what they do."
        )
    standard = {
        name: study.records[name]
        for name, arm in STANDARD_ARMS.items()
        if name in study.records and study.arms.get(name) == arm
    }
    stuck, rounded = standard.get("constant, exact"), standard.get("constant")
    traced, random = standard.get("constant + 1e-8"), standard.get("glorot")
    sentences = [_about_gradients(tied)]
    if stuck is not None:
        sentences.append(_about_exact(study, stuck))
    if rounded is not None:
        sentences.append(_about_rounding(study, rounded))
    if traced is not None:
        sentences.append(_about_trace(study, traced, stuck))
    if random is not None:
        sentences.append(_about_random(study, random, traced))
    return " ".join(sentences)


def _about_gradients(tied: TiedGradients) -> str:
    width = len(tied.exact.neurons)
    if not tied.exact.identical:
        return f"The {width} hidden neurons received {len(tied.exact.classes)} different gradients."
    return (
        f"In order-independent arithmetic, constant weights send every one of the {width} hidden "
        f"neurons the identical gradient, bit for bit."
    )


def _about_exact(study: Study, stuck: Record) -> str:
    kinds, epochs = stuck.widths[-1][0], stuck.epochs
    after = f"{epochs} epoch{'s'[: epochs > 1]}"
    if kinds > 1:
        return f"After {after} they are of {kinds} kinds: the network {_outcome(study, stuck)}."
    enough = study.settings["target"] <= max(stuck.accuracies)
    return (
        f"So the layer is still one neuron wide after {after}"
        f"{', which is enough on these data' if enough else ''}: "
        f"the network {_outcome(study, stuck)}."
    )


def _about_rounding(study: Study, rounded: Record) -> str:
    kinds = rounded.widths[-1][0]
    told = (
        f"In ordinary arithmetic rounding told some copies apart, and {kinds} kinds of neuron"
        if kinds > 1
        else "In ordinary arithmetic the copies stayed together here, and one kind of neuron"
    )
    return f"{told} came out: it {_outcome(study, rounded)}."


def _about_trace(study: Study, traced: Record, stuck: Record | None) -> str:
    start, end = traced.distances[0], traced.distances[-1]
    grew = f"from {start:.1g} to {end:.1g}"
    if end < 1000 * start:
        return (
            f"A trace of 1e-8 added to the weights has hardly grown ({grew}): "
            f"{traced.epochs} epoch{'s'[: traced.epochs > 1]} were too few, or nothing drives it."
        )
    if stuck is None or _is_earlier(study, traced, stuck):
        return (
            f"It takes asymmetry, not randomness: after a wait, a trace of 1e-8 had grown {grew}, "
            f"and the network {_outcome(study, traced)}."
        )
    return (
        f"A trace of 1e-8 added to the weights grew {grew}, which made no difference so far: "
        f"the network {_outcome(study, traced)}."
    )


def _about_random(study: Study, random: Record, traced: Record | None) -> str:
    if traced is not None and _is_earlier(study, random, traced):
        return f"Random weights start without that wait: the network {_outcome(study, random)}."
    return f"From random weights the network {_outcome(study, random)}."


def _is_earlier(study: Study, one: Record, other: Record) -> bool:
    """Whether ``one`` reached the target, and ``other`` later or never."""
    target = study.settings["target"]
    reached, then = one.epochs_to(target), other.epochs_to(target)
    return reached is not None and (then is None or reached < then)


def _outcome(study: Study, record: Record) -> str:
    reached, target = record.epochs_to(study.settings["target"]), study.settings["target"]
    if reached is None:
        return f"did not reach {target:.0%} held-out accuracy (last: {record.accuracies[-1]:.0%})"
    if reached == 0:
        return f"was at {target:.0%} held-out accuracy before the first epoch"
    return f"reached {target:.0%} held-out accuracy after {reached} epoch{'s'[: reached > 1]}"


def _figure(svg: str, alt: str, caption: str) -> str:
    # As an image, so that the names inside one drawing cannot meet those of another.
    data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
    return (
        f'<figure><div class="wide" tabindex="0">'
        f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}"></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _results(study: Study) -> str:
    epochs = study.shown_epochs()
    over = [("", 1), ("held-out accuracy after epoch", len(epochs)), ("", 3)]
    heads = ["start", *map(str, epochs), "last loss", f"epochs to {study.settings['target']:.0%}",
             "distinct neurons"]
    rows = []
    for name, record in study.records.items():
        accuracies = [f"{record.accuracies[epoch]:.1%}" for epoch in epochs]
        rows.append([name, *accuracies, f"{record.losses[-1]:.4f}", study.waited(record),
                     width_text(record).replace("->", "→")])
    return _table(heads, [[(cell, "") for cell in row] for row in rows], over)


def _gradient_table(found: NeuronGradients) -> str:
    fan_in = len(found.neurons[0].gradient) - 1
    where = telling_entries(found.neurons, 2)
    heads = ["neuron", "norm", *(f"∂L/∂w[{i}]" if i < fan_in else "∂L/∂b" for i in where),
             "bits (SHA-256)", "class"]
    rows = []
    for neuron in found.neurons:
        colour = f"class{neuron.class_ % len(CLASS_TINTS)}"
        numbers = [f"{neuron.norm:.6e}", *(f"{neuron.gradient[i]:.17g}" for i in where)]
        rows.append([(cell, colour) for cell in
                     [str(neuron.index), *numbers, neuron.digest, class_name(neuron.class_)]])
    few = [rows[neuron.index] for neuron in found.chosen()]
    rest = "; ".join(found.rest(found.chosen()))
    if not rest:
        return _table(heads, rows)
    return (
        f"{_table(heads, few)}\n<details><summary>{escape(rest)}</summary>\n"
        f"{_table(heads, rows)}</details>"
    )


def _table(
    heads: Sequence[str],
    rows: Iterable[Sequence[tuple[str, str]]],
    over: Sequence[tuple[str, int]] = (),
) -> str:
    """Cells are pairs of a text and a CSS class; ``over`` are headings of several columns each."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    if over:
        spans = "".join(f'<th colspan="{count}">{escape(cell)}</th>' for cell, count in over)
        head = f"{spans}</tr>\n<tr>{head}"
    body = "\n".join(
        "<tr>"
        + "".join(
            f'<td class="{css}">{escape(cell)}</td>' if css else f"<td>{escape(cell)}</td>"
            for cell, css in row
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )
