"""Logger and metrics of a Lambda: structured lines with keys, and EMF."""

from collections.abc import Mapping
from functools import cache

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricResolution
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from tunesmith.contracts.metrics import NAMESPACE, Dimension, MetricName

logger = Logger()


@cache
def metrics() -> Metrics:
    """The process's metrics, in the platform's one namespace."""
    return Metrics(namespace=NAMESPACE)


UNITS = {MetricName.LATENCY: "Seconds"}


def measure(project: str, model: str, values: Mapping[MetricName, float]) -> None:
    """Write metrics of one model. Alarms ask for exactly these dimensions, so Powertools must add none of its own
    (`service`). One-second resolution costs nothing more, and alarms of a demo have periods of ten seconds."""
    emf = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, service="")
    emf.add_dimension(Dimension.PROJECT, project)
    emf.add_dimension(Dimension.MODEL, model)
    for name, value in values.items():
        emf.add_metric(name, UNITS.get(name, "Count"), value, MetricResolution.High)
    emf.flush_metrics()
