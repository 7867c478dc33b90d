"""Single rows and lines: every fault has its code, its field and its place."""

import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.checking.conversations import Conversation, Turn, parse_conversation
from batch_jobs.prepare.checking.decoding import decode_object
from batch_jobs.prepare.checking.problems import HINTS, BadRow
from batch_jobs.prepare.reading.lines import check_text, read_lines
from tunesmith.contracts.datasets import ProblemCode, RowFormat
from tunesmith.contracts.errors import InvalidInput


def parse(row: Any) -> Conversation:
    return parse_conversation(decode_object(row if isinstance(row, bytes) else json.dumps(row).encode()))


def chat(*turns: tuple[str, Any], **extra: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in turns]} | extra


ASK, ANSWER = ("user", "hello"), ("assistant", "hi")

BAD_ROWS: list[tuple[Any, ProblemCode, str | None]] = [
    (b'{"prompt": "\xff", "completion": "x"}', ProblemCode.NOT_UTF8, None),
    (b'{"prompt": "cut', ProblemCode.NOT_JSON, None),
    (b'{"prompt": "a"} {"prompt": "b"}', ProblemCode.NOT_JSON, None),
    (b"{'prompt': 'a'}", ProblemCode.NOT_JSON, None),
    (b"[1, 2]", ProblemCode.NOT_AN_OBJECT, None),
    (b'"text"', ProblemCode.NOT_AN_OBJECT, None),
    (b'{"prompt": "a", "completion": "b", "completion": "c"}', ProblemCode.DUPLICATE_KEY, "completion"),
    (b'{"messages": [{"role": "user", "role": "system"}]}', ProblemCode.DUPLICATE_KEY, "role"),
    (b'{"a": 1, "a": 2}', ProblemCode.DUPLICATE_KEY, "a"),
    (rb'{"prompt": "C:\\", "completion": "D:\\", "id": 1, "id": 2}', ProblemCode.DUPLICATE_KEY, "id"),
    (rb'{"\ud800": 1, "\ud800": 2}', ProblemCode.DUPLICATE_KEY, r"\ud800"),
    (b'{"a": NaN}', ProblemCode.NUMBER_RANGE, None),
    (b'{"a": -Infinity}', ProblemCode.NUMBER_RANGE, None),
    (b'{"a": 1e999}', ProblemCode.NUMBER_RANGE, None),
    (b'{"a": ' + b"9" * 30 + b"}", ProblemCode.NUMBER_RANGE, None),
    (b'{"a": ' + b"9" * 5_000 + b"}", ProblemCode.NUMBER_RANGE, None),
    (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", ProblemCode.TOO_DEEP, None),
    (b'{"a": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", ProblemCode.TOO_DEEP, None),
    (b"[" * 20_000, ProblemCode.TOO_DEEP, None),
    ({"question": "a", "answer": "b"}, ProblemCode.UNKNOWN_FORMAT, None),
    ({}, ProblemCode.UNKNOWN_FORMAT, None),
    (chat(ASK, ANSWER, tools=[{"type": "function"}]), ProblemCode.UNKNOWN_FORMAT, "tools"),
    (
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [{}]}]},
        ProblemCode.UNKNOWN_FORMAT,
        "messages[0].tool_calls",
    ),
    ({"messages": [{"role": "user"}]}, ProblemCode.MISSING_FIELD, "messages[0].content"),
    ({"messages": [{"content": "a"}]}, ProblemCode.MISSING_FIELD, "messages[0].role"),
    ({"prompt": "a"}, ProblemCode.MISSING_FIELD, "completion"),
    ({"completion": "a"}, ProblemCode.MISSING_FIELD, "prompt"),
    ({"instruction": "a"}, ProblemCode.MISSING_FIELD, "output"),
    ({"messages": "hello"}, ProblemCode.WRONG_TYPE, "messages"),
    ({"messages": ["hello"]}, ProblemCode.WRONG_TYPE, "messages[0]"),
    (chat(ASK, ("assistant", 7)), ProblemCode.WRONG_TYPE, "messages[1].content"),
    (chat(("user", [{"type": "image_url"}]), ANSWER), ProblemCode.WRONG_TYPE, "messages[0].content[0].type"),
    (chat(("user", ["a"]), ANSWER), ProblemCode.WRONG_TYPE, "messages[0].content[0].type"),
    ({"prompt": "a", "completion": ["b"]}, ProblemCode.WRONG_TYPE, "completion"),
    ({"instruction": "a", "input": 3, "output": "b"}, ProblemCode.WRONG_TYPE, "input"),
    (
        {"messages": [{"role": "user", "content": "a", "weight": 0.5}, {"role": "assistant", "content": "b"}]},
        ProblemCode.WRONG_TYPE,
        "messages[0].weight",
    ),
    (chat(ASK, ("tool", "42"), ANSWER), ProblemCode.UNKNOWN_ROLE, "messages[1].role"),
    (chat(("User", "hello"), ANSWER), ProblemCode.UNKNOWN_ROLE, "messages[0].role"),
    (chat(ASK), ProblemCode.NO_ASSISTANT_TURN, "messages"),
    (chat(ANSWER), ProblemCode.NO_ASSISTANT_TURN, "messages"),
    (chat(ASK, ANSWER, ASK), ProblemCode.NO_ASSISTANT_TURN, "messages"),
    ({"messages": []}, ProblemCode.NO_ASSISTANT_TURN, "messages"),
    (
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}]},
        ProblemCode.NO_ASSISTANT_TURN,
        "messages",
    ),
    (
        {"messages": [*chat(ANSWER, ASK)["messages"], {"role": "assistant", "content": "b", "weight": 0}]},
        ProblemCode.NO_ASSISTANT_TURN,
        "messages",
    ),
    (chat(ASK, ("assistant", "")), ProblemCode.BLANK_CONTENT, "messages[1].content"),
    (chat(("user", " \t\n"), ANSWER), ProblemCode.BLANK_CONTENT, "messages[0].content"),
    ({"prompt": "\u3000", "completion": "a"}, ProblemCode.BLANK_CONTENT, "prompt"),
    ({"prompt": "a", "completion": "\u200b\u200b"}, ProblemCode.BLANK_CONTENT, "completion"),
    ({"instruction": "a", "output": "\ufeff\u00a0"}, ProblemCode.BLANK_CONTENT, "output"),
    (b'{"prompt": "a\\ud800", "completion": "b"}', ProblemCode.BAD_CHARACTER, None),
    (b'{"prompt": "a\\u0000", "completion": "b"}', ProblemCode.BAD_CHARACTER, "prompt"),
    (b'{"prompt": "a\x07", "completion": "b"}', ProblemCode.BAD_CHARACTER, None),
    ({"prompt": "a\U000e0041", "completion": "b"}, ProblemCode.BAD_CHARACTER, "prompt"),
    ({"prompt": "a\ufffe", "completion": "b"}, ProblemCode.BAD_CHARACTER, "prompt"),
    (chat(ASK, ("assistant", "hi<|im_end|>")), ProblemCode.SPECIAL_TOKEN, "messages[1].content"),
    ({"prompt": "<|start_header_id|>user", "completion": "b"}, ProblemCode.SPECIAL_TOKEN, "prompt"),
]


@pytest.mark.parametrize(("row", "code", "field"), BAD_ROWS)
def test_bad_row_is_told_by_code_and_field(row: Any, code: ProblemCode, field: str | None) -> None:
    with pytest.raises(BadRow) as found:
        parse(row)
    assert (found.value.code, found.value.field) == (code, field)


def test_every_problem_code_is_provoked_and_has_a_hint() -> None:
    provoked = {code for _, code, _ in BAD_ROWS} | {ProblemCode.LINE_TOO_LONG}  # the last one in test_prepare.py
    assert provoked == set(HINTS)


@pytest.mark.parametrize(
    ("row", "name", "turns"),
    [
        (chat(("developer", "Be kind."), ASK, ANSWER), RowFormat.CHAT, [("system", "Be kind."), ASK, ANSWER]),
        (chat(("system", ""), ASK, ANSWER), RowFormat.CHAT, [("system", ""), ASK, ANSWER]),
        (
            chat(("user", [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]), ANSWER),
            RowFormat.CHAT,
            [ASK, ANSWER],
        ),
        ({"prompt": "hello", "completion": "hi", "id": 7}, RowFormat.PROMPT_COMPLETION, [ASK, ANSWER]),
        ({"instruction": "hello", "input": "", "output": "hi"}, RowFormat.ALPACA, [ASK, ANSWER]),
        ({"instruction": "a", "input": "b", "output": "hi"}, RowFormat.ALPACA, [("user", "a\n\nb"), ANSWER]),
        (
            {"prompt": 'say "\\"', "completion": '\\\\"'},
            RowFormat.PROMPT_COMPLETION,
            [("user", 'say "\\"'), ("assistant", '\\\\"')],
        ),
        (chat(("user", "🏴\U000e0067\U000e0062\U000e007f a < b | c"), ANSWER), RowFormat.CHAT, None),
    ],
)
def test_good_row_becomes_turns(row: Any, name: RowFormat, turns: list[tuple[str, str]] | None) -> None:
    found = parse(row)
    assert found.format == name
    if turns is not None:
        assert [(turn.role, turn.content) for turn in found.turns] == turns


def test_name_is_tolerated_and_weight_zero_means_context_only() -> None:
    row = chat(ASK, ANSWER, ASK, ANSWER)
    row["messages"][0]["name"] = "ada"
    row["messages"][1]["weight"] = 0
    assert parse(row).turns == (Turn(*ASK), Turn(*ANSWER, trained=False), Turn(*ASK), Turn(*ANSWER))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), json_values, max_size=4), st.booleans())
def test_decoder_agrees_with_pythons_own_on_all_valid_json(value: dict[str, Any], ascii_only: bool) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        assert decode_object(raw) == json.loads(raw)
    except BadRow as bad:
        assert bad.code in (ProblemCode.BAD_CHARACTER, ProblemCode.NOT_UTF8)  # half surrogate pairs only


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_at_all_are_a_row_or_a_problem(raw: bytes) -> None:
    try:
        parse(raw)
    except BadRow as bad:
        assert bad.message


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=12).filter(lambda raw: b"\n" not in raw), max_size=8), st.booleans())
def test_lines_know_their_number_and_offset(bodies: list[bytes], ended: bool) -> None:
    content = b"\n".join(bodies) + (b"\n" if ended and bodies else b"")
    for line in read_lines(io.BytesIO(content), max_line_bytes=8):
        assert content[line.offset :].startswith(line.raw)
        assert content[: line.offset].count(b"\n") == line.number - 1
        assert line.is_whole == (len(content[line.offset :].split(b"\n")[0].removesuffix(b"\r")) <= 8)


class Endless(io.RawIOBase):
    """64 MB without a line break, then one more row, without holding either."""

    def __init__(self) -> None:
        self._left = 64 << 20

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._left <= 0:
            return 0
        size = min(len(buffer), self._left)
        self._left -= size
        buffer[:size] = b"x" * size
        if self._left == 0:
            buffer[size - 4 : size] = b"\n{}\n"
        return size


def test_giant_line_is_skipped_in_bounded_memory_and_the_next_one_read() -> None:
    tracemalloc.start()
    lines = list(read_lines(io.BufferedReader(Endless()), max_line_bytes=100_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(line.number, line.is_whole) for line in lines] == [(1, False), (2, True)]
    assert lines[1].raw == b"{}" and lines[1].offset == (64 << 20) - 3
    assert peak < 4 << 20


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x1f\x8b\x08", "gzip"),
        (b"%PDF-1.7", "PDF"),
        (b"PAR1", "Parquet"),
        (b"\xff\xfea\x00", "UTF-16"),
        ("{}".encode("utf-16-le"), "UTF-16"),
        ("{}".encode("utf-16-be"), "UTF-16"),
        (b"", "empty"),
    ],
)
def test_file_of_another_type_is_refused_by_name(head: bytes, name: str) -> None:
    with pytest.raises(InvalidInput, match=name):
        check_text(head, "data.jsonl")
