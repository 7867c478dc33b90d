"""What a dataset version is held against: the frozen test split, and the evaluation sets that its recipe names."""

from dataclasses import dataclass

from batch_jobs.harness.main import JobContext
from batch_jobs.prepare.evaluations import EvaluationSets
from batch_jobs.prepare.frozen import Frozen
from tunesmith.contracts.jobs import PrepareParams


@dataclass(frozen=True, slots=True)
class Against:
    """What none of its training rows may teach."""

    frozen: Frozen
    sets: EvaluationSets

    @classmethod
    def fetch(cls, params: PrepareParams, context: JobContext) -> "Against":
        return cls(_frozen(params, context), EvaluationSets.fetch(params.recipe, context))


def _frozen(params: PrepareParams, context: JobContext) -> Frozen:
    """What the frozen suite asks, so that nothing here teaches the answers."""
    if params.suite_uri is None:
        return Frozen.nothing()
    return Frozen.read(
        context.storage.download(params.suite_uri, context.workdir / "suite.parquet", params.suite_digest)
    )
