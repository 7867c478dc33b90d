"""Generation as a stream: tokens out of a model one by one, text out of tokens, cut where a stop string begins.

What was given out is never taken back: the bytes of an unfinished character, and text that may be the beginning of a
stop string, are held until it is clear what they are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from batch_jobs.modeling.generation import stop_tokens

FinishReason = Literal["stop", "length"]

UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What a tokenizer makes of bytes that are no whole character yet."""


@dataclass(frozen=True)
class Sampling:
    """How to choose tokens, and when to stop. A temperature of 0 always takes the likeliest."""

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Piece:
    """The next text of an answer, and how many tokens the answer has taken; the last piece says why it ends."""

    text: str
    tokens: int
    finish_reason: FinishReason | None = None


def stream_tokens(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt_ids: Sequence[int], sampling: Sampling
) -> Iterator[Piece]:
    """The answer to a prompt, piece by piece. The token that ends the turn is neither shown nor counted."""
    text, stops = TextAssembler(tokenizer), StopStrings(sampling.stop)
    ends = stop_tokens(model, tokenizer)
    count = 0
    for token in choose_tokens(model, prompt_ids, sampling):
        if token in ends:
            yield _last_piece(text, stops, count, "stop")
            return
        count += 1
        shown = stops.push(text.push(token))
        if stops.found:
            yield Piece(shown, count, "stop")
            return
        if shown:
            yield Piece(shown, count)
    yield _last_piece(text, stops, count, "length")


def _last_piece(text: "TextAssembler", stops: "StopStrings", count: int, reason: FinishReason) -> Piece:
    shown = stops.push(text.rest())
    return Piece(shown, count, "stop") if stops.found else Piece(shown + stops.rest(), count, reason)


@torch.inference_mode()
def choose_tokens(model: PreTrainedModel, prompt_ids: Sequence[int], sampling: Sampling) -> Iterator[int]:
    """Token after token; each passes through the model once, which keeps its keys and values."""
    choose, cache = Chooser(sampling, model.device), DynamicCache()
    ids = torch.tensor([list(prompt_ids)], device=model.device)
    for _ in range(sampling.max_new_tokens):
        step = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        token = choose(step.logits[0, -1])
        yield token
        ids = torch.tensor([[token]], device=model.device)


class Chooser:
    """Chooses the next token from the model's scores; with a seed, always the same ones."""

    def __init__(self, sampling: Sampling, device: torch.device):
        self._sampling = sampling
        self._random = torch.Generator(device)
        if sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(sampling.seed & 0xFFFF_FFFF_FFFF_FFFF)

    def __call__(self, logits: Tensor) -> int:
        if self._sampling.temperature == 0:
            return int(logits.argmax())
        chances = torch.softmax(logits.float() / self._sampling.temperature, dim=-1)
        if self._sampling.top_p < 1:
            chances = nucleus(chances, self._sampling.top_p)
        return int(torch.multinomial(chances, 1, generator=self._random))


def nucleus(chances: Tensor, top_p: float) -> Tensor:
    """The likeliest tokens whose chances first add up to `top_p`; all others get none. The likeliest always stays."""
    ordered, places = chances.sort(descending=True)
    kept = ordered.cumsum(-1) - ordered < top_p
    kept[0] = True
    return torch.zeros_like(chances).scatter(0, places, ordered * kept)


class TextAssembler:
    """Text out of tokens as they come, whole characters only.

    Tokens are decoded together with the ones before them since the last whole character: tokenizers treat the first
    token of a text differently (they drop its leading space).
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        self._shown: list[int] = []

    def push(self, token: int) -> str:
        """The text that this token completes."""
        self._tokens.append(token)
        new = self._new_text()
        if not new or new.endswith(UNFINISHED):
            return ""
        self._shown, self._tokens = self._tokens, []
        return new

    def rest(self) -> str:
        """What is left at the end of an answer, without a character that will never be finished."""
        return self._new_text().rstrip(UNFINISHED)

    def _new_text(self) -> str:
        before = self._decode(self._shown)
        return self._decode(self._shown + self._tokens)[len(before) :]

    def _decode(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


class StopStrings:
    """Cuts text before the first stop string in it, however it is cut into pieces."""

    def __init__(self, stops: Sequence[str]):
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.found = False

    def push(self, text: str) -> str:
        """What may be shown now."""
        self._held += text
        starts = [start for stop in self._stops if (start := self._held.find(stop)) >= 0]
        if starts:
            self.found = True
            return self._held[: min(starts)]
        keep = max((self._beginning_of(stop) for stop in self._stops), default=0)
        shown = self._held[: len(self._held) - keep]
        self._held = self._held[len(shown) :]
        return shown

    def rest(self) -> str:
        return self._held

    def _beginning_of(self, stop: str) -> int:
        """How many characters at the end of the held text are the beginning of `stop`."""
        longest = min(len(stop) - 1, len(self._held))
        return next((size for size in range(longest, 0, -1) if self._held.endswith(stop[:size])), 0)
