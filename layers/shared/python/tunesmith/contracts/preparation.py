"""The steps of `prepare` that a recipe may choose: one section each, in the order in which rows meet them."""

from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from tunesmith.contracts.base import Contract
from tunesmith.contracts.datasets import RowFormat


class MixedFormats(StrEnum):
    """What becomes of rows whose format is not the file's."""

    REFUSE = "refuse"
    CONVERT = "convert"


class Documents(StrEnum):
    """What ends a document of a text file; a form feed always does."""

    LINE = "line"
    PARAGRAPH = "paragraph"
    PAGE = "page"


class ReadRecipe(Contract):
    """How files become rows."""

    format: RowFormat | None = Field(default=None, description="None: what most of the first rows are")
    mixed_formats: MixedFormats = MixedFormats.REFUSE
    columns: dict[str, str] = Field(
        default={}, description="your column -> the format's key, as in {question: prompt, answer: completion}"
    )
    keep_columns: list[str] = Field(default=[], description="further keys of a row that stay with it")
    documents: Documents | None = Field(
        default=None,
        description="text: a document is a line, ends at a blank line, or at a form feed; None: .txt at blank lines",
    )
    max_file_bytes: int = Field(default=20_000_000_000, ge=1_000, description="as stored; checked before the download")
    max_inflated_bytes: int = Field(default=100_000_000_000, ge=1_000, description="of a compressed file, in all")
    max_inflation: int = Field(default=200, ge=2, description="a file that grows more when it is inflated is refused")


class Invisible(StrEnum):
    """What becomes of characters that nobody sees: zero-width, bidirectional controls, tags."""

    REMOVE = "remove"
    REFUSE = "refuse"
    KEEP = "keep"


class NormaliseRecipe(Contract):
    """Text that looks the same becomes the same."""

    unicode: Literal["nfc", "nfkc", "none"] = "nfc"
    line_breaks: bool = Field(default=True, description="CRLF and CR become LF")
    mojibake: bool = Field(default=False, description="mend text that was decoded with the wrong charset (ftfy)")
    invisible: Invisible = Invisible.REFUSE
    special_tokens: Literal["refuse", "escape"] = Field(
        default="refuse", description="text that spells a chat marker; escaped, it is only letters to the model"
    )


class PiiType(StrEnum):
    """What may be found in a text and must not be learnt."""

    EMAIL = "email"
    PHONE = "phone"
    CREDIT_CARD = "credit_card"
    IBAN = "iban"
    US_SSN = "us_ssn"
    NATIONAL_ID = "national_id"
    IP_ADDRESS = "ip_address"
    MAC_ADDRESS = "mac_address"
    CRYPTO_ADDRESS = "crypto_address"
    SECRET = "secret"
    URL_CREDENTIALS = "url_credentials"
    PERSON = "person"
    ADDRESS = "address"


STRUCTURED_PII = tuple(kind for kind in PiiType if kind not in (PiiType.PERSON, PiiType.ADDRESS))
"""What has a form that can be checked. Names and addresses are guessed from context: ask for them."""


SECRETS_PREFIX = "tunesmith/"
"""Of the names of secrets that jobs may read."""


class RedactStyle(StrEnum):
    PLACEHOLDER = "placeholder"
    """`<EMAIL_1>`: the same value has the same number within a row."""
    PSEUDONYM = "pseudonym"
    """`<EMAIL_9f2c41ab>`: the same value has the same tag in the whole dataset, by a keyed hash."""


class RedactRecipe(Contract):
    """Personal data and secrets, replaced before anything is written."""

    types: list[PiiType] = Field(default=list(STRUCTURED_PII), description="[] turns redaction off")
    style: RedactStyle = RedactStyle.PLACEHOLDER
    key_secret: str | None = Field(
        default=None, description="pseudonym: name of the Secrets Manager secret with the key"
    )

    @model_validator(mode="after")
    def has_a_key(self) -> "RedactRecipe":
        if self.style is RedactStyle.PSEUDONYM and not self.key_secret:
            raise ValueError("style: pseudonym needs key_secret: without a key anyone could try names and compare")
        if self.key_secret and not self.key_secret.startswith(SECRETS_PREFIX):
            raise ValueError(f"key_secret must begin with {SECRETS_PREFIX}: jobs may read no other secrets")
        return self


class LanguageRecipe(Contract):
    detect: bool = True
    keep: list[str] = Field(default=[], description="ISO 639-1 codes; []: all languages stay")
    min_confidence: float = Field(default=0.5, ge=0, le=1, description="a row of less is of unknown language and stays")


class QualityRecipe(Contract):
    """Rows are dropped only by the limits given here."""

    measure: bool = Field(default=True, description="measure quality and toxicity of each row")

    min_words: int = Field(default=0, ge=0, description="of all turns together")
    max_words: int | None = Field(default=None, ge=1)
    max_symbol_fraction: float = Field(default=1.0, ge=0, le=1, description="neither letters, digits nor spaces")
    max_repetition: float = Field(default=1.0, ge=0, le=1, description="share of words inside repeated 5-word runs")
    max_toxicity: float = Field(default=1.0, ge=0, le=1)


class DeduplicateRecipe(Contract):
    exact: bool = True
    near: bool = True
    threshold: float = Field(default=0.85, gt=0, le=1, description="shared share of word 5-grams (Jaccard)")
    keep: Literal["best", "first"] = "best"


class DecontaminateRecipe(Contract):
    """Rows that the frozen test split, or other evaluation sets, must not meet in training."""

    near: bool = Field(default=True, description="also near duplicates of the frozen test split's items")
    against: list[str] = Field(default=[], description="URIs of further evaluation sets (JSONL or Parquet)")
    ngram: int = Field(default=13, ge=3, le=50, description="a shared run of this many words is contamination")


class BalanceRecipe(Contract):
    by: Literal["source", "label", "language", "length"] | None = None
    max_ratio: float = Field(default=4.0, ge=1, description="largest group to smallest; what is more is dropped")
    weights: dict[str, float] = Field(default={}, description="share of each group; groups not named have the rest")


class LabelOrigin(StrEnum):
    """Who says so."""

    COLUMN = "column"
    RULE = "rule"
    CLASSIFIER = "classifier"
    LLM = "llm"
    PERSON = "person"


class RuleLabel(Contract):
    """A label for the rows in which a pattern is found."""

    label: str = Field(min_length=1, max_length=64)
    pattern: str = Field(min_length=1, description="a regular expression (RE2 syntax)")
    role: Literal["system", "user", "assistant", "any"] = "any"


class LabelRecipe(Contract):
    rules: list[RuleLabel] = []
    column: str | None = Field(default=None, description="a key of the row that holds its label")
    classifier: bool = Field(default=False, description="learn from the labelled rows and label the others")
    min_confidence: float = Field(default=0.7, ge=0, le=1)


class ReportRecipe(Contract):
    make: bool = Field(default=True, description="profile, page and card of the dataset version")
    sample_rows: int = Field(default=20_000, ge=100, description="rows that are looked at for topics and tokens")
    examples: int = Field(default=12, ge=0, le=200, description="redacted rows shown in the report")
    tokenizer: bool = Field(default=True, description="count tokens with the base model's tokenizer")
