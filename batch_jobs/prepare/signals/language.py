"""The language of each text, decided on a sample of it, in compiled code that runs without the GIL.

What is asked is fastText's model (see `linear_text_model`), of up to three windows of a text. Words that look like
code, numbers or addresses say nothing of a language and are left out; a text with too few words is of unknown language,
and so is one whose windows are, each for itself, surely of different languages.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.signals.linear_text_model import (
    LinearTextModel,
    add_feature,
    add_word,
    every_label,
    likeliest,
    packaged_model,
    read_model,
)

UNKNOWN = 0
"""Code of the language that is not known, `und` in ISO 639-2."""
WINDOWS, WINDOW_BYTES = 3, 160
MIN_LETTERS = 12
"""Bytes of letters that a text must have; every letter that is not ASCII counts for as many bytes as it takes."""
MIN_WORDS = 3
"""A text of fewer words counts only where its letters are not ASCII: `ok, thanks` is said in every language."""
SURE = np.float32(0.8)
MIN_FEATURES = 30
"""Words and n-grams that a window must have to contradict another."""
KIN = (
    "bs hr sh sl sr mk bg",
    "cs sk pl hsb dsb",
    "ru uk be rue",
    "no nn da sv",
    "de als bar lb nds nl af fy li vls",
    "es pt gl ast an ca oc ia mwl ie io eo",
    "it lmo pms nap scn sc vec rm co fr wa la",
    "id ms jv su min tl ceb war pam ilo",
    "tr az uz tk kk ky tt ba cv ug",
    "fa ps ckb tg ur sd mzn",
    "ar arz azb",
    "hi mr ne bh mai sa gom",
    "bn as bpy",
    "zh wuu yue",
    "ga gd gv cy br kw",
    "et fi vep",
    "lt lv",
)
"""Languages that are easily taken for each other: what the model divides between them speaks for each of them."""
FAMILIES = len(KIN)


class Languages:
    """Tells languages apart. One of these serves any number of threads."""

    def __init__(self, model: LinearTextModel | None = None):
        self._model = model or _packaged()
        self._kin = _kin(self._model.labels)

    @property
    def codes(self) -> tuple[str, ...]:
        """What the numbers mean: ISO 639-1 where there is one, else ISO 639-3; `und` is 0."""
        return "und", *self._model.labels

    def of(self, texts: Texts) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
        """Per text: index into `codes`, and how sure it is that it is of this language or of its kin, 0 to 1.

        What is unknown has confidence 0.
        """
        codes, confidence = np.zeros(len(texts), np.uint16), np.zeros(len(texts), np.float32)
        model = self._model
        _decide(
            texts.buffer,
            texts.offsets,
            model.vectors,
            model.words,
            model.ngrams,
            model.nodes,
            model.children,
            model.end_of_text,
            model.ngram_lengths,
            self._kin,
            codes,
            confidence,
        )
        return codes, confidence


def _kin(labels: tuple[str, ...]) -> NDArray[np.int32]:
    """Per label the number of its family; a label without kin is a family by itself."""
    families = {code: number for number, family in enumerate(KIN) for code in family.split()}
    return np.array([families.get(label, FAMILIES + place) for place, label in enumerate(labels)], np.int32)


@cache
def _packaged() -> LinearTextModel:
    return read_model(packaged_model())


@compiled
def _decide(buffer, offsets, vectors, words, ngrams, nodes, children, end_of_text, lengths, kin, codes, confidence):
    dimensions = vectors.shape[1]
    sums, counts = np.empty((WINDOWS, dimensions), np.float32), np.empty(WINDOWS, np.int64)
    letters = np.empty(2, np.int64)
    chances = np.empty(2 * len(nodes) + 1, np.float32)
    mean, stack, scores = np.empty(dimensions, np.float32), np.empty(512, np.int64), np.empty(512, np.float32)
    for text in range(len(offsets) - 1):
        sums[:], counts[:], letters[:] = 0, 0, 0
        found = 0
        for window in range(WINDOWS):
            start, end = _window(buffer, offsets[text], offsets[text + 1], window)
            found += _read_words(
                buffer, start, end, vectors, words, ngrams, lengths, sums[window], counts[window : window + 1], letters
            )
        if letters.sum() < MIN_LETTERS or (found < MIN_WORDS and letters[1] < MIN_LETTERS):
            continue
        mean[:] = 0
        for window in range(WINDOWS):
            mean += sums[window]
        add_feature(end_of_text, vectors, mean)
        mean /= np.float32(counts.sum() + 1)
        label, sure = likeliest(mean, nodes, children, stack, scores)
        if sure < SURE and kin[label] < FAMILIES:
            every_label(mean, nodes, children, chances)
            sure = np.float32(0.0)
            for other in range(len(kin)):
                if kin[other] == kin[label]:
                    sure += chances[other]
        codes[text], confidence[text] = label + 1, sure
        if _disagree(sums, counts, nodes, children, mean, stack, scores):
            codes[text], confidence[text] = UNKNOWN, 0


@compiled
def _window(buffer, start, end, number):
    """Where this window of the text lies: whole words, or whole characters where there are no spaces."""
    size = end - start
    if size <= WINDOWS * WINDOW_BYTES:
        cut, after = start + size * number // WINDOWS, start + size * (number + 1) // WINDOWS
    else:
        cut = start + (size - WINDOW_BYTES) * number // (WINDOWS - 1)
        after = cut + WINDOW_BYTES
    return _next_word(buffer, start, end, cut), _next_word(buffer, start, end, after)


@compiled
def _next_word(buffer, start, end, at):
    if at <= start:
        return start
    limit = min(end, at + 40)
    for place in range(at, limit):
        if buffer[place] <= 32:
            return place
    while at < end and buffer[at] & 0xC0 == 0x80:
        at += 1
    return min(at, end)


@compiled
def _read_words(buffer, start, end, vectors, words, ngrams, lengths, total, count, letters):
    """Add the words between to `total`, their features to `count`, their letters (ASCII, others) to `letters`."""
    at, found = start, 0
    while at < end:
        while at < end and buffer[at] <= 32:
            at += 1
        first = at
        while at < end and buffer[at] > 32:
            at += 1
        ascii_letters, other = _letters(buffer, first, at)
        if ascii_letters + other == 0:
            continue
        letters[0] += ascii_letters
        letters[1] += other
        found += 1
        count[0] += add_word(buffer, first, at, vectors, words, ngrams, lengths, total)
    return found


@compiled
def _letters(buffer, start, end):
    """Bytes of ASCII letters and of others; none where the word is code, a number or an address."""
    while start < end and _is_mark(buffer[start]):
        start += 1
    while end > start and _is_mark(buffer[end - 1]):
        end -= 1
    ascii_letters, other = 0, 0
    for at in range(start, end):
        byte = buffer[at]
        if byte > 127:
            other += 1
        elif 97 <= byte | 32 <= 122:
            ascii_letters += 1
        elif byte != 39 and byte != 45 and byte != 46 and byte != 44:  # ' - . ,
            return 0, 0
    return ascii_letters, other


@compiled
def _is_mark(byte):
    """ASCII that is neither a letter nor a digit."""
    return byte < 128 and not (97 <= byte | 32 <= 122 or 48 <= byte <= 57)


@compiled
def _disagree(sums, counts, nodes, children, mean, stack, scores):
    """Whether two windows are surely of different languages."""
    first = -1
    for window in range(WINDOWS):
        if counts[window] < MIN_FEATURES:
            continue
        for place in range(mean.shape[0]):
            mean[place] = sums[window, place] / np.float32(counts[window])
        label, sure = likeliest(mean, nodes, children, stack, scores)
        if sure < SURE:
            continue
        if first >= 0 and label != first:
            return True
        first = label
    return False
