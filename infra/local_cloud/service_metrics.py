"""The metrics that AWS services report by themselves, so that alarms on them ring here as well: of Step Functions,
Lambda and SQS here, of SageMaker in `sagemaker_runtime.py`."""

import threading
from typing import Any

from moto.sqs.models import Queue, sqs_backends

from infra.local_cloud import metrics
from infra.local_cloud.cloud import Cloud

QUEUE_SECONDS = 10  # SQS reports once a minute
EXECUTIONS = {
    "RUNNING": "ExecutionsStarted",
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}


def count_execution(cloud: Cloud, state_machine_arn: str, status: str) -> None:
    metrics.put(cloud, "AWS/States", [_count(EXECUTIONS[status], 1, StateMachineArn=state_machine_arn)])


def count_invocation(cloud: Cloud, function: str, *, error: bool, throttled: bool, milliseconds: float) -> None:
    """Of a Lambda function; a throttled invocation is no invocation."""
    data = [_count("Throttles", float(throttled), FunctionName=function)]
    if not throttled:
        data += [_count("Invocations", 1, FunctionName=function), _count("Errors", float(error), FunctionName=function)]
        data += [_count("Duration", milliseconds, FunctionName=function) | {"Unit": "Milliseconds"}]
    metrics.put(cloud, "AWS/Lambda", data)


def _count(name: str, value: float, **dimensions: str) -> dict[str, Any]:
    named = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    return {"MetricName": name, "Value": value, "Unit": "Count", "Dimensions": named}


def report_queues(cloud: Cloud) -> None:
    queues: list[Queue] = list(sqs_backends[cloud.account][cloud.region].queues.values())
    data = [_count("ApproximateNumberOfMessagesVisible", len(queue.messages), QueueName=queue.name) for queue in queues]
    if data:
        metrics.put(cloud, "AWS/SQS", data)


def install(cloud: Cloud) -> None:
    def run() -> None:
        while not cloud.stopping.wait(QUEUE_SECONDS):
            report_queues(cloud)

    threading.Thread(target=run, daemon=True, name="service-metrics").start()
