"""Batch jobs as real processes: what they are told, how they end, and what is said about them."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local_cloud import batch
from infra.local_cloud.cloud import Cloud
from tests.support.batch_environment import create_queue, define_job
from tests.support.local_cloud import eventually

PLUGINS = [batch]
CLOUD = {"vcpus": 2, "gpus": 1, "job_stop_seconds": 2}
SPOT = [{"onStatusReason": "Host EC2*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}]
UNTIL_TERMINATED = "import time; print('up', flush=True); time.sleep(60)"
Submit = Callable[..., str]


@pytest.fixture(scope="module")
def queue(cloud: Cloud) -> str:
    return create_queue(cloud, "cpu")


@pytest.fixture
def submit(cloud: Cloud, queue: str, request: pytest.FixtureRequest) -> Submit:
    """Submit Python source as a job."""

    def start(source: str, *, definition: dict[str, Any] | None = None, **options: Any) -> str:
        name = f"{request.node.name[:90]}-{time.time_ns()}"
        arn = define_job(cloud, name, ["python", "-c", source], **definition or {})
        made = cloud.client("batch").submit_job(jobName="job", jobQueue=queue, jobDefinition=arn, **options)
        return str(made["jobId"])

    return start


def describe(cloud: Cloud, job_id: str) -> dict[str, Any]:
    return dict(cloud.client("batch").describe_jobs(jobs=[job_id])["jobs"][0])


def ended(cloud: Cloud, job_id: str, seconds: float = 20) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job = describe(cloud, job_id)
        return job if job["status"] in ("SUCCEEDED", "FAILED") else None

    return eventually(look, seconds)


def lines(cloud: Cloud, job: dict[str, Any], group: str = "/aws/batch/job") -> list[str]:
    stream = job["attempts"][-1]["container"]["logStreamName"]
    found = cloud.client("logs").get_log_events(logGroupName=group, logStreamName=stream)["events"]
    return [event["message"] for event in found]


def running(cloud: Cloud, job_id: str) -> bool:
    return bool(describe(cloud, job_id)["status"] == "RUNNING")


def logged_up(cloud: Cloud, job_id: str) -> bool:
    job = describe(cloud, job_id)
    if job["status"] != "RUNNING":
        return False
    streams = cloud.client("logs").describe_log_streams(logGroupName="/aws/batch/job")["logStreams"]
    return job["container"]["logStreamName"] in [stream["logStreamName"] for stream in streams]


def test_command_gets_parameters_of_submission_before_those_of_the_definition(cloud: Cloud, submit: Submit) -> None:
    source = "import sys; print(*sys.argv[1:])"
    command = ["python", "-c", source, "Ref::a", "x-Ref::b"]
    definition = {"parameters": {"a": "1", "b": "2"}, "container": {"command": command}}
    job = ended(cloud, submit(source, definition=definition, parameters={"b": "3"}))
    assert lines(cloud, job) == ["1 x-3"]


def test_process_finds_environment_of_definition_overrides_and_batch(cloud: Cloud, submit: Submit) -> None:
    names = ("A", "B", "AWS_BATCH_JOB_ATTEMPT", "AWS_BATCH_JQ_NAME", "AWS_ENDPOINT_URL", "AWS_BATCH_JOB_ID")
    source = f"import os; print([os.environ[n] for n in {names}])"
    definition = {"container": {"environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]}}
    overrides = {"environment": [{"name": "B", "value": "2"}]}
    job = ended(cloud, submit(source, definition=definition, containerOverrides=overrides))
    assert lines(cloud, job) == [str(["1", "2", "1", "cpu", cloud.url, job["jobId"]])]


def test_submission_says_what_of_a_machine_the_job_gets(cloud: Cloud, submit: Submit) -> None:
    asked = [{"type": "VCPU", "value": "4"}, {"type": "MEMORY", "value": "14336"}]
    named = [{"name": "TUNESMITH_VCPUS", "value": "4"}]
    source = "import os; print(os.environ['TUNESMITH_VCPUS'])"
    overrides = {"resourceRequirements": asked, "environment": named}
    job = ended(cloud, submit(source, containerOverrides=overrides, timeout={"attemptDurationSeconds": 60}))
    assert lines(cloud, job) == ["4"]
    assert (job["container"]["resourceRequirements"], job["timeout"]) == (asked, {"attemptDurationSeconds": 60})
    usual = ended(cloud, submit("pass"))["container"]["resourceRequirements"]
    assert usual == [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}]


def test_exit_code_and_reason_of_a_failed_job_are_described(cloud: Cloud, submit: Submit) -> None:
    job = ended(cloud, submit("raise SystemExit(3)"))
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 3)
    assert job["attempts"][0]["statusReason"] == job["statusReason"] == "Essential container in task exited"


def test_lines_reach_the_log_group_of_the_definition_and_listeners_while_the_job_runs(
    cloud: Cloud, submit: Submit
) -> None:
    heard: list[tuple[str, str, str]] = []
    cloud.log_listeners.append(lambda *line: heard.append(line))
    options = {"awslogs-group": "/jobs/prepare", "awslogs-stream-prefix": "prepare"}
    definition = {"container": {"logConfiguration": {"logDriver": "awslogs", "options": options}}}
    job_id = submit(UNTIL_TERMINATED, definition=definition)
    eventually(lambda: "up" in [line for group, _, line in heard if group == "/jobs/prepare"])
    assert running(cloud, job_id)
    cloud.client("batch").terminate_job(jobId=job_id, reason="enough")
    job = ended(cloud, job_id)
    assert job["attempts"][0]["container"]["logStreamName"].startswith("prepare/default/")
    assert lines(cloud, job, "/jobs/prepare") == ["up"]


def test_failed_attempt_is_retried_until_it_succeeds(cloud: Cloud, submit: Submit) -> None:
    source = "import os; raise SystemExit(0 if os.environ['AWS_BATCH_JOB_ATTEMPT'] == '3' else 1)"
    job = ended(cloud, submit(source, retryStrategy={"attempts": 5}))
    codes = [attempt["container"]["exitCode"] for attempt in job["attempts"]]
    assert (job["status"], codes) == ("SUCCEEDED", [1, 1, 0])


def test_strategy_that_exits_on_failure_ends_after_one_attempt(cloud: Cloud, submit: Submit) -> None:
    strategy = {"attempts": 5, "evaluateOnExit": [{"onExitCode": "7", "action": "EXIT"}]}
    job = ended(cloud, submit("raise SystemExit(7)", definition={"retryStrategy": strategy}))
    assert (job["status"], len(job["attempts"])) == ("FAILED", 1)


def test_spot_reclaim_is_retried_and_a_person_is_obeyed(cloud: Cloud, submit: Submit) -> None:
    job_id = submit(UNTIL_TERMINATED, retryStrategy={"attempts": 3, "evaluateOnExit": SPOT})
    eventually(lambda: logged_up(cloud, job_id))
    terminate = cloud.client("batch").terminate_job
    terminate(jobId=job_id, reason="Host EC2 (instance i-0abc) terminated.")
    eventually(lambda: len(describe(cloud, job_id)["attempts"]) == 1 and running(cloud, job_id))
    terminate(jobId=job_id, reason="enough")
    job = ended(cloud, job_id)
    reasons = [attempt["statusReason"] for attempt in job["attempts"]]
    assert (job["status"], reasons) == ("FAILED", ["Host EC2 (instance i-0abc) terminated.", "enough"])


def test_attempt_that_takes_too_long_is_ended_and_not_retried(cloud: Cloud, submit: Submit) -> None:
    started = time.monotonic()
    job = ended(cloud, submit(UNTIL_TERMINATED, retryStrategy={"attempts": 3}, timeout={"attemptDurationSeconds": 1}))
    assert (job["status"], len(job["attempts"])) == ("FAILED", 1)
    assert job["statusReason"] == "Job attempt duration exceeded timeout"
    assert time.monotonic() - started < 15


def test_terminated_job_gets_sigterm_and_time_to_stop(cloud: Cloud, submit: Submit) -> None:
    source = (
        "import signal, sys, time\n"
        "def stop(*_):\n    print('checkpoint', flush=True)\n    sys.exit(75)\n"
        "signal.signal(signal.SIGTERM, stop)\nprint('up', flush=True)\ntime.sleep(60)"
    )
    job_id = submit(source)
    eventually(lambda: logged_up(cloud, job_id))
    cloud.client("batch").terminate_job(jobId=job_id, reason="enough")
    job = ended(cloud, job_id)
    assert (job["statusReason"], job["container"]["exitCode"]) == ("enough", 75)
    assert lines(cloud, job) == ["up", "checkpoint"]


def test_job_that_ignores_sigterm_is_killed_after_its_stop_timeout(cloud: Cloud, submit: Submit) -> None:
    source = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + UNTIL_TERMINATED
    job_id = submit(source)
    eventually(lambda: logged_up(cloud, job_id))
    cloud.client("batch").terminate_job(jobId=job_id, reason="enough")
    assert ended(cloud, job_id, 8)["container"]["exitCode"] == 137


def test_dependent_job_waits_and_fails_with_what_it_depends_on(cloud: Cloud, submit: Submit) -> None:
    first = submit("import time; time.sleep(0.5)")
    second = submit("pass", dependsOn=[{"jobId": first}])
    assert describe(cloud, second)["status"] in ("SUBMITTED", "PENDING")
    assert ended(cloud, second)["startedAt"] >= ended(cloud, first)["stoppedAt"]
    third = submit("raise SystemExit(1)")
    fourth = ended(cloud, submit("pass", dependsOn=[{"jobId": third}]))
    assert (fourth["status"], fourth["statusReason"]) == ("FAILED", "Dependent Job failed")


def test_array_runs_each_index_and_fails_when_one_child_does(cloud: Cloud, submit: Submit) -> None:
    source = "import os; raise SystemExit(int(os.environ['AWS_BATCH_JOB_ARRAY_INDEX']) == 1)"
    job = ended(cloud, submit(source, arrayProperties={"size": 3}))
    summary = job["arrayProperties"]["statusSummary"]
    assert (job["status"], summary["SUCCEEDED"], summary["FAILED"]) == ("FAILED", 2, 1)
    assert describe(cloud, f"{job['jobId']}:1")["arrayProperties"] == {"index": 1}


def test_array_can_depend_on_another_index_by_index_or_on_itself(cloud: Cloud, submit: Submit) -> None:
    first = submit("pass", arrayProperties={"size": 2})
    second = submit("pass", arrayProperties={"size": 2}, dependsOn=[{"jobId": first, "type": "N_TO_N"}])
    third = submit("pass", arrayProperties={"size": 3}, dependsOn=[{"type": "SEQUENTIAL"}])
    assert ended(cloud, second)["status"] == ended(cloud, third)["status"] == "SUCCEEDED"
    children = [describe(cloud, f"{third}:{index}") for index in range(3)]
    for before, after in zip(children, children[1:], strict=False):
        assert before["stoppedAt"] <= after["startedAt"]


def test_jobs_share_the_gpu_one_at_a_time_while_others_are_runnable(cloud: Cloud, submit: Submit) -> None:
    needs = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}, {"type": "GPU", "value": "1"}]
    definition = {"container": {"resourceRequirements": needs}}
    first = submit(UNTIL_TERMINATED, definition=definition)
    eventually(lambda: running(cloud, first))
    second = submit("pass", definition=definition)
    eventually(lambda: describe(cloud, second)["status"] == "RUNNABLE")
    cloud.client("batch").terminate_job(jobId=first, reason="enough")
    assert ended(cloud, second)["status"] == "SUCCEEDED"


def test_waiting_job_can_be_cancelled_and_a_running_one_cannot(cloud: Cloud, submit: Submit) -> None:
    cancel, first = cloud.client("batch").cancel_job, submit(UNTIL_TERMINATED)
    second = submit("pass", dependsOn=[{"jobId": first}])
    eventually(lambda: running(cloud, first))
    cancel(jobId=first, reason="enough")
    cancel(jobId=second, reason="not needed")
    job = ended(cloud, second)
    assert (job["status"], job["statusReason"]) == ("FAILED", "not needed")
    assert running(cloud, first)
    cloud.client("batch").terminate_job(jobId=first, reason="enough")


def test_command_that_does_not_exist_fails_the_job(cloud: Cloud, queue: str) -> None:
    arn = define_job(cloud, "missing", ["/no/such/command"])
    job_id = cloud.client("batch").submit_job(jobName="job", jobQueue=queue, jobDefinition=arn)["jobId"]
    assert ended(cloud, job_id)["status"] == "FAILED"


def test_submission_to_an_unknown_queue_is_refused(cloud: Cloud) -> None:
    arn = define_job(cloud, "any", ["python"])
    with pytest.raises(ClientError, match="does not exist"):
        cloud.client("batch").submit_job(jobName="job", jobQueue="nowhere", jobDefinition=arn)
