"""Quality alarms against moto: a policy decides once, and at most one run starts, on reviewed feedback alone."""

import json

import pytest

from functions.decide_retrain.handler import lambda_handler
from functions.record_state.handler import lambda_handler as record_state
from tests.support.edges import open_edges
from tests.support.retraining import alarm, give_feedback, make_alarm, put_in_production
from tunesmith.adapters import runs
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.datasets import SourceKind
from tunesmith.contracts.errors import NotFound
from tunesmith.contracts.feedback import ReviewStatus
from tunesmith.contracts.retraining import RetrainingDecision
from tunesmith.contracts.runs import RunStatus, Trigger


@pytest.fixture
def edges(tables, buckets, monkeypatch):
    return open_edges(monkeypatch)


@pytest.fixture
def champion(edges, context):
    """The request of the run in production, with three pieces of reviewed feedback since."""
    request = put_in_production(edges, context)
    for number in range(3):
        give_feedback(number)
    return request


def alarm_runs(project="docs"):
    return [run for run in runs.runs_of_project("runs", project) if run.request.trigger is Trigger.ALARM]


def decisions(edges):
    rows = [row for row in edges.rows("retraining") if row["entry"].startswith("decision#")]
    return [RetrainingDecision.model_validate_json(row["document"]) for row in rows]


@pytest.mark.parametrize("shape", ["eventbridge", "sns", "direct"])
def test_alarm_in_each_shape_queues_a_run_like_the_champions_with_feedback(edges, champion, context, shape):
    lambda_handler(alarm(shape), context)
    [run] = alarm_runs()
    assert run.status is RunStatus.QUEUED
    assert (run.request.recipe, run.request.base) == (champion.recipe, champion.base)
    upload, feedback = run.request.sources
    assert [upload] == champion.sources
    assert feedback.size == len(Storage().read(feedback.uri))
    assert feedback.kind is SourceKind.FEEDBACK
    rows = [json.loads(line) for line in Storage().read_text(feedback.uri, feedback.version_id).splitlines()]
    assert [row["messages"][-1]["content"] for row in rows] == ["right 0", "right 1", "right 2"]


def test_dataset_version_names_its_sources(edges, champion, context):
    lambda_handler(alarm(), context)
    [run] = alarm_runs()
    [made] = [version for version in edges.versions() if version.version == run.request.dataset_version]
    assert made.sources == run.request.sources


def test_same_alarm_in_all_shapes_starts_one_run(edges, champion, context):
    for shape in ("eventbridge", "sns", "direct", "eventbridge"):
        lambda_handler(alarm(shape), context)
    assert (len(alarm_runs()), len(decisions(edges))) == (1, 1)


def test_storm_of_alarms_starts_one_run_and_records_why_the_others_did_not(edges, champion, context):
    for second in range(10, 20):
        lambda_handler(alarm(changed_at=f"2026-11-24T11:53:{second}.000+0000"), context)
    assert len(alarm_runs()) == 1
    assert len(decisions(edges)) == 10
    assert sum(decision.run_id is not None for decision in decisions(edges)) == 1


def test_unreviewed_and_rejected_feedback_and_thumbs_alone_never_train(edges, champion, context):
    give_feedback(3, status=ReviewStatus.STAGED, correction="staged")
    give_feedback(4, status=ReviewStatus.REJECTED, correction="rejected")
    give_feedback(5, correction=None)
    give_feedback(6, model="another", correction="of another model")
    lambda_handler(alarm(), context)
    source = alarm_runs()[0].request.sources[-1]
    text = Storage().read_text(source.uri, source.version_id)
    assert len(text.splitlines()) == 3
    assert not any(word in text for word in ("staged", "rejected", "another"))


def test_no_champion_means_no_run(edges, context):
    put_in_production(edges, context, "other")
    make_alarm("docs", "docs")
    lambda_handler(alarm(), context)
    [decision] = decisions(edges)
    assert decision.run_id is None


def test_too_little_feedback_means_no_run(edges, context):
    put_in_production(edges, context)
    give_feedback(0)
    lambda_handler(alarm(), context)
    [decision] = decisions(edges)
    assert (decision.run_id, len(decision.reasons)) == (None, 1)


def test_run_in_flight_means_no_run(edges, context):
    put_in_production(edges, context, recipe="retrain: {cooldown_seconds: 0, min_new_rows: 1}")
    give_feedback(0)
    lambda_handler(alarm(), context)
    give_feedback(1)
    lambda_handler(alarm(changed_at="2026-11-24T12:00:00.000+0000"), context)
    assert len(alarm_runs()) == 1


def test_same_feedback_again_is_not_trained_twice(edges, context):
    put_in_production(edges, context, recipe="retrain: {cooldown_seconds: 0, min_new_rows: 0}")
    give_feedback(0)
    lambda_handler(alarm(), context)
    record_state({"run_id": alarm_runs()[0].request.run_id, "status": "failed", "stage": "prepare"}, context)
    lambda_handler(alarm(changed_at="2026-11-24T12:00:00.000+0000"), context)
    assert len(alarm_runs()) == 1


def test_new_feedback_after_the_run_has_ended_trains_again(edges, context):
    put_in_production(edges, context, recipe="retrain: {cooldown_seconds: 0, min_new_rows: 1}")
    give_feedback(0)
    lambda_handler(alarm(), context)
    record_state({"run_id": alarm_runs()[0].request.run_id, "status": "succeeded", "stage": "done"}, context)
    give_feedback(1)
    lambda_handler(alarm(changed_at="2026-11-24T12:00:00.000+0000"), context)
    assert len(alarm_runs()) == 2


@pytest.mark.parametrize("case", ["back_to_ok", "other_alarm"])
def test_other_alarms_and_other_states_decide_nothing(edges, champion, context, event, case):
    lambda_handler(event(f"decide_retrain/{case}.json"), context)
    assert (alarm_runs(), decisions(edges)) == ([], [])


def test_alarm_that_is_gone_is_an_error(edges, context):
    with pytest.raises(NotFound, match="alarm"):
        lambda_handler(alarm(project="gone"), context)


def test_names_with_hyphens_are_told_apart_by_the_metrics_dimensions(edges, context):
    """What an alarm is about stands in its metric's dimensions, not in its name."""
    put_in_production(edges, context, "my-docs")
    give_feedback(0, "my-docs")
    give_feedback(1, "my-docs")
    lambda_handler(alarm(project="my-docs"), context)
    assert len(alarm_runs("my-docs")) == 1
