"""How likely each text insults, demeans or swears: a small linear model over words, in compiled code.

The weights are in `toxicity.tsv`, beside this file: words, as they are after `normal_word`, that a logistic regression
found to be signs of toxicity in labelled comments (`tests.bench.toxicity` makes the file and measures it). Masks are
undone before a word is looked up: case, `@` for a, `$` for s, digits for letters, repeated letters, dots between. A
text's toxicity is that of its worst WINDOW words, so that a long text neither hides a sentence nor adds up.

It knows English words and no meaning: what is said without bad words is not seen, and quoting them is not told from
using them. See docs/data.md for how often.
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.compiling import compiled

WEIGHTS = Path(__file__).with_name("toxicity.tsv")
INTERCEPT = "(intercept)"
WINDOW = 32
SLOTS = 1 << 12
MASKED = {"@": "a", "$": "s", "0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "!": "i"}
OUTER = np.frombuffer(bytearray(b".,?:;\"()[]{}!#'`~-_*"), np.uint8)
"""What may stand before or after a word without belonging to it."""


def toxicity(texts: Texts) -> NDArray[np.float32]:
    """Per text 0 to 1; texts without any word of the list have the least, about 0.1."""
    found = np.empty(len(texts), np.float32)
    hashes, weights, intercept = _table()
    _measure(texts.buffer, texts.offsets, _letters(), hashes, weights, intercept, found)
    return found


def normal_word(word: str) -> str:
    """A word as it is looked up; of what is not ASCII nothing is left. The compiled code does the same."""
    word = word.strip(OUTER.tobytes().decode())
    if not any(char.isascii() and char.isalpha() for char in word):
        return ""
    kept: list[str] = []
    for char in word:
        char = MASKED.get(char, char.lower() if char.isascii() else "")
        if char == "*" or "a" <= char <= "z":
            kept.append(char)
    return "".join(char for place, char in enumerate(kept) if not _is_drawn_out(kept, place))


def _is_drawn_out(kept: list[str], place: int) -> bool:
    """Of three or more of one letter only the first counts."""
    char = kept[place]
    first = last = place
    while first > 0 and kept[first - 1] == char:
        first -= 1
    while last + 1 < len(kept) and kept[last + 1] == char:
        last += 1
    return last - first >= 2 and place > first


def read_weights(file: Path) -> dict[str, float]:
    """Word -> weight; lines that begin with # are comments."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return {word: float(weight) for word, weight in (line.split("\t") for line in lines)}


@cache
def _table() -> tuple[NDArray[np.uint64], NDArray[np.float32], np.float32]:
    hashes, weights = np.zeros(SLOTS, np.uint64), np.zeros(SLOTS, np.float32)
    words = read_weights(WEIGHTS)
    intercept = np.float32(words.pop(INTERCEPT))
    for word, weight in words.items():
        hashed = _hash(word)
        slot = hashed % SLOTS
        while hashes[slot]:
            slot = (slot + 1) % SLOTS
        hashes[slot], weights[slot] = hashed, weight
    return hashes, weights, intercept


def _hash(word: str) -> int:
    hashed = 0xCBF29CE484222325
    for byte in word.encode():
        hashed = ((hashed ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return hashed


@cache
def _letters() -> NDArray[np.uint8]:
    """Per byte the letter that it stands for, or 0."""
    table = np.zeros(256, np.uint8)
    for code in range(ord("a"), ord("z") + 1):
        table[code] = table[code - 32] = code
    for mask, letter in MASKED.items():
        table[ord(mask)] = ord(letter)
    table[ord("*")] = ord("*")
    return table


@compiled
def _measure(buffer, offsets, letters, hashes, weights, intercept, found):
    ring = np.zeros(WINDOW, np.float32)
    for text in range(len(offsets) - 1):
        ring[:] = 0
        total, worst, words = np.float32(0), np.float32(0), 0
        at, end = offsets[text], offsets[text + 1]
        while at < end:
            while at < end and buffer[at] <= 32:
                at += 1
            start = at
            while at < end and buffer[at] > 32:
                at += 1
            if at == start:
                break
            weight = _weigh(buffer, start, at, letters, hashes, weights)
            place = words % WINDOW
            total += weight - ring[place]
            ring[place] = weight
            words += 1
            if weight > 0:
                total = ring.sum()  # exact again: differences gather errors
                worst = max(worst, total)
        found[text] = np.float32(1) / (np.float32(1) + np.exp(-(worst + intercept)))


@compiled
def _weigh(buffer, start, end, letters, hashes, weights):
    while start < end and _is_outer(buffer[start]):
        start += 1
    while end > start and _is_outer(buffer[end - 1]):
        end -= 1
    hashed, has_letter, at = np.uint64(0xCBF29CE484222325), False, start
    while at < end:
        letter = letters[buffer[at]]
        has_letter |= 97 <= buffer[at] | 32 <= 122
        if letter == 0:
            at += 1
            continue
        count, after = 0, at  # how often the letter comes in a row
        while after < end and (letters[buffer[after]] == letter or letters[buffer[after]] == 0):
            count += letters[buffer[after]] == letter
            has_letter |= 97 <= buffer[after] | 32 <= 122
            after += 1
        for _ in range(1 if count >= 3 else count):
            hashed = (hashed ^ np.uint64(letter)) * np.uint64(0x100000001B3)
        at = after
    if not has_letter:
        return np.float32(0)
    slot = np.int64(hashed & np.uint64(SLOTS - 1))
    while hashes[slot]:
        if hashes[slot] == hashed:
            return weights[slot]
        slot = (slot + 1) & (SLOTS - 1)
    return np.float32(0)


@compiled
def _is_outer(byte):
    for outer in OUTER:
        if byte == outer:
            return True
    return False
