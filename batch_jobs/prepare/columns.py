"""What is said of each row beside its turns: the narrow columns of the Parquet files."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.facts import RowFacts


@dataclass(frozen=True, slots=True)
class Labels:
    """Per row: a label, how sure, and who says so; code -1 is none."""

    names: list[str]
    code: NDArray[np.int32]
    confidence: NDArray[np.float32]
    origins: list[str]
    origin: NDArray[np.int8]


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
            "source": _named(facts.source[rows], self.sources),
            "language": _named(language, self.languages) if self.languages else nothing,
            "quality": self._measure(facts.quality[rows]),
            "toxicity": self._measure(facts.toxicity[rows]),
            "label": nothing,
            "label_confidence": pa.nulls(len(rows), pa.float32()),
            "label_origin": nothing,
        }
        if self.labels:
            found |= _labelled(self.labels, rows)
        return found

    def _measure(self, values: NDArray[np.float32]) -> pa.Array:
        return pa.array(values) if self.measured else pa.nulls(len(values), pa.float32())


def item_ids(fingerprints: NDArray[np.uint64]) -> pa.Array:
    """32 hexadecimal digits of each row's fingerprint: what the row is called from then on."""
    digits = np.empty(32 * len(fingerprints), np.uint8)
    _write_hex(np.ascontiguousarray(fingerprints), np.frombuffer(bytearray(b"0123456789abcdef"), np.uint8), digits)
    bounds = np.arange(len(fingerprints) + 1, dtype=np.int32) * 32
    return pa.StringArray.from_buffers(len(fingerprints), pa.py_buffer(bounds), pa.py_buffer(digits))


def _labelled(labels: Labels, rows: NDArray[np.int64]) -> dict[str, pa.Array]:
    missing = labels.code[rows] < 0
    confidence = pa.array(labels.confidence[rows], mask=missing)
    return {
        "label": _named(labels.code[rows], labels.names),
        "label_confidence": confidence,
        "label_origin": _named(np.where(missing, -1, labels.origin[rows]).astype(np.int32), labels.origins),
    }


def _named(codes: NDArray[np.int32], names: list[str]) -> pa.Array:
    """The name of each code; below 0 it is null."""
    places = pa.array(np.maximum(codes, 0), pa.int32(), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(places, pa.array(names, pa.string())).cast(pa.string())


@compiled
def _write_hex(fingerprints, alphabet, digits):
    at = 0
    for row in range(len(fingerprints)):
        for half in range(2):
            value = fingerprints[row, half]
            for place in range(16):
                digits[at] = alphabet[(value >> np.uint64(60 - 4 * place)) & np.uint64(15)]
                at += 1
