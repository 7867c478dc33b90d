"""`profile.json` of a dataset version: what its rows look like, in numbers and a few examples."""

from enum import StrEnum

from pydantic import Field

from tunesmith.contracts.base import Contract
from tunesmith.contracts.datasets import Problem, ProblemCode, Split
from tunesmith.contracts.preflight import Preflight
from tunesmith.contracts.recipes import PrepareRecipe


class Distribution(Contract):
    """Of one number per row. The histogram counts all rows; percentiles are those of the sample."""

    edges: list[float] = Field(description="bin i holds edges[i] <= value < edges[i + 1]; the last bin its end too")
    counts: list[int]
    percentiles: dict[int, float] = Field(description="5, 25, 50, 75, 95, 99 -> value; empty where no row has one")


class ExampleTurn(Contract):
    role: str
    content: str
    part: str = Field(default="messages", description="messages, chosen or rejected")
    tool_calls: str | None = Field(default=None, description="JSON")


class Example(Contract):
    """A kept row, redacted for people to read."""

    item_id: str
    split: Split
    turns: list[ExampleTurn]
    language: str | None = None
    label: str | None = None


class ProfiledTopic(Contract):
    """Rows of the sample that are about one thing."""

    terms: list[str] = Field(description="words that its rows have and others do not; empty: nothing tells them apart")
    rows: int
    example: str = Field(description="the beginning of the row nearest to its middle, redacted")


class TopicMap(Contract):
    """Topics of the sample, the largest first, and where some of its rows lie."""

    topics: list[ProfiledTopic]
    points: list[tuple[float, float, int]] = Field(description="x and y, -1 to 1, and an index into `topics`")


class Step(StrEnum):
    """Steps that change texts."""

    NORMALISE = "normalise"
    REDACT = "redact"


class ChangeSample(Contract):
    """A text that a step changed. What was redacted is shown nowhere: then there is no text before."""

    step: Step
    source: str
    line: int
    before: str | None
    after: str


class NearDuplicates(Contract):
    """Groups of rows that are nearly the same, and some of their texts."""

    groups: dict[int, int] = Field(description="rows of a group -> groups of that size")
    examples: list[list[str]] = Field(description="of some groups the first texts, redacted")
    frozen: list[list[str]] = Field(
        default=[], description="a row of the frozen test split, and one that was dropped for it, redacted"
    )


class Leak(Contract):
    """A row that was not trained on, and what of it stands in an evaluation set."""

    source: str
    line: int
    against: str = Field(description="URI of the evaluation set")
    item: int = Field(description="line of the item in it: the first that shares a run with the row")
    words: int = Field(description="of the first run that both have, as long as it goes on")
    shared: str = Field(description="that run as it stands in the row, redacted")


class Leaks(Contract):
    """Rows that were dropped as contaminated, and the first of them with what they share."""

    rows: int
    pairs: list[Leak] = Field(description="in the order of files and lines")


class ProblemSummary(Contract):
    """One kind of problem: how often, and where first."""

    code: ProblemCode
    rows: int
    first: list[Problem]


class LabelConflict(Contract):
    """Rows that were said to be several things. Between rules they have no label; the column outvotes rules."""

    labels: list[str]
    between: str = Field(description="rules, or column and rules")
    rows: int


class ClassifierQuality(Contract):
    """How well the classifier knows rows that it has not seen."""

    rows: int
    accuracy: float
    recall: dict[str, float]
    calibration_error: float


class PoisonWarning(Contract):
    """Rows of the sample that may have been planted, for a person to look at."""

    kind: str = Field(description="flipped label, or trigger phrase")
    phrase: str | None
    label: str | None
    rows: int = Field(description="of the sample")
    items: list[str] = Field(description="item ids of the first")


class RunProfile(Contract):
    """What the run saw that the kept rows do not tell."""

    changed_rows: dict[Step, int] = Field(default={}, description="rows that each step changed")
    samples: list[ChangeSample] = []
    near_duplicates: NearDuplicates | None = Field(default=None, description="None: nothing was compared")
    leaks: Leaks | None = Field(default=None, description="None: the recipe names no evaluation set")
    problems: list[ProblemSummary] = []
    conflicts: list[LabelConflict] = []
    classifier: ClassifierQuality | None = None
    preflight: Preflight | None = Field(default=None, description="None: no base's tokenizer was asked")


class DatasetProfile(Contract):
    """What the kept rows look like. A distribution is None, and a count empty, where no row has that column."""

    rows: dict[Split, int]
    sampled_rows: int = Field(ge=0, description="rows that percentiles, topics and examples come from")
    characters: Distribution | None
    words: Distribution | None
    turns: Distribution | None
    quality: Distribution | None
    toxicity: Distribution | None
    roles: dict[str, int] = Field(description="turns by role")
    role_characters: dict[str, int] = Field(default={}, description="characters by role")
    trained_turns: int = Field(default=0, description="turns that may be learnt")
    languages: dict[str, int]
    labels: dict[str, int]
    label_origins: dict[str, int]
    sources: dict[str, int]
    topics: TopicMap | None = None
    poison: list[PoisonWarning] = []
    examples: list[Example]
    recipe: PrepareRecipe | None = Field(default=None, description="what the version was made by")
    run: RunProfile = RunProfile()
