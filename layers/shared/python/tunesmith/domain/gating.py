"""The gate: may this candidate go where the champion stands? Pure, and closed by default: anything missing is a no."""

import math
from dataclasses import dataclass

from tunesmith.contracts.evaluations import Comparison, Contestant, EvaluationReport, Verdict
from tunesmith.contracts.jobs import EvaluateParams, Role
from tunesmith.contracts.models import ModelReference
from tunesmith.contracts.recipes import GateRecipe, Metric
from tunesmith.domain.statistics import minimum_detectable_effect, paired_interval

LOWER_IS_BETTER = frozenset({Metric.PERPLEXITY})


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the gate could read of an evaluation; `problems` says what it could not."""

    report: EvaluationReport | None
    candidate: ModelReference | None
    """The adapter that the run trained, as the training job itself names it."""
    problems: tuple[str, ...] = ()


def judge(evidence: Evidence, asked: EvaluateParams, recipe: GateRecipe) -> Verdict:
    """Approve a candidate that beats the base, loses too little to the champion, and whose evidence is whole."""
    report = evidence.report
    problems = list(evidence.problems)
    if report is not None:
        problems += _mismatches(report, evidence.candidate, asked)
        problems += _unusable_scores(report, asked, recipe)
    if problems or report is None:
        return Verdict(
            approved=False,
            reasons=problems or ["there is no evaluation report"],
            comparisons=[],
            report_uri=asked.report_uri,
            candidate=evidence.candidate,
        )
    comparisons = [compare(report, opponent, recipe) for opponent in _opponents(asked)]
    findings = [_finding(comparison, recipe) for comparison in comparisons]
    return Verdict(
        approved=all(passed for passed, _ in findings),
        reasons=[sentence for _, sentence in findings],
        comparisons=comparisons,
        report_uri=asked.report_uri,
        candidate=evidence.candidate,
    )


def compare(report: EvaluationReport, opponent: Role, recipe: GateRecipe) -> Comparison:
    """Candidate minus opponent on the gate's metric, item by item."""
    ours, theirs = (report.per_item[role][recipe.metric] for role in (Role.CANDIDATE, opponent))
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    interval = paired_interval(
        differences,
        confidence=recipe.confidence,
        resamples=recipe.resamples,
        seed=f"{report.suite_digest}/{report.candidate.digest}/{opponent}/{recipe.metric}",
    )
    items = len(differences)
    return Comparison(
        opponent=opponent,
        metric=recipe.metric,
        candidate_mean=math.fsum(ours) / items,
        opponent_mean=math.fsum(theirs) / items,
        difference=math.fsum(differences) / items,
        low=interval.low,
        high=interval.high,
        items=items,
        minimum_detectable_effect=minimum_detectable_effect(differences, confidence=recipe.confidence),
    )


def certain_gain(comparison: Comparison) -> float:
    """The end of the interval that speaks against the candidate, as a gain: positive is better for every metric."""
    return -comparison.high if comparison.metric in LOWER_IS_BETTER else comparison.low


def _finding(comparison: Comparison, recipe: GateRecipe) -> tuple[bool, str]:
    """Whether the comparison passes, and the sentence that says so with its figures."""
    gain = certain_gain(comparison)
    if comparison.opponent is Role.BASE:
        passed, rule = gain > recipe.min_gain_over_base, f"more than {recipe.min_gain_over_base:g}"
    else:
        passed, rule = gain >= -recipe.max_loss_to_champion, f"at least {-recipe.max_loss_to_champion:g}"
    sentence = (
        f"{comparison.metric} {comparison.candidate_mean:.4f} against {comparison.opponent_mean:.4f} of the "
        f"{comparison.opponent}: difference {comparison.difference:+.4f}, {recipe.confidence:.0%} interval "
        f"[{comparison.low:+.4f}, {comparison.high:+.4f}] over {comparison.items} items; the certain gain {gain:+.4f} "
        f"{'is' if passed else 'is not'} {rule}"
    )
    if not passed:
        sentence += f" (these items can show a difference of {comparison.minimum_detectable_effect:.4f} or more)"
    return passed, sentence


def _opponents(asked: EvaluateParams) -> list[Role]:
    """The base, always, and the champion where there is one."""
    champion = [Role.CHAMPION] if any(c.role is Role.CHAMPION for c in asked.contenders) else []
    return [Role.BASE, *champion]


def _mismatches(report: EvaluationReport, candidate: ModelReference | None, asked: EvaluateParams) -> list[str]:
    """Where the report is about something else than what the plan asked for."""
    facts = [
        ("run", report.run_id, asked.run_id),
        ("suite", report.suite_digest, asked.suite_digest),
        ("base", report.base.digest, asked.base.digest),
        ("evaluation settings", report.settings, asked.recipe),
    ]
    if candidate is not None:
        facts.append(("candidate", report.candidate.digest, candidate.digest))
    return [
        f"the report is about another {what}: {found}, where the plan asked for {wanted}"
        for what, found, wanted in facts
        if found != wanted
    ] + _wrong_contestants(report, asked)


def _wrong_contestants(report: EvaluationReport, asked: EvaluateParams) -> list[str]:
    expected = {Role.CANDIDATE: report.candidate.digest, Role.BASE: asked.base.digest}
    expected |= {c.role: c.adapter.digest for c in asked.contenders if c.adapter is not None}
    found: dict[Role, Contestant] = {contestant.role: contestant for contestant in report.contestants}
    problems = []
    for role, digest in expected.items():
        if role not in found:
            problems.append(f"the {role} was not evaluated")
        elif found[role].model_digest != digest:
            problems.append(f"as the {role}, {found[role].model_digest} was evaluated instead of {digest}")
    return problems


def _unusable_scores(report: EvaluationReport, asked: EvaluateParams, recipe: GateRecipe) -> list[str]:
    """Where scores are missing, no numbers, or not of the same items."""
    problems = []
    items = len(report.item_ids)
    if items < recipe.min_items:
        problems.append(f"{items} items were evaluated; the gate needs {recipe.min_items} (gate.min_items)")
    if items != report.items or items != len(set(report.item_ids)):
        problems.append(f"the report counts {report.items} items but names {len(set(report.item_ids))} distinct ones")
    for role in (Role.CANDIDATE, *_opponents(asked)):
        scores = report.per_item.get(role, {}).get(recipe.metric)
        if scores is None:
            problems.append(f"the {role} has no {recipe.metric} scores per item")
        elif len(scores) != items:
            problems.append(f"the {role} has {len(scores)} {recipe.metric} scores for {items} items")
        elif not all(math.isfinite(score) for score in scores):
            problems.append(f"the {role} has {recipe.metric} scores that are not finite numbers")
    return problems
