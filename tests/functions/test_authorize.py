"""The authorizer: a bearer key becomes a caller, anything else the one exception that is a 401."""

import json
from typing import Any

import pytest

from functions.authorize import handler
from tests.support.logs import record_logs
from tunesmith.adapters.keys import Keys
from tunesmith.contracts.keys import Caller, Scope

STAGE = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/v1/*"


@pytest.fixture
def keys(tables, monkeypatch) -> Keys:
    monkeypatch.setenv("API_KEYS_TABLE", tables["api_keys"])
    handler.keys.cache_clear()
    return Keys(tables["api_keys"])


@pytest.fixture
def ask(event, context):
    def ask(bearer: str, header: str = "Authorization") -> dict[str, Any]:
        asked = event("authorize/no_header.json")
        asked["headers"][header] = bearer
        return handler.lambda_handler(asked, context)

    return ask


def test_key_admits_its_project_to_the_whole_stage(keys, ask) -> None:
    secret, key = keys.create("demo", "app", [Scope.INFERENCE, Scope.READ])
    admitted = ask(f"Bearer {secret}")
    statement = admitted["policyDocument"]["Statement"]
    assert statement == [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": STAGE}]
    assert admitted["context"] == {"project": "demo", "key_id": key.key_id, "scopes": "inference read"}
    assert Caller.from_context(admitted["context"]).scopes == {Scope.INFERENCE, Scope.READ}


def test_throttling_key_is_the_projects_and_not_the_bearers(keys, ask) -> None:
    one, _ = keys.create("demo", "one", [Scope.READ])
    two, _ = keys.create("demo", "two", [Scope.READ])
    first, second = ask(f"Bearer {one}"), ask(f"Bearer {two}")
    assert first["usageIdentifierKey"] == second["usageIdentifierKey"]
    assert len(first["usageIdentifierKey"]) >= 20
    assert one.removeprefix("ts-") not in json.dumps(first)


@pytest.mark.parametrize("header", ["authorization", "AUTHORIZATION"])
def test_header_is_found_however_it_is_spelt(keys, ask, header: str) -> None:
    secret, _ = keys.create("demo", "app", [Scope.READ])
    assert ask(f"bearer {secret}", header)["context"]["project"] == "demo"


@pytest.mark.parametrize("recorded", ["authorize/bearer.json", "authorize/no_header.json"])
def test_unknown_key_and_no_key_are_unauthorized(keys, event, context, recorded: str) -> None:
    with pytest.raises(Exception, match="^Unauthorized$"):
        handler.lambda_handler(event(recorded), context)


@pytest.mark.parametrize("garbled", ["", "Bearer", "Bearer ", "Basic abc", "Bearer ts-short", "Bearer sk-" + "A" * 43])
def test_garbled_header_is_unauthorized(keys, ask, garbled: str) -> None:
    with pytest.raises(Exception, match="^Unauthorized$"):
        ask(garbled)


def test_revoked_key_is_unauthorized(keys, ask) -> None:
    secret, key = keys.create("demo", "app", [Scope.READ])
    keys.revoke("demo", key.key_id)
    with pytest.raises(Exception, match="^Unauthorized$"):
        ask(f"Bearer {secret}")


def test_bearer_is_never_logged(keys, ask, monkeypatch) -> None:
    logs = record_logs(monkeypatch)
    secret, key = keys.create("demo", "app", [Scope.READ])
    ask(f"Bearer {secret}")
    keys.revoke("demo", key.key_id)
    with pytest.raises(Exception, match="^Unauthorized$"):
        ask(f"Bearer {secret}")
    assert key.key_id in logs.getvalue()
    assert secret not in logs.getvalue()
