"""The process dies before or after each AWS call between an upload and its model's promotion, and AWS resumes it: the
event comes again, the step is retried, the job starts anew on another machine. The account must then hold what it holds
after an undisturbed journey, object for object and row for row, and at no moment a mark of completion for what is not.

Each step is crashed on its own, from a copy of the account as it was before the step. Of the functions, every call is
tried. Of the jobs, the default suite crashes after each write: with its own memory gone, a process that died at a read
left just what one that died after the write before left. The slow suite tries every call of the jobs as well.

Two journeys: the first of a project, and one that meets a champion, numbered versions, and an endpoint that serves.
"""

import copy
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from batch_jobs.evaluate import contest
from batch_jobs.evaluate.score_cache import keep, records_uri, scores_uri, to_lines
from tests.conftest import LambdaContext, create_buckets, create_table, fresh_account
from tests.support.account import Account, Backup, differences, hollow_marks
from tests.support.faults import Crash, Fault
from tests.support.journey import JOBS, STEPS, Journey, Step, open_platform, questions
from tests.support.sagemaker_promises import keep_promises
from tunesmith.adapters import packages
from tunesmith.adapters.registry import Versions
from tunesmith.contracts.tables import TABLES

FIRST, NEXT = "first", "next"
ROWS = {FIRST: 24, NEXT: 30}
READS = ("Get", "Head", "List", "Describe", "Query", "Scan", "Invoke")
CRASHES = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER)
FUNCTIONS = [step.name for step in STEPS if step.name not in JOBS]

Point = tuple[int, Fault]


@dataclass(frozen=True)
class Stop:
    """A step of an undisturbed journey: the account before it, what it calls, and the account after it."""

    step: Step
    journey: Journey
    before: Backup
    calls: list[str]
    picture: dict[str, Any]
    contents: dict[str, bytes]

    def again(self) -> Journey:
        """The journey as it was before the step, in the account as it was."""
        self.before.restore()
        return copy.copy(self.journey)

    def account(self) -> Account:
        return Account(self.contents)

    def every_call(self) -> Iterator[Point]:
        return ((number, fault) for number in range(1, len(self.calls) + 1) for fault in CRASHES)

    def every_write(self) -> Iterator[Point]:
        for number, call in enumerate(self.calls, start=1):
            if not call.partition(".")[2].startswith(READS):
                yield number, Fault.CRASH_AFTER


@pytest.fixture(scope="module")
def stops(tmp_path_factory) -> Iterator[dict[tuple[str, str], Stop]]:
    """Both journeys, undisturbed."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch, fresh_account(patch):
        keep_promises(patch)
        create_buckets()
        tables = {spec.name: create_table(spec) for spec in TABLES}
        edges = open_platform(patch, tables, tmp_path_factory.mktemp("loop") / "base")
        contents: dict[str, bytes] = {}
        found: dict[tuple[str, str], Stop] = {}
        for name, rows in ROWS.items():
            journey = Journey(edges, LambdaContext(), edges.upload(body=questions(rows)))
            found |= {(name, step.name): stop_at(step, journey, contents) for step in STEPS}
        yield found


def stop_at(step: Step, journey: Journey, contents: dict[str, bytes]) -> Stop:
    before, start = Backup(), copy.deepcopy(journey.document)
    calls = journey.deliver(step).calls
    there = Journey(journey.edges, journey.context, journey.version_id, start)
    return Stop(step, there, before, calls, Account(contents).picture, contents)


def defects_after_crashes(stop: Stop, points: Iterable[Point]) -> list[str]:
    """What is not as it must be when the step has died at each of these points, and was resumed."""
    return [f"{point}: {defect}" for point in points for defect in defects_after_crash(stop, *point)]


def defects_after_crash(stop: Stop, at: int, fault: Fault) -> list[str]:
    journey = stop.again()
    with pytest.raises(Crash):
        journey.deliver(stop.step, at, fault)
    left_behind = hollow_marks(stop.account())
    journey.deliver(stop.step)
    return left_behind + defects(stop)


def defects(stop: Stop) -> list[str]:
    account = stop.account()
    return [*differences(stop.picture, account.picture), *hollow_marks(account)]


@pytest.mark.parametrize("journey", [FIRST, NEXT])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_that_dies_at_any_call_is_resumed_to_exactly_one_of_everything(stops, journey, function):
    stop = stops[journey, function]
    assert defects_after_crashes(stop, stop.every_call()) == []


@pytest.mark.parametrize("job", JOBS)
def test_job_that_dies_after_any_write_is_resumed_to_exactly_one_of_everything(stops, job):
    stop = stops[FIRST, job]
    assert defects_after_crashes(stop, stop.every_write()) == []


@pytest.mark.slow
@pytest.mark.parametrize("journey", [FIRST, NEXT])
@pytest.mark.parametrize("job", JOBS)
def test_job_that_dies_at_any_call_is_resumed_to_exactly_one_of_everything(stops, journey, job):
    stop = stops[journey, job]
    assert defects_after_crashes(stop, stop.every_call()) == []


@pytest.mark.parametrize("fault", [Fault.ANSWER_LOST, Fault.REFUSED])
@pytest.mark.parametrize("journey", [FIRST, NEXT])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_whose_call_fails_on_the_wire_leaves_exactly_one_of_everything(stops, journey, function, fault):
    stop = stops[journey, function]
    for number in range(1, len(stop.calls) + 1):
        again = stop.again()
        line = again.deliver(stop.step, number, fault)
        assert len(line.calls) > len(stop.calls), "the SDK must have tried again"
        assert defects(stop) == []


def test_undisturbed_journeys_leave_exactly_one_of_everything_each(stops):
    stop = stops[NEXT, STEPS[-1].name]
    stop.again().deliver(stop.step)
    account = stop.account()
    assert {name: len(account.rows[name]) for name in ("uploads", "runs")} == {"uploads": 2, "runs": 2}
    entries = [row["entry"].partition("#")[0] for row in account.rows["datasets"] + account.rows["models"]]
    expected = {"version": 4, "newest": 1, "suite": 1, "counter": 1, "run": 2}
    assert {entry: entries.count(entry) for entry in entries} == expected
    aliases = sorted(row["entry"].rpartition("#")[0] for row in account.rows["aliases"])
    assert aliases == ["alias", "cause#champion", "cause#champion", "history#champion", "history#champion"]
    assert len(account.picture["sagemaker"]["packages"]) == len(account.picture["executions"]) == 2
    assert sum(uri.startswith("s3://models/adapters/") for uri in account.picture["markers"]) == 2
    assert sum(uri.endswith("scores.json") for uri in account.picture["markers"]) == 3, "base, candidate, candidate"
    assert set(account.picture["markers"].values()) == {1}, "each mark was written once"


def forget_who_registered(patch: pytest.MonkeyPatch) -> None:
    """A registry without the marker of the run."""
    registration = Versions._registration
    patch.setattr(Versions, "of_run", lambda *_: None)
    patch.setattr(Versions, "_registration", lambda *arguments: registration(*arguments)[:2])


def mirror_blindly(patch: pytest.MonkeyPatch) -> None:
    """A mirror that relies on the client token, which SageMaker remembers for a while only."""
    patch.setattr(packages, "_find", lambda *_, **__: None)
    patch.setattr(packages, "digest", lambda facts: secrets.token_hex(32))


def mark_scores_first(patch: pytest.MonkeyPatch) -> None:
    """An evaluation whose marker comes before its records."""

    def keep_marker_first(storage, folder, evaluation):
        storage.write(scores_uri(folder), evaluation.scores.model_dump_json(indent=2), "application/json")
        storage.write(records_uri(folder), to_lines(evaluation.records), "application/x-ndjson")

    assert contest.keep is keep
    patch.setattr(contest, "keep", keep_marker_first)


@pytest.mark.parametrize(
    ("name", "plant"),
    [
        ("register_model", forget_who_registered),
        ("mirror_model", mirror_blindly),
        ("evaluate", mark_scores_first),
    ],
)
def test_planted_defect_is_found_by_the_same_crashes(stops, monkeypatch, name, plant):
    stop = stops[FIRST, name]
    plant(monkeypatch)
    planted = replace(stop, calls=stop.again().deliver(stop.step).calls)
    assert defects_after_crashes(planted, planted.every_write()) != []
