"""`report.html`: one self-contained page of a dataset version. It holds no script and fetches nothing; every text of a
row is escaped. The same manifest and profile always make the same bytes."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from batch_jobs.prepare.reporting import charts, sankey
from batch_jobs.prepare.reporting.highlighting import alike, before_and_after, beginning, spelt, with_placeholders
from tunesmith.contracts.datasets import DatasetKind, DatasetManifest, FileEntry
from tunesmith.contracts.preflight import Preflight
from tunesmith.contracts.profiles import ChangeSample, DatasetProfile, RunProfile, Step

KINDS = {
    DatasetKind.CHAT: "Conversations",
    DatasetKind.PREFERENCE: "Pairs of a better and a worse answer",
    DatasetKind.UNPAIRED_PREFERENCE: "Answers that were liked or not",
    DatasetKind.PROMPT_ONLY: "Prompts without answers",
    DatasetKind.TEXT: "Plain text",
}
BUBBLES = ("system", "user", "assistant", "tool", "text")
SIZES = ((2, 2), (3, 3), (4, 5), (6, 10), (11, 100), (101, None))
"""Of groups of near duplicates: from and to."""


def report_page(manifest: DatasetManifest, profile: DatasetProfile, failure: str | None = None) -> str:
    """The page as HTML. `failure` is why the quality gate stopped the run; then this is no dataset version."""
    flow, run, recipe = sankey.flow_of(manifest), profile.run, profile.recipe
    sankeys = [Markup(sankey.draw(flow, sheet)) for sheet in (sankey.WIDE, sankey.NARROW)]
    facts: dict[str, Any] = {
        "name": f"{manifest.project}/{manifest.dataset}",
        "manifest": manifest,
        "profile": profile,
        "run": run,
        "recipe": recipe,
        "failure": failure,
        "counts": manifest.counts,
        "kind": KINDS[manifest.kind],
        "figures": list(_figures(manifest, profile)),
        "warnings": {code.value: rows for code, rows in manifest.warnings.items()},
        "swap_rate": _swap_rate(manifest),
        "sankeys": sankeys if sankeys[0] else [],
        "splits": {split.value: rows for split, rows in profile.rows.items() if rows},
        "sources": _by_name(profile.sources),
        "balance": _balance(profile.labels),
        "recall": run.classifier.recall if run.classifier else {},
        "duplicates": run.near_duplicates,
        "alikes": [alike(texts) for texts in run.near_duplicates.examples] if run.near_duplicates else [],
        "frozen_alikes": [alike(texts) for texts in run.near_duplicates.frozen] if run.near_duplicates else [],
        "group_sizes": _group_sizes(run),
        "leaks": run.leaks,
        "redactions": [(one, with_placeholders(one.after)) for one in run.samples if one.step is Step.REDACT],
        "normalisations": [(one, *before_and_after(one.before, one.after)) for one in _with_before(run)],
        "preflight": run.preflight,
        "tokens": _tokens(run.preflight),
        "forecast": list(_forecast(run.preflight)) if run.preflight else [],
        "origins": [(source, manifest.counts_by_source.get(source.uri)) for source in manifest.sources],
        "files": [] if failure else _files(manifest),
        "chosen": _yaml(recipe.model_dump(mode="json", exclude_defaults=True)) if recipe else "",
        "whole_recipe": _yaml(recipe.model_dump(mode="json")) if recipe else "",
    }
    return _template().render(facts, contents=list(_contents(facts)))


@cache
def _template() -> Template:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "number": lambda value: f"{value:,}",
        "figure": _figure,
        "percent": charts.percent,
        "short": lambda uri: spelt(uri.rpartition("/")[2] or uri),
        "spelt": spelt,
        "excerpt": beginning,
        "role": lambda role: role if role in BUBBLES else "user",
    }
    made.globals |= {
        "bars": charts.bars,
        "shares": charts.shares,
        "most_bars": charts.BARS,
        "histogram": charts.histogram,
        "scatter": charts.scatter,
        "topic_colour": charts.topic_colour,
    }
    return made.get_template("page.html.j2")


def _figures(manifest: DatasetManifest, profile: DatasetProfile) -> Iterator[tuple[str, str, str, str]]:
    """Label, number, note, colour."""
    counts, run = manifest.counts, profile.run
    of_all = (lambda rows: f"{charts.percent(rows / counts.rows_in)} of all rows") if counts.rows_in else str
    yield "kept", f"{counts.kept:,}", of_all(counts.kept), "good"
    yield "put aside", f"{counts.quarantined:,}", of_all(counts.quarantined), "bad"
    dropped = sum(counts.dropped.values())
    yield "dropped", f"{dropped:,}", of_all(dropped), "warn"
    if run.preflight:
        tokens = run.preflight.tokens
        note = f"{charts.percent(tokens.trained_share)} of them are learnt"
        yield "tokens looked at", f"{tokens.total:,}", note, "first"
    elif profile.characters:
        yield "characters", _short(sum(profile.role_characters.values())), "of all kept rows", "first"
    if profile.trained_turns:
        turns = sum(profile.roles.values())
        yield "turns learnt", f"{profile.trained_turns:,}", f"of {turns:,} turns", "third"
    if manifest.pii:
        found = sum(manifest.pii.values())
        yield "redacted", f"{found:,}", "personal data and secrets", "second"


def _contents(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Anchor and title of each section that the page has."""
    profile, run = facts["profile"], facts["run"]
    sections = (
        ("rows", "Rows", True),
        ("problems", "Problems", run.problems),
        ("warnings", "Warnings", facts["manifest"].warnings),
        ("lengths", "Lengths", profile.characters),
        ("topics", "Topics and languages", profile.topics or profile.languages),
        ("quality", "Quality", profile.quality or profile.toxicity),
        ("labels", "Labels", profile.labels or run.conflicts or profile.poison),
        ("duplicates", "Near duplicates", facts["group_sizes"] or facts["frozen_alikes"]),
        ("leaks", "Evaluation sets", run.leaks),
        ("pii", "Personal data", facts["manifest"].pii or facts["redactions"]),
        ("changes", "Normalised text", facts["normalisations"]),
        ("training", "Training", facts["preflight"]),
        ("examples", "Examples", profile.examples),
        ("origin", "Made from", True),
    )
    return ((anchor, title) for anchor, title, there in sections if there)


def _files(manifest: DatasetManifest) -> list[FileEntry]:
    return [file for entry in manifest.splits.values() for file in entry.files] + [manifest.quarantine]


def _swap_rate(manifest: DatasetManifest) -> str:
    if manifest.swaps is None or manifest.swaps.swap_rate is None:
        return ""
    return f"About {charts.percent(manifest.swaps.swap_rate)} of the preferences are the wrong way round."


def _with_before(run: RunProfile) -> list[ChangeSample]:
    return [sample for sample in run.samples if sample.step is Step.NORMALISE and sample.before is not None]


def _by_name(sources: dict[str, int]) -> dict[str, int]:
    """Files by their names, or by their URIs where two have one name."""
    names = [uri.rpartition("/")[2] for uri in sources]
    if len(set(names)) < len(names):
        return sources
    return dict(zip(names, sources.values(), strict=True))


def _balance(labels: dict[str, int]) -> str:
    if len(labels) < 2:
        return ""
    times = max(labels.values()) / min(labels.values())
    return f"{len(labels):,} labels; the largest has {times:,.1f} times the rows of the smallest"


def _group_sizes(run: RunProfile) -> dict[str, int]:
    """Groups by how many rows they have, in steps."""
    groups = run.near_duplicates.groups if run.near_duplicates else {}
    found = {}
    for low, high in SIZES:
        count = sum(number for size, number in groups.items() if size >= low and (high is None or size <= high))
        name = f"{low} rows" if low == high else f"{low} to {high} rows" if high else f"{low} rows or more"
        if count:
            found[name] = count
    return found


def _tokens(preflight: Preflight | None) -> Markup:
    """The histogram of tokens; its bins are told by their ends."""
    if preflight is None or not any(rows for _, rows in preflight.tokens.histogram):
        return Markup("")
    ends = [end for end, _ in preflight.tokens.histogram]
    bins = [
        (float(start), float(end), rows)
        for start, (end, rows) in zip([0, *ends], preflight.tokens.histogram, strict=False)
    ]
    taken = [place for place, (_, _, rows) in enumerate(bins) if rows]
    return charts.columns(bins[taken[0] : taken[-1] + 1], "first")


def _forecast(preflight: Preflight) -> Iterator[tuple[str, str]]:
    yield "Sequence length", f"{preflight.sequence_length:,} tokens"
    yield "Rows that are longer and left out", f"{preflight.rows_too_long:,}"
    if preflight.forecast:
        yield "Tokens of an epoch", f"{preflight.forecast.tokens_per_epoch:,}"
        yield "Steps", f"{preflight.forecast.steps:,}"
        yield "Time", _duration(preflight.forecast.seconds)
        yield "Cost", f"{preflight.forecast.usd:,.2f} USD on {preflight.forecast.machine}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:,.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.3g}"


def _short(value: int) -> str:
    for size, letter in ((10**9, " G"), (10**6, " M"), (10**4, " k")):
        if value >= size:
            return f"{value / (1000 if letter == ' k' else size):,.3g}{letter}"
    return f"{value:,}"


def _yaml(recipe: dict[str, Any]) -> str:
    return yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True).strip() if recipe else ""
