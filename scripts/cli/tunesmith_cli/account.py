"""Which platform a command talks to: the local cloud that runs here, or the one in the user's AWS account.

`TUNESMITH_TARGET=local|aws` decides; without it, a running local cloud is taken, else AWS by the usual credentials.
"""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from tunesmith.contracts.platform import PLATFORM_PARAMETER, Platform
from tunesmith_cli.console import fail

STATE_DIR = Path(os.environ.get("TUNESMITH_STATE_DIR", ".tunesmith/cloud"))


@dataclass(frozen=True)
class LocalState:
    """What a running local cloud says of itself."""

    endpoint_url: str
    api_base_url: str
    api_key: str
    console_url: str | None
    state_dir: str
    pid: int
    region: str


def local_state(state_dir: Path | None = None) -> LocalState | None:
    """The local cloud that runs with this state directory, or None."""
    file = (state_dir or STATE_DIR) / "state.json"
    if not file.is_file():
        return None
    from infra.local_cloud import state  # where only AWS is talked to, it need not be installed

    try:
        found = state.read(file.parent)
    except (ValueError, TypeError) as error:
        raise fail(f"{file} does not describe a local cloud: {error}", "remove it, then: tunesmith local up") from error
    if found is None:
        return None
    return LocalState(**{name: getattr(found, name) for name in LocalState.__dataclass_fields__})


@cache
def target() -> str:
    """`local` or `aws`; for `local`, boto3 is pointed at the local cloud from here on."""
    wanted = os.environ.get("TUNESMITH_TARGET")
    if wanted not in (None, "local", "aws"):
        raise fail(f"TUNESMITH_TARGET={wanted}", "set it to local or aws, or unset it")
    state = None if wanted == "aws" else local_state()
    if state is None and wanted == "local":
        raise fail("no local cloud runs here", "start one: tunesmith local up --detach")
    if state is None:
        return "aws"
    use(state)
    return "local"


def use(state: LocalState) -> None:
    """Point this process's AWS clients at a local cloud."""
    os.environ |= {
        "AWS_ENDPOINT_URL": state.endpoint_url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": state.region,
        "AWS_REGION": state.region,
    }
    os.environ.pop("AWS_PROFILE", None)
    os.environ.pop("AWS_SESSION_TOKEN", None)


def client(service: str) -> Any:
    """A boto3 client of the platform's account."""
    target()
    return boto3.client(service)


@cache
def operator() -> str:
    """Who gives this command, as AWS knows them: it goes into reasons and histories."""
    arn: str = client("sts").get_caller_identity()["Arn"]
    return arn.rpartition(":")[2]


@cache
def platform() -> Platform:
    """Where the parts of the deployed platform are."""
    try:
        value = client("ssm").get_parameter(Name=PLATFORM_PARAMETER)["Parameter"]["Value"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise fail(f"AWS refused: {error}", "tunesmith doctor says what is missing") from error
        raise fail(
            f"tunesmith is not deployed in this account and region (no parameter {PLATFORM_PARAMETER})",
            "deploy it (cdk deploy --all), or run it here: tunesmith local up --detach",
        ) from error
    except BotoCoreError as error:
        raise fail(
            f"cannot reach AWS: {error}", "set credentials and AWS_DEFAULT_REGION, or: tunesmith local up"
        ) from error
    try:
        return Platform.model_validate_json(value)
    except ValidationError as error:
        raise fail(
            f"the platform was deployed by another version of tunesmith ({error.error_count()} facts differ)",
            "deploy this one: cdk deploy --all, or: tunesmith local down, then up",
        ) from error
