"""`register_model` against moto: a trained candidate becomes one version with its card, or is refused by name."""

from contextlib import suppress

import pytest
import yaml

from functions.register_model.handler import lambda_handler
from tests.support.faults import Crash, Fault, wire
from tests.support.promotion import (
    MODEL,
    PROJECT,
    adapter_manifest,
    approved_by_gate,
    as_event,
    model_version,
    publish_training,
    report,
    run_request,
    set_environment,
    trained,
    training_plan,
    write_json,
)
from tunesmith.adapters.registry import Versions
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.errors import IntegrityError, NotFound, UnsafeArtifact
from tunesmith.contracts.jobs import Role
from tunesmith.contracts.lifecycle import RegisterRequest
from tunesmith.contracts.models import ApprovalStatus, ModelVersion

REQUEST = run_request()
PLAN = training_plan(REQUEST)
ADAPTER = trained(adapter_manifest(REQUEST)).adapter
REPORT = report(PLAN, ADAPTER, {Role.CANDIDATE: [0.5] * 30, Role.BASE: [0.2] * 30})


@pytest.fixture
def register(tables, buckets, monkeypatch, context):
    set_environment(monkeypatch, tables)
    publish_training(REQUEST)
    write_json(PLAN.evaluate.report_uri, REPORT)

    def registered(request=REQUEST, **verdict) -> ModelVersion:
        judged = approved_by_gate(PLAN, ADAPTER).model_copy(update=verdict)
        asked = RegisterRequest(request=request, plan=PLAN, verdict=judged)
        return ModelVersion.model_validate(lambda_handler(as_event(asked), context))

    return registered


def test_approved_candidate_becomes_version_one_with_its_evidence(register, tables, event, context):
    version = ModelVersion.model_validate(lambda_handler(event("register_model/approved.json"), context))
    assert (version.version, version.status) == (1, ApprovalStatus.APPROVED)
    assert (version.adapter, version.base, version.run_id) == (ADAPTER, REQUEST.base, REQUEST.run_id)
    assert version.metrics == {"rouge_l": 0.5}
    assert version.evidence_uri == PLAN.evaluate.report_uri
    assert Versions(tables["models"]).get(PROJECT, MODEL, 1) == version


def test_card_lies_where_the_version_says(register):
    card = Storage().read_text(register().card_uri)
    assert yaml.safe_load(card.split("---")[1])["base_model"] == "smollm2-135m-instruct"
    assert ADAPTER.digest in card


def test_rejected_candidate_becomes_a_version_with_its_reasons(register):
    version = register(approved=False, reasons=["it lost"])
    assert (version.status, version.reasons) == (ApprovalStatus.REJECTED, ["it lost"])
    assert version.metrics == {"rouge_l": 0.5}


def test_candidate_rejected_for_want_of_a_report_becomes_a_version_without_metrics(register):
    version = register(approved=False, reasons=["there is no report"], report_uri="s3://artifacts/none.json")
    assert (version.status, version.metrics) == (ApprovalStatus.REJECTED, {})


def test_approval_that_a_person_must_give_is_pending(register):
    assert register(run_request(approval="manual")).status is ApprovalStatus.PENDING


def test_version_remembers_the_champion_that_it_was_compared_with(register, tables, context):
    champion = model_version("old")
    plan = training_plan(REQUEST, champion=champion)
    asked = RegisterRequest(request=REQUEST, plan=plan, verdict=approved_by_gate(plan, ADAPTER))
    version = ModelVersion.model_validate(lambda_handler(as_event(asked), context))
    assert version.compared_with == champion.adapter.digest


def test_run_registered_twice_is_the_same_version(register, tables):
    assert register() == register()
    assert len(Versions(tables["models"]).all_of(PROJECT, MODEL)) == 1


def test_evidence_about_another_adapter_is_refused(register, tables):
    other = ADAPTER.model_copy(update={"digest": "0" * 64})
    write_json(PLAN.evaluate.report_uri, REPORT.model_copy(update={"candidate": other}))
    with pytest.raises(IntegrityError, match="an approval counts only"):
        register()
    assert Versions(tables["models"]).all_of(PROJECT, MODEL) == []


def test_adapter_that_was_changed_after_training_is_refused(register):
    changed = adapter_manifest(REQUEST).model_copy(update={"files": adapter_manifest(REQUEST).files[:1]})
    write_json(ADAPTER.uri + "manifest.json", changed)
    with pytest.raises(IntegrityError, match="changed after training"):
        register()


@pytest.mark.parametrize("name", ["model.pkl", "code/inference.py"])
def test_adapter_with_code_or_pickles_in_it_is_refused(register, name):
    Storage().write(ADAPTER.uri + name, b"x")
    with pytest.raises(UnsafeArtifact):
        register()


def test_adapter_that_is_gone_is_an_error(register):
    missing = trained(adapter_manifest(REQUEST))
    gone = missing.model_copy(update={"adapter": ADAPTER.model_copy(update={"uri": "s3://models/adapters/gone/"})})
    write_json(PLAN.evaluate.finetune_result_uri, gone)
    with pytest.raises(NotFound):
        register()


def test_registration_that_dies_at_any_call_is_one_version_when_it_is_run_again(register, tables):
    with wire() as calm:
        register()
    for at in range(1, len(calm.calls) + 1):
        request = run_request(f"dies at {at}")
        for fault in (Fault.CRASH_BEFORE, Fault.CRASH_AFTER):
            with wire(at, fault), suppress(Crash):
                register(request)
        register(request)
    found = Versions(tables["models"]).all_of(PROJECT, MODEL)
    assert [version.version for version in found] == list(range(1, len(calm.calls) + 2))
