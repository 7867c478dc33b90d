"""Names and addresses: a linear tagger over the words around each word, learnt by `training.py`.

Each word gets one of TAGS, from left to right, by the sum of the weights of its features (the word, its shape, its
ends, its neighbours, the tag before), hashed into one table (Collins, 2002: the averaged
perceptron). Weights are bytes.
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.batches import Integers, Texts
from batch_jobs.prepare.cleaning.pii.spans import Found
from batch_jobs.prepare.compiling import compiled
from tunesmith.contracts.preparation import PiiType

WEIGHTS = Path(__file__).with_name("names.npz")
TAGS = (None, PiiType.PERSON, PiiType.ADDRESS)
BITS, FEATURES = 18, 18

Weights = NDArray[np.generic]


class Tagger:
    """Immutable, so threads may share one."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    @classmethod
    @cache
    def packaged(cls) -> "Tagger":
        with np.load(WEIGHTS, allow_pickle=False) as stored:
            return cls(stored["weights"].astype(np.int32))

    def find(self, texts: Texts) -> list[Found]:
        """Names and addresses, each from its first word to its last."""
        start, end, text = words_of(texts)
        if not len(start):
            return []
        tags = _tag(_features(texts.buffer, start, end, text), text, self._weights)
        found: list[Found] = []
        last = -2
        for word in np.flatnonzero(tags).tolist():
            kind = TAGS[tags[word]]
            assert kind is not None
            joined = word == last + 1 and tags[word] == tags[last] and text[word] == text[last]
            between = texts.buffer[end[last] : start[word]].tobytes() if joined else b""
            if joined and len(between) <= 6 and (kind is PiiType.ADDRESS or not between.strip(b" .'-")):
                found[-1] = (found[-1][0], int(end[word]), kind)
            else:
                found.append((int(start[word]), int(end[word]), kind))
            last = word
        return found


def words_of(texts: Texts) -> tuple[Integers, Integers, Integers]:
    """First byte, byte after the last and text of each word: letters and digits, and whatever is not ASCII."""
    size = int(texts.offsets[-1] - texts.offsets[0]) // 2 + len(texts) + 1
    start, end, text = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    count = _words(texts.buffer, texts.offsets, start, end, text)
    return start[:count], end[:count], text[:count]


@compiled
def _words(buffer, offsets, start, end, text):
    count = 0
    for index in range(len(offsets) - 1):
        inside = False
        for at in range(offsets[index], offsets[index + 1]):
            byte = buffer[at]
            is_word = byte >= 128 or 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122
            if is_word and not inside:
                start[count], text[count] = at, index
            if inside and not is_word:
                end[count] = at
                count += 1
            inside = is_word
        if inside:
            end[count] = offsets[index + 1]
            count += 1
    return count


@compiled
def _hash(seed, value):
    mixed = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(value)
    mixed = (mixed ^ mixed >> np.uint64(29)) * np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ mixed >> np.uint64(32)


@compiled
def _features(buffer, start, end, text):
    """Per word: where the weights of its features stand; the last feature is left for the tag before."""
    size = len(start)
    word, shape = np.empty(size + 4, np.uint64), np.empty(size + 4, np.uint64)
    prefix, suffix = np.empty(size, np.uint64), np.empty(size, np.uint64)
    gap = np.empty(size + 1, np.uint64)
    word[:], shape[:], gap[:] = 7, 7, 7
    for i in range(size):
        whole, pre, suf, form = np.uint64(11), np.uint64(13), np.uint64(17), np.uint64(min(end[i] - start[i], 6))
        for at in range(start[i], end[i]):
            byte = buffer[at]
            kind = 4 if byte >= 128 else 1 if byte < 58 else 2 if byte < 91 else 3
            low = byte | 32 if kind == 2 else byte
            whole = _hash(whole, low)
            if at < start[i] + 3:
                pre = _hash(pre, low)
                form = form * np.uint64(5) + np.uint64(kind)
            if at >= end[i] - 3:
                suf = _hash(suf, low)
        word[i + 2], prefix[i], suffix[i] = whole, pre, suf
        shape[i + 2] = form * np.uint64(5) + np.uint64(kind)
        if i and text[i] == text[i - 1]:
            apart = np.uint64(19)
            for at in range(end[i - 1], min(start[i], end[i - 1] + 4)):
                apart = _hash(apart, buffer[at])
            gap[i] = apart
    found = np.zeros((size, FEATURES), np.int64)
    mask = np.uint64((1 << BITS) - 1)
    for i in range(size):
        w = i + 2
        before = i > 0 and text[i] == text[i - 1]
        after = i + 1 < size and text[i] == text[i + 1]
        w1 = word[w - 1] if before else np.uint64(1)
        s1 = shape[w - 1] if before else np.uint64(1)
        w2 = word[w - 2] if before and i > 1 and text[i] == text[i - 2] else np.uint64(1)
        n1 = word[w + 1] if after else np.uint64(2)
        ns = shape[w + 1] if after else np.uint64(2)
        n2 = word[w + 2] if after and i + 2 < size and text[i] == text[i + 2] else np.uint64(2)
        g1 = gap[i] if before else np.uint64(3)
        g2 = gap[i + 1] if after else np.uint64(3)
        values = (
            word[w], shape[w], prefix[i], suffix[i], w1, n1, w2, n2, _hash(s1, shape[w]), _hash(shape[w], ns),
            _hash(w1, word[w]), _hash(word[w], n1), _hash(w1, w2), _hash(w1, shape[w]), _hash(n1, shape[w]),
            _hash(g1, shape[w]), _hash(g2, shape[w]),
        )  # fmt: skip
        for place in range(FEATURES - 1):
            found[i, place] = np.int64(_hash(place + 101, values[place]) & mask)
        found[i, FEATURES - 1] = np.int64(_hash(997, _hash(shape[w], g1)) & mask)
    return found


@compiled
def _best(features, i, before, weights):
    mask = (1 << BITS) - 1
    tagged = (features[i, FEATURES - 1] + before * 7919) & mask
    best, best_score = 0, np.int64(-(1 << 60))
    for tag in range(3):
        score = np.int64(weights[tagged, tag])
        for place in range(FEATURES - 1):
            score += weights[features[i, place], tag]
        if score > best_score:
            best, best_score = tag, score
    return best


@compiled
def _tag(features, text, weights):
    tags = np.zeros(len(text), np.int64)
    before = 3
    for i in range(len(text)):
        if i == 0 or text[i] != text[i - 1]:
            before = 3
        tags[i] = before = _best(features, i, before, weights)
    return tags


@compiled
def learn(features, text, right, order, rounds):
    """Averaged perceptron over the words of the texts in order, whose first and last words `order` has."""
    mask = (1 << BITS) - 1
    weights, sums = np.zeros((1 << BITS, 3), np.int32), np.zeros((1 << BITS, 3), np.int64)
    step = 1
    for _ in range(rounds):
        for at in range(len(order)):
            before = 3
            for i in range(order[at, 0], order[at, 1]):
                told = _best(features, i, before, weights)
                if told != right[i]:
                    for place in range(FEATURES):
                        where = features[i, place]
                        if place == FEATURES - 1:
                            where = (where + before * 7919) & mask
                        weights[where, right[i]] += 1
                        weights[where, told] -= 1
                        sums[where, right[i]] += step
                        sums[where, told] -= step
                before = told
                step += 1
    return weights - sums / step
