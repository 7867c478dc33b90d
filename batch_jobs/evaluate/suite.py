"""The frozen suite: which of its conversations are asked, and of each, what is asked and what is expected."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as parquet

from batch_jobs.modeling.templates import Message, prompt_ids, training_ids
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.base import ItemId
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import EvaluateParams

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

ASSISTANT = "assistant"
PREFERENCE_COLUMNS = {"chosen", "rejected", "desirable"}


@dataclass(frozen=True, slots=True)
class Item:
    """A conversation up to its last assistant turn, and that turn."""

    item_id: ItemId
    prompt: list[Message]
    answer: Message
    tools: str | None = None
    """OpenAI's array of tool definitions, as JSON."""


@dataclass(frozen=True, slots=True)
class EncodedItem:
    """An item as the model sees it."""

    item: Item
    prompt_ids: list[int]
    reference_ids: list[int]
    """With the token that ends the turn: a model that cannot stop finds the reference less likely."""
    reference: str
    """What an answer is scored against. Of a turn that calls tools it is the text that the chat template writes for
    the calls, as what a model says is text: a call that differs only in the order of its arguments scores less."""


def read_items(storage: Storage, params: EvaluateParams, workdir: Path) -> list[Item]:
    """The chosen items. Raises IntegrityError where the suite is not the one that was frozen, InvalidInput where it
    does not hold chats."""
    file = storage.download(params.suite_uri, workdir / "suite.parquet", sha256=params.suite_digest)
    if preferences := PREFERENCE_COLUMNS & set(parquet.read_schema(file).names):
        raise InvalidInput(
            f"{params.suite_uri}: expected chats, found preferences (column {min(preferences)}): evaluation scores "
            "answers; freeze a test split of chats, in a dataset of another name"
        )
    rows = parquet.read_table(file, columns=["item_id", "messages", "tools"]).to_pylist()
    if not rows:
        raise InvalidInput(f"{params.suite_uri}: the suite has no items; a dataset needs at least one test row")
    return [item_of(row) for row in choose(rows, params.recipe.max_items)]


def choose(rows: Sequence[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """The same `limit` rows whenever and for whichever model: those whose hashed ids come first."""
    return sorted(rows, key=lambda row: digest(row["item_id"]))[:limit]


def item_of(row: dict[str, Any]) -> Item:
    messages: list[Message] = row["messages"]
    answers = [place for place, message in enumerate(messages) if message["role"] == ASSISTANT]
    if not answers or not answers[-1]:
        raise InvalidInput(f"suite item {row['item_id']}: expected a prompt and an assistant turn after it")
    return Item(row["item_id"], messages[: answers[-1]], messages[answers[-1]], row["tools"])


def encode_all(
    tokenizer: "PreTrainedTokenizerFast", items: Sequence[Item]
) -> tuple[list[EncodedItem], list[InvalidInput]]:
    """The items, and why the others are none: the base's chat template refuses them, for every contestant alike."""
    encoded, refusals = [], []
    for item in items:
        try:
            encoded.append(encode(tokenizer, item))
        except InvalidInput as error:
            refusals.append(error)
    return encoded, refusals


def encode(tokenizer: "PreTrainedTokenizerFast", item: Item) -> EncodedItem:
    """Token ids of the prompt, and of the reference just as it would have been trained."""
    example = training_ids(tokenizer, [*item.prompt, item.answer], [False] * len(item.prompt) + [True], item.tools)
    ids = [token for token, counts in zip(example.ids, example.mask, strict=True) if counts]
    called = item.answer.get("tool_calls") is not None
    reference = tokenizer.decode(ids, skip_special_tokens=True).strip() if called else item.answer["content"]
    return EncodedItem(item, prompt_ids(tokenizer, item.prompt, item.tools), ids, reference)


def those_that_fit(items: Sequence[EncodedItem], context_length: int, max_new_tokens: int) -> list[EncodedItem]:
    """Those whose prompt leaves room for the answer and for the reference."""
    return [
        item for item in items if len(item.prompt_ids) + max(len(item.reference_ids), max_new_tokens) <= context_length
    ]
