"""Conversations as token ids: the base's chat template, the mask of what is trained, and no forged special tokens.

A conversation's content is data. Text in it that spells a special token (`<|im_end|>`) is tokenised as the letters
that it is, so that no row and no client can end a turn, or start one, in somebody else's name.

Each assistant turn is tokenised apart from what precedes it, in training as in serving, so that the tokens that a
model is trained after are exactly those that it is prompted with.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypedDict

from tunesmith.contracts.errors import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MARKS = "\ufdd0\ufdd1\ufdd2\ufdd3"
"""Noncharacters: no tokenizer has a special token with one inside."""


class Message(TypedDict):
    """One turn, in the shape that chat templates take."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """Token ids of a conversation, and which of them the loss counts."""

    ids: list[int]
    mask: list[bool]


def template_hash(tokenizer: "PreTrainedTokenizerFast") -> str:
    """SHA-256 of the chat template: an adapter fits only the template that it was trained with."""
    return hashlib.sha256(_template(tokenizer).encode()).hexdigest()


def prompt_ids(tokenizer: "PreTrainedTokenizerFast", messages: Sequence[Message]) -> list[int]:
    """Tokens of the conversation up to where the assistant's next turn begins."""
    rendering = _Rendering(tokenizer, messages)
    text = rendering.upto(len(messages), open_turn=True)
    cuts = [start for start, _ in rendering.assistant_spans(text).values()]
    return [token for piece in _cut(text, cuts) for token in rendering.encode(piece)]


def training_ids(
    tokenizer: "PreTrainedTokenizerFast", messages: Sequence[Message], trained: Sequence[bool] | None = None
) -> TrainingExample:
    """Tokens of the conversation with a mask on the assistant's turns, each with the token that ends it.

    `trained` names the turns that count (default: all). A turn that the template rewrites once others follow is never
    what the model will see, so it does not count. Raises InvalidInput where no token would be trained.
    """
    rendering = _Rendering(tokenizer, messages)
    text = rendering.upto(len(messages), open_turn=False)
    spans = rendering.assistant_spans(text)
    example = TrainingExample([], [])
    position = 0
    for index, (start, end) in spans.items():
        _extend(example, rendering.encode(text[position:start]), counts=False)
        _extend(example, rendering.encode(text[start:end]), counts=trained is None or trained[index])
        position = end
    _extend(example, rendering.encode(text[position:]), counts=False)
    if not any(example.mask):
        raise InvalidInput("no assistant turn of this conversation can be trained with the base model's chat template")
    return example


class _Rendering:
    """A conversation rendered with special tokens in its content broken up by a mark, until `encode` mends them."""

    def __init__(self, tokenizer: "PreTrainedTokenizerFast", messages: Sequence[Message]):
        _template(tokenizer)
        self._tokenizer = tokenizer
        self._special = _special_pattern(tokenizer)
        contents = [message["content"] for message in messages]
        self._mark = next((mark for mark in MARKS if not any(mark in content for content in contents)), None)
        if self._mark is None:
            raise InvalidInput("a message holds Unicode noncharacters (U+FDD0 to U+FDD3); remove them")
        self._messages = [
            Message(role=message["role"], content=self._break_up(message["content"])) for message in messages
        ]

    def upto(self, count: int, open_turn: bool) -> str:
        """The template's text of the first `count` messages; `open_turn` adds the assistant's opening."""
        text: str = self._tokenizer.apply_chat_template(
            self._messages[:count], tokenize=False, add_generation_prompt=open_turn
        )
        return text

    def assistant_spans(self, text: str) -> dict[int, tuple[int, int]]:
        """Message index -> where the assistant wrote in `text`: from after its opening to its end-of-turn token."""
        spans = {}
        for index, message in enumerate(self._messages):
            if message["role"] != "assistant" or index == 0:
                continue
            before, after = self.upto(index, open_turn=True), self.upto(index + 1, open_turn=False)
            if text.startswith(after) and after.startswith(before):
                spans[index] = (len(before), len(before) + self._turn_length(after[len(before) :]))
        return spans

    def encode(self, text: str) -> list[int]:
        """Token ids of a piece of the rendering; only the template's own special tokens become special ids."""
        if self._mark not in text:
            return self._tokenizer.encode(text, add_special_tokens=False)
        ids: list[int] = []
        for piece in self._special.split(text):
            if self._special.fullmatch(piece):
                ids.append(self._tokenizer.convert_tokens_to_ids(piece))
            elif piece:
                ids += self._encode_as_letters(piece.replace(self._mark, ""))
        return ids

    def _encode_as_letters(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)

    def _break_up(self, content: str) -> str:
        return self._special.sub(lambda found: found[0][0] + self._mark + found[0][1:], content)

    def _turn_length(self, turn: str) -> int:
        """Up to and with the last special token: the line break that templates put after it is not the assistant's."""
        ends = [found.end() for found in self._special.finditer(turn)]
        if not ends:
            raise InvalidInput(
                "the base model's chat template ends an assistant turn without a special token: "
                "a model tuned with it would never learn to stop"
            )
        return ends[-1]


def _template(tokenizer: "PreTrainedTokenizerFast") -> str:
    template = tokenizer.chat_template
    if not isinstance(template, str):
        raise InvalidInput("the base model has no single chat template; import an instruct model, or add one to it")
    return template


@lru_cache(maxsize=8)
def _special_pattern(tokenizer: "PreTrainedTokenizerFast") -> re.Pattern[str]:
    """Matches each special token; longest first, as tokenizers do. The group makes `split` keep them."""
    tokens = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return re.compile("(" + "|".join(re.escape(token) for token in sorted(tokens, key=len, reverse=True)) + ")")


def _cut(text: str, positions: list[int]) -> list[str]:
    edges = [0, *positions, len(text)]
    return [text[start:end] for start, end in zip(edges, edges[1:], strict=False)]


def _extend(example: TrainingExample, ids: list[int], counts: bool) -> None:
    example.ids.extend(ids)
    example.mask.extend([counts] * len(ids))
