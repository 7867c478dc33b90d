"""`profile.json` of a dataset version: what its rows look like, in numbers and a few examples."""

from pydantic import Field

from tunesmith.contracts.base import Contract
from tunesmith.contracts.datasets import Split


class Distribution(Contract):
    """Of one number per row. The histogram counts all rows; percentiles are those of the sample."""

    edges: list[float] = Field(description="bin i holds edges[i] <= value < edges[i + 1]; the last bin its end too")
    counts: list[int]
    percentiles: dict[int, float] = Field(description="5, 25, 50, 75, 95, 99 -> value; empty where no row has one")


class ExampleTurn(Contract):
    role: str
    content: str


class Example(Contract):
    """A kept row, redacted for people to read."""

    item_id: str
    split: Split
    turns: list[ExampleTurn]


class DatasetProfile(Contract):
    """What the kept rows look like. A distribution is None, and a count empty, where no row has that column."""

    rows: dict[Split, int]
    sampled_rows: int = Field(ge=0, description="rows that percentiles and examples come from")
    characters: Distribution | None
    words: Distribution | None
    turns: Distribution | None
    quality: Distribution | None
    toxicity: Distribution | None
    roles: dict[str, int] = Field(description="turns by role")
    languages: dict[str, int]
    labels: dict[str, int]
    label_origins: dict[str, int]
    sources: dict[str, int]
    examples: list[Example]
