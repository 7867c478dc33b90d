"""API keys. The key itself is shown once and never stored: only its hash is."""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

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


class Caller(Contract):
    """Who makes a request, as the authorizer told API Gateway and API Gateway tells every function."""

    project: Name
    key_id: str
    scopes: frozenset[Scope]

    def context(self) -> dict[str, str]:
        """The authorizer's context: API Gateway carries strings only."""
        return {"project": self.project, "key_id": self.key_id, "scopes": " ".join(sorted(self.scopes))}

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> "Caller":
        scopes = frozenset(Scope(scope) for scope in str(context["scopes"]).split())
        return cls(project=context["project"], key_id=context["key_id"], scopes=scopes)


def usage_key(project: str) -> str:
    """The API Gateway key by which a project's requests are throttled. It admits nobody: only the authorizer names it,
    after it has checked the bearer's own key. API Gateway wants 20 characters at least."""
    return f"tunesmith-throttle-{project}"
