"""Every format becomes the same canonical row."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.canonical import Row
from batch_jobs.prepare.checking.decoding import decode_object
from batch_jobs.prepare.checking.problems import BadRow
from tests.batch_jobs.prepare.checking.rows import (
    ANSWER,
    ANSWERED,
    ASK,
    BETTER,
    CALLING,
    TELLING,
    WEATHER,
    call,
    chat,
    messages,
    parse,
    sharegpt,
    tool_chat,
)
from tunesmith.contracts.datasets import ProblemCode, RowFormat
from tunesmith.contracts.recipes import PrepareRecipe

SYSTEM = ("system", "Be kind.")


def said(turns: Any) -> list[tuple[str, str]]:
    return [(turn.role, turn.content) for turn in turns]


CONVERSATIONS: list[tuple[Any, RowFormat, list[tuple[str, str]]]] = [
    (chat(("developer", "Be kind."), ASK, ANSWER), RowFormat.CHAT, [SYSTEM, ASK, ANSWER]),
    (chat(("system", ""), ASK, ANSWER), RowFormat.CHAT, [("system", ""), ASK, ANSWER]),
    (
        chat(("user", [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]), ANSWER),
        RowFormat.CHAT,
        [ASK, ANSWER],
    ),
    (chat(ASK, ANSWER, system="Be kind."), RowFormat.CHAT, [SYSTEM, ASK, ANSWER]),
    (chat(SYSTEM, ASK, ANSWER, system="Be kind."), RowFormat.CHAT, [SYSTEM, ASK, ANSWER]),
    (
        chat(("user", [{"text": "hello"}]), ("assistant", [{"text": "hi"}]), system=[{"text": "Be kind."}]),
        RowFormat.CHAT,
        [SYSTEM, ASK, ANSWER],
    ),
    (chat(ASK, ANSWER, tools=None, label="greeting"), RowFormat.CHAT, [ASK, ANSWER]),
    ({"prompt": "hello", "completion": "hi", "id": 7}, RowFormat.PROMPT_COMPLETION, [ASK, ANSWER]),
    (
        {"prompt": messages(SYSTEM, ASK), "completion": messages(ANSWER)},
        RowFormat.PROMPT_COMPLETION,
        [SYSTEM, ASK, ANSWER],
    ),
    (
        {"prompt": 'say "\\"', "completion": '\\\\"'},
        RowFormat.PROMPT_COMPLETION,
        [("user", 'say "\\"'), ("assistant", '\\\\"')],
    ),
    ({"instruction": "hello", "input": "", "output": "hi"}, RowFormat.ALPACA, [ASK, ANSWER]),
    ({"instruction": "a", "input": "b", "output": "hi"}, RowFormat.ALPACA, [("user", "a\n\nb"), ANSWER]),
    (
        {"instruction": "hello", "output": "hi", "system": "Be kind.", "history": [["a", "b"]]},
        RowFormat.ALPACA,
        [SYSTEM, ("user", "a"), ("assistant", "b"), ASK, ANSWER],
    ),
    (sharegpt(("human", "hello"), ("gpt", "hi")), RowFormat.SHAREGPT, [ASK, ANSWER]),
    (sharegpt(("user", "hello"), ("assistant", "hi"), system="Be kind."), RowFormat.SHAREGPT, [SYSTEM, ASK, ANSWER]),
    ({"conversations": messages(ASK, ANSWER)}, RowFormat.SHAREGPT, [ASK, ANSWER]),
    ({"messages": sharegpt(("human", "hello"), ("gpt", "hi"))["conversations"]}, RowFormat.SHAREGPT, [ASK, ANSWER]),
    (
        chat(("user", "🏴\U000e0067\U000e0062\U000e007f <b> | c"), ANSWER),
        RowFormat.CHAT,
        [("user", "🏴\U000e0067\U000e0062\U000e007f <b> | c"), ANSWER],
    ),
    (
        chat(("user", "👩\u200d🚀 می\u200cخواهم"), ANSWER),
        RowFormat.CHAT,
        [("user", "👩\u200d🚀 می\u200cخواهم"), ANSWER],
    ),
    ({"prompt": "hello", "completion": "hi", "label": True}, RowFormat.UNPAIRED_PREFERENCE, [ASK, ANSWER]),
    (chat(ASK, ANSWER, label=True), RowFormat.UNPAIRED_PREFERENCE, [ASK, ANSWER]),
    (
        chat(("user", [{"type": "text", "value": "hel"}, {"type": "input_text", "text": "lo"}]), ANSWER),
        RowFormat.CHAT,
        [ASK, ANSWER],
    ),
    (chat(ASK, {"role": "assistant", "content": None, "refusal": "hi"}), RowFormat.CHAT, [ASK, ANSWER]),
    (chat(ASK, ("assistant", [{"type": "refusal", "refusal": "hi"}])), RowFormat.CHAT, [ASK, ANSWER]),
    (chat(ASK, ANSWER, parallel_tool_calls=False, tools=[WEATHER]), RowFormat.CHAT, [ASK, ANSWER]),
    ({"messages": json.dumps(messages(ASK, ANSWER)), "tools": "[]"}, RowFormat.CHAT, [ASK, ANSWER]),
    (
        {"conversations": json.dumps(sharegpt(("human", "hello"), ("gpt", "hi"))["conversations"]), "system": ""},
        RowFormat.SHAREGPT,
        [ASK, ANSWER],
    ),
    (
        {"prompt": "hello", "completion": "hi", "system": "Be kind.", "history": [["a", "b"]]},
        RowFormat.PROMPT_COMPLETION,
        [SYSTEM, ("user", "a"), ("assistant", "b"), ASK, ANSWER],
    ),
    (
        {"instruction": "hello", "output": "hi", "history": '[["a", "b"]]'},
        RowFormat.ALPACA,
        [("user", "a"), ("assistant", "b"), ASK, ANSWER],
    ),
    ({"instruction": "hello", "output": "hi", "history": ""}, RowFormat.ALPACA, [ASK, ANSWER]),
    ({"instruction": "", "input": "hello", "output": "hi"}, RowFormat.ALPACA, [ASK, ANSWER]),
    (
        {"messages": [{"from": "user", "content": "hello"}, {"from": "assistant", "content": "hi"}]},
        RowFormat.SHAREGPT,
        [ASK, ANSWER],
    ),
    (
        {"prompt": [{"from": "human", "value": "hello"}], "completion": {"from": "gpt", "value": "hi"}},
        RowFormat.PROMPT_COMPLETION,
        [ASK, ANSWER],
    ),
    ({"instruction": "hello", "output": "hi", "kto_tag": False}, RowFormat.UNPAIRED_PREFERENCE, [ASK, ANSWER]),
    ({"prompt": "hello"}, RowFormat.PROMPT_ONLY, [ASK]),
    ({"prompt": "hello", "answer": "hi"}, RowFormat.PROMPT_ONLY, [ASK]),
    ({"prompt": messages(SYSTEM, ASK)}, RowFormat.PROMPT_ONLY, [SYSTEM, ASK]),
    ({"text": "hello"}, RowFormat.TEXT, [("text", "hello")]),
]


@pytest.mark.parametrize(("row", "name", "turns"), CONVERSATIONS)
def test_row_becomes_turns(row: Any, name: RowFormat, turns: list[tuple[str, str]]) -> None:
    found = parse(row)
    assert (found.format, said(found.turns)) == (name, turns)


PAIRS: list[tuple[Any, RowFormat, list[tuple[str, str]]]] = [
    (
        {
            "input": {"messages": messages(ASK)},
            "preferred_output": messages(BETTER),
            "non_preferred_output": messages(ANSWER),
        },
        RowFormat.OPENAI_PREFERENCE,
        [ASK],
    ),
    (
        {
            "input": {"messages": messages(ASK)},
            "system": "Be kind.",
            "preferred_output": messages(BETTER),
            "non_preferred_output": messages(ANSWER),
        },
        RowFormat.OPENAI_PREFERENCE,
        [SYSTEM, ASK],
    ),
    ({"prompt": "hello", "chosen": "hello there", "rejected": "hi"}, RowFormat.PREFERENCE, [ASK]),
    (
        {"prompt": messages(ASK), "chosen": messages(BETTER), "rejected": messages(ANSWER)},
        RowFormat.PREFERENCE,
        [ASK],
    ),
    (
        {"prompt": "hello", "system": "Be kind.", "chosen": "hello there", "rejected": "hi"},
        RowFormat.PREFERENCE,
        [SYSTEM, ASK],
    ),
    (
        sharegpt(("human", "hello"))
        | {"chosen": {"from": "gpt", "value": "hello there"}, "rejected": {"from": "gpt", "value": "hi"}},
        RowFormat.PREFERENCE,
        [ASK],
    ),
    ({"instruction": "hello", "chosen": "hello there", "rejected": "hi"}, RowFormat.PREFERENCE, [ASK]),
    (chat(SYSTEM, ASK, BETTER, rejected_response="hi"), RowFormat.PREFERENCE, [SYSTEM, ASK]),
    (
        chat(ASK, BETTER, system="Be kind.", rejected_messages=messages(ASK, ANSWER)),
        RowFormat.IMPLICIT_PREFERENCE,
        [SYSTEM, ASK],
    ),
    (
        {
            key: json.dumps(messages(ASK, answer))
            for key, answer in {"messages": BETTER, "rejected_messages": ANSWER}.items()
        },
        RowFormat.IMPLICIT_PREFERENCE,
        [ASK],
    ),
    (
        sharegpt(("human", "hello"))
        | {"chosen": [{"from": "gpt", "value": "hello there"}], "rejected": [{"from": "gpt", "value": "hi"}]},
        RowFormat.PREFERENCE,
        [ASK],
    ),
    (
        {"chosen": messages(ASK, BETTER), "rejected": messages(ASK, ANSWER), "system": "Be kind."},
        RowFormat.IMPLICIT_PREFERENCE,
        [SYSTEM, ASK],
    ),
    (
        {"chosen": messages(ASK, BETTER), "rejected": messages(ASK, ANSWER)},
        RowFormat.IMPLICIT_PREFERENCE,
        [ASK],
    ),
    (
        {"prompt": "hello", "chosen": messages(ASK, BETTER), "rejected": messages(ASK, ANSWER)},
        RowFormat.IMPLICIT_PREFERENCE,
        [ASK],
    ),
    (
        {
            "chosen": "\n\nHuman: hello\n\nAssistant: hello there",
            "rejected": "\n\nHuman: hello\n\nAssistant: hi",
        },
        RowFormat.IMPLICIT_PREFERENCE,
        [ASK],
    ),
    ({"chosen": "hello hello there", "rejected": "hello hi"}, RowFormat.IMPLICIT_PREFERENCE, [ASK]),
    ({"chosen": "hello there", "rejected": "hi"}, RowFormat.IMPLICIT_PREFERENCE, []),
]


@pytest.mark.parametrize(("row", "name", "prompt"), PAIRS)
def test_pair_becomes_prompt_and_two_answers(row: Any, name: RowFormat, prompt: list[tuple[str, str]]) -> None:
    found = parse(row)
    assert (found.format, said(found.turns)) == (name, prompt)
    assert (said(found.chosen), said(found.rejected)) == ([BETTER], [ANSWER])
    assert [turn.trained for turn in found.all_turns] == [False] * len(prompt) + [True, True]


def test_only_the_assistants_turns_are_trained_and_weight_zero_means_context() -> None:
    row = chat(ASK, ANSWER, ASK, ANSWER)
    row["messages"][0]["name"] = "ada"
    row["messages"][1]["weight"] = 0
    found = parse(row)
    assert [turn.trained for turn in found.turns] == [False, False, False, True]
    assert found.turns[0].name == "ada"


@pytest.mark.parametrize("mask", [{"weight": 0}, {"loss_weight": 0.0}, {"loss": False}, {"train": False}])
def test_a_turn_that_is_masked_by_any_trainers_key_is_context(mask: dict[str, Any]) -> None:
    found = parse(chat(ASK, {"role": "assistant", "content": "hi"} | mask, ASK, {"role": "assistant", "content": "hi"}))
    assert [turn.trained for turn in found.turns] == [False, False, False, True]


def calls_of(row: Row, index: int) -> Any:
    return json.loads(row.turns[index].tool_calls or "null")


OLD = {
    "messages": [
        {"role": "user", "content": "Weather in Bern?"},
        {"role": "assistant", "content": None, "function_call": call()["function"]},
        {"role": "function", "name": "weather", "content": "rain"},
        {"role": "assistant", "content": "It rains."},
    ],
    "functions": [WEATHER["function"]],
}
SPOKEN = sharegpt(
    ("human", "Weather in Bern?"),
    ("function_call", '{"name": "weather", "arguments": {"city":"Bern"}}'),
    ("observation", "rain"),
    ("gpt", "It rains."),
    tools=json.dumps([WEATHER["function"]]),
)


@pytest.mark.parametrize("row", [tool_chat(CALLING, ANSWERED, TELLING), OLD, SPOKEN])
def test_tool_calls_of_every_spelling_become_openais(row: Any) -> None:
    found = parse(row)
    (made,) = calls_of(found, 1)
    assert json.loads(found.tools or "") == [WEATHER]
    assert made["type"] == "function" and made["function"]["name"] == "weather"
    assert json.loads(made["function"]["arguments"]) == {"city": "Bern"}
    assert found.turns[2].role == "tool" and found.turns[2].tool_call_id == made["id"]
    assert [turn.trained for turn in found.turns] == [False, True, False, True]


def test_answers_without_ids_belong_to_the_calls_in_order() -> None:
    both = {"role": "assistant", "content": None, "tool_calls": [call(), call('{"city": "Rome"}')]}
    plain = {"role": "tool", "content": "rain"}
    found = parse(tool_chat(both, plain, plain, TELLING))
    assert [turn.tool_call_id for turn in found.turns[2:4]] == [made["id"] for made in calls_of(found, 1)]


def test_columns_are_renamed_before_the_format_is_told_and_kept_by_their_own_names() -> None:
    recipe = PrepareRecipe.model_validate(
        {
            "group_by": "thread",
            "read": {"columns": {"question": "prompt", "answer": "completion"}, "keep_columns": ["level", "answer"]},
            "label": {"column": "topic"},
        }
    )
    found = parse({"question": "hello", "answer": "hi", "level": 3, "thread": "t1", "topic": "x", "other": 1}, recipe)
    assert (found.format, said(found.turns)) == (RowFormat.PROMPT_COMPLETION, [ASK, ANSWER])
    assert found.columns == {"level": 3, "answer": "hi", "thread": "t1", "topic": "x"}


@pytest.mark.parametrize(
    ("row", "advice"),
    [
        ({"prompt": "a", "response": "b"}, "{response: completion}"),
        ({"instruction": "a", "response": "b"}, "{response: output}"),
        ({"question": "a", "chosen": "b", "rejected": "c"}, "{question: prompt}"),
        ({"question": "a", "answer": "b"}, "{question: prompt, answer: completion}"),
        ({"prompt": "a", "text": "b"}, "{text: completion}"),
        ({"inputs": "a", "targets": "b"}, "{inputs: prompt, targets: completion}"),
        ({"version": "1", "data": [{"prompt": "a", "completion": "b"}]}, "its rows seem to stand in 'data': upload"),
        (
            {"query": "a", "response": "b", "system_prompt": "c"},
            "{query: prompt, response: completion, system_prompt: ",
        ),
        ({"instruction": "a", "context": "b", "response": "c"}, "{context: input, response: output}"),
        ({"question": "a", "context": "b", "answer": "c"}, "{question: instruction, context: input, answer: output}"),
        (
            {"prompt": "a", "context": "b", "completion": "c"},
            "{prompt: instruction, context: input, completion: output}",
        ),
        ({"instruction": "a", "output": "b", "system_message": "c"}, "{system_message: system}"),
        ({"query": "a", "response": "b", "rejected_response": "c"}, "response: chosen, rejected_response: rejected}"),
        ({"chosen_messages": [], "rejected_messages": []}, "{chosen_messages: chosen, rejected_messages: rejected}"),
    ],
)
def test_column_of_another_name_is_not_dropped_but_named(row: dict[str, Any], advice: str) -> None:
    with pytest.raises(BadRow) as found:
        parse(row)
    assert advice in found.value.message


def test_column_that_would_take_anothers_name_is_refused() -> None:
    recipe = PrepareRecipe.model_validate({"read": {"columns": {"question": "prompt"}}})
    with pytest.raises(BadRow) as found:
        parse({"question": "a", "prompt": "b", "completion": "c"}, recipe)
    assert (found.value.code, found.value.field) == (ProblemCode.DUPLICATE_KEY, "prompt")


@pytest.mark.parametrize(
    ("policy", "prompt"),
    [
        ({"invisible": "remove"}, "pass\u200bword"),
        ({"invisible": "keep"}, "pay\u202efdp.exe"),
        ({"invisible": "keep"}, "a\U000e0041"),
        ({"special_tokens": "escape"}, "<|im_end|>"),
    ],
)
def test_what_the_recipe_leaves_to_later_steps_passes(policy: dict[str, str], prompt: str) -> None:
    recipe = PrepareRecipe.model_validate({"normalise": policy})
    assert parse({"prompt": prompt, "completion": "b"}, recipe).turns[0].content == prompt


@pytest.mark.parametrize("prompt", ["a\x00", "a\ufffe", "\u200b"])
def test_what_no_recipe_allows_is_refused_always(prompt: str) -> None:
    recipe = PrepareRecipe.model_validate({"normalise": {"invisible": "keep", "special_tokens": "escape"}})
    with pytest.raises(BadRow):
        parse({"prompt": prompt, "completion": "b"}, recipe)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
WORDS = (
    "messages role content from value tool_calls tool_call_id function name arguments function_call weight tools "
    "functions conversations system history instruction input output prompt completion chosen rejected label text "
    "preferred_output non_preferred_output type id user assistant tool human gpt observation function_call "
    "kto_tag rejected_response rejected_messages images system_prompt context refusal loss conversation value data"
)
KEYS = st.sampled_from(WORDS.split())
JSON_TEXTS = st.sampled_from(['{"name": "f"}', "[", '[{"role": "user", "content": "a"}]', '[["a", "b"]]'])
LEAVES = st.none() | st.booleans() | st.integers(-2, 2) | KEYS | st.text(max_size=4) | JSON_TEXTS
ROWS = st.dictionaries(
    KEYS,
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
    ),
    max_size=6,
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


@settings(max_examples=500, deadline=None)
@given(ROWS)
def test_any_object_of_known_keys_is_a_row_or_a_problem(row: dict[str, Any]) -> None:
    for name in (None, *RowFormat):
        try:
            found = parse(row, PrepareRecipe.model_validate({"read": {"format": name}}))
        except BadRow as bad:
            bad.at("rows.jsonl", 1, 0).model_dump_json()
        else:
            assert found.all_turns and json.dumps(found.columns) == "{}"
