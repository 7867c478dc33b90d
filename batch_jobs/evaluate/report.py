"""The report: every contestant's scores, aligned by item. What the gate reads."""

from collections.abc import Mapping

from batch_jobs.evaluate.score_cache import Evaluation
from tunesmith.contracts.errors import IntegrityError
from tunesmith.contracts.evaluations import Contestant, EvaluationReport, ItemRecord
from tunesmith.contracts.jobs import EvaluateParams, Role
from tunesmith.contracts.models import ModelReference
from tunesmith.contracts.recipes import Metric


def build_report(
    params: EvaluateParams, candidate: ModelReference, evaluations: Mapping[Role, Evaluation]
) -> EvaluationReport:
    item_ids = common_items(evaluations)
    return EvaluationReport(
        run_id=params.run_id,
        suite_uri=params.suite_uri,
        suite_digest=params.suite_digest,
        items=len(item_ids),
        settings=params.recipe,
        base=params.base,
        candidate=candidate,
        contestants=[_contestant(role, evaluation) for role, evaluation in evaluations.items()],
        per_item={role: by_metric(evaluation.records) for role, evaluation in evaluations.items()},
        item_ids=item_ids,
    )


def common_items(evaluations: Mapping[Role, Evaluation]) -> list[str]:
    """The items that all answered, in one order. Raises IntegrityError where they differ: nothing could be paired."""
    answered = {role: [record.item_id for record in evaluation.records] for role, evaluation in evaluations.items()}
    first, *others = answered.items()
    for role, items in others:
        if items != first[1]:
            raise IntegrityError(
                f"{role} and {first[0]} answered different items ({len(items)} and {len(first[1])}); "
                "expected the same ones in the same order: remove their cached scores and evaluate again"
            )
    return first[1]


def by_metric(records: list[ItemRecord]) -> dict[Metric, list[float]]:
    return {metric: [record.scores[metric] for record in records] for metric in Metric}


def _contestant(role: Role, evaluation: Evaluation) -> Contestant:
    return Contestant(
        role=role,
        model_digest=evaluation.scores.model_digest,
        scores=evaluation.scores.scores,
        records_uri=evaluation.scores.records_uri,
    )
