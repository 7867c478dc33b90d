"""Which files make one dataset: those that were named, and all below the folders that were named."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tunesmith.contracts.artifacts import FOLDER_LIST
from tunesmith.contracts.folders import MOST_FILES
from tunesmith_cli.console import fail

MOST_FILE_BYTES = 5 << 30
"""What S3 takes in one PUT."""


@dataclass(frozen=True)
class LocalFile:
    path: Path
    name: str
    """Below the dataset's folder, with forward slashes."""

    @property
    def size(self) -> int:
        return self.path.stat().st_size


def collect(places: Sequence[Path]) -> list[LocalFile]:
    """In order of their names. Hidden files and folders are left out, unless they were named.

    Of one folder, files are called by their paths below it; beside other places, the folder's name comes before that.
    """
    try:
        found = sorted(_named(places), key=lambda file: file.name)
    except OSError as error:
        raise fail(f"{error.filename}: {error.strerror}", "make it readable, or leave it out") from error
    if not found:
        raise fail(f"no files in {', '.join(map(str, places))}", "hidden files are left out; name those that you mean")
    _check(found)
    return found


def _named(places: Sequence[Path]) -> Iterator[LocalFile]:
    for place in places:
        if place.is_dir():
            yield from _below(place, "" if len(places) == 1 else f"{place.resolve().name}/")
        else:
            yield LocalFile(place, place.name)


def _below(folder: Path, prefix: str) -> Iterator[LocalFile]:
    for root, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            if (Path(root) / name).is_symlink():
                raise fail(f"{Path(root) / name} is a link to a folder", "name that folder itself, or remove the link")
        for name in names:
            if not name.startswith("."):
                path = Path(root) / name
                yield LocalFile(path, prefix + path.relative_to(folder).as_posix())


def _raise(error: OSError) -> NoReturn:
    raise error


def _check(files: list[LocalFile]) -> None:
    if len(files) > MOST_FILES:
        raise fail(
            f"{len(files):,} files: a dataset takes at most {MOST_FILES}", "join some; `cat` does for JSON lines"
        )
    for before, file in zip(files, files[1:], strict=False):
        if before.name == file.name:
            raise fail(f"{before.path} and {file.path} would both be {file.name}", "rename one of them")
    for file in files:
        if not file.path.is_file():
            raise fail(f"{file.path} is no file", "remove it, or the link that leads nowhere")
        if file.name.split("/")[-1] == FOLDER_LIST:
            raise fail(f"{file.path}: this name tells that a folder is complete", "remove it; `push` writes its own")
        if file.size > MOST_FILE_BYTES:
            raise fail(f"{file.path} has {file.size:,} bytes: S3 takes 5 GiB at once", "compress or split it")
