"""The profile of a dataset version, from its Parquet files in one pass.

Memory is bounded by one read of `BATCH_ROWS` rows, the sample, and the number of distinct labels and sources. The
sample is the rows whose hashed item ids are smallest: the same rows whatever files they lie in.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from tunesmith.contracts.datasets import Split
from tunesmith.contracts.preparation import ReportRecipe
from tunesmith.contracts.profiles import DatasetProfile, Distribution, Example, ExampleTurn

BATCH_ROWS = 1_024
PERCENTILES = (5, 25, 50, 75, 95, 99)
LENGTHS = [0.0, *(float(2**power) for power in range(31))]
SHARES = [step / 20 for step in range(21)]
EDGES = {"characters": LENGTHS, "words": LENGTHS, "turns": LENGTHS, "quality": SHARES, "toxicity": SHARES}
COUNTED = ("language", "label", "label_origin", "source")
TURNS = ("messages", "chosen", "rejected")

Row = dict[str, Any]


@dataclass
class Sample:
    """The rows of the `size` smallest hashes."""

    size: int
    _heap: list[tuple[int, int, Any]] = field(default_factory=list)
    _taken: int = 0

    def offer(self, hashed: int, item: Callable[[], Any]) -> None:
        """`item` is made only where it is taken."""
        self._taken += 1
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, (-hashed, self._taken, item()))
        elif self._heap and hashed < -self._heap[0][0]:
            heapq.heapreplace(self._heap, (-hashed, self._taken, item()))

    def items(self) -> list[Any]:
        return [item for _, _, item in sorted(self._heap, key=lambda entry: (-entry[0], entry[1]))]


def build_profile(
    parts: Mapping[Split, Sequence[Path]], recipe: ReportRecipe, redact: Callable[[str], str]
) -> DatasetProfile:
    """Profile the rows of all splits. Raises pyarrow's errors where a file is no Parquet."""
    rows: Counter[Split] = Counter()
    roles: Counter[str] = Counter()
    counted: dict[str, Counter[str]] = {column: Counter() for column in COUNTED}
    bins = {name: np.zeros(len(edges) - 1, np.int64) for name, edges in EDGES.items()}
    sample, examples = Sample(recipe.sample_rows), Sample(recipe.examples)
    for split, row in _rows(parts):
        rows[split] += 1
        turns = [turn for column in TURNS for turn in row.get(column) or []]
        roles.update(turn["role"] for turn in turns)
        for column in COUNTED:
            if row.get(column) is not None:
                counted[column][row[column]] += 1
        numbers = _numbers(row, turns)
        for name, value in numbers.items():
            last = len(EDGES[name]) - 2
            bins[name][min(max(int(np.searchsorted(EDGES[name], value, "right")) - 1, 0), last)] += 1
        hashed = int.from_bytes(blake2b(row["item_id"].encode(), digest_size=8).digest())
        sample.offer(hashed, lambda numbers=numbers: numbers)  # type: ignore[misc]
        examples.offer(hashed, lambda split=split, row=row, turns=turns: _example(split, row, turns, redact))  # type: ignore[misc]
    sampled = sample.items()
    return DatasetProfile(
        rows={split: rows[split] for split in Split},
        sampled_rows=len(sampled),
        **{name: _distribution(name, bins[name].tolist(), sampled) for name in EDGES},
        roles=dict(sorted(roles.items())),
        languages=dict(sorted(counted["language"].items())),
        labels=dict(sorted(counted["label"].items())),
        label_origins=dict(sorted(counted["label_origin"].items())),
        sources=dict(sorted(counted["source"].items())),
        examples=examples.items(),
    )


def _rows(parts: Mapping[Split, Sequence[Path]]) -> Iterator[tuple[Split, Row]]:
    wanted = {"item_id", *TURNS, *COUNTED, "quality", "toxicity"}
    for split in Split:
        for path in parts.get(split, ()):
            with pq.ParquetFile(path) as file:
                columns = [name for name in file.schema_arrow.names if name in wanted]
                for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                    for row in batch.to_pylist():
                        yield split, row


def _numbers(row: Row, turns: list[Row]) -> dict[str, float]:
    texts = [turn["content"] or "" for turn in turns]
    found = {
        "characters": float(sum(map(len, texts))),
        "words": float(sum(len(text.split()) for text in texts)),
        "turns": float(len(turns)),
    }
    signals = {name: row.get(name) for name in ("quality", "toxicity")}
    return found | {name: float(value) for name, value in signals.items() if value is not None and value == value}


def _distribution(name: str, counts: list[int], sampled: list[dict[str, float]]) -> Distribution | None:
    if not sum(counts):
        return None
    values = [numbers[name] for numbers in sampled if name in numbers]
    at = np.percentile(values, PERCENTILES).tolist() if values else []
    return Distribution(edges=EDGES[name], counts=counts, percentiles=dict(zip(PERCENTILES, at, strict=False)))


def _example(split: Split, row: Row, turns: list[Row], redact: Callable[[str], str]) -> Example:
    told = [ExampleTurn(role=turn["role"], content=redact(turn["content"] or "")) for turn in turns]
    return Example(item_id=row["item_id"], split=split, turns=told)
