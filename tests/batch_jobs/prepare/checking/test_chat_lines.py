"""The compiled path takes nothing that the Python path refuses, and makes the same of what it takes."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.batches import ROLES
from batch_jobs.prepare.canonical import Row
from batch_jobs.prepare.checking.chat_lines import BLANK, LEFT, TAKEN, take_chats
from batch_jobs.prepare.checking.files import FileChecks
from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.reading.blocks import Block
from tunesmith.contracts.datasets import RowFormat
from tunesmith.contracts.preparation import ReadRecipe
from tunesmith.contracts.recipes import PrepareRecipe

RECIPE = PrepareRecipe(read=ReadRecipe(format=RowFormat.CHAT))


def block_of(lines: list[bytes]) -> Block:
    ends = np.cumsum([len(line) + 1 for line in lines], dtype=np.int64) - 1
    starts = ends - [len(line) for line in lines]
    numbers = np.arange(1, len(lines) + 1)
    return Block(b"\n".join(lines), starts, ends, numbers, starts)


def by_python(line: bytes, checks: FileChecks) -> Row | None:
    try:
        return checks.row(line)
    except BadRow:
        return None


def check_lines(lines: list[bytes]) -> list[int]:
    """The fate of each line, after comparing every row that was taken with the reference's."""
    block = block_of(lines)
    checks = FileChecks.of(block, "a.jsonl", RECIPE)
    taken = take_chats(block.data, block.starts, block.ends, checks.reserved)
    row = 0
    for line, fate in zip(lines, taken.fate.tolist(), strict=True):
        if fate == BLANK:
            assert not line.strip(b" \t\r\n")
        if fate == TAKEN:
            segments = range(taken.first[row], taken.first[row + 1])
            found = [(ROLES[taken.role[segment]], taken.texts[segment]) for segment in segments]
            expected = by_python(line, checks)
            assert expected is not None, line
            assert found == [(turn.role, turn.content) for turn in expected.turns], line
            assert [turn.trained for turn in expected.turns] == [role == "assistant" for role, _ in found], line
            row += 1
    assert row == len(taken.first) - 1
    return taken.fate.tolist()


ASK, ANSWER = {"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}


def chat(**more: Any) -> dict[str, Any]:
    return {"messages": [ASK, ANSWER], **more}


@pytest.mark.parametrize(
    "row",
    [
        chat(),
        chat(id=7, tags=["a", {"b": [1.5e3, None, True, False, -0.25]}], meta={"a": {}, "b": []}),
        {"messages": [{"content": 'say "\\" \n\t é 你好 😀', "role": "user"}, ANSWER]},
        {"messages": [{"role": "developer", "content": ""}, ASK, ANSWER, ASK, ANSWER]},
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_plain_chat_is_taken(row: dict[str, Any], ascii_only: bool) -> None:
    assert check_lines([json.dumps(row, ensure_ascii=ascii_only).encode()]) == [TAKEN]
    assert check_lines([json.dumps(row, ensure_ascii=ascii_only, indent=1).replace("\n", "\r\t ").encode()]) == [TAKEN]


@pytest.mark.parametrize(
    "line",
    [
        b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "tools": []}',
        b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "images": ["1.jpg"]}',
        b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "kto_tag": true}',
        b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "system_prompt": 7}',
        b'{"messages": [{"role": "user", "content": "a", "content": "c"}, {"role": "assistant", "content": "b"}]}',
        b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "x": {"a":1, "a":2}}',
        b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "x": 1e999}',
        b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "x": 01}',
        b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]} x',
        b'{"messages": [{"role": "user", "content": "<\\u007cim_end|>"}, {"role": "assistant", "content": "b"}]}',
        b'{"messages": [{"role": "user", "content": "\\u003c|im_end|>"}, {"role": "assistant", "content": "b"}]}',
        b'{"messages": [{"role": "user", "content": "\\ud800"}, {"role": "assistant", "content": "b"}]}',
        b'{"messages": [{"role": "user", "content": "\xed\xa0\x80"}, {"role": "assistant", "content": "b"}]}',
        b'{"messages": [{"role": "user", "content": "\xc0\xaf"}, {"role": "assistant", "content": "b"}]}',
        b'{"messages": [{"role": "user", "content": " \\n"}, {"role": "assistant", "content": "b"}]}',
        b'{"messages": [{"role": "assistant", "content": "b"}]}',
        b'{"messages": [{"role": "user", "content": "b"}]}',
        b'{"messages": []}',
        b"[]",
        b'{"x": ' + b"[" * 40 + b"]" * 40 + b"}",
    ],
)
def test_anything_odd_is_left_to_the_reference(line: bytes) -> None:
    assert check_lines([line, json.dumps(chat()).encode(), b"  "]) == [LEFT, TAKEN, BLANK]


def test_line_cut_at_any_byte_is_never_taken() -> None:
    line = json.dumps(chat(id=1.5, meta={"a": ["é", True]}), ensure_ascii=False).encode()
    fates = check_lines([line[:size] for size in range(1, len(line))])
    assert set(fates) == {LEFT}


texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["", " ", "\u3000", "\u200b", "a\u202eb", "<|x|>", "<", "|", "\x00", "\x0c", "e\u0301", "\ufeff"]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
roles = st.sampled_from(["user", "assistant", "system", "developer", "tool", "User", ""])
messages = st.one_of(
    st.fixed_dictionaries({"role": roles, "content": texts}),
    st.fixed_dictionaries({"role": roles, "content": texts}, optional={"name": texts, "weight": values}),
)
rows = st.fixed_dictionaries(
    {"messages": st.lists(messages, max_size=4)},
    optional={"id": values, "text": values, "label": values, "meta": values, "images": values, "kto_tag": values},
)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    row = draw(rows)
    line = bytearray(json.dumps(row, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass"))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(line) - 1))
        change = draw(st.sampled_from(["cut", "drop", "put"]))
        if change == "cut":
            line = line[:place] or line
        elif change == "drop":
            del line[place]
        else:
            line.insert(place, draw(st.sampled_from(b'{}[]",:\\u0Ee+-. <|\xff\xc3\xa9')))
    return bytes(line).replace(b"\n", b" ")


@settings(max_examples=400, deadline=None)
@given(st.lists(lines(), min_size=1, max_size=6))
@example([json.dumps(chat(x=10**18)).encode(), json.dumps(chat(x=2**64)).encode()])
def test_compiled_and_python_path_agree(found: list[bytes]) -> None:
    check_lines(found)
