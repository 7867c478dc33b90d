"""The page itself: one HTML file with everything in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tunesmith.contracts.recipes import GateRecipe, Metric
from tunesmith_cli.report import plots
from tunesmith_cli.report.drawing import ink_of
from tunesmith_cli.report.figures import BASE_LABEL, NAMES, Estimate, Series, differences, model_series
from tunesmith_cli.report.story import Story

TEMPLATE = "page.html.j2"


@dataclass(frozen=True, slots=True)
class Headline:
    """A model's figure on the gate's metric, as the top of the page shows it."""

    label: str
    estimate: Estimate
    note: str
    colour: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """A chain of digests: what was made from what."""

    label: str
    facts: list[tuple[str, str]]


def write_page(story: Story, file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(render(story), encoding="utf-8")
    return file


def render(story: Story) -> str:
    """The page as text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"short": short, "clock": clock, "duration": duration, "figure": figure}
    series = model_series(story)
    return environment.get_template(TEMPLATE).render(
        story=story,
        metric=NAMES[gate_metric(story)],
        headlines=headlines(story, series),
        series=series,
        metrics=NAMES,
        colours={model.label: ink_of(place).variable for place, model in enumerate(series)},
        lineages=[lineage(story, place) for place in range(len(story.runs))],
        drawings=drawings(story, series),
    )


def drawings(story: Story, series: Sequence[Series]) -> dict[str, str]:
    """The plots that there is something to draw for."""
    found: dict[str, str] = {}
    for run in story.runs:
        if run.dataset is not None and run.dataset.counts.rows_in:
            found[f"rows {run.label}"] = plots.row_flow(run.dataset.counts, run.label)
    if any(run.adapter is not None and run.adapter.losses for run in story.runs):
        found["losses"] = plots.loss_curves(story.runs)
    if series:
        found["metrics"] = plots.metric_intervals(series)
    if compared := differences(story):
        found["differences"] = plots.difference_histograms(compared)
    return found


def gate_metric(story: Story) -> Metric:
    compared = [c.metric for run in story.runs if run.verdict is not None for c in run.verdict.comparisons]
    return compared[0] if compared else GateRecipe().metric


def headlines(story: Story, series: Sequence[Series]) -> list[Headline]:
    metric = gate_metric(story)
    notes = {run.label: outcome(run.run.outcome, run.run.version) for run in story.runs} | {BASE_LABEL: story.base.name}
    return [
        Headline(model.label, model.estimates[metric], notes[model.label], ink_of(place).variable)
        for place, model in enumerate(series)
    ]


def outcome(result: str | None, version: int | None) -> str:
    return " ".join(word for word in (f"version {version}" if version else "", result or "") if word) or "unfinished"


def lineage(story: Story, place: int) -> Lineage:
    """From the uploaded object to the verdict."""
    run = story.runs[place]
    facts = [("run", run.run.request.run_id)]
    facts += [(f"{source.kind} of its data", source.source_id) for source in run.run.request.sources]
    facts.append(("dataset version", run.run.request.dataset_version))
    if run.dataset is not None:
        facts.append(("dataset content", run.dataset.content_digest))
    facts += [("base model", run.run.request.base.digest), ("chat template", story.base.template_hash)]
    if run.adapter is not None:
        facts += [("adapter", run.adapter.digest), ("code version", run.adapter.code_version)]
    if run.evaluation is not None:
        facts.append(("frozen test split", run.evaluation.suite_digest))
    return Lineage(run.label, facts)


def short(digest: str) -> str:
    """Enough of a digest to tell it from others at a glance."""
    return digest if len(digest) <= 24 else f"{digest[:12]}…{digest[-6:]}"


def clock(timestamp: str) -> str:
    return datetime.fromisoformat(timestamp).strftime("%H:%M:%S")


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def figure(value: float) -> str:
    """Scores lie between 0 and 1 and need three decimals; perplexities are larger."""
    return f"{value:.3f}" if abs(value) <= 1 else f"{value:,.1f}"
