"""Who may do what: bearer keys out of a header, and scopes. Deny by default."""

import re

from tunesmith.contracts.errors import NotAuthorized
from tunesmith.contracts.keys import KEY_PREFIX, ApiKey, Caller, Scope

SECRET_BYTES = 32
KEY_ID_LENGTH = 12
BEARER = re.compile(rf"^Bearer +({KEY_PREFIX}[A-Za-z0-9_-]{{43}})$", re.IGNORECASE | re.ASCII)
"""32 random bytes are 43 characters of unpadded, URL-safe base64."""


def bearer_of(authorization: str | None) -> str | None:
    """The key in an Authorization header; None where there is none, or nothing that could be one."""
    found = BEARER.match((authorization or "").strip())
    return found.group(1) if found else None


def caller_of(key: ApiKey | None) -> Caller | None:
    """Whom a key speaks for; nobody, where it is unknown or revoked."""
    if key is None or key.revoked_at is not None:
        return None
    return Caller(project=key.project, key_id=key.key_id, scopes=frozenset(key.scopes))


def require(caller: Caller, scope: Scope) -> None:
    """Raises NotAuthorized unless the caller's key has the scope."""
    if scope not in caller.scopes:
        raise NotAuthorized(f"key {caller.key_id} lacks the scope {scope!s}; make a key that has it")
