"""The preflight of a training: what the base's tokenizer and chat template make of files.

    python -m batch_jobs.prepare.preflight --base FOLDER [--recipe FILE] [--show-mask N] FILE|FOLDER|s3://... ...

A folder, or a prefix in S3, that holds the `manifest.json` of a dataset version is read as that version: its training
split. Anything else is read as an upload. `--base` is a folder, or `s3://BUCKET/PREFIX/#DIGEST`. One JSON document
(contracts.preflight.Preflight) goes to standard output. The exit code is 1 where errors were found, 2 where the command
line makes no sense.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from batch_jobs.modeling.folders import fetch_tokenizer
from batch_jobs.prepare.doctor import examine, expand
from batch_jobs.prepare.examining import Examination
from batch_jobs.prepare.preflight.bases import Base, read_base
from batch_jobs.prepare.preflight.examination import PlacedRow, is_conversation, preflight
from batch_jobs.prepare.preflight.versions import manifest_at, training_rows
from batch_jobs.prepare.threads import Workers
from tunesmith.adapters.recipes import parse_recipe
from tunesmith.adapters.storage import Storage, is_s3
from tunesmith.contracts.errors import PlatformError
from tunesmith.contracts.models import ModelReference
from tunesmith.contracts.recipes import Recipe


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m batch_jobs.prepare.preflight", description="Check a training.")
    parser.add_argument("files", nargs="+", help="file, folder, s3://bucket/key or s3://bucket/prefix/")
    parser.add_argument("--base", required=True, help="folder of the base model, or s3://bucket/prefix/#digest")
    parser.add_argument("--recipe", type=Path, help="YAML; its sections prepare and finetune apply")
    parser.add_argument("--show-mask", type=int, default=0, metavar="N", help="rows told token by token")
    given = parser.parse_args(argv)
    try:
        recipe = parse_recipe(given.recipe.read_bytes(), str(given.recipe)) if given.recipe else Recipe()
        told = preflight(_rows(given.files, recipe), _base(given.base), recipe, given.show_mask)
    except (PlatformError, OSError, ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 2
    sys.stdout.write(told.model_dump_json(indent=2) + "\n")
    return 1 if told.errors else 0


def _base(place: str) -> Base:
    if not is_s3(place):
        return read_base(Path(place))
    uri, _, digest = place.partition("#")
    return read_base(fetch_tokenizer(Storage(), ModelReference(uri=uri, digest=digest)))


def _rows(places: Sequence[str], recipe: Recipe) -> Iterator[PlacedRow]:
    """The good rows that a chat template has a say in, of uploads and of dataset versions."""
    storage, uploads = Storage(), []
    for place in places:
        manifest = manifest_at(place, storage)
        if manifest is None:
            uploads.append(place)
        else:
            yield from (placed for placed in training_rows(place, manifest, storage) if is_conversation(placed.row))
    if uploads:
        yield from _uploaded(uploads, recipe)


def _uploaded(places: Sequence[str], recipe: Recipe) -> Iterator[PlacedRow]:
    """What is bad in them, `tunesmith data check` tells."""
    examination = Examination(recipe.prepare, 0)
    with Workers() as workers:
        for uri in expand(places):
            name = uri.rpartition("/")[2]
            for checked in examine(examination, uri, workers):
                rows = ((checked.batch.row(index), checked.place(index).line) for index in range(len(checked.batch)))
                yield from (PlacedRow(row, f"{name}:{line}") for row, line in rows if is_conversation(row))
    told = examination.told()
    for error in (*(file.error for file in told.files), told.error):
        if error:
            print(f"error: {error}", file=sys.stderr)
    if told.quarantined:
        bad = "1 bad row was" if told.quarantined == 1 else f"{told.quarantined:,} bad rows were"
        print(f"{bad} left out: tunesmith data check tells why", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
