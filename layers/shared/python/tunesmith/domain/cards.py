"""Model cards: Markdown with the front matter that model hubs read, made of recorded facts and nothing else."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from tunesmith.contracts.base import Digest, Uri
from tunesmith.contracts.datasets import DatasetManifest
from tunesmith.contracts.evaluations import EvaluationReport, Verdict
from tunesmith.contracts.jobs import Role
from tunesmith.contracts.models import AdapterManifest, BaseModelManifest
from tunesmith.contracts.recipes import Metric
from tunesmith.contracts.runs import RunRequest


@dataclass(frozen=True, slots=True)
class CardFacts:
    """All that a card is made of."""

    request: RunRequest
    base: BaseModelManifest
    adapter: AdapterManifest
    adapter_uri: Uri
    dataset: DatasetManifest
    report: EvaluationReport | None
    verdict: Verdict
    compared_with: Digest | None
    """The adapter of the champion at that time."""


def model_card(facts: CardFacts) -> str:
    """The card's text; the same facts always make the same card."""
    sections = [_front_matter(facts), _summary(facts), _data(facts), _training(facts), _evaluation(facts), _gate(facts)]
    return "\n\n".join(sections) + "\n"


def _front_matter(facts: CardFacts) -> str:
    """YAML; every scalar is spelled as JSON, which YAML reads as it stands."""
    fields = {
        "base_model": facts.base.name,
        "license": "other",
        "license_name": facts.base.licence,
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["lora", "tunesmith"],
        "datasets": [f"{facts.dataset.project}/{facts.dataset.dataset}"],
        "metrics": sorted(metric.value for metric in candidate_scores(facts.report)),
    }
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def _summary(facts: CardFacts) -> str:
    request, adapter = facts.request, facts.adapter
    rows = [
        ("Run", f"`{request.run_id}`, started by {request.trigger}"),
        ("Adapter", f"`{adapter.digest}`"),
        (
            "Base",
            f"{facts.base.name} (`{facts.base.digest}`, {facts.base.parameters:,} parameters, {facts.base.source})",
        ),
        ("Chat template", f"`{adapter.template_hash}`"),
        ("Code", f"`{adapter.code_version}`"),
        ("Licence of the base", facts.base.licence),
        ("Compared with the champion", f"`{facts.compared_with}`" if facts.compared_with else "there was none"),
    ]
    return f"# {request.project}/{request.model}\n\n{_table(('Fact', 'Value'), rows)}"


def _data(facts: CardFacts) -> str:
    counts = facts.dataset.counts
    rows = [("in", counts.rows_in), ("kept", counts.kept), ("quarantined", counts.quarantined)]
    rows += [(f"dropped: {reason}", number) for reason, number in sorted(counts.dropped.items())]
    rows += [(f"split: {split}", entry.rows) for split, entry in sorted(facts.dataset.splits.items())]
    return (
        f"## Data\n\nVersion `{facts.dataset.dataset_version}` of {facts.dataset.project}/{facts.dataset.dataset} "
        f"(content `{facts.dataset.content_digest}`), from {len(facts.dataset.sources)} source(s).\n\n"
        f"{_table(('Rows', 'Number'), rows)}"
    )


def _training(facts: CardFacts) -> str:
    adapter = facts.adapter
    validation = "none" if adapter.validation_loss is None else f"{adapter.validation_loss:.4f}"
    rows = [
        ("rows", adapter.rows),
        ("tokens", adapter.tokens),
        ("tokens that the loss counted", adapter.trained_tokens),
        ("steps", adapter.steps),
        ("first loss", f"{adapter.losses[0]:.4f}" if adapter.losses else "none"),
        ("last loss", f"{adapter.losses[-1]:.4f}" if adapter.losses else "none"),
        ("validation loss", validation),
        ("rank", adapter.rank),
        ("target modules", ", ".join(adapter.target_modules)),
    ]
    recipe = adapter.recipe.model_dump_json(indent=2)
    return f"## Training\n\n{_table(('Fact', 'Value'), rows)}\n\n```json\n{recipe}\n```"


def _evaluation(facts: CardFacts) -> str:
    report = facts.report
    if report is None:
        return "## Evaluation\n\nNone that can be trusted; see the gate's reasons below."
    metrics = sorted({metric for contestant in report.contestants for metric in contestant.scores})
    rows = [
        (contestant.role.value, *(_score(contestant.scores, metric) for metric in metrics))
        for contestant in report.contestants
    ]
    return (
        f"## Evaluation\n\n{report.items} items of the frozen test split `{report.suite_digest}`.\n\n"
        f"{_table(('Model', *metrics), rows)}"
    )


def _gate(facts: CardFacts) -> str:
    word = "Approved" if facts.verdict.approved else "Rejected"
    return f"## Gate\n\n{word}:\n\n" + "\n".join(f"- {reason}" for reason in facts.verdict.reasons)


def candidate_scores(report: EvaluationReport | None) -> dict[Metric, float]:
    """The candidate's own scores; empty where it was not evaluated."""
    contestants = report.contestants if report else []
    return next((c.scores for c in contestants if c.role is Role.CANDIDATE), {})


def _score(scores: dict[Metric, float], metric: Metric) -> str:
    return f"{scores[metric]:.4f}" if metric in scores else "none"


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    names = [str(name) for name in head]
    lines = [names, ["---"] * len(names), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)
