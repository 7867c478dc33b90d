"""The page's plots, each a function from figures to SVG."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tunesmith.contracts.datasets import RowCounts
from tunesmith.contracts.recipes import Metric
from tunesmith_cli.report.drawing import Ink, drawn, ink_of, new_figure, to_svg
from tunesmith_cli.report.figures import NAMES, Difference, Series
from tunesmith_cli.report.story import RunStory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVE_POINTS = 40
THINNEST_BAND = 0.012
"""Of the whole flow: one bad row in thousands must still be seen."""
BINS, PANELS_PER_ROW = 21, 3
"""An odd number of bins: the middle one holds the items that did not change."""
SPREAD = 0.22
"""Between the models' marks of one metric, where metrics are 1 apart."""


@drawn
def row_flow(counts: RowCounts, name: str) -> str:
    """Where the rows of a dataset went: bands as wide as they are many."""
    parts = [("kept", counts.kept, Ink.GOOD), ("quarantined", counts.quarantined, Ink.WARN)]
    parts += [(f"dropped: {reason.replace('_', ' ')}", rows, Ink.BASE) for reason, rows in counts.dropped.items()]
    parts = [part for part in parts if part[1]]
    figure, (axes,) = new_figure(height=2.2 + 0.34 * len(parts))
    axes.axis("off")
    axes.set(xlim=(-0.15, 1.36), ylim=(1.02 + 0.16 * (len(parts) - 1), -0.04))
    top = 0.0
    for place, (label, rows, ink) in enumerate(parts):
        share = rows / counts.rows_in
        _band(axes, top, share, top + 0.16 * place, max(share, THINNEST_BAND), ink)
        middle = top + 0.16 * place + max(share, THINNEST_BAND) / 2
        axes.text(1.03, middle, f"{rows:,} {label}", va="center", fontsize=14, color=Ink.TEXT)
        top += share
    axes.fill_between([-0.02, 0], 0, 1, color=Ink.MUTED, linewidth=0)
    axes.text(-0.045, 0.5, f"{counts.rows_in:,}\nrows in", va="center", ha="right", fontsize=14, linespacing=1.3)
    return to_svg(figure, f"rows-{name}", f"{counts.rows_in} rows in, {counts.kept} kept")


def _band(axes: "Axes", left: float, left_size: float, right: float, right_size: float, ink: Ink) -> None:
    xs = [point / CURVE_POINTS for point in range(CURVE_POINTS + 1)]
    eased = [x * x * (3 - 2 * x) for x in xs]
    upper = [left + (right - left) * ease for ease in eased]
    lower = [left + left_size + (right + right_size - left - left_size) * ease for ease in eased]
    axes.fill_between(xs, upper, lower, color=ink, alpha=0.35, linewidth=0)
    axes.fill_between([1, 1.012], right, right + right_size, color=ink, linewidth=0)


@drawn
def loss_curves(runs: Sequence[RunStory]) -> str:
    """Loss per trained token of each run's steps, and what it is on held-out rows at the end."""
    figure, (axes,) = new_figure(height=3.9)
    for place, run in enumerate(runs, start=1):
        if run.adapter is None or not run.adapter.losses:
            continue
        losses, ink = run.adapter.losses, ink_of(place)
        label = f"{run.label}: {losses[0]:.2f} to {losses[-1]:.2f}"
        axes.plot(range(1, len(losses) + 1), losses, color=ink, linewidth=2.2, label=label, solid_capstyle="round")
        if run.adapter.validation_loss is not None:
            axes.scatter([len(losses)], [run.adapter.validation_loss], s=70, color=ink, marker="D", zorder=3)
    axes.set(xlabel="optimizer step", ylabel="loss per trained token, nats")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="upper right", frameon=False, fontsize=14, handlelength=1.2)
    return to_svg(figure, "losses", "training loss by optimizer step")


@drawn
def metric_intervals(series: Sequence[Series]) -> str:
    """Every model's mean on every metric with its interval; perplexity has a scale of its own."""
    shown = [metric for metric in NAMES if metric is not Metric.PERPLEXITY]
    height = 1.4 + (0.3 + 0.2 * len(series)) * len(shown)
    figure, (scores, perplexity) = new_figure(columns=2, height=height, width_ratios=[2.4, 1])
    _intervals(scores, series, shown)
    scores.set_title("Higher is better")
    _intervals(perplexity, series, [Metric.PERPLEXITY])
    perplexity.set_title("Perplexity: lower is better")
    perplexity.set_yticks([])
    handles, labels = scores.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", ncols=len(series), frameon=False, handletextpad=0.2, fontsize=14
    )
    return to_svg(figure, "metrics", "mean scores with 95% intervals by model")


def _intervals(axes: "Axes", series: Sequence[Series], metrics: Sequence[Metric]) -> None:
    for place, model in enumerate(series):
        offset = (place - (len(series) - 1) / 2) * SPREAD
        estimates = [model.estimates[metric] for metric in metrics]
        rows = [row + offset for row in range(len(metrics))]
        ink = ink_of(place)
        axes.hlines(rows, [e.low for e in estimates], [e.high for e in estimates], color=ink, linewidth=5, alpha=0.35)
        axes.scatter([e.mean for e in estimates], rows, s=62, color=ink, label=model.label, zorder=3, clip_on=False)
    axes.set_yticks(range(len(metrics)), [NAMES[metric] for metric in metrics])
    axes.tick_params(axis="y", labelcolor=Ink.TEXT, labelsize=13.5, pad=12)
    axes.set_ylim(len(metrics) - 0.45, -0.55)
    axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)


@drawn
def difference_histograms(found: Sequence[Difference]) -> str:
    """Per comparison of the gate: how the items' differences spread, their mean and its interval."""
    columns = min(len(found), PANELS_PER_ROW)
    rows = -(-len(found) // columns)
    figure, panels = new_figure(rows, columns, height=3.6 * rows, sharex=True, sharey=True)
    widest = max(abs(value) for difference in found for value in difference.values) or 1.0
    for axes, difference in zip(panels, found, strict=False):
        _histogram(axes, difference, widest)
    for axes in panels[len(found) :]:
        axes.axis("off")
    for axes in panels[::columns]:
        axes.set_ylabel("items")
    return to_svg(figure, "differences", "histogram of per-item differences")


def _histogram(axes: "Axes", difference: Difference, widest: float) -> None:
    edges = [widest * (2 * edge / BINS - 1) for edge in range(BINS + 1)]
    _, _, bars = axes.hist(difference.values, bins=edges, rwidth=0.88, linewidth=0)
    for place, bar in enumerate(bars):
        bar.set_facecolor(Ink.BASE if place == BINS // 2 else Ink.GOOD if place > BINS // 2 else Ink.BAD)
    comparison = difference.comparison
    axes.axvspan(comparison.low, comparison.high, color=Ink.TEXT, alpha=0.14, linewidth=0)
    axes.axvline(comparison.difference, color=Ink.TEXT, linewidth=1.8)
    axes.set_title(f"{difference.label} \N{MINUS SIGN} {difference.opponent}: {comparison.difference:+.3f}")
    higher, lower = (sum(sign * value > 0 for value in difference.values) for sign in (1, -1))
    axes.set_xlabel(f"{higher} items higher, {lower} lower")
    axes.grid(axis="x", visible=False)
    axes.xaxis.get_major_locator().set_params(nbins=5)
