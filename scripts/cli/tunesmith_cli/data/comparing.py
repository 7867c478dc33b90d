"""`tunesmith data diff`: what of one dataset version is not as in another."""

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tunesmith.contracts.datasets import Split
from tunesmith.contracts.versions import ComparedCount, VersionDifference
from tunesmith_cli.children import ask
from tunesmith_cli.console import AsJson, out, print_json, table
from tunesmith_cli.data.conversations import conversation
from tunesmith_cli.preflight import locate

BEFORE, AFTER = (
    typer.Argument(metavar=name, help=f"{which}: a version's digest or a beginning of it, or its folder.")
    for name, which in (("BEFORE", "The older version"), ("AFTER", "The newer one"))
)


def diff(
    before: Annotated[str, BEFORE],
    after: Annotated[str, AFTER],
    sample: Annotated[int, typer.Option("--sample", "-n", help="Rows shown of each kind.", min=0)] = 2,
    as_json: AsJson = False,
) -> None:
    """Say which rows came, went, moved between splits or changed, and what else is not as it was.

    Rows are the same where their ids are: hashes of what is said in them. The exit code is 0 whatever differs.

    Examples:

        tunesmith data diff 3f9a01c2 77ab03de

        tunesmith data diff 3f9a01c2 77ab03de --json
    """
    told = ask(
        "reporting.difference", ["--sample", str(sample), "--", locate(before), locate(after)], VersionDifference
    )
    if as_json:
        print_json(told)
        return
    for part in _screen(told):
        out.print(part)


def _screen(told: VersionDifference) -> Iterator[RenderableType]:
    yield _rows(told)
    yield _verdict(told)
    for title, counts in (
        ("what became of the rows", told.counts),
        ("problems", told.problems),
        ("personal data", told.pii),
        ("languages", told.languages),
        ("labels", told.labels),
    ):
        differing = [count for count in counts if count.before != count.after]
        if differing:
            yield Padding(_counts(title, differing), (1, 0, 0, 0))
    if told.recipe:
        rows = [(setting.key, setting.before, setting.after) for setting in told.recipe]
        yield Padding(table("recipe", ("key", "before", "after"), rows), (1, 0, 0, 0))
    for title, gone, come in (
        ("files", told.sources_removed, told.sources_added),
        ("columns", told.columns_removed, told.columns_added),
    ):
        if gone or come:
            yield Padding(_list(title, gone, come), (1, 0, 0, 0))
    yield from _samples(told)


def _rows(told: VersionDifference) -> Table:
    lines = []
    for split in Split:
        came = sum(move.rows for move in told.moved if move.after is split)
        went = sum(move.rows for move in told.moved if move.before is split)
        numbers = (told.added[split], told.removed[split], came, went)
        lines.append(
            (
                split.value,
                *(f"{sign}{number:,}" if number else "-" for sign, number in zip("+-+-", numbers, strict=True)),
            )
        )
    made = table("rows", ("split", "added", "removed", "moved in", "moved out"), lines)
    for column in made.columns[1:]:
        column.justify = "right"
    return made


def _verdict(told: VersionDifference) -> Text:
    if told.is_same:
        return Text(f"The same {told.same:,} rows in the same splits.", style="bold green")
    moved = sum(move.rows for move in told.moved)
    changed = f" {told.changed:,} of the added rows stand where another row was." if told.changed else ""
    return Text(
        f"{told.same:,} rows are as they were; {sum(told.added.values()):,} were added, "
        f"{sum(told.removed.values()):,} removed, {moved:,} moved to another split.{changed}",
        style="bold",
    )


def _counts(title: str, counts: Sequence[ComparedCount]) -> Table:
    rows = [
        (count.name, f"{count.before:,}", f"{count.after:,}", f"{count.after - count.before:+,}") for count in counts
    ]
    made = table(title, ("", "before", "after", "change"), rows)
    for column in made.columns[1:]:
        column.justify = "right"
    return made


def _list(title: str, gone: Sequence[str], come: Sequence[str]) -> Group:
    lines = [Text(f"- {one}", style="red") for one in gone] + [Text(f"+ {one}", style="green") for one in come]
    return Group(Text(title, style="bold"), *lines)


def _samples(told: VersionDifference) -> Iterator[RenderableType]:
    if told.changed_rows:
        yield Text("\nchanged rows, before and after", style="bold")
        for pair in told.changed_rows:
            yield Group(Text("before", style="red"), conversation(pair.before))
            yield Group(Text("after", style="green"), conversation(pair.after))
    for title, rows in (
        ("added rows", told.added_rows),
        ("removed rows", told.removed_rows),
        ("moved rows", told.moved_rows),
    ):
        if rows:
            yield Text(f"\nsome {title}", style="bold")
            yield from (conversation(row) for row in rows)
