"""What the page is made from: the records of a loop, as they lie in the buckets and tables."""

from pydantic import Field

from tunesmith.contracts.base import Contract, ItemId, Name, Timestamp
from tunesmith.contracts.datasets import DatasetManifest, Problem
from tunesmith.contracts.evaluations import EvaluationReport, Verdict
from tunesmith.contracts.models import AdapterManifest, BaseModelManifest
from tunesmith.contracts.runs import Run


class RunStory(Contract):
    """A run and what it left behind; a run that stopped early left less."""

    label: str = Field(description="what the page calls its model, as in 'tuned'")
    run: Run
    seconds: float
    dataset: DatasetManifest | None = None
    problems: list[Problem] = Field(default=[], description="of its dataset, with line and hint")
    adapter: AdapterManifest | None = None
    evaluation: EvaluationReport | None = None
    verdict: Verdict | None = None


class Answer(Contract):
    """What one model said, and how far that is from the reference by the metric that the page goes by."""

    label: str
    text: str
    score: float


class Example(Contract):
    """An item of the frozen suite with everybody's answer."""

    item_id: ItemId
    prompt: str
    reference: str
    answers: list[Answer]


class Moment(Contract):
    """Something that happened: an upload, an alarm, a promotion."""

    at: Timestamp
    title: str
    detail: str = ""


class Story(Contract):
    """Everything on the page."""

    title: str
    project: Name
    base: BaseModelManifest
    runs: list[RunStory] = Field(min_length=1, description="in order of time")
    examples: list[Example] = []
    timeline: list[Moment] = []
    made_at: Timestamp
