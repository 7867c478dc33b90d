"""What is said of each row beside its turns: the narrow columns of the Parquet files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.facts import RowFacts
from batch_jobs.prepare.signals.labels import ORIGINS, Labels
from tunesmith.contracts.errors import InvalidInput

LENGTHS = ("short", "medium", "long", "very_long")
LENGTH_BOUNDS = (500, 2_000, 8_000)
"""Characters from which a row is medium, long and very long."""


@dataclass(frozen=True, slots=True)
class RowColumns:
    """Of all rows of the dataset; `arrays` cuts out those of some."""

    facts: RowFacts
    sources: list[str]
    languages: list[str]
    measured: bool
    """Whether quality and toxicity were measured."""
    labels: Labels | None = None

    def arrays(self, rows: NDArray[np.int64]) -> dict[str, pa.Array]:
        facts, nothing = self.facts, pa.nulls(len(rows), pa.string())
        language = facts.language[rows].astype(np.int32)
        found: dict[str, pa.Array] = {
            "item_id": item_ids(facts.fingerprint[rows]),
            "source": named(facts.source[rows], self.sources),
            "language": named(language, self.languages) if self.languages else nothing,
            "quality": self._measure(facts.quality[rows]),
            "toxicity": self._measure(facts.toxicity[rows]),
            "label": nothing,
            "label_confidence": pa.nulls(len(rows), pa.float32()),
            "label_origin": nothing,
        }
        if self.labels:
            found |= _labelled(self.labels, rows)
        return found

    def groups(self, rows: NDArray[np.int64], by: str) -> tuple[NDArray[np.int32], list[str]]:
        """The group of each row, an index into the names; -1 where it is in none."""
        if by == "source":
            return self.facts.source[rows].astype(np.int32), self.sources
        if by == "language" and self.languages:
            return self.facts.language[rows].astype(np.int32), self.languages
        if by == "length":
            return np.digitize(self.facts.characters[rows], LENGTH_BOUNDS).astype(np.int32), list(LENGTHS)
        if by == "label" and self.labels:
            return self.labels.code[rows], self.labels.names
        raise InvalidInput(f"prepare.balance.by is {by}, but no {by} is known: see prepare.{by} in the recipe")

    def _measure(self, values: NDArray[np.float32]) -> pa.Array:
        return numbers(values, pa.float32()) if self.measured else pa.nulls(len(values), pa.float32())


def item_ids(fingerprints: NDArray[np.uint64]) -> pa.Array:
    """32 hexadecimal digits of each row's fingerprint: what the row is called from then on."""
    digits = np.empty(32 * len(fingerprints), np.uint8)
    _write_hex(np.ascontiguousarray(fingerprints), np.frombuffer(bytearray(b"0123456789abcdef"), np.uint8), digits)
    bounds = np.arange(len(fingerprints) + 1, dtype=np.int32) * 32
    return pa.StringArray.from_buffers(len(fingerprints), pa.py_buffer(bounds), pa.py_buffer(digits))


def numbers(values: NDArray[Any], kind: pa.DataType) -> pa.Array:
    """An Arrow array over the values, as they lie in memory. (`pa.array` of a NumPy array would import pandas.)"""
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def named(codes: NDArray[Any], names: Sequence[str]) -> pa.Array:
    """The name of each code; below 0 it is null."""
    places = numbers(codes.astype(np.int32), pa.int32())
    if len(codes) and codes.min() < 0:
        places = pc.if_else(pc.less(places, 0), None, places)
    return pa.array(list(names), pa.string()).take(places)


def _labelled(labels: Labels, rows: NDArray[np.int64]) -> dict[str, pa.Array]:
    missing = labels.code[rows] < 0
    confidence = pc.if_else(pa.array(missing.tolist()), None, numbers(labels.confidence[rows], pa.float32()))
    return {
        "label": named(labels.code[rows], labels.names),
        "label_confidence": confidence,
        "label_origin": named(labels.origin[rows].astype(np.int32), list(ORIGINS)),
    }


@compiled
def _write_hex(fingerprints, alphabet, digits):
    at = 0
    for row in range(len(fingerprints)):
        for half in range(2):
            value = fingerprints[row, half]
            for place in range(16):
                digits[at] = alphabet[(value >> np.uint64(60 - 4 * place)) & np.uint64(15)]
                at += 1
