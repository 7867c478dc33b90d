"""`tunesmith runs`."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest

from tests.cli.conftest import Command, put_run
from tunesmith.contracts.artifacts import progress_key
from tunesmith.contracts.jobs import JobName, Progress
from tunesmith.contracts.platform import Platform
from tunesmith.contracts.runs import Run, RunStatus, Stage
from tunesmith_cli import runs


def test_runs_are_listed_newest_first(platform: Platform, answer: Callable[..., Any]) -> None:
    older = put_run(platform, RunStatus.SUCCEEDED, Stage.DONE, attempt=1)
    newer = put_run(platform, RunStatus.QUEUED, Stage.QUEUED, attempt=2)
    found = [run["request"]["run_id"] for run in answer("runs", "list")]
    assert found == [newer.request.run_id, older.request.run_id]


def test_run_is_found_by_the_beginning_of_its_id(queued_run: Run, answer: Callable[..., Any]) -> None:
    beginning = queued_run.request.run_id.removeprefix("run-")[:8]
    assert answer("runs", "show", beginning)["request"]["run_id"] == queued_run.request.run_id


def test_cancelled_run_stays_cancelled_and_says_who_did_it(
    queued_run: Run, answer: Callable[..., Any], command: Command
) -> None:
    cancelled = answer("runs", "cancel", queued_run.request.run_id)
    assert cancelled["status"] == "cancelled"
    assert "cancelled by" in cancelled["reasons"][0]
    assert command("runs", "cancel", queued_run.request.run_id).exit_code == 1


def test_retry_queues_the_next_attempt_once(queued_run: Run, answer: Callable[..., Any]) -> None:
    first = answer("runs", "retry", queued_run.request.run_id)
    again = answer("runs", "retry", queued_run.request.run_id)
    assert (first["queued"], again["queued"]) == (True, False)
    assert first["run_id"] == again["run_id"] != queued_run.request.run_id


@pytest.mark.parametrize(("status", "code"), [(RunStatus.SUCCEEDED, 0), (RunStatus.FAILED, 1)])
def test_watch_ends_with_the_run_and_its_exit_code(
    platform: Platform, command: Command, status: RunStatus, code: int
) -> None:
    run = put_run(platform, status, Stage.DONE)
    assert command("runs", "watch", run.request.run_id).exit_code == code


def test_watch_shows_what_a_job_reports(platform: Platform, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs.err, "_force_terminal", True)
    run = put_run(platform, RunStatus.FAILED, Stage.FINETUNE)
    progress = Progress(job=JobName.FINETUNE, done=7, total=19, unit="steps")
    key = progress_key(run.request.run_id, JobName.FINETUNE)
    boto3.client("s3").put_object(Bucket="artifacts", Key=key, Body=progress.model_dump_json())
    assert "7/19 steps" in command("runs", "watch", run.request.run_id).output


def test_watch_without_a_terminal_tells_the_stages_in_lines(platform: Platform, command: Command) -> None:
    run = put_run(platform, RunStatus.FAILED, Stage.FINETUNE)
    assert "s  finetune" in command("runs", "watch", run.request.run_id).output


def test_logs_are_those_of_the_run_alone(queued_run: Run, answer: Callable[..., Any], platform: Platform) -> None:
    logs = boto3.client("logs")
    logs.create_log_stream(logGroupName="jobs", logStreamName="s")
    mine, other = f'{{"run_id": "{queued_run.request.run_id}"}}', '{"run_id": "run-else"}'
    now = 1_795_000_000_000
    events = [{"timestamp": now, "message": other}, {"timestamp": now + 1, "message": mine}]
    logs.put_log_events(logGroupName="jobs", logStreamName="s", logEvents=events)
    assert [event["message"] for event in answer("runs", "logs", queued_run.request.run_id)] == [mine]
