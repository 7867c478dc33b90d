"""API keys in DynamoDB: found by hash, listed by project, shown once."""

import builtins
import secrets

from tunesmith.adapters import dynamo
from tunesmith.adapters.clock import now
from tunesmith.contracts.errors import Conflict, NotFound
from tunesmith.contracts.keys import KEY_PREFIX, ApiKey, Scope, hash_key
from tunesmith.contracts.tables import API_KEYS
from tunesmith.domain.keys import KEY_ID_LENGTH, SECRET_BYTES


class Keys:
    """The keys of all projects."""

    def __init__(self, table: str):
        self._table = table

    def create(self, project: str, name: str, scopes: builtins.list[Scope]) -> tuple[str, ApiKey]:
        """A new key, and the secret that nobody will see again."""
        secret = KEY_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        key_hash = hash_key(secret)
        key = ApiKey(
            key_hash=key_hash,
            key_id=key_hash[:KEY_ID_LENGTH],
            project=project,
            name=name,
            scopes=scopes,
            created_at=now(),
        )
        dynamo.put(dynamo.Put.new(self._table, _row(key), ("key_hash",)))
        return secret, key

    def find(self, secret: str) -> ApiKey | None:
        """The key with this secret, revoked or not, as of now."""
        row = dynamo.get(self._table, {"key_hash": hash_key(secret)})
        return _key(row) if row else None

    def list(self, project: str) -> builtins.list[ApiKey]:
        """Newest first."""
        index = API_KEYS.indexes[0]
        return [_key(row) for row in dynamo.query_index(self._table, index.name, (index.partition_key, project))]

    def revoke(self, project: str, key_id: str) -> ApiKey:
        """The key, refused from now on. Revoking it again changes nothing. Raises NotFound where the project has no
        such key."""
        listed = next((key for key in self.list(project) if key.key_id == key_id), None)
        row = dynamo.get(self._table, {"key_hash": listed.key_hash}) if listed else None
        if row is None:
            raise NotFound(f"project {project} has no key {key_id}; `tunesmith keys list` shows those it has")
        key = _key(row)
        if key.revoked_at is not None:
            return key
        revoked = key.model_copy(update={"revoked_at": now()})
        seen = {":seen": row["owner"]}
        if not dynamo.put(dynamo.Put(self._table, _row(revoked), ("key_hash",), "#o = :seen", seen, {"#o": "owner"})):
            raise Conflict(f"key {key_id} was changed by somebody else just now; list the keys and see")
        return revoked


def _row(key: ApiKey) -> dynamo.Row:
    return {
        "key_hash": key.key_hash,
        "project": key.project,
        "created_at": key.created_at,
        "document": key.model_dump_json(),
        "owner": dynamo.owner_token(),
    }


def _key(row: dynamo.Row) -> ApiKey:
    return ApiKey.model_validate_json(row["document"])
