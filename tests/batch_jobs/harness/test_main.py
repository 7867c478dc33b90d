"""How a job starts and ends, whatever the job does."""

import errno
import json
import os
import signal
import stat
from pathlib import Path
from typing import Any

import boto3
import pytest

from batch_jobs.harness.main import JobContext, params_uri, run_job
from tunesmith.adapters import dynamo
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.base import Contract, RunId
from tunesmith.contracts.errors import EndpointUnavailable, InvalidInput, NothingToTrain
from tunesmith.contracts.jobs import ExitCode, JobFailure, JobName

RUN = "run-" + "0" * 32
JOB_ID = f"{RUN}/prepare"


class Params(Contract):
    run_id: RunId
    number: int


class Result(Contract):
    doubled: int


def double(params: Params, context: JobContext) -> Result:
    context.progress(1, 1, "numbers")
    return Result(doubled=params.number * 2)


def run(job: Any, uri: str) -> int:
    return run_job(JobName.PREPARE, Params, Result, job, [uri])


@pytest.fixture
def uri(tmp_path: Path) -> str:
    (tmp_path / "params.json").write_text(Params(run_id=RUN, number=21).model_dump_json())
    return str(tmp_path / "params.json")


@pytest.fixture
def s3_uri(tables: dict[str, str], buckets: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("JOBS_TABLE", tables["jobs"])
    body = Params(run_id=RUN, number=21).model_dump_json().encode()
    boto3.client("s3").put_object(Bucket="artifacts", Key="runs/x/params.json", Body=body)
    return "s3://artifacts/runs/x/params.json"


def failing(error: BaseException) -> Any:
    def job(params: Params, context: JobContext) -> Result:
        raise error

    return job


def test_result_lies_beside_the_params(uri: str, tmp_path: Path) -> None:
    assert run(double, uri) == ExitCode.DONE
    assert json.loads((tmp_path / "result.json").read_text()) == {"doubled": 42}
    assert json.loads((tmp_path / "progress.json").read_text())["job"] == "prepare"


def test_finished_job_does_not_run_again(uri: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"doubled": 1}')
    assert run(failing(AssertionError("ran")), uri) == ExitCode.DONE
    assert json.loads((tmp_path / "result.json").read_text()) == {"doubled": 1}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NothingToTrain("no rows"), ExitCode.BAD_INPUT),
        (EndpointUnavailable("later"), ExitCode.INTERRUPTED),
        (ZeroDivisionError("oops"), ExitCode.FAILED),
        (OSError(errno.ENOSPC, "No space left on device"), ExitCode.FAILED),
        (KeyboardInterrupt("asked to stop"), ExitCode.INTERRUPTED),
    ],
)
def test_failure_is_told_by_exit_code_and_stderr(
    uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    assert run(failing(error), uri) == code
    told = capsys.readouterr().err
    assert str(error) in told
    assert ("Traceback" in told) == isinstance(error, ZeroDivisionError)
    assert not (tmp_path / "result.json").exists()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NothingToTrain("3 rows in, 3 quarantined"), "nothing_to_train: 3 rows in, 3 quarantined"),
        (ZeroDivisionError("oops"), "ZeroDivisionError: oops"),
    ],
)
def test_failure_lies_beside_the_params_in_one_line(uri: str, tmp_path: Path, error: Exception, message: str) -> None:
    code = run(failing(error), uri)
    told = JobFailure.model_validate_json((tmp_path / "failure.json").read_bytes())
    assert (told.exit_code, told.message) == (code, message)


def test_missing_params_leave_no_failure_behind(tmp_path: Path) -> None:
    run(double, str(tmp_path / "nowhere" / "params.json"))
    assert not (tmp_path / "nowhere").exists()


def test_bad_params_name_the_field(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(uri).write_text(json.dumps({"run_id": RUN, "number": "many", "nmuber": 1}))
    assert run(double, uri) == ExitCode.BAD_INPUT
    told = capsys.readouterr().err
    assert "number: " in told and "nmuber: " in told


def test_missing_params_are_bad_input(tmp_path: Path) -> None:
    assert run(double, str(tmp_path / "none.json")) == ExitCode.BAD_INPUT


def test_folder_in_place_of_params_is_bad_input(tmp_path: Path) -> None:
    assert run(double, f"{tmp_path}/") == ExitCode.BAD_INPUT


def test_params_of_the_current_folder_are_named_without_a_path(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(double, "params.json") == ExitCode.DONE
    assert (tmp_path / "result.json").exists()


def test_working_folder_is_private_and_goes_away(uri: str) -> None:
    seen: list[Path] = []

    def look(params: Params, context: JobContext) -> Result:
        seen.append(context.workdir)
        assert stat.S_IMODE(context.workdir.stat().st_mode) == 0o700
        return Result(doubled=0)

    assert run(look, uri) == ExitCode.DONE
    assert not seen[0].exists()


def test_sigterm_ends_with_the_retryable_exit_code(uri: str, tmp_path: Path) -> None:
    def interrupted(params: Params, context: JobContext) -> Result:
        os.kill(os.getpid(), signal.SIGTERM)
        context.check_interrupted()
        return Result(doubled=0)

    before = signal.getsignal(signal.SIGTERM)
    assert run(interrupted, uri) == ExitCode.INTERRUPTED
    assert signal.getsignal(signal.SIGTERM) is before
    assert not (tmp_path / "result.json").exists()


def test_log_lines_are_json_with_run_and_job(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(double, uri)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(line["run_id"], line["job"]) for line in lines} == {(RUN, "prepare")}


def test_zombie_writes_no_result_once_a_newer_attempt_runs(s3_uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    def overtaken(params: Params, context: JobContext) -> Result:
        assert run(double, s3_uri) == ExitCode.DONE
        return Result(doubled=-1)

    assert run(overtaken, s3_uri) == ExitCode.BAD_INPUT
    assert "fenced" in capsys.readouterr().err
    result = boto3.client("s3").get_object(Bucket="artifacts", Key="runs/x/result.json")["Body"].read()
    assert json.loads(result) == {"doubled": 42}
    assert not Storage().exists("s3://artifacts/runs/x/failure.json")


def test_zombie_does_not_turn_the_progress_of_a_newer_attempt_back(s3_uri: str) -> None:
    def overtaken(params: Params, context: JobContext) -> Result:
        assert run(double, s3_uri) == ExitCode.DONE
        context.progress(1, 4, "numbers")
        raise AssertionError("it should have learnt that it was overtaken")

    assert run(overtaken, s3_uri) == ExitCode.BAD_INPUT
    told = json.loads(Storage().read("s3://artifacts/runs/x/progress.json"))
    assert (told["done"], told["total"]) == (1, 1)


def test_each_attempt_takes_the_next_fence(s3_uri: str) -> None:
    run(failing(ValueError("first")), s3_uri)
    run(double, s3_uri)
    assert dynamo.get("jobs", {"job_id": JOB_ID})["fence"] == 2


def test_params_in_s3_without_a_fencing_table_are_refused(s3_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBS_TABLE")
    assert run(double, s3_uri) == ExitCode.BAD_INPUT


def test_sagemaker_names_the_params_and_gets_the_failure(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "ml"
    (folder / "input/config").mkdir(parents=True)
    (folder / "input/config/hyperparameters.json").write_text(json.dumps({"params_uri": uri}))
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(folder))
    assert run_job(JobName.PREPARE, Params, Result, failing(NothingToTrain("no rows")), ["train"]) == 2
    assert "no rows" in (folder / "output/failure").read_text()
    assert run_job(JobName.PREPARE, Params, Result, double, []) == ExitCode.DONE


def test_no_argument_outside_sagemaker_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    with pytest.raises(InvalidInput, match="params.json"):
        params_uri([])
