"""What is known of each row without its text: a few hundred bytes a row, for the whole dataset at once."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.deduplicating.signatures import PLACES
from batch_jobs.prepare.flat_rows import naming


@dataclass(slots=True)
class RowFacts:
    """Columns of all rows that are good; entry i of each is row i."""

    source: NDArray[np.int32]
    """Index into the job's sources, in the order in which they are read."""
    fingerprint: NDArray[np.uint64]
    """[rows, 2]"""
    prompt: NDArray[np.uint64]
    group: NDArray[np.uint64]
    """Hash of the value of `group_by`; of a row that has none, its prompt."""
    learnable: NDArray[np.bool_]
    """Whether any turn may be learnt, were the row in the training split."""
    comparable: NDArray[np.bool_]
    """Whether the signature means anything."""
    contaminated: NDArray[np.bool_]
    refused: NDArray[np.uint8]
    """0, or 1 + index of the DropReason that its signals are a reason for."""
    quality: NDArray[np.float32]
    toxicity: NDArray[np.float32]
    language: NDArray[np.uint16]
    """Index into signals.language's codes."""
    pii: NDArray[np.bool_]
    offset: NDArray[np.int64]
    """Where the row begins in its file."""
    raw: NDArray[np.uint64]
    """Hash of the row as it came in."""
    size: NDArray[np.int64]
    """Bytes of text."""
    characters: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.source)


NO_FACTS = RowFacts(
    source=np.empty(0, np.int32),
    fingerprint=np.empty((0, 2), np.uint64),
    prompt=np.empty(0, np.uint64),
    group=np.empty(0, np.uint64),
    learnable=np.empty(0, np.bool_),
    comparable=np.empty(0, np.bool_),
    contaminated=np.empty(0, np.bool_),
    refused=np.empty(0, np.uint8),
    quality=np.empty(0, np.float32),
    toxicity=np.empty(0, np.float32),
    language=np.empty(0, np.uint16),
    pii=np.empty(0, np.bool_),
    offset=np.empty(0, np.int64),
    raw=np.empty(0, np.uint64),
    size=np.empty(0, np.int64),
    characters=np.empty(0, np.int64),
)
NONE_SIGNED = np.empty((0, PLACES), np.uint16)


class FactsLog:
    """Collects the facts of batch after batch. Signatures, 256 bytes a row, go to a file."""

    def __init__(self, folder: Path):
        self._batches: list[RowFacts] = []
        self._file = folder / "signatures.bin"
        self._out = self._file.open("wb")

    def add(self, facts: RowFacts, signed: NDArray[np.uint16]) -> None:
        self._batches.append(facts)
        with naming(self._file):
            self._out.write(np.ascontiguousarray(signed).data)

    def close(self) -> tuple[RowFacts, NDArray[np.uint16]]:
        """All facts, and the signatures as a file that the system pages in and out."""
        with naming(self._file):
            self._out.close()
        facts = join_facts([NO_FACTS, *self._batches])
        self._batches.clear()
        rows = len(facts)
        signed = np.asarray(np.memmap(self._file, np.uint16, "r+", shape=(rows, PLACES))) if rows else NONE_SIGNED
        return facts, signed


def join_facts(several: Sequence[RowFacts]) -> RowFacts:
    """The facts of all rows, one batch after the other."""
    return RowFacts(
        **{
            column.name: np.concatenate([getattr(facts, column.name) for facts in several])
            for column in fields(RowFacts)
        }
    )
