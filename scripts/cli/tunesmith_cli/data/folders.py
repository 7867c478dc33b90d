"""Several files as one dataset: each put under a folder that their contents name, and `_dataset.json` last.

The same files have the same folder, so pushing them again finds what is there already.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from tunesmith.adapters import objects, runs, uploads
from tunesmith.contracts.artifacts import FOLDER_LIST, recipe_key, upload_key
from tunesmith.contracts.errors import InvalidInput, NotFound
from tunesmith.contracts.folders import FolderList, ListedFile, parse_folder_list
from tunesmith.contracts.identity import digest, upload_id
from tunesmith.contracts.runs import RunStatus
from tunesmith_cli import account
from tunesmith_cli.console import err, fail
from tunesmith_cli.data.collecting import LocalFile

CHUNK = 1 << 20
AT_ONCE = 8
COLUMNS = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())


@dataclass(frozen=True)
class Place:
    """Where in the uploads bucket a dataset lies."""

    project: str
    dataset: str

    @property
    def bucket(self) -> str:
        return account.platform().uploads_bucket


@dataclass(frozen=True)
class Pushed:
    """A folder whose list is there."""

    bucket: str
    key: str
    """Of the list."""
    version_id: str
    listed: FolderList
    repeated: bool
    """It was pushed before, and accepted under the same recipe: nothing was uploaded."""

    @property
    def upload_id(self) -> str:
        return upload_id(self.bucket, self.key, self.version_id)

    def told(self) -> dict[str, Any]:
        facts = {"bucket": self.bucket, "key": self.key, "version_id": self.version_id, "repeated": self.repeated}
        return facts | self.listed.model_dump(mode="json", include={"append", "files"})


def push_folder(files: Sequence[LocalFile], place: Place, append: bool) -> Pushed:
    """Upload what is not there yet, and then the list of all."""
    with Progress(*COLUMNS, console=err, transient=True) as progress:
        wanted = FolderList(files=_described(files, progress), append=append)
        folder = digest([[file.path, file.sha256] for file in wanted.files])[:16]
        key = upload_key(place.project, place.dataset, f"{folder}/{FOLDER_LIST}")
        before = _pushed_before(place, key, wanted)
        if before:
            return before
        bar = progress.add_task(f"Uploading {len(files)} files", total=sum(file.bytes or 0 for file in wanted.files))
        put = partial(_put, place.bucket, key.removesuffix(FOLDER_LIST), partial(progress.advance, bar))
        listed = wanted.model_copy(update={"files": _each("uploading", put, files, wanted.files)})
    body = listed.model_dump_json(by_alias=True, exclude_none=True).encode()
    answer = account.client("s3").put_object(Bucket=place.bucket, Key=key, Body=body, ContentType="application/json")
    return Pushed(place.bucket, key, answer["VersionId"], listed, repeated=False)


def _described(files: Sequence[LocalFile], progress: Progress) -> list[ListedFile]:
    bar = progress.add_task(f"Reading {len(files)} files", total=sum(file.size for file in files))
    found = _each("reading", partial(_describe, partial(progress.advance, bar)), files)
    progress.remove_task(bar)
    return found


def _describe(advance: Callable[[int], None], file: LocalFile) -> ListedFile:
    seen, size = hashlib.sha256(), 0
    with file.path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            seen.update(chunk)
            size += len(chunk)
            advance(len(chunk))
    return ListedFile(path=file.name, sha256=seen.hexdigest(), bytes=size)


def _put(bucket: str, folder: str, advance: Callable[[int], None], file: LocalFile, listed: ListedFile) -> ListedFile:
    """Where the same bytes lie under the key already, they are not sent again. S3 refuses bytes that are no longer
    those that were listed."""
    key, there = folder + listed.path, _stored(bucket, folder + listed.path)
    if there and (there.sha256, there.size) == (listed.sha256, listed.bytes):
        advance(there.size)
        return listed.model_copy(update={"version_id": there.version_id})
    checksum = base64.b64encode(bytes.fromhex(listed.sha256 or "")).decode()
    with file.path.open("rb") as stream:
        answer = account.client("s3").put_object(
            Bucket=bucket, Key=key, Body=Counted(stream, advance), ChecksumAlgorithm="SHA256", ChecksumSHA256=checksum
        )
    return listed.model_copy(update={"version_id": answer["VersionId"]})


def _each(doing: str, work: Callable[..., ListedFile], files: Sequence[LocalFile], *more: Any) -> list[ListedFile]:
    """The work on every file, several at once; what fails names its file, and stops the rest."""
    done = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for file, future in zip(
            files, [pool.submit(work, *each) for each in zip(files, *more, strict=True)], strict=True
        ):
            try:
                done.append(future.result())
            except (OSError, ClientError, BotoCoreError) as error:
                pool.shutdown(wait=True, cancel_futures=True)
                raise fail(
                    f"{file.path}: {doing} failed: {error}", "push again; what is there is not sent twice"
                ) from error
            except ValidationError as error:
                reasons = "; ".join(problem["msg"] for problem in error.errors())
                raise fail(f"{file.path}: its name {file.name!r} cannot be used: {reasons}", "rename it") from error
    return done


class Counted:
    """A file that tells how far it was read. The SDK reads some files twice: that takes the count back."""

    def __init__(self, file: BinaryIO, advance: Callable[[int], None]):
        self._file, self._advance, self._told = file, advance, 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        at = self._file.tell()
        self._advance(at - self._told)
        self._told = at
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _pushed_before(place: Place, key: str, wanted: FolderList) -> Pushed | None:
    """The same list, if it is there and another would bring nothing new: it waits to be accepted, or was accepted under
    the recipe that holds now and its run has not failed."""
    try:
        body, version_id = objects.read_current(place.bucket, key)
        listed = parse_folder_list(body, key)
    except (NotFound, InvalidInput):
        return None
    if _essence(listed) != _essence(wanted):
        return None
    found = Pushed(place.bucket, key, version_id, listed, repeated=True)
    tables = account.platform().tables
    accepted = uploads.find_upload(tables["uploads"], found.upload_id)
    if accepted is None:
        return found
    recipe = _stored(place.bucket, recipe_key(place.project))
    if accepted.recipe_version_id != (recipe.version_id if recipe else None):
        return None
    run = runs.find_run(tables["runs"], accepted.run_id) if accepted.run_id else None
    return None if run and run.status in (RunStatus.FAILED, RunStatus.CANCELLED) else found


def _essence(listed: FolderList) -> Any:
    return listed.append, sorted((file.path, file.sha256 or "") for file in listed.files)


def _stored(bucket: str, key: str) -> objects.StoredVersion | None:
    try:
        return objects.version_of(bucket, key, None)
    except NotFound:
        return None
