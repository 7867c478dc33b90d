"""Log lines in CloudWatch's embedded metric format become metrics."""

import json
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from infra.local_cloud import metrics
from infra.local_cloud.cloud import Cloud

logger = logging.getLogger(__name__)

DATA_PER_CALL = 1000


def data_of(record: Mapping[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Namespace and metric data of a record; raises KeyError, TypeError or ValueError if it is not in the format."""
    moment = datetime.fromtimestamp(record["_aws"]["Timestamp"] / 1000, UTC)
    for directive in record["_aws"]["CloudWatchMetrics"]:
        data = [
            _datum(metric, record, dimensions, moment)
            for dimensions in directive.get("Dimensions") or [[]]
            for metric in directive["Metrics"]
            if metric["Name"] in record and all(name in record for name in dimensions)
        ]
        yield directive["Namespace"], data


def _datum(
    metric: Mapping[str, Any], record: Mapping[str, Any], dimensions: list[str], moment: datetime
) -> dict[str, Any]:
    value = record[metric["Name"]]
    return {
        "MetricName": metric["Name"],
        "Values": [float(one) for one in (value if isinstance(value, list) else [value])],
        "Unit": metric.get("Unit", "None"),
        "Dimensions": [{"Name": name, "Value": str(record[name])} for name in dimensions],
        "StorageResolution": metric.get("StorageResolution", 60),
        "Timestamp": moment,
    }


def install(cloud: Cloud) -> None:
    def listen(group: str, stream: str, line: str) -> None:
        if '"_aws"' not in line:
            return
        try:
            for namespace, data in data_of(_record(line)):
                if data:
                    metrics.put(cloud, namespace, data[:DATA_PER_CALL])
        except (KeyError, TypeError, ValueError) as error:
            logger.warning("%s %s: no embedded metrics (%r): %.200s", group, stream, error, line)

    cloud.log_listeners.append(listen)


def _record(line: str) -> dict[str, Any]:
    record = json.loads(line[line.index("{") :])
    if not isinstance(record, dict):
        raise ValueError("it is no object")
    return record
