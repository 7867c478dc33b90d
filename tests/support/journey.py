"""One upload's way into production, step by step: what AWS hands to each function and job, and hands over again."""

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.sagemakerruntime import sagemakerruntime_backends

from batch_jobs.evaluate.__main__ import evaluate
from batch_jobs.finetune.__main__ import finetune
from batch_jobs.harness import progress
from batch_jobs.harness.main import run_job
from batch_jobs.modeling.folders import cache_folder
from batch_jobs.prepare.job import prepare
from functions.accept_upload import handler as accept_upload
from functions.gate_model import handler as gate_model
from functions.mirror_model import handler as mirror_model
from functions.plan_run import handler as plan_run
from functions.promote_model import handler as promote_model
from functions.record_state import handler as record_state
from functions.register_model import handler as register_model
from functions.shift_traffic import handler as shift_traffic
from functions.start_run import handler as start_run
from functions.verify_deployment import handler as verify_deployment
from tests.conftest import ACCOUNT, REGION
from tests.support import promotion
from tests.support.edges import Edges, eventbridge, open_edges, stream
from tests.support.faults import Fault, Wire, wire
from tests.support.tiny_model import write_tiny_base
from tunesmith.adapters import objects, pipeline
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.artifacts import base_pointer_key, base_prefix, params_key, s3_uri
from tunesmith.contracts.jobs import (
    EvaluateParams,
    EvaluateResult,
    ExitCode,
    FinetuneParams,
    FinetuneResult,
    JobName,
    PrepareParams,
    PrepareResult,
)
from tunesmith.contracts.runs import Outcome, RunStatus, Stage

JOBS: dict[JobName, tuple[type, type, Callable[..., Any]]] = {
    JobName.PREPARE: (PrepareParams, PrepareResult, prepare),
    JobName.FINETUNE: (FinetuneParams, FinetuneResult, finetune),
    JobName.EVALUATE: (EvaluateParams, EvaluateResult, evaluate),
}
RECIPE = """
base_model: tiny
prepare: {min_rows: 4, test_fraction: 0.2}
finetune: {rank: 2, alpha: 4, sequence_length: 64, tokens_per_step: 250, checkpoint_every_steps: 1, learning_rate: 0.01}
evaluate: {max_items: 4, max_new_tokens: 2}
gate: {metric: perplexity, min_items: 2, resamples: 200, max_loss_to_champion: 1000}
serve: {instance_type: ml.m5.xlarge}
"""


def questions(count: int) -> bytes:
    """Rows to train on. The first are the same for every count, as in a file that people add to."""
    rows = [{"prompt": f"What comes after {number}?", "completion": f"{number + 1} does."} for number in range(count)]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def open_platform(patch: pytest.MonkeyPatch, tables: dict[str, str], folder: Path) -> Edges:
    """All functions and jobs over empty tables and buckets, with a recipe and a tiny base model that was imported."""
    patch.setenv("JOBS_TABLE", tables["jobs"])
    patch.setattr(progress, "SECONDS_BETWEEN_WRITES", 0.0)  # so that what is written does not depend on the clock
    for client in (objects.client, pipeline.client):
        client.cache_clear()
    promotion.set_environment(patch, tables)
    boto3.client("sagemaker").create_model_package_group(ModelPackageGroupName=promotion.GROUP)
    edges = open_edges(patch)
    edges.write_recipe(RECIPE)
    base = write_tiny_base(folder)
    for file in folder.iterdir():
        Storage().write(s3_uri("models", base_prefix(base.digest) + file.name), file.read_bytes())
    Storage().write(s3_uri("models", base_pointer_key(base.name)), base.model_dump_json())
    return edges


@dataclass
class Journey:
    """What AWS knows of one run, and hands from step to step."""

    edges: Edges
    context: Any
    """Of the Lambda functions."""
    version_id: str
    """Of the uploaded object."""
    document: dict[str, Any] = field(default_factory=dict)
    """The state machine's."""

    @property
    def run_id(self) -> str:
        return str(self.document["request"]["run_id"])

    def deliver(self, step: "Step", at: int | None = None, fault: Fault = Fault.REFUSED) -> Wire:
        """Deliver one step, with a fault at its `at`-th call. Called again, it is AWS delivering again."""
        event = step.event(self)
        with wire(at, fault) as line:
            answer = step.handle(event, self.context)
        step.keep(self, answer)
        return line

    def run_row(self) -> dict[str, Any]:
        [row] = [row for row in self.edges.rows("runs") if self.version_id in row["document"]]
        return row


@dataclass(frozen=True)
class Step:
    name: str
    handle: Callable[[Any, Any], Any]
    """A function's handler; of a job: what runs it."""
    event: Callable[[Journey], Any]
    keep: Callable[[Journey, Any], None] = lambda journey, answer: None


def fields(*names: str) -> Callable[[Journey], dict[str, Any]]:
    return lambda journey: {name: journey.document[name] for name in names}


def into(name: str) -> Callable[[Journey, Any], None]:
    """Where the state machine puts the answer."""
    return lambda journey, answer: journey.document.update({name: json.loads(json.dumps(answer))})


def begin(journey: Journey, _: Any) -> None:
    """The document begins as the input of the run's execution."""
    arn = pipeline.execution_arn(journey.edges.state_machine_arn, journey.run_row()["run_id"])
    journey.document = json.loads(boto3.client("stepfunctions").describe_execution(executionArn=arn)["input"])


def recorded(status: RunStatus, stage: Stage, **facts: Any) -> Callable[[Journey], dict[str, Any]]:
    return lambda journey: {"run_id": journey.run_id, "status": status, "stage": stage, **facts}


def params_of(job: JobName) -> Callable[[Journey], str]:
    """Stores the job's params, as the state machine does; their URI."""

    def store(journey: Journey) -> str:
        params = journey.document["prepare"] if job is JobName.PREPARE else journey.document["plan"][job]
        uri = s3_uri("artifacts", params_key(journey.run_id, job))
        Storage().write(uri, json.dumps(params), "application/json")
        return uri

    return store


def in_process(job: JobName) -> Callable[[str, Any], None]:
    """Runs the job in this process, but as a fresh machine would: its cache of models is empty."""
    params, result, work = JOBS[job]

    def run(uri: str, _: Any) -> None:
        cache_folder.cache_clear()
        with contextlib.redirect_stdout(io.StringIO()):
            code = run_job(job, params, result, work, [uri])
        assert code == ExitCode.DONE, f"{job} ended with {code}"

    return run


def job_step(job: JobName) -> Step:
    return Step(job, in_process(job), params_of(job))


def served(journey: Journey) -> dict[str, Any]:
    """The endpoint's container will answer as one that serves what was asked for."""
    asked, base = journey.document["deployment"], journey.document["request"]["base"]["digest"]
    said = {"model_digest": asked["model_digest"], "base_digest": base, "template_hash": base}
    runtime = sagemakerruntime_backends[ACCOUNT][REGION]
    runtime.results.clear()
    runtime.results_queue[:] = [(json.dumps(said), "application/json", "main", "")]
    return fields("deployment")(journey)


def promoted(journey: Journey) -> dict[str, Any]:
    return fields("version", "deployment")(journey) | {"run_id": journey.run_id}


STEPS = (
    Step("accept_upload", accept_upload.lambda_handler, lambda journey: eventbridge(journey.version_id)),
    Step("start_run", start_run.lambda_handler, lambda journey: stream(journey.run_row()), keep=begin),
    Step("record_start", record_state.lambda_handler, recorded(RunStatus.RUNNING, Stage.PREPARE)),
    job_step(JobName.PREPARE),
    Step("plan_run", plan_run.lambda_handler, fields("request", "prepare", "approval"), keep=into("plan")),
    job_step(JobName.FINETUNE),
    job_step(JobName.EVALUATE),
    Step("gate_model", gate_model.lambda_handler, fields("request", "plan"), keep=into("verdict")),
    Step("register_model", register_model.lambda_handler, fields("request", "plan", "verdict"), keep=into("version")),
    Step("mirror_model", mirror_model.lambda_handler, lambda journey: journey.document["version"]),
    Step("shift_traffic", shift_traffic.lambda_handler, fields("request", "version"), keep=into("deployment")),
    Step("verify_deployment", verify_deployment.lambda_handler, served, keep=into("deployment")),
    Step("promote_model", promote_model.lambda_handler, promoted),
    Step(
        "record_end", record_state.lambda_handler, recorded(RunStatus.SUCCEEDED, Stage.DONE, outcome=Outcome.PROMOTED)
    ),
)
"""As the state machine takes them; what it records between two stages is recorded at the start and the end only."""
