"""Token F1 as a module of `evaluate`."""

import evaluate

from batch_jobs.evaluate.modules.description import answers_and_references
from batch_jobs.evaluate.scoring import mean_over_pairs, token_f1


class TokenF1(evaluate.Metric):
    def _info(self) -> evaluate.MetricInfo:
        return answers_and_references("Mean F1 over the bag of words, normalised as in SQuAD.")

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        return {"token_f1": mean_over_pairs(token_f1, predictions, references)}
