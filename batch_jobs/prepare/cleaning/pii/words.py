"""Words of texts as the tagger sees them: where they stand, how they are written, which lists have them.

Letters are compared without case and accents. What has no letters of the Latin, Greek or Cyrillic script is a word
that no list has.
"""

import unicodedata
from dataclasses import dataclass

import numpy as np

from batch_jobs.prepare.batches import Bytes, Integers, Texts
from batch_jobs.prepare.compiling import compiled

FIRST_NAME, LAST_NAME, PLACE, COMMON, STREET, COMPANY, TITLE, DATE = (1 << bit for bit in range(8))
"""Lists that may have a word. COMMON: it is written in small letters elsewhere."""
SLOTS = 1 << 18
OUTSIDE = 0
BREAK, SPACE, HYPHEN, APOSTROPHE, FULL_STOP, COMMA, LINE, COLON, OTHER, NONE = range(10)
"""What stands before a word: the start of its text (BREAK), or the first that is no space or letter."""
GAPS = 10
ONE_CAPITAL, CAPITALS, CAPITALISED, SMALL, CAMEL, NUMBERED, DIGITS = 0, 1, 2, 3, 4, 5, 6
"""How a word is written; DIGITS and their number up to 8, then NUMBERED words."""


def _folded(code: int) -> int:
    return ord(unicodedata.normalize("NFD", chr(code))[0].lower()[0])


ALPHABETS = 0x600
FOLDED = np.array([_folded(code) for code in range(ALPHABETS)], np.uint16)
KIND = np.array(
    [
        1
        if c < 128 and chr(c).isdigit()
        else 2
        if chr(c).isupper()
        else 3
        if unicodedata.category(chr(c))[0] in "LM"
        else 0
        for c in range(ALPHABETS)
    ],
    np.uint8,
)
"""0: parts words, 1: a digit, 2: a capital, 3: another letter."""


@dataclass(frozen=True, slots=True)
class Words:
    """All words of some texts, in order; every field has one value per word."""

    start: Integers
    end: Integers
    text: Integers
    identity: Integers
    """Hash of the folded letters."""
    prefix: Integers
    suffix: Integers
    shape: Bytes
    gap: Bytes
    """What stands before the word."""

    def __len__(self) -> int:
        return len(self.start)

    @classmethod
    def of(cls, texts: Texts) -> "Words":
        size = int(texts.offsets[-1] - texts.offsets[0]) // 2 + len(texts) + 1
        numbers, kinds = np.empty((6, size), np.int64), np.empty((2, size), np.uint8)
        count = _read(texts.buffer, texts.offsets, numbers, kinds)
        return cls(*numbers[:, :count], *kinds[:, :count])


@dataclass(frozen=True, slots=True)
class Lists:
    """Names, places and the like: a hash table of a word's 16 other bits and the lists that have it."""

    check: np.ndarray
    flags: Bytes

    @classmethod
    def of(cls, lists: dict[int, list[str]]) -> "Lists":
        """Each list's words, told apart by 16 bits: of words that no list has, one in some 50,000 is taken for one."""
        merged: dict[int, int] = {}
        for flag, entries in lists.items():
            for identity in Words.of(Texts.of(entries)).identity.tolist():
                merged[identity] = merged.get(identity, 0) | flag
        check, flags = np.zeros(SLOTS, np.uint16), np.zeros(SLOTS, np.uint8)
        for identity in sorted(merged):
            place = identity & (SLOTS - 1)
            while flags[place]:
                place = (place + 1) & (SLOTS - 1)
            check[place], flags[place] = (identity >> 32) & 0xFFFF, merged[identity]
        return cls(check, flags)

    def of_words(self, words: Words) -> Bytes:
        return _look_up(words.identity, self.check, self.flags)


@compiled
def mixed(seed, value):
    """A hash of both that has 63 bits."""
    it = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(value)
    it = (it ^ it >> np.uint64(29)) * np.uint64(0xBF58476D1CE4E5B9)
    return np.int64((it ^ it >> np.uint64(32)) & np.uint64(0x7FFFFFFFFFFFFFFF))


@compiled
def _look_up(identity, check, flags):
    found = np.zeros(len(identity), np.uint8)
    last = len(flags) - 1
    for i in range(len(identity)):
        place = identity[i] & last
        wanted = (identity[i] >> 32) & 0xFFFF
        while flags[place]:
            if check[place] == wanted:
                found[i] = flags[place]
                break
            place = (place + 1) & last
    return found


@compiled
def _character(buffer, at, end):
    """Code point and bytes of the character here; of valid UTF-8."""
    byte = np.int64(buffer[at])
    if byte < 0x80:
        return byte, 1
    size = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
    code = byte & (0x7F >> size)
    for more in range(at + 1, min(at + size, end)):
        code = code << 6 | np.int64(buffer[more]) & 0x3F
    return code, size


@compiled
def _kind_of(code):
    if code < ALPHABETS:
        return np.int64(KIND[code])
    if 0x1E00 <= code < 0x2000:
        return 3
    if code < 0x2C00 and code >= 0x2000 or 0x3000 <= code < 0x3021 or code >= 0xF000 and code < 0xFF10:
        return 0
    return 0 if code >= 0x1F000 and code < 0x20000 else 3


@compiled
def _shape(length, capitals, digits, capital_first):
    if digits == length:
        return DIGITS + min(length, 8)
    if digits:
        return NUMBERED
    if capitals == 0:
        return SMALL
    if capitals == length:
        return ONE_CAPITAL if length == 1 else CAPITALS
    return CAPITALISED if capital_first and capitals == 1 else CAMEL


@compiled
def _gap_of(code):
    if code == 45:
        return HYPHEN
    if code == 39 or code == 0x2019 or code == 96:
        return APOSTROPHE
    if code == 46:
        return FULL_STOP
    if code == 44:
        return COMMA
    if code == 58:
        return COLON
    return OTHER


@compiled
def _read(buffer, offsets, numbers, kinds):
    count = 0
    for index in range(len(offsets) - 1):
        at, stop = offsets[index], offsets[index + 1]
        gap = BREAK
        while at < stop:
            code, size = _character(buffer, at, stop)
            kind = _kind_of(code)
            if kind == 0:
                if code == 10:
                    gap = LINE if gap != BREAK else gap
                elif code == 32 or code == 9 or code == 13 or code == 0xA0:
                    gap = SPACE if gap == NONE else gap
                elif gap in (NONE, SPACE):
                    gap = _gap_of(code)
                at += size
                continue
            numbers[0, count], numbers[2, count], kinds[1, count] = at, index, gap
            whole, prefix = np.int64(11), np.int64(13)
            one, two, three = np.int64(0), np.int64(0), np.int64(0)
            length, capitals, digits = 0, 0, 0
            capital_first = kind == 2
            while True:
                capitals += kind == 2
                digits += kind == 1
                low = np.int64(FOLDED[code]) if code < ALPHABETS else code
                whole = mixed(whole, low)
                length += 1
                if length <= 3:
                    prefix = whole
                three, two, one = two, one, low
                at += size
                if at >= stop:
                    break
                code, size = _character(buffer, at, stop)
                kind = _kind_of(code)
                if kind == 0:
                    break
            numbers[1, count] = min(at, stop)
            numbers[3, count], numbers[4, count] = whole, prefix
            numbers[5, count] = three << 42 | two << 21 | one
            kinds[0, count] = _shape(length, capitals, digits, capital_first)
            count += 1
            gap = NONE
    return count
