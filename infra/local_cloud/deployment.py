"""Deploys a cloud assembly into the local cloud, as `cdk deploy` does into AWS: assets first, then stack by stack."""

import logging
import time
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from botocore.exceptions import ClientError

from infra.local_cloud.assembly import Assembly, FileAsset, StackArtifact
from infra.local_cloud.cloud import Cloud

logger = logging.getLogger(__name__)

BOOTSTRAP_PARAMETER, BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version", "30"
Outputs = dict[str, str]


class DeployFailed(Exception):
    """A stack could not be created or changed."""


def deploy(cloud: Cloud, assembly: Assembly) -> dict[str, Outputs]:
    """Create or change all stacks; answers each one's outputs."""
    cloud.images.update({name: image.job for image in assembly.images() for name in (image.uri, image.tag)})
    _bootstrap(cloud)
    publish(cloud, assembly)
    return {stack.name: _deploy_stack(cloud, stack) for stack in assembly.stacks()}


def publish(cloud: Cloud, assembly: Assembly) -> None:
    """Put all file assets into their buckets."""
    files, s3 = set(assembly.files()), cloud.client("s3")
    for bucket in {asset.bucket for asset in files}:
        s3.create_bucket(Bucket=bucket)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda asset: _publish_file(cloud, asset), files))


def _publish_file(cloud: Cloud, asset: FileAsset) -> None:
    file = _zipped(asset, cloud.state_dir / "assets") if asset.is_folder else asset.source
    with file.open("rb") as body:
        cloud.client("s3").put_object(Bucket=asset.bucket, Key=asset.key, Body=body)


def _zipped(asset: FileAsset, cache: Path) -> Path:
    """The asset as a zip, kept under its key, which is the digest of its content."""
    target = cache / asset.key
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = cache / f".{uuid.uuid4().hex}"
        with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for file in sorted(path for path in asset.source.rglob("*") if path.is_file()):
                archive.write(file, file.relative_to(asset.source))
        fresh.rename(target)
    return target


def _bootstrap(cloud: Cloud) -> None:
    """What `cdk bootstrap` leaves in an account and templates look for."""
    cloud.client("ssm").put_parameter(Name=BOOTSTRAP_PARAMETER, Value=BOOTSTRAP_VERSION, Type="String", Overwrite=True)


def _deploy_stack(cloud: Cloud, stack: StackArtifact) -> Outputs:
    cloudformation, began = cloud.client("cloudformation"), time.monotonic()
    request = {"StackName": stack.name, "TemplateURL": stack.template_url}
    try:
        if _exists(cloud, stack.name):
            cloudformation.update_stack(**request)
        else:
            cloudformation.create_stack(**request, Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"])
    except ClientError as error:
        raise DeployFailed(f"stack {stack.name}: {error.response['Error']['Message']}") from error
    found = cloudformation.describe_stacks(StackName=stack.name)["Stacks"][0]
    logger.info("%s %s in %.1f s", stack.name, found["StackStatus"], time.monotonic() - began)
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}


def _exists(cloud: Cloud, name: str) -> bool:
    try:
        cloud.client("cloudformation").describe_stacks(StackName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        return False
    return True
