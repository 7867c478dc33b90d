"""What the demo shows at its end: one table, one page, one JSON file, all from the records that the runs left
behind."""

from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from tunesmith.adapters import clock
from tunesmith.contracts.jobs import Role
from tunesmith.contracts.models import CHAMPION, ModelVersion
from tunesmith.contracts.recipes import Metric
from tunesmith.contracts.runs import Run
from tunesmith_cli import evidence, models
from tunesmith_cli.demo.loop import PROJECT, Loop
from tunesmith_cli.demo.summary import summary, write_summary
from tunesmith_cli.report.examples import choose_examples
from tunesmith_cli.report.figures import BASE_LABEL, NAMES, model_series
from tunesmith_cli.report.page import write_page
from tunesmith_cli.report.story import Example, Moment, RunStory, Story

LABELS = ("tuned", "retrained")


@dataclass(frozen=True)
class Outcome:
    story: Story
    page: Path


def write_records(loop: Loop, finished: list[Run], folder: Path) -> Outcome:
    """Read back what the runs wrote, and write the page and the summary."""
    stories = [evidence.run_story(label, run) for label, run in zip(LABELS, finished, strict=False)]
    story = Story(
        title="The loop, on this machine",
        project=PROJECT,
        base=evidence.base_manifest(finished[0]),
        runs=stories,
        examples=_examples(stories),
        timeline=_timeline(loop, stories),
        made_at=clock.now(),
    )
    versions = models.versions().all_of(PROJECT, PROJECT)
    facts = summary(stories, versions, _aliases(versions), loop.exchange, loop.alarm)
    write_summary(folder / "summary.json", facts)
    return Outcome(story, write_page(story, folder / "report.html"))


def score_table(story: Story) -> Table:
    """Base, tuned, retrained: each metric with its interval."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    series = model_series(story)
    table.add_column("metric")
    for one in series:
        table.add_column(one.label, justify="right")
    for metric in Metric:
        cells = [_cell(one.estimates.get(metric)) for one in series]
        table.add_row(NAMES[metric], *cells)
    return table


def _cell(estimate: object) -> str:
    if estimate is None:
        return "-"
    low, mean, high = (getattr(estimate, name) for name in ("low", "mean", "high"))
    return f"{mean:.3f} [dim][{low:.3f}, {high:.3f}][/dim]".replace("[dim][", "[dim]\\[")


def _aliases(versions: list[ModelVersion]) -> dict[int, str]:
    marked = {version.version: models.aliases_of(version) for version in versions}
    return {number: names[0] for number, names in marked.items() if names}


def _examples(stories: list[RunStory]) -> list[Example]:
    evaluated = [story for story in stories if story.evaluation]
    if not evaluated or evaluated[0].evaluation is None:
        return []
    records = {BASE_LABEL: evidence.item_records(evaluated[0].evaluation, Role.BASE)}
    for story in evaluated:
        if story.evaluation:
            records[story.label] = evidence.item_records(story.evaluation, Role.CANDIDATE)
    return choose_examples(records)


def _timeline(loop: Loop, stories: list[RunStory]) -> list[Moment]:
    moments = []
    for story in stories:
        request = story.run.request
        moments.append(Moment(at=request.created_at, title=f"Run started by {request.trigger}", detail=request.run_id))
        ended = f"{story.label}: {story.run.outcome or story.run.status}"
        moments.append(Moment(at=story.run.updated_at, title="Run ended", detail=ended))
    if loop.alarm:
        moments.append(Moment(at=loop.alarm.fired_at, title="Alarm", detail=loop.alarm.name))
    steps = models.aliases().history(PROJECT, PROJECT, CHAMPION)
    moments += [
        Moment(at=step.moved_at, title=f"Champion is version {step.version}", detail=step.reason) for step in steps
    ]
    return sorted(moments, key=lambda moment: moment.at)
