"""The process dies before or after each AWS call in turn, and the event comes again: exactly one of everything."""

import pytest

from tests.support.edges import open_edges
from tests.support.faults import Crash, Fault, wire
from tests.support.once import accepting, accepting_folder, appending, deciding, starting


@pytest.fixture
def edges(tables, buckets, monkeypatch):
    return open_edges(monkeypatch)


@pytest.mark.parametrize("prepare", [accepting, accepting_folder, appending, starting, deciding])
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_crash_at_each_call_then_redelivery_leaves_exactly_one_of_everything(edges, context, prepare, fault):
    undisturbed = prepare(edges, context, "undisturbed")
    with wire() as line:
        undisturbed.deliver()
    for call in range(1, len(line.calls) + 1):
        delivery = prepare(edges, context, f"call-{call}")
        with wire(at=call, fault=fault), pytest.raises(Crash):
            delivery.deliver()
        delivery.deliver()
        delivery.check()
