"""The words of a text as 64-bit hashes: what near duplicates and evaluation sets are recognised by.

Words are runs of letters and digits, case apart; each CJK or Thai character is a word of its own. A text is read 64
bytes at a time: one step makes them lower case and tells where words begin and end, and a word is hashed eight bytes at
a time. So what a word costs does not depend on its letters, and hardly anything is decided per byte.
"""

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.lanes import LANES, load_word, lowest, mask_and_lower, mask_of

Words = NDArray[np.uint64]
Scratch = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""A text in lower case with zeros between its words, and where they begin and end."""

_to_words, _may_be_a_word = mask_and_lower("0-9A-Za-z\x80-\xff"), mask_of("\xe0\xe3-\xed")
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)
"""Of the first 0 to 8 bytes of a word."""
_SEED = np.uint64(0x9FB21C651E98DF25)


@compiled
def longest(offsets):
    """Bytes of the longest text: room for all its words, and for what stands in front of them in short ones."""
    most = 0
    for text in range(len(offsets) - 1):
        most = max(most, offsets[text + 1] - offsets[text])
    return most + LANES


@compiled
def scratch_for(offsets):
    size = longest(offsets)
    return np.empty(size + LANES, np.uint8), np.empty(size + LANES, np.int64)


@compiled
def hash_words(buffer, start, end, scratch, words):
    """Hash every word of `buffer[start:end]` into `words`; how many there are."""
    lowered, bounds = scratch
    size = end - start
    count, has_words_of_one = _find(buffer, start, size, lowered, bounds)
    if has_words_of_one:
        count = _find_of_one(lowered, size, bounds)
    for word in range(count):
        words[word] = _hash(lowered, bounds[2 * word], bounds[2 * word + 1])
    return count


@compiled
def _find(buffer, start, size, lowered, bounds):
    """Lower the text and find where words begin and end, in turn: (words, whether any character may be one)."""
    count, was_inside, found = 0, np.uint64(0), np.uint64(0)
    at = 0
    while at < size:
        if start + at + LANES <= len(buffer):
            inside = _to_words(buffer, start + at, lowered, at)
            found |= _may_be_a_word(buffer, start + at)
        else:
            inside, ones = _find_slowly(buffer, start + at, lowered, at)
            found |= ones
        if size - at < LANES:
            inside &= (np.uint64(1) << np.uint64(size - at)) - np.uint64(1)
        edges = inside ^ (inside << np.uint64(1) | was_inside)
        while edges:
            bounds[count] = at + lowest(edges)
            count += 1
            edges &= edges - np.uint64(1)
        was_inside = inside >> np.uint64(LANES - 1)
        at += LANES
    bounds[count] = size
    for place in range(size, size + 8):
        lowered[place] = 0
    return (count + 1) // 2, found != 0


@compiled
def _find_slowly(buffer, at, lowered, to):
    """The same step where fewer than 64 bytes follow."""
    inside = ones = np.uint64(0)
    for place in range(len(buffer) - at):
        byte = buffer[at + place]
        lowered[to + place] = byte | 32 if 65 <= byte <= 90 else byte
        bit = np.uint64(1) << np.uint64(place)
        if 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte >= 128:
            inside |= bit
        else:
            lowered[to + place] = 0
        if byte == 0xE0 or 0xE3 <= byte <= 0xED:
            ones |= bit
    return inside, ones


@compiled
def _find_of_one(lowered, size, bounds):
    """Words of a lowered text in which some characters are words of their own."""
    count, at = 0, 0
    while at < size:
        if lowered[at] == 0:
            at += 1
            continue
        start = at
        if _is_word(lowered, at):
            at = min(at + 3, size)
        else:
            while at < size and lowered[at] != 0 and not _is_word(lowered, at):
                at += 1
        bounds[2 * count], bounds[2 * count + 1] = start, at
        count += 1
    return count


@compiled
def _is_word(lowered, at):
    """Whether a character that is a word begins here: U+3000 to U+DFFF, or Thai."""
    byte = lowered[at]
    return 0xE3 <= byte <= 0xED or (byte == 0xE0 and 0xB8 <= lowered[at + 1] <= 0xB9)


@compiled
def _hash(lowered, start, end):
    """Every bit of the word in every bit of the hash; no two words of up to eight bytes have the same."""
    size = end - start
    value = np.uint64(0)
    while size > 8:
        value = (value ^ load_word(lowered, start)) * _SEED
        value ^= value >> np.uint64(29)
        start += 8
        size -= 8
    value = (value ^ (load_word(lowered, start) & _MASKS[size])) * _SEED
    return value ^ (value >> np.uint64(32))
