"""API keys in a table: shown once, hashed at rest, revoked for good."""

import re

import pytest

from tunesmith.adapters import dynamo
from tunesmith.adapters.keys import Keys
from tunesmith.contracts.errors import NotFound
from tunesmith.contracts.keys import Scope


@pytest.fixture
def keys(tables) -> Keys:
    return Keys(tables["api_keys"])


def test_created_key_is_found_by_its_secret_alone(keys: Keys) -> None:
    secret, key = keys.create("demo", "app", [Scope.INFERENCE])
    assert re.fullmatch(r"ts-[A-Za-z0-9_-]{43}", secret)
    assert keys.find(secret) == key
    assert keys.find(secret[:-1] + "!") is None


def test_secret_is_stored_nowhere(keys: Keys, tables) -> None:
    secret, _ = keys.create("demo", "app", [Scope.INFERENCE])
    assert secret.removeprefix("ts-") not in str(list(dynamo.scan(tables["api_keys"])))


def test_keys_are_listed_by_project(keys: Keys) -> None:
    _, mine = keys.create("demo", "one", [Scope.READ])
    keys.create("other", "two", [Scope.READ])
    assert keys.list("demo") == [mine]


def test_revoked_key_stays_revoked_at_its_first_time(keys: Keys) -> None:
    secret, key = keys.create("demo", "app", [Scope.READ])
    revoked = keys.revoke("demo", key.key_id)
    assert revoked.revoked_at is not None
    assert keys.revoke("demo", key.key_id) == revoked == keys.find(secret)


def test_key_of_another_project_cannot_be_revoked(keys: Keys) -> None:
    secret, key = keys.create("demo", "app", [Scope.READ])
    with pytest.raises(NotFound, match=key.key_id):
        keys.revoke("other", key.key_id)
    assert keys.find(secret) == key
