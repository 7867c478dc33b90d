"""What a job that failed said of itself, beside its params."""

from tunesmith.adapters.storage import Storage
from tunesmith.contracts.artifacts import failure_key, s3_uri
from tunesmith.contracts.jobs import JobFailure
from tunesmith.contracts.runs import JOB_STAGES, Stage


def told_by_job(bucket: str, run_id: str, stage: Stage) -> str | None:
    """The job's own sentence; None where the stage has no job, or the job could not say anything."""
    job = JOB_STAGES.get(stage)
    body = Storage().read_if_there(s3_uri(bucket, failure_key(run_id, job))) if job else None
    return f"{job}: {JobFailure.model_validate_json(body).message}" if body else None
