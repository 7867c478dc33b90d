"""Files by URI: `s3://bucket/key` in AWS, plain paths on a laptop. Streams, checks digests, and writes nothing half.

Objects are fetched with one streaming GET: ranged downloads gain nothing on small machines and cost much on an
emulated S3.

boto3 is imported with the first client, unlike in the other adapters: it takes as long as a third of a job's other
imports, and jobs on files of a laptop need no other adapter.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from tunesmith.contracts.artifacts import split_s3_uri
from tunesmith.contracts.datasets import FileEntry
from tunesmith.contracts.errors import IntegrityError, NotFound, SourceGone

CHUNK = 1 << 20
MOST_IN_ONE_PUT = 5 << 30
"""S3's own limit."""
AT_ONCE = 4
"""Files that are copied side by side."""


class Storage:
    """Reads and writes whole files by URI. One instance per process; its client is made on first use."""

    @cached_property
    def _s3(self) -> Any:
        import boto3

        return boto3.client("s3")

    def open(self, uri: str, version_id: str | None = None) -> BinaryIO:
        """A stream of the file's bytes. Raises NotFound, or SourceGone where a pinned version is no longer there."""
        if not is_s3(uri):
            try:
                return Path(uri).open("rb")
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
                raise NotFound(f"no file {uri}") from error
        bucket, key = split_s3_uri(uri)
        pinned = {"VersionId": version_id} if version_id else {}
        try:
            body: BinaryIO = self._s3.get_object(Bucket=bucket, Key=key, **pinned)["Body"]
            return body
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed"):
                raise
            raise (SourceGone if version_id else NotFound)(f"no object {uri} {version_id or ''}".rstrip()) from error

    def read(self, uri: str, version_id: str | None = None) -> bytes:
        with self.open(uri, version_id) as stream:
            return stream.read()

    def read_range(self, uri: str, start: int, end: int, version_id: str | None = None) -> bytes:
        """Bytes [start, end) of the file; fewer where it ends before, none where it ends before `start`."""
        if not is_s3(uri):
            with self.open(uri) as stream:
                stream.seek(start)
                return stream.read(end - start)
        bucket, key = split_s3_uri(uri)
        pinned = {"VersionId": version_id} if version_id else {}
        try:
            answer = self._s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{end - 1}", **pinned)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("InvalidRange", "416"):
                return b""
            raise
        return bytes(answer["Body"].read())

    def size(self, uri: str, version_id: str | None = None) -> int:
        """Bytes of the file. Raises NotFound, or SourceGone where a pinned version is no longer there."""
        if not is_s3(uri):
            with self.open(uri) as stream:
                return stream.seek(0, os.SEEK_END)
        bucket, key = split_s3_uri(uri)
        pinned = {"VersionId": version_id} if version_id else {}
        try:
            return int(self._s3.head_object(Bucket=bucket, Key=key, **pinned)["ContentLength"])
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "NoSuchVersion", "405"):
                raise
            raise (SourceGone if version_id else NotFound)(f"no object {uri} {version_id or ''}".rstrip()) from error

    def read_text(self, uri: str, version_id: str | None = None) -> str:
        return self.read(uri, version_id).decode()

    def read_if_there(self, uri: str) -> bytes | None:
        try:
            return self.read(uri)
        except NotFound:
            return None

    def exists(self, uri: str) -> bool:
        if not is_s3(uri):
            return Path(uri).exists()
        bucket, key = split_s3_uri(uri)
        try:
            self._s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
                return False
            raise
        return True

    def write(self, uri: str, body: bytes | str, content_type: str = "application/octet-stream") -> None:
        """Write the whole file; a reader sees the old one or the new one, never a part."""
        content = body.encode() if isinstance(body, str) else body
        if is_s3(uri):
            bucket, key = split_s3_uri(uri)
            self._s3.put_object(Bucket=bucket, Key=key, Body=content, ContentType=content_type)
            return
        with _replacing(Path(uri)) as target:
            target.write(content)

    def upload(self, file: Path, uri: str) -> None:
        """Copy a local file to `uri`."""
        if is_s3(uri):
            from boto3.s3.transfer import TransferConfig

            bucket, key = split_s3_uri(uri)
            whole = TransferConfig(multipart_threshold=MOST_IN_ONE_PUT)
            self._s3.upload_file(str(file), bucket, key, Config=whole)
            return
        with _replacing(Path(uri)) as target, file.open("rb") as source:
            shutil.copyfileobj(source, target, CHUNK)

    def download(self, uri: str, target: Path, sha256: str | None = None, version_id: str | None = None) -> Path:
        """Copy the file to `target`. Raises IntegrityError, and leaves nothing behind, where its digest is not
        `sha256`."""
        seen = hashlib.sha256()
        with self.open(uri, version_id) as source, _replacing(target, expect=(sha256, seen, uri)) as out:
            while chunk := source.read(CHUNK):
                seen.update(chunk)
                out.write(chunk)
        return target

    def fetch(self, uri: str, target: Path, sha256: str | None = None, version_id: str | None = None) -> Path:
        """The file to read: a local one where it lies, unless its digest is to be checked; else a copy at `target`."""
        if not is_s3(uri) and sha256 is None and Path(uri).is_file():
            return Path(uri)
        return self.download(uri, target, sha256, version_id)

    def files_under(self, folder_uri: str) -> Iterator[str]:
        """URIs of all files below the folder, in order of name."""
        if not is_s3(folder_uri):
            root = Path(folder_uri)
            yield from (str(path) for path in sorted(root.rglob("*")) if path.is_file())
            return
        bucket, prefix = split_s3_uri(folder_uri)
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for found in page.get("Contents", []):
                yield f"s3://{bucket}/{found['Key']}"

    def download_folder(self, folder_uri: str, files: list[FileEntry], target: Path) -> Path:
        """Copy the listed files, each checked against its digest."""
        for entry in files:
            self.download(folder_uri + entry.path, target / entry.path, sha256=entry.sha256)
        return target

    def upload_folder(self, folder: Path, folder_uri: str, files: list[FileEntry]) -> None:
        """Copy the listed files, several at once; after an error no further one is begun. What comes last, such as a
        manifest, is not for here."""
        if is_s3(folder_uri):
            _ = self._s3  # which threads would make several times

        def upload(entry: FileEntry) -> None:
            self.upload(folder / entry.path, folder_uri + entry.path)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            uploads = [pool.submit(upload, entry) for entry in files]
            done, left = wait(uploads, return_when=FIRST_EXCEPTION)
            for one in left:
                one.cancel()
            for one in done:
                one.result()


def is_s3(uri: str) -> bool:
    return uri.startswith("s3://")


def beside(uri: str, name: str) -> str:
    """The URI of `name` in the folder of `uri`."""
    folder, slash, _ = uri.rpartition("/")
    return folder + slash + name


def file_entry(folder: Path, path: str) -> FileEntry:
    """Name, size and digest of a local file."""
    file = folder / path
    with file.open("rb") as stream:
        return FileEntry(path=path, bytes=file.stat().st_size, sha256=hashlib.file_digest(stream, "sha256").hexdigest())


class _replacing:
    """A file that appears under its name whole, synced, with the digest expected of it, or not at all."""

    def __init__(self, target: Path, expect: tuple[str | None, Any, str] | None = None):
        self._target, self._expect = target, expect

    def __enter__(self) -> BinaryIO:
        self._target.parent.mkdir(parents=True, exist_ok=True)
        handle, self._temporary = tempfile.mkstemp(dir=self._target.parent, prefix=".partial-")
        self._file = os.fdopen(handle, "wb")
        return self._file

    def __exit__(self, kind: Any, *_: Any) -> None:
        try:
            if kind is None:
                self._check()
                self._file.flush()
                os.fsync(self._file.fileno())
                Path(self._temporary).rename(self._target)
        finally:
            self._file.close()
            Path(self._temporary).unlink(missing_ok=True)

    def _check(self) -> None:
        if self._expect and self._expect[0] and self._expect[0] != self._expect[1].hexdigest():
            raise IntegrityError(
                f"{self._expect[2]}: expected sha256 {self._expect[0]}, found {self._expect[1].hexdigest()}"
            )
