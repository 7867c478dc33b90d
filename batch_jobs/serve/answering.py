"""From a chat completion request to a stream of chunks."""

import time
import uuid
from collections.abc import Iterator

from batch_jobs.modeling.streaming import Piece, Sampling, stream_tokens
from batch_jobs.modeling.templates import Message, prompt_ids
from batch_jobs.serve.served import Served
from tunesmith.contracts.errors import ContextLengthExceeded
from tunesmith.contracts.openai import (
    ChatCompletionChunk,
    ChatCompletionRequest,
    ChatMessage,
    ChunkChoice,
    Delta,
    Usage,
)


def answer(served: Served, request: ChatCompletionRequest, max_new_tokens: int) -> Iterator[ChatCompletionChunk]:
    """The chunks of an answer of `max_new_tokens` at most; the last but one says why it ends, the last its usage.

    Raises ContextLengthExceeded before the first of them.
    """
    prompt = prompt_ids(served.tokenizer, [_message(message) for message in request.messages])
    sampling = _sampling(request, _room(served, len(prompt), request, max_new_tokens))
    chunks = Chunks(request.model, served.identity.model_digest)
    yield chunks.of(Delta(role="assistant", content=""))
    tokens = 0
    for piece in stream_tokens(served.model, served.tokenizer, prompt, sampling):
        tokens = piece.tokens
        yield from chunks.of_piece(piece)
    yield chunks.of_usage(len(prompt), tokens)


class Chunks:
    """The chunks of one answer: they share its id."""

    def __init__(self, model: str, fingerprint: str):
        self._shared = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": fingerprint,
        }

    def of(self, delta: Delta, finish_reason: str | None = None) -> ChatCompletionChunk:
        return ChatCompletionChunk(choices=[ChunkChoice(delta=delta, finish_reason=finish_reason)], **self._shared)

    def of_piece(self, piece: Piece) -> Iterator[ChatCompletionChunk]:
        if piece.text:
            yield self.of(Delta(content=piece.text))
        if piece.finish_reason:
            yield self.of(Delta(), piece.finish_reason)

    def of_usage(self, prompt: int, completion: int) -> ChatCompletionChunk:
        usage = Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)
        return ChatCompletionChunk(choices=[], usage=usage, **self._shared)


def _message(message: ChatMessage) -> Message:
    """`developer` is OpenAI's newer word for `system`, which chat templates do not know."""
    return {"role": "system" if message.role == "developer" else message.role, "content": message.text}


def _sampling(request: ChatCompletionRequest, max_new_tokens: int) -> Sampling:
    stop = [request.stop] if isinstance(request.stop, str) else request.stop or []
    return Sampling(max_new_tokens, request.temperature, request.top_p, request.seed, tuple(stop))


def _room(served: Served, prompt: int, request: ChatCompletionRequest, max_new_tokens: int) -> int:
    """How many tokens the answer may have: what was asked, what we allow, what the context has left."""
    limit = served.context_length
    asked = min(request.token_limit or 1, max_new_tokens)
    if prompt + asked > limit:
        raise ContextLengthExceeded(
            f"this model's context length is {limit} tokens; the messages take {prompt} and the answer "
            f"{asked}: shorten the messages, or ask for a shorter answer"
        )
    return min(request.token_limit or max_new_tokens, max_new_tokens, limit - prompt)
