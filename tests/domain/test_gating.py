"""The gate: what passes, what does not, and that whatever is missing is a no with its name."""

import math
import random

import pytest

from tests.support.promotion import evidence, model_version, run_request, training_plan
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import Role
from tunesmith.contracts.models import ModelReference
from tunesmith.contracts.recipes import GateRecipe, Metric
from tunesmith.domain.gating import Evidence, judge

RECIPE = GateRecipe(resamples=400)
PLAN = training_plan(run_request())
PLAN_WITH_CHAMPION = training_plan(run_request(), champion=model_version("champion"))


def scores(candidate=0.5, base=0.2, champion=None, items=60, noise=0.1, seed=0):
    """Scores per item around a mean for each role; the items' own difficulty is shared."""
    generator = random.Random(seed)
    difficulty = [generator.gauss(0, 0.2) for _ in range(items)]
    means = {Role.CANDIDATE: candidate, Role.BASE: base} | ({} if champion is None else {Role.CHAMPION: champion})
    return {role: [mean + d + generator.gauss(0, noise) for d in difficulty] for role, mean in means.items()}


def verdict_on(found, plan=PLAN, recipe=RECIPE):
    return judge(found, plan.evaluate, recipe)


def changed(found: Evidence, **report):
    return Evidence(found.report.model_copy(update=report), found.candidate, found.problems)


def test_candidate_that_beats_the_base_is_approved_with_its_figures():
    verdict = verdict_on(evidence(PLAN, scores()))
    [comparison] = verdict.comparisons
    assert verdict.approved
    assert comparison.low > 0 and comparison.low < comparison.difference < comparison.high
    assert f"{comparison.difference:+.4f}" in verdict.reasons[0]
    assert verdict.candidate is not None and verdict.report_uri == PLAN.evaluate.report_uri


def test_candidate_no_better_than_the_base_is_rejected_and_told_what_could_have_been_seen():
    verdict = verdict_on(evidence(PLAN, scores(candidate=0.2)))
    assert not verdict.approved
    assert f"{verdict.comparisons[0].minimum_detectable_effect:.4f}" in verdict.reasons[0]


def test_gain_must_exceed_the_recipes_minimum():
    assert not verdict_on(evidence(PLAN, scores()), recipe=GateRecipe(min_gain_over_base=0.35)).approved


def test_candidate_that_loses_too_much_to_the_champion_is_rejected_though_it_beats_the_base():
    verdict = verdict_on(evidence(PLAN_WITH_CHAMPION, scores(candidate=0.4, champion=0.6)), PLAN_WITH_CHAMPION)
    assert [c.opponent for c in verdict.comparisons] == [Role.BASE, Role.CHAMPION]
    assert not verdict.approved and "champion" in verdict.reasons[1]


def test_candidate_within_the_allowed_loss_to_the_champion_is_approved():
    found = evidence(PLAN_WITH_CHAMPION, scores(candidate=0.5, champion=0.5, noise=0.02))
    assert verdict_on(found, PLAN_WITH_CHAMPION).approved


@pytest.mark.parametrize(("candidate", "approved"), [(12.0, True), (30.0, False)])
def test_lower_perplexity_is_the_gain(candidate, approved):
    found = evidence(PLAN, scores(candidate=candidate, base=20.0), Metric.PERPLEXITY)
    assert verdict_on(found, recipe=GateRecipe(metric=Metric.PERPLEXITY, resamples=400)).approved is approved


def test_same_evidence_gives_the_same_verdict():
    assert verdict_on(evidence(PLAN, scores())) == verdict_on(evidence(PLAN, scores()))


def test_missing_report_is_a_no_that_says_so():
    verdict = verdict_on(Evidence(None, None, problems=("there is no evaluation report at s3://x",)))
    assert (verdict.approved, verdict.reasons) == (False, ["there is no evaluation report at s3://x"])


def test_missing_training_result_is_a_no_even_with_a_good_report():
    found = evidence(PLAN, scores())
    verdict = verdict_on(Evidence(found.report, None, problems=("there is no training result at s3://x",)))
    assert not verdict.approved and "training result" in verdict.reasons[0]


@pytest.mark.parametrize("role", [Role.CANDIDATE, Role.BASE])
def test_contestant_that_was_not_evaluated_is_named(role):
    found = evidence(PLAN, scores())
    rest = [c for c in found.report.contestants if c.role is not role]
    verdict = verdict_on(changed(found, contestants=rest))
    assert not verdict.approved and f"the {role} was not evaluated" in verdict.reasons


def test_champion_missing_from_the_report_is_a_no():
    verdict = verdict_on(evidence(PLAN_WITH_CHAMPION, scores()), PLAN_WITH_CHAMPION)
    assert not verdict.approved and "the champion was not evaluated" in verdict.reasons


def test_other_adapter_in_the_champions_place_is_a_no():
    found = evidence(PLAN_WITH_CHAMPION, scores(champion=0.4))
    other = training_plan(run_request(), champion=model_version("another"))
    assert not verdict_on(found, other).approved


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"suite_digest": digest("another suite")}, "suite"),
        ({"run_id": "run-" + "0" * 32}, "run"),
        ({"base": ModelReference(uri="s3://x/", digest=digest("another base"))}, "base"),
        ({"candidate": ModelReference(uri="s3://x/", digest=digest("another adapter"))}, "candidate"),
        ({"settings": PLAN.evaluate.recipe.model_copy(update={"max_new_tokens": 1})}, "evaluation settings"),
        ({"items": 61}, "61 items"),
        ({"item_ids": [digest("the same")] * 60}, "distinct"),
    ],
)
def test_report_about_something_else_is_a_no_that_names_it(change, named):
    verdict = verdict_on(changed(evidence(PLAN, scores()), **change))
    assert not verdict.approved and any(named in reason for reason in verdict.reasons)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_score_that_is_no_number_is_a_no(bad):
    found = scores()
    found[Role.BASE][7] = bad
    verdict = verdict_on(evidence(PLAN, found))
    assert not verdict.approved and "not finite" in verdict.reasons[0]


def test_scores_of_other_items_than_the_candidates_are_a_no():
    found = scores()
    found[Role.BASE].pop()
    verdict = verdict_on(evidence(PLAN, found))
    assert not verdict.approved and "59 rouge_l scores for 60 items" in verdict.reasons[0]


def test_metric_that_was_not_scored_is_a_no():
    verdict = verdict_on(evidence(PLAN, scores(), Metric.CHRF))
    assert not verdict.approved and "no rouge_l scores" in verdict.reasons[0]


def test_too_few_items_are_a_no_however_large_the_gain():
    verdict = verdict_on(evidence(PLAN, scores(items=19, candidate=0.9)))
    assert not verdict.approved and "19 items" in verdict.reasons[0]


def test_candidate_that_is_the_base_is_promoted_at_most_at_the_nominal_rate():
    """A/A: the interval is two-sided, so one in forty may pass by chance."""
    trials, recipe = 400, GateRecipe(resamples=200)
    same = [evidence(PLAN, scores(candidate=0.2, base=0.2, items=40, seed=seed)) for seed in range(trials)]
    wrong = sum(verdict_on(found, recipe=recipe).approved for found in same)
    assert wrong / trials <= 0.025 + 2 * math.sqrt(0.025 * 0.975 / trials)


def test_planted_effect_is_found():
    """A gain of 4.5 standard errors: missed about once in 150."""
    better = [evidence(PLAN, scores(candidate=0.3, base=0.2, items=40, seed=seed)) for seed in range(50)]
    assert sum(verdict_on(found).approved for found in better) >= 48
