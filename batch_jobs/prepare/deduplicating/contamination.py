"""Contamination: rows that share a long run of words with an evaluation set.

A run of 13 words that stands in both is taken as a sign that the row tells the answer, as in GPT-3's report (Brown et
al., 2020, appendix C), which is where the recipe's default comes from.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.deduplicating.signatures import WORD_BYTES, next_word, word_at

BITS = 1 << 20
"""Of the bitmap that most runs are turned away by."""


@dataclass(frozen=True, slots=True)
class EvaluationRuns:
    """Hashes of every run of `length` words in the evaluation sets, sorted."""

    length: int
    runs: NDArray[np.uint64]
    bitmap: NDArray[np.bool_]

    @classmethod
    def of(cls, texts: Texts, length: int) -> "EvaluationRuns":
        found = np.empty(max(1, int(texts.offsets[-1] - texts.offsets[0])), np.uint64)
        runs = np.unique(found[: _collect(texts.buffer, texts.offsets, WORD_BYTES, length, _oldest(length), found)])
        bitmap = np.zeros(BITS, np.bool_)
        bitmap[(runs >> np.uint64(44)).astype(np.int64)] = True
        return cls(length, runs, bitmap)

    def are_in(self, texts: Texts) -> NDArray[np.bool_]:
        """Which of the texts have one of the runs."""
        found = np.zeros(len(texts), np.bool_)
        if len(self.runs):
            _look(
                texts.buffer,
                texts.offsets,
                WORD_BYTES,
                self.length,
                _oldest(self.length),
                self.runs,
                self.bitmap,
                found,
            )
        return found


BASE = np.uint64(0x9E3779B97F4A7C15)


def _oldest(length: int) -> np.uint64:
    return np.uint64(pow(int(BASE), length, 1 << 64))


@compiled
def _finish(rolled, words):
    """Runs of different lengths never agree by being the same polynomial."""
    rolled = (rolled ^ (rolled >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD) + np.uint64(words)
    return rolled ^ (rolled >> np.uint64(33))


@compiled
def _collect(buffer, offsets, table, length, oldest, found):
    ring, count = np.empty(length, np.uint64), 0
    for text in range(len(offsets) - 1):
        ring[:] = np.uint64(0)
        words, rolled, end = 0, np.uint64(0), offsets[text + 1]
        at = next_word(buffer, offsets[text], end, table)
        while at < end:
            at, word = word_at(buffer, at, end, table)
            slot = words % length
            rolled = rolled * BASE + word - ring[slot] * oldest
            ring[slot] = word
            words += 1
            at = next_word(buffer, at, end, table)
            if words >= length:
                found[count] = _finish(rolled, length)
                count += 1
    return count


@compiled
def _look(buffer, offsets, table, length, oldest, runs, bitmap, found):
    ring = np.empty(length, np.uint64)
    for text in range(len(offsets) - 1):
        ring[:] = np.uint64(0)
        words, rolled, end = 0, np.uint64(0), offsets[text + 1]
        at = next_word(buffer, offsets[text], end, table)
        while at < end:
            at, word = word_at(buffer, at, end, table)
            slot = words % length
            rolled = rolled * BASE + word - ring[slot] * oldest
            ring[slot] = word
            words += 1
            at = next_word(buffer, at, end, table)
            if words >= length:
                run = _finish(rolled, length)
                if bitmap[np.int64(run >> np.uint64(44))]:
                    place = np.searchsorted(runs, run)
                    if place < len(runs) and runs[place] == run:
                        found[text] = True
                        break
