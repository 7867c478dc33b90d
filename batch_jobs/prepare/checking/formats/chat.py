"""OpenAI's chat format, which is canonical: `{"messages": [...], "tools": [...]}`."""

from typing import Any

from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.checking.messages import parse_messages, with_system
from batch_jobs.prepare.checking.shapes import check_conversation
from batch_jobs.prepare.checking.texts import TextChecks
from batch_jobs.prepare.checking.tools import link_calls, parse_tools
from batch_jobs.prepare.checking.values import array_of
from tunesmith.contracts.datasets import RowFormat


def parse_chat(row: dict[str, Any], checks: TextChecks) -> Row:
    turns = parse_messages(array_of(row, "messages", "messages"), "messages", checks)
    if "system" in row:
        turns = with_system(row, turns, checks)
    return conversation(RowFormat.CHAT, turns, row, "messages")


def conversation(name: RowFormat, turns: list[Turn], row: dict[str, Any], place: str) -> Row:
    """The row of a conversation that ends with an answer. Raises BadRow."""
    tools = parse_tools(row) if "tools" in row or "functions" in row else None
    check_conversation(turns, place)
    if uses_tools(turns):
        return Row(name, link_calls(tools, (place, turns))[0], tools=tools)
    return Row(name, tuple(turns), tools=tools)


def uses_tools(turns: list[Turn]) -> bool:
    for turn in turns:
        if turn.tool_calls is not None or turn.role == "tool":
            return True
    return False
