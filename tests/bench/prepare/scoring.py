"""Quality on planted truth, told from what a contestant wrote: which rows it kept and what their texts say.

A duplicate is caught when not both of its pair are kept, or when nothing is left of either. Precision is the share of
removed rows, of those that a deduplication may judge, that belong to a planted pair. Low quality, foreign and broken
rows are nobody's mistake: they may stay or go.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.bench.prepare.corpus import truth_file

Truth = dict[str, Any]
DUPLICATES = ("exact", "normalised", "near")
TEXTS = ("messages", "chosen", "rejected", "text")


@dataclass(frozen=True, slots=True)
class Score:
    kept: int
    removed: int
    """Of rows that are neither broken nor of low quality nor foreign."""
    exact_recall: float
    normalised_recall: float
    near_recall: float
    near_recall_by_rate: dict[str, float]
    precision: float
    pii_leaked: dict[str, float]
    """By type: planted values still to be read in kept rows, as a share of those planted in kept rows."""
    decoys_lost: float
    """Share of look-alikes in kept rows that were redacted though they are no personal data."""
    broken_kept: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def score(corpus: Path, folder: Path) -> Score:
    """Of the rows in Parquet or JSON lines anywhere in a folder."""
    truths = read_truths(corpus)
    return score_texts(truths, texts_of(folder, truths))


def score_texts(truths: list[Truth], texts: dict[str, str]) -> Score:
    """Of {id of a kept row: its text}."""
    judged = [truth for truth in truths if truth["kind"] in ("ok", *DUPLICATES)]
    removed = {truth["id"] for truth in judged} - texts.keys()
    pairs = {name for truth in judged if "of" in truth for name in (truth["id"], truth["of"])}
    rates = sorted({truth["rate"] for truth in judged if "rate" in truth})
    return Score(
        kept=len(texts),
        removed=len(removed),
        exact_recall=_caught(judged, texts, "exact"),
        normalised_recall=_caught(judged, texts, "normalised"),
        near_recall=_caught(judged, texts, "near"),
        near_recall_by_rate={f"{rate:.1%}": _caught(judged, texts, "near", rate) for rate in rates},
        precision=_share(len(removed & pairs), len(removed)),
        pii_leaked=_leaked(judged, texts),
        decoys_lost=_decoys_lost(judged, texts),
        broken_kept=sum(truth["kind"] == "broken" and truth["id"] in texts for truth in truths),
    )


def read_truths(corpus: Path) -> list[Truth]:
    with truth_file(corpus).open() as lines:
        return [json.loads(line) for line in lines]


def sound_rows(corpus: Path) -> Iterator[dict[str, Any]]:
    """The rows that were not broken on purpose."""
    with corpus.open("rb") as lines:
        yield from (
            json.loads(line)
            for line, truth in zip(lines, read_truths(corpus), strict=True)
            if truth["kind"] != "broken"
        )


def texts_of(folder: Path, truths: list[Truth]) -> dict[str, str]:
    """Kept rows of a contestant. A row is known by its `id`, or by the line that it came from."""
    found: dict[str, str] = {}
    for file in sorted(folder.rglob("*.parquet")):
        for batch in pq.ParquetFile(file).iter_batches(4_096):
            for row in batch.to_pylist():
                found[_id_of(row, truths)] = _text_of(row)
    for file in sorted(folder.rglob("rows.jsonl")):
        with file.open() as lines:
            for line in lines:
                row = json.loads(line)
                found[_id_of(row, truths)] = _text_of(row)
    return found


def _id_of(row: dict[str, Any], truths: list[Truth]) -> str:
    return str(row["id"]) if "id" in row else str(truths[row["line"] - 1]["id"])


def _text_of(row: dict[str, Any]) -> str:
    return "\n".join(_flat(row[name]) for name in TEXTS if row.get(name))


def _flat(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return _flat(list(value.values()))
    return "\n".join(_flat(item) for item in value if item) if isinstance(value, list) else ""


def _caught(judged: list[Truth], texts: dict[str, str], kind: str, rate: float | None = None) -> float:
    asked = [truth for truth in judged if truth["kind"] == kind and rate in (None, truth.get("rate"))]
    return _share(sum(not (truth["id"] in texts and truth["of"] in texts) for truth in asked), len(asked))


def _leaked(judged: list[Truth], texts: dict[str, str]) -> dict[str, float]:
    found: dict[str, list[bool]] = defaultdict(list)
    for kind, value, text in _planted(judged, texts):
        found[kind].append(value in text)
    return {kind: _share(sum(leaks), len(leaks)) for kind, leaks in sorted(found.items())}


def _planted(judged: list[Truth], texts: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    for truth in judged:
        if truth["id"] in texts:
            yield from ((kind, value, texts[truth["id"]]) for kind, value in truth.get("pii", ()))


def _decoys_lost(judged: list[Truth], texts: dict[str, str]) -> float:
    lost = [
        value not in texts[truth["id"]] for truth in judged if truth["id"] in texts for value in truth.get("decoys", ())
    ]
    return _share(sum(lost), len(lost))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
