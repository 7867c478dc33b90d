"""What a person may do to a run: cancel it, or ask for the same once more. Pure."""

from tunesmith.contracts import identity
from tunesmith.contracts.base import Timestamp
from tunesmith.contracts.errors import Conflict
from tunesmith.contracts.runs import ROLLOUT_STAGES, Run, RunRequest, RunStatus, Trigger


def cancelled(run: Run, by: str, now: Timestamp) -> Run | None:
    """The run once it is cancelled; None where it has ended already.

    Raises Conflict during a rollout: it ends verified or taken back, and stopping it half-way would leave neither.
    """
    if run.status.is_final:
        return None
    if run.stage in ROLLOUT_STAGES:
        raise Conflict(
            f"{run.request.run_id} is rolling version {run.version or 'a version'} out (stage {run.stage}): wait until "
            "that has ended; then move the alias, or roll back, if you do not want it"
        )
    reasons = [*run.reasons, f"cancelled by {by} at stage {run.stage}"]
    return run.model_copy(update={"status": RunStatus.CANCELLED, "reasons": reasons, "updated_at": now})


def next_attempt(request: RunRequest, by: str, now: Timestamp) -> RunRequest:
    """The same request as the attempt after it: a run of its own, whose execution has another name.

    Asking twice for the attempt after the same run gives the same run.
    """
    attempt = request.attempt + 1
    recipe = request.recipe.model_dump(mode="json")
    run_id = identity.run_id(request.dataset_version, recipe, request.base.digest, attempt)
    return request.model_copy(
        update={
            "run_id": run_id,
            "attempt": attempt,
            "trigger": Trigger.REQUEST,
            "trigger_id": f"retry of {request.run_id} by {by}",
            "created_at": now,
        }
    )
