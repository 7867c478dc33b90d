"""S3 `Object Created`, by EventBridge, as a notification or in SQS messages: the upload is accepted, exactly once."""

import json
from functools import cache, partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tunesmith.adapters import clock, uploads
from tunesmith.contracts.environment import AcceptUploadEnv
from tunesmith.contracts.errors import ForgedEvent, SourceGone
from tunesmith.contracts.events import ObjectCreated, parse_object_created
from tunesmith.contracts.metrics import MetricName
from tunesmith.domain.accepting import Origin, check_origin, is_upload
from tunesmith.entry.batches import each_message, is_batch
from tunesmith.entry.counting import count
from tunesmith.entry.observability import logger

env = cache(AcceptUploadEnv.load)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    _, _, _, region, account, *_ = context.invoked_function_arn.split(":")
    ours = Origin(env().uploads_bucket, account, region)
    if is_batch(event):
        return each_message(event, lambda body: accept_all(json.loads(body), ours))
    accept_all(event, ours)
    return {}


def accept_all(event: dict[str, Any], ours: Origin) -> None:
    for found in parse_object_created(event):
        accept(found, ours)


def accept(found: ObjectCreated, ours: Origin) -> None:
    """Delivering the event again would not help where it is forged, where its object is gone, or where it is ours."""
    log = partial(logger.info, key=found.key, version_id=found.version_id)
    try:
        check_origin(found, ours)
        if not is_upload(found.key):
            return log("not an upload, ignored")
        outcome = uploads.accept(env(), found, clock.now())
    except ForgedEvent as error:
        count(MetricName.FORGED_EVENT)
        return log("event refused", code=error.code, reason=str(error))
    except SourceGone as error:
        return log("upload deleted before it was accepted", code=error.code, reason=str(error))
    report(outcome, log)


def report(outcome: uploads.Outcome, log: Any) -> None:
    facts = {"upload_id": outcome.upload.upload_id, "run_id": outcome.upload.run_id}
    if outcome.repeated:
        count(MetricName.DUPLICATE_EVENT)
        log("accepted before, nothing to do", **facts)
    elif outcome.refusal:
        count(MetricName.RUNS_FAILED)
        log("run recorded as failed", reason=outcome.refusal, **facts)
    else:
        log("upload accepted", dataset_version=outcome.upload.dataset_version, **facts)
