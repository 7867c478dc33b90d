"""`_dataset.json`: the list of a folder's files, whose arrival makes the folder one dataset."""

import json
from collections import Counter
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from tunesmith.contracts.base import Contract, Digest
from tunesmith.contracts.errors import InvalidInput

MOST_FILES = 200
MOST_BYTES = 1 << 20
"""Of the list itself."""
MOST_SOURCE_BYTES = 64 << 10
"""Of a dataset version's pinned sources as JSON: they stand twice in an execution's state, which Step Functions keeps
to 256 KiB."""

FilePath = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\\]+$")]


class ListedFile(Contract):
    """One file of the folder."""

    path: FilePath = Field(description="below the folder, with forward slashes")
    version_id: str | None = Field(
        default=None, alias="versionId", min_length=1, description="None: the newest when the folder is accepted"
    )
    sha256: Digest | None = Field(default=None, description="must be that of the version's bytes")
    bytes: int | None = Field(default=None, ge=0, description="must be the size of that version")

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        if any(part in ("", ".", "..") for part in path.split("/")):
            raise ValueError("expected a path below the folder, without `..`, `.` or empty parts")
        return path


class FolderList(Contract):
    """What `_dataset.json` says."""

    files: list[ListedFile] = Field(min_length=1, max_length=MOST_FILES)
    append: bool = Field(default=False, description="these files and those of the dataset's newest version")
    name: str | None = Field(default=None, max_length=200)
    description: str | None = Field(default=None, max_length=10_000)
    license: str | None = Field(default=None, max_length=200)

    @model_validator(mode="after")
    def _each_once(self) -> "FolderList":
        repeated = sorted(path for path, times in Counter(file.path for file in self.files).items() if times > 1)
        if repeated:
            raise ValueError(f"files: {repeated[0]!r} is listed more than once")
        return self


def parse_folder_list(body: bytes, place: str) -> FolderList:
    """Raises InvalidInput that names the place and every field that is wrong."""
    if len(body) > MOST_BYTES:
        raise InvalidInput(f"{place}: {len(body):,} bytes, expected at most {MOST_BYTES:,}")
    try:
        found = json.loads(body, object_pairs_hook=_once)
        return FolderList.model_validate(found)
    except ValidationError as error:
        problems = "; ".join(f"{_field(problem['loc'])}: {problem['msg']}" for problem in error.errors()[:10])
        raise InvalidInput(f"{place}: {problems}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{place}: not JSON: {error}") from error


def _field(place: tuple[int | str, ...]) -> str:
    return ".".join(map(str, place)) or "the list"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys stand once each: of two values no one knows which was meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise ValueError(f"key {repeated!r} stands there twice")
    return found
