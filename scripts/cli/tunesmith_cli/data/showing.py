"""`tunesmith data show`: rows of a dataset version, or of a file, for people to read; or the version's page."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from tunesmith.adapters.storage import Storage
from tunesmith.contracts.datasets import Split
from tunesmith.contracts.versions import ShownRows
from tunesmith_cli import account
from tunesmith_cli.children import ask
from tunesmith_cli.console import AsJson, fail, out, print_json, say
from tunesmith_cli.data.conversations import conversation
from tunesmith_cli.preflight import locate

PAGE = "report.html"

Place = Annotated[
    str,
    typer.Argument(metavar="VERSION|FOLDER|FILE", help="A version's digest or a beginning of it, its folder, a file."),
]


def show(
    place: Place,
    split: Annotated[Split | None, typer.Option("--split", help="Only rows of this split.")] = None,
    language: Annotated[str | None, typer.Option("--language", help="Only rows of this language, as en.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="Only rows with this label.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Only rows of files whose name holds this.")] = None,
    search: Annotated[str | None, typer.Option("--search", "-s", help="Only rows in which this is said.")] = None,
    item: Annotated[str | None, typer.Option("--item", help="Only the row whose id begins so.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="Rows shown.", min=0)] = 5,
    full: Annotated[bool, typer.Option("--full", help="Long turns in full.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Save the version's page instead, and open it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read rows as conversations. A turn that is learnt has a green line before it.

    Of a file that is no dataset version yet, the good rows are shown.

    Examples:

        tunesmith data show 3f9a01c2 --label refund --search "too late"

        tunesmith data show 3f9a01c2 --report

        tunesmith data show tickets.jsonl -n 2
    """
    found = locate(place)
    if report:
        save_page(found)
        return
    asked = {"split": split.value if split else None, "language": language, "label": label}
    asked |= {"source": source, "search": search, "item": item}
    words = [f"--{name}={value}" for name, value in asked.items() if value is not None]
    told = ask("reporting.rows", [*words, f"--limit={limit}", "--", found], ShownRows)
    if as_json:
        print_json(told)
        return
    for row in told.rows:
        out.print(conversation(row, whole=full))
    out.print(_summary(told, limit))


def _summary(told: ShownRows, limit: int) -> Text:
    good = told.total - told.quarantined
    if good and not told.matched:
        return Text(f"None of {good:,} rows matches.", style="dim")
    found = f"{told.matched:,} that match, of {good:,}" if told.matched < good else f"{good:,}"
    bad = f" {told.quarantined:,} are bad: tunesmith data check names them." if told.quarantined else ""
    more = f" --limit {min(told.matched, limit * 4)} shows more." if told.matched > len(told.rows) and limit else ""
    return Text(f"{len(told.rows):,} of {found} rows.{bad}{more}", style="dim")


def save_page(place: str) -> None:
    """The page of a version's folder as a file here; opened where a person sits at the terminal."""
    uri = place.rstrip("/") + "/" + PAGE
    if place.startswith("s3://"):
        account.target()
        body = Storage().read_if_there(uri)
        file = Path(f"{place.rstrip('/').rpartition('/')[2][:12]}-{PAGE}")
        if body is not None:
            file.write_bytes(body)
    else:
        file = Path(uri)
    if not file.is_file():
        raise fail(f"there is no {uri}", "a version has one where prepare.report.make is on and its job has ended")
    say(f"The page is {file}.")
    if sys.stdout.isatty():
        typer.launch(str(file))
