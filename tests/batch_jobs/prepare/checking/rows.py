"""Rows that tests of the checks share, and the way from a row to its canonical form."""

import json
from typing import Any

from batch_jobs.prepare.canonical import Row
from batch_jobs.prepare.checking.decoding import decode_object
from batch_jobs.prepare.checking.detection import FormatOfFile
from batch_jobs.prepare.checking.parsing import RowColumns, parse_row
from batch_jobs.prepare.checking.texts import TextChecks
from tunesmith.contracts.recipes import PrepareRecipe


def parse(row: Any, recipe: PrepareRecipe | None = None) -> Row:
    """The row as the only one of its file."""
    recipe = recipe or PrepareRecipe()
    decoded = decode_object(row if isinstance(row, bytes) else json.dumps(row).encode())
    columns = RowColumns.of(recipe)
    return parse_row(
        decoded, FormatOfFile.of([columns.rename(decoded)], recipe.read), columns, TextChecks.of(recipe.normalise)
    )


Said = tuple[str, Any] | dict[str, Any]
"""A turn as (role, content), or the whole message."""


def chat(*turns: Said, **extra: Any) -> dict[str, Any]:
    return {"messages": messages(*turns)} | extra


def messages(*turns: Said) -> list[dict[str, Any]]:
    return [turn if isinstance(turn, dict) else {"role": turn[0], "content": turn[1]} for turn in turns]


def sharegpt(*turns: tuple[str, Any], **extra: Any) -> dict[str, Any]:
    return {"conversations": [{"from": speaker, "value": text} for speaker, text in turns]} | extra


ASK, ANSWER, BETTER = ("user", "hello"), ("assistant", "hi"), ("assistant", "hello there")
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def call(arguments: Any = '{"city": "Bern"}', name: str = "weather", **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}} | more


def tool_chat(*turns: Any, tools: Any = (WEATHER,)) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Weather in Bern?"}, *turns], "tools": list(tools)}


CALLING = {"role": "assistant", "content": None, "tool_calls": [call(id="c1")]}
ANSWERED = {"role": "tool", "tool_call_id": "c1", "content": "rain"}
TELLING = {"role": "assistant", "content": "It rains."}
