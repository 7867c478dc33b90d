"""`gate_model` against moto: evidence in the bucket goes in, a verdict comes out; missing evidence is a no."""

import json

import pytest
from botocore.exceptions import ClientError

from functions.gate_model.handler import lambda_handler
from tests.support.promotion import (
    adapter_manifest,
    publish_training,
    report,
    run_request,
    set_environment,
    trained,
    training_plan,
    write_json,
)
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.evaluations import Verdict
from tunesmith.contracts.jobs import Role

REQUEST = run_request()
PLAN = training_plan(REQUEST)
ADAPTER = trained(adapter_manifest(REQUEST)).adapter
SCORES = {Role.CANDIDATE: [0.5, 0.6] * 20, Role.BASE: [0.2, 0.1] * 20}


@pytest.fixture
def gate(tables, buckets, monkeypatch, event, context):
    set_environment(monkeypatch, tables)
    publish_training(REQUEST)
    return lambda: Verdict.model_validate(lambda_handler(event("gate_model/evaluated.json"), context))


def test_better_candidate_is_approved(gate):
    write_json(PLAN.evaluate.report_uri, report(PLAN, ADAPTER, SCORES))
    verdict = gate()
    assert verdict.approved and verdict.candidate == ADAPTER
    assert verdict == gate()


def test_candidate_without_a_report_is_rejected_by_the_name_of_what_is_missing(gate):
    verdict = gate()
    assert not verdict.approved
    assert verdict.reasons == [f"there is no evaluation report at {PLAN.evaluate.report_uri}"]


def test_run_without_a_training_result_is_rejected(gate):
    write_json(PLAN.evaluate.report_uri, report(PLAN, ADAPTER, SCORES))
    Storage().write(PLAN.evaluate.finetune_result_uri, b"")
    verdict = gate()
    assert not verdict.approved and "training result" in verdict.reasons[0]


@pytest.mark.parametrize("break_it", [lambda text: text[: len(text) // 2], lambda text: "{}", lambda text: "[1]"])
def test_broken_report_is_rejected(gate, break_it):
    Storage().write(PLAN.evaluate.report_uri, break_it(report(PLAN, ADAPTER, SCORES).model_dump_json()))
    verdict = gate()
    assert not verdict.approved and "malformed" in verdict.reasons[0]


@pytest.mark.parametrize("value", [None, "NaN", "high"])
def test_score_that_is_no_number_is_rejected(gate, value):
    broken = json.loads(report(PLAN, ADAPTER, SCORES).model_dump_json())
    broken["per_item"]["base"]["rouge_l"][3] = value
    Storage().write(PLAN.evaluate.report_uri, json.dumps(broken))
    assert not gate().approved


def test_report_about_another_adapter_is_rejected(gate):
    other = ADAPTER.model_copy(update={"digest": "0" * 64})
    write_json(PLAN.evaluate.report_uri, report(PLAN, other, SCORES))
    verdict = gate()
    assert not verdict.approved and "another candidate" in verdict.reasons[0]


def test_broken_network_is_an_error_and_not_a_verdict(gate, monkeypatch):
    write_json(PLAN.evaluate.report_uri, report(PLAN, ADAPTER, SCORES))

    def refuse(self, uri):
        raise ClientError({"Error": {"Code": "SlowDown"}}, "GetObject")

    monkeypatch.setattr(Storage, "read_if_there", refuse)
    with pytest.raises(ClientError):
        gate()


def test_plan_without_an_evaluation_is_an_error(tables, buckets, monkeypatch, event, context):
    set_environment(monkeypatch, tables)
    asked = event("gate_model/evaluated.json")
    asked["plan"]["evaluate"] = None
    with pytest.raises(InvalidInput):
        lambda_handler(asked, context)
