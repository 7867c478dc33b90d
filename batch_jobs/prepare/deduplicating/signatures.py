"""MinHash signatures: how much of their word 5-grams two rows share (Jaccard), told from 256 bytes a row.

Each row's words are hashed, its 5-grams rolled, and the least hash of each of 128 bins is kept: one permutation hashing
(Li, Owen, Zhang, 2012), empty bins filled from a neighbour by the improved densification of Shrivastava and Li (UAI
2014). The share of equal places estimates the Jaccard similarity, with a standard error of 0.044 at most.

What many rows share is no likeness: the 5-grams of a prompt's template, learnt from a sample, do not count. Else
short questions under one long instruction would all be near duplicates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.deduplicating.words import hash_words, longest, scratch_for

PLACES = 128
NGRAM = 5
Signatures = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Template:
    """5-grams that do not count: sorted hashes, and a bitmap that tells of most others at once that they are none."""

    grams: NDArray[np.uint64]
    bitmap: NDArray[np.uint8]

    @classmethod
    def of(cls, grams: NDArray[np.uint64]) -> "Template":
        bitmap = np.zeros(1 << 13, np.uint8)
        places = grams >> np.uint64(48)
        np.bitwise_or.at(bitmap, places >> np.uint64(3), (1 << (places & np.uint64(7))).astype(np.uint8))
        return cls(np.sort(grams), bitmap)


NO_TEMPLATE = Template.of(np.empty(0, np.uint64))
SAMPLED_BYTES = 2 << 20
SHARE, LEAST_ROWS = 0.05, 20
"""A 5-gram is a template's from this share of the sample's rows on, and in so many rows at least."""


def learn_template(texts: Texts) -> Template:
    """The 5-grams that many of the first rows share."""
    rows = int(np.searchsorted(texts.offsets, SAMPLED_BYTES))
    sample = Texts(texts.buffer, texts.offsets[: rows + 1])
    room = 1 << max(10, int(sample.offsets[-1] - sample.offsets[0]).bit_length())
    grams, rows_of, last = np.zeros(room, np.uint64), np.zeros(room, np.int32), np.full(room, -1, np.int32)
    _count(sample.buffer, sample.offsets, grams, rows_of, last)
    return Template.of(grams[rows_of >= max(LEAST_ROWS, SHARE * len(sample))])


def signatures(texts: Texts, template: Template = NO_TEMPLATE) -> tuple[Signatures, NDArray[np.bool_]]:
    """([texts, PLACES], whether the text has a 5-gram of its own; signatures of those that have none mean nothing)."""
    found, has_own = np.empty((len(texts), PLACES), np.uint16), np.empty(len(texts), np.bool_)
    _sign(texts.buffer, texts.offsets, template.grams, template.bitmap, found, has_own)
    return found, has_own


def similarity(one: Signatures, other: Signatures) -> float:
    """Estimated Jaccard similarity of two rows."""
    return float(np.count_nonzero(one == other)) / PLACES


@compiled
def _sign(buffer, offsets, template, bitmap, found, has_own):
    least, words, scratch = np.empty(PLACES, np.uint32), np.empty(longest(offsets), np.uint64), scratch_for(offsets)
    for text in range(len(offsets) - 1):
        count = hash_words(buffer, offsets[text], offsets[text + 1], scratch, words)
        least[:] = np.uint32(0xFFFFFFFF)
        own = False
        if 0 < count < NGRAM:  # all that it has is its one gram
            words[NGRAM - 1] = words[count - 1]
            words[count - 1 : NGRAM - 1] = np.uint64(count)
            count = NGRAM
        for last in range(NGRAM - 1, count):
            gram = _gram(words, last)
            if not _is_known(gram, template, bitmap):
                own = True
                place = np.int64(gram >> np.uint64(57))
                least[place] = min(least[place], np.uint32(gram & np.uint64(0xFFFFFFFE)))
        has_own[text] = own
        _fill(least, found[text], own)


@compiled
def _count(buffer, offsets, grams, rows_of, last_row):
    """In how many rows each gram stands; `grams` is an open-addressing table that the sample cannot fill."""
    mask, words, scratch = np.uint64(len(grams) - 1), np.empty(longest(offsets), np.uint64), scratch_for(offsets)
    for text in range(len(offsets) - 1):
        count = hash_words(buffer, offsets[text], offsets[text + 1], scratch, words)
        for last in range(NGRAM - 1, count):
            gram = _gram(words, last) | np.uint64(1)
            place = gram & mask
            while grams[place] != 0 and grams[place] != gram:
                place = (place + np.uint64(1)) & mask
            grams[place] = gram
            if last_row[place] != text:
                last_row[place] = text
                rows_of[place] += 1


BASE = np.uint64(0x9E3779B97F4A7C15)


@compiled
def _gram(words, last):
    """The hash of the NGRAM words up to `last`; written out, as a loop would cost more than its multiplications."""
    rolled = (words[last - 4] * BASE + words[last - 3]) * BASE + words[last - 2]
    rolled = (rolled * BASE + words[last - 1]) * BASE + words[last]
    rolled ^= rolled >> np.uint64(33)
    rolled *= np.uint64(0xFF51AFD7ED558CCD)
    return rolled ^ (rolled >> np.uint64(33))


@compiled
def _is_known(gram, template, bitmap):
    place = gram >> np.uint64(48)
    if not bitmap[place >> np.uint64(3)] >> np.uint8(place & np.uint64(7)) & 1:
        return False
    marked = gram | np.uint64(1)
    at = np.searchsorted(template, marked)
    return at < len(template) and template[at] == marked


@compiled
def _fill(least, found, own):
    """Sixteen bits of each bin's least hash; an empty bin takes a neighbour's, to a side that the bin alone decides."""
    empty = np.uint32(0xFFFFFFFF)
    if not own:
        found[:] = np.uint16(0)
        return
    for place in range(PLACES):
        found[place] = _sixteen_bits(least[place], np.uint32(0))  # of all first: without branches, many at once
    for place in range(PLACES):
        if least[place] != empty:
            continue
        other, step, distance = place, 1 if (place * 0x9E3779B1 >> 13) & 1 else -1, 0
        while least[other] == empty:
            other = (other + step) & (PLACES - 1)
            distance += 1
        found[place] = _sixteen_bits(least[other], np.uint32(distance))


@compiled
def _sixteen_bits(least, distance):
    mixed = (least + distance * np.uint32(0x85EBCA6B)) * np.uint32(0xC2B2AE35)
    return np.uint16(np.uint32(mixed) >> np.uint32(16))
