"""What services report about themselves."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.local_cloud import alarms, events, lambdas, service_metrics, step_functions
from infra.local_cloud.cloud import Cloud
from tests.support.lambda_functions import create, invoke_raw
from tests.support.local_cloud import eventually

PLUGINS = [lambdas, events, step_functions, alarms, service_metrics]


def total(cloud: Cloud, namespace: str, metric: str, **dimensions: str) -> float:
    found: list[dict[str, Any]] = cloud.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=datetime.now(UTC) - timedelta(minutes=5),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=600,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in found))


def test_failed_execution_is_counted(cloud: Cloud) -> None:
    states = cloud.client("stepfunctions")
    definition = json.dumps({"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E"}}})
    role = "arn:aws:iam::123456789012:role/states"
    arn = states.create_state_machine(name=f"m{time.time_ns()}", definition=definition, roleArn=role)["stateMachineArn"]
    states.start_execution(stateMachineArn=arn)
    assert eventually(lambda: total(cloud, "AWS/States", "ExecutionsFailed", StateMachineArn=arn) == 1)


def test_invocations_and_errors_of_a_function_are_counted(cloud: Cloud) -> None:
    function = create(cloud, "def handler(event, context):\n    return 1 / event\n")
    for divisor in (1, 0):
        invoke_raw(cloud, function, divisor)
    counted = [total(cloud, "AWS/Lambda", name, FunctionName=function) for name in ("Invocations", "Errors")]
    assert counted == [2, 1]


def test_waiting_messages_are_reported(cloud: Cloud) -> None:
    url = cloud.client("sqs").create_queue(QueueName="letters")["QueueUrl"]
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="m")
    service_metrics.report_queues(cloud)
    assert total(cloud, "AWS/SQS", "ApproximateNumberOfMessagesVisible", QueueName="letters") >= 1
