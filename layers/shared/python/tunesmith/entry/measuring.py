"""Measurements of one model, by project and model: one EMF line each time."""

from collections.abc import Mapping

from aws_lambda_powertools.metrics import MetricResolution, MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from tunesmith.contracts.metrics import NAMESPACE, Dimension, MetricName

UNITS = {MetricName.LATENCY: MetricUnit.Seconds}


def measure(project: str, model: str, values: Mapping[MetricName, float]) -> None:
    """Alarms ask for exactly these dimensions, so Powertools must add none of its own (`service`). One-second
    resolution costs nothing more, and a quality alarm's period may be as short as ten seconds."""
    emf = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, service="")
    emf.add_dimension(Dimension.PROJECT, project)
    emf.add_dimension(Dimension.MODEL, model)
    for name, value in values.items():
        emf.add_metric(name, UNITS.get(name, MetricUnit.Count), value, MetricResolution.High)
    emf.flush_metrics()
