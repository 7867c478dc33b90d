"""The checks of a plan, each with what it refuses and what it lets pass."""

import pytest

from tests.support.promotion import BASE, model_version, prepare_result, run_id, run_request, state, training_plan
from tunesmith.contracts.datasets import DatasetKind
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import Role
from tunesmith.contracts.lifecycle import Decision, Estimate
from tunesmith.contracts.recipes import FinetuneRecipe, PrepareRecipe, Recipe
from tunesmith.domain import planning

REQUEST = run_request()


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ({"kept": 9, "bad": 0, "test": 1}, "9 of 9 rows were kept, prepare.min_rows asks for 10"),
        ({"kept": 70, "bad": 30}, "30 of 100 rows (30.0%) are in quarantine"),
        ({"kept": 100, "bad": 0, "test": 100}, "the training split is empty"),
    ],
)
def test_poor_data_is_refused_with_its_figures(rows, named):
    problems = planning.quality_problems(prepare_result(REQUEST, **rows), PrepareRecipe())
    assert any(named in problem for problem in problems)


@pytest.mark.parametrize("rows", [{"kept": 10, "bad": 0, "test": 1}, {"kept": 80, "bad": 20, "test": 1}])
def test_data_at_the_thresholds_passes(rows):
    assert planning.quality_problems(prepare_result(REQUEST, **rows), PrepareRecipe()) == []


@pytest.mark.parametrize("kind", [kind for kind in DatasetKind if kind != DatasetKind.CHAT])
def test_rows_that_the_method_does_not_train_on_are_refused_by_name(kind):
    (problem,) = planning.kind_problems(kind, FinetuneRecipe())
    assert problem.startswith(f"a dataset of {planning.ROWS_OF[kind]}: finetune.method lora trains chats")
    assert "on_upload: prepare" in problem


def test_chats_are_trained_on():
    assert planning.kind_problems(DatasetKind.CHAT, FinetuneRecipe()) == []


@pytest.mark.parametrize(("context_length", "refused"), [(511, True), (512, False), (None, False)])
def test_sequences_fit_into_the_context_of_the_base(context_length, refused):
    problems = planning.context_problems(context_length, FinetuneRecipe(sequence_length=512))
    assert bool(problems) is refused
    assert all("sequence_length is 512" in problem and "takes in 511 tokens" in problem for problem in problems)


def test_empty_test_split_offers_no_suite_and_is_refused():
    result = prepare_result(REQUEST, test=0)
    suite = planning.suite_of(REQUEST, result)
    assert suite is None
    assert "test split is empty" in planning.suite_problems(suite, state(REQUEST).prepare, result)[0]


def test_data_that_was_not_cleared_of_the_pinned_test_rows_is_refused():
    result, other = prepare_result(REQUEST), run_request("other")
    pinned = planning.suite_of(other, prepare_result(other))
    assert "retry the run" in planning.suite_problems(pinned, state(REQUEST).prepare, result)[0]
    assert planning.suite_problems(pinned, state(REQUEST, suite_digest=pinned.digest).prepare, result) == []


def test_own_test_split_may_be_the_suite():
    result = prepare_result(REQUEST)
    assert planning.suite_problems(planning.suite_of(REQUEST, result), state(REQUEST).prepare, result) == []


def test_champion_on_another_base_is_refused_by_name():
    champion = model_version().model_copy(update={"base": BASE.model_copy(update={"digest": digest("another")})})
    assert "version 1" in planning.champion_problems(champion, REQUEST)[0]
    assert planning.champion_problems(model_version(), REQUEST) == []
    assert planning.champion_problems(None, REQUEST) == []


@pytest.mark.parametrize(("usd", "refused"), [(50.0, False), (50.01, True)])
def test_budget_is_the_last_price_that_passes(usd, refused):
    estimate = Estimate(tokens=1, steps=1, seconds=1, usd=usd, assumptions=[])
    assert bool(planning.budget_problems(estimate, Recipe())) is refused


def test_plan_names_the_champion_among_the_contenders_only_where_there_is_one():
    alone, rivals = training_plan(REQUEST), training_plan(REQUEST, champion=model_version())
    assert [c.role for c in alone.evaluate.contenders] == [Role.BASE]
    assert [c.role for c in rivals.evaluate.contenders] == [Role.BASE, Role.CHAMPION]
    assert rivals.evaluate.contenders[1].adapter == model_version().adapter


def test_plan_spells_every_place_by_the_layout_of_the_buckets():
    plan = training_plan(REQUEST)
    assert plan.decision is Decision.TRAIN
    assert plan.finetune.adapters_uri == "s3://models/adapters/"
    assert plan.finetune.checkpoints_uri == f"s3://artifacts/runs/{run_id()}/finetune/checkpoints/"
    assert plan.evaluate.finetune_result_uri == f"s3://artifacts/runs/{run_id()}/finetune/result.json"
    assert plan.evaluate.report_uri == f"s3://artifacts/runs/{run_id()}/evaluate/report.json"


def test_training_job_name_is_the_runs_own_and_short_enough_for_sagemaker():
    name = planning.training_job_name(run_id())
    assert name == f"{run_id()[4:24]}-finetune" and len(name) <= 63
    assert planning.training_job_name(run_id("other")) != name
