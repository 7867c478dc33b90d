"""What `tunesmith data check` and `convert` say of files: one JSON document on standard output."""

from pydantic import Field

from tunesmith.contracts.base import Contract, Uri
from tunesmith.contracts.datasets import DatasetKind, ProblemCode, RowCounts, RowFormat, Severity, SwapEstimate


class FoundProblem(Contract):
    """One problem of one row, or of a whole file, told so that a person can find and mend it."""

    file: Uri
    line: int = Field(ge=1, description="line of the file, or record of a table; of a whole file: 1")
    offset: int = Field(ge=0, description="byte offset of the row in the file, after decompression")
    code: ProblemCode
    field: str | None = Field(description="path of the field, as in messages[2].role")
    message: str
    hint: str
    severity: Severity


class CheckedFile(RowCounts):
    """One file: where its rows went, or why it could not be read at all."""

    file: Uri
    format: RowFormat | None = Field(description="what most of its first rows are; None: none is known")
    error: str | None = Field(default=None, description="why the file as a whole, or the rest of it, was refused")


class DatasetCheck(RowCounts):
    """All files together. Problems are listed up to a limit and counted without one."""

    files: list[CheckedFile]
    kind: DatasetKind | None = Field(description="None: no row is kept, or rows are of several kinds")
    error: str | None = Field(default=None, description="why the files together are no dataset")
    formats: dict[RowFormat, int] = Field(description="rows that are neither blank nor bad, by their format")
    errors: int = Field(ge=0, description="bad rows and refused files; more than none fails the check")
    warnings: int = Field(ge=0)
    problems_by_code: dict[ProblemCode, int]
    problems: list[FoundProblem]
    swaps: SwapEstimate | None = Field(default=None, description="of preferences only")
    output: Uri | None = Field(default=None, description="of a conversion: the file that was written")
