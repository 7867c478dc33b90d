"""The RUNS table in moto: writers that meet each other lose nothing."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.acceptances import NOW, accepted
from tests.support.faults import Fault, wire
from tunesmith.adapters import dynamo, runs
from tunesmith.contracts.errors import Conflict, NotFound
from tunesmith.contracts.runs import Run, RunStatus

QUEUED = Run(request=accepted().request, updated_at=NOW)
RUN_ID = QUEUED.request.run_id


@pytest.fixture
def queued(tables):
    dynamo.put(runs.new_run("runs", QUEUED, dynamo.owner_token()))


def test_run_reads_back_as_it_was_written(queued):
    assert runs.get_run("runs", RUN_ID) == QUEUED
    assert list(runs.runs_of_project("runs", "docs")) == [QUEUED]


def test_run_without_a_base_model_can_be_recorded_as_failed_and_never_queued(tables):
    refused = Run(request=accepted(base=None).request, status=RunStatus.FAILED, updated_at=NOW)
    assert dynamo.put(runs.new_run("runs", refused, dynamo.owner_token()))
    with pytest.raises(Conflict):
        runs.new_run("runs", refused.model_copy(update={"status": RunStatus.QUEUED}), dynamo.owner_token())


def test_unknown_run_is_not_found(tables):
    assert runs.find_run("runs", RUN_ID) is None
    with pytest.raises(NotFound):
        runs.get_run("runs", RUN_ID)


def test_finished_run_is_not_unfinished(queued):
    assert list(runs.unfinished("runs")) == [QUEUED]
    runs.move("runs", RUN_ID, lambda run: run.model_copy(update={"status": RunStatus.FAILED}))
    assert list(runs.unfinished("runs")) == []


def test_no_change_writes_nothing(queued):
    [before] = dynamo.scan("runs")
    assert runs.move("runs", RUN_ID, lambda run: None) is None
    assert list(dynamo.scan("runs")) == [before]


def test_writers_at_the_same_time_lose_none_of_their_reasons(queued):
    def tell(number):
        return runs.move(
            "runs", RUN_ID, lambda run: run.model_copy(update={"reasons": [*run.reasons, f"reason {number}"]})
        )

    with wire(), ThreadPoolExecutor(4) as pool:
        list(pool.map(tell, range(12)))
    assert sorted(runs.get_run("runs", RUN_ID).reasons) == sorted(f"reason {number}" for number in range(12))


def test_lost_answer_of_a_move_is_not_written_twice(queued):
    with wire(at=2, fault=Fault.ANSWER_LOST) as line:
        runs.move("runs", RUN_ID, lambda run: run.model_copy(update={"reasons": [*run.reasons, "once"]}))
    assert line.calls[1] == "dynamodb.PutItem"
    assert runs.get_run("runs", RUN_ID).reasons == ["once"]
