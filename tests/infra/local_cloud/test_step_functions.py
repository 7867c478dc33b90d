"""State machines that wait for real jobs, talk to AWS and end however they are made to."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local_cloud import batch, events, step_functions
from infra.local_cloud.cloud import Cloud
from tests.support.batch_environment import create_queue, define_job, define_nodes
from tests.support.local_cloud import eventually

PLUGINS = [batch, events, step_functions]
CLOUD = {"vcpus": 4, "job_stop_seconds": 2}
ROLE = "arn:aws:iam::123456789012:role/states"
Start = Callable[..., str]


@pytest.fixture(scope="module")
def queue(cloud: Cloud) -> str:
    return create_queue(cloud, "cpu")


@pytest.fixture(scope="module")
def start(cloud: Cloud) -> Start:
    states = cloud.client("stepfunctions")

    def start_one(definition: dict[str, Any], document: dict[str, Any] | None = None, **options: Any) -> str:
        made = states.create_state_machine(
            name=f"machine-{time.time_ns()}", definition=json.dumps(definition), roleArn=ROLE
        )
        arn = made["stateMachineArn"]
        return str(
            states.start_execution(stateMachineArn=arn, input=json.dumps(document or {}), **options)["executionArn"]
        )

    return start_one


def describe(cloud: Cloud, arn: str) -> dict[str, Any]:
    return dict(cloud.client("stepfunctions").describe_execution(executionArn=arn))


def ended(cloud: Cloud, arn: str, seconds: float = 20) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        execution = describe(cloud, arn)
        return execution if execution["status"] != "RUNNING" else None

    return eventually(look, seconds)


def single(task: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": "Only", "States": {"Only": task | {"Type": "Task", "End": True}}}


def batch_task(cloud: Cloud, queue: str, source: str, **extra: Any) -> dict[str, Any]:
    definition = define_job(cloud, f"job-{time.time_ns()}", ["python", "-c", source, "Ref::params_uri"])
    parameters = {
        "JobName": "prepare",
        "JobQueue": queue,
        "JobDefinition": definition,
        "Parameters": {"params_uri.$": "$.params_uri"},
        "ContainerOverrides": {"Environment": [{"Name": "STAGE", "Value": "local"}]},
    }
    return {"Resource": "arn:aws:states:::batch:submitJob.sync", "Parameters": parameters} | extra


def jobs(cloud: Cloud, queue: str, status: str) -> list[dict[str, Any]]:
    return list(cloud.client("batch").list_jobs(jobQueue=queue, jobStatus=status)["jobSummaryList"])


def test_batch_task_waits_and_answers_the_job(cloud: Cloud, start: Start, queue: str) -> None:
    source = "import os, sys; raise SystemExit((sys.argv[1], os.environ['STAGE']) != ('s3://x', 'local'))"
    execution = ended(cloud, start(single(batch_task(cloud, queue, source)), {"params_uri": "s3://x"}))
    output = json.loads(execution["output"])
    assert (output["Status"], output["Container"]["ExitCode"]) == ("SUCCEEDED", 0)
    assert {"Name": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"} in output["Container"]["Environment"]


def test_batch_task_may_be_of_several_nodes(cloud: Cloud, start: Start, queue: str) -> None:
    source = "import os, sys; sys.exit(os.environ['AWS_BATCH_JOB_NUM_NODES'] != '2')"
    task = {
        "Resource": "arn:aws:states:::batch:submitJob.sync",
        "Parameters": {
            "JobName": "prepare",
            "JobQueue": queue,
            "JobDefinition": define_nodes(cloud, f"nodes-{time.time_ns()}", ["python", "-c", source]),
            "Timeout": {"AttemptDurationSeconds.$": "$.seconds"},
        },
    }
    output = json.loads(ended(cloud, start(single(task), {"seconds": 90}))["output"])
    assert (output["Status"], output["NodeProperties"]["NumNodes"]) == ("SUCCEEDED", 2)
    assert output["Timeout"] == {"AttemptDurationSeconds": 90}


def test_failed_batch_job_is_a_failed_task_whose_cause_is_the_job(cloud: Cloud, start: Start, queue: str) -> None:
    task = batch_task(cloud, queue, "raise SystemExit(9)")
    execution = ended(cloud, start(single(task), {"params_uri": "s3://x"}))
    cause = json.loads(execution["cause"])
    assert (execution["status"], execution["error"]) == ("FAILED", "States.TaskFailed")
    assert cause["Attempts"][0]["Container"]["ExitCode"] == 9


def test_catch_gets_error_and_cause_into_the_document(cloud: Cloud, start: Start, queue: str) -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Recovered"}]
    machine = {
        "StartAt": "Job",
        "States": {
            "Job": batch_task(cloud, queue, "raise SystemExit(9)", Type="Task", Catch=catch, Next="Recovered"),
            "Recovered": {"Type": "Pass", "End": True},
        },
    }
    output = json.loads(ended(cloud, start(machine, {"params_uri": "s3://x"}))["output"])
    assert output["failure"]["Error"] == "States.TaskFailed"
    assert output["params_uri"] == "s3://x"


def test_stopping_an_execution_terminates_the_job_it_waits_for(cloud: Cloud, start: Start, queue: str) -> None:
    arn = start(single(batch_task(cloud, queue, "import time; time.sleep(60)")), {"params_uri": "s3://x"})
    [job] = eventually(lambda: jobs(cloud, queue, "RUNNING"))
    cloud.client("stepfunctions").stop_execution(executionArn=arn, error="Cancelled", cause="by a person")
    execution = ended(cloud, arn)
    assert (execution["status"], execution["error"], execution["cause"]) == ("ABORTED", "Cancelled", "by a person")
    eventually(lambda: job["jobId"] in [failed["jobId"] for failed in jobs(cloud, queue, "FAILED")])


def test_timed_out_task_terminates_its_job(cloud: Cloud, start: Start, queue: str) -> None:
    task = batch_task(cloud, queue, "import time; time.sleep(60)", TimeoutSeconds=1)
    execution = ended(cloud, start(single(task), {"params_uri": "s3://x"}))
    assert execution["error"] == "States.Timeout"
    eventually(lambda: not jobs(cloud, queue, "RUNNING"))


def test_document_put_to_s3_is_stored_as_json_text(cloud: Cloud, start: Start) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="artifacts")
    task = {
        "Resource": "arn:aws:states:::aws-sdk:s3:putObject",
        "Parameters": {
            "Bucket": "artifacts",
            "Key.$": "States.Format('runs/{}/params.json', $.run_id)",
            "Body.$": "$.params",
        },
        "ResultPath": None,
    }
    ended(cloud, start(single(task), {"run_id": "r1", "params": {"a": [1, None, "ü"]}}))
    stored = s3.get_object(Bucket="artifacts", Key="runs/r1/params.json")["Body"].read()
    assert json.loads(stored) == {"a": [1, None, "ü"]}


def test_times_in_answers_of_the_sdk_become_text(cloud: Cloud, start: Start) -> None:
    cloud.client("s3").create_bucket(Bucket="dated")
    task = {"Resource": "arn:aws:states:::aws-sdk:s3:listBuckets", "Parameters": {}}
    output = json.loads(ended(cloud, start(single(task)))["output"])
    assert output["Buckets"][0]["CreationDate"].endswith("Z")


def test_sdk_error_has_the_name_that_aws_gives_it(cloud: Cloud, start: Start) -> None:
    parameters = {"Bucket": "artifacts-none", "Key": "missing"}
    task = {"Resource": "arn:aws:states:::aws-sdk:s3:getObject", "Parameters": parameters}
    assert ended(cloud, start(single(task)))["error"] == "S3.NoSuchBucketException"


def test_message_that_is_an_object_is_published_as_json(cloud: Cloud, start: Start) -> None:
    topic = cloud.client("sns").create_topic(Name="failures")["TopicArn"]
    queue_url = cloud.client("sqs").create_queue(QueueName="failures")["QueueUrl"]
    queue_arn = "arn:aws:sqs:us-east-1:123456789012:failures"
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    parameters = {"TopicArn": topic, "Message": {"run.$": "$.run"}}
    task = {"Resource": "arn:aws:states:::sns:publish", "Parameters": parameters}
    ended(cloud, start(single(task), {"run": "r1"}))
    [message] = eventually(lambda: cloud.client("sqs").receive_message(QueueUrl=queue_url).get("Messages"))
    assert json.loads(json.loads(message["Body"])["Message"]) == {"run": "r1"}


def test_item_is_written_to_dynamodb(cloud: Cloud, start: Start) -> None:
    key = [{"AttributeName": "pk", "KeyType": "HASH"}]
    types = [{"AttributeName": "pk", "AttributeType": "S"}]
    table = cloud.client("dynamodb")
    table.create_table(TableName="runs", KeySchema=key, AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST")
    parameters = {"TableName": "runs", "Item": {"pk": {"S.$": "$.id"}, "done": {"BOOL": True}}}
    task = {"Resource": "arn:aws:states:::dynamodb:putItem", "Parameters": parameters}
    assert ended(cloud, start(single(task), {"id": "r1"}))["status"] == "SUCCEEDED"
    assert table.get_item(TableName="runs", Key={"pk": {"S": "r1"}})["Item"]["done"] == {"BOOL": True}


def test_task_token_resumes_with_success_or_with_error_and_cause(cloud: Cloud, start: Start) -> None:
    queue_url = cloud.client("sqs").create_queue(QueueName="tokens")["QueueUrl"]
    parameters = {"QueueUrl": queue_url, "MessageBody": {"token.$": "$$.Task.Token"}}
    task = {"Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "Parameters": parameters}

    def token() -> str:
        messages = eventually(lambda: cloud.client("sqs").receive_message(QueueUrl=queue_url).get("Messages"))
        return str(json.loads(messages[0]["Body"])["token"])

    states = cloud.client("stepfunctions")
    approved, rejected = start(single(task)), None
    states.send_task_success(taskToken=token(), output='{"approved": true}')
    assert json.loads(ended(cloud, approved)["output"]) == {"approved": True}
    cloud.client("sqs").purge_queue(QueueUrl=queue_url)
    rejected = start(single(task))
    states.send_task_failure(taskToken=token(), error="Rejected", cause="too long")
    execution = ended(cloud, rejected)
    assert (execution["error"], execution["cause"]) == ("Rejected", "too long")


def test_execution_without_a_name_gets_one_of_its_own(cloud: Cloud, start: Start) -> None:
    machine = {"StartAt": "Wait", "States": {"Wait": {"Type": "Pass", "End": True}}}
    assert describe(cloud, start(machine))["name"] != describe(cloud, start(machine))["name"] != "None"


def test_name_is_good_for_one_execution(cloud: Cloud) -> None:
    states = cloud.client("stepfunctions")
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
    arn = states.create_state_machine(name="once", definition=definition, roleArn=ROLE)["stateMachineArn"]
    ended(cloud, states.start_execution(stateMachineArn=arn, name="r1", input="{}")["executionArn"])
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        states.start_execution(stateMachineArn=arn, name="r1", input="{}")


def test_history_comes_in_pages_and_in_reverse(cloud: Cloud, start: Start) -> None:
    arn = start({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
    ended(cloud, arn)
    states = cloud.client("stepfunctions")
    last = states.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=1)
    assert [event["type"] for event in last["events"]] == ["ExecutionSucceeded"]
    pages = states.get_paginator("get_execution_history").paginate(executionArn=arn, PaginationConfig={"PageSize": 1})
    kinds = [event["type"] for page in pages for event in page["events"]]
    assert kinds == ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]


def test_several_executions_run_at_once(cloud: Cloud, start: Start) -> None:
    machine = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 1, "End": True}}}
    began = time.monotonic()
    arns = [start(machine) for _ in range(5)]
    assert {ended(cloud, arn)["status"] for arn in arns} == {"SUCCEEDED"}
    assert time.monotonic() - began < 4


def test_end_of_an_execution_is_an_event(cloud: Cloud, start: Start) -> None:
    sqs, bus = cloud.client("sqs"), cloud.client("events")
    queue_url = sqs.create_queue(QueueName="ended")["QueueUrl"]
    pattern = {"source": ["aws.states"], "detail": {"status": ["FAILED"]}}
    bus.put_rule(Name="ended", EventPattern=json.dumps(pattern))
    bus.put_targets(Rule="ended", Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:ended"}])
    arn = start({"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Nope", "Cause": "because"}}})
    [message] = eventually(lambda: sqs.receive_message(QueueUrl=queue_url).get("Messages"))
    detail = json.loads(message["Body"])["detail"]
    assert (detail["executionArn"], detail["error"], detail["cause"]) == (arn, "Nope", "because")
