"""Rows of any format, written as JSON lines of one.

    python -m batch_jobs.prepare.convert FILE ... -o OUT.jsonl [--to FORMAT] [--columns question=prompt ...]

Duplicates stay; bad rows are left out and told of in the document on standard output, as the doctor tells of them.
OUT.jsonl is there whole or not at all. The exit code is 1 where a row was left out.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from botocore.exceptions import BotoCoreError, ClientError

from batch_jobs.prepare.checking.formats.written import write_row
from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.doctor import LISTED, examine, expand, recipe_of, told, writable
from batch_jobs.prepare.examining import Checked, Examination
from batch_jobs.prepare.threads import Workers
from tunesmith.contracts.datasets import RowFormat
from tunesmith.contracts.errors import InvalidInput, PlatformError
from tunesmith.contracts.recipes import PrepareRecipe


def main(argv: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    try:
        recipe = _recipe(given)
        uris = list(expand(given.files))
        _check_output(given.output, uris)
        examination = Examination(recipe, given.limit, drops_duplicates=False)
        _write(given, uris, examination)
    except (PlatformError, OSError, ClientError, BotoCoreError) as error:
        print(writable(told(error)), file=sys.stderr)
        return 2
    checked = examination.told().model_copy(update={"output": writable(str(given.output))})
    sys.stdout.write(checked.model_dump_json(indent=2) + "\n")
    return 1 if checked.errors else 0


def _write(given: argparse.Namespace, uris: Sequence[str], examination: Examination) -> None:
    part = given.output.with_name(given.output.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as out, Workers() as workers:
            for uri in uris:
                for checked in examine(examination, uri, workers):
                    convert(examination, checked, given.to, out)
        part.replace(given.output)
    finally:
        part.unlink(missing_ok=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m batch_jobs.prepare.convert", description="Convert training files.")
    parser.add_argument("files", nargs="+", help="file, folder, s3://bucket/key or s3://bucket/prefix/")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--to", type=RowFormat, choices=list(RowFormat), help="default: the canonical one of its kind")
    parser.add_argument(
        "--columns", action="append", default=[], help="your column=the format's key, as question=prompt"
    )
    parser.add_argument("--recipe", type=Path, help="YAML; its section prepare.read decides how files are read")
    parser.add_argument("--limit", type=int, default=LISTED, help="problems that are listed; all are counted")
    return parser


def _recipe(given: argparse.Namespace) -> PrepareRecipe:
    """The recipe with the columns that the command line adds."""
    recipe = recipe_of(given.recipe)
    columns = dict(recipe.read.columns)
    for pair in given.columns:
        name, equals, key = pair.partition("=")
        if not (name and equals and key):
            raise InvalidInput(f"--columns {pair}: expected your column=the format's key, as in question=prompt")
        columns[name] = key
    return recipe.model_copy(update={"read": recipe.read.model_copy(update={"columns": columns})})


def _check_output(output: Path, uris: Sequence[str]) -> None:
    if any(Path(uri).absolute() == output.absolute() for uri in uris):
        raise InvalidInput(f"{output} is read and written at once; choose another name for the output")
    if not output.absolute().parent.is_dir():
        raise InvalidInput(f"{output}: there is no folder {output.parent}")


def convert(examination: Examination, checked: Checked, name: RowFormat | None, out: TextIO) -> None:
    """Write the good rows of one block."""
    for index in range(len(checked.batch)):
        row = checked.batch.row(index)
        try:
            written = write_row(row, name)
        except BadRow as bad:
            examination.refuse(row, checked.place(index), bad)
            continue
        out.write(json.dumps(written, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
