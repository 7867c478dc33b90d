"""What the command prints: tables and sentences for people, JSON for machines, errors that a tired person can act on.

Standard output carries the answer; everything else (progress, notes, errors) goes to standard error, so that a
pipe stays clean.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 200
"""Where nobody looks at a terminal, lines need not be folded to 80 characters."""

out = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
err = Console(stderr=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else there.")]

STATUS_COLOURS = {
    "succeeded": "green",
    "approved": "green",
    "promoted": "green",
    "failed": "red",
    "rejected": "red",
    "cancelled": "yellow",
    "running": "cyan",
    "queued": "dim",
    "waiting_for_approval": "yellow",
}


def print_json(answer: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(answer, default=_plain, ensure_ascii=False, indent=2) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table for people; statuses are coloured."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(_cell(value) for value in row))
    return made


def _cell(value: Any) -> Text:
    text = "-" if value is None or value == "" else str(value)
    return Text(text, style=STATUS_COLOURS.get(text, ""))


def say(sentence: str) -> None:
    """A plain sentence on standard error."""
    err.print(sentence)


def fail(message: str, hint: str | None = None, code: int = 1) -> typer.Exit:
    """Print what went wrong and what to do about it; raise what this returns."""
    err.print(Text("error: ", style="bold red") + Text(message), soft_wrap=True)
    if hint:
        err.print(Text("  do:  ", style="bold") + Text(hint), soft_wrap=True)
    return typer.Exit(code)
