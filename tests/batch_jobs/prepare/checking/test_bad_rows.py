"""Every fault of a row has its code and its field."""

from typing import Any

import pytest

from batch_jobs.prepare.checking.problems import HINTS, BadRow
from tests.batch_jobs.prepare.checking.rows import (
    ANSWER,
    ANSWERED,
    ASK,
    CALLING,
    TELLING,
    call,
    chat,
    messages,
    parse,
    sharegpt,
    tool_chat,
)
from tunesmith.contracts.datasets import ProblemCode as Code
from tunesmith.contracts.recipes import PrepareRecipe

BAD_LINES: list[tuple[bytes, Code, str | None]] = [
    (b'{"prompt": "\xff", "completion": "x"}', Code.NOT_UTF8, None),
    (b'{"prompt": "cut', Code.NOT_JSON, None),
    (b'{"prompt": "a"} {"prompt": "b"}', Code.NOT_JSON, None),
    (b"{'prompt': 'a'}", Code.NOT_JSON, None),
    (b"[1, 2]", Code.NOT_AN_OBJECT, None),
    (b'"text"', Code.NOT_AN_OBJECT, None),
    (b'{"prompt": "a", "completion": "b", "completion": "c"}', Code.DUPLICATE_KEY, "completion"),
    (b'{"messages": [{"role": "user", "role": "system"}]}', Code.DUPLICATE_KEY, "role"),
    (b'{"a": 1, "a": 2}', Code.DUPLICATE_KEY, "a"),
    (rb'{"prompt": "C:\\", "completion": "D:\\", "id": 1, "id": 2}', Code.DUPLICATE_KEY, "id"),
    (rb'{"\ud800": 1, "\ud800": 2}', Code.DUPLICATE_KEY, r"\ud800"),
    (b'{"a": NaN}', Code.NUMBER_RANGE, None),
    (b'{"a": -Infinity}', Code.NUMBER_RANGE, None),
    (b'{"a": 1e999}', Code.NUMBER_RANGE, None),
    (b'{"a": ' + b"9" * 30 + b"}", Code.NUMBER_RANGE, None),
    (b'{"a": ' + b"9" * 5_000 + b"}", Code.NUMBER_RANGE, None),
    (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", Code.TOO_DEEP, None),
    (b'{"a": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", Code.TOO_DEEP, None),
    (b"[" * 20_000, Code.TOO_DEEP, None),
    (b'{"prompt": "a\\ud800", "completion": "b"}', Code.BAD_CHARACTER, "prompt"),
    (b'{"prompt": "a\x07", "completion": "b"}', Code.BAD_CHARACTER, None),
    (b'{"messages": [{"content": "a\\n"}, {"content": ["\\udc00"]}]}', Code.BAD_CHARACTER, "messages[1].content[0]"),
    (b'{"\\ud800": 1}', Code.BAD_CHARACTER, "\\ud800"),
]
BAD_SHAPES: list[tuple[Any, Code, str | None]] = [
    ({"question": "a", "answer": "b"}, Code.UNKNOWN_FORMAT, None),
    ({}, Code.UNKNOWN_FORMAT, None),
    ({"messages": [{"role": "user"}]}, Code.MISSING_FIELD, "messages[0].content"),
    ({"messages": [{"content": "a"}]}, Code.MISSING_FIELD, "messages[0].role"),
    ({"completion": "a"}, Code.MISSING_FIELD, "prompt"),
    ({"instruction": "a"}, Code.MISSING_FIELD, "output"),
    ({"prompt": "a", "chosen": "b"}, Code.MISSING_FIELD, "rejected"),
    ({"context": "a", "chosen": messages(ANSWER), "rejected": messages(ASK)}, Code.MISSING_FIELD, "prompt"),
    ({"instruction": " ", "input": "", "output": "b"}, Code.BLANK_CONTENT, "instruction"),
    ({"prompt": [{"from": "human"}], "completion": "b"}, Code.MISSING_FIELD, "prompt[0].value"),
    ({"prompt": [{"content": "a"}], "completion": "b"}, Code.MISSING_FIELD, "prompt[0].role"),
    ({"chosen": messages(ASK, ANSWER)}, Code.MISSING_FIELD, "rejected"),
    ({"preferred_output": messages(ANSWER)}, Code.MISSING_FIELD, "input"),
    ({"input": {"messages": messages(ASK)}}, Code.MISSING_FIELD, "preferred_output"),
    ({"input": {}, "preferred_output": messages(ANSWER)}, Code.MISSING_FIELD, "input.messages"),
    ({"completion": "b", "label": True}, Code.MISSING_FIELD, "prompt"),
    ({"conversations": [{"from": "human"}]}, Code.MISSING_FIELD, "conversations[0].value"),
    ({"conversations": [{"value": "a"}]}, Code.MISSING_FIELD, "conversations[0].from"),
    (chat(("system", "a"), ASK, ANSWER, system="b"), Code.DUPLICATE_KEY, "system"),
    (chat(ASK, ANSWER, system=7), Code.WRONG_TYPE, "system"),
    ({"messages": "hello"}, Code.WRONG_TYPE, "messages"),
    ({"messages": ["hello"]}, Code.WRONG_TYPE, "messages[0]"),
    ({"text": None}, Code.WRONG_TYPE, "text"),
    (chat(ASK, ("assistant", 7)), Code.WRONG_TYPE, "messages[1].content"),
    (chat(("user", [{"type": "tool_use"}]), ANSWER), Code.WRONG_TYPE, "messages[0].content[0].type"),
    (chat(("user", [{"type": {"a": 1}}]), ANSWER), Code.WRONG_TYPE, "messages[0].content[0].type"),
    (chat(ASK, {"role": "assistant", "content": None, "refusal": 7}), Code.WRONG_TYPE, "messages[1].refusal"),
    (chat(ASK, {"role": "assistant", "content": "a", "train": "no"}), Code.WRONG_TYPE, "messages[1].train"),
    (chat(ASK, {"role": "assistant", "content": "a", "loss_weight": 0.3}), Code.WRONG_TYPE, "messages[1].loss_weight"),
    ({"messages": "[1, 2"}, Code.WRONG_TYPE, "messages"),
    ({"messages": "[1, 2]"}, Code.WRONG_TYPE, "messages[0]"),
    (chat(("user", ["a"]), ANSWER), Code.WRONG_TYPE, "messages[0].content[0].type"),
    ({"messages": [{"role": "user", "content": "a", "name": 7}]}, Code.WRONG_TYPE, "messages[0].name"),
    ({"prompt": "a", "completion": ["b"]}, Code.WRONG_TYPE, "completion[0]"),
    ({"prompt": 7}, Code.WRONG_TYPE, "prompt"),
    ({"instruction": "a", "input": 3, "output": "b"}, Code.WRONG_TYPE, "input"),
    ({"instruction": "a", "output": "b", "history": [["x"]]}, Code.WRONG_TYPE, "history[0]"),
    ({"instruction": "a", "output": "b", "history": [["x", 1]]}, Code.WRONG_TYPE, "history[0][1]"),
    ({"instruction": "a", "output": "b", "system": 1}, Code.WRONG_TYPE, "system"),
    (sharegpt(("human", 1), ("gpt", "b")), Code.WRONG_TYPE, "conversations[0].value"),
    ({"input": "a", "preferred_output": [], "non_preferred_output": []}, Code.WRONG_TYPE, "input"),
    (chat(ASK, ANSWER, tools={"name": "f"}), Code.WRONG_TYPE, "tools"),
    (
        {"messages": [{"role": "assistant", "content": "a", "weight": 0.5}]},
        Code.WRONG_TYPE,
        "messages[0].weight",
    ),
    (chat(ASK, ("robot", "42"), ANSWER), Code.UNKNOWN_ROLE, "messages[1].role"),
    (chat(("User", "hello"), ANSWER), Code.UNKNOWN_ROLE, "messages[0].role"),
    (sharegpt(("alien", "x"), ("gpt", "b")), Code.UNKNOWN_ROLE, "conversations[0].from"),
    (chat(ASK), Code.NO_ASSISTANT_TURN, "messages"),
    (chat(ANSWER), Code.NO_ASSISTANT_TURN, "messages"),
    (chat(ASK, ANSWER, ASK), Code.NO_ASSISTANT_TURN, "messages"),
    ({"messages": []}, Code.NO_ASSISTANT_TURN, "messages"),
    (sharegpt(("human", "a")), Code.NO_ASSISTANT_TURN, "conversations"),
    ({"prompt": "a", "completion": messages(ASK)}, Code.NO_ASSISTANT_TURN, "completion"),
    ({"prompt": "a", "chosen": messages(ANSWER, ASK), "rejected": "b"}, Code.NO_ASSISTANT_TURN, "chosen"),
    ({"prompt": "a", "chosen": "b", "rejected": []}, Code.NO_ASSISTANT_TURN, "rejected"),
    ({"messages": "[", "rejected_messages": "["}, Code.WRONG_TYPE, "messages"),
    ({"messages": "a", "rejected_messages": "a"}, Code.WRONG_TYPE, "messages"),
    ({"chosen": "a", "rejected": messages(ASK, ANSWER)}, Code.WRONG_TYPE, "chosen"),
    (chat(ASK, rejected_response="b"), Code.NO_ASSISTANT_TURN, "messages"),
    (chat(ASK, ANSWER, rejected_response=[7]), Code.WRONG_TYPE, "rejected_response[0]"),
    (chat(ASK, ANSWER, rejected_messages=messages(ASK)), Code.NO_ASSISTANT_TURN, "rejected_messages"),
    (
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}]},
        Code.NO_ASSISTANT_TURN,
        "messages",
    ),
    (
        {"messages": [*chat(ANSWER, ASK)["messages"], {"role": "assistant", "content": "b", "weight": 0}]},
        Code.NO_ASSISTANT_TURN,
        "messages",
    ),
]
BAD_TEXTS: list[tuple[Any, Code, str | None]] = [
    (chat(ASK, ("assistant", "")), Code.BLANK_CONTENT, "messages[1].content"),
    (chat(("user", " \t\n"), ANSWER), Code.BLANK_CONTENT, "messages[0].content"),
    ({"prompt": "\u3000", "completion": "a"}, Code.BLANK_CONTENT, "prompt"),
    ({"prompt": "a", "completion": "\u200b\u200b"}, Code.BLANK_CONTENT, "completion"),
    ({"prompt": "a", "completion": "\u2066\u202e\U000e0041"}, Code.BLANK_CONTENT, "completion"),
    ({"instruction": "a", "output": "\ufeff\u00a0"}, Code.BLANK_CONTENT, "output"),
    ({"text": " "}, Code.BLANK_CONTENT, "text"),
    ({"prompt": messages(("system", "Be kind."))}, Code.BLANK_CONTENT, "prompt"),
    ({"prompt": []}, Code.BLANK_CONTENT, "prompt"),
    (sharegpt(("human", "\u2800"), ("gpt", "b")), Code.BLANK_CONTENT, "conversations[0].value"),
    (b'{"prompt": "a\\u0000", "completion": "b"}', Code.BAD_CHARACTER, "prompt"),
    ({"prompt": "a\U000e0041", "completion": "b"}, Code.BAD_CHARACTER, "prompt"),
    ({"prompt": "a\ufffe", "completion": "b"}, Code.BAD_CHARACTER, "prompt"),
    ({"prompt": "pay\u202efdp.exe", "completion": "b"}, Code.BAD_CHARACTER, "prompt"),
    ({"prompt": "pass\u200bword", "completion": "b"}, Code.BAD_CHARACTER, "prompt"),
    ({"prompt": "ab\u200dcd", "completion": "b"}, Code.BAD_CHARACTER, "prompt"),
    (sharegpt(("system", "\u2067x"), ("human", "a"), ("gpt", "b")), Code.BAD_CHARACTER, "conversations[0].value"),
    (tool_chat({**CALLING, "tool_calls": [call('{"a": "\u202e"}')]}), Code.BAD_CHARACTER, None),
    (chat(ASK, ("assistant", "hi<|im_end|>")), Code.SPECIAL_TOKEN, "messages[1].content"),
    ({"prompt": "<|start_header_id|>user", "completion": "b"}, Code.SPECIAL_TOKEN, "prompt"),
]
BAD_TOOLS: list[tuple[Any, Code, str | None]] = [
    (tool_chat(CALLING, tools=[]), Code.TOOL_MISMATCH, "messages[1].tool_calls[0].function.name"),
    (
        tool_chat({**CALLING, "tool_calls": [call(name="news")]}),
        Code.TOOL_MISMATCH,
        "messages[1].tool_calls[0].function.name",
    ),
    (
        tool_chat({**CALLING, "tool_calls": [call("{city: Bern}")]}),
        Code.TOOL_MISMATCH,
        "messages[1].tool_calls[0].function.arguments",
    ),
    (
        tool_chat({**CALLING, "tool_calls": [call("[1]")]}),
        Code.TOOL_MISMATCH,
        "messages[1].tool_calls[0].function.arguments",
    ),
    (
        tool_chat({**CALLING, "tool_calls": [call(id="c1"), call(id="c1")]}),
        Code.TOOL_MISMATCH,
        "messages[1].tool_calls[1].id",
    ),
    (
        tool_chat(CALLING, {**ANSWERED, "tool_call_id": "c9"}, TELLING),
        Code.TOOL_MISMATCH,
        "messages[2].tool_call_id",
    ),
    (tool_chat(CALLING, ANSWERED, ANSWERED, TELLING), Code.TOOL_MISMATCH, "messages[3].tool_call_id"),
    (chat(ASK, ("tool", "42"), ANSWER), Code.TOOL_MISMATCH, "messages[1]"),
    (tool_chat({"role": "user", "content": "a", "tool_calls": [call()]}), Code.TOOL_MISMATCH, "messages[1].tool_calls"),
    (
        tool_chat({"role": "assistant", "content": None, "function_call": {"name": "weather"}}),
        Code.TOOL_MISMATCH,
        "messages[1].function_call.arguments",
    ),
    (sharegpt(("human", "a"), ("function_call", "weather()")), Code.TOOL_MISMATCH, "conversations[1].value"),
    (sharegpt(("human", "a"), ("observation", "x"), ("gpt", "b")), Code.TOOL_MISMATCH, "conversations[1]"),
    (chat(ASK, ANSWER, tools="no json"), Code.TOOL_MISMATCH, "tools"),
    (chat(ASK, ANSWER, tools=[{"type": "function"}]), Code.MISSING_FIELD, "tools[0].name"),
]
BAD_PAIRS: list[tuple[Any, Code, str | None]] = [
    ({"prompt": "a", "chosen": "b", "rejected": "b"}, Code.EQUAL_PAIR, "rejected"),
    ({"prompt": "a", "chosen": "caf\u00e9\r\n", "rejected": " cafe\u0301\n"}, Code.EQUAL_PAIR, "rejected"),
    ({"chosen": messages(ASK, ANSWER), "rejected": messages(ASK, ANSWER)}, Code.EQUAL_PAIR, "rejected"),
    ({"chosen": "the same", "rejected": "the same"}, Code.EQUAL_PAIR, "rejected"),
    (
        {
            "input": {"messages": messages(ASK)},
            "preferred_output": messages(ANSWER),
            "non_preferred_output": messages(ANSWER),
        },
        Code.EQUAL_PAIR,
        "non_preferred_output",
    ),
]
UNREAD: list[tuple[Any, Code, str | None]] = [
    ({"messages": [{"role": "user", "content": "a", "audio": {"id": 1}}]}, Code.UNSUPPORTED, "messages[0].audio"),
    (chat(("user", [{"type": "image_url"}]), ANSWER), Code.UNSUPPORTED, "messages[0].content[0].type"),
    (chat(("user", "<image>hello"), ANSWER, images=["1.jpg"]), Code.UNSUPPORTED, "images"),
    (sharegpt(("human", "<image>"), ("gpt", "b"), image="1.jpg"), Code.UNSUPPORTED, "image"),
    ({"prompt": "a", "chosen": "b", "rejected": "c", "videos": ["1.mp4"]}, Code.UNSUPPORTED, "videos"),
    ({"prompt": "a", "audio": {"bytes": "AAAA", "path": None}}, Code.UNSUPPORTED, "audio"),
    ({"text": "what is on the picture?", "image": "1.jpg"}, Code.UNSUPPORTED, "image"),
    (
        chat(ASK, {"role": "assistant", "content": "a", "reasoning_content": "b"}),
        Code.UNSUPPORTED,
        "messages[1].reasoning_content",
    ),
    (
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b", "train_detail": [1]}]},
        Code.UNSUPPORTED,
        "conversations[1].train_detail",
    ),
    ({"instruction": "a", "context": "b", "output": "c"}, Code.UNSUPPORTED, "context"),
    ({"prompt": "a", "input": "b", "completion": "c"}, Code.UNSUPPORTED, "input"),
    (chat(ASK, ANSWER, system_prompt="Be kind."), Code.UNSUPPORTED, "system_prompt"),
    ({"prompt": "a", "completion": "b", "rejected_response": "c"}, Code.UNSUPPORTED, "rejected_response"),
]
BAD_ROWS = BAD_LINES + BAD_SHAPES + BAD_TEXTS + BAD_TOOLS + BAD_PAIRS + UNREAD
ELSEWHERE = {
    Code.MIXED_FORMAT: "test_detection.py",
    Code.SWAPPED_PAIR: "test_swaps.py",
    Code.LINE_TOO_LONG: "tests of reading",
    Code.RAGGED_ROW: "tests of reading",
    Code.BAD_QUOTES: "tests of reading",
    Code.TYPE_MISMATCH: "test_faults.py",
    Code.UNREADABLE: "test_faults.py",
}


@pytest.mark.parametrize(("row", "code", "field"), BAD_ROWS)
def test_bad_row_is_told_by_code_and_field(row: Any, code: Code, field: str | None) -> None:
    """D01 to D05, D14 to D16, D19, D20"""
    with pytest.raises(BadRow) as found:
        parse(row)
    assert found.value.code == code, found.value.message
    if field is not None or code in (Code.UNKNOWN_FORMAT, Code.NOT_JSON):
        assert found.value.field == field


@pytest.mark.parametrize(
    "row",
    [
        sharegpt(("human", "hello"), ("gpt", "hi"), system_prompt="hello"),
        chat(ASK, ANSWER, images=[], audio=None, system_prompt="", context="about greetings"),
        {"instruction": "hello", "context": " ", "output": "hi"},
        {"text": "hello", "context": "a", "system_prompt": "b", "image": ""},
        {"prompt": "hello", "context": "for the reward"},
    ],
)
def test_what_says_nothing_or_only_describes_the_row_may_stand_beside_it(row: Any) -> None:
    assert parse(row).turns[0].content == "hello"


def test_a_column_that_is_kept_or_renamed_is_the_recipes_decision() -> None:
    row = chat(ASK, ANSWER, images=["1.jpg"])
    for read in ({"keep_columns": ["images"]}, {"columns": {"images": "unused"}}):
        assert parse(row, PrepareRecipe.model_validate({"read": read})).turns[0].content == "hello"


def test_every_problem_code_is_provoked_and_has_a_hint() -> None:
    provoked = {code for _, code, _ in BAD_ROWS}
    assert not provoked & set(ELSEWHERE)
    assert provoked | set(ELSEWHERE) == set(HINTS) == set(Code)


def test_problem_that_is_held_holds_no_frames_and_so_no_rows() -> None:
    with pytest.raises(BadRow) as found:
        parse(b'{"prompt": "cut')
    bare = found.value.bare()
    assert bare is found.value and bare.__traceback__ is None and bare.__context__ is None
