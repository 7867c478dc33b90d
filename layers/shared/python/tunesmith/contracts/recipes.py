"""A recipe: everything a person may choose about a run, with the defaults that ship.

Written as YAML in `projects/<project>/recipe.yaml`; a missing key takes the default, an unknown key is an error.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tunesmith.contracts.base import Contract, Name
from tunesmith.contracts.machines import MOST_MEMORY_GIB, MOST_VCPUS
from tunesmith.contracts.nodes import MOST_NODES
from tunesmith.contracts.preparation import (
    BalanceRecipe,
    DecontaminateRecipe,
    DeduplicateRecipe,
    LabelRecipe,
    LanguageRecipe,
    NormaliseRecipe,
    QualityRecipe,
    ReadRecipe,
    RedactRecipe,
    ReportRecipe,
)


class OnUpload(StrEnum):
    TRAIN = "train"
    PREPARE = "prepare"
    NOTHING = "nothing"


class Engine(StrEnum):
    BATCH = "batch"
    SAGEMAKER = "sagemaker"


class Approval(StrEnum):
    AUTO = "auto"
    MANUAL = "manual"


class Metric(StrEnum):
    """Scores of one generated answer against its reference. All but perplexity: higher is better."""

    BLEU = "bleu"
    ROUGE_L = "rouge_l"
    CHRF = "chrf"
    EXACT_MATCH = "exact_match"
    TOKEN_F1 = "token_f1"
    PERPLEXITY = "perplexity"


NodeCount = Annotated[int, Field(ge=1, le=MOST_NODES)]


class PrepareRecipe(Contract):
    validation_fraction: float = Field(default=0.05, ge=0, lt=0.5)
    test_fraction: float = Field(default=0.1, gt=0, lt=0.5)
    min_rows: int = Field(default=10, ge=1, description="fewer kept rows stop the run")
    max_quarantined_fraction: float = Field(
        default=0.2, ge=0, le=1, description="a larger share of bad rows stops the run"
    )
    max_line_bytes: int = Field(default=4_000_000, ge=1_000)
    max_duplicate_fraction: float = Field(default=1.0, ge=0, le=1, description="a larger share of duplicates stops it")
    max_pii_fraction: float = Field(default=1.0, ge=0, le=1, description="a larger share of rows with PII stops it")
    group_by: str | None = Field(default=None, description="a key, as conversation_id: its rows stay in one split")
    seed: int = Field(default=0, ge=0, description="another seed makes other splits")
    nodes: NodeCount | Literal["auto"] = Field(
        default=1, description="machines that share the work; the bytes that come out are the same"
    )
    vcpus: int | None = Field(
        default=None, ge=1, le=MOST_VCPUS, description="of the one machine; None: what the size of the upload asks for"
    )
    memory_gib: int | None = Field(
        default=None, ge=2, le=MOST_MEMORY_GIB, description="of the one machine; None: as `vcpus`"
    )
    read: ReadRecipe = ReadRecipe()
    normalise: NormaliseRecipe = NormaliseRecipe()
    redact: RedactRecipe = RedactRecipe()
    language: LanguageRecipe = LanguageRecipe()
    quality: QualityRecipe = QualityRecipe()
    deduplicate: DeduplicateRecipe = DeduplicateRecipe()
    decontaminate: DecontaminateRecipe = DecontaminateRecipe()
    label: LabelRecipe = LabelRecipe()
    balance: BalanceRecipe = BalanceRecipe()
    report: ReportRecipe = ReportRecipe()

    @model_validator(mode="after")
    def sizes_one_machine_alone(self) -> "PrepareRecipe":
        if self.nodes != 1 and (self.vcpus or self.memory_gib):
            raise ValueError(f"vcpus and memory_gib are of one machine: leave them out, or nodes: {self.nodes}")
        return self

    @model_validator(mode="after")
    def leaves_rows_to_train_on(self) -> "PrepareRecipe":
        if self.validation_fraction + self.test_fraction >= 0.9:
            raise ValueError("validation_fraction + test_fraction must stay below 0.9: the rest is what trains")
        return self


class FinetuneRecipe(Contract):
    engine: Engine = Engine.BATCH
    gpus: int = Field(default=0, ge=0, le=8, description="0 trains on the CPU queue")
    method: Literal["lora"] = "lora"
    rank: int = Field(default=16, ge=1, le=256)
    alpha: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0, lt=1)
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1)
    epochs: int = Field(default=1, ge=1, le=50)
    max_rows: int | None = Field(default=None, ge=1, description="train on this many rows at most, chosen by hash")
    sequence_length: int = Field(default=512, ge=32, le=131_072)
    tokens_per_step: int = Field(default=2_048, ge=32, description="packed tokens of one optimizer step")
    checkpoint_every_steps: int = Field(default=10, ge=1)
    seed: int = 0


class EvaluateRecipe(Contract):
    max_items: int = Field(default=200, ge=2, description="items of the frozen test split, chosen by hash")
    max_new_tokens: int = Field(default=64, ge=1, le=4_096)
    batch_size: int = Field(default=16, ge=1)


class GateRecipe(Contract):
    metric: Metric = Metric.ROUGE_L
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    min_gain_over_base: float = Field(default=0.0, description="the interval's lower end must exceed this")
    max_loss_to_champion: float = Field(
        default=0.02, ge=0, description="the interval's lower end must exceed minus this"
    )
    resamples: int = Field(default=2_000, ge=200)
    min_items: int = Field(default=20, ge=2)


class ServeRecipe(Contract):
    instance_type: str = "ml.g5.xlarge"
    instance_count: int = Field(default=1, ge=1)
    max_new_tokens: int = Field(default=512, ge=1)


class MonitorRecipe(Contract):
    """The alarm on negative feedback that asks for a retraining."""

    period_seconds: Literal[10, 30, 60, 300, 900, 3600] = 300
    evaluation_periods: int = Field(default=1, ge=1)
    negative_feedback_threshold: float = Field(default=0.5, gt=0, le=1, description="share of negative feedback")
    capture: bool = Field(default=True, description="keep prompts and answers of served requests")


class RetrainRecipe(Contract):
    cooldown_seconds: int = Field(default=86_400, ge=0)
    min_new_rows: int = Field(default=20, ge=0, description="reviewed feedback rows since the last run")
    max_runs_per_month: int = Field(default=10, ge=0)


class BudgetRecipe(Contract):
    max_run_usd: float = Field(default=50.0, ge=0)


class Recipe(Contract):
    base_model: Name = "smollm2-135m-instruct"
    model: Name | None = Field(default=None, description="the model's name; default: the project's")
    on_upload: OnUpload = OnUpload.TRAIN
    approval: Approval = Approval.AUTO
    prepare: PrepareRecipe = PrepareRecipe()
    finetune: FinetuneRecipe = FinetuneRecipe()
    evaluate: EvaluateRecipe = EvaluateRecipe()
    gate: GateRecipe = GateRecipe()
    serve: ServeRecipe = ServeRecipe()
    monitor: MonitorRecipe = MonitorRecipe()
    retrain: RetrainRecipe = RetrainRecipe()
    budget: BudgetRecipe = BudgetRecipe()
