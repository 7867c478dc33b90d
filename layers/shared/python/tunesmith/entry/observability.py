"""Logger and metrics of a Lambda: structured lines with keys, and EMF."""

from functools import cache

from aws_lambda_powertools import Logger, Metrics

from tunesmith.contracts.metrics import NAMESPACE

logger = Logger()


@cache
def metrics() -> Metrics:
    """The process's metrics, in the platform's one namespace."""
    return Metrics(namespace=NAMESPACE)
