"""The answer to each AWS call in turn is lost after the call took effect, or the call is refused before it did: the SDK
tries again, and there is exactly one of everything."""

import pytest

from tests.support.edges import open_edges
from tests.support.faults import Fault, wire
from tests.support.once import accepting, accepting_folder, appending, deciding, starting


@pytest.fixture
def edges(tables, buckets, monkeypatch):
    return open_edges(monkeypatch)


@pytest.mark.parametrize("prepare", [accepting, accepting_folder, appending, starting, deciding])
@pytest.mark.parametrize("fault", [Fault.ANSWER_LOST, Fault.REFUSED])
def test_fault_at_each_call_leaves_exactly_one_of_everything(edges, context, capsys, prepare, fault):
    undisturbed = prepare(edges, context, "undisturbed")
    with wire() as line:
        undisturbed.deliver()
    for call in range(1, len(line.calls) + 1):
        delivery = prepare(edges, context, f"call-{call}")
        capsys.readouterr()
        with wire(at=call, fault=fault) as disturbed:
            delivery.deliver()
        assert len(disturbed.calls) > len(line.calls), "the SDK must have tried again"
        assert "DuplicateEvent" not in capsys.readouterr().out, "its own write must not look like somebody else's"
        delivery.check()
        delivery.deliver()
        delivery.check()
