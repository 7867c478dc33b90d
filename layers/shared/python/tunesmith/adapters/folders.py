"""Folders of uploads: the files that a `_dataset.json` lists, each pinned to one version."""

from concurrent.futures import ThreadPoolExecutor

from tunesmith.adapters import objects
from tunesmith.adapters.objects import StoredVersion
from tunesmith.contracts import identity
from tunesmith.contracts.artifacts import s3_uri
from tunesmith.contracts.datasets import Source, SourceKind
from tunesmith.contracts.errors import InvalidInput, NotFound
from tunesmith.contracts.folders import MOST_BYTES, ListedFile, parse_folder_list
from tunesmith.domain.accepting import FolderContents

LOOKUPS_AT_ONCE = 8


def read_folder(bucket: str, key: str, version_id: str, size: int) -> FolderContents:
    """What the list under this key names, in its order.

    Raises InvalidInput where the list is none, and where a file is missing or is not as it was listed.
    """
    place = s3_uri(bucket, key)
    if size > MOST_BYTES:
        raise InvalidInput(f"{place}: {size:,} bytes, expected at most {MOST_BYTES:,}")
    listed = parse_folder_list(objects.read_version(bucket, key, version_id), place)
    folder = key.rpartition("/")[0] + "/"
    with ThreadPoolExecutor(LOOKUPS_AT_ONCE) as pool:
        sources = list(pool.map(lambda file: _pinned(bucket, folder, file, place), listed.files))
    return FolderContents(sources, append=listed.append)


def _pinned(bucket: str, folder: str, file: ListedFile, place: str) -> Source:
    key = folder + file.path
    try:
        found = objects.version_of(bucket, key, file.version_id)
    except NotFound as error:
        raise InvalidInput(f"{place}: {file.path!r}: {error}; upload it, then upload the list again") from error
    _check_listed(file, found, place)
    return Source(
        kind=SourceKind.UPLOAD,
        source_id=identity.upload_id(bucket, key, found.version_id),
        uri=s3_uri(bucket, key),
        version_id=found.version_id,
        sha256=None if found.sha256 else file.sha256,  # what S3 does not know, the job compares
        size=found.size,
    )


def _check_listed(file: ListedFile, found: StoredVersion, place: str) -> None:
    if file.bytes is not None and file.bytes != found.size:
        raise InvalidInput(f"{place}: {file.path!r} has {found.size:,} bytes, the list says {file.bytes:,}")
    if file.sha256 and found.sha256 and file.sha256 != found.sha256:
        raise InvalidInput(
            f"{place}: {file.path!r} has sha256 {found.sha256}, the list says {file.sha256}; upload the file again, "
            "then the list"
        )
