"""MinHash signatures: how much of their word 5-grams two rows share (Jaccard), told from 256 bytes a row.

One pass over the bytes cuts words, hashes them, rolls 5-grams and keeps the least hash of each of 128 bins: one
permutation hashing (Li, Owen, Zhang, 2012), empty bins filled from a neighbour by the improved densification of
Shrivastava and Li (UAI 2014). The share of equal places estimates the Jaccard similarity, with a standard error of
0.044 at most.

What many rows share is no likeness: the 5-grams of a prompt's template, learnt from a sample, do not count. Else
short questions under one long instruction would all be near duplicates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.compiling import compiled

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
    _count(sample.buffer, sample.offsets, WORD_BYTES, grams, rows_of, last)
    return Template.of(grams[rows_of >= max(LEAST_ROWS, SHARE * len(sample))])


def signatures(texts: Texts, template: Template = NO_TEMPLATE) -> tuple[Signatures, NDArray[np.bool_]]:
    """([texts, PLACES], whether the text has a 5-gram of its own; signatures of those that have none mean nothing).

    Words are runs of letters and digits, case apart; each CJK or Thai character is a word.
    """
    found, has_own = np.empty((len(texts), PLACES), np.uint16), np.empty(len(texts), np.bool_)
    _sign(texts.buffer, texts.offsets, WORD_BYTES, template.grams, template.bitmap, found, has_own)
    return found, has_own


def similarity(one: Signatures, other: Signatures) -> float:
    """Estimated Jaccard similarity of two rows."""
    return float(np.count_nonzero(one == other)) / PLACES


def _word_bytes() -> NDArray[np.uint8]:
    """Per byte: its lower-case form where it belongs to a word, else 0."""
    table = np.zeros(256, np.uint8)
    for code in range(128):
        if chr(code).isalnum():
            table[code] = ord(chr(code).lower())
    table[128:] = np.arange(128, 256)
    return table


WORD_BYTES = _word_bytes()


@compiled
def _sign(buffer, offsets, table, template, bitmap, found, has_own):
    least, words = np.empty(PLACES, np.uint32), np.empty(_most_words(offsets), np.uint64)
    for text in range(len(offsets) - 1):
        count = _words(buffer, offsets[text], offsets[text + 1], table, words)
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
def _count(buffer, offsets, table, grams, rows_of, last_row):
    """In how many rows each gram stands; `grams` is an open-addressing table that the sample cannot fill."""
    mask, words = np.uint64(len(grams) - 1), np.empty(_most_words(offsets), np.uint64)
    for text in range(len(offsets) - 1):
        count = _words(buffer, offsets[text], offsets[text + 1], table, words)
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
SEED, PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
"""Of FNV-1a."""


@compiled
def _gram(words, last):
    """The hash of the NGRAM words up to `last`; written out, as a loop would cost more than its multiplications."""
    rolled = (words[last - 4] * BASE + words[last - 3]) * BASE + words[last - 2]
    rolled = (rolled * BASE + words[last - 1]) * BASE + words[last]
    rolled ^= rolled >> np.uint64(33)
    rolled *= np.uint64(0xFF51AFD7ED558CCD)
    return rolled ^ (rolled >> np.uint64(33))


@compiled
def _most_words(offsets):
    longest = 0
    for text in range(len(offsets) - 1):
        longest = max(longest, offsets[text + 1] - offsets[text])
    return longest + 2 + NGRAM


@compiled
def _words(buffer, at, end, table, words):
    """Hash every word; how many there are.

    Words are short and end where nobody can predict, so a branch at each end would cost more than the hashing: every
    byte does the same instead, and a word's place is written again until the word has ended.
    """
    if _has_words_of_one(buffer, at, end):
        return _words_of_one(buffer, at, end, table, words)
    count, value, was_inside = 0, SEED, np.int64(0)
    for place in range(at, end):
        byte = table[buffer[place]]
        inside = np.int64(byte != 0)
        words[count] = value
        count += was_inside & (1 - inside)
        grown = (value ^ np.uint64(byte)) * PRIME  # also where it is not wanted: choosing costs less than branching
        value = grown if inside else SEED
        was_inside = inside
    words[count] = value
    return count + was_inside


@compiled
def _has_words_of_one(buffer, at, end):
    """Whether any byte may begin a character that is a word of its own."""
    found = False
    for place in range(at, end):
        byte = buffer[place]
        found |= ((byte >= 0xE3) & (byte < 0xEE)) | (byte == 0xE0)  # without branches, so many bytes at once
    return found


@compiled
def _words_of_one(buffer, at, end, table, words):
    """The same for texts in which some characters are words of their own."""
    count = 0
    at = next_word(buffer, at, end, table)
    while at < end:
        at, words[count] = word_at(buffer, at, end, table)
        count += 1
        at = next_word(buffer, at, end, table)
    return count


@compiled
def next_word(buffer, at, end, table):
    while at < end and table[buffer[at]] == 0:
        at += 1
    return at


@compiled
def word_at(buffer, at, end, table):
    """(after the word at `at`, its hash)."""
    value = SEED
    byte = table[buffer[at]]
    if 0xE3 <= byte < 0xEE or (byte == 0xE0 and at + 1 < end and 0xB8 <= buffer[at + 1] <= 0xB9):
        for place in range(at, min(at + 3, end)):
            value = (value ^ np.uint64(buffer[place])) * PRIME
        return min(at + 3, end), value
    while byte != 0 and not 0xE3 <= byte < 0xEE:
        value = (value ^ np.uint64(byte)) * PRIME
        at += 1
        if at == end:
            break
        byte = table[buffer[at]]
    return at, value


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
        other, step, distance = place, 1 if (place * 0x9E3779B1 >> 13) & 1 else -1, 0
        while least[other] == empty:
            other = (other + step) & (PLACES - 1)
            distance += 1
        value = (np.uint64(least[other]) + np.uint64(distance) * np.uint64(0x100000001)) * np.uint64(0xC4CEB9FE1A85EC53)
        found[place] = np.uint16(value >> np.uint64(48))
