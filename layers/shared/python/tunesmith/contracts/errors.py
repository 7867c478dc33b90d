"""Every error that the platform raises on purpose.

Add one by deriving from the nearest class here; the docstring says when it is raised. `code` is what people
search for and machines
switch on, so it never changes; `retryable` tells a caller whether the same call may succeed later.
"""


class PlatformError(Exception):
    """Base class: catch this to catch only our own errors."""

    code = "platform_error"
    retryable = False


class InvalidInput(PlatformError, ValueError):
    """Raised when what a person or a client sent does not have the documented shape; `param` names the field."""

    code = "invalid_input"
    param: str | None = None

    def __init__(self, message: str = "", param: str | None = None):
        super().__init__(message)
        self.param = param or self.param


class ContextLengthExceeded(InvalidInput):
    """Raised when a prompt and the answer asked for are longer than what the model can take in."""

    code = "context_length_exceeded"
    param = "messages"


class NotFound(PlatformError, LookupError):
    """Raised when the thing named does not exist."""

    code = "not_found"


class ModelNotFound(NotFound):
    """Raised when a request names a model that nothing serves; the base model never answers in its place."""

    code = "model_not_found"
    param = "model"


class Conflict(PlatformError):
    """Raised when somebody else changed the same thing first."""

    code = "conflict"


class RunCancelled(PlatformError):
    """Raised when a run goes on that somebody has cancelled."""

    code = "run_cancelled"


class NotAuthorized(PlatformError):
    """Raised when the caller may not do this."""

    code = "not_authorized"


class ForgedEvent(PlatformError):
    """Raised when an event names a bucket, account or source that is not ours."""

    code = "forged_event"


class SourceGone(PlatformError):
    """Raised when an accepted object version no longer exists."""

    code = "source_gone"


class IntegrityError(PlatformError):
    """Raised when bytes do not have the digest that was promised for them."""

    code = "integrity"


class UnsafeArtifact(PlatformError):
    """Raised when a model folder holds anything but safetensors, JSON and text: pickles, code, links, `auto_map`."""

    code = "unsafe_artifact"


class NothingToTrain(PlatformError):
    """Raised when no valid row is left after validation and cleaning."""

    code = "nothing_to_train"


class QualityGateFailed(PlatformError):
    """Raised when a dataset does not meet the thresholds of its recipe."""

    code = "quality_gate_failed"


class RowsUnaccounted(PlatformError):
    """Raised when `in = kept + quarantined + dropped` does not hold."""

    code = "rows_unaccounted"


class TrainingDiverged(PlatformError):
    """Raised when the loss is not a finite number."""

    code = "training_diverged"


class CheckpointMismatch(PlatformError):
    """Raised when a checkpoint belongs to other data, another recipe, base model or code."""

    code = "checkpoint_mismatch"


class Fenced(PlatformError):
    """Raised when a newer attempt of the same job has taken over; this one must write nothing more."""

    code = "fenced"


class NodesMissing(PlatformError):
    """Raised when the machines of one job do not come together in time; starting it again is safe."""

    code = "nodes_missing"
    retryable = True


class Interrupted(PlatformError):
    """Raised when the machine is being taken away (SIGTERM) and the work was checkpointed."""

    code = "interrupted"
    retryable = True


class GpuMissing(PlatformError):
    """Raised when a job on a GPU queue finds no CUDA device."""

    code = "gpu_missing"


class MissingRollbackAlarms(PlatformError):
    """Raised when an endpoint would be created or changed without the alarms that can roll it back."""

    code = "missing_rollback_alarms"


class NotApproved(PlatformError):
    """Raised when a version would go into production without the approval and the verification that this takes."""

    code = "not_approved"


class EndpointUnavailable(PlatformError):
    """Raised when the serving endpoint does not answer."""

    code = "endpoint_unavailable"
    retryable = True


class Overloaded(PlatformError):
    """Raised when as many requests wait as may wait; the same request may succeed in a few seconds."""

    code = "overloaded"
    retryable = True
