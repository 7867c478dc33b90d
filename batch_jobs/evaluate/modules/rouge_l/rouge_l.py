"""ROUGE-L as a module of `evaluate`."""

import evaluate

from batch_jobs.evaluate.modules.description import answers_and_references
from batch_jobs.evaluate.scoring import mean_over_pairs, rouge_l


class RougeL(evaluate.Metric):
    def _info(self) -> evaluate.MetricInfo:
        return answers_and_references("Mean ROUGE-L F-measure by rouge-score.")

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        return {"rouge_l": mean_over_pairs(rouge_l, predictions, references)}
