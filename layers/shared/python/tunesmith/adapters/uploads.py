"""Acceptance of uploads: an object version becomes its rows, once, whoever announces it and however often.

The one way in, for events and for the reconciler: look the facts up, let `domain.accepting` decide, write the
upload, its dataset version and its queued run in one transaction. The run's row starts the execution by its stream.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tunesmith.adapters import bases, datasets, dynamo, folders, objects, recipes, runs
from tunesmith.adapters.dynamo import Put
from tunesmith.contracts import identity
from tunesmith.contracts.artifacts import UPLOADS_PREFIX
from tunesmith.contracts.base import Timestamp
from tunesmith.contracts.datasets import DatasetVersion, Upload
from tunesmith.contracts.environment import AcceptUploadEnv
from tunesmith.contracts.errors import Conflict, InvalidInput
from tunesmith.contracts.events import ObjectCreated
from tunesmith.contracts.runs import Run, RunStatus
from tunesmith.domain import accepting
from tunesmith.domain.accepting import Acceptance, FolderContents, UploadPlace

KEY = ("upload_id",)
ATTEMPTS = 12
LONGEST_PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Outcome:
    """What came of an announcement."""

    upload: Upload
    repeated: bool
    """The upload was accepted before: nothing was written."""
    refusal: str | None = None
    """Its run was recorded as failed, for this reason."""


def accept(env: AcceptUploadEnv, found: ObjectCreated, now: Timestamp) -> Outcome:
    """Accept an object version, whose origin was checked. A repeat costs one read.

    Raises InvalidInput where the key is none for uploads or the bucket is not versioned, SourceGone where the
    version was deleted meanwhile.
    """
    place, version_id = accepting.upload_place(found.key), accepting.pinned_version(found)
    upload_id = identity.upload_id(found.bucket, found.key, version_id)
    if known := find_upload(env.uploads_table, upload_id):
        return Outcome(known, repeated=True)
    size = objects.size_of(found.bucket, found.key, version_id)
    pinned = recipes.pinned_recipe(env.uploads_bucket, place.project)
    base = bases.find_base(env.models_bucket, pinned.recipe.base_model)
    contents = _contents(found, version_id, size)
    for pause in _pauses():
        newest = _appended_to(env, place, contents)
        whole = contents.after(newest) if contents else None
        acceptance = accepting.accept_upload(found, size, pinned, base, now, whole)
        if dynamo.transact(_writes(env, acceptance) + _pointer(env, acceptance, contents, newest)):
            return Outcome(acceptance.upload, repeated=False, refusal=acceptance.refusal)
        if known := find_upload(env.uploads_table, upload_id):
            return Outcome(known, repeated=True)
        time.sleep(pause)
    raise Conflict(f"upload {upload_id} of {found.key} met others {ATTEMPTS} times; deliver the event again")


def _contents(found: ObjectCreated, version_id: str, size: int) -> FolderContents | None:
    """A list that cannot be followed is told, not raised: the folder must still be recorded."""
    if not accepting.is_folder_list(found.key):
        return None
    try:
        return folders.read_folder(found.bucket, found.key, version_id, size)
    except InvalidInput as error:
        return FolderContents([], problem=str(error))


def find_upload(table: str, upload_id: str) -> Upload | None:
    row = dynamo.get(table, {"upload_id": upload_id})
    return Upload.model_validate_json(row["document"]) if row and "document" in row else None


def record_unusable(env: AcceptUploadEnv, found: ObjectCreated, reason: str, now: Timestamp) -> None:
    """An object version that can never be accepted is known from now on, and looked at no more."""
    row = {
        "upload_id": identity.upload_id(found.bucket, found.key, found.version_id or ""),
        "key": found.key,
        "unusable": reason,
        "seen_at": now,
        "owner": dynamo.owner_token(),
    }
    dynamo.put(Put.new(env.uploads_table, row, KEY))


def unaccepted(env: AcceptUploadEnv, region: str) -> list[ObjectCreated]:
    """Object versions that lie among the uploads and have no row: events lost them. Their sequencer is unknown."""
    known = {row["upload_id"] for row in dynamo.scan(env.uploads_table)}
    return [
        ObjectCreated(
            bucket=env.uploads_bucket,
            key=stored.key,
            version_id=stored.version_id,
            sequencer="",
            size=stored.size,
            account=None,
            region=region,
        )
        for stored in objects.versions_under(env.uploads_bucket, UPLOADS_PREFIX)
        if accepting.is_upload(stored.key)
        and identity.upload_id(env.uploads_bucket, stored.key, stored.version_id) not in known
    ]


def _appended_to(env: AcceptUploadEnv, place: UploadPlace, contents: FolderContents | None) -> DatasetVersion | None:
    if contents is None or not contents.append:
        return None
    return datasets.newest_upload(env.datasets_table, place.project, place.dataset)


def _pointer(
    env: AcceptUploadEnv, acceptance: Acceptance, contents: FolderContents | None, seen: DatasetVersion | None
) -> list[Put]:
    """The version becomes its dataset's newest. What appends must not lose what came since it looked."""
    version = acceptance.dataset_version
    if version is None:
        return []
    if contents and contents.append:
        return [datasets.point_on(env.datasets_table, version, seen, dynamo.owner_token())]
    return [datasets.point_to(env.datasets_table, version, dynamo.owner_token())]


def _pauses() -> Iterator[float]:
    """How long to wait after each attempt: longer each time, and never the same for two who collided."""
    for attempt in range(ATTEMPTS):
        yield random.uniform(0, min(LONGEST_PAUSE_SECONDS, 0.005 * 2**attempt))


def _writes(env: AcceptUploadEnv, acceptance: Acceptance) -> list[Put]:
    owner = dynamo.owner_token()
    upload, request, version = acceptance.upload, acceptance.request, acceptance.dataset_version
    row = {
        "upload_id": upload.upload_id,
        "run_id": upload.run_id,
        "document": upload.model_dump_json(),
        "owner": owner,
    }
    writes = [Put.new(env.uploads_table, row, KEY)]
    if version:
        writes.append(datasets.new_version(env.datasets_table, version, owner))
    if request:
        status = RunStatus.FAILED if acceptance.refusal else RunStatus.QUEUED
        reasons = [acceptance.refusal] if acceptance.refusal else []
        run = Run(request=request, status=status, reasons=reasons, updated_at=request.created_at)
        writes.append(runs.new_run(env.runs_table, run, owner))
    return writes
