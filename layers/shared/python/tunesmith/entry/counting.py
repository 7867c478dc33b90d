"""Counters of things that should be rare, or should be seen: one EMF line per count."""

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from tunesmith.contracts.metrics import NAMESPACE, MetricName


def count(name: MetricName, value: int = 1) -> None:
    """Written at once, so that a crash right after loses nothing. The platform's own counters have no dimensions, so
    Powertools must add none (`service`): an alarm finds a metric only under exactly the dimensions it asks for."""
    emf = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, service="")
    emf.add_metric(name, MetricUnit.Count, value)
    emf.flush_metrics()
