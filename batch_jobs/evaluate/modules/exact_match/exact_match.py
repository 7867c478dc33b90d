"""Exact match as a module of `evaluate`."""

import evaluate

from batch_jobs.evaluate.modules.description import answers_and_references
from batch_jobs.evaluate.scoring import exact_match, mean_over_pairs


class ExactMatch(evaluate.Metric):
    def _info(self) -> evaluate.MetricInfo:
        return answers_and_references("Share of answers equal to their reference after normalisation as in SQuAD.")

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        return {"exact_match": mean_over_pairs(exact_match, predictions, references)}
