"""Deliver events to the targets of EventBridge rules and schedules, with retries and dead-letter queues."""

import json
import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.log_streams import LogStream
from infra.local_cloud.target_input import Sender, target_input

logger = logging.getLogger(__name__)

RETRIES = 3  # of the up to 185 in 24 hours on AWS: here nothing heals by waiting
FIRST_DELAY_SECONDS = 0.2
LASTING = {
    "ResourceNotFoundException",
    "AccessDeniedException",
    "StateMachineDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
    "NotFound",
    "NotFoundException",
    "ClientException",
    "ValidationException",
}

Payload = str
SendOne = Callable[[Cloud, Mapping[str, Any], Payload], None]


def deliver(cloud: Cloud, sender: Sender, target: Mapping[str, Any], event: Mapping[str, Any]) -> None:
    """Until it succeeds, the retries are used up or it cannot succeed; then the event goes to the dead-letter queue."""
    attempts = 1 + min(RETRIES, int((target.get("RetryPolicy") or {}).get("MaximumRetryAttempts", RETRIES)))
    for attempt in range(attempts):
        error = _try(cloud, sender, target, event)
        if error is None:
            return
        if _is_lasting(error) or cloud.stopping.wait(FIRST_DELAY_SECONDS * 2**attempt):
            break
    _give_up(cloud, sender, target, event, error)


def _try(cloud: Cloud, sender: Sender, target: Mapping[str, Any], event: Mapping[str, Any]) -> Exception | None:
    try:
        send_payload(cloud, target, target_input(target, event, sender))
    except (ClientError, BotoCoreError, ValueError, KeyError) as error:
        return error
    return None


def send_payload(cloud: Cloud, target: Mapping[str, Any], payload: Payload) -> None:
    service = target["Arn"].split(":")[2]
    if service not in SENDERS:
        raise ValueError(f"{target['Arn']}: no target of the local cloud; targets are {', '.join(sorted(SENDERS))}")
    SENDERS[service](cloud, target, payload)


def _is_lasting(error: Exception) -> bool:
    return not isinstance(error, ClientError) or error.response["Error"]["Code"] in LASTING


def _give_up(
    cloud: Cloud, sender: Sender, target: Mapping[str, Any], event: Mapping[str, Any], error: Exception
) -> None:
    logger.error("rule %s cannot reach %s: %s", sender.rule_name, target["Arn"], error)
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not queue:
        return
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    attributes = {
        "RULE_ARN": sender.rule_arn,
        "TARGET_ARN": target["Arn"],
        "ERROR_CODE": code,
        "ERROR_MESSAGE": str(error) or code,
    }
    cloud.client("sqs").send_message(
        QueueUrl=_queue_url(cloud, queue),
        MessageBody=json.dumps(event),
        MessageAttributes={k: {"DataType": "String", "StringValue": v} for k, v in attributes.items()},
    )


def _to_lambda(cloud: Cloud, target: Mapping[str, Any], payload: Payload) -> None:
    cloud.client("lambda").invoke(FunctionName=target["Arn"], InvocationType="Event", Payload=payload.encode())


def _to_step_functions(cloud: Cloud, target: Mapping[str, Any], payload: Payload) -> None:
    cloud.client("stepfunctions").start_execution(stateMachineArn=target["Arn"], name=str(uuid.uuid4()), input=payload)


def _to_batch(cloud: Cloud, target: Mapping[str, Any], payload: Payload) -> None:
    """The input may hold Parameters and ContainerOverrides of the job."""
    asked, given = target["BatchParameters"], json.loads(payload)
    options: dict[str, Any] = {}
    if isinstance(given, dict) and "Parameters" in given:
        options["parameters"] = {name: str(value) for name, value in given["Parameters"].items()}
    if isinstance(given, dict) and "ContainerOverrides" in given:
        options["containerOverrides"] = _camel_cased(given["ContainerOverrides"])
    if "ArrayProperties" in asked:
        options["arrayProperties"] = {"size": asked["ArrayProperties"]["Size"]}
    if "RetryStrategy" in asked:
        options["retryStrategy"] = {"attempts": asked["RetryStrategy"]["Attempts"]}
    cloud.client("batch").submit_job(
        jobName=asked["JobName"], jobQueue=target["Arn"], jobDefinition=asked["JobDefinition"], **options
    )


def _camel_cased(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _camel_cased(inner) for key, inner in value.items()}
    return [_camel_cased(inner) for inner in value] if isinstance(value, list) else value


def _to_sns(cloud: Cloud, target: Mapping[str, Any], payload: Payload) -> None:
    cloud.client("sns").publish(TopicArn=target["Arn"], Message=payload)


def _to_sqs(cloud: Cloud, target: Mapping[str, Any], payload: Payload) -> None:
    group = (target.get("SqsParameters") or {}).get("MessageGroupId")
    options = {"MessageGroupId": group} if group else {}
    cloud.client("sqs").send_message(QueueUrl=_queue_url(cloud, target["Arn"]), MessageBody=payload, **options)


def _queue_url(cloud: Cloud, arn: str) -> str:
    return cloud.client("sqs").get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]


def _to_bus(cloud: Cloud, target: Mapping[str, Any], payload: Payload) -> None:
    event = json.loads(payload)
    entry = {
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
        "Resources": event["resources"],
        "EventBusName": target["Arn"],
    }
    cloud.client("events").put_events(Entries=[entry])


def _to_log_group(cloud: Cloud, target: Mapping[str, Any], payload: Payload) -> None:
    group = target["Arn"].split(":log-group:")[1].removesuffix(":*")
    LogStream(cloud, group, uuid.uuid4().hex).write(payload)


SENDERS: dict[str, SendOne] = {
    "lambda": _to_lambda,
    "states": _to_step_functions,
    "batch": _to_batch,
    "sns": _to_sns,
    "sqs": _to_sqs,
    "events": _to_bus,
    "logs": _to_log_group,
}
