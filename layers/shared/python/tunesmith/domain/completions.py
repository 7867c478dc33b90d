"""Chat completions: which model a name means, and how a stream of chunks is one answer. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from tunesmith.contracts.base import Timestamp
from tunesmith.contracts.deployments import DeploymentRequest
from tunesmith.contracts.errors import EndpointUnavailable, ModelNotFound
from tunesmith.contracts.keys import Caller
from tunesmith.contracts.models import CHAMPION, Alias
from tunesmith.contracts.openai import (
    AssistantMessage,
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRequest,
    Choice,
)
from tunesmith.contracts.traffic import Exchange

Shape = TypeVar("Shape", bound=BaseModel)
MODEL_NAME = re.compile(
    r"(?P<model>[a-z0-9][a-z0-9-]{0,62})(?:@(?P<version>[1-9][0-9]{0,8})|:(?P<alias>[a-z0-9][a-z0-9-]{0,62}))?"
)
DATA = b"data: "
DONE = b"[DONE]"
FAILURE = b'{"error":'


@dataclass(frozen=True, slots=True)
class ModelName:
    """`<model>`, `<model>@<version>` or `<model>:<alias>`."""

    model: str
    version: int | None
    alias: str

    @classmethod
    def parse(cls, name: str) -> "ModelName":
        """Raises ModelNotFound for what cannot be a model's name."""
        found = MODEL_NAME.fullmatch(name)
        if found is None:
            raise no_such_model(name)
        version = found["version"]
        return cls(found["model"], int(version) if version else None, found["alias"] or CHAMPION)


def served(name: str, champion: Alias | None) -> Alias:
    """The champion, where that is what `name` means. Raises ModelNotFound for all that does not serve: an unknown
    model, another version, another alias."""
    wanted = ModelName.parse(name)
    if champion is None or wanted.alias != CHAMPION:
        raise no_such_model(name)
    if wanted.version not in (None, champion.version):
        raise ModelNotFound(f"version {wanted.version} of {wanted.model} does not serve; {champion.version} does")
    return champion


def no_such_model(name: str) -> ModelNotFound:
    return ModelNotFound(f"the model {name!r} does not exist in this project, or nothing serves it")


def answering(name: str, champion: Alias, fingerprint: str, rollout: DeploymentRequest | None) -> Alias:
    """Who answered: the champion, or the version that a rollout is putting in its place at this moment, which has
    passed the gate and serves before the alias moves.

    Raises EndpointUnavailable where it was neither, or where `name` asks for a version and another one answered.
    """
    if fingerprint == champion.adapter_digest:
        return champion
    if rollout is None or rollout.adapter is None or rollout.adapter.digest != fingerprint:
        raise EndpointUnavailable(
            f"{champion.model}: version {champion.version} is in production, but its endpoint serves a model that "
            "nobody asked for; try again soon"
        )
    if ModelName.parse(name).version is not None:
        raise EndpointUnavailable(
            f"{champion.model}: version {rollout.version} is taking the place of version {champion.version} right now; "
            f"ask for {champion.model!r} without a version, or try again soon"
        )
    return champion.model_copy(update={"version": rollout.version, "adapter_digest": fingerprint})


def fold(chunks: Iterable[ChatCompletionChunk]) -> ChatCompletion:
    """The plain answer that a stream amounts to; the stream must have been asked to include its usage.

    Raises EndpointUnavailable where it broke off.
    """
    text, reason, usage, last = "", None, None, None
    for chunk in chunks:
        last = chunk
        usage = chunk.usage or usage
        for part in chunk.choices:
            text += part.delta.content or ""
            reason = part.finish_reason or reason
    if last is None or reason is None or usage is None:
        raise EndpointUnavailable("the answer broke off before its end; try again")
    choice = Choice(message=AssistantMessage(content=text), finish_reason=reason)
    return ChatCompletion(
        id=last.id,
        created=last.created,
        model=last.model,
        choices=[choice],
        usage=usage,
        system_fingerprint=last.system_fingerprint,
    )


def exchange_of(
    caller: Caller,
    served_by: Alias,
    asked: ChatCompletionRequest,
    completion: ChatCompletion,
    seconds: float,
    now: Timestamp,
) -> Exchange:
    """What was asked and answered, as it is kept."""
    choice = completion.choices[0]
    return Exchange(
        completion_id=completion.id,
        project=served_by.project,
        model=served_by.model,
        version=served_by.version,
        model_digest=completion.system_fingerprint,
        key_id=caller.key_id,
        messages=[{"role": message.role, "content": message.text} for message in asked.messages],
        answer=choice.message.content,
        finish_reason=choice.finish_reason,
        usage=completion.usage,
        latency_seconds=seconds,
        created_at=now,
    )


def event_of(data: str) -> bytes:
    """A server-sent event."""
    return DATA + data.encode() + b"\n\n"


END_OF_STREAM = event_of(DONE.decode())


def read_chunks(pieces: Iterable[bytes]) -> Iterator[ChatCompletionChunk]:
    """The chunks in a stream of server-sent events, however it is cut into pieces.

    Raises EndpointUnavailable where the stream tells of a failure, or ends without saying so.
    """
    for data in _events(pieces):
        if data == DONE:
            return
        if data.startswith(FAILURE):
            raise EndpointUnavailable("the model failed in the middle of its answer; try again")
        yield _read(ChatCompletionChunk, data)
    raise EndpointUnavailable("the answer broke off before its end; try again")


def read_completion(body: bytes) -> ChatCompletion:
    """A plain answer. Raises EndpointUnavailable where it is none."""
    return _read(ChatCompletion, body)


def _read(shape: type[Shape], body: bytes) -> Shape:
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise EndpointUnavailable("the endpoint's answer is no chat completion; its container is not ours") from error


def _events(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The data of each event; ours have one line each."""
    pending = b""
    for piece in pieces:
        *complete, pending = (pending + piece).split(b"\n\n")
        yield from (event.removeprefix(DATA) for event in complete)
