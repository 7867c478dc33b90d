"""`tunesmith data check` and `convert`: what is wrong with files, told so that a person can mend them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tunesmith.contracts.checks import CheckedFile, DatasetCheck, FoundProblem
from tunesmith.contracts.datasets import DropReason, ProblemCode, RowFormat, Severity
from tunesmith_cli.children import judge
from tunesmith_cli.console import AsJson, out, print_json, say, table

PLACES = 3
"""Of each kind of problem so many places are shown."""
FILES = 20
"""Of more files, those are shown in which most is wrong."""
OF_FILES = (ProblemCode.TYPE_MISMATCH, ProblemCode.UNREADABLE)
"""Problems of whole files: they are told above those of rows."""
NAME = 30
"""Characters of a file's name beside a place; the middle of a longer one is left out."""

Files = Annotated[list[str], typer.Argument(help="Files, folders, s3://bucket/key or s3://bucket/prefix/.")]
RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", help="YAML; its section prepare applies.", exists=True, dir_okay=False)
]
Limit = Annotated[int, typer.Option("--limit", help="Problems listed with --json; all are counted.", min=0)]


def check(files: Files, recipe: RecipeFile = None, limit: Limit = 1_000, as_json: AsJson = False) -> None:
    """Say of every row whether it can be trained on, and if not, where it is, why not and what to do.

    The exit code is 1 if there are errors; warnings do not fail. Nothing is uploaded.

    Examples:

        tunesmith data check tickets.jsonl

        tunesmith data check s3://my-bucket/tickets/ --json
    """
    told = judge("doctor", [*_recipe(recipe), "--limit", str(limit), "--", *files], DatasetCheck)
    show(told, as_json)
    raise typer.Exit(1 if told.errors else 0)


def convert(
    files: Files,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write, JSON lines.", dir_okay=False)],
    to: Annotated[
        RowFormat | None, typer.Option("--to", help="Default: chat, preference, ... as the rows' kind has it.")
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option("--columns", help="Your column=the format's key; once per column.")
    ] = None,
    recipe: RecipeFile = None,
    limit: Limit = 1_000,
    as_json: AsJson = False,
) -> None:
    """Write rows of any known format as JSON lines of one.

    Bad rows are left out and told of; the exit code is then 1.

    Examples:

        tunesmith data convert alpaca.json -o chat.jsonl

        tunesmith data convert gsm8k.jsonl -o chat.jsonl --columns question=prompt --columns answer=completion
    """
    wanted = ["--to", to.value] if to else []
    wanted += [word for pair in columns or [] for word in ("--columns", pair)]
    words = [*_recipe(recipe), "--limit", str(limit), "--output", str(output), *wanted, "--", *files]
    told = judge("convert", words, DatasetCheck)
    show(told, as_json)
    say(f"{told.kept:,} rows are in {output}.")
    raise typer.Exit(1 if told.errors else 0)


def _recipe(file: Path | None) -> list[str]:
    return ["--recipe", str(file)] if file else []


def show(told: DatasetCheck, as_json: bool) -> None:
    """The document for machines, or tables for people."""
    if as_json:
        print_json(told)
        return
    out.print(_files_table(told))
    errors = [error for error in (told.error, *(file.error for file in told.files)) if error]
    for error in errors[:FILES]:
        out.print(Text.assemble(("error: ", "bold red"), printable(error)))
    if len(errors) > FILES:
        out.print(Text(f"... and {len(errors) - FILES:,} more", style="dim"))
    for code, count in told.problems_by_code.items():
        if code in OF_FILES:
            continue
        found = [problem for problem in told.problems if problem.code == code]
        out.print(_problem(code, count, found, one_file=len(told.files) == 1))
    out.print(_verdict(told))


def _files_table(told: DatasetCheck) -> Table:
    columns = ("file", "format", "rows", "kept", "bad", "dropped")
    shown = _shown(told.files)
    rows = [_file_row(file) for file in shown]
    if len(told.files) > len(shown):
        rows.append((f"{len(told.files) - len(shown):,} more",))
    if len(told.files) != 1:
        dropped = _dropped(told.dropped)
        rows.append(("all", told.kind, f"{told.rows_in:,}", f"{told.kept:,}", f"{told.quarantined:,}", dropped))
    made = table(f"{len(told.files):,} file{'s' if len(told.files) != 1 else ''}", columns, rows)
    for column in made.columns[2:5]:
        column.justify = "right"
    return made


def _shown(files: list[CheckedFile]) -> list[CheckedFile]:
    """All, or those in which most is wrong; in their order."""
    worst = sorted(range(len(files)), key=lambda place: (files[place].error is None, -files[place].quarantined))
    return [files[place] for place in sorted(worst[:FILES])]


def _file_row(file: CheckedFile) -> tuple[object, ...]:
    counts = f"{file.rows_in:,}", f"{file.kept:,}", f"{file.quarantined:,}"
    return (printable(file.file), "refused" if file.error else file.format, *counts, _dropped(file.dropped))


def _dropped(reasons: Mapping[DropReason, int]) -> str | None:
    return ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in reasons.items()) or None


def _problem(code: ProblemCode, count: int, found: list[FoundProblem], one_file: bool) -> Group:
    """What is wrong, in how many rows, what to do, and the first places."""
    is_warning = bool(found) and found[0].severity == Severity.WARNING
    noun = f"{'warning' if is_warning else 'row'}{'s' if count != 1 else ''}"
    head = Text.assemble("\n", (code, "bold yellow" if is_warning else "bold red"), f"  {count:,} {noun}")
    places = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    places.add_column(no_wrap=True, style="cyan")
    places.add_column(overflow="fold")
    for problem in found[:PLACES]:
        where = f"line {problem.line}" if one_file else f"{_short(problem.file)}:{problem.line}"
        field = f"{printable(problem.field)}: " if problem.field else ""
        places.add_row(where, Text.assemble((field, "bold"), printable(problem.message)))
    if count > PLACES:
        places.add_row(Text("...", style="dim"), Text(f"and {count - PLACES:,} more", style="dim"))
    hint = Text.assemble(("do: ", "bold"), found[0].hint if found else "")
    return Group(head, *(Padding(part, (0, 0, 0, 2), expand=False) for part in (places, hint)))


def _short(uri: str) -> str:
    """The file's name as it fits beside a place."""
    name = printable(uri.rpartition("/")[2])
    half = (NAME - 3) // 2
    return name if len(name) <= NAME else f"{name[:half]}...{name[-half:]}"


def printable(text: str) -> str:
    """Without what would move the cursor or the eye: control and invisible characters are spelt."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _verdict(told: DatasetCheck) -> Text:
    swaps = told.swaps
    lines = Text("\n")
    if swaps and swaps.swap_rate is not None:
        lines += Text(
            f"Of {swaps.repeated_pairs:,} pairs that came twice, {swaps.contradicting_pairs:,} contradict the first: "
            f"about {swaps.swap_rate:.1%} of all labels are the wrong way round.\n"
        )
    if told.errors:
        files = sum(file.error is not None for file in told.files)
        wrong = [f"{told.quarantined:,} of {told.rows_in:,} rows are bad"] if told.quarantined else []
        wrong += [f"{files:,} of {len(told.files):,} files {'is' if files == 1 else 'are'} refused"] if files else []
        wrong += ["the files are no dataset"] if told.error else []
        return lines + Text(f"{', '.join(wrong)}.".capitalize(), style="bold red")
    return lines + Text(f"{told.kept:,} of {told.rows_in:,} rows are good to train on.", style="bold green")
