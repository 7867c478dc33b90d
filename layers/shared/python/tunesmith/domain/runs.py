"""Runs: the document that starts one, how far one has come, and why one failed. Pure."""

import json
from typing import Any

from tunesmith.contracts.artifacts import dataset_prefix, s3_uri, scans_prefix, scratch_prefix
from tunesmith.contracts.base import Timestamp
from tunesmith.contracts.datasets import Suite
from tunesmith.contracts.errors import Conflict, RunCancelled
from tunesmith.contracts.events import ExecutionEnded
from tunesmith.contracts.jobs import ExitCode, PrepareParams
from tunesmith.contracts.lifecycle import Failure, LifecycleState, StateRecord
from tunesmith.contracts.recipes import OnUpload
from tunesmith.contracts.runs import Run, RunRequest, RunStatus, Stage, Trigger
from tunesmith.domain.job_resources import prepare_resources

STAGES = list(Stage)
ORDER = {RunStatus.QUEUED: 0, RunStatus.RUNNING: 1, RunStatus.WAITING: 2}
"""Of the statuses that are not final, within one stage."""
LONGEST_CAUSE = 1_000
"""Characters of a cause that is not in a shape we know."""
EXIT_CODES = {
    ExitCode.BAD_INPUT: "the input cannot succeed however often it is tried",
    ExitCode.INTERRUPTED: "interrupted after a checkpoint",
    137: "killed: out of memory, or stopped from outside",
    143: "stopped from outside",
}


def start_document(request: RunRequest, suite: Suite | None, artifacts_bucket: str) -> LifecycleState:
    """The state machine's input for a run; `suite` is the dataset's frozen test split, where one is pinned."""
    prefix = dataset_prefix(request.project, request.dataset, request.dataset_version)
    resources = prepare_resources(request.sources, request.recipe.prepare)
    prepare = PrepareParams(
        run_id=request.run_id,
        project=request.project,
        dataset=request.dataset,
        dataset_version=request.dataset_version,
        sources=request.sources,
        recipe=request.recipe.prepare,
        suite_uri=suite.uri if suite else None,
        suite_digest=suite.digest if suite else None,
        base=request.base,
        finetune=request.recipe.finetune if _trains(request) else None,
        scans_uri=s3_uri(artifacts_bucket, scans_prefix(request.project)),
        scratch_uri=s3_uri(artifacts_bucket, scratch_prefix(request.run_id)) if resources.nodes > 1 else None,
        resources=resources,
        output_uri=s3_uri(artifacts_bucket, prefix),
    )
    return LifecycleState(request=request, prepare=prepare, approval=request.recipe.approval)


def _trains(request: RunRequest) -> bool:
    """Whether a training follows: an upload may ask for the data alone."""
    return request.trigger is not Trigger.UPLOAD or request.recipe.on_upload is OnUpload.TRAIN


def advance(run: Run, record: StateRecord, now: Timestamp) -> Run | None:
    """The run after the record; None where the record is late or repeated and changes nothing.

    A final status is never left, and stages only go forward, so records may come twice and in any order. Raises
    RunCancelled where the record says that a cancelled run goes on: that must stop it.
    """
    if run.status is RunStatus.CANCELLED and not record.status.is_final:
        raise RunCancelled(f"run {run.request.run_id} was cancelled: {'; '.join(run.reasons)}")
    if run.status.is_final or not _is_ahead(run, record):
        return None
    failed = record.status in (RunStatus.FAILED, RunStatus.CANCELLED)
    changed = run.model_copy(
        update={
            "status": record.status,
            "stage": run.stage if failed else record.stage,
            "outcome": record.outcome or run.outcome,
            "reasons": _joined(run.reasons, record),
            "version": record.version or run.version,
            "execution_arn": record.execution_arn or run.execution_arn,
        }
    )
    return None if changed == run else changed.model_copy(update={"updated_at": now})


def ending(ended: ExecutionEnded) -> StateRecord:
    """What is recorded of a run whose execution ended without having said so itself."""
    stopped = ended.status == "ABORTED"
    told = Failure(Error=ended.error or f"execution {ended.status.lower()}", Cause=ended.cause or "")
    return StateRecord(
        run_id=ended.run_id,
        status=RunStatus.CANCELLED if stopped else RunStatus.FAILED,
        stage=Stage.DONE,
        failure=told,
        execution_arn=ended.execution_arn,
    )


def await_approval(run: Run, now: Timestamp) -> Run:
    """The run once it waits for a person; asked again, it waits with the newer token."""
    if run.status.is_final:
        raise Conflict(f"run {run.request.run_id} has ended as {run.status}: nobody can approve it")
    return run.model_copy(update={"status": RunStatus.WAITING, "stage": Stage.APPROVE, "updated_at": now})


def explain(failure: Failure) -> str:
    """Why a step failed, in one sentence: Step Functions gives the cause of a job or a function as JSON."""
    cause = _cause(failure.Cause)
    if "jobid" in cause:
        return _explain_batch(cause)
    if "trainingjobname" in cause:
        return f"training job {cause['trainingjobname']} failed: {cause.get('failurereason') or failure.Error}"
    if "errormessage" in cause:
        return f"{cause.get('errortype') or failure.Error}: {cause['errormessage']}"
    if failure.Error == "States.Timeout":
        return f"a step took longer than it may: {failure.Cause or 'States.Timeout'}"
    return f"{failure.Error}: {failure.Cause[:LONGEST_CAUSE]}" if failure.Cause else failure.Error


def _is_ahead(run: Run, record: StateRecord) -> bool:
    if record.status.is_final:
        return True
    there, here = STAGES.index(record.stage), STAGES.index(run.stage)
    return (there, ORDER[record.status]) >= (here, ORDER[run.status])


def _joined(reasons: list[str], record: StateRecord) -> list[str]:
    told = [*record.reasons, *([explain(record.failure)] if record.failure else [])]
    return list(dict.fromkeys([*reasons, *told]))


def _cause(text: str) -> dict[str, Any]:
    """The cause's fields by lower-case name (services differ in their capitals); empty where it is no object."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {name.lower(): value for name, value in found.items()} if isinstance(found, dict) else {}


def _explain_batch(cause: dict[str, Any]) -> str:
    container = {name.lower(): value for name, value in (cause.get("container") or {}).items()}
    code, reason = container.get("exitcode"), container.get("reason") or cause.get("statusreason")
    sentence = f"job {cause.get('jobname', cause['jobid'])} failed"
    if code is not None:
        sentence += f" with exit code {code}"
        sentence += f" ({EXIT_CODES[code]})" if code in EXIT_CODES else ""
    sentence += f": {reason}" if reason else ""
    log = container.get("logstreamname")
    return f"{sentence}; its log stream is {log}" if log else sentence
