"""The base of every contract, and the identifiers that contracts share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


class Contract(BaseModel):
    """A frozen, closed shape: an unknown or misspelt field is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""What a person calls a project, a dataset, a model or a base model: ASCII, so that two names never look alike."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 in hexadecimal."""

ItemId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}([0-9a-f]{32})?$")]
"""What a row of a dataset is known by: the 128-bit hash of its content, or a SHA-256, in hexadecimal."""

RunId = Annotated[str, StringConstraints(pattern=r"^run-[0-9a-f]{32}$")]
"""A run's identity, and the name of its Step Functions execution."""

Uri = Annotated[str, StringConstraints(min_length=1)]
"""`s3://bucket/key` in AWS, a plain path on a laptop."""

Timestamp = Annotated[str, Field(description="UTC, ISO 8601 with a trailing Z, as in 2026-11-24T05:45:02.123Z")]
