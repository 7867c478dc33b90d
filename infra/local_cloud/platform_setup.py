"""What a freshly deployed platform needs before anyone can use it: base models, a first API key, warm functions."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from moto.awslambda.models import lambda_backends
from moto.s3.models import S3Backend, s3_backends

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.lambdas import functions_of
from tunesmith.adapters.keys import Keys
from tunesmith.contracts.artifacts import base_pointer_key, base_prefix
from tunesmith.contracts.keys import Scope
from tunesmith.contracts.models import BaseModelManifest
from tunesmith.contracts.platform import PLATFORM_PARAMETER, Platform

logger = logging.getLogger(__name__)

PROJECT, KEY_NAME = "demo", "default"
MANIFEST = "manifest.json"
WARM = ("authorize", "inference_api", "accept_upload", "start_run", "record_state")
"""Functions that people wait for."""


def announce(cloud: Cloud, api_base_url: str) -> Platform:
    """The platform, whose API is found at this machine's address by whoever looks it up."""
    ssm = cloud.client("ssm")
    deployed = Platform.model_validate_json(ssm.get_parameter(Name=PLATFORM_PARAMETER)["Parameter"]["Value"])
    here = deployed.model_copy(update={"api_url": api_base_url})
    ssm.put_parameter(Name=PLATFORM_PARAMETER, Value=here.model_dump_json(), Type="String", Overwrite=True)
    return here


def create_key(cloud: Cloud, platform: Platform) -> str:
    """A first key, with all scopes."""
    os.environ["AWS_ENDPOINT_URL"] = cloud.url  # the adapters take their clients from the environment
    secret, _ = Keys(platform.tables["api_keys"]).create(PROJECT, KEY_NAME, list(Scope))
    return secret


def upload_bases(cloud: Cloud, platform: Platform, bases: Iterable[Path]) -> None:
    """Put imported base models into the models bucket, each one's pointer last. What is there is left alone.

    Straight into moto's store: by HTTP the same bytes would take twice as long."""
    store = s3_backends[cloud.account]["aws"]
    for folder in bases:
        if (folder / MANIFEST).exists():  # written last: an import that was interrupted has none
            _upload_base(store, platform.models_bucket, folder)


def _upload_base(store: S3Backend, bucket: str, folder: Path) -> None:
    manifest = BaseModelManifest.model_validate_json((folder / MANIFEST).read_text())
    pointer = base_pointer_key(manifest.name)
    if store.get_object(bucket, pointer) is not None:
        return
    for path in [*(entry.path for entry in manifest.files), MANIFEST]:
        store.put_object(bucket, base_prefix(manifest.digest) + path, (folder / path).read_bytes())
    store.put_object(bucket, pointer, manifest.model_dump_json().encode())
    logger.info("uploaded the base model %s", manifest.name)


def warm_up(cloud: Cloud, platform: Platform) -> None:
    """Start a worker for each function that people wait for, one after the other and in the background: whoever comes
    earlier waits for a cold start, as in AWS."""
    backend = lambda_backends[cloud.account][cloud.region]
    chosen = [backend.get_function(platform.functions[name]) for name in WARM if name in platform.functions]

    def start_all() -> None:
        for function in chosen:
            if not cloud.stopping.is_set():
                functions_of(cloud).start(function)

    cloud.pool.submit(start_all)
