"""What may enter the registry."""

import pytest

from tests.support.promotion import (
    ADAPTER_FILES,
    adapter_manifest,
    approved_by_gate,
    report,
    run_request,
    trained,
    training_plan,
)
from tunesmith.contracts.errors import IntegrityError, UnsafeArtifact
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import Role
from tunesmith.contracts.models import ApprovalStatus, ModelReference
from tunesmith.contracts.recipes import Approval
from tunesmith.domain.registering import approval_of, check_adapter, trusted_report

REQUEST = run_request()
MANIFEST = adapter_manifest(REQUEST)
ADAPTER = trained(MANIFEST).adapter
FOLDER = [*ADAPTER_FILES, "manifest.json"]
PLAN = training_plan(REQUEST)
VERDICT = approved_by_gate(PLAN, ADAPTER)
REPORT = report(PLAN, ADAPTER, {Role.CANDIDATE: [0.5] * 30, Role.BASE: [0.2] * 30})
OTHER = ModelReference(uri="s3://models/adapters/other/", digest=digest("other"))


def test_adapter_that_is_its_manifest_passes():
    check_adapter(ADAPTER, MANIFEST, FOLDER)


@pytest.mark.parametrize(
    ("manifest", "adapter"),
    [
        (MANIFEST, OTHER),
        (MANIFEST.model_copy(update={"digest": OTHER.digest}), ADAPTER),
        (MANIFEST.model_copy(update={"files": MANIFEST.files[:1]}), ADAPTER),
    ],
)
def test_adapter_whose_digests_differ_is_refused(manifest, adapter):
    with pytest.raises(IntegrityError):
        check_adapter(adapter, manifest, FOLDER)


@pytest.mark.parametrize("extra", ["pytorch_model.bin", "adapter.pkl", "modeling_x.py", "weights.pt"])
def test_adapter_with_anything_but_safe_files_is_refused(extra):
    with pytest.raises(UnsafeArtifact, match=extra):
        check_adapter(ADAPTER, MANIFEST, [*FOLDER, extra])


@pytest.mark.parametrize("found", [[*FOLDER, "extra.safetensors"], FOLDER[1:]])
def test_adapter_with_a_file_too_many_or_too_few_is_refused(found):
    with pytest.raises(IntegrityError):
        check_adapter(ADAPTER, MANIFEST, found)


def test_approval_for_another_adapter_is_refused():
    with pytest.raises(IntegrityError, match=OTHER.digest):
        trusted_report(REPORT, VERDICT, OTHER.digest)
    with pytest.raises(IntegrityError):
        trusted_report(REPORT, VERDICT.model_copy(update={"candidate": OTHER}), ADAPTER.digest)
    with pytest.raises(IntegrityError):
        trusted_report(None, VERDICT, ADAPTER.digest)


def test_rejection_needs_no_evidence_and_takes_none_that_is_about_another_adapter():
    rejected = VERDICT.model_copy(update={"approved": False})
    assert trusted_report(REPORT, rejected, OTHER.digest) is None
    assert trusted_report(None, rejected, ADAPTER.digest) is None
    assert trusted_report(REPORT, rejected, ADAPTER.digest) == REPORT


@pytest.mark.parametrize(
    ("approved", "approval", "status"),
    [
        (True, Approval.AUTO, ApprovalStatus.APPROVED),
        (True, Approval.MANUAL, ApprovalStatus.PENDING),
        (False, Approval.AUTO, ApprovalStatus.REJECTED),
        (False, Approval.MANUAL, ApprovalStatus.REJECTED),
    ],
)
def test_gate_and_recipe_decide_the_approval(approved, approval, status):
    assert approval_of(VERDICT.model_copy(update={"approved": approved}), approval) is status
