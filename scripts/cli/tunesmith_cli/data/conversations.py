"""Rows as people read them in a terminal: who says what, turn by turn, and which turns are learnt."""

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tunesmith.contracts.versions import ShownRow, ShownTurn

ROLE_COLOURS = {"system": "magenta", "user": "cyan", "assistant": "green", "tool": "yellow", "text": "white"}
LONGEST = 1_200
"""Characters of a turn that are shown, unless all are asked for."""
PARTS = {"chosen": "better answer", "rejected": "worse answer"}
SHORT = 12


def conversation(row: ShownRow, whole: bool = False) -> RenderableType:
    """A line that says what row it is, and its turns below."""
    turns = Table.grid(padding=(0, 1))
    turns.add_column(width=1)
    turns.add_column(min_width=9, max_width=14, overflow="fold")
    turns.add_column(overflow="fold", ratio=1)
    part = "messages"
    for turn in row.turns:
        if turn.part != part:
            part = turn.part
            turns.add_row("", "", Text(f"{PARTS[part]}:", style="dim"))
        turns.add_row(Text("│", style="green" if turn.trained else "dim"), _role(turn), _content(turn, whole))
    return Group(heading(row), Padding(turns, (0, 0, 1, 0)))


def heading(row: ShownRow) -> Text:
    """Split, place, language, label, quality and the beginning of its id: what is known of the row."""
    known = [
        (row.split.value if row.split else None, "bold"),
        (f"{seen(row.source.rpartition('/')[2])}:{row.line}", "bold"),
        (row.language, "dim"),
        (_label(row), "dim"),
        (f"quality {row.quality:.2f}" if row.quality is not None else None, "dim"),
        (f"toxicity {row.toxicity:.2f}" if row.toxicity is not None and row.toxicity >= 0.3 else None, "red"),
        ({True: "liked", False: "not liked", None: None}[row.desirable], "dim"),
        (row.item_id[:SHORT] if row.item_id else None, "dim"),
    ]
    return Text("  ").join(Text(seen(said), style=style) for said, style in known if said)


def _label(row: ShownRow) -> str | None:
    if row.label is None:
        return None
    sure = f" ({row.label_origin} {row.label_confidence:.0%})" if (row.label_confidence or 1) < 1 else ""
    return f"[{row.label}{sure}]"


def _role(turn: ShownTurn) -> Text:
    said = f"{turn.role} {turn.name}" if turn.name else turn.role
    return Text(seen(said), style=ROLE_COLOURS.get(turn.role, ""))


def _content(turn: ShownTurn, whole: bool) -> Text:
    content = turn.content if whole or len(turn.content) <= LONGEST else turn.content[:LONGEST]
    told = Text(seen(content))
    if len(content) < len(turn.content):
        told.append(f" ... {len(turn.content) - len(content):,} more characters", style="dim")
    if turn.tool_calls:
        told.append(("\n" if content else "") + f"calls {seen(turn.tool_calls)}", style="yellow")
    return told


def seen(text: str) -> str:
    """Without what would move the cursor or the eye; line breaks stay."""
    return "".join(
        char if char == "\n" or char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
