"""chrF as a module of `evaluate`."""

import evaluate

from batch_jobs.evaluate.modules.description import answers_and_references
from batch_jobs.evaluate.scoring import corpus_chrf


class Chrf(evaluate.Metric):
    def _info(self) -> evaluate.MetricInfo:
        return answers_and_references("Corpus chrF2 by sacrebleu, between 0 and 1.")

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        return {"chrf": corpus_chrf(predictions, references)}
