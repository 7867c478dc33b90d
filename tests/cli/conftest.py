"""The `tunesmith` command against an account that holds the platform's tables and buckets."""

import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.conftest import ACCOUNT, REGION
from tunesmith.adapters import dynamo, pipeline, runs, throttling
from tunesmith.contracts import identity
from tunesmith.contracts.datasets import Source, SourceKind
from tunesmith.contracts.models import ModelReference
from tunesmith.contracts.platform import PLATFORM_PARAMETER, Platform
from tunesmith.contracts.recipes import Recipe
from tunesmith.contracts.runs import Run, RunRequest, RunStatus, Stage, Trigger
from tunesmith_cli import account
from tunesmith_cli.main import app

Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def signal_handlers() -> Iterator[None]:
    """Those of the test run are put back: the command sets its own for the life of its process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def platform(tables: dict[str, str], buckets: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Platform:
    """The platform, deployed as far as the command can see."""
    monkeypatch.setenv("TUNESMITH_TARGET", "aws")
    for cached in (account.target, account.platform, account.operator, pipeline.client, throttling.client):
        cached.cache_clear()
    deployed = Platform(
        uploads_bucket=buckets["uploads"],
        artifacts_bucket=buckets["artifacts"],
        models_bucket=buckets["models"],
        tables=tables,
        state_machine_arn=f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:lifecycle",
        cpu_queue_arn=f"arn:aws:batch:{REGION}:{ACCOUNT}:job-queue/cpu",
        gpu_queue_arn=f"arn:aws:batch:{REGION}:{ACCOUNT}:job-queue/gpu",
        job_log_group="jobs",
        api_url="https://api.example/v1",
        other_projects_plan_id=boto3.client("apigateway").create_usage_plan(name="other-projects")["id"],
        notifications_topic_arn=f"arn:aws:sns:{REGION}:{ACCOUNT}:notifications",
        functions={},
    )
    boto3.client("ssm").put_parameter(Name=PLATFORM_PARAMETER, Value=deployed.model_dump_json(), Type="String")
    boto3.client("logs").create_log_group(logGroupName="jobs")
    return deployed


@pytest.fixture
def command(platform: Platform) -> Command:
    """Run the command: `command("runs", "list", "--json")`."""
    return lambda *words: CliRunner().invoke(app, list(words), catch_exceptions=False)


@pytest.fixture
def answer(command: Command) -> Callable[..., Any]:
    """Run the command with --json, and give what it answered."""

    def run(*words: str) -> Any:
        result = command(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


@pytest.fixture
def queued_run(platform: Platform) -> Run:
    return put_run(platform, RunStatus.QUEUED, Stage.QUEUED)


def put_run(platform: Platform, status: RunStatus, stage: Stage, attempt: int = 1) -> Run:
    """A run of project demo, written as its functions write it."""
    recipe, base = Recipe(), ModelReference(uri="s3://models/bases/b/", digest="b" * 64)
    request = RunRequest(
        run_id=identity.run_id("a" * 64, recipe.model_dump(mode="json"), base.digest, attempt),
        project="demo",
        dataset="tickets",
        dataset_version="a" * 64,
        sources=[Source(kind=SourceKind.UPLOAD, source_id="c" * 64, uri="s3://uploads/x", version_id="v1")],
        model="demo",
        base=base,
        recipe=recipe,
        attempt=attempt,
        trigger=Trigger.UPLOAD,
        trigger_id="c" * 64,
        created_at=f"2026-11-24T06:00:0{attempt}.000Z",
    )
    run = Run(request=request, status=status, stage=stage, updated_at=request.created_at)
    assert dynamo.put(runs.new_run(platform.tables["runs"], run, dynamo.owner_token()))
    return run
