"""The frozen test split, as the pipeline meets it: what it asks, and what it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from batch_jobs.prepare.batches import RowBatch
from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.deduplicating.fingerprints import Hashes, fingerprints
from batch_jobs.prepare.deduplicating.signatures import PLACES, Signatures, Template, signatures
from batch_jobs.prepare.writing import PARTS_OF_ROW
from tunesmith.contracts.datasets import RowFormat


@dataclass(frozen=True, slots=True)
class Frozen:
    """Rows that no version of the dataset may train on; none where this version is the one that makes them."""

    batch: RowBatch
    prompts: Hashes
    """Sorted."""

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Frozen":
        batch = RowBatch.of(rows, range(1, len(rows) + 1))
        return cls(batch, np.unique(fingerprints(batch).prompt))

    @classmethod
    def nothing(cls) -> "Frozen":
        return cls.of([])

    @classmethod
    def read(cls, file: Path) -> "Frozen":
        """From the test split's Parquet file."""
        parts = [name for name in PARTS_OF_ROW if name in pq.read_schema(file).names]
        columns = pq.read_table(file, columns=parts).to_pydict().values()
        return cls.of([Row(RowFormat.CHAT, *map(_turns, row)) for row in zip(*columns, strict=True)])

    def signed(self, templates: Sequence[Template]) -> Signatures:
        """Its signatures under each of the templates: rows are compared with those of their own file's template."""
        found = [signatures(self.batch.row_texts, template) for template in templates]
        return np.concatenate([np.empty((0, PLACES), np.uint16), *(signed[own] for signed, own in found)])


def _turns(messages: list[dict[str, str]]) -> tuple[Turn, ...]:
    return tuple(
        Turn(message["role"], message["content"], trained=message["role"] == "assistant") for message in messages
    )
