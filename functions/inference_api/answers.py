"""The answer of a model's endpoint: whole or as server-sent events."""

from dataclasses import dataclass

from tunesmith.adapters.inference import Inference
from tunesmith.contracts.deployments import endpoint_name
from tunesmith.contracts.models import Alias
from tunesmith.contracts.openai import ChatCompletion, ChatCompletionChunk, ChatCompletionRequest, StreamOptions
from tunesmith.domain.completions import END_OF_STREAM, event_of, fold, read_chunks, read_completion


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said, and the body that tells the client so."""

    completion: ChatCompletion
    body: str
    content_type: str


def ask(inference: Inference, champion: Alias, asked: ChatCompletionRequest) -> Answer:
    """Raises EndpointUnavailable where the endpoint does not answer. Who answered stands in the completion."""
    return _streamed(inference, champion, asked) if asked.stream else _whole(inference, champion, asked)


def _whole(inference: Inference, champion: Alias, asked: ChatCompletionRequest) -> Answer:
    body = inference.complete(_endpoint(champion), asked.model_dump_json(exclude_none=True).encode())
    completion = read_completion(body)
    return Answer(completion, completion.model_dump_json(), "application/json")


def _streamed(inference: Inference, champion: Alias, asked: ChatCompletionRequest) -> Answer:
    """The container always counts tokens; the client is told only where it asked to be."""
    counting = asked.model_copy(update={"stream_options": StreamOptions(include_usage=True)})
    pieces = inference.stream(_endpoint(champion), counting.model_dump_json(exclude_none=True).encode())
    chunks = list(read_chunks(pieces))
    wanted = chunks if _wants_usage(asked) else [chunk for chunk in chunks if chunk.choices]
    return Answer(fold(chunks), _events(wanted), "text/event-stream")


def _events(chunks: list[ChatCompletionChunk]) -> str:
    """One body: a REST API's proxied function cannot send it in parts."""
    return b"".join([*(event_of(chunk.model_dump_json()) for chunk in chunks), END_OF_STREAM]).decode()


def _wants_usage(asked: ChatCompletionRequest) -> bool:
    return asked.stream_options is not None and asked.stream_options.include_usage


def _endpoint(champion: Alias) -> str:
    return endpoint_name(champion.project, champion.model)
