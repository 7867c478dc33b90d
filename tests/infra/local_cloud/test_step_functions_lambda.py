"""State machines that call real functions."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from infra.local_cloud import events, lambdas, notifications, step_functions
from infra.local_cloud.cloud import Cloud
from tests.support.lambda_functions import create
from tests.support.local_cloud import eventually

PLUGINS = [lambdas, events, notifications, step_functions]
ROLE = "arn:aws:iam::123456789012:role/states"
SOURCE = """
import boto3
class RunFailed(Exception):
    pass
def handler(event, context):
    if event.get("fail"):
        raise RunFailed("no rows")
    if "token" in event:
        boto3.client("stepfunctions").send_task_success(taskToken=event["token"], output='{"approved": true}')
        return None
    return {"plan": event["n"] + 1}
"""
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> str:
    return create(cloud, SOURCE)


@pytest.fixture
def run(cloud: Cloud) -> Run:
    """Run one Task state to its end."""
    states = cloud.client("stepfunctions")

    def run_one(task: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
        machine = {"StartAt": "Call", "States": {"Call": {"Type": "Task", "End": True} | task}}
        made = states.create_state_machine(name=f"m{time.time_ns()}", definition=json.dumps(machine), roleArn=ROLE)
        arn = states.start_execution(stateMachineArn=made["stateMachineArn"], input=json.dumps(document))[
            "executionArn"
        ]
        eventually(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING", 20)
        return dict(states.describe_execution(executionArn=arn))

    return run_one


def test_answer_of_a_function_becomes_the_result(function: str, run: Run) -> None:
    parameters = {"FunctionName": function, "Payload.$": "$"}
    task = {
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": parameters,
        "ResultSelector": {"plan.$": "$.Payload.plan"},
        "ResultPath": "$.result",
    }
    assert json.loads(run(task, {"n": 1})["output"]) == {"n": 1, "result": {"plan": 2}}


def test_exception_of_a_function_is_the_name_of_the_error(function: str, run: Run) -> None:
    parameters = {"FunctionName": function, "Payload.$": "$"}
    execution = run({"Resource": "arn:aws:states:::lambda:invoke", "Parameters": parameters}, {"fail": True})
    assert (execution["status"], execution["error"]) == ("FAILED", "RunFailed")
    assert json.loads(execution["cause"])["errorMessage"] == "no rows"


def test_function_that_does_not_exist_is_an_error_of_lambda(run: Run) -> None:
    task = {"Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "none", "Payload": {}}}
    assert run(task, {})["error"] == "Lambda.ResourceNotFoundException"


def test_function_answers_for_the_token_it_was_given(function: str, run: Run) -> None:
    parameters = {"FunctionName": function, "Payload": {"token.$": "$$.Task.Token"}}
    task = {"Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "Parameters": parameters}
    assert json.loads(run(task, {})["output"]) == {"approved": True}


def test_retry_calls_again_and_catch_keeps_the_document(cloud: Cloud, function: str, run: Run) -> None:
    retry = [{"ErrorEquals": ["RunFailed"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    task = {
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function, "Payload.$": "$"},
        "Retry": retry,
    }
    execution = run(task, {"fail": True})
    history = cloud.client("stepfunctions").get_execution_history(executionArn=execution["executionArn"])["events"]
    assert [event["type"] for event in history].count("TaskFailed") == 2


@pytest.mark.parametrize("direct", [False, True], ids=["integration", "function's own ARN"])
def test_path_that_leads_nowhere_ends_the_execution_and_nothing_catches_it(
    cloud: Cloud, function: str, direct: bool
) -> None:
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function}"
    payload = {"n.$": "$.missing"}
    call = (
        {"Resource": arn, "Parameters": payload}
        if direct
        else {
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": function, "Payload": payload},
        }
    )
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]
    states = {"Call": {"Type": "Task", "End": True, "Catch": catch} | call, "Caught": {"Type": "Pass", "End": True}}
    client = cloud.client("stepfunctions")
    machine = json.dumps({"StartAt": "Call", "States": states})
    made = client.create_state_machine(name=f"m{time.time_ns()}", definition=machine, roleArn=ROLE)
    execution = client.start_execution(stateMachineArn=made["stateMachineArn"])["executionArn"]
    eventually(lambda: client.describe_execution(executionArn=execution)["status"] != "RUNNING")
    described = client.describe_execution(executionArn=execution)
    assert (described["status"], described["error"]) == ("FAILED", "States.Runtime")


def test_topic_calls_the_function_with_the_true_record(cloud: Cloud) -> None:
    source = """
    import boto3, json
    def handler(event, context):
        queue = boto3.client("sqs").get_queue_url(QueueName="heard")["QueueUrl"]
        boto3.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(event))
    """
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{create(cloud, source)}"
    queue = cloud.client("sqs").create_queue(QueueName="heard")["QueueUrl"]
    topic = cloud.client("sns").create_topic(Name="spoken")["TopicArn"]
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    cloud.client("sns").publish(TopicArn=topic, Message="m", Subject="s")
    [message] = eventually(lambda: cloud.client("sqs").receive_message(QueueUrl=queue).get("Messages"))
    [record] = json.loads(message["Body"])["Records"]
    assert (record["Sns"]["TopicArn"], record["Sns"]["Message"], record["Sns"]["Subject"]) == (topic, "m", "s")
