"""Names, alarms, and what is to be made of what SageMaker says."""

import pytest

from tests.support.promotion import IMAGE, model_version, run_request
from tunesmith.contracts.deployments import DeploymentStatus, RollbackAlarm, ServedModel
from tunesmith.contracts.identity import digest
from tunesmith.contracts.models import Alias, ApprovalStatus
from tunesmith.domain import deploying
from tunesmith.domain.deploying import EndpointState

REQUEST = deploying.deployment_request(run_request(), model_version())
SERVING = deploying.serving(REQUEST, IMAGE)
ASKED = SERVING.asked()


def served(model=None):
    return ServedModel(
        model_digest=model or ASKED.model_digest, base_digest=digest("base"), template_hash=digest("template")
    )


def progress(status="InService", configuration=ASKED.endpoint_config, in_charge=ASKED.endpoint_config, reason=""):
    return deploying.progress(ASKED, EndpointState(status, configuration, failure_reason=reason), in_charge)


def test_same_request_of_another_run_has_the_same_names():
    again = deploying.deployment_request(run_request("second"), model_version())
    assert deploying.serving(again, IMAGE).configuration == SERVING.configuration


@pytest.mark.parametrize(
    "other",
    [
        deploying.serving(deploying.deployment_request(run_request(), model_version("second", 2)), IMAGE),
        deploying.serving(
            deploying.deployment_request(run_request(serve={"instance_count": 2}), model_version()), IMAGE
        ),
        deploying.serving(REQUEST, "another-image"),
    ],
)
def test_other_model_machine_or_image_has_another_configuration_of_the_same_endpoint(other):
    assert other.configuration != SERVING.configuration and other.endpoint == SERVING.endpoint


def test_names_of_the_longest_projects_are_still_sagemakers():
    long = REQUEST.model_copy(update={"project": "p" * 63, "model": "m" * 63})
    found = deploying.serving(long, IMAGE)
    assert len(found.endpoint) <= 63 and len(found.configuration) <= 63


def test_base_alone_is_served_under_its_own_digest():
    alone = deploying.serving(REQUEST.model_copy(update={"adapter": None}), IMAGE)
    assert alone.model_digest == digest("base")


def test_every_rollback_alarm_watches_the_endpoint():
    alarms = deploying.rollback_alarms(SERVING.endpoint)
    assert len(alarms) == len(RollbackAlarm) == len({alarm.name for alarm in alarms})
    assert {alarm.metric for alarm in alarms} == {"Invocation5XXErrors", "ModelLatency", "InvocationModelErrors"}
    assert all(dict(alarm.dimensions)["EndpointName"] == SERVING.endpoint for alarm in alarms)


def test_quality_alarm_follows_the_recipe():
    alarm = deploying.quality_alarm(REQUEST)
    assert (alarm.name, alarm.namespace, alarm.metric) == (
        "tunesmith-quality/docs/docs",
        "tunesmith",
        "NegativeFeedback",
    )
    assert dict(alarm.dimensions) == {"project": "docs", "model": "docs"}
    assert (alarm.statistic, alarm.threshold, alarm.period_seconds) == ("Average", 0.5, 300)


@pytest.mark.parametrize("status", ["Creating", "Updating", "SystemUpdating", "RollingBack"])
def test_endpoint_that_is_changing_is_waited_for(status):
    assert progress(status).status is DeploymentStatus.CREATING


@pytest.mark.parametrize("status", ["Failed", "OutOfService", "UpdateRollbackFailed"])
def test_endpoint_that_failed_is_failed_with_sagemakers_reason(status):
    found = progress(status, reason="no capacity")
    assert found.status is DeploymentStatus.FAILED and "no capacity" in found.reason


def test_endpoint_in_service_with_what_was_asked_is_asked_next():
    assert progress().status is DeploymentStatus.IN_SERVICE


def test_silent_rollback_is_seen_by_the_configuration():
    found = progress(configuration="the-old-one")
    assert found.status is DeploymentStatus.FAILED
    assert "the-old-one" in found.reason and ASKED.endpoint_config in found.reason


def test_request_that_another_run_superseded_is_failed():
    found = progress(in_charge="a-newer-one")
    assert found.status is DeploymentStatus.FAILED and "a-newer-one" in found.reason


def test_endpoint_that_is_gone_is_failed():
    assert deploying.progress(ASKED, None, ASKED.endpoint_config).status is DeploymentStatus.FAILED


def test_model_that_answers_is_compared_by_digest():
    assert deploying.verified(ASKED, served()).status is DeploymentStatus.VERIFIED
    found = deploying.verified(ASKED, served(digest("another")))
    assert found.status is DeploymentStatus.FAILED
    assert digest("another") in found.reason and ASKED.model_digest in found.reason


VERIFIED = deploying.verified(ASKED, served())


@pytest.mark.parametrize(
    ("version", "deployment", "named"),
    [
        (model_version(), ASKED, "creating"),
        (model_version("second"), VERIFIED, digest("adapter of second")),
        (model_version(), VERIFIED.model_copy(update={"endpoint": "another"}), "another"),
    ],
)
def test_promotion_is_refused_by_name(version, deployment, named):
    assert named in deploying.promotion_problem(version, deployment)


def test_verified_version_may_be_promoted():
    assert deploying.promotion_problem(model_version(), VERIFIED) is None


def alias_of(version):
    return Alias(
        project=version.project,
        model=version.model,
        alias="champion",
        version=version.version,
        adapter_digest=version.adapter.digest,
        revision=1,
        moved_at=version.created_at,
        reason="test",
    )


@pytest.mark.parametrize(
    ("version", "champion"),
    [
        (model_version(), None),
        (model_version(), alias_of(model_version())),
        (model_version("second", 2, champion="first"), alias_of(model_version())),
    ],
)
def test_approved_version_may_be_served_where_its_evidence_is_about_the_champion_of_now(version, champion):
    assert deploying.serving_problem(version, champion) is None


@pytest.mark.parametrize(
    ("version", "champion", "named"),
    [
        (model_version(status=ApprovalStatus.PENDING), None, "pending"),
        (model_version(status=ApprovalStatus.REJECTED), None, "rejected"),
        (model_version("second", 2), alias_of(model_version()), "retry the run"),
        (model_version("third", 3, champion="first"), alias_of(model_version("second", 2)), "retry the run"),
    ],
)
def test_unapproved_version_or_one_with_stale_evidence_is_not_served(version, champion, named):
    assert named in deploying.serving_problem(version, champion)


def test_champion_is_restored_as_it_was_last_verified():
    failing = run_request("second", serve={"instance_type": "ml.m5.large"})
    restored = deploying.restored(failing, model_version(), last_verified=REQUEST)
    assert deploying.serving(restored, IMAGE).configuration == SERVING.configuration
    assert restored.run_id == failing.run_id


def test_champion_that_was_never_verified_is_restored_by_the_runs_recipe():
    other = deploying.deployment_request(run_request(), model_version("another"))
    restored = deploying.restored(run_request(), model_version(), last_verified=other)
    assert restored.adapter == model_version().adapter
