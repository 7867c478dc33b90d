"""Counters of things that should be rare, or should be seen: one EMF line per count."""

from aws_lambda_powertools.metrics import MetricUnit

from tunesmith.contracts.metrics import MetricName
from tunesmith.entry.observability import metrics


def count(name: MetricName, value: int = 1) -> None:
    """Written at once, so that a crash right after loses nothing."""
    metrics().add_metric(name=name, unit=MetricUnit.Count, value=value)
    metrics().flush_metrics()
