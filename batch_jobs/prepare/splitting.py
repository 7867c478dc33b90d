"""Which split a conversation belongs to: decided by its prompt alone, so no answer to a test prompt is ever trained.

Membership is a hash, so it does not depend on what else is in the dataset or in which order: a row that was once held
out stays held out when rows are added.
"""

import hashlib
import unicodedata
from dataclasses import dataclass

from batch_jobs.prepare.checking.conversations import Conversation, Turn
from tunesmith.contracts.datasets import DropReason, SourceKind, Split
from tunesmith.contracts.recipes import PrepareRecipe


@dataclass(frozen=True, slots=True)
class Keys:
    """What a conversation is equal to, and what each of its assistant's turns answers."""

    conversation: str
    prompts: dict[int, str]
    """Index of an assistant's turn -> digest of all turns before it."""

    @property
    def prompt(self) -> str:
        """What the last answer answers: the evaluated turn, so the one that decides the split."""
        return next(reversed(self.prompts.values()))


def keys_of(turns: tuple[Turn, ...]) -> Keys:
    """Equal for conversations that differ only in Unicode form, line breaks or outer whitespace."""
    seen, prompts = hashlib.sha256(), {}
    for index, turn in enumerate(turns):
        if turn.role == "assistant":
            prompts[index] = seen.hexdigest()
        seen.update(_spelling(turn))
    if not all(turn.trained for turn in turns):
        seen.update(bytes(turn.trained for turn in turns))
    return Keys(seen.hexdigest(), prompts)


def split_of(prompt_key: str, recipe: PrepareRecipe) -> Split:
    position = int(prompt_key[:13], 16) / 16**13  # 52 bits: exact in a float
    if position < recipe.test_fraction:
        return Split.TEST
    if position < recipe.test_fraction + recipe.validation_fraction:
        return Split.VALIDATION
    return Split.TRAIN


@dataclass(frozen=True, slots=True)
class Placed:
    """A conversation that is kept: where, and which of its turns may be learnt there."""

    split: Split
    trained: tuple[bool, ...]


class Assignment:
    """Gives each new conversation its place, or the reason why it has none."""

    def __init__(self, recipe: PrepareRecipe, frozen_prompts: frozenset[str]):
        self._recipe, self._frozen = recipe, frozen_prompts
        self._seen: set[bytes] = set()

    def place(self, conversation: Conversation, keys: Keys, source: SourceKind) -> Placed | DropReason:
        identity = bytes.fromhex(keys.conversation)
        if identity in self._seen:
            return DropReason.EXACT_DUPLICATE
        self._seen.add(identity)
        split = split_of(keys.prompt, self._recipe)
        if source == SourceKind.FEEDBACK and split == Split.VALIDATION:
            split = Split.TRAIN
        if split == Split.TEST and source == SourceKind.UPLOAD:
            return Placed(split, tuple(turn.role == "assistant" and turn.trained for turn in conversation.turns))
        if split == Split.TEST or keys.prompt in self._frozen:
            return DropReason.IN_FROZEN_TEST
        trained = self._learnable(conversation, keys)
        return Placed(split, trained) if any(trained) else DropReason.IN_FROZEN_TEST

    def _learnable(self, conversation: Conversation, keys: Keys) -> tuple[bool, ...]:
        """A turn in the middle that answers a held-out prompt stays as context, but is not learnt; nor is a greeting
        before the first prompt."""
        held_out = {
            index
            for index, prompt in keys.prompts.items()
            if prompt in self._frozen or split_of(prompt, self._recipe) == Split.TEST
        }
        return tuple(
            index > 0 and turn.role == "assistant" and turn.trained and index not in held_out
            for index, turn in enumerate(conversation.turns)
        )


def _spelling(turn: Turn) -> bytes:
    """One turn, normalised, in bytes that no other turn has: its length keeps neighbours apart."""
    text = turn.content
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    body = text.strip().encode()
    return b"%s %d\n%s" % (turn.role.encode(), len(body), body)
