"""API keys. The key itself is shown once and never stored: only its hash is."""

import hashlib
from enum import StrEnum

from pydantic import Field

from tunesmith.contracts.base import Contract, Name, Timestamp

KEY_PREFIX = "ts-"


class Scope(StrEnum):
    INFERENCE = "inference"
    FEEDBACK = "feedback"
    REVIEW = "review"
    READ = "read"


class ApiKey(Contract):
    key_hash: str
    key_id: str = Field(description="first characters of the hash: what people call the key by")
    project: Name
    name: str
    scopes: list[Scope]
    created_at: Timestamp
    revoked_at: Timestamp | None = None


def hash_key(secret: str) -> str:
    """Keys carry 256 random bits, so a plain SHA-256 cannot be searched and needs no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()
