"""Folders of uploads: the files that a `_dataset.json` lists, each pinned to one version."""

from concurrent.futures import ThreadPoolExecutor

from tunesmith.adapters import objects
from tunesmith.contracts import identity
from tunesmith.contracts.artifacts import s3_uri
from tunesmith.contracts.datasets import Source, SourceKind
from tunesmith.contracts.errors import InvalidInput, NotFound
from tunesmith.contracts.folders import MOST_BYTES, MOST_SOURCE_BYTES, ListedFile, parse_folder_list

LOOKUPS_AT_ONCE = 8


def pinned_sources(bucket: str, key: str, version_id: str, size: int) -> list[Source]:
    """What the list under this key names, in its order.

    Raises InvalidInput where the list is none, where a file is missing or has not the size that was listed, and where
    a run could not carry so many.
    """
    place = s3_uri(bucket, key)
    if size > MOST_BYTES:
        raise InvalidInput(f"{place}: {size:,} bytes, expected at most {MOST_BYTES:,}")
    listed = parse_folder_list(objects.read_version(bucket, key, version_id), place)
    folder = key.rpartition("/")[0] + "/"
    with ThreadPoolExecutor(LOOKUPS_AT_ONCE) as pool:
        sources = list(pool.map(lambda file: _pinned(bucket, folder, file, place), listed.files))
    described = sum(len(source.model_dump_json().encode()) for source in sources)
    if described > MOST_SOURCE_BYTES:
        raise InvalidInput(
            f"{place}: names and versions of {len(sources)} files take {described:,} bytes, a run carries at most "
            f"{MOST_SOURCE_BYTES:,}; join files, or shorten their paths"
        )
    return sources


def _pinned(bucket: str, folder: str, file: ListedFile, place: str) -> Source:
    key = folder + file.path
    try:
        found = objects.version_of(bucket, key, file.version_id)
    except NotFound as error:
        raise InvalidInput(f"{place}: {file.path!r}: {error}; upload it, then upload the list again") from error
    if file.bytes is not None and file.bytes != found.size:
        raise InvalidInput(f"{place}: {file.path!r} has {found.size:,} bytes, the list says {file.bytes:,}")
    return Source(
        kind=SourceKind.UPLOAD,
        source_id=identity.upload_id(bucket, key, found.version_id),
        uri=s3_uri(bucket, key),
        version_id=found.version_id,
    )
