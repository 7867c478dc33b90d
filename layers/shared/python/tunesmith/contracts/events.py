"""Events that reach the platform, in every shape in which AWS delivers them, and what we read in them.

S3 announces an object to EventBridge (key as it is), or as a notification to SQS or straight to a Lambda (key
URL-encoded). CloudWatch announces
an alarm to EventBridge, through SNS, or straight to a Lambda. Fields that AWS adds later are tolerated; what we
rely on is required.
"""

import json
from typing import Any, Literal, TypeVar
from urllib.parse import unquote_plus

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tunesmith.contracts.base import Contract, RunId
from tunesmith.contracts.errors import InvalidInput

M = TypeVar("M", bound=BaseModel)


class AwsEvent(BaseModel):
    """A shape that AWS owns: more fields may come."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class ObjectCreated(Contract):
    """An S3 object version that somebody says was created."""

    bucket: str
    key: str
    version_id: str | None = Field(description="None where the bucket is not versioned")
    sequencer: str
    size: int
    account: str | None = Field(description="of the event; S3 notifications carry none")
    region: str


# --- S3 through EventBridge


class _Bucket(AwsEvent):
    name: str


class _EventBridgeObject(AwsEvent):
    key: str
    size: int = 0
    version_id: str | None = Field(default=None, alias="version-id")
    sequencer: str = ""


class _ObjectCreatedDetail(AwsEvent):
    bucket: _Bucket
    object: _EventBridgeObject


class S3EventBridgeEvent(AwsEvent):
    source: Literal["aws.s3"]
    detail_type: Literal["Object Created"] = Field(alias="detail-type")
    account: str
    region: str
    detail: _ObjectCreatedDetail

    def objects(self) -> list[ObjectCreated]:
        found = self.detail.object
        return [
            ObjectCreated(
                bucket=self.detail.bucket.name,
                key=found.key,
                version_id=found.version_id or None,
                sequencer=found.sequencer,
                size=found.size,
                account=self.account,
                region=self.region,
            )
        ]


# --- S3 notifications, direct or in an SQS message


class _NotificationObject(AwsEvent):
    key: str
    size: int = 0
    version_id: str | None = Field(default=None, alias="versionId")
    sequencer: str = ""


class _NotificationEntity(AwsEvent):
    bucket: _Bucket
    object: _NotificationObject


class _NotificationRecord(AwsEvent):
    event_source: Literal["aws:s3"] = Field(alias="eventSource")
    event_name: str = Field(alias="eventName")
    region: str = Field(alias="awsRegion")
    s3: _NotificationEntity


class S3Notification(AwsEvent):
    records: list[_NotificationRecord] = Field(alias="Records")

    def objects(self) -> list[ObjectCreated]:
        return [
            ObjectCreated(
                bucket=record.s3.bucket.name,
                key=unquote_plus(record.s3.object.key),
                version_id=record.s3.object.version_id or None,
                sequencer=record.s3.object.sequencer,
                size=record.s3.object.size,
                account=None,
                region=record.region,
            )
            for record in self.records
            if "ObjectCreated:" in record.event_name
        ]


class SqsRecord(AwsEvent):
    message_id: str = Field(alias="messageId")
    body: str
    event_source: Literal["aws:sqs"] = Field(alias="eventSource")


class SqsEvent(AwsEvent):
    records: list[SqsRecord] = Field(alias="Records")


def parse_object_created(event: dict[str, Any]) -> list[ObjectCreated]:
    """The objects that an S3 event announces, whichever of its shapes it has (an SQS message's body is such an event).

    Raises InvalidInput (a pydantic ValidationError is never let through) where the event is none of them.
    """
    if event.get("Event") == "s3:TestEvent":
        return []
    if event.get("source") == "aws.s3":
        return _parse(S3EventBridgeEvent, event).objects()
    return _parse(S3Notification, event).objects()


# --- CloudWatch alarms


class AlarmFired(Contract):
    """An alarm that changed state."""

    alarm_name: str
    state: Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
    reason: str
    changed_at: str = Field(
        description="when the state changed, as CloudWatch wrote it; with the name, the identity of the event"
    )
    account: str | None
    region: str | None


class _AlarmState(AwsEvent):
    value: Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
    reason: str = ""
    timestamp: str = ""


class _AlarmDetail(AwsEvent):
    alarm_name: str = Field(alias="alarmName")
    state: _AlarmState

    def fired(self, time: str, account: str, region: str) -> AlarmFired:
        return AlarmFired(
            alarm_name=self.alarm_name,
            state=self.state.value,
            reason=self.state.reason,
            changed_at=self.state.timestamp or time,
            account=account,
            region=region,
        )


class AlarmEventBridgeEvent(AwsEvent):
    source: Literal["aws.cloudwatch"]
    detail_type: Literal["CloudWatch Alarm State Change"] = Field(alias="detail-type")
    account: str
    region: str
    time: str
    detail: _AlarmDetail

    def alarms(self) -> list[AlarmFired]:
        return [self.detail.fired(self.time, self.account, self.region)]


class AlarmDirectEvent(AwsEvent):
    """A Lambda as the alarm's own action."""

    source: Literal["aws.cloudwatch"]
    alarm_arn: str = Field(alias="alarmArn")
    account: str = Field(alias="accountId")
    region: str
    time: str
    alarm_data: _AlarmDetail = Field(alias="alarmData")

    def alarms(self) -> list[AlarmFired]:
        return [self.alarm_data.fired(self.time, self.account, self.region)]


class _SnsAlarmMessage(AwsEvent):
    alarm_name: str = Field(alias="AlarmName")
    account: str | None = Field(default=None, alias="AWSAccountId")
    state: Literal["OK", "ALARM", "INSUFFICIENT_DATA"] = Field(alias="NewStateValue")
    reason: str = Field(default="", alias="NewStateReason")
    changed_at: str = Field(default="", alias="StateChangeTime")


class _Sns(AwsEvent):
    message: str = Field(alias="Message")
    timestamp: str = Field(default="", alias="Timestamp")


class _SnsRecord(AwsEvent):
    event_source: Literal["aws:sns"] = Field(alias="EventSource")
    sns: _Sns = Field(alias="Sns")


class AlarmSnsEvent(AwsEvent):
    records: list[_SnsRecord] = Field(alias="Records")

    def alarms(self) -> list[AlarmFired]:
        found = []
        for record in self.records:
            message = _parse(_SnsAlarmMessage, _json(record.sns.message))
            found.append(
                AlarmFired(
                    alarm_name=message.alarm_name,
                    state=message.state,
                    reason=message.reason,
                    changed_at=message.changed_at or record.sns.timestamp,
                    account=message.account,
                    region=None,
                )
            )
        return found


def parse_alarm(event: dict[str, Any]) -> list[AlarmFired]:
    """The alarms that an event tells of, whichever of the three shapes it has. Raises InvalidInput where it is
    none of them."""
    if "Records" in event:
        return _parse(AlarmSnsEvent, event).alarms()
    if "alarmData" in event:
        return _parse(AlarmDirectEvent, event).alarms()
    return _parse(AlarmEventBridgeEvent, event).alarms()


# --- DynamoDB streams


class _StreamImage(AwsEvent):
    new_image: dict[str, dict[str, Any]] | None = Field(default=None, alias="NewImage")


class StreamRecord(AwsEvent):
    event_name: Literal["INSERT", "MODIFY", "REMOVE"] = Field(alias="eventName")
    change: _StreamImage = Field(alias="dynamodb")


class StreamEvent(AwsEvent):
    records: list[StreamRecord] = Field(alias="Records")


def parse_stream(event: dict[str, Any]) -> list[StreamRecord]:
    return _parse(StreamEvent, event).records


# --- Step Functions


class ExecutionEnded(Contract):
    """An execution of the lifecycle that ended, but not as it should."""

    execution_arn: str
    run_id: RunId = Field(description="the execution's name")
    status: Literal["FAILED", "TIMED_OUT", "ABORTED"]
    error: str | None
    cause: str | None


class _ExecutionDetail(AwsEvent):
    execution_arn: str = Field(alias="executionArn")
    name: str
    status: Literal["FAILED", "TIMED_OUT", "ABORTED"]
    error: str | None = None
    cause: str | None = None


class ExecutionStatusEvent(AwsEvent):
    source: Literal["aws.states"]
    detail_type: Literal["Step Functions Execution Status Change"] = Field(alias="detail-type")
    detail: _ExecutionDetail


def is_execution_status(event: dict[str, Any]) -> bool:
    """Whether Step Functions says this, and not a step of the state machine."""
    return event.get("source") == "aws.states"


def parse_execution_ended(event: dict[str, Any]) -> ExecutionEnded:
    """Raises InvalidInput where the event is another, or the execution is not a run's."""
    detail = _parse(ExecutionStatusEvent, event).detail
    found = {"execution_arn": detail.execution_arn, "run_id": detail.name}
    return _parse(ExecutionEnded, found | detail.model_dump(include={"status", "error", "cause"}))


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"expected a JSON object inside the message: {error}") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"expected a JSON object inside the message, found {type(found).__name__}")
    return found


def _parse(shape: type[M], event: dict[str, Any]) -> M:
    try:
        return shape.model_validate(event)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"not a {shape.__name__}: {place}: {first['msg']}") from error
