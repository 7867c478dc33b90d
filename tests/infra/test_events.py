"""What sets the platform going: nothing is lost on the way, and nothing that we write sets it going again."""

import json
from typing import Any

from tests.infra.synthesis import Synthesized
from tunesmith.contracts import artifacts
from tunesmith.contracts.deployments import QUALITY_ALARM_PREFIX, RollbackAlarm, quality_alarm_name, rollback_alarm_name


def undelivered(rule: dict[str, Any]) -> list[str]:
    """Ids of targets without a queue for what could not be delivered."""
    return [target["Id"] for target in rule["Targets"] if "DeadLetterConfig" not in target]


def test_every_target_has_dead_letters_and_retries(synthesized: Synthesized) -> None:
    rules = synthesized.resources("AWS::Events::Rule")
    assert len(rules) == 4
    assert [name for name, rule in rules.items() if undelivered(rule)] == []
    assert all("RetryPolicy" in target for rule in rules.values() for target in rule["Targets"])


def test_a_target_without_dead_letters_is_found() -> None:
    assert undelivered({"Targets": [{"Id": "Target0", "Arn": "x"}]}) == ["Target0"]


def test_asynchronous_functions_keep_what_they_failed_at(synthesized: Synthesized) -> None:
    functions = synthesized.resources("AWS::Lambda::Function")
    targets = str([rule["Targets"] for rule in synthesized.resources("AWS::Events::Rule").values()])
    called = {name: body for name, body in functions.items() if name.partition("/")[2] in targets}
    assert len(called) == 4
    assert [name for name, function in called.items() if "DeadLetterConfig" not in function] == []


def test_only_uploads_start_an_ingest(synthesized: Synthesized) -> None:
    """Every prefix that we write ourselves lies outside the one pattern for objects."""
    patterns = [rule.get("EventPattern", {}) for rule in synthesized.resources("AWS::Events::Rule").values()]
    [pattern] = [found for found in patterns if found.get("source") == ["aws.s3"]]
    assert pattern["detail"]["object"]["key"] == [{"prefix": artifacts.UPLOADS_PREFIX}]
    assert "Uploads" in str(pattern["detail"]["bucket"]["name"])
    ours = (artifacts.PROJECTS_PREFIX, artifacts.DATASETS_PREFIX, artifacts.RUNS_PREFIX, artifacts.FEEDBACK_PREFIX)
    ours += (artifacts.TRAFFIC_PREFIX, artifacts.CARDS_PREFIX, artifacts.bases_prefix(), artifacts.adapters_prefix())
    assert [prefix for prefix in ours if prefix.startswith(artifacts.UPLOADS_PREFIX)] == []


def test_only_the_uploads_bucket_announces_objects(synthesized: Synthesized) -> None:
    announcing = {
        name
        for name, bucket in synthesized.resources("AWS::S3::Bucket").items()
        if bucket.get("NotificationConfiguration", {}).get("EventBridgeConfiguration", {}).get("EventBridgeEnabled")
    }
    assert len(announcing) == 1
    assert "Uploads" in announcing.pop()


def test_nobody_writes_where_people_upload(synthesized: Synthesized) -> None:
    policies = synthesized.resources("AWS::IAM::Policy")
    writes = [
        statement
        for policy in policies.values()
        for statement in policy["PolicyDocument"]["Statement"]
        if "s3:PutObject" in str(statement["Action"]) and "GetAttUploads" in str(statement["Resource"])
    ]
    assert writes == []


def test_quality_alarms_ask_for_a_retraining_and_rollback_alarms_do_not(synthesized: Synthesized) -> None:
    patterns = [rule.get("EventPattern", {}) for rule in synthesized.resources("AWS::Events::Rule").values()]
    [detail] = [found["detail"] for found in patterns if found.get("source") == ["aws.cloudwatch"]]
    assert detail == {"alarmName": [{"prefix": QUALITY_ALARM_PREFIX}], "state": {"value": ["ALARM"]}}
    assert quality_alarm_name("search", "answers").startswith(QUALITY_ALARM_PREFIX)
    assert not rollback_alarm_name("tunesmith-search-answers", RollbackAlarm.ERRORS).startswith(QUALITY_ALARM_PREFIX)


def test_queued_runs_reach_start_run_however_often_it_takes(synthesized: Synthesized) -> None:
    [mapping] = synthesized.resources("AWS::Lambda::EventSourceMapping").values()
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["MaximumRetryAttempts"] > 0
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"]
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert json.loads(mapping["FilterCriteria"]["Filters"][0]["Pattern"]) == {"eventName": ["INSERT"]}


def test_execution_that_ends_badly_is_recorded_by_whoever_is_left(synthesized: Synthesized) -> None:
    rules = synthesized.resources("AWS::Events::Rule").values()
    [rule] = [found for found in rules if found.get("EventPattern", {}).get("source") == ["aws.states"]]
    assert rule["EventPattern"]["detail"]["status"] == ["FAILED", "TIMED_OUT", "ABORTED"]
    [machine] = rule["EventPattern"]["detail"]["stateMachineArn"]
    assert "Machine" in str(machine) and "recordstate" in str(rule["Targets"][0]["Arn"])


def allowed(policies: dict[str, dict[str, Any]], service: str, action: str) -> int:
    """How many statements let the service do that."""
    return sum(
        statement["Effect"] == "Allow"
        and statement["Principal"] == {"Service": f"{service}.amazonaws.com"}
        and statement["Action"] == action
        for policy in policies.values()
        for statement in policy["PolicyDocument"]["Statement"]
    )


def test_alarms_may_publish_to_the_topic(synthesized: Synthesized) -> None:
    """A topic's own policy replaces the default one: without this, every alarm would be told to nobody."""
    assert allowed(synthesized.resources("AWS::SNS::TopicPolicy"), "cloudwatch", "sns:Publish") == 1
    [key] = synthesized.resources("AWS::KMS::Key").values()
    assert "cloudwatch.amazonaws.com" in str(key["KeyPolicy"])


def test_undeliverable_events_may_be_sent_to_their_queues(synthesized: Synthesized) -> None:
    assert allowed(synthesized.resources("AWS::SQS::QueuePolicy"), "events", "sqs:SendMessage") == 4
