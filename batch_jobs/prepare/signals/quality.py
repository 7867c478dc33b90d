"""How good each row's text is: counted in one compiled pass, judged by the recipe's limits, and one score.

The measures are those with which Gopher (Rae et al., 2021, appendix A.1) and C4 (Raffel et al., 2020) choose pages:
words and their lengths, symbols, stop words, repeated lines and runs of words, boilerplate. A word is a run of what is
no space; a letter, outside of ASCII, is any character. Words are compared without case and outer punctuation.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.hashing import mix
from tunesmith.contracts.datasets import DropReason
from tunesmith.contracts.preparation import QualityRecipe

Signals = dict[str, NDArray[np.float32]]

RUN = 5
"""Words of a run that counts as repeated when it is seen again."""
COUNTED = (
    "characters",
    "words",
    "alphabetic_words",
    "symbols",
    "digits",
    "uppercase",
    "letters",
    "spaces",
    "stop_words",
    "boilerplate",
    "longest_run",
    "repeated_words",
    "lines",
    "repeated_lines",
)
"""Columns of what is counted, in the order in which `_count` writes them."""
STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Gopher's: English prose has at least two of them."""
BOILERPLATE = (
    "as an ai language model",
    "as an ai assistant",
    "as a large language model",
    "as an artificial intelligence",
    "i am an ai language",
    "i'm an ai language",
    "i cannot fulfill that request",
    "i cannot fulfill your request",
    "i cannot fulfill this request",
    "i can't fulfill that request",
    "i'm sorry but i can't",
    "i'm sorry but i cannot",
    "i am sorry but i cannot",
    "i'm sorry i cannot assist",
    "my knowledge cutoff",
    "as of my last update",
    "as of my last knowledge update",
    "lorem ipsum dolor",
    "terms of use and privacy",
    "please enable javascript to",
    "we use cookies to",
    "all rights reserved",
)
"""Refusals and page furniture that no model should learn; three to five words each, as they are compared."""
EMPTY = np.uint64(0xCBF29CE484222325)
"""Hash of a word without letters and digits."""
BASE = np.uint64(0x9E3779B97F4A7C15)
BASE_TO_RUN = np.uint64(pow(int(BASE), RUN, 1 << 64))
"""Of the rolling hash of a run (Karp and Rabin, 1987)."""
SLOTS = 1 << 10
MOST_SLOTS = 1 << 20
"""Bounds the memory that one long text takes: repetition is looked for in its first 500,000 words."""


def measure(texts: Texts) -> Signals:
    """Per text: what was counted, shares of it from 0 to 1, and `quality`, the score.

    `words`, `characters`, `stop_words` and `boilerplate` are counts; `longest_run` is the length of the longest run of
    one character, other than space; `mean_word_length` is in characters. The rest are shares: `symbol_fraction`,
    `digit_fraction` and `uppercase_fraction` of the characters that are no spaces (uppercase: of ASCII letters),
    `alphabetic_fraction` of words with a letter, `repetition` of words inside a run of five that the text has more than
    once, and `duplicate_lines` of lines that it had before.
    """
    counts = np.zeros((len(COUNTED), len(texts)), np.int32)
    _count(texts.buffer, texts.offsets, *_tables(), counts)
    counted = {name: counts[place].astype(np.float32) for place, name in enumerate(COUNTED)}
    visible = counted["characters"] - counted["spaces"]
    words = counted["words"]
    signals = {name: counted[name] for name in ("words", "characters", "stop_words", "boilerplate", "longest_run")}
    signals |= {
        "mean_word_length": _share(visible, words),
        "symbol_fraction": _share(counted["symbols"], visible),
        "digit_fraction": _share(counted["digits"], visible),
        "uppercase_fraction": _share(counted["uppercase"], counted["letters"]),
        "alphabetic_fraction": _share(counted["alphabetic_words"], words),
        "repetition": _share(counted["repeated_words"], words),
        "duplicate_lines": _share(counted["repeated_lines"], counted["lines"]),
    }
    return signals | {"quality": score(signals)}


def score(signals: Signals) -> NDArray[np.float32]:
    """One number, 0 to 1, to choose the best of several duplicates and to sort by; not a probability.

    The product of how well each measure lies in the range of Gopher's and C4's rules, 1 inside and falling outside:
    words (a text of 50 is full length, one of 5 is worth 0.4), mean word length 3 to 10, symbols to 0.1, letters in
    0.8 of the words, repeated words to 0.1, duplicate lines to 0.3, uppercase to 0.3, runs of a character to 20,
    and 0.3 for any boilerplate.
    """
    words = signals["words"]
    length = np.minimum(1, np.log1p(words) / np.log1p(50))
    word_length = signals["mean_word_length"]
    good = length * _below(word_length, 10, 40) * np.minimum(1, word_length / 3)
    good *= _below(signals["symbol_fraction"], 0.1, 0.8)
    good *= np.minimum(1, signals["alphabetic_fraction"] / 0.8)
    good *= _below(signals["repetition"], 0.1, 1.0) * _below(signals["duplicate_lines"], 0.3, 1.0)
    good *= 0.5 + 0.5 * _below(signals["uppercase_fraction"], 0.3, 1.0)
    good *= _below(signals["longest_run"], 20, 200)
    good *= np.where(signals["boilerplate"] > 0, 0.3, 1)
    return good.astype(np.float32)


def decide(signals: Signals, recipe: QualityRecipe) -> NDArray[np.uint8]:
    """Per row 0, or 1 + the index of the DropReason in `tuple(DropReason)`: LOW_QUALITY, or TOXIC before it.

    Toxicity is judged where `signals` has `toxicity`.
    """
    words = signals["words"]
    low = words < recipe.min_words
    if recipe.max_words is not None:
        low |= words > recipe.max_words
    low |= signals["symbol_fraction"] > recipe.max_symbol_fraction
    low |= signals["repetition"] > recipe.max_repetition
    reasons = np.where(low, _number(DropReason.LOW_QUALITY), 0).astype(np.uint8)
    if "toxicity" in signals:
        reasons[signals["toxicity"] > recipe.max_toxicity] = _number(DropReason.TOXIC)
    return reasons


def _number(reason: DropReason) -> int:
    return 1 + tuple(DropReason).index(reason)


def _share(part: NDArray[np.float32], whole: NDArray[np.float32]) -> NDArray[np.float32]:
    return (part / np.maximum(whole, 1)).astype(np.float32)


def _below(value: NDArray[np.float32], good: float, worst: float) -> NDArray[np.float32]:
    """1 up to `good`, falling to 0 at `worst`."""
    return np.clip((worst - value) / (worst - good), 0, 1).astype(np.float32)


@cache
def _tables() -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]:
    """Stop words, boilerplate, and the last words of boilerplate: what few words are need not be looked up further."""
    phrases = [*BOILERPLATE, *(phrase.replace("'", "\u2019") for phrase in BOILERPLATE)]
    return _hashed(STOP_WORDS), _hashed(phrases), _hashed([phrase.split()[-1] for phrase in phrases])


def _hashed(phrases: Sequence[str]) -> NDArray[np.uint64]:
    """The phrases' hashes in open addressing, 0 where a slot is empty."""
    slots = np.zeros(SLOTS, np.uint64)
    for phrase in dict.fromkeys(phrases):
        hashed = np.uint64(0)
        for word in phrase.split():
            hashed = np.uint64(follow(hashed, np.uint64(_hash_word(np.frombuffer(bytearray(word.encode()), np.uint8)))))
        slot = int(hashed) % SLOTS
        while slots[slot]:
            slot = (slot + 1) % SLOTS
        slots[slot] = hashed
    return slots


@compiled
def follow(hashed, word):
    """The hash of a run of words and one more."""
    return mix(hashed ^ word) + np.uint64(0x9E3779B97F4A7C15)


@compiled
def _hash_word(word):
    hashed = EMPTY
    for byte in word:
        lower = byte | np.uint8(32) if 65 <= byte <= 90 else byte
        hashed = (hashed ^ np.uint64(lower)) * np.uint64(0x100000001B3)
    return hashed


@compiled
def _has(slots, hashed):
    slot = np.int64(hashed & np.uint64(SLOTS - 1))
    while slots[slot]:
        if slots[slot] == hashed:
            return True
        slot = (slot + 1) & (SLOTS - 1)
    return False


@compiled
def _seen(table, stamps, stamp, mask, hashed):
    """Whether this text had the hash before; it has it now. Stamps make the table empty again for the next text."""
    slot = np.int64(hashed & np.uint64(mask))
    while stamps[slot] == stamp:
        if table[slot] == hashed:
            return True
        slot = (slot + 1) & mask
    table[slot], stamps[slot] = hashed, stamp
    return False


@compiled
def _room(offsets):
    """Slots for the words or lines of the longest text: a power of two."""
    longest = 0
    for text in range(len(offsets) - 1):
        longest = max(longest, offsets[text + 1] - offsets[text])
    size = 64
    while size < longest + 2 and size < MOST_SLOTS:
        size *= 2
    return size


@compiled
def _count(buffer, offsets, stop_words, phrases, last_words, counts):
    """One pass over each text. The order of the rows of `counts` is that of COUNTED."""
    size = _room(offsets)
    table, stamps = np.empty(size, np.uint64), np.zeros(size, np.int32)
    line_table, line_stamps = np.empty(size, np.uint64), np.zeros(size, np.int32)
    latest, latest_alone = np.zeros(RUN, np.uint64), np.zeros(RUN, np.uint64)  # hashes of the last words, a ring
    mask = size - 1
    for text in range(len(offsets) - 1):
        characters = words = alphabetic = symbols = digits = upper = letters = spaces = 0
        stops = boilerplate = longest = run = repeated = covered = lines = repeated_lines = 0
        word, core, line, rolling = EMPTY, EMPTY, np.uint64(0), np.uint64(0)
        in_word = has_letter = line_has_words = False
        last = np.uint8(0)
        end = offsets[text + 1]
        for at in range(offsets[text], end + 1):
            byte = buffer[at] if at < end else np.uint8(10)
            if byte > 32:
                in_word = True
                lower, is_mark = byte, False
                if byte > 127:
                    characters += byte & 0xC0 != 0x80
                    has_letter = True
                elif 97 <= byte <= 122:
                    letters += 1
                    has_letter = True
                elif 65 <= byte <= 90:
                    letters += 1
                    upper += 1
                    has_letter = True
                    lower = byte | np.uint8(32)
                elif 48 <= byte <= 57:
                    digits += 1
                else:
                    symbols += 1
                    is_mark = True
                characters += byte <= 127
                if not is_mark or word != EMPTY:
                    word = (word ^ np.uint64(lower)) * np.uint64(0x100000001B3)
                    if not is_mark:
                        core = word
                run = run + 1 if byte == last and byte <= 127 else 1
                longest = max(longest, run)
                last = byte
                continue
            last = np.uint8(0)
            if in_word:
                alphabetic += has_letter
                word = core
                alone = follow(np.uint64(0), word)
                stops += _has(stop_words, alone)
                place = words % RUN
                rolling = rolling * BASE + alone
                if words >= RUN:
                    rolling -= latest_alone[place] * BASE_TO_RUN
                latest[place], latest_alone[place] = word, alone
                words += 1
                line, line_has_words = follow(line, word), True
                if words >= 3 and _has(last_words, alone):
                    boilerplate += _ends_phrase(phrases, latest, words)
                if RUN <= words <= size // 2 and _seen(table, stamps, text + 1, mask, mix(rolling)):
                    repeated += words - max(covered, words - RUN)
                    covered = words
                word = core = EMPTY
                in_word = has_letter = False
            if at < end:
                characters += 1
                spaces += 1
            if byte == 10 and line_has_words:
                lines += 1
                if lines <= size // 2:
                    repeated_lines += _seen(line_table, line_stamps, text + 1, mask, line)
                line, line_has_words = np.uint64(0), False
        counts[0, text], counts[1, text], counts[2, text], counts[3, text] = characters, words, alphabetic, symbols
        counts[4, text], counts[5, text], counts[6, text], counts[7, text] = digits, upper, letters, spaces
        counts[8, text], counts[9, text], counts[10, text], counts[11, text] = stops, boilerplate, longest, repeated
        counts[12, text], counts[13, text] = lines, repeated_lines


@compiled
def _ends_phrase(phrases, latest, words):
    """Whether the last three, four or five words are a phrase."""
    for length in range(3, min(words, RUN) + 1):
        hashed = np.uint64(0)
        for place in range(words - length, words):
            hashed = follow(hashed, latest[place % RUN])
        if _has(phrases, hashed):
            return True
    return False
