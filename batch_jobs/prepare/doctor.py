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

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from batch_jobs.prepare.examining import Checked, Examination
from batch_jobs.prepare.reading.blocks import Block
from batch_jobs.prepare.reading.files import check_size
from batch_jobs.prepare.threads import Workers
from tunesmith.adapters.recipes import parse_recipe
from tunesmith.adapters.storage import Storage, is_s3
from tunesmith.contracts.errors import InvalidInput, NotFound, PlatformError
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
        with Workers() as workers:
            for uri in expand(given.files):
                for _ in examine(examination, uri, workers):
                    pass
    except (PlatformError, OSError, ClientError, BotoCoreError) as error:
        print(writable(told(error)), file=sys.stderr)
        return 2
    checked = examination.told()
    sys.stdout.write(checked.model_dump_json(indent=2) + "\n")
    return 1 if checked.errors else 0


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
        found = [uri for uri in _listed(place) if _is_data(uri[len(place) :].lstrip("/"))]
        if not found:
            raise NotFound(f"there are no files in {place}")
        yield from found


def _listed(folder: str) -> Iterator[str]:
    """The files under a folder or a prefix. Raises InvalidInput where it cannot be listed."""
    try:
        yield from Storage().files_under(folder)
    except (OSError, ClientError, BotoCoreError) as error:
        raise InvalidInput(told(error, folder)) from error


def _is_data(name: str) -> bool:
    return not any(part.startswith((".", "_")) for part in name.split("/"))


def examine(examination: Examination, uri: str, workers: Workers) -> Iterator[Checked]:
    """The blocks of one file with their good rows. A file in S3 is downloaded first."""
    with tempfile.TemporaryDirectory(prefix="tunesmith-check-") as folder:
        try:
            file = _fetch(uri, Path(folder), examination.recipe)
        except (PlatformError, OSError, ClientError, BotoCoreError) as error:
            examination.fail(writable(uri), writable(told(error, uri)))
            return
        progress = Progress(writable(uri), file.stat().st_size)
        for checked in examination.take(file, writable(uri), workers):
            progress.add(checked.block)
            yield checked
        progress.close()


def _fetch(uri: str, folder: Path, recipe: PrepareRecipe) -> Path:
    if is_s3(uri):
        check_size(Storage().size(uri), uri, recipe)
        return Storage().download(uri, folder / (uri.rpartition("/")[2] or "object"))
    file = Path(uri)
    if not file.exists():
        raise NotFound(f"there is no file {uri}")
    if not file.is_file():
        raise InvalidInput(f"{uri}: a pipe or a device, which can be read only once; write it to a file first")
    return file


def told(error: Exception, uri: str = "") -> str:
    """The error in a sentence that names the file, and what helps against it where that is not in the file."""
    if isinstance(error, NoCredentialsError):
        reason = "no AWS credentials were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    elif isinstance(error, OSError) and error.strerror:
        uri, reason = uri or str(error.filename or ""), f"cannot be read ({error.strerror})"
    else:
        reason = str(error)
    return reason if uri in reason else f"{uri}: {reason}"


def writable(name: str) -> str:
    """A file's name as JSON and a terminal can say it: bytes that are no UTF-8 are spelt."""
    return name.encode(errors="backslashreplace").decode()


class Progress:
    """A line on standard error, where a person looks at it."""

    def __init__(self, uri: str, size: int):
        self._name, self._size, self._rows = uri.rpartition("/")[2], max(size, 1), 0
        self._is_watched = sys.stderr.isatty()

    def add(self, block: Block) -> None:
        self._rows += block.rows
        if self._is_watched:
            share = min(block.consumed / self._size, 1)
            sys.stderr.write(f"\r{self._name}: {self._rows:,} rows, {share:4.0%}\x1b[K")
            sys.stderr.flush()

    def close(self) -> None:
        if self._is_watched:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
