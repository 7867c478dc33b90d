"""moto's backends are not atomic across threads, and the server runs a thread per request: one lock per service.

The locks are re-entrant, and nothing waits for anything outside under one: notifications are delivered by other threads
(see `s3.py`, `event_sources.py`, `notifications.py`), and a long poll of a queue waits between looks, not inside one.
"""

import threading
import time
from functools import wraps
from inspect import isfunction
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodbstreams.models import DynamoDBStreamsBackend
from moto.logs.models import LogsBackend
from moto.s3.models import S3Backend
from moto.secretsmanager.models import SecretsManagerBackend
from moto.sqs.models import SQSBackend
from moto.ssm.models import SimpleSystemManagerBackend

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.patching import replace

SERVICES: dict[str, tuple[type, ...]] = {
    "cloudwatch": (CloudWatchBackend,),
    "dynamodb": (DynamoDBBackend, DynamoDBStreamsBackend),
    "logs": (LogsBackend,),
    "s3": (S3Backend,),
    "secretsmanager": (SecretsManagerBackend,),
    "sqs": (SQSBackend,),
    "ssm": (SimpleSystemManagerBackend,),
}
LOCKS = {service: threading.RLock() for service in SERVICES}
POLL_SECONDS = 0.05


def install(cloud: Cloud) -> None:
    """Let each public method of the services' backends run alone."""
    for service, backends in SERVICES.items():
        for backend in backends:
            for name, method in list(vars(backend).items()):
                if isfunction(method) and not name.startswith("_") and method is not SQSBackend.receive_message:
                    replace(cloud, backend, name, serialised(method, LOCKS[service]))
    replace(cloud, SQSBackend, "receive_message", _patient(SQSBackend.receive_message))


def serialised(method: Any, lock: Any) -> Any:
    @wraps(method)
    def alone(*args: Any, **options: Any) -> Any:
        with lock:
            return method(*args, **options)

    return alone


def _patient(receive_message: Any) -> Any:
    """ReceiveMessage whose long poll holds the lock only while it looks."""
    look = serialised(receive_message, LOCKS["sqs"])

    @wraps(receive_message)
    def patient(
        self: Any,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        *rest: Any,
        **more: Any,
    ) -> Any:
        end = time.monotonic() + wait_seconds_timeout
        while not (found := look(self, queue_name, count, 0, visibility_timeout, *rest, **more)):
            if time.monotonic() >= end:
                break
            time.sleep(POLL_SECONDS)
        return found

    return patient
