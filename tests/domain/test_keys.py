"""Bearer headers and scopes: deny by default."""

import pytest

from tunesmith.contracts.errors import NotAuthorized
from tunesmith.contracts.keys import ApiKey, Caller, Scope, hash_key, usage_key
from tunesmith.domain.keys import bearer_of, caller_of, require

SECRET = "ts-" + "aB3_-" * 8 + "xyz"
KEY = ApiKey(
    key_hash=hash_key(SECRET),
    key_id="0123456789ab",
    project="demo",
    name="app",
    scopes=[Scope.INFERENCE],
    created_at="2026-11-24T05:00:00.000Z",
)


@pytest.mark.parametrize("header", [f"Bearer {SECRET}", f"bearer  {SECRET}", f" Bearer {SECRET} "])
def test_bearer_is_read(header: str) -> None:
    assert bearer_of(header) == SECRET


@pytest.mark.parametrize(
    "header", [None, "", SECRET, f"Basic {SECRET}", f"Bearer {SECRET}x", f"Bearer {SECRET[:-1]}", f"Bearer {SECRET}\nx"]
)
def test_what_is_no_bearer_is_nobody(header: str | None) -> None:
    assert bearer_of(header) is None


def test_unknown_and_revoked_keys_speak_for_nobody() -> None:
    assert caller_of(None) is None
    assert caller_of(KEY.model_copy(update={"revoked_at": "2026-11-24T06:00:00.000Z"})) is None


def test_caller_survives_the_authorizers_context() -> None:
    caller = caller_of(KEY)
    assert caller is not None
    assert Caller.from_context(caller.context()) == caller


def test_scope_that_a_key_lacks_is_refused() -> None:
    caller = Caller(project="demo", key_id="0123456789ab", scopes=frozenset({Scope.INFERENCE}))
    require(caller, Scope.INFERENCE)
    for scope in set(Scope) - {Scope.INFERENCE}:
        with pytest.raises(NotAuthorized, match=scope):
            require(caller, scope)


@pytest.mark.parametrize("project", ["a", "demo", "x" * 63])
def test_throttling_key_is_as_long_as_api_gateway_wants(project: str) -> None:
    assert 20 <= len(usage_key(project)) <= 128
