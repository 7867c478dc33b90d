"""The figures that the page shows, worked out from the records: means with intervals, and who is compared with whom."""

import math
from dataclasses import dataclass

from tunesmith.contracts.evaluations import Comparison, EvaluationReport
from tunesmith.contracts.jobs import Role
from tunesmith.contracts.recipes import Metric
from tunesmith.domain.statistics import paired_interval
from tunesmith_cli.report.story import RunStory, Story

BASE_LABEL = "base"
CONFIDENCE, RESAMPLES = 0.95, 2_000
NAMES = {
    Metric.ROUGE_L: "ROUGE-L",
    Metric.CHRF: "chrF",
    Metric.BLEU: "BLEU",
    Metric.TOKEN_F1: "Token F1",
    Metric.EXACT_MATCH: "Exact match",
    Metric.PERPLEXITY: "Perplexity",
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over the suite's items and its bootstrap interval; of perplexity, the geometric mean."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Series:
    """A model on the page."""

    label: str
    estimates: dict[Metric, Estimate]


@dataclass(frozen=True, slots=True)
class Difference:
    """Candidate minus opponent, item by item, and the gate's comparison of the two."""

    label: str
    opponent: str
    values: list[float]
    comparison: Comparison


def model_series(story: Story) -> list[Series]:
    """The base, then the candidate of each evaluated run."""
    evaluated = [(run.label, run.evaluation) for run in story.runs if run.evaluation is not None]
    if not evaluated:
        return []
    base = Series(BASE_LABEL, _estimates(evaluated[0][1], Role.BASE))
    return [base, *(Series(label, _estimates(evaluation, Role.CANDIDATE)) for label, evaluation in evaluated)]


def differences(story: Story) -> list[Difference]:
    """All comparisons that the gate made, with the items they rest on."""
    return [
        Difference(run.label, opponent_label(story, run, comparison.opponent), _paired(run, comparison), comparison)
        for run in story.runs
        if run.verdict is not None and run.evaluation is not None
        for comparison in run.verdict.comparisons
    ]


def opponent_label(story: Story, run: RunStory, role: Role) -> str:
    """What the page calls the opponent: the champion is an earlier run's model."""
    if role is Role.BASE or run.evaluation is None:
        return BASE_LABEL
    digest = next((c.model_digest for c in run.evaluation.contestants if c.role is role), None)
    return next((r.label for r in story.runs if r.adapter is not None and r.adapter.digest == digest), str(role))


def estimate(metric: Metric, values: list[float]) -> Estimate:
    """The mean of the values and where it would lie were other items drawn."""
    is_ratio = metric is Metric.PERPLEXITY
    scores = [math.log(value) for value in values] if is_ratio else values
    mean = math.fsum(scores) / len(scores)
    interval = paired_interval(scores, confidence=CONFIDENCE, resamples=RESAMPLES, seed=f"page/{metric}")
    figures = (mean, interval.low, interval.high)
    return Estimate(*(math.exp(figure) if is_ratio else figure for figure in figures))


def _estimates(evaluation: EvaluationReport, role: Role) -> dict[Metric, Estimate]:
    return {metric: estimate(metric, values) for metric, values in evaluation.per_item.get(role, {}).items()}


def _paired(run: RunStory, comparison: Comparison) -> list[float]:
    if run.evaluation is None:
        return []
    ours, theirs = (run.evaluation.per_item[role][comparison.metric] for role in (Role.CANDIDATE, comparison.opponent))
    return [a - b for a, b in zip(ours, theirs, strict=True)]
