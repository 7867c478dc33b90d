"""The registry: dense versions, linear alias histories, and answers that get lost."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.support.faults import Crash, Fault, wire
from tests.support.promotion import MODEL, PROJECT, model_version, run_id
from tunesmith.adapters.registry import Aliases, Versions
from tunesmith.contracts.errors import Conflict, NotFound
from tunesmith.contracts.models import ApprovalStatus, Candidate

MOMENT = "2026-11-24T0{}:00:00.000Z"


@pytest.fixture
def versions(tables):
    return Versions(tables["models"])


@pytest.fixture
def aliases(tables):
    return Aliases(tables["aliases"])


@pytest.fixture
def one_call_at_a_time():
    """moto's tables are not atomic across threads, DynamoDB's are: one locked wire makes the two alike."""
    with wire():
        yield


def survives_every_fault(act, check):
    """Do `act` with each kind of fault at each of its calls, again where it crashed, and check after each."""
    with wire() as line:
        act("calm")
    for fault in Fault:
        for at in range(1, len(line.calls) + 1):
            name = f"{fault} at call {at}"
            with wire(at, fault), suppress(Crash):
                act(name)
            act(name)
            check()


def candidate(name="first", status=ApprovalStatus.APPROVED):
    fields = model_version(name, status=status).model_dump()
    del fields["version"]
    return Candidate.model_validate(fields)


def promote(aliases, version, cause, hour=5, **options):
    return aliases.move("champion", version, cause=cause, reason="test", moved_at=MOMENT.format(hour), **options)


def test_versions_are_numbered_from_one_without_gaps(versions):
    numbers = [versions.register(candidate(name)).version for name in ("a", "b", "c")]
    assert numbers == [1, 2, 3]
    assert [version.run_id for version in versions.all_of(PROJECT, MODEL)] == [run_id(name) for name in "abc"]
    assert versions.get(PROJECT, MODEL, 2).run_id == run_id("b")


def test_models_count_for_themselves(versions):
    versions.register(candidate("a"))
    other = candidate("b").model_copy(update={"model": "another"})
    assert versions.register(other).version == 1


def test_run_that_registers_again_gets_the_version_it_has(versions):
    first = versions.register(candidate("a"))
    versions.register(candidate("b"))
    again = versions.register(candidate("a").model_copy(update={"created_at": MOMENT.format(9)}))
    assert again == first
    assert len(versions.all_of(PROJECT, MODEL)) == 2


def test_registration_is_one_version_whatever_fails_at_whichever_call(versions):
    def check():
        found = versions.all_of(PROJECT, MODEL)
        assert [version.version for version in found] == list(range(1, len(found) + 1))
        assert len({version.run_id for version in found}) == len(found)

    survives_every_fault(lambda name: versions.register(candidate(name)), check)
    assert len(versions.all_of(PROJECT, MODEL)) > 10


def test_registrations_at_once_are_dense_and_one_per_run(versions, one_call_at_a_time):
    names = [str(number) for number in range(12)]
    with ThreadPoolExecutor(8) as pool:
        registered = list(pool.map(lambda name: versions.register(candidate(name)), names + names[:6]))
    assert sorted({version.version for version in registered}) == list(range(1, 13))
    assert [version.version for version in versions.all_of(PROJECT, MODEL)] == list(range(1, 13))
    assert [v.version for v in registered[12:]] == [v.version for v in registered[:6]]


def test_version_that_is_not_there_is_not_found(versions):
    with pytest.raises(NotFound, match="no version 7"):
        versions.get(PROJECT, MODEL, 7)


def test_pending_version_is_decided_once(versions):
    versions.register(candidate(status=ApprovalStatus.PENDING))
    decided = versions.decide(PROJECT, MODEL, 1, ApprovalStatus.APPROVED, "ada approved it")
    assert decided == versions.get(PROJECT, MODEL, 1)
    assert (decided.status, decided.reasons[-1]) == (ApprovalStatus.APPROVED, "ada approved it")
    assert versions.decide(PROJECT, MODEL, 1, ApprovalStatus.APPROVED, "again") == decided
    with pytest.raises(Conflict):
        versions.decide(PROJECT, MODEL, 1, ApprovalStatus.REJECTED, "too late")


def test_rejected_version_cannot_be_approved(versions):
    versions.register(candidate(status=ApprovalStatus.REJECTED))
    with pytest.raises(Conflict):
        versions.decide(PROJECT, MODEL, 1, ApprovalStatus.APPROVED, "but I like it")


def test_opposite_decisions_at_once_have_one_winner(versions, one_call_at_a_time):
    versions.register(candidate(status=ApprovalStatus.PENDING))

    def decide(status):
        try:
            return versions.decide(PROJECT, MODEL, 1, status, "race").status
        except Conflict:
            return None

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(decide, (ApprovalStatus.APPROVED, ApprovalStatus.REJECTED)))
    assert [answer for answer in answers if answer] == [versions.get(PROJECT, MODEL, 1).status]


def test_alias_points_to_what_it_was_moved_to_and_remembers_the_rest(aliases):
    assert aliases.get(PROJECT, MODEL, "champion") is None
    promote(aliases, model_version("a", 1), "a")
    promote(aliases, model_version("b", 2), "b")
    assert aliases.get(PROJECT, MODEL, "champion").version == 2
    assert [(step.revision, step.version) for step in aliases.history(PROJECT, MODEL, "champion")] == [(1, 1), (2, 2)]
    assert [alias.alias for alias in aliases.all_of(PROJECT, MODEL)] == ["champion"]


@pytest.mark.parametrize(("hour", "version"), [(1, None), (2, 1), (3, 1), (4, 2), (9, 2)])
def test_what_was_live_at_a_moment_is_one_question(aliases, hour, version):
    promote(aliases, model_version("a", 1), "a", hour=2)
    promote(aliases, model_version("b", 2), "b", hour=4)
    found = aliases.at(PROJECT, MODEL, "champion", MOMENT.format(hour))
    assert (found.version if found else None) == version


def test_history_never_runs_backwards_though_a_clock_does(aliases):
    promote(aliases, model_version("a", 1), "a", hour=5)
    assert promote(aliases, model_version("b", 2), "b", hour=3).moved_at == MOMENT.format(5)


def test_cause_moves_an_alias_once_even_after_others_did(aliases):
    first = promote(aliases, model_version("a", 1), "a")
    promote(aliases, model_version("b", 2), "b")
    assert promote(aliases, model_version("a", 1), "a") == first
    assert aliases.get(PROJECT, MODEL, "champion").version == 2


def test_move_is_one_transition_whatever_fails_at_whichever_call(aliases):
    acted = []

    def act(name):
        acted.append(name)
        return promote(aliases, model_version(name), name)

    def check():
        history = aliases.history(PROJECT, MODEL, "champion")
        assert len(history) == len(set(acted))
        assert [step.revision for step in history] == list(range(1, len(history) + 1))
        assert aliases.get(PROJECT, MODEL, "champion") == history[-1]

    survives_every_fault(act, check)


def test_move_from_a_revision_that_is_past_is_refused(aliases):
    promote(aliases, model_version("a", 1), "a", expected_revision=0)
    with pytest.raises(Conflict, match="revision 1, not 0"):
        promote(aliases, model_version("b", 2), "b", expected_revision=0)
    assert promote(aliases, model_version("b", 2), "b", expected_revision=1).revision == 2


def test_promotions_at_once_are_linear_and_none_is_lost(aliases, one_call_at_a_time):
    """Every move returns the revision it made: dense, unique, and equal to the history; the alias is the last."""
    names = [f"run{number}" for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        moved = list(pool.map(lambda n: promote(aliases, model_version(n, names.index(n) + 1), n), names))
    history = aliases.history(PROJECT, MODEL, "champion")
    assert [step.revision for step in history] == list(range(1, 21))
    assert sorted(moved, key=lambda step: step.revision) == history
    assert aliases.get(PROJECT, MODEL, "champion") == history[-1]


def test_compare_and_set_at_once_has_one_winner_per_revision(aliases, one_call_at_a_time):
    def attempt(name):
        try:
            return promote(aliases, model_version(name, 1), name, expected_revision=0)
        except Conflict:
            return None

    with ThreadPoolExecutor(8) as pool:
        won = [alias for alias in pool.map(attempt, [f"run{number}" for number in range(8)]) if alias]
    assert won == aliases.history(PROJECT, MODEL, "champion")
    assert len(won) == 1
