"""Tools: what is declared, what is called, and which answer belongs to which call. OpenAI's shapes are canonical."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from batch_jobs.prepare.canonical import Turn
from batch_jobs.prepare.checking.decoding import json_type
from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.checking.telling import cut, quoted
from batch_jobs.prepare.checking.texts import TextChecks
from batch_jobs.prepare.checking.values import canonical_json, json_in, wrong_type
from tunesmith.contracts.datasets import ProblemCode

_decode = msgspec.json.Decoder().decode


def parse_tools(row: dict[str, Any], place: str = "") -> str | None:
    """The declared tools as canonical JSON, from `tools` (an array, or JSON of one) or the older `functions`."""
    for key in ("tools", "functions"):
        value, field = row.get(key), f"{place}{key}"
        if isinstance(value, str) and value.strip():
            value = json_in(value, field, ProblemCode.TOOL_MISMATCH)
        if not value:
            continue
        if not isinstance(value, list):
            raise wrong_type("an array", value, field)
        return canonical_json([_definition(tool, f"{field}[{index}]") for index, tool in enumerate(value)])
    return None


def _definition(tool: Any, place: str) -> dict[str, Any]:
    """A tool as `{"type": "function", "function": {"name": ...}}`; a bare function is wrapped."""
    if not isinstance(tool, dict):
        raise wrong_type("an object", tool, place)
    is_wrapped = "function" in tool
    function, field = (tool["function"], f"{place}.function") if is_wrapped else (tool, place)
    if not isinstance(function, dict):
        raise wrong_type("an object", function, field)
    _name_of(function, field)
    if is_wrapped:
        return {"type": "function", **tool}
    return {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}}


def parse_calls(calls: Any, place: str, checks: TextChecks) -> list[dict[str, Any]]:
    """Tool calls; one without an `id` gets it later."""
    if not isinstance(calls, list):
        raise wrong_type("an array", calls, place)
    return [_call(call, f"{place}[{index}]", checks) for index, call in enumerate(calls)]


def parse_function(function: Any, place: str, checks: TextChecks) -> dict[str, str]:
    """`{"name": ..., "arguments": ...}`: the arguments are a string with a JSON object; an object is written as one."""
    if not isinstance(function, dict):
        raise wrong_type("an object", function, place)
    name = checks.any(_name_of(function, place), f"{place}.name")
    field, arguments = f"{place}.arguments", function.get("arguments")
    if isinstance(arguments, dict):
        return {"name": name, "arguments": checks.any(canonical_json(arguments), field)}
    if not isinstance(arguments, str):
        found = "nothing" if "arguments" not in function else json_type(arguments)
        raise BadRow(ProblemCode.TOOL_MISMATCH, f"expected a string with a JSON object, found {found}", field=field)
    value = json_in(arguments, field, ProblemCode.TOOL_MISMATCH)
    if not isinstance(value, dict):
        raise BadRow(ProblemCode.TOOL_MISMATCH, f"expected a JSON object, found {json_type(value)}", field=field)
    return {"name": name, "arguments": checks.any(arguments, field)}


def _call(call: Any, place: str, checks: TextChecks) -> dict[str, Any]:
    if not isinstance(call, dict):
        raise wrong_type("an object", call, place)
    function = parse_function(call.get("function", call), f"{place}.function" if "function" in call else place, checks)
    identity = call.get("id")
    if identity is not None and not isinstance(identity, str):
        raise wrong_type("a string", identity, f"{place}.id")
    return {"type": "function", "function": function} | ({"id": identity} if identity else {})


def _name_of(function: dict[str, Any], place: str) -> str:
    name = function.get("name")
    if "name" not in function:
        raise BadRow(ProblemCode.MISSING_FIELD, "no 'name'", field=f"{place}.name")
    if not isinstance(name, str) or not name:
        raise wrong_type("the name of a function", name, f"{place}.name")
    return name


Part = tuple[str, Sequence[Turn]]
"""Consecutive turns, and the path of the array that they stand in."""


def link_calls(tools: str | None, *parts: Part) -> list[tuple[Turn, ...]]:
    """The turns, where every call has an id and every answer names the call that it answers.

    An answer without an id belongs to the first call that waits for one (of the same name, if it has a name): that is
    how the older formats mean it. Raises BadRow where a called tool is not declared or an answer answers nothing.
    """
    declared = {tool["function"]["name"] for tool in _decode(tools)} if tools else set()
    waiting: dict[str, str] = {}
    made = 0
    linked: list[tuple[Turn, ...]] = []
    for place, turns in parts:
        done = []
        for index, turn in enumerate(turns):
            field = f"{place}[{index}]"
            if turn.tool_calls is not None:
                calls = _decode(turn.tool_calls)
                are_named = all("id" in call for call in calls)
                for number, call in enumerate(calls):
                    call.setdefault("id", f"call_{made}")
                    made += 1
                    _expect(call, declared, waiting, f"{field}.tool_calls[{number}]")
                if not are_named:
                    turn = replace(turn, tool_calls=canonical_json(calls))
            elif turn.role == "tool":
                identity = _answered(turn, waiting, field)
                turn = turn if turn.tool_call_id == identity else replace(turn, tool_call_id=identity)
            done.append(turn)
        linked.append(tuple(done))
    return linked


def _expect(call: dict[str, Any], declared: set[str], waiting: dict[str, str], place: str) -> None:
    name = call["function"]["name"]
    if name not in declared:
        known = cut(", ".join(sorted(declared)), 120) or "none"
        message = f"the tool {quoted(name, 60)} is called but not declared in tools (declared: {known})"
        raise BadRow(ProblemCode.TOOL_MISMATCH, message, field=f"{place}.function.name")
    if call["id"] in waiting:
        raise BadRow(ProblemCode.TOOL_MISMATCH, f"two calls have the id {quoted(call['id'], 60)}", field=f"{place}.id")
    waiting[call["id"]] = name


def _answered(turn: Turn, waiting: dict[str, str], place: str) -> str:
    """The id of the call that the turn answers; it waits no longer."""
    identity = turn.tool_call_id
    if identity is None:
        identity = next((found for found, name in waiting.items() if turn.name in (None, name)), None)
        if identity is None:
            message = "this answers no tool call: none before it waits for an answer"
            raise BadRow(ProblemCode.TOOL_MISMATCH, message, field=place)
    if identity not in waiting:
        message = f"no call before this waits for an answer to {quoted(identity, 60)}"
        raise BadRow(ProblemCode.TOOL_MISMATCH, message, field=f"{place}.tool_call_id")
    del waiting[identity]
    return identity
