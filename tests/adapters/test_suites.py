"""One frozen test split per dataset, whoever comes first."""

import pytest

from tests.support.faults import Fault, wire
from tests.support.promotion import DATASET, PROJECT, prepare_result, run_request
from tunesmith.adapters import dynamo, suites
from tunesmith.domain.planning import suite_of


def offered(name):
    request = run_request(name)
    return suite_of(request, prepare_result(request))


def pin(table, suite):
    return suites.pin_first(table, PROJECT, DATASET, suite)


def test_first_version_pins_its_test_split_and_later_ones_find_it(tables):
    first = offered("first")
    assert suites.pinned(tables["datasets"], PROJECT, DATASET) is None
    assert pin(tables["datasets"], first) == first
    assert pin(tables["datasets"], offered("second")) == first
    assert suites.pinned(tables["datasets"], PROJECT, DATASET) == first


def test_version_without_a_test_split_gets_the_pinned_one_or_none(tables):
    assert pin(tables["datasets"], None) is None
    first = pin(tables["datasets"], offered("first"))
    assert pin(tables["datasets"], None) == first


def test_version_that_loses_the_race_uses_the_winners_split(tables, monkeypatch):
    """A rival pins its own between the look and the write."""
    winner, put = offered("winner"), dynamo.put

    def after_the_rival(write):
        monkeypatch.setattr(dynamo, "put", put)
        assert pin(tables["datasets"], winner) == winner
        return put(write)

    monkeypatch.setattr(dynamo, "put", after_the_rival)
    assert pin(tables["datasets"], offered("loser")) == winner


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.ANSWER_LOST])
def test_pin_is_its_own_whatever_fails_at_whichever_call(tables, at, fault):
    first = offered("first")
    with wire(at, fault):
        assert pin(tables["datasets"], first) == first
