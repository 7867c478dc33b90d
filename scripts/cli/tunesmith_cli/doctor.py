"""`tunesmith doctor`: what stands between you and a run."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass

import typer
from botocore.exceptions import BotoCoreError, ClientError

from tunesmith.contracts.artifacts import base_pointer_key
from tunesmith.contracts.platform import PLATFORM_PARAMETER
from tunesmith.contracts.recipes import Recipe
from tunesmith_cli import account
from tunesmith_cli.console import AsJson, out, print_json, table

GPU_VCPU_QUOTA = ("ec2", "L-DB2E81BA", "Running On-Demand G and VT instances, in vCPUs")


@dataclass(frozen=True)
class Check:
    name: str
    ok: bool
    found: str
    do: str = ""


def doctor(as_json: AsJson = False) -> None:
    """Check credentials, region, deployment, base model and quotas; say what to do about what is missing. Exit
    code 1 if anything is.

    Example:

        tunesmith doctor --json
    """
    checks = [_target()]
    for check in (_credentials, _bootstrap, _deployed, _base_model, _gpu_quota, _disk):
        checks.append(_guarded(check))
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        rows = [("[ok]" if check.ok else "[!!]", check.name, check.found, check.do) for check in checks]
        out.print(table("doctor", ("", "check", "found", "do"), rows))
    raise typer.Exit(0 if all(check.ok for check in checks) else 1)


def _guarded(check: Callable[[], Check]) -> Check:
    name = check.__name__.strip("_").replace("_", " ")
    try:
        return check()
    except ClientError as error:
        return Check(name, False, error.response["Error"]["Code"], error.response["Error"]["Message"])
    except BotoCoreError as error:
        return Check(name, False, type(error).__name__, str(error))
    except typer.Exit:  # it has said why
        return Check(name, False, "not known: the platform was not found", "mend what stands above first")


def _target() -> Check:
    return Check("target", True, "the local cloud on this machine" if account.target() == "local" else "AWS")


def _credentials() -> Check:
    who = account.client("sts").get_caller_identity()
    return Check("credentials", True, who["Arn"])


def _bootstrap() -> Check:
    names = account.client("ssm").get_parameters(Names=["/cdk-bootstrap/hnb659fds/version"])["Parameters"]
    if names or account.target() == "local":
        return Check("bootstrap", True, f"version {names[0]['Value']}" if names else "not needed on this machine")
    return Check("bootstrap", False, "this account and region are not bootstrapped", "cdk bootstrap")


def _deployed() -> Check:
    found = account.client("ssm").get_parameters(Names=[PLATFORM_PARAMETER])["Parameters"]
    if found:
        return Check("deployed", True, account.platform().api_url)
    return Check(
        "deployed", False, "tunesmith is not deployed here", "cdk deploy --all, or: tunesmith local up --detach"
    )


def _base_model() -> Check:
    name = Recipe().base_model
    bucket = account.platform().models_bucket
    listed = account.client("s3").list_objects_v2(Bucket=bucket, Prefix=base_pointer_key(name), MaxKeys=1)
    if listed.get("KeyCount"):
        return Check("base model", True, name)
    return Check("base model", False, f"{name} is not imported", f"tunesmith models import {name}")


def _gpu_quota() -> Check:
    if account.target() == "local":
        return Check("gpu quota", True, "not needed on this machine")
    service, code, words = GPU_VCPU_QUOTA
    value = account.client("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"]
    if value >= 4:
        return Check("gpu quota", True, f"{words}: {value:.0f}")
    return Check("gpu quota", False, f"{words}: {value:.0f}", f"ask for 8 or more: quota {code} of {service}")


def _disk() -> Check:
    free = shutil.disk_usage(".").free / 1e9
    return Check(
        "disk", free > 5, f"{free:.0f} GB free here", "" if free > 5 else "free 5 GB: models and images need it"
    )
