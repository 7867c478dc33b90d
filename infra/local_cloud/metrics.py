"""Recent samples of every metric, by exact name and dimensions: what alarms are evaluated on.

moto keeps all metric data in one list; looking through it for each alarm each second would take the whole machine.
"""

import math
import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend, cloudwatch_backends

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.patching import replace

KEPT_SAMPLES = 20_000


@dataclass(frozen=True)
class MetricKey:
    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Sample:
    """One value, or the statistics of several."""

    time: float
    minimum: float
    maximum: float
    sum: float
    count: float
    unit: str = "None"


def statistic(name: str, samples: Sequence[Sample]) -> float:
    """Of at least one sample. Percentiles count each sample once, by its mean."""
    total, count = sum(sample.sum for sample in samples), sum(sample.count for sample in samples)
    simple = {
        "Sum": total,
        "SampleCount": count,
        "Average": total / count if count else 0.0,
        "Minimum": min(sample.minimum for sample in samples),
        "Maximum": max(sample.maximum for sample in samples),
    }
    return simple[name] if name in simple else _percentile(name, [s.sum / s.count for s in samples if s.count])


def _percentile(name: str, values: list[float]) -> float:
    if not name.startswith("p"):
        raise ValueError(f"{name} is no statistic of the local cloud: use Sum, Average, Minimum, Maximum or p0 to p100")
    ordered, rank = sorted(values), float(name[1:]) / 100 * (len(values) - 1)
    low, high = math.floor(rank), math.ceil(rank)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


class MetricStore:
    """Thread-safe; keeps the latest samples of each metric."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series: dict[MetricKey, deque[Sample]] = defaultdict(lambda: deque(maxlen=KEPT_SAMPLES))

    def add(self, key: MetricKey, sample: Sample) -> None:
        with self._lock:
            self._series[key].append(sample)

    def between(self, key: MetricKey, start: float, end: float, unit: str | None = None) -> list[Sample]:
        with self._lock:
            series = list(self._series.get(key, ()))
        return [sample for sample in series if start <= sample.time < end and unit in (None, sample.unit)]

    def clear(self) -> None:
        with self._lock:
            self._series.clear()


def put(cloud: Cloud, namespace: str, data: list[dict[str, Any]]) -> None:
    """PutMetricData, from inside."""
    backend: CloudWatchBackend = cloudwatch_backends[cloud.account][cloud.region]
    backend.put_metric_data(namespace, data)


def samples_of(datum: Mapping[str, Any], now: float) -> Iterable[Sample]:
    """Of one MetricDatum of PutMetricData."""
    time, unit = _seconds(datum.get("Timestamp"), now), datum.get("Unit") or "None"
    if datum.get("StatisticValues"):
        given = {name: float(value) for name, value in datum["StatisticValues"].items()}
        yield Sample(time, given["Minimum"], given["Maximum"], given["Sum"], given["SampleCount"], unit)
        return
    values = [float(value) for value in datum.get("Values") or [datum.get("Value") or 0]]
    counts = [float(count) for count in datum.get("Counts") or [1] * len(values)]
    for value, count in zip(values, counts, strict=True):
        yield Sample(time, value, value, value * count, count, unit)


def _seconds(moment: datetime | None, now: float) -> float:
    if moment is None:
        return now
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def install(cloud: Cloud) -> MetricStore:
    """Copy what is put into a store of this cloud."""
    store = MetricStore()

    def put_metric_data(backend: CloudWatchBackend, namespace: str, metric_data: list[dict[str, Any]]) -> None:
        original(backend, namespace, metric_data)
        now = datetime.now(UTC).timestamp()
        for datum in metric_data:
            dimensions = frozenset((d["Name"], d["Value"]) for d in datum.get("Dimensions") or ())
            for sample in samples_of(datum, now):
                store.add(MetricKey(namespace, datum["MetricName"], dimensions), sample)

    original = replace(cloud, CloudWatchBackend, "put_metric_data", put_metric_data)
    return store
