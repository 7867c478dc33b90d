"""`tunesmith data preflight`: what a base model's tokenizer and template make of a dataset, before it is paid for."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tunesmith.adapters.bases import find_base
from tunesmith.adapters.datasets import BEGINNING, find_version
from tunesmith.contracts.artifacts import dataset_prefix, s3_uri
from tunesmith.contracts.datasets import Severity
from tunesmith.contracts.preflight import LabelledRow, Preflight, PreflightFinding
from tunesmith_cli import account
from tunesmith_cli.checking import printable
from tunesmith_cli.children import judge
from tunesmith_cli.console import AsJson, fail, out, print_json, table

LOCAL_BASES = Path(".tunesmith/bases")
BAR = 40
"""Characters of the histogram's longest bar."""


def preflight(
    files: Annotated[
        list[str], typer.Argument(help="Files, folders, s3://bucket/key or s3://bucket/prefix/, or dataset versions.")
    ],
    base: Annotated[
        str, typer.Option("--base", "-b", help="Name of an imported base model, or its folder.")
    ] = "smollm2-135m-instruct",
    recipe: Annotated[
        Path | None,
        typer.Option("--recipe", help="YAML; prepare and finetune apply.", exists=True, dir_okay=False),
    ] = None,
    show_mask: Annotated[int, typer.Option("--show-mask", help="Show so many rows token by token.", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Say what would be learnt from the rows, how long they are, and what the training will take.

    Of a dataset version, given by its digest, a beginning of it, or its folder, the training split is read. The exit
    code is 1 where the training would go wrong. Nothing is uploaded.

    Examples:

        tunesmith data preflight tickets.jsonl

        tunesmith data preflight 3f9a01c2

        tunesmith data preflight tickets.jsonl --base smollm2-135m-instruct --recipe recipe.yaml --show-mask 3
    """
    places = [locate(file) for file in files]
    words = ["--base", find(base), "--show-mask", str(show_mask)]
    words += ["--recipe", str(recipe)] if recipe else []
    told = judge("preflight", [*words, "--", *places], Preflight)
    if as_json:
        print_json(told)
    else:
        show(told)
    raise typer.Exit(1 if told.errors else 0)


def locate(place: str) -> str:
    """A file, folder or URI as it is; a dataset version as its folder in S3."""
    if place.startswith("s3://") or Path(place).exists():
        return place
    if not BEGINNING.fullmatch(place):
        told = "a dataset version is named by its digest, or a beginning of it: tunesmith data versions"
        raise fail(f"there is no file or folder {place}", told)
    account.target()
    version = find_version(account.platform().tables["datasets"], place)
    if version is None:
        raise fail(f"{place} is neither a file nor a dataset version", "see them: tunesmith data versions")
    prefix = dataset_prefix(version.project, version.dataset, version.version)
    return s3_uri(account.platform().artifacts_bucket, prefix)


def find(base: str) -> str:
    """The folder of a base by path or name: beside the work, else in the models bucket."""
    for folder in (Path(base), LOCAL_BASES / base):
        if (folder / "manifest.json").is_file():
            return str(folder)
    if "/" in base or "." in base:
        raise fail(f"{base} is no folder of a base model", "import one: tunesmith models import smollm2-135m-instruct")
    account.target()
    found = find_base(account.platform().models_bucket, base)
    if found is None:
        raise fail(f"there is no base model {base}", f"import it: tunesmith models import {base}")
    return f"{found.uri}#{found.digest}"


def show(told: Preflight) -> None:
    """Tables and sentences for people."""
    for row in told.shown:
        out.print(_labelled(row))
    out.print(_facts(told))
    if told.tokens.histogram:
        out.print(_histogram(told))
    for finding in told.findings:
        out.print(_finding(finding))
    out.print(_verdict(told))


def _facts(told: Preflight) -> Table:
    tokens = told.tokens
    lengths = ", ".join(f"{name} {value:,}" for name, value in tokens.percentiles.items()) or None
    facts: list[tuple[str, object]] = [
        ("base", f"{printable(told.base)}, template {told.template_hash[:12]}"),
        ("rows", f"{told.rows:,}" + (f" ({told.looked_at:,} looked at)" if told.looked_at < told.rows else "")),
        ("tokens of a row", lengths),
        ("learnt", f"{tokens.trained:,} of {tokens.total:,} tokens ({tokens.trained_share:.1%})"),
        ("sequence length", _room(told)),
    ]
    if told.forecast:
        ahead = told.forecast
        took = f"{ahead.seconds / 3600:,.2f} h, {ahead.usd:,.2f} USD on {ahead.machine} (without evaluation)"
        facts += [
            ("an epoch", f"{ahead.tokens_per_epoch:,} tokens"),
            ("training", f"{ahead.steps:,} step{'s' if ahead.steps != 1 else ''}, {took}"),
        ]
    return table("preflight", ("", ""), facts)


def _room(told: Preflight) -> str:
    context = f"the base takes in {told.context_length:,}" if told.context_length else "the base does not say its own"
    return f"{told.sequence_length:,} ({context}); {told.rows_too_long:,} rows are longer"


def _histogram(told: Preflight) -> Table:
    most = max(rows for _, rows in told.tokens.histogram)
    made = Table(title="\ntokens of a row", title_justify="left", title_style="bold", box=None, show_header=False)
    for justify in ("right", "right", "left"):
        made.add_column(justify=justify)
    for longest, rows in told.tokens.histogram:
        style = "red" if longest // 2 >= told.sequence_length else "cyan"
        made.add_row(f"<= {longest:,}", f"{rows:,}", Text("█" * max(1, round(rows / most * BAR)), style=style))
    return made


def _finding(finding: PreflightFinding) -> Group:
    is_error = finding.severity is Severity.ERROR
    head = Text("\n") + Text(finding.code, style="bold red" if is_error else "bold yellow")
    if finding.rows:
        head += Text(f"  {finding.rows:,} row{'s' if finding.rows != 1 else ''}")
    lines = Text(printable(finding.message))
    if finding.places:
        more = ", ..." if finding.rows > len(finding.places) else ""
        lines += Text("\n" + ", ".join(map(printable, finding.places)) + more, style="cyan")
    lines += Text.assemble(("\ndo: ", "bold"), finding.hint)
    return Group(head, Padding(lines, (0, 0, 0, 2), expand=False))


def _labelled(row: LabelledRow) -> Group:
    """What is learnt is green in a terminal and stands in [[ ]] elsewhere; line breaks stay, and are spelt as well."""
    text, is_open = Text(), False
    for token, counts in zip(row.tokens, row.mask, strict=True):
        if counts != is_open and not out.is_terminal:
            text.append("[[" if counts else "]]")
        is_open = counts
        text.append(_visible(token), style="black on green" if counts else "dim")
    if is_open and not out.is_terminal:
        text.append("]]")
    head = Text(f"{printable(row.place)}: {sum(row.mask):,} of {len(row.ids):,} tokens are learnt", style="bold")
    return Group(head, Padding(text, (0, 0, 1, 2), expand=False))


def _visible(token: str) -> str:
    return "".join(f"⏎{char}" if char == "\n" else printable(char) for char in token)


def _verdict(told: Preflight) -> Text:
    if told.errors:
        count = len(told.errors)
        return Text(f"\n{count} error{'s' if count != 1 else ''}: this training would go wrong.", style="bold red")
    return Text(
        "\nReady to train: what is to be learnt is, each answer with the token that ends it.", style="bold green"
    )
