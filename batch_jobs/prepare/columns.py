"""What is said of each row beside its turns: the narrow columns of the Parquet files."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from batch_jobs.prepare.arrow_arrays import hexadecimal, named, numbers
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
            "item_id": hexadecimal(facts.fingerprint[rows]),
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


def _labelled(labels: Labels, rows: NDArray[np.int64]) -> dict[str, pa.Array]:
    code = labels.code[rows]
    return {
        "label": named(code, labels.names),
        "label_confidence": numbers(labels.confidence[rows], pa.float32(), code >= 0),
        "label_origin": named(labels.origin[rows].astype(np.int32), list(ORIGINS)),
    }
