"""Words as hashes against words as `re` finds them."""

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.deduplicating.words import hash_words, longest, scratch_for

WORD = re.compile("[\u0e00-\u0e7f\u3000-\ud7ff]|[0-9a-z\x80-\u0dff\u0e80-\u2fff\ue000-\U0010ffff]+")
"""ASCII's punctuation and white space stand between words; whatever else there is belongs to one."""

texts = st.lists(st.text(st.sampled_from("aB9 .-é日本กx\u2003😀Ω\n"), max_size=150), min_size=1, max_size=6)


@compiled
def _hash_all(buffer, offsets, found, counts):
    words, scratch, total = np.empty(longest(offsets), np.uint64), scratch_for(offsets), 0
    for text in range(len(offsets) - 1):
        counts[text] = hash_words(buffer, offsets[text], offsets[text + 1], scratch, words)
        found[total : total + counts[text]] = words[: counts[text]]
        total += counts[text]
    return total


def hashes_of(several: list[str]) -> list[list[int]]:
    columns = Texts.of(several)
    found, counts = np.empty(len(columns.buffer) + 1, np.uint64), np.empty(len(several), np.int64)
    total = _hash_all(columns.buffer, columns.offsets, found, counts)
    return [part.tolist() for part in np.split(found[:total], np.cumsum(counts)[:-1])]


def split(text: str) -> list[str]:
    lowered = "".join(char.lower() if char.isascii() else char for char in text)
    return WORD.findall(lowered)


@settings(deadline=None, max_examples=300)
@given(texts)
def test_every_word_has_the_hash_that_it_has_alone(several: list[str]) -> None:
    words = [split(text) for text in several]
    alone = {word: hashes_of([word])[0] for of_text in words for word in of_text}
    assert all(len(found) == 1 for found in alone.values())
    assert hashes_of(several) == [[alone[word][0] for word in of_text] for of_text in words]


def test_words_differ_by_any_letter_and_by_their_length() -> None:
    words = ["a" * size for size in range(1, 40)]
    words += ["a" * at + "b" + "a" * (20 - at) for at in range(20)]
    (found,) = hashes_of([" ".join(words)])
    assert len(set(found)) == len(words)
    (upper,) = hashes_of([" ".join(words).upper()])
    assert upper == found
