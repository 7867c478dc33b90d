"""Objects of S3 as files of a container: downloaded once per content, linked into place."""

import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.local_cloud.cloud import Cloud

CHUNK = 1 << 20


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key, of s3://bucket/key and of the https form that CDK writes."""
    parts = urlsplit(uri)
    if parts.scheme == "s3":
        return parts.netloc, parts.path.lstrip("/")
    bucket, _, key = parts.path.lstrip("/").partition("/")
    return bucket, key


class ObjectFiles:
    """A cache of objects by ETag and size: a base model of hundreds of megabytes is read once."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._folder = cloud, cloud.state_dir / "objects"
        self._lock = threading.Lock()

    def place_prefix(self, uri: str, folder: Path) -> None:
        """All objects under the prefix, as files below the folder. Raises FileNotFoundError if there are none."""
        bucket, prefix = split_uri(uri)
        found = list(self._objects(bucket, prefix))
        if not found:
            raise FileNotFoundError(f"there is no object under {uri}")
        for item in found:
            relative = item["Key"].removeprefix(prefix).lstrip("/") or Path(item["Key"]).name
            self._link(self._cached(bucket, item), _inside(folder, relative))

    def place_archive(self, uri: str, folder: Path) -> None:
        """The files of a .tar.gz, below the folder."""
        bucket, key = split_uri(uri)
        item = self._cloud.client("s3").head_object(Bucket=bucket, Key=key)
        cached = self._cached(bucket, {"Key": key, "ETag": item["ETag"], "Size": item["ContentLength"]})
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(cached, "r:gz") as archive:
            archive.extractall(folder, filter="data")

    def _objects(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        for page in self._cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from (item for item in page.get("Contents", ()) if not item["Key"].endswith("/"))

    def _cached(self, bucket: str, item: dict[str, Any]) -> Path:
        name = item["ETag"].strip('"')
        cached = self._folder / f"{name}-{item['Size']}"
        with self._lock:
            if not cached.exists():
                self._download(bucket, item["Key"], cached)
        return cached

    def _download(self, bucket: str, key: str, cached: Path) -> None:
        """In one stream: ranged reads make moto read the whole object each time."""
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(".partial")
        body = self._cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
        with partial.open("wb") as file:
            for chunk in body.iter_chunks(CHUNK):
                file.write(chunk)
        partial.chmod(0o444)  # containers share it
        partial.rename(cached)

    @staticmethod
    def _link(cached: Path, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(cached, path)


def _inside(folder: Path, relative: str) -> Path:
    path = folder / relative
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"the key {relative!r} leads out of the model's folder")
    return path
