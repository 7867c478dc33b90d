"""`mirror_model` against moto: one Model Package per version, however often it is asked for."""

from contextlib import suppress

import pytest

from functions.mirror_model.handler import lambda_handler
from tests.support.faults import Crash, Fault, wire
from tests.support.promotion import GROUP, IMAGE, as_event, model_version, sagemaker, set_environment
from tunesmith.adapters.registry import Versions
from tunesmith.contracts.lifecycle import MirroredPackage
from tunesmith.contracts.models import ApprovalStatus, Candidate


@pytest.fixture
def versions(tables, monkeypatch):
    set_environment(monkeypatch, tables)
    sagemaker().create_model_package_group(ModelPackageGroupName=GROUP)
    return Versions(tables["models"])


@pytest.fixture
def mirror(versions, context):
    return lambda version: MirroredPackage.model_validate(lambda_handler(as_event(version), context)).model_package_arn


def registered(versions, name="first", status=ApprovalStatus.APPROVED):
    return versions.register(Candidate(**model_version(name, status=status).model_dump(exclude={"version"})))


def packages():
    found = sagemaker().list_model_packages(ModelPackageGroupName=GROUP)["ModelPackageSummaryList"]
    return [sagemaker().describe_model_package(ModelPackageName=package["ModelPackageArn"]) for package in found]


def test_version_is_mirrored_with_its_identity_and_its_files(versions, mirror, event):
    version = registered(versions)
    assert as_event(version) == event("mirror_model/approved.json")
    arn = mirror(version)
    [package] = packages()
    assert package["ModelPackageArn"] == arn
    assert package["ModelApprovalStatus"] == "Approved"
    assert package["CustomerMetadataProperties"] == {
        "project": "docs",
        "model": "docs",
        "version": "1",
        "adapter_digest": version.adapter.digest,
        "run_id": version.run_id,
    }
    [container] = package["InferenceSpecification"]["Containers"]
    assert container["Image"] == IMAGE and "Environment" not in container
    assert container["ModelDataSource"]["S3DataSource"]["S3Uri"] == version.adapter.uri
    assert container["AdditionalModelDataSources"][0]["S3DataSource"]["S3Uri"] == version.base.uri


def test_version_mirrored_twice_is_one_package(versions, mirror):
    version = registered(versions)
    assert mirror(version) == mirror(version)
    assert len(packages()) == 1


def test_each_version_has_its_own_package_and_is_found_among_others(versions, mirror):
    arns = [mirror(registered(versions, name)) for name in ("a", "b", "c")]
    assert mirror(versions.get("docs", "docs", 1)) == arns[0]
    assert len(packages()) == len(set(arns)) == 3


@pytest.mark.parametrize(
    ("status", "word"),
    [(ApprovalStatus.PENDING, "PendingManualApproval"), (ApprovalStatus.REJECTED, "Rejected")],
)
def test_approval_is_sagemakers_word(versions, mirror, status, word):
    mirror(registered(versions, status=status))
    assert packages()[0]["ModelApprovalStatus"] == word


def test_decision_made_meanwhile_reaches_the_package(versions, mirror):
    pending = registered(versions, status=ApprovalStatus.PENDING)
    mirror(pending)
    versions.decide("docs", "docs", 1, ApprovalStatus.APPROVED, "ada approved it")
    mirror(pending)
    [package] = packages()
    assert package["ModelApprovalStatus"] == "Approved"
    assert package["CustomerMetadataProperties"]["run_id"] == pending.run_id


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_mirror_that_dies_at_any_call_is_one_package_when_it_is_run_again(versions, mirror, fault):
    with wire() as calm:
        mirror(registered(versions, "calm"))
    for at in range(1, len(calm.calls) + 1):
        version = registered(versions, f"dies at {at}")
        with suppress(Crash), wire(at, fault):
            mirror(version)
        mirror(version)
    assert len(packages()) == len(calm.calls) + 1
