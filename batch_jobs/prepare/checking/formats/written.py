"""A canonical row written in any format of its kind: the way back."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.checking.texts import is_blank
from batch_jobs.prepare.checking.values import canonical_json
from tunesmith.contracts.datasets import KIND_OF, DatasetKind, ProblemCode, RowFormat

CANONICAL = {
    DatasetKind.CHAT: RowFormat.CHAT,
    DatasetKind.PREFERENCE: RowFormat.PREFERENCE,
    DatasetKind.UNPAIRED_PREFERENCE: RowFormat.UNPAIRED_PREFERENCE,
    DatasetKind.PROMPT_ONLY: RowFormat.PROMPT_ONLY,
    DatasetKind.TEXT: RowFormat.TEXT,
}
"""The format that rows of a kind are written in where nobody asks for another."""
SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}


def write_row(row: Row, name: RowFormat | None = None) -> dict[str, Any]:
    """The row as an object of this format, with its kept columns beside. Raises BadRow where the format has no way to
    say what is in the row."""
    name = name or CANONICAL[row.kind]
    if KIND_OF[name] is not row.kind:
        message = f"a row of the kind {row.kind} cannot be written as {name}, which is of the kind {KIND_OF[name]}"
        raise BadRow(ProblemCode.MIXED_FORMAT, message)
    return {**row.columns, **WRITERS[name](row)}


def _chat(row: Row) -> dict[str, Any]:
    return {"messages": _messages(row.turns, weighted=True)} | _tools(row)


def _prompt_completion(row: Row) -> dict[str, Any]:
    """As texts where that says it all, else as messages."""
    if [turn.role for turn in row.turns] == ["user", "assistant"] and not row.tools and all(map(_is_bare, row.turns)):
        return {"prompt": row.turns[0].content, "completion": row.turns[1].content}
    *prompt, answer = _messages(row.turns, weighted=True)
    return {"prompt": prompt, "completion": [answer]} | _tools(row)


def _alpaca(row: Row) -> dict[str, Any]:
    written, turns = _system_apart(row)
    roles = [turn.role for turn in turns]
    if row.tools or roles != ["user", "assistant"] * (len(turns) // 2) or not all(map(_is_bare, row.turns)):
        raise _unsayable(RowFormat.ALPACA, "it takes no tools, names or weights, and users and assistants in turn")
    texts = [turn.content for turn in turns]
    if len(texts) > 2:
        written["history"] = [list(pair) for pair in zip(texts[:-2:2], texts[1:-2:2], strict=True)]
    return written | {"instruction": texts[-2], "output": texts[-1]}


def _system_apart(row: Row) -> tuple[dict[str, Any], Sequence[Turn]]:
    first = row.turns[0]
    if first.role == "system" and not is_blank(first.content):
        return {"system": first.content}, row.turns[1:]
    return {}, row.turns


def _sharegpt(row: Row) -> dict[str, Any]:
    items = [_item(turn) for turn in row.turns]
    if not row.tools:
        return {"conversations": items}
    tools = [tool["function"] if len(tool) == 2 else tool for tool in json.loads(row.tools)]
    return {"conversations": items, "tools": json.dumps(tools, ensure_ascii=False)}


def _item(turn: Turn) -> dict[str, Any]:
    if turn.name is not None or (turn.tool_calls and turn.content):
        raise _unsayable(RowFormat.SHAREGPT, "a turn has no name, and either a text or tool calls")
    weight = {"weight": 0} if turn.role == "assistant" and not turn.trained else {}
    if not turn.tool_calls:
        return {"from": SPEAKERS[turn.role], "value": turn.content} | weight
    calls = [_bare_call(call["function"]) for call in json.loads(turn.tool_calls)]
    said = calls[0] if len(calls) == 1 else calls
    return {"from": "function_call", "value": json.dumps(said, ensure_ascii=False)} | weight


def _bare_call(function: dict[str, Any]) -> dict[str, Any]:
    """With the arguments as an object, where that does not change how they are written."""
    arguments = json.loads(function["arguments"])
    same = canonical_json(arguments) == function["arguments"]
    return {"name": function["name"], "arguments": arguments if same else function["arguments"]}


def _openai_preference(row: Row) -> dict[str, Any]:
    if not row.turns:
        raise _unsayable(RowFormat.OPENAI_PREFERENCE, "the row has no prompt")
    return {
        "input": {"messages": _messages(row.turns)} | _tools(row),
        "preferred_output": _messages(row.chosen),
        "non_preferred_output": _messages(row.rejected),
    }


def _preference(row: Row) -> dict[str, Any]:
    prompt = {"prompt": _messages(row.turns)} if row.turns else {}
    return prompt | {"chosen": _messages(row.chosen), "rejected": _messages(row.rejected)} | _tools(row)


def _implicit_preference(row: Row) -> dict[str, Any]:
    sides = {"chosen": _messages(row.turns + row.chosen), "rejected": _messages(row.turns + row.rejected)}
    return sides | _tools(row)


def _unpaired_preference(row: Row) -> dict[str, Any]:
    *prompt, answer = _messages(row.turns)
    return {"prompt": prompt, "completion": [answer], "label": row.label} | _tools(row)


def _prompt_only(row: Row) -> dict[str, Any]:
    return {"prompt": _messages(row.turns)} | _tools(row)


def _text(row: Row) -> dict[str, Any]:
    return {"text": row.turns[0].content}


def _messages(turns: Sequence[Turn], weighted: bool = False) -> list[dict[str, Any]]:
    return [_message(turn, weighted) for turn in turns]


def _message(turn: Turn, weighted: bool) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role, "content": turn.content}
    if turn.name is not None:
        message["name"] = turn.name
    if turn.tool_calls is not None:
        message["tool_calls"] = json.loads(turn.tool_calls)
    if turn.tool_call_id is not None:
        message["tool_call_id"] = turn.tool_call_id
    if weighted and turn.role == "assistant" and not turn.trained:
        message["weight"] = 0
    return message


def _tools(row: Row) -> dict[str, Any]:
    return {"tools": json.loads(row.tools)} if row.tools else {}


def _is_bare(turn: Turn) -> bool:
    """Whether its role and its text say it all."""
    is_plain = turn.name is None and turn.tool_calls is None and turn.tool_call_id is None
    return is_plain and (turn.trained or turn.role != "assistant")


def _unsayable(name: RowFormat, reason: str) -> BadRow:
    return BadRow(ProblemCode.UNKNOWN_FORMAT, f"the row cannot be written as {name}: {reason}")


WRITERS: dict[RowFormat, Callable[[Row], dict[str, Any]]] = {
    RowFormat.CHAT: _chat,
    RowFormat.PROMPT_COMPLETION: _prompt_completion,
    RowFormat.ALPACA: _alpaca,
    RowFormat.SHAREGPT: _sharegpt,
    RowFormat.OPENAI_PREFERENCE: _openai_preference,
    RowFormat.PREFERENCE: _preference,
    RowFormat.IMPLICIT_PREFERENCE: _implicit_preference,
    RowFormat.UNPAIRED_PREFERENCE: _unpaired_preference,
    RowFormat.PROMPT_ONLY: _prompt_only,
    RowFormat.TEXT: _text,
}
