"""Datasets: what was uploaded, what was kept of it, and what was not and why."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from tunesmith.contracts.base import Contract, Digest, Name, Timestamp, Uri
from tunesmith.contracts.identity import digest


class SourceKind(StrEnum):
    UPLOAD = "upload"
    FEEDBACK = "feedback"


class Source(Contract):
    """One object version that a dataset version is made of."""

    kind: SourceKind
    source_id: Digest
    uri: Uri
    version_id: str = Field(min_length=1, description="S3 versionId, pinned at acceptance")
    sha256: Digest | None = Field(default=None, description="to be held against the bytes; None: nothing was claimed")
    size: int | None = Field(default=None, ge=0, description="bytes as stored; None: nobody looked")


class Upload(Contract):
    """An object version that was accepted, exactly once."""

    upload_id: Digest
    project: Name
    dataset: Name
    bucket: str
    key: str
    version_id: str
    sequencer: str = Field(description="orders versions of one key after right-padding with zeros; never a clock")
    size: int
    recipe_version_id: str | None = Field(description="versionId of the project's recipe; None: the shipped default")
    dataset_version: Digest
    run_id: str | None = Field(description="None where the recipe says on_upload: nothing")
    accepted_at: Timestamp


class DatasetVersion(Contract):
    """What a dataset version is made of, fixed when it is accepted; `prepare` makes its files later."""

    project: Name
    dataset: Name
    version: Digest
    sources: list[Source] = Field(min_length=1)
    recipe_version_id: str | None = Field(description="versionId of the project's recipe; None: not from that file")
    created_at: Timestamp


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class RowFormat(StrEnum):
    """How a row is written; each is converted to the canonical row of its kind."""

    CHAT = "chat"
    PROMPT_COMPLETION = "prompt_completion"
    ALPACA = "alpaca"
    SHAREGPT = "sharegpt"
    OPENAI_PREFERENCE = "openai_preference"
    PREFERENCE = "preference"
    IMPLICIT_PREFERENCE = "implicit_preference"
    UNPAIRED_PREFERENCE = "unpaired_preference"
    PROMPT_ONLY = "prompt_only"
    TEXT = "text"


class DatasetKind(StrEnum):
    """What a dataset can train, in TRL's words. All rows of a dataset are of one kind."""

    CHAT = "chat"
    PREFERENCE = "preference"
    UNPAIRED_PREFERENCE = "unpaired_preference"
    PROMPT_ONLY = "prompt_only"
    TEXT = "language_modeling"


KIND_OF = {
    RowFormat.CHAT: DatasetKind.CHAT,
    RowFormat.PROMPT_COMPLETION: DatasetKind.CHAT,
    RowFormat.ALPACA: DatasetKind.CHAT,
    RowFormat.SHAREGPT: DatasetKind.CHAT,
    RowFormat.OPENAI_PREFERENCE: DatasetKind.PREFERENCE,
    RowFormat.PREFERENCE: DatasetKind.PREFERENCE,
    RowFormat.IMPLICIT_PREFERENCE: DatasetKind.PREFERENCE,
    RowFormat.UNPAIRED_PREFERENCE: DatasetKind.UNPAIRED_PREFERENCE,
    RowFormat.PROMPT_ONLY: DatasetKind.PROMPT_ONLY,
    RowFormat.TEXT: DatasetKind.TEXT,
}


class ProblemCode(StrEnum):
    """Why a row went to quarantine, or (TYPE_MISMATCH, UNREADABLE) a whole file was refused."""

    TYPE_MISMATCH = "TYPE_MISMATCH"
    UNREADABLE = "UNREADABLE"

    NOT_UTF8 = "NOT_UTF8"
    NOT_JSON = "NOT_JSON"
    NOT_AN_OBJECT = "NOT_AN_OBJECT"
    DUPLICATE_KEY = "DUPLICATE_KEY"
    NUMBER_RANGE = "NUMBER_RANGE"
    TOO_DEEP = "TOO_DEEP"
    LINE_TOO_LONG = "LINE_TOO_LONG"
    UNKNOWN_FORMAT = "UNKNOWN_FORMAT"
    MISSING_FIELD = "MISSING_FIELD"
    WRONG_TYPE = "WRONG_TYPE"
    UNSUPPORTED = "UNSUPPORTED"
    UNKNOWN_ROLE = "UNKNOWN_ROLE"
    NO_ASSISTANT_TURN = "NO_ASSISTANT_TURN"
    BLANK_CONTENT = "BLANK_CONTENT"
    BAD_CHARACTER = "BAD_CHARACTER"
    SPECIAL_TOKEN = "SPECIAL_TOKEN"
    MIXED_FORMAT = "MIXED_FORMAT"
    TOOL_MISMATCH = "TOOL_MISMATCH"
    EQUAL_PAIR = "EQUAL_PAIR"
    SWAPPED_PAIR = "SWAPPED_PAIR"
    RAGGED_ROW = "RAGGED_ROW"
    BAD_QUOTES = "BAD_QUOTES"


class Severity(StrEnum):
    """An error puts the row into quarantine; with a warning it stays."""

    ERROR = "error"
    WARNING = "warning"


class DropReason(StrEnum):
    """Why a valid row is not in the dataset."""

    BLANK_LINE = "blank_line"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    IN_FROZEN_TEST = "in_frozen_test"
    NEAR_FROZEN_TEST = "near_frozen_test"
    CONTAMINATED = "contaminated"
    NEAR_HELD_OUT = "near_held_out"
    OTHER_LANGUAGE = "other_language"
    LOW_QUALITY = "low_quality"
    TOXIC = "toxic"
    BALANCED_AWAY = "balanced_away"


class Problem(Contract):
    """One bad row, told so that a person can find and mend it."""

    source: Uri
    line: int = Field(ge=1)
    offset: int = Field(ge=0, description="byte offset of the line's first byte in the file")
    code: ProblemCode
    field: str | None = Field(description="path of the field, as in messages[2].role")
    message: str
    hint: str
    severity: Severity = Severity.ERROR


class RowCounts(Contract):
    """The conservation law of rows, checked wherever it is written down."""

    rows_in: int = Field(ge=0)
    kept: int = Field(ge=0)
    quarantined: int = Field(ge=0)
    dropped: dict[DropReason, int] = {}

    @model_validator(mode="after")
    def conserves_rows(self) -> "RowCounts":
        out = self.kept + self.quarantined + sum(self.dropped.values())
        if self.rows_in != out:
            raise ValueError(f"rows unaccounted: {self.rows_in} in, but kept + quarantined + dropped = {out}")
        return self


RowSum = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
"""The sum, modulo 2^64, of the 64-bit hashes of some rows as they came in; 16 hexadecimal digits."""


class RowSums(Contract):
    """The conservation law once more, on contents: what left is what came in, not only as many."""

    rows_in: RowSum
    kept: RowSum
    quarantined: RowSum
    dropped: dict[DropReason, RowSum] = {}

    @model_validator(mode="after")
    def conserves_rows(self) -> "RowSums":
        out = sum(int(value, 16) for value in (self.kept, self.quarantined, *self.dropped.values())) % 2**64
        if out != int(self.rows_in, 16):
            raise ValueError(f"rows are not those that came in: sum {self.rows_in} in, {out:016x} out")
        return self


class FileEntry(Contract):
    """A file of a content-addressed folder."""

    path: str
    bytes: int
    sha256: Digest


def folder_digest(files: list[FileEntry]) -> Digest:
    """The identity of a folder of files, whatever order they are listed in; its manifest is not one of them."""
    return digest([[entry.path, entry.sha256] for entry in sorted(files, key=lambda entry: entry.path)])


class SplitEntry(Contract):
    """The training split may lie in several parts, in order; a held-out split is one file."""

    rows: int
    files: list[FileEntry] = Field(min_length=1)


class SwapEstimate(Contract):
    """How many preference pairs were probably labelled the wrong way round."""

    repeated_pairs: int = Field(ge=0, description="pairs of which an earlier row has the same prompt and answers")
    contradicting_pairs: int = Field(ge=0, description="those among them that prefer the other answer")
    swap_rate: float | None = Field(description="estimated share of swapped labels; None: too few came twice")


class EvaluationSet(Contract):
    """A file whose words no training row may share, and what it held when the version was made."""

    uri: Uri
    sha256: Digest


class DatasetManifest(Contract):
    """`manifest.json` of a dataset version, written last: where it exists, the dataset is whole."""

    dataset_version: Digest
    project: Name
    dataset: Name
    sources: list[Source]
    kind: DatasetKind
    counts: RowCounts
    counts_by_source: dict[Uri, RowCounts]
    sums_by_source: dict[Uri, RowSums] = {}
    formats: dict[RowFormat, int]
    problems: dict[ProblemCode, int]
    warnings: dict[ProblemCode, int] = Field(default={}, description="of rows that stay; listed in warnings.jsonl")
    swaps: SwapEstimate | None = Field(default=None, description="of preferences")
    pii: dict[str, int] = Field(default={}, description="values that were found and redacted")
    splits: dict[Split, SplitEntry]
    quarantine: FileEntry
    documents: list[FileEntry] = Field(default=[], description="profile, page and card")
    content_digest: Digest = Field(description="over the digests of the splits")
    characters: int = Field(description="of the training split: what sizing goes by")
    suite_digest: Digest | None = Field(description="frozen test split that this version was decontaminated against")
    evaluations: list[EvaluationSet] = Field(default=[], description="sets of `decontaminate.against`, as they were")


class Suite(Contract):
    """The frozen test split of a dataset: pinned once, by the first version that has one."""

    project: Name
    dataset: Name
    uri: Uri
    digest: Digest
    rows: int
    dataset_version: Digest
