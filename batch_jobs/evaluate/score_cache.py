"""Scores by content: a model is scored once per suite and settings, whoever asks.

`records.jsonl` holds an ItemRecord per line; `scores.json` beside it is written last and names its digest, so what is
there without it, or differs from it, is an evaluation that was cut short and is done again.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from tunesmith.adapters.storage import Storage
from tunesmith.contracts.evaluations import ItemRecord, ModelScores

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one model made of the suite."""

    scores: ModelScores
    records: list[ItemRecord]


def scores_uri(folder_uri: str) -> str:
    return f"{folder_uri}scores.json"


def records_uri(folder_uri: str) -> str:
    return f"{folder_uri}records.jsonl"


def to_lines(records: Sequence[ItemRecord]) -> bytes:
    return b"".join(record.model_dump_json().encode() + b"\n" for record in records)


def digest_of(lines: bytes) -> str:
    return hashlib.sha256(lines).hexdigest()


def find(storage: Storage, folder_uri: str) -> Evaluation | None:
    """The finished evaluation in this folder, or None where there is none."""
    marker = storage.read_if_there(scores_uri(folder_uri))
    if marker is None:
        return None
    scores = ModelScores.model_validate_json(marker)
    lines = storage.read_if_there(records_uri(folder_uri))
    if lines is None or digest_of(lines) != scores.records_digest:
        logger.warning("%s does not hold the records that its scores.json names; scoring again", folder_uri)
        return None
    return Evaluation(scores, [ItemRecord.model_validate_json(line) for line in lines.splitlines()])


def keep(storage: Storage, folder_uri: str, evaluation: Evaluation) -> None:
    """Records first, the marker last."""
    storage.write(records_uri(folder_uri), to_lines(evaluation.records), "application/x-ndjson")
    storage.write(scores_uri(folder_uri), evaluation.scores.model_dump_json(indent=2), "application/json")
