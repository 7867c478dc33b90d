"""What stands in the place of what was found."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.batches import RowBatch
from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.cleaning.pii.detector import Detector
from batch_jobs.prepare.cleaning.pii.redacting import redact
from tunesmith.contracts.datasets import RowFormat
from tunesmith.contracts.preparation import STRUCTURED_PII, PiiType, RedactStyle

DETECTOR = Detector(STRUCTURED_PII)


def batch(*rows: list[str], **more: object) -> RowBatch:
    made = [
        Row(RowFormat.CHAT, tuple(Turn(("user", "assistant")[i % 2], text) for i, text in enumerate(row)), **more)  # type: ignore[arg-type]
        for row in rows
    ]
    return RowBatch.of(made, range(1, len(rows) + 1))


def test_a_value_has_one_number_in_its_row_whoever_says_it() -> None:
    before = batch(["ann@x.example, bob@x.example", "Hello ANN@x.example"], ["hi", "ho"], ["bob@x.example", "ok"])
    after, counts, rows = redact(before, DETECTOR)
    assert list(after.texts) == ["<EMAIL_1>, <EMAIL_2>", "Hello <EMAIL_1>", "hi", "ho", "<EMAIL_1>", "ok"]
    assert counts == {PiiType.EMAIL: 4}
    assert rows.tolist() == [True, False, True]


def test_numbers_that_stand_in_the_row_already_are_not_given_again() -> None:
    once, _, _ = redact(batch(["<EMAIL_1> and ann@x.example"]), DETECTOR)
    assert list(once.texts) == ["<EMAIL_1> and <EMAIL_2>"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("token=192.168.17.4-192.168.17.4", "token=<IP_ADDRESS_1>-<IP_ADDRESS_1>"),
        ("192.168.17.9, 192.168.17.4-192.168.17.9", "<IP_ADDRESS_1>, <IP_ADDRESS_2>-<IP_ADDRESS_1>"),
        ("+49 30 901820/536-22-87261", "+<PHONE_1>/<PHONE_2>"),
    ],
)
def test_what_can_be_told_only_once_a_value_beside_it_is_gone_has_its_own_number(before: str, after: str) -> None:
    redacted, counts, _ = redact(batch([before]), DETECTOR)
    assert list(redacted.texts) == [after] and counts.total() == after.count("<")


WRITTEN = st.sampled_from(
    ["ann@x.example ", "bob@x.example ", "<EMAIL_1> ", "<EMAIL_7>", "192.168.17.4 ", "4111 1111 1111 1111, ", "é "]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(WRITTEN, max_size=6).map("".join), min_size=1, max_size=4))
def test_a_row_is_redacted_the_same_whatever_stands_beside_it(rows: list[str]) -> None:
    together, counts, _ = redact(batch(*([row, "ok"] for row in rows)), DETECTOR)
    alone = [redact(batch([row, "ok"]), DETECTOR) for row in rows]
    assert list(together.texts)[::2] == [after.texts[0] for after, _, _ in alone]
    assert counts == sum((counts for _, counts, _ in alone), Counter())


def test_pseudonyms_agree_between_rows_and_depend_on_the_key() -> None:
    before = batch(["ann@x.example"], ["Ann@x.example"])
    one, _, _ = redact(before, DETECTOR, RedactStyle.PSEUDONYM, b"key")
    other, _, _ = redact(before, DETECTOR, RedactStyle.PSEUDONYM, b"another")
    assert one.texts[0] == one.texts[1] != other.texts[0]
    with pytest.raises(ValueError, match="need a key"):
        redact(before, DETECTOR, RedactStyle.PSEUDONYM)


def test_a_batch_without_findings_is_returned_itself() -> None:
    before = batch(["nothing here"], columns={"id": "row 7"})
    after, counts, rows = redact(before, DETECTOR)
    assert after is before and not counts and not rows.any()


def test_tool_calls_and_kept_columns_are_redacted_and_stay_json() -> None:
    arguments = json.dumps({"to": "ann@x.example", "subject": 'say "hi"'})
    calls = json.dumps([{"function": {"arguments": arguments, "name": "send"}, "id": "call_1", "type": "function"}])
    turns = (Turn("user", "mail ann@x.example"), Turn("assistant", "", tool_calls=calls))
    row = Row(RowFormat.CHAT, turns, columns={"reviewer": {"mail": ["ann@x.example"], "n": 3}})
    after, counts, _ = redact(RowBatch.of([row], [1]), DETECTOR)
    told = after.row(0)
    assert told.turns[0].content == "mail <EMAIL_1>"
    told_calls = json.loads(told.turns[1].tool_calls or "")
    assert json.loads(told_calls[0]["function"]["arguments"]) == {"to": "<EMAIL_1>", "subject": 'say "hi"'}
    assert told.columns == {"reviewer": {"mail": ["<EMAIL_1>"], "n": 3}}
    assert counts == {PiiType.EMAIL: 3}


def redacted_calls(arguments: str, call_id: str = "call_1", answered: str = "call_1") -> tuple[dict[str, Any], Row]:
    """The call after redaction, and its row."""
    calls = json.dumps([{"function": {"arguments": arguments, "name": "send"}, "id": call_id, "type": "function"}])
    turns = (
        Turn("user", "mail ann@x.example"),
        Turn("assistant", "", tool_calls=calls),
        Turn("tool", "done", tool_call_id=answered),
    )
    row = redact(RowBatch.of([Row(RowFormat.CHAT, turns)], [1]), DETECTOR)[0].row(0)
    return json.loads(row.turns[1].tool_calls or "")[0], row


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"to": ["ann@x.example", "bob@x.example"]}, {"to": ["<EMAIL_1>", "<EMAIL_2>"]}),
        ({"card": 4556737586899855, "n": 3, "ok": True}, {"card": "<CREDIT_CARD_1>", "n": 3, "ok": True}),
        ({"ssn": 536228726, "total": 536228726}, {"ssn": "<US_SSN_1>", "total": 536228726}),
        ({"password": "hunter2!x", "note": "hunter2!x"}, {"password": "<SECRET_1>", "note": "hunter2!x"}),
        ({"ann@x.example": 1, "Ann@x.example": 2}, {"<EMAIL_1>": 1, "<EMAIL_1> (2)": 2}),
        ({"since": 1700000000, "size": 1.5, "id": "7"}, {"since": 1700000000, "size": 1.5, "id": "7"}),
    ],
)
def test_values_in_arguments_are_told_by_themselves_or_by_their_keys(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    call, _ = redacted_calls(json.dumps(before))
    assert json.loads(call["function"]["arguments"]) == after


def test_an_answer_still_finds_its_call_when_their_id_is_a_secret() -> None:
    call, row = redacted_calls("{}", call_id="bob@x.example", answered="bob@x.example")
    assert call["id"] == row.turns[2].tool_call_id == "<EMAIL_2>"


VALUES = st.sampled_from(
    ["ann@x.example", "4111 1111 1111 1111", "192.168.17.4", "<EMAIL_1>", 'a "b" \\', "é", "", "ok"]
)
DOCUMENTS = st.recursive(
    VALUES | st.none() | st.booleans() | st.integers(-(1 << 62), 1 << 62) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(VALUES | st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(max_size=6), DOCUMENTS, max_size=4))
def test_arguments_stay_json_of_the_same_form_and_redacting_again_changes_nothing(document: dict[str, Any]) -> None:
    call, row = redacted_calls(json.dumps(document))
    after = json.loads(call["function"]["arguments"])
    assert isinstance(after, dict) and len(after) == len(document)
    assert not any(value in call["function"]["arguments"] for value in ("ann@x", "4111 1111", "192.168.17.4"))
    again, _, _ = redact(RowBatch.of([row], [1]), DETECTOR)
    assert again.row(0) == row


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=40), st.sampled_from(["ann@x.example", "+49 30 901820", "536-22-8726"]))
def test_pseudonyms_are_the_same_in_every_run_and_say_nothing_without_the_key(key: bytes, value: str) -> None:
    one, other = (redact(batch([f"it is {value}"]), DETECTOR, RedactStyle.PSEUDONYM, key)[0].texts[0] for _ in range(2))
    assert one == other and value not in one
    longer = redact(batch([f"it is {value}"]), DETECTOR, RedactStyle.PSEUDONYM, key + b"1")[0].texts[0]
    assert longer != one


PIECES = st.sampled_from(
    [
        "ann@x.example",
        "4111 1111 1111 1111",
        "+49 30 901820",
        "192.168.17.4",
        "536-22-8726",
        " ",
        "é",
        "<",
        ">",
        "tel ",
        "_1",
        "\U0001f600",
        "https://a:b@c.example",
        "<EMAIL_1>",
        "password=",
        "5",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(PIECES, max_size=9).map("".join), min_size=1, max_size=3))
def test_redacting_twice_changes_nothing_more(texts: list[str]) -> None:
    once, _, _ = redact(batch(texts), DETECTOR)
    twice, _, _ = redact(once, DETECTOR)
    assert list(twice.texts) == list(once.texts)
