"""The suite: what is asked and expected of chats, of turns that call tools, and of rows that the base cannot read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from batch_jobs.evaluate.answering import record
from batch_jobs.evaluate.suite import encode, encode_all, item_of, read_items
from batch_jobs.prepare.canonical import Row, Turn
from tests.support import chat_templates
from tests.support.splits import chat, write_split
from tests.support.tiny_model import tiny_tokenizer
from tunesmith.adapters.storage import Storage, file_entry
from tunesmith.contracts.datasets import RowFormat, Split
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.jobs import EvaluateParams
from tunesmith.contracts.recipes import Metric

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

TOOLS = json.dumps([{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}])
CALL = json.dumps([{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"in": "Ulm"}'}}])
CALLING = Row(RowFormat.CHAT, (Turn("user", "Rain?"), Turn("assistant", "", tool_calls=CALL)), tools=TOOLS)
ANSWERING = Row(
    RowFormat.CHAT,
    (*CALLING.turns, Turn("tool", "wet", trained=False, tool_call_id="call_1"), Turn("assistant", "Yes.")),
    tools=TOOLS,
)
SIMPLE = chat(("user", "hello"), ("assistant", "hi"))


def tokenizer(template: str = chat_templates.WITH_TOOLS) -> "PreTrainedTokenizerFast":
    made = tiny_tokenizer()
    made.chat_template = template
    return made


Ask = Callable[..., list[Any]]


@pytest.fixture
def items(tmp_path: Path, event: Callable[[str], Any]) -> Ask:
    """Rows as `prepare` freezes them, read as the job reads them."""

    def read(*rows: Row) -> list[Any]:
        entry = file_entry(tmp_path, write_split(tmp_path, Split.TEST, rows))
        suite = {"suite_uri": str(tmp_path / entry.path), "suite_digest": entry.sha256}
        params = EvaluateParams.model_validate(event("evaluate/tiny.json")).model_copy(update=suite)
        (tmp_path / "work").mkdir()
        return read_items(Storage(), params, tmp_path / "work")

    return read


def test_prompt_is_asked_with_its_tools_and_the_turns_that_called_them(items: Ask) -> None:
    (item,) = items(ANSWERING)
    asked = tokenizer().decode(encode(tokenizer(), item).prompt_ids)
    assert "Tools: [" in asked and '<tool_call>weather {"in": "Ulm"}</tool_call>' in asked
    assert asked.endswith("wet<|im_end|>\n<|im_start|>assistant\n")
    assert encode(tokenizer(), item).reference == "Yes."


def test_turn_that_calls_a_tool_is_scored_as_the_text_that_the_template_writes(items: Ask) -> None:
    (item,) = items(CALLING)
    encoded = encode(tokenizer(), item)
    assert encoded.reference == '<tool_call>weather {"in": "Ulm"}</tool_call>'
    assert tokenizer().decode(encoded.reference_ids) == encoded.reference + "<|im_end|>"
    said = tokenizer().decode(encoded.reference_ids, skip_special_tokens=True)
    assert record(encoded, said, 1.0).scores[Metric.EXACT_MATCH] == 1
    assert record(encoded, "Yes.", 1.0).scores[Metric.EXACT_MATCH] == 0


def test_items_that_the_template_refuses_are_left_out_with_their_reasons(items: Ask) -> None:
    encoded, refusals = encode_all(tokenizer(chat_templates.GEMMA), items(SIMPLE, CALLING))
    assert [item.reference for item in encoded] == ["hi"]
    assert ["leaves out `tools`" in str(reason) for reason in refusals] == [True]


def test_preferences_are_no_suite(items: Ask) -> None:
    pair = Row(
        RowFormat.PREFERENCE,
        (Turn("user", "q"),),
        chosen=(Turn("assistant", "yes"),),
        rejected=(Turn("assistant", "no"),),
    )
    with pytest.raises(InvalidInput, match="expected chats, found preferences"):
        items(pair)


def test_row_without_an_answer_after_a_prompt_is_an_error() -> None:
    row = {"item_id": "x", "messages": [{"role": "assistant", "content": "hi"}], "tools": None}
    with pytest.raises(InvalidInput, match="expected a prompt"):
        item_of(row)
