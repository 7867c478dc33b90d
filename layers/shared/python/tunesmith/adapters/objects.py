"""S3 objects by their versions: what is pinned, listed and written once."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError

from tunesmith.contracts.artifacts import s3_uri
from tunesmith.contracts.errors import NotFound, SourceGone

ABSENT = {"404", "405", "NoSuchKey", "NoSuchVersion", "NotFound", "MethodNotAllowed"}
"""How S3 says that there is nothing, or only a delete marker."""


@cache
def client() -> Any:
    """The process's one S3 client for versioned objects."""
    return boto3.client("s3")


@dataclass(frozen=True)
class StoredVersion:
    """One object version, as a listing gives it."""

    key: str
    version_id: str
    size: int
    sha256: str | None = None
    """Hexadecimal, where S3 keeps it of the whole object and was asked."""


def read_current(bucket: str, key: str) -> tuple[bytes, str]:
    """The newest version's bytes, and which version that is: one call, so that the two belong together."""
    try:
        found = client().get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ABSENT:
            raise
        raise NotFound(f"no object {s3_uri(bucket, key)}") from error
    return found["Body"].read(), found["VersionId"]


def size_of(bucket: str, key: str, version_id: str) -> int:
    """Bytes of a version. Raises SourceGone where it was removed, or where its key was deleted meanwhile."""
    try:
        client().head_object(Bucket=bucket, Key=key)
        return int(client().head_object(Bucket=bucket, Key=key, VersionId=version_id)["ContentLength"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in ABSENT:
            raise
        raise SourceGone(f"{s3_uri(bucket, key)} version {version_id} was deleted before it was accepted") from error


def read_version(bucket: str, key: str, version_id: str) -> bytes:
    """Raises SourceGone where the version was removed."""
    try:
        return bytes(client().get_object(Bucket=bucket, Key=key, VersionId=version_id)["Body"].read())
    except ClientError as error:
        if error.response["Error"]["Code"] not in ABSENT:
            raise
        raise SourceGone(f"{s3_uri(bucket, key)} version {version_id} was deleted") from error


def version_of(bucket: str, key: str, version_id: str | None) -> StoredVersion:
    """This version of the key, or its newest. Raises NotFound where there is none."""
    wanted = {"VersionId": version_id} if version_id else {}
    try:
        found = client().head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED", **wanted)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ABSENT | {"400"}:
            raise
        version = f" version {version_id}" if version_id else ""
        raise NotFound(f"no object {s3_uri(bucket, key)}{version}") from error
    return StoredVersion(key, found["VersionId"], found["ContentLength"], _whole_sha256(found))


def _whole_sha256(head: dict[str, Any]) -> str | None:
    """S3's own SHA-256 of an object; that of an upload in parts is over its parts' checksums, and tells nothing."""
    told = head.get("ChecksumSHA256")
    if not told or head.get("ChecksumType") == "COMPOSITE" or "-" in told:
        return None
    return base64.b64decode(told).hex()


def versions_under(bucket: str, prefix: str) -> Iterator[StoredVersion]:
    """Every version below the prefix whose key is not deleted.

    S3 lists a key's newest entry first, so its delete marker is met no later than its versions.
    """
    pages = client().get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    deleted: set[str] = set()
    for page in pages:
        deleted |= {marker["Key"] for marker in page.get("DeleteMarkers", []) if marker["IsLatest"]}
        for version in page.get("Versions", []):
            if version["Key"] not in deleted:
                yield StoredVersion(version["Key"], version["VersionId"], version["Size"])


def write_once(bucket: str, key: str, body: bytes, content_type: str) -> str:
    """Write under a key that names its content, unless it is there; the version that holds it."""
    try:
        written = client().put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type, IfNoneMatch="*")
    except ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise
        return str(client().head_object(Bucket=bucket, Key=key)["VersionId"])
    return str(written["VersionId"])
