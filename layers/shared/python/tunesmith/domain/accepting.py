"""Accepting an upload: from the facts about one object version to the rows that will say so. Pure.

The clock, what lies in the buckets and the recipe that was read are passed in; nothing here looks anything up.
"""

from dataclasses import dataclass, replace

from tunesmith.contracts import identity
from tunesmith.contracts.artifacts import (
    FOLDER_LIST,
    FOLDER_LIST_KEY,
    FOLDER_MEMBER,
    UPLOAD_KEY,
    UPLOADS_PREFIX,
    s3_uri,
)
from tunesmith.contracts.base import Timestamp
from tunesmith.contracts.datasets import DatasetVersion, Source, SourceKind, Upload
from tunesmith.contracts.errors import ForgedEvent, InvalidInput
from tunesmith.contracts.events import ObjectCreated
from tunesmith.contracts.folders import MOST_SOURCE_BYTES
from tunesmith.contracts.models import UNRESOLVED, ModelReference
from tunesmith.contracts.recipes import OnUpload, Recipe
from tunesmith.contracts.runs import RunRequest, Trigger
from tunesmith.domain.job_resources import disk_problem

UNVERSIONED = (None, "", "null")
"""What S3 says of a version where a bucket keeps none."""


@dataclass(frozen=True)
class Origin:
    """Where an honest event comes from."""

    bucket: str
    account: str
    region: str


@dataclass(frozen=True)
class UploadPlace:
    """What the key of an upload says."""

    project: str
    dataset: str
    file: str


@dataclass(frozen=True)
class PinnedRecipe:
    """The recipe that holds for an upload. `problem` says why the project's own could not be used."""

    recipe: Recipe
    version_id: str | None
    problem: str | None = None


@dataclass(frozen=True)
class FolderContents:
    """What a folder's list names, each file pinned. `problem` says why the list could not be followed."""

    sources: list[Source]
    append: bool = False
    """To the dataset's newest version, instead of being all of the next."""
    problem: str | None = None

    def after(self, newest: DatasetVersion | None) -> "FolderContents":
        """With what that version is made of first, and each object version once."""
        before = newest.sources if newest else []
        known = {source.source_id for source in before}
        return replace(self, sources=[*before, *(one for one in self.sources if one.source_id not in known)])


@dataclass(frozen=True)
class Acceptance:
    """What is written about an upload, in one transaction."""

    upload: Upload
    request: RunRequest | None
    """None where the recipe says on_upload: nothing."""
    refusal: str | None
    """Why the run was recorded as failed instead of being queued."""

    @property
    def dataset_version(self) -> DatasetVersion | None:
        """What the run is about; a refused run makes no version."""
        if self.request is None or self.refusal:
            return None
        return DatasetVersion(
            project=self.request.project,
            dataset=self.request.dataset,
            version=self.request.dataset_version,
            sources=self.request.sources,
            recipe_version_id=self.upload.recipe_version_id,
            created_at=self.request.created_at,
        )


def check_origin(found: ObjectCreated, ours: Origin) -> None:
    """Raises ForgedEvent unless the event speaks of our bucket, in our account and region (S3 notifications name
    no account)."""
    claims = {
        "bucket": (found.bucket, ours.bucket),
        "account": (found.account or ours.account, ours.account),
        "region": (found.region, ours.region),
    }
    wrong = [f"{name} {claimed!r}, ours is {own!r}" for name, (claimed, own) in claims.items() if claimed != own]
    if wrong:
        raise ForgedEvent(f"event for {found.key!r} names {'; '.join(wrong)}: refused without reading the object")


def is_upload(key: str) -> bool:
    """Whether the key lies where people upload. A key that ends in a slash is only a folder's marker, and the files
    of a folder wait for its list."""
    if not key.startswith(UPLOADS_PREFIX) or key.endswith("/"):
        return False
    return is_folder_list(key) or FOLDER_MEMBER.fullmatch(key) is None


def is_folder_list(key: str) -> bool:
    """Whether this object completes a folder."""
    return FOLDER_MEMBER.fullmatch(key) is not None and key.endswith(f"/{FOLDER_LIST}")


def upload_place(key: str) -> UploadPlace:
    match = UPLOAD_KEY.fullmatch(key) or FOLDER_LIST_KEY.fullmatch(key)
    if match is None or any(part in (".", "..") for part in match["file"].split("/")):
        raise InvalidInput(
            f"key {key!r}: expected uploads/<project>/<dataset>/<file>, where project and dataset are lower-case "
            "letters, digits and hyphens; upload the file again under such a key"
        )
    return UploadPlace(**match.groupdict())


def pinned_version(found: ObjectCreated) -> str:
    """The object version that the event speaks of."""
    if found.version_id in UNVERSIONED:
        raise InvalidInput(
            f"{s3_uri(found.bucket, found.key)}: the event has no version, so the bucket is not versioned; "
            "turn versioning on for it and upload the file again"
        )
    return str(found.version_id)


def accept_upload(
    found: ObjectCreated,
    size: int,
    pinned: PinnedRecipe,
    base: ModelReference | None,
    now: Timestamp,
    contents: FolderContents | None = None,
) -> Acceptance:
    """The upload, and the run it asks for. `base` is None where the recipe names a base model that is not there;
    `contents` is None where the upload is a file of its own."""
    contents = contents or FolderContents([])
    place, recipe = upload_place(found.key), pinned.recipe
    upload_id = identity.upload_id(found.bucket, found.key, pinned_version(found))
    ids = [upload_id, *(member.source_id for member in contents.sources)]
    version = identity.dataset_version_id(ids, recipe.prepare.model_dump(mode="json"))
    source = Source(
        kind=SourceKind.UPLOAD,
        source_id=upload_id,
        uri=s3_uri(found.bucket, found.key),
        version_id=pinned_version(found),
        size=size,
    )
    sources = contents.sources or [source]
    refusal = contents.problem or _overload(found, contents) or _refusal(pinned, base)
    refusal = refusal or disk_problem(sources, recipe.prepare)
    wanted = refusal or recipe.on_upload is not OnUpload.NOTHING
    usable = UNRESOLVED if refusal or base is None else base
    request = _request(place, sources, upload_id, version, recipe, usable, now) if wanted else None
    upload = Upload(
        upload_id=upload_id,
        project=place.project,
        dataset=place.dataset,
        bucket=found.bucket,
        key=found.key,
        version_id=source.version_id,
        sequencer=found.sequencer,
        size=size,
        recipe_version_id=pinned.version_id,
        dataset_version=version,
        run_id=request.run_id if request else None,
        accepted_at=now,
    )
    return Acceptance(upload, request, refusal)


def _overload(found: ObjectCreated, contents: FolderContents) -> str | None:
    described = sum(len(source.model_dump_json().encode()) for source in contents.sources)
    if described <= MOST_SOURCE_BYTES:
        return None
    return (
        f"{s3_uri(found.bucket, found.key)}: names and versions of {len(contents.sources)} files take {described:,} "
        f"bytes, a run carries at most {MOST_SOURCE_BYTES:,}; join files, or shorten their paths"
    )


def _refusal(pinned: PinnedRecipe, base: ModelReference | None) -> str | None:
    if pinned.problem:
        return pinned.problem
    if base is None:
        return (
            f"base model {pinned.recipe.base_model!r} is not in the models bucket; import it or name another as "
            "base_model in the recipe, then upload the file again"
        )
    return None


def _request(
    place: UploadPlace,
    sources: list[Source],
    upload_id: str,
    version: str,
    recipe: Recipe,
    base: ModelReference,
    now: Timestamp,
) -> RunRequest:
    return RunRequest(
        run_id=identity.run_id(version, recipe.model_dump(mode="json"), base.digest, attempt=1),
        project=place.project,
        dataset=place.dataset,
        dataset_version=version,
        sources=sources,
        model=recipe.model or place.project,
        base=base,
        recipe=recipe,
        trigger=Trigger.UPLOAD,
        trigger_id=upload_id,
        created_at=now,
    )
