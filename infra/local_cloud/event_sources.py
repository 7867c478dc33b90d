"""Event source mappings: queues and table streams that feed functions, each polled by a thread of its own.

moto invokes the function inside SendMessage and PutItem, one message at a time, and the function's failure becomes the
writer's. Here the writer never waits: batches, partial failures, retries, bisection, filters and failure destinations
are as in AWS.
"""

import logging
import threading
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from moto.awslambda.models import EventSourceMapping, LambdaBackend
from moto.dynamodb.models import dynamodb_backends
from moto.sqs.models import sqs_backends

from infra.local_cloud import table_streams
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.patching import replace
from infra.local_cloud.queue_source import QueueSource
from infra.local_cloud.table_streams import TableStreamSource

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.5


class Source(Protocol):
    def poll(self) -> None:
        """See to the next batch; answer soon where there is none."""


SOURCES: dict[str, Any] = {"sqs": QueueSource, "dynamodb": TableStreamSource}


def install(cloud: Cloud) -> None:
    table_streams.install(cloud)

    def create_event_source_mapping(self: LambdaBackend, spec: dict[str, Any]) -> EventSourceMapping:
        mapping: EventSourceMapping = motos_create(self, spec)
        _detach(cloud, mapping)
        service = mapping.event_source_arn.split(":")[2]
        if service not in SOURCES:
            raise ValueError(f"{mapping.event_source_arn}: {service} feeds no functions here; queues and tables do")
        source: Source = SOURCES[service](cloud, mapping)
        threading.Thread(
            target=_feed, args=(cloud, self, mapping, source), daemon=True, name=f"{service}-source"
        ).start()
        return mapping

    motos_create = replace(cloud, LambdaBackend, "create_event_source_mapping", create_event_source_mapping)


def _detach(cloud: Cloud, mapping: EventSourceMapping) -> None:
    """Take the mapping out of moto's hands: a queue or table that knows of none invokes nothing by itself."""
    queues = sqs_backends[cloud.account][cloud.region].queues.values()
    tables = dynamodb_backends[cloud.account][cloud.region].tables.values()
    for source in [*queues, *tables]:
        source.lambda_event_source_mappings.pop(mapping.function_arn, None)


def _feed(cloud: Cloud, backend: LambdaBackend, mapping: EventSourceMapping, source: Source) -> None:
    """Poll as long as the mapping is there."""
    while not cloud.stopping.is_set() and mapping.uuid in backend._event_source_mappings:
        if not mapping.enabled:
            cloud.stopping.wait(PAUSE_SECONDS)
            continue
        try:
            source.poll()
        except (BotoCoreError, ClientError, KeyError):  # the cloud stops, or the source is gone
            if not cloud.stopping.wait(PAUSE_SECONDS):
                logger.exception("the event source %s could not be polled", mapping.event_source_arn)
