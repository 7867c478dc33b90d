"""The wire shapes of the OpenAI API that we speak: chat completions, models, errors.

Source: the OpenAPI description of the OpenAI API. Requests tolerate the parameters of that API that change
nothing here; what we cannot
honour is refused by name rather than ignored.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator


class Wire(BaseModel):
    """A shape that OpenAI owns: unknown fields are kept out of our way, never trusted."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class TextPart(Wire):
    type: Literal["text"]
    text: str


class ChatMessage(Wire):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]
    name: str | None = None

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class StreamOptions(Wire):
    include_usage: bool = False


class TextFormat(Wire):
    type: Literal["text"]


class ChatCompletionRequest(Wire):
    """Body of POST /v1/chat/completions. A parameter that is null is one that was not sent."""

    model: str = Field(min_length=1, max_length=200)
    messages: list[ChatMessage] = Field(min_length=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float = Field(default=1.0, ge=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)
    seed: int | None = None
    stop: str | list[str] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Literal[1] = 1
    user: str | None = None

    # Accepted only where they ask for nothing: an answer that ignores them would not be what was asked for.
    tools: list[Any] = Field(default=[], max_length=0)
    functions: list[Any] = Field(default=[], max_length=0)
    logprobs: Literal[False] = False
    logit_bias: dict[str, float] = Field(default={}, max_length=0)
    frequency_penalty: float = Field(default=0, ge=0, le=0)
    presence_penalty: float = Field(default=0, ge=0, le=0)
    response_format: TextFormat | None = None
    modalities: list[Literal["text"]] = ["text"]
    audio: dict[str, Any] = Field(default={}, max_length=0)
    web_search_options: None = None

    @model_validator(mode="before")
    @classmethod
    def without_nulls(cls, sent: Any) -> Any:
        return {name: value for name, value in sent.items() if value is not None} if isinstance(sent, dict) else sent

    @property
    def token_limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens


class Usage(Wire):
    """Tokens, counted by the serving container with the model's own tokenizer."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AssistantMessage(Wire):
    role: Literal["assistant"] = "assistant"
    content: str


class Choice(Wire):
    index: int = 0
    message: AssistantMessage
    finish_reason: Literal["stop", "length"]
    logprobs: None = None


class ChatCompletion(Wire):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    system_fingerprint: str = Field(description="digest of the model that answered")


class Delta(Wire):
    """What a chunk adds to the answer; what it does not add is left out of the JSON."""

    role: Literal["assistant"] | None = None
    content: str | None = None

    @model_serializer(mode="wrap")
    def without_nothing(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if value is not None}


class ChunkChoice(Wire):
    index: int = 0
    delta: Delta
    finish_reason: Literal["stop", "length"] | None = None
    logprobs: None = None


class ChatCompletionChunk(Wire):
    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None
    system_fingerprint: str


class Model(Wire):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ListPage(Wire):
    """The list envelope."""

    object: Literal["list"] = "list"
    data: list[Any]
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None


class ErrorBody(Wire):
    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorEnvelope(Wire):
    """The body of every answer that is not a success."""

    error: ErrorBody
