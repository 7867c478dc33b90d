"""What a training would learn from rows: said by the base's own tokenizer and chat template before anything is paid."""

from enum import StrEnum

from pydantic import Field

from tunesmith.contracts.base import Contract
from tunesmith.contracts.datasets import Severity


class PreflightCode(StrEnum):
    """What can be wrong between rows, template and recipe. People search for these: they never change."""

    NO_ROWS = "NO_ROWS"
    KIND_NOT_TRAINED = "KIND_NOT_TRAINED"
    NO_TRAINED_TOKEN = "NO_TRAINED_TOKEN"
    TEMPLATE_REFUSES = "TEMPLATE_REFUSES"
    END_TOKEN_NOT_TRAINED = "END_TOKEN_NOT_TRAINED"
    END_TOKEN_DOES_NOT_STOP = "END_TOKEN_DOES_NOT_STOP"
    TURN_NEVER_TRAINED = "TURN_NEVER_TRAINED"
    ROW_TOO_LONG = "ROW_TOO_LONG"
    ANSWER_CUT = "ANSWER_CUT"
    SEQUENCE_BEYOND_CONTEXT = "SEQUENCE_BEYOND_CONTEXT"
    SYSTEM_IGNORED = "SYSTEM_IGNORED"
    NAME_IGNORED = "NAME_IGNORED"
    TOOLS_IGNORED = "TOOLS_IGNORED"
    DEFAULT_SYSTEM_PROMPT = "DEFAULT_SYSTEM_PROMPT"
    PROMPT_DIFFERS_IN_SERVING = "PROMPT_DIFFERS_IN_SERVING"
    BOS_TWICE = "BOS_TWICE"
    PAD_IS_EOS = "PAD_IS_EOS"


class PreflightFinding(Contract):
    """One kind of trouble, in how many rows, and the first places."""

    code: PreflightCode
    severity: Severity
    rows: int = Field(ge=0, description="0: it is about the base or the recipe, not about rows")
    message: str
    hint: str
    places: list[str] = Field(default=[], description="of the first rows, as in rows.jsonl:3")


class TokenCounts(Contract):
    """Tokens of the rows that were looked at."""

    total: int = 0
    trained: int = Field(default=0, description="tokens that the loss counts")
    percentiles: dict[str, int] = Field(default={}, description="p5, p50, p95, p99, max: tokens of one row")
    histogram: list[tuple[int, int]] = Field(default=[], description="(longest, rows): rows of at most so many tokens")

    @property
    def trained_share(self) -> float:
        return self.trained / self.total if self.total else 0.0


class TrainingForecast(Contract):
    """What the training itself will take, by the same sizes and prices as the plan of a run."""

    tokens_per_epoch: int
    steps: int
    seconds: float
    usd: float
    machine: str


class LabelledRow(Contract):
    """A row as the model sees it: token by token, and what is learnt."""

    place: str
    ids: list[int]
    tokens: list[str] = Field(description="the text of each token; what lies inside a character is U+FFFD")
    mask: list[bool] = Field(description="true: learnt")


class Preflight(Contract):
    """The answer of `tunesmith data preflight`, and of the check inside a run."""

    base: str
    template_hash: str
    rows: int = Field(description="all rows")
    looked_at: int = Field(description="rows that were tokenised; the others are forecast from them")
    sequence_length: int
    context_length: int | None = Field(description="of the base; None: its configuration does not say")
    rows_too_long: int = Field(description="of those looked at: training leaves them out, whole")
    tokens: TokenCounts
    forecast: TrainingForecast | None = Field(description="None: nothing could be trained")
    findings: list[PreflightFinding]
    shown: list[LabelledRow] = []

    @property
    def errors(self) -> list[PreflightFinding]:
        return [finding for finding in self.findings if finding.severity is Severity.ERROR]
