"""What each job is told and what it answers.

A job takes one argument, `params_uri`: the URI of `params.json`. It writes `result.json` beside it, last.
"""

from enum import StrEnum

from pydantic import Field

from tunesmith.contracts.base import Contract, Digest, Name, RunId, Uri
from tunesmith.contracts.datasets import DatasetKind, RowCounts, Source, Split
from tunesmith.contracts.models import ModelReference
from tunesmith.contracts.nodes import MOST_NODES
from tunesmith.contracts.preflight import Preflight
from tunesmith.contracts.recipes import EvaluateRecipe, FinetuneRecipe, Metric, PrepareRecipe


class JobName(StrEnum):
    PREPARE = "prepare"
    FINETUNE = "finetune"
    EVALUATE = "evaluate"
    SERVE = "serve"


def submission_name(run_id: str, job: str, attempt: str) -> str:
    """What one submission of a run's job is called, as people see it in the console of Batch."""
    return f"{run_id}-{job}-{attempt}"


class ExitCode:
    """How a job ends. Batch retries none of these but the reclaim of a spot machine; a caller can tell them apart."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    """The work cannot succeed however often it is tried: bad params, bad data, a gate."""
    INTERRUPTED = 75
    """EX_TEMPFAIL: checkpointed and safe to start again."""


class JobResources(Contract):
    """How many machines a job gets, how much of each, and for how long."""

    nodes: int = Field(default=1, ge=1, le=MOST_NODES)
    vcpus: int = Field(ge=1)
    memory_mib: int = Field(ge=1)
    timeout_seconds: int = Field(ge=60, description="of one attempt")


class PrepareParams(Contract):
    run_id: RunId
    project: Name
    dataset: Name
    dataset_version: Digest
    sources: list[Source] = Field(min_length=1)
    recipe: PrepareRecipe
    suite_uri: Uri | None = Field(
        default=None, description="Parquet of the frozen test split; None: this version makes it"
    )
    suite_digest: Digest | None = None
    base: ModelReference | None = Field(default=None, description="whose tokenizer reads the rows; None: nobody's does")
    finetune: FinetuneRecipe | None = Field(
        default=None, description="the training that follows, which the preflight may stop; None: none follows"
    )
    scans_uri: Uri | None = Field(
        default=None, description="folder in which scans are kept for the next version; ends in a slash; None: nowhere"
    )
    scratch_uri: Uri | None = Field(
        default=None,
        description="folder in which several machines hand each other their work; ends in a slash; None: one machine",
    )
    resources: JobResources | None = Field(
        default=None, description="what the job was submitted with; None: started by hand"
    )
    output_uri: Uri = Field(description="folder of the dataset version; ends in a slash")


class PrepareResult(Contract):
    dataset_version: Digest
    manifest_uri: Uri
    kind: DatasetKind = DatasetKind.CHAT
    content_digest: Digest
    counts: RowCounts
    splits: dict[Split, int] = Field(description="rows")
    test_uri: Uri
    test_digest: Digest
    characters: int = Field(description="of the training split")
    preflight: Preflight | None = Field(default=None, description="what the base makes of the first training rows")


class FinetuneParams(Contract):
    run_id: RunId
    base: ModelReference
    dataset_version: Digest
    manifest_uri: Uri
    recipe: FinetuneRecipe
    adapters_uri: Uri = Field(description="folder of all adapters; the job adds `<digest>/`")
    checkpoints_uri: Uri


class FinetuneResult(Contract):
    adapter: ModelReference
    steps: int
    rows: int
    tokens: int
    trained_tokens: int
    first_loss: float
    last_loss: float
    validation_loss: float | None
    resumed_from_step: int
    rows_too_long: int = Field(default=0, description="left out whole: longer than finetune.sequence_length")
    rows_refused: int = Field(
        default=0, description="left out: the chat template refuses them, or none of their tokens is learnt"
    )
    seconds: float


class Role(StrEnum):
    """Who stands before the gate."""

    CANDIDATE = "candidate"
    BASE = "base"
    CHAMPION = "champion"


class Contender(Contract):
    role: Role
    adapter: ModelReference | None = Field(default=None, description="None: the base model itself")


class EvaluateParams(Contract):
    run_id: RunId
    base: ModelReference
    contenders: list[Contender] = Field(default=[], description="besides the candidate")
    finetune_result_uri: Uri = Field(description="names the candidate's adapter")
    suite_uri: Uri
    suite_digest: Digest
    recipe: EvaluateRecipe
    cache_uri: Uri = Field(description="folder of all evaluations: each model is scored once per suite and settings")
    report_uri: Uri


class EvaluateResult(Contract):
    report_uri: Uri
    items: int
    scores: dict[Role, dict[Metric, float]]
    cached: list[Role] = Field(description="roles whose scores were already there")


class JobFailure(Contract):
    """`failure.json`: why the newest attempt of a job ended without a result, in the job's own words."""

    exit_code: int
    message: str


class Progress(Contract):
    """How far a job has come, for people who watch."""

    job: JobName
    done: float = Field(ge=0, description="in `unit`")
    total: float = Field(gt=0)
    unit: str
    note: str = ""
