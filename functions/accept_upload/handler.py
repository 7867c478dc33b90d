"""S3 `Object Created`, by EventBridge, as a notification or in SQS messages: the upload is accepted, exactly once."""

import json
from functools import cache
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
    """Where the event is forged or its object is gone, delivering it again would not help: that is told, not raised."""
    try:
        check_origin(found, ours)
        if is_upload(found.key):
            report(uploads.accept(env(), found, clock.now()))
        else:
            logger.info("not an upload, ignored", key=found.key)
    except ForgedEvent as error:
        count(MetricName.FORGED_EVENT)
        logger.warning("event refused", key=found.key, code=error.code, reason=str(error))
    except SourceGone as error:
        logger.warning("upload gone", key=found.key, code=error.code, reason=str(error))


def report(outcome: uploads.Outcome) -> None:
    upload = outcome.upload
    facts: dict[str, Any] = {
        "key": upload.key,
        "version_id": upload.version_id,
        "upload_id": upload.upload_id,
        "run_id": upload.run_id,
    }
    if outcome.repeated:
        count(MetricName.DUPLICATE_EVENT)
        logger.info("accepted before, nothing to do", **facts)
    elif outcome.refusal:
        count(MetricName.RUNS_FAILED)
        logger.error("run recorded as failed", reason=outcome.refusal, **facts)
    else:
        logger.info("upload accepted", dataset_version=upload.dataset_version, **facts)
