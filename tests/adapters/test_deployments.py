"""What an endpoint was asked to serve: written down before it is asked, and never over somebody else's request."""

import pytest

from tests.support.faults import Fault, wire
from tests.support.promotion import IMAGE, model_version, run_request
from tunesmith.adapters import deployments, dynamo
from tunesmith.contracts.errors import Conflict
from tunesmith.domain import deploying


def serving(name="first", version=1):
    return deploying.serving(deploying.deployment_request(run_request(name), model_version(name, version)), IMAGE)


def row(tables):
    return deployments.get(tables["deployments"], serving().endpoint)


def test_last_request_replaces_the_one_before_and_keeps_what_was_verified(tables):
    first, second = serving(), serving("second", 2)
    deployments.record(tables["deployments"], first)
    deployments.mark_verified(tables["deployments"], first.asked())
    deployments.record(tables["deployments"], second)
    assert (row(tables).request, row(tables).last_verified) == (second.request, first.request)


def test_repeat_changes_nothing(tables):
    deployments.record(tables["deployments"], serving())
    before = row(tables)
    deployments.record(tables["deployments"], serving())
    assert row(tables) == before


def test_request_that_lost_the_race_is_told_so(tables, monkeypatch):
    """A rival's request lands between the look and the write."""
    put = dynamo.put

    def after_the_rival(write):
        monkeypatch.setattr(dynamo, "put", put)
        deployments.record(tables["deployments"], serving("rival", 2))
        return put(write)

    monkeypatch.setattr(dynamo, "put", after_the_rival)
    with pytest.raises(Conflict):
        deployments.record(tables["deployments"], serving())
    assert row(tables).request == serving("rival", 2).request


def test_deployment_that_was_superseded_is_not_marked_verified(tables):
    deployments.record(tables["deployments"], serving())
    deployments.record(tables["deployments"], serving("second", 2))
    with pytest.raises(Conflict):
        deployments.mark_verified(tables["deployments"], serving().asked())


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.ANSWER_LOST])
def test_record_is_its_own_whatever_fails_at_whichever_call(tables, at, fault):
    with wire(at, fault):
        deployments.record(tables["deployments"], serving())
    assert (row(tables).request, row(tables).revision) == (serving().request, 1)
