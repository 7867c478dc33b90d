"""What a module of `evaluate` says of itself."""

import datasets
import evaluate


def answers_and_references(description: str) -> evaluate.MetricInfo:
    """A metric of generated answers, each with one reference."""
    return evaluate.MetricInfo(
        description=description,
        citation="",
        inputs_description="predictions: generated answers; references: one expected answer for each.",
        features=datasets.Features({name: datasets.Value("string") for name in ("predictions", "references")}),
    )
