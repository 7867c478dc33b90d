"""Contamination: rows that share a long run of words with an evaluation set.

A run of 13 words that stands in both is taken as a sign that the row tells the answer, as in GPT-3's report (Brown et
al., 2020, appendix C), which is where the recipe's default comes from.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.deduplicating.words import hash_words, longest, scratch_for

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
        return cls.of_hashes(found[: _collect(texts.buffer, texts.offsets, length, _oldest(length), found)], length)

    @classmethod
    def of_hashes(cls, hashes: NDArray[np.uint64], length: int) -> "EvaluationRuns":
        runs = np.sort(hashes)  # np.unique hashes numbers that are hashes, and takes twenty times as long
        is_new = np.ones(len(runs), np.bool_)
        is_new[1:] = runs[1:] != runs[:-1]
        runs = runs[is_new]
        bitmap = np.zeros(BITS, np.bool_)
        bitmap[(runs >> np.uint64(44)).astype(np.int64)] = True
        return cls(length, runs, bitmap)

    @property
    def digest(self) -> str:
        """Of what the sets said when they were read."""
        return hashlib.sha256(self.runs.tobytes()).hexdigest()

    def are_in(self, texts: Texts) -> NDArray[np.bool_]:
        """Which of the texts have one of the runs."""
        found = np.zeros(len(texts), np.bool_)
        if len(self.runs):
            oldest = _oldest(self.length)
            _look(texts.buffer, texts.offsets, self.length, oldest, self.runs, self.bitmap, found)
        return found


@dataclass(frozen=True, slots=True)
class TextRuns:
    """The runs of words of one text, in order."""

    hashes: NDArray[np.uint64]
    """Per run, as in EvaluationRuns."""
    words: NDArray[np.int64]
    """Per word: the bytes of the text at which it begins and ends; run i begins with word i."""

    @classmethod
    def of(cls, texts: Texts, index: int, length: int) -> "TextRuns":
        offsets = texts.offsets[index : index + 2]
        words, scratch, runs = (
            np.empty(longest(offsets), np.uint64),
            scratch_for(offsets),
            np.empty(longest(offsets), np.uint64),
        )
        count = hash_words(texts.buffer, offsets[0], offsets[1], scratch, words)
        found = _runs_of(words, count, length, _oldest(length), runs)
        return cls(runs[:found].copy(), scratch[1][: 2 * count].reshape(-1, 2).copy())


BASE = np.uint64(0x9E3779B97F4A7C15)


def _oldest(length: int) -> np.uint64:
    return np.uint64(pow(int(BASE), length, 1 << 64))


@compiled
def _finish(rolled, words):
    """Runs of different lengths never agree by being the same polynomial."""
    rolled = (rolled ^ (rolled >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD) + np.uint64(words)
    return rolled ^ (rolled >> np.uint64(33))


@compiled
def _runs_of(words, count, length, oldest, runs):
    """Hash every run of `length` words; how many there are."""
    rolled = np.uint64(0)
    for last in range(count):
        rolled = rolled * BASE + words[last]
        if last >= length:
            rolled -= words[last - length] * oldest
        if last >= length - 1:
            runs[last - length + 1] = _finish(rolled, length)
    return max(0, count - length + 1)


@compiled
def _collect(buffer, offsets, length, oldest, found):
    words, scratch, count = np.empty(longest(offsets), np.uint64), scratch_for(offsets), 0
    for text in range(len(offsets) - 1):
        among = hash_words(buffer, offsets[text], offsets[text + 1], scratch, words)
        count += _runs_of(words, among, length, oldest, found[count:])
    return count


@compiled
def _look(buffer, offsets, length, oldest, runs, bitmap, found):
    words, scratch, own = (
        np.empty(longest(offsets), np.uint64),
        scratch_for(offsets),
        np.empty(longest(offsets), np.uint64),
    )
    for text in range(len(offsets) - 1):
        among = hash_words(buffer, offsets[text], offsets[text + 1], scratch, words)
        for run in own[: _runs_of(words, among, length, oldest, own)]:
            if bitmap[np.int64(run >> np.uint64(44))]:
                place = np.searchsorted(runs, run)
                if place < len(runs) and runs[place] == run:
                    found[text] = True
                    break
