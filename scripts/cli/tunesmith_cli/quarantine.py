"""`tunesmith data quarantine` and `requeue`: look at the rows that were put aside, mend them, and send them again."""

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import click
import typer
from pydantic import ValidationError

from tunesmith.adapters.datasets import find_version
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.artifacts import dataset_prefix, s3_uri
from tunesmith.contracts.checks import DatasetCheck, FoundProblem
from tunesmith.contracts.datasets import Problem, ProblemCode
from tunesmith.contracts.errors import InvalidInput, NotFound
from tunesmith_cli import account, data, runs
from tunesmith_cli.checking import printable, show
from tunesmith_cli.children import judge
from tunesmith_cli.console import AsJson, fail, out, print_json, say, table

QUARANTINE = "quarantine.jsonl"
REMARK = "#| "
"""Begins the lines beside a row, while it is edited."""
EXCERPT = 100
LISTED = 10_000
"""Problems that stand beside their rows while they are edited."""

SourceArgument = Annotated[
    str, typer.Argument(metavar="SOURCE", help="quarantine.jsonl, s3://..., a run's id, or a dataset version.")
]


@dataclass(frozen=True)
class PutAside:
    """A row of a quarantine: what is wrong with it, and as it was."""

    problem: Problem
    raw: bytes
    is_whole: bool
    """A row that was too long is there with its beginning only."""

    @property
    def place(self) -> str:
        return f"{self.problem.source.rpartition('/')[2]}:{self.problem.line}"

    @property
    def line(self) -> str:
        """The row as one line that can be edited: line breaks are written as JSON writes them, bytes that are no text
        as \\xff, which is an error in JSON until it is mended."""
        text = self.raw.decode(errors="backslashreplace").strip("\r\n")
        return text.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\r")

    @property
    def remarks(self) -> list[str]:
        field = f"{self.problem.field}: " if self.problem.field else ""
        told = [f"{self.place} {self.problem.code} {field}{self.problem.message}", f"do: {self.problem.hint}"]
        if not self.is_whole:
            told.append("only the row's beginning is kept here: mend it in the file that it came from")
        return [printable(line) for line in told]


@dataclass(frozen=True)
class Quarantine:
    rows: list[PutAside]
    project: str | None = None
    dataset: str | None = None
    """Where the rows came from, if the platform knows."""


def quarantine(
    source: SourceArgument,
    code: Annotated[ProblemCode | None, typer.Option("--code", help="Only rows with this problem.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="Rows shown.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """Look at the rows that were put aside, and why.

    Examples:

        tunesmith data quarantine run-5f0c

        tunesmith data quarantine quarantine.jsonl --code BLANK_CONTENT
    """
    found = [row for row in open_quarantine(source).rows if code is None or row.problem.code == code]
    if as_json:
        print_json([row.problem.model_dump(mode="json") | {"raw": row.line} for row in found])
        return
    shown = [(row.place, row.problem.code, _told(row.problem), _excerpt(row.line)) for row in found[:limit]]
    out.print(table(f"{len(found):,} rows put aside", ("place", "code", "problem", "row"), shown))
    if len(found) > limit:
        say(f"{len(found) - limit:,} more: --limit {len(found)} shows them.")


def requeue(
    source: SourceArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The mended rows, JSON lines.", dir_okay=False)],
    edit: Annotated[bool, typer.Option("--edit", "-e", help="Open the rows in $EDITOR, problems beside.")] = False,
    push: Annotated[bool, typer.Option("--push", help="Upload the mended rows once they are good.")] = False,
    project: Annotated[str | None, typer.Option("--project", "-p", help="Default: where they came from.")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Default: where they came from.")] = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", help="YAML to check by.", exists=True)] = None,
    as_json: AsJson = False,
) -> None:
    """Mend rows that were put aside, check them again, and append them to their dataset.

    The first call writes the rows, one per line, and a list of their problems beside; mend them there, or with --edit.
    A further call finds the mended file and checks it: what is there is never overwritten.

    Examples:

        tunesmith data requeue run-5f0c -o fixed.jsonl --edit

        tunesmith data requeue run-5f0c -o fixed.jsonl --push
    """
    found = open_quarantine(source)
    if not output.exists():
        write_rows(found.rows, output)
    checks = [*(["--recipe", str(recipe)] if recipe else []), "--limit", str(LISTED), "--", str(output)]
    told = _check(output, checks)
    if edit and edit_rows(output, told.problems):
        told = _check(output, checks)
    say(f"Rows put aside: {len(found.rows):,}; rows in {output}: {told.rows_in:,}.")
    if not push or told.errors:
        show(told, as_json)
    if told.errors:
        raise fail(f"{output} has bad rows still", "mend them there (--edit opens it), then give this command again")
    if push:
        project, dataset = project or found.project, dataset or found.dataset
        if not (project and dataset):
            raise fail("nobody knows which dataset these rows belong to", "give --project and --dataset")
        data.push([output], project, dataset, append=True, recipe=None, watch=False, as_json=as_json)


def _check(output: Path, words: list[str]) -> DatasetCheck:
    """What the doctor says of the mended rows; of none at all, that none are left."""
    if not output.stat().st_size:
        raise fail(
            f"{output} is empty", "remove it to begin again; rows that are not whole must be mended at their source"
        )
    return judge("doctor", words, DatasetCheck)


def open_quarantine(source: str) -> Quarantine:
    """From a file, a URI, a run's id or a dataset version; the two last may be given by their beginning."""
    if Path(source).is_file() or source.startswith("s3://"):
        if source.startswith("s3://"):
            account.target()
        return Quarantine(list(read_quarantine(Storage().read(source), source)))
    if source.endswith(".jsonl") or "/" in source:
        raise NotFound(f"there is no file {source}")
    version = None if source.startswith("run-") else find_version(account.platform().tables["datasets"], source)
    if version is None:
        request = runs.find(source).request
        project, dataset, digest = request.project, request.dataset, request.dataset_version
    else:
        project, dataset, digest = version.project, version.dataset, version.version
    uri = s3_uri(account.platform().artifacts_bucket, dataset_prefix(project, dataset, digest) + QUARANTINE)
    body = Storage().read_if_there(uri)
    if body is None:
        raise NotFound(f"{source}: no quarantine is written yet ({uri}); has its prepare job ended?")
    return Quarantine(list(read_quarantine(body, uri)), project, dataset)


def read_quarantine(body: bytes, uri: str) -> Iterator[PutAside]:
    """The rows of quarantine.jsonl. Raises InvalidInput where it is another kind of file."""
    for number, line in enumerate(body.splitlines(), 1):
        try:
            facts = json.loads(line)
            length = facts.pop("raw_bytes")
            raw = facts.pop("raw").encode() if "raw" in facts else base64.b64decode(facts.pop("raw_base64"))
            yield PutAside(Problem.model_validate(facts), raw, len(raw) >= length)
        except (ValueError, KeyError, TypeError, AttributeError, ValidationError, binascii.Error) as error:
            raise InvalidInput(f"{uri}, line {number}: this is no quarantine.jsonl of a prepare job") from error


def write_rows(rows: Sequence[PutAside], output: Path) -> None:
    """The rows, and in a file beside them what is wrong with each."""
    whole = [row for row in rows if row.is_whole]
    lost = [row for row in rows if not row.is_whole]
    problems = output.with_name(output.name + ".problems.txt")
    told = [f"line {number}: " + "\n    ".join(row.remarks) for number, row in enumerate(whole, 1)]
    told += ["not here: " + "\n    ".join(row.remarks) for row in lost]
    problems.write_text("\n".join(told) + "\n", encoding="utf-8")
    output.write_text("".join(row.line + "\n" for row in whole), encoding="utf-8")
    say(f"What is wrong with each row stands in {problems}.")


def edit_rows(output: Path, problems: Sequence[FoundProblem]) -> bool:
    """Let a person edit the file, with what is wrong beside each row. Whether anything was changed."""
    lines = output.read_text(encoding="utf-8").rstrip("\n").split("\n")
    for problem in sorted(problems, key=lambda problem: problem.line, reverse=True):
        field = f"{problem.field}: " if problem.field else ""
        told = f"{problem.code} {field}{problem.message}", f"do: {problem.hint}"
        lines[problem.line - 1 : problem.line - 1] = [REMARK + printable(line) for line in told]
    edited = click.edit("\n".join(lines) + "\n", extension=".jsonl")
    if edited is None:
        say("Nothing was changed.")
        return False
    kept = [line for line in edited.split("\n") if line.strip() and not line.startswith(REMARK.strip())]
    output.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
    return True


def _told(problem: Problem) -> str:
    return printable(f"{problem.field}: {problem.message}" if problem.field else problem.message)


def _excerpt(line: str) -> str:
    return printable(line if len(line) <= EXCERPT else line[: EXCERPT - 3] + "...")
