"""The frozen suite: which of its conversations are asked, and of each, what is asked and what is expected."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as parquet

from batch_jobs.modeling.templates import Message, prompt_ids, training_ids
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.base import Digest
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import EvaluateParams

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Item:
    """A conversation up to its last assistant turn, and that turn."""

    item_id: Digest
    prompt: list[Message]
    reference: str


@dataclass(frozen=True, slots=True)
class EncodedItem:
    """An item as the model sees it."""

    item: Item
    prompt_ids: list[int]
    reference_ids: list[int]
    """With the token that ends the turn: a model that cannot stop finds the reference less likely."""


def read_items(storage: Storage, params: EvaluateParams, workdir: Path) -> list[Item]:
    """The chosen items. Raises IntegrityError where the suite is not the one that was frozen."""
    file = storage.download(params.suite_uri, workdir / "suite.parquet", sha256=params.suite_digest)
    rows = parquet.read_table(file, columns=["item_id", "messages"]).to_pylist()
    if not rows:
        raise InvalidInput(f"{params.suite_uri}: the suite has no items; a dataset needs at least one test row")
    return [item_of(row) for row in choose(rows, params.recipe.max_items)]


def choose(rows: Sequence[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """The same `limit` rows whenever and for whichever model: those whose hashed ids come first."""
    return sorted(rows, key=lambda row: digest(row["item_id"]))[:limit]


def item_of(row: dict[str, Any]) -> Item:
    messages = [Message(role=message["role"], content=message["content"]) for message in row["messages"]]
    answers = [place for place, message in enumerate(messages) if message["role"] == ASSISTANT]
    if not answers or not answers[-1]:
        raise InvalidInput(f"suite item {row['item_id']}: expected a prompt and an assistant turn after it")
    return Item(row["item_id"], messages[: answers[-1]], messages[answers[-1]]["content"])


def encode(tokenizer: "PreTrainedTokenizerFast", item: Item) -> EncodedItem:
    """Token ids of the prompt, and of the reference just as it would have been trained."""
    conversation = [*item.prompt, Message(role=ASSISTANT, content=item.reference)]
    example = training_ids(tokenizer, conversation, trained=[False] * len(item.prompt) + [True])
    reference = [token for token, counts in zip(example.ids, example.mask, strict=True) if counts]
    return EncodedItem(item, prompt_ids(tokenizer, item.prompt), reference)


def those_that_fit(items: Sequence[EncodedItem], context_length: int, max_new_tokens: int) -> list[EncodedItem]:
    """Those whose prompt leaves room for the answer and for the reference."""
    return [
        item for item in items if len(item.prompt_ids) + max(len(item.reference_ids), max_new_tokens) <= context_length
    ]
