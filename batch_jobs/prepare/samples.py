"""Samples of what the steps changed, for people to look at: those of the rows whose hashes are smallest, so that they
are the same however files are cut into blocks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from batch_jobs.prepare.batches import Flags, Integers, RowBatch
from batch_jobs.prepare.deduplicating.fingerprints import Hashes
from tunesmith.contracts.profiles import Step

SHOWN = 6
"""Samples of each step."""
LONGEST = 4_000
"""Bytes of a text that may be a sample. Longer ones are not cut: half of what is secret would no longer look it."""


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """What a step made of one text."""

    step: Step
    hashed: int
    """Of the row as it came in."""
    uri: str
    line: int
    before: str | None
    """None: what stood there is not to be shown."""
    after: str


def smallest(changes: Iterable[Change]) -> list[Change]:
    """Of each step those that are shown."""
    ranked = sorted(set(changes), key=lambda change: (change.step, change.hashed, change.uri, change.line))
    return [change for step in Step for change in [one for one in ranked if one.step is step][:SHOWN]]


def normalised(uri: str, raw: RowBatch, clean: RowBatch, may_show: Flags, hashes: Hashes) -> list[Change]:
    """Of the rows that may be shown: `may_show` leaves out those with personal data, which may be hidden in the text
    as it was where no pattern finds it."""
    return [
        Change(Step.NORMALISE, int(hashes[row]), uri, int(raw.line[row]), raw.texts[segment], clean.texts[segment])
        for row, segment in _first_changes(raw, clean, _chosen(may_show, hashes))
    ]


def redacted(uri: str, found: RowBatch, clean: RowBatch, has_pii: Flags, hashes: Hashes) -> list[Change]:
    """Of the rows that had personal data: only what is left of it."""
    return [
        Change(Step.REDACT, int(hashes[row]), uri, int(found.line[row]), None, clean.texts[segment])
        for row, segment in _first_changes(found, clean, _chosen(has_pii, hashes))
    ]


def _chosen(rows: Flags, hashes: Hashes) -> Integers:
    places = np.flatnonzero(rows)
    return places[np.argsort(hashes[places], kind="stable")][: 2 * SHOWN]  # some have no text that is short enough


def _first_changes(before: RowBatch, after: RowBatch, rows: Sequence[int] | Integers) -> list[tuple[int, int]]:
    """(row, segment): of each row the first short text that is not what it was."""
    found = []
    for row in map(int, rows):
        for segment in range(int(before.first[row]), int(before.first[row + 1])):
            sizes = [batch.texts.offsets[segment + 1] - batch.texts.offsets[segment] for batch in (before, after)]
            if max(sizes) <= LONGEST and before.texts[segment] != after.texts[segment]:
                found.append((row, segment))
                break
    return found[:SHOWN]
