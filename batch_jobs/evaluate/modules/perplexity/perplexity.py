"""Perplexity as a module of `evaluate`."""

import datasets
import evaluate

from batch_jobs.evaluate.scoring import perplexity


class Perplexity(evaluate.Metric):
    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="exp(total negative log-likelihood / total tokens) of the references.",
            citation="",
            inputs_description="nlls: negative log-likelihood of each reference; tokens: how many tokens each has.",
            features=datasets.Features({"nlls": datasets.Value("float64"), "tokens": datasets.Value("int64")}),
        )

    def _compute(self, nlls: list[float], tokens: list[int]) -> dict[str, float]:
        return {"perplexity": perplexity(sum(nlls), sum(tokens))}
