"""`tunesmith data label` and `tunesmith data review`."""

import getpass
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import httpx
import typer

from tunesmith.contracts.errors import InvalidInput
from tunesmith_cli.console import AsJson, out, print_json, say, table
from tunesmith_cli.labels.asking import (
    BUDGET,
    HAS_LABEL,
    AnswerCache,
    Endpoint,
    LabelSummary,
    Limits,
    Question,
    label_file,
)
from tunesmith_cli.labels.reviewing import export, import_reviews
from tunesmith_cli.labels.rows import check_labels

review_app = typer.Typer(help="Labels, reviewed by people.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="JSONL, one row per line.", exists=True, dir_okay=False)]


def label(
    file: File,
    labels: Annotated[str, typer.Option("--labels", help="What a row may be, separated by commas.")],
    base_url: Annotated[str, typer.Option("--base-url", help="OpenAI-compatible, as in https://api.example.com/v1.")],
    model: Annotated[str, typer.Option("--model", help="The model's name there.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: FILE.labelled.jsonl")] = None,
    instructions: Annotated[str, typer.Option(help="What the labels mean, in your words.")] = "",
    samples: Annotated[int, typer.Option(min=1, max=25, help="Answers per row; their agreement is confidence.")] = 3,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Requests at a time.")] = 4,
    rate: Annotated[float, typer.Option(min=0, help="Most requests per second; 0: no limit.")] = 0,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Stop when so many tokens were used in all.")] = None,
    relabel: Annotated[bool, typer.Option("--relabel", help="Also rows that have a label.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask a language model for the label of each row.

    The key comes from OPENAI_API_KEY, or from the keyring's entry of service tunesmith and the endpoint's host.
    Answers are cached in OUTPUT.cache: broken off, the same command goes on where it was.

    Examples:

        tunesmith data label a.jsonl --labels yes,no --base-url URL --model NAME

        tunesmith data label a.jsonl --labels yes,no --base-url URL --model X --rate 2
    """
    out_file = output or file.with_name(f"{file.stem}.labelled.jsonl")
    if out_file.resolve() == file.resolve():
        raise InvalidInput(f"--output {out_file} is the file that is read; give another name")
    question = Question(check_labels(labels.split(",")), model, samples, instructions)
    limits = Limits(concurrency, rate, max_tokens)
    summary = LabelSummary()
    endpoint = Endpoint(base_url, _key(base_url), limits, summary)
    cache = AnswerCache(out_file.with_name(f"{out_file.name}.cache"))
    try:
        label_file(file, out_file, question, endpoint, limits, cache, relabel)
    finally:
        cache.close()
        endpoint.close()
    _tell(summary, out_file, as_json)


def _tell(summary: LabelSummary, file: Path, as_json: bool) -> None:
    if as_json:
        found = {name: getattr(summary, name) for name in ("rows", "labelled", "unlabelled")}
        print_json(
            found
            | {"from_cache": summary.from_cache, "requests": summary.requests, "tokens": summary.tokens}
            | {"file": str(file)}
        )
        return
    if summary.labelled:
        out.print(table("Labels", ["label", "rows"], summary.labelled.most_common()))
    if summary.unlabelled:
        out.print(table("Not labelled", ["reason", "rows"], summary.unlabelled.most_common()))
    say(f"{summary.rows:,} rows in {file}; {summary.requests:,} requests, {summary.tokens:,} tokens.")
    if summary.unlabelled[HAS_LABEL] == summary.rows:
        say("All of them have a label already: --relabel asks about them too.")
    if summary.unlabelled[BUDGET]:
        say("The budget is spent. The same command with a larger --max-tokens goes on from here.")


@review_app.command("export")
def review_export(
    file: File,
    output: Annotated[Path, typer.Option("--output", "-o", help="A .csv or .jsonl file.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many, the least certain.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the rows for people to review, the least certain first; they fill in new_label.

    Example:

        tunesmith data review export tickets.labelled.jsonl -o review.csv --limit 200
    """
    rows = export(file, output, limit)
    if as_json:
        print_json({"rows": rows, "file": str(output)})
    else:
        say(f"{rows:,} rows in {output}. Fill in new_label, then: tunesmith data review import {output} {file} -o OUT")


@review_app.command("import")
def review_import(
    review: Annotated[Path, typer.Argument(help="The reviewed .csv or .jsonl file.", exists=True, dir_okay=False)],
    file: File,
    output: Annotated[Path, typer.Option("--output", "-o", help="FILE with the reviewed labels.")],
    labels: Annotated[str, typer.Option("--labels", help="Only these may be given, separated by commas.")] = "",
    reviewer: Annotated[str | None, typer.Option(help="Default: your user name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put reviewed labels into the rows; their origin is then a person.

    Example:

        tunesmith data review import review.csv tickets.labelled.jsonl -o tickets.reviewed.jsonl
    """
    allowed = check_labels(labels.split(",")) if labels else []
    given = import_reviews(review, file, output, allowed, reviewer or getpass.getuser())
    if as_json:
        print_json({"reviewed": given.total(), "labels": given, "file": str(output)})
    else:
        say(f"{given.total():,} reviewed labels are in {output}.")
        if not given:
            say(f"In {review} no new_label is filled in.")


def _key(base_url: str) -> str | None:
    key = os.environ.get("OPENAI_API_KEY")
    if key or find_spec("keyring") is None:
        return key or None
    import keyring

    found: str | None = keyring.get_password("tunesmith", httpx.URL(base_url).host)
    return found
