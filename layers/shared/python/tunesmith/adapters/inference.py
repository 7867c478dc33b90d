"""Answers of a SageMaker endpoint, whole or as a stream of bytes."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NoReturn

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EventStreamError
from pydantic import ValidationError

from tunesmith.contracts.errors import ContextLengthExceeded, EndpointUnavailable, InvalidInput
from tunesmith.contracts.openai import ErrorBody, ErrorEnvelope

ANSWER_WITHIN_SECONDS = 27
"""API Gateway gives up after 29 s, and nobody reads an answer after that."""


class Inference:
    """The endpoints of all models. Never tried twice: a client that gets no answer decides for itself."""

    @cached_property
    def _runtime(self) -> Any:
        config = Config(
            connect_timeout=3, read_timeout=ANSWER_WITHIN_SECONDS, retries={"total_max_attempts": 1, "mode": "standard"}
        )
        return boto3.client("sagemaker-runtime", config=config)

    def complete(self, endpoint: str, body: bytes) -> bytes:
        """The whole answer. Raises InvalidInput where the container refuses the request, EndpointUnavailable where it
        cannot answer."""
        try:
            answer = self._runtime.invoke_endpoint(EndpointName=endpoint, Body=body, ContentType="application/json")
            whole: bytes = answer["Body"].read()
            return whole
        except (ClientError, BotoCoreError) as error:
            _translate(endpoint, error)

    def stream(self, endpoint: str, body: bytes) -> Iterator[bytes]:
        """The answer's bytes as they come; raises as `complete` does, in the middle as well."""
        try:
            answer = self._runtime.invoke_endpoint_with_response_stream(
                EndpointName=endpoint, Body=body, ContentType="application/json", Accept="text/event-stream"
            )
            for event in answer["Body"]:
                yield event["PayloadPart"]["Bytes"]
        except (ClientError, EventStreamError, BotoCoreError) as error:
            _translate(endpoint, error)


def _translate(endpoint: str, error: Exception) -> NoReturn:
    response = getattr(error, "response", {})
    refused = _told_by_container(response) if response.get("OriginalStatusCode") == 400 else None
    if refused is None:
        raise EndpointUnavailable(f"endpoint {endpoint} cannot answer right now; try again soon") from error
    kind = ContextLengthExceeded if refused.code == ContextLengthExceeded.code else InvalidInput
    raise kind(refused.message, refused.param) from error


def _told_by_container(response: dict[str, Any]) -> ErrorBody | None:
    """Our container refuses in OpenAI's envelope, which SageMaker hands on as a string; None where it did not."""
    try:
        return ErrorEnvelope.model_validate_json(response.get("OriginalMessage", "")).error
    except ValidationError:
        return None
