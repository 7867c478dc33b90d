"""`plan_run` against moto: what `prepare` left behind goes in, a plan comes out, and the suite is pinned."""

import pytest

from functions.plan_run.handler import lambda_handler
from tests.support.promotion import (
    ARTIFACTS,
    CONTEXT_LENGTH,
    DATASET,
    PROJECT,
    as_event,
    model_version,
    prepare_result,
    run_request,
    set_environment,
    state,
    write_base,
    write_json,
)
from tunesmith.adapters import suites
from tunesmith.adapters.registry import Aliases, Versions
from tunesmith.contracts.artifacts import result_key, s3_uri
from tunesmith.contracts.errors import NotFound
from tunesmith.contracts.jobs import Role
from tunesmith.contracts.lifecycle import Decision, Plan
from tunesmith.contracts.models import Candidate
from tunesmith.contracts.runs import Trigger


@pytest.fixture
def plan(tables, buckets, monkeypatch, context):
    """Prepare a dataset of the request, with so many rows, and plan its run."""
    set_environment(monkeypatch, tables)
    write_base()

    def planned(request, suite_digest=None, **rows) -> Plan:
        write_json(s3_uri(ARTIFACTS, result_key(request.run_id, "prepare")), prepare_result(request, **rows))
        return Plan.model_validate(lambda_handler(as_event(state(request, suite_digest)), context))

    return planned


def pinned(tables):
    return suites.pinned(tables["datasets"], PROJECT, DATASET)


def test_first_version_is_trained_and_its_test_split_pinned(plan, tables, event, context):
    request = run_request()
    plan(request)
    found = Plan.model_validate(lambda_handler(event("plan_run/first_version.json"), context))
    assert found.decision is Decision.TRAIN
    assert found.suite == pinned(tables)
    assert found.suite.digest == prepare_result(request).test_digest
    assert found.evaluate.suite_uri == found.suite.uri
    assert [c.role for c in found.evaluate.contenders] == [Role.BASE]
    assert 0 < found.estimate.usd < request.recipe.budget.max_run_usd


def test_plan_made_twice_is_the_same_plan(plan):
    assert plan(run_request()) == plan(run_request())


def test_later_version_is_measured_on_the_pinned_split(plan, tables):
    first = plan(run_request()).suite
    later = plan(run_request("second"), suite_digest=first.digest)
    assert (later.decision, later.suite) == (Decision.TRAIN, first)


def test_version_prepared_before_the_split_was_pinned_is_refused(plan):
    plan(run_request())
    late = plan(run_request("second"), suite_digest=None)
    assert late.decision is Decision.REFUSE and "retry the run" in late.reasons[0]


def test_champion_stands_against_the_candidate(plan, tables):
    champion = Versions(tables["models"]).register(Candidate(**model_version("old").model_dump(exclude={"version"})))
    Aliases(tables["aliases"]).move("champion", champion, cause="old", reason="test", moved_at=champion.created_at)
    base, rival = plan(run_request()).evaluate.contenders
    assert (base.role, rival.role, rival.adapter) == (Role.BASE, Role.CHAMPION, champion.adapter)


@pytest.mark.parametrize(
    ("rows", "named"), [({"kept": 5, "bad": 0, "test": 1}, "min_rows"), ({"bad": 900}, "max_quarantined_fraction")]
)
def test_poor_data_is_refused_and_pins_nothing(plan, tables, rows, named):
    found = plan(run_request(), **rows)
    assert found.decision is Decision.REFUSE and named in found.reasons[0]
    assert (found.finetune, found.evaluate, pinned(tables)) == (None, None, None)


def test_empty_test_split_is_refused(plan):
    found = plan(run_request(), test=0)
    assert found.decision is Decision.REFUSE and "test split is empty" in found.reasons[0]


def test_run_dearer_than_its_budget_is_refused_with_its_estimate(plan):
    found = plan(run_request(budget={"max_run_usd": 0.001}))
    assert found.decision is Decision.REFUSE
    assert "budget.max_run_usd" in found.reasons[0] and found.estimate.usd > 0.001


def test_upload_that_should_only_be_prepared_is_not_trained_on_but_pins_its_split(plan, tables):
    found = plan(run_request(on_upload="prepare"))
    assert (found.decision, found.finetune) == (Decision.PREPARED, None)
    assert found.suite == pinned(tables)


def test_preferences_are_refused_and_pin_nothing(plan, tables):
    found = plan(run_request(), kind="preference")
    assert found.decision is Decision.REFUSE
    assert "a dataset of preferences: finetune.method lora trains chats" in found.reasons[0]
    assert (found.estimate, pinned(tables)) == (None, None)


def test_preferences_that_should_only_be_prepared_are(plan):
    assert plan(run_request(on_upload="prepare"), kind="preference").decision is Decision.PREPARED


def test_sequences_longer_than_the_base_takes_in_are_refused_with_both_numbers(plan):
    found = plan(run_request(finetune={"sequence_length": CONTEXT_LENGTH + 1}))
    assert (found.decision, found.estimate) == (Decision.REFUSE, None)
    assert "8,193" in found.reasons[0] and "takes in 8,192 tokens" in found.reasons[0]
    assert plan(run_request(finetune={"sequence_length": CONTEXT_LENGTH})).decision is Decision.TRAIN


def test_retraining_trains_though_uploads_are_only_prepared(plan):
    assert plan(run_request(on_upload="prepare", trigger=Trigger.ALARM)).decision is Decision.TRAIN


@pytest.mark.parametrize(("gpus", "gpu", "machine"), [(0, False, "ml.m5.2xlarge"), (1, True, "ml.g5.xlarge")])
def test_recipe_chooses_queue_and_machine(plan, gpus, gpu, machine):
    found = plan(run_request(finetune={"gpus": gpus, "engine": "sagemaker"}))
    assert (found.gpu, found.instance_type, found.engine) == (gpu, machine, "sagemaker")


def test_missing_result_of_prepare_is_an_error(tables, buckets, monkeypatch, event, context):
    set_environment(monkeypatch, tables)
    with pytest.raises(NotFound, match="prepare/result.json"):
        lambda_handler(event("plan_run/first_version.json"), context)
