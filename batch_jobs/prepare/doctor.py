"""The doctor: what `prepare` would say of files, without making anything of them.

    python -m batch_jobs.prepare.doctor FILE|FOLDER|s3://BUCKET/KEY|s3://BUCKET/PREFIX/ ... [--recipe FILE] [--limit N]

One JSON document (contracts.checks.DatasetCheck) goes to standard output. The exit code is 1 where errors were found,
2 where the command line makes no sense. Memory does not grow with the files but by a few bytes a row.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from batch_jobs.prepare.canonical import Row
from batch_jobs.prepare.examining import Examination, Place
from tunesmith.adapters.recipes import parse_recipe
from tunesmith.adapters.storage import Storage, is_s3
from tunesmith.contracts.errors import NotFound, PlatformError
from tunesmith.contracts.recipes import PrepareRecipe

LISTED = 1_000


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m batch_jobs.prepare.doctor", description="Check training files.")
    parser.add_argument("files", nargs="+", help="file, folder, s3://bucket/key or s3://bucket/prefix/")
    parser.add_argument("--recipe", type=Path, help="YAML; its section prepare decides what is an error")
    parser.add_argument("--limit", type=int, default=LISTED, help="problems that are listed; all are counted")
    given = parser.parse_args(argv)
    try:
        examination = Examination(recipe_of(given.recipe), given.limit)
        for uri in expand(given.files):
            for _ in examined_rows(examination, uri):
                pass
    except (PlatformError, OSError, ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 2
    told = examination.told()
    sys.stdout.write(told.model_dump_json(indent=2) + "\n")
    return 1 if told.errors else 0


def recipe_of(file: Path | None) -> PrepareRecipe:
    return parse_recipe(file.read_bytes(), str(file)).prepare if file else PrepareRecipe()


def expand(places: Sequence[str]) -> Iterator[str]:
    """Every file that is meant: those under a folder or a prefix in the order of their names, but for hidden ones and
    `_dataset.json`."""
    for place in places:
        is_folder = place.endswith("/") if is_s3(place) else Path(place).is_dir()
        if not is_folder:
            yield place
            continue
        found = [uri for uri in Storage().files_under(place) if _is_data(uri[len(place) :].lstrip("/"))]
        if not found:
            raise NotFound(f"there are no files in {place}")
        yield from found


def _is_data(name: str) -> bool:
    return not any(part.startswith((".", "_")) for part in name.split("/"))


def examined_rows(examination: Examination, uri: str) -> Iterator[tuple[Row, Place]]:
    """The good rows of one file, which is downloaded first where it lies in S3."""
    with tempfile.TemporaryDirectory(prefix="tunesmith-check-") as folder:
        try:
            file = _fetch(uri, Path(folder))
        except (PlatformError, ClientError, BotoCoreError) as error:
            examination.fail(uri, str(error))
            return
        progress = Progress(uri, file.stat().st_size)
        for count, (row, place, consumed) in enumerate(examination.rows(file, uri), 1):
            progress.at(count, consumed)
            yield row, place
        progress.close()


def _fetch(uri: str, folder: Path) -> Path:
    if is_s3(uri):
        return Storage().download(uri, folder / (uri.rpartition("/")[2] or "object"))
    if not Path(uri).is_file():
        raise NotFound(f"there is no file {uri}")
    return Path(uri)


class Progress:
    """A line on standard error, where a person looks at it."""

    def __init__(self, uri: str, size: int):
        self._name, self._size, self._told = uri.rpartition("/")[2], max(size, 1), -1
        self._is_watched = sys.stderr.isatty()

    def at(self, rows: int, consumed: int) -> None:
        if self._is_watched and rows % 1_000 == 0:
            share = min(consumed / self._size, 1)
            sys.stderr.write(f"\r{self._name}: {rows:,} rows, {share:4.0%}")
            sys.stderr.flush()

    def close(self) -> None:
        if self._is_watched:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
