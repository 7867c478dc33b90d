"""Evaluations: what each model scored on each item of the frozen suite, and what the gate made of it."""

from pydantic import Field

from tunesmith.contracts.base import Contract, Digest, ItemId, RunId, Uri
from tunesmith.contracts.jobs import Role
from tunesmith.contracts.models import ModelReference
from tunesmith.contracts.recipes import EvaluateRecipe, Metric


class ItemRecord(Contract):
    """One item of the suite, answered by one model: a line of `records.jsonl`."""

    item_id: ItemId
    prompt: str
    reference: str
    prediction: str
    scores: dict[Metric, float]
    nll: float = Field(description="negative log-likelihood of the reference, natural log, summed over its tokens")
    reference_tokens: int


class ModelScores(Contract):
    """`scores.json` of one model on one suite, written last."""

    model_digest: Digest = Field(description="of the adapter, or of the base where there is none")
    suite_digest: Digest
    settings: EvaluateRecipe
    items: int
    scores: dict[Metric, float]
    records_uri: Uri
    records_digest: Digest
    seconds: float


class Contestant(Contract):
    role: Role
    model_digest: Digest
    scores: dict[Metric, float]
    records_uri: Uri


class EvaluationReport(Contract):
    """`report.json`: who was compared, on what, and how they did. What the gate reads."""

    run_id: RunId
    suite_uri: Uri
    suite_digest: Digest
    items: int
    settings: EvaluateRecipe
    base: ModelReference
    candidate: ModelReference
    contestants: list[Contestant]
    per_item: dict[Role, dict[Metric, list[float]]] = Field(
        description="aligned by item: the input of the paired bootstrap"
    )
    item_ids: list[ItemId]


class Comparison(Contract):
    """Candidate minus opponent, paired by item."""

    opponent: Role
    metric: Metric
    candidate_mean: float
    opponent_mean: float
    difference: float
    low: float = Field(description="lower end of the paired bootstrap interval")
    high: float
    items: int
    minimum_detectable_effect: float = Field(description="difference that this many items would show 4 times in 5")


class Verdict(Contract):
    """What the gate says. Anything missing is a no."""

    approved: bool
    reasons: list[str] = Field(min_length=1)
    comparisons: list[Comparison]
    report_uri: Uri
    candidate: ModelReference | None
