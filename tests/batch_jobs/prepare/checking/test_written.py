"""What is written in a format is read from it again as the same row."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.checking.formats.written import CANONICAL, write_row
from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.checking.texts import TextChecks
from batch_jobs.prepare.checking.values import canonical_json
from tests.batch_jobs.prepare.checking.rows import ANSWERED, CALLING, TELLING, chat, parse, tool_chat
from tunesmith.contracts.datasets import KIND_OF, DatasetKind, ProblemCode, RowFormat
from tunesmith.contracts.recipes import PrepareRecipe


def is_good(text: str) -> bool:
    try:
        TextChecks().visible(text, "")
    except BadRow:
        return False
    return True


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Co", "Cn"]), min_size=1, max_size=12).filter(
    is_good
)
SYSTEMS = st.lists(TEXTS.map(lambda text: Turn("system", text, False)), max_size=1)
ASKED = TEXTS.map(lambda text: Turn("user", text, False))
ANSWERS = TEXTS.map(lambda text: Turn("assistant", text))
ROUNDS = st.lists(st.tuples(ASKED, ANSWERS), min_size=1, max_size=3)


@st.composite
def tool_rounds(draw: st.DrawFn) -> Row:
    """A question, one to three calls, their answers in order, and what the assistant makes of them."""
    names = draw(st.lists(st.sampled_from(["weather", "news"]), min_size=1, max_size=3))
    calls = [
        {
            "type": "function",
            "id": f"call_{number}",
            "function": {"name": name, "arguments": canonical_json({"q": draw(TEXTS)})},
        }
        for number, name in enumerate(names)
    ]
    answers = [Turn("tool", draw(TEXTS), False, tool_call_id=f"call_{number}") for number in range(len(names))]
    tools = [{"type": "function", "function": {"name": name}} for name in sorted(set(names))]
    turns = (draw(ASKED), Turn("assistant", "", tool_calls=canonical_json(calls)), *answers, draw(ANSWERS))
    return Row(RowFormat.CHAT, turns, tools=canonical_json(tools))


@st.composite
def conversations(draw: st.DrawFn) -> Row:
    return Row(RowFormat.CHAT, (*draw(SYSTEMS), *(turn for pair in draw(ROUNDS) for turn in pair)))


@st.composite
def weighted(draw: st.DrawFn) -> Row:
    """A conversation whose earlier answers may be context only, and whose speakers may have names."""
    turns = [
        replace(turn, trained=turn.trained and draw(st.booleans()), name=draw(st.none() | st.just("ada")))
        for turn in draw(conversations()).turns
    ]
    return Row(RowFormat.CHAT, (*turns[:-1], replace(turns[-1], trained=True)))


@st.composite
def preferences(draw: st.DrawFn) -> Row:
    chosen, rejected = draw(ANSWERS), draw(ANSWERS)
    prompt = [replace(turn, trained=False) for turn in (*draw(SYSTEMS), draw(ASKED), draw(ANSWERS), draw(ASKED))]
    row = Row(RowFormat.PREFERENCE, tuple(prompt), (chosen,), (rejected,))
    try:
        return parse(write_row(row))
    except BadRow as bad:  # two answers that look the same
        assert bad.code is ProblemCode.EQUAL_PAIR
        return Row(RowFormat.PREFERENCE, tuple(prompt), (Turn("assistant", "yes"),), (Turn("assistant", "no"),))


def again(row: Row, name: RowFormat) -> Row:
    """Written in the format, and read from it."""
    line = json.dumps(write_row(row, name), ensure_ascii=False).encode()
    found = parse(line)
    assert found.format is name
    return replace(found, format=row.format)


@pytest.mark.parametrize("name", [RowFormat.CHAT, RowFormat.PROMPT_COMPLETION, RowFormat.SHAREGPT, RowFormat.ALPACA])
@settings(max_examples=100, deadline=None)
@given(row=conversations())
def test_conversation_comes_back_from_every_format(name: RowFormat, row: Row) -> None:
    assert again(row, name) == row


@pytest.mark.parametrize("name", [RowFormat.CHAT, RowFormat.PROMPT_COMPLETION, RowFormat.SHAREGPT])
@settings(max_examples=60, deadline=None)
@given(row=tool_rounds())
def test_tool_calls_come_back(name: RowFormat, row: Row) -> None:
    assert again(row, name) == row


@pytest.mark.parametrize("name", [RowFormat.CHAT, RowFormat.PROMPT_COMPLETION])
@settings(max_examples=60, deadline=None)
@given(row=weighted())
def test_names_and_weights_come_back(name: RowFormat, row: Row) -> None:
    assert again(row, name) == row


@pytest.mark.parametrize("name", [RowFormat.PREFERENCE, RowFormat.IMPLICIT_PREFERENCE, RowFormat.OPENAI_PREFERENCE])
@settings(max_examples=60, deadline=None)
@given(row=preferences())
def test_preference_comes_back(name: RowFormat, row: Row) -> None:
    assert again(row, name) == row


@settings(max_examples=60, deadline=None)
@given(conversations(), st.booleans())
def test_unpaired_preference_comes_back(row: Row, label: bool) -> None:
    turns = (*(replace(turn, trained=False) for turn in row.turns[:-1]), row.turns[-1])
    unpaired = Row(RowFormat.UNPAIRED_PREFERENCE, turns, label=label)
    assert again(unpaired, RowFormat.UNPAIRED_PREFERENCE) == unpaired


@settings(max_examples=60, deadline=None)
@given(SYSTEMS, ASKED, TEXTS)
def test_prompts_and_texts_come_back(system: list[Turn], asked: Turn, text: str) -> None:
    prompt, plain = Row(RowFormat.PROMPT_ONLY, (*system, asked)), Row(RowFormat.TEXT, (Turn("text", text),))
    assert again(prompt, RowFormat.PROMPT_ONLY) == prompt
    assert again(plain, RowFormat.TEXT) == plain


def test_every_kind_has_a_canonical_format_of_its_own() -> None:
    assert set(CANONICAL) == set(DatasetKind)
    assert all(KIND_OF[name] is kind for kind, name in CANONICAL.items())


def test_kept_columns_are_written_beside() -> None:
    recipe = PrepareRecipe.model_validate({"read": {"keep_columns": ["answer"]}})
    assert write_row(parse({"prompt": "2 + 2?", "answer": 4}, recipe))["answer"] == 4


@pytest.mark.parametrize(
    ("row", "name", "code"),
    [
        (tool_chat(CALLING, ANSWERED, TELLING), RowFormat.ALPACA, ProblemCode.UNKNOWN_FORMAT),
        (chat(("user", "a"), ("user", "b"), ("assistant", "c")), RowFormat.ALPACA, ProblemCode.UNKNOWN_FORMAT),
        ({"text": "a"}, RowFormat.CHAT, ProblemCode.MIXED_FORMAT),
        ({"chosen": "a", "rejected": "b"}, RowFormat.OPENAI_PREFERENCE, ProblemCode.UNKNOWN_FORMAT),
        (
            {"messages": [{"role": "user", "content": "a", "name": "ada"}, {"role": "assistant", "content": "b"}]},
            RowFormat.SHAREGPT,
            ProblemCode.UNKNOWN_FORMAT,
        ),
    ],
)
def test_what_a_format_cannot_say_is_refused(row: dict[str, object], name: RowFormat, code: ProblemCode) -> None:
    with pytest.raises(BadRow) as found:
        write_row(parse(row), name)
    assert found.value.code is code
