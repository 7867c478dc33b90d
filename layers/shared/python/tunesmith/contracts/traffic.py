"""Captured traffic: what was asked and answered, kept where a recipe's `monitor.capture` says so."""

from pydantic import Field

from tunesmith.contracts.base import Contract, Digest, Name, Timestamp
from tunesmith.contracts.openai import Usage


class Exchange(Contract):
    """One request and its answer: the JSON object at `artifacts.traffic_key`."""

    completion_id: str
    project: Name
    model: Name
    version: int = Field(description="of the model that answered")
    model_digest: Digest
    key_id: str = Field(description="whose key asked")
    messages: list[dict[str, str]] = Field(description="role and content of the conversation up to the answer")
    answer: str
    finish_reason: str
    usage: Usage
    latency_seconds: float
    created_at: Timestamp
