"""Names and addresses: a conditional random field over the words of a text, learnt by `training.py`.

Each word gets one of TAGS. Its score is the sum of the weights of its features (the word, its ends, how it is
written, which lists have it, its neighbours), hashed into one table, and of the step from the tag before; the best
sequence wins (Lafferty, McCallum and Pereira, 2001; Viterbi). Weights are bytes.
"""

from functools import cache
from pathlib import Path

import numpy as np

from batch_jobs.prepare.batches import Bytes, Texts
from batch_jobs.prepare.cleaning.pii.spans import Found
from batch_jobs.prepare.cleaning.pii.words import BREAK, LINE, Lists, Words, mixed
from batch_jobs.prepare.compiling import compiled
from tunesmith.contracts.preparation import PiiType

WEIGHTS = Path(__file__).with_name("names.npz")
OUT, NAME, NAME_ON, ADDRESS, ADDRESS_ON, ORGANISATION, PLACE, TITLE = range(8)
TAGS = 8
"""OUT is any other word; _ON goes on with what the tag before began. Only names and addresses are told."""
BITS = 18
FEATURES = 31
OF_THE_WORD, OF_NEIGHBOURS = (0, 2, 3), (5, 6, 7, 8, 9, 10, 11, 12, 13, 22, 23, 24)
"""Features that hold letters of the word itself, and those that hold other words."""


class Tagger:
    """Immutable, so threads may share one."""

    def __init__(self, weights: Bytes, steps: np.ndarray, lists: Lists) -> None:
        self._weights, self._steps, self._lists = weights, steps, lists

    @classmethod
    @cache
    def packaged(cls) -> "Tagger":
        with np.load(WEIGHTS, allow_pickle=False) as stored:
            lists = Lists(stored["check"], stored["flags"])
            return cls(stored["weights"], stored["steps"].astype(np.int32), lists)

    def find(self, texts: Texts) -> list[Found]:
        """Names and addresses, each from its first word to its last; places that follow an address are part of it."""
        words = Words.of(texts)
        if not len(words):
            return []
        tags = self.tags(words)
        spans = np.empty((len(words), 3), np.int64)
        count = _spans(words.start, words.end, words.gap, tags, spans)
        kinds = {NAME: PiiType.PERSON, ADDRESS: PiiType.ADDRESS}
        return [(start, end, kinds[tag]) for start, end, tag in spans[:count].tolist()]

    def tags(self, words: Words) -> Bytes:
        """One of TAGS per word."""
        flags = self._lists.of_words(words)
        view = (words.identity, words.prefix, words.suffix, words.shape, words.gap, flags)
        return _tag(view, self._weights, self._steps)


@compiled
def _spans(start, end, gap, tags, spans):
    """Joins words to spans: first byte, byte after the last, NAME or ADDRESS."""
    count, i, size = 0, 0, len(tags)
    while i < size:
        last = i
        if tags[i] == ADDRESS or tags[i] == ADDRESS_ON:
            last = _end_of_address(start, end, gap, tags, i)
            kind = ADDRESS
        elif tags[i] == NAME or tags[i] == NAME_ON:
            while last + 1 < size and tags[last + 1] == NAME_ON and gap[last + 1] != BREAK:
                last += 1
            kind = NAME
        else:
            i += 1
            continue
        spans[count, 0], spans[count, 1], spans[count, 2] = start[i], end[last], kind
        count += 1
        i = last + 1
    return count


@compiled
def _end_of_address(start, end, gap, tags, first):
    last, i = first, first + 1
    while i < len(tags) and gap[i] != BREAK and start[i] - end[i - 1] <= 4:
        if tags[i] != ADDRESS and tags[i] != ADDRESS_ON and tags[i] != PLACE:
            break
        last, i = i, i + 1
    return last


@compiled
def _fill(i, low, high, view, small, line_word, row):
    """The features of word i of a text that has the words low to high: where their weights stand, into `row`."""
    identity, prefix, suffix, shape, gap, flags = view
    word, look, known = identity[i], np.int64(shape[i]), np.int64(flags[i])
    w1, s1, f1 = np.int64(1), np.int64(30), np.int64(0)
    w2, f2 = np.int64(1), np.int64(0)
    n1, ns, nf = np.int64(2), np.int64(31), np.int64(0)
    n2, nf2 = np.int64(2), np.int64(0)
    after = np.int64(BREAK)
    if i > low:
        w1, s1, f1 = identity[i - 1], np.int64(shape[i - 1]), np.int64(flags[i - 1])
    if i > low + 1:
        w2, f2 = identity[i - 2], np.int64(flags[i - 2])
    if i + 1 < high:
        n1, ns, nf, after = identity[i + 1], np.int64(shape[i + 1]), np.int64(flags[i + 1]), np.int64(gap[i + 1])
    if i + 2 < high:
        n2, nf2 = identity[i + 2], np.int64(flags[i + 2])
    before = np.int64(gap[i])
    self = look << 8 | known
    row[0] = word
    row[1] = look << 4 | before
    row[2] = prefix[i]
    row[3] = suffix[i]
    row[4] = self
    row[5] = w1
    row[6] = n1
    row[7] = w2
    row[8] = n2
    row[9] = mixed(w1, word)
    row[10] = mixed(word, n1)
    row[11] = mixed(w2, w1)
    row[12] = mixed(w1, self)
    row[13] = mixed(n1, self)
    row[14] = s1 << 13 | before << 9 | look
    row[15] = ns << 13 | after << 9 | look
    row[16] = before << 16 | self
    row[17] = after << 16 | self
    row[18] = f1 << 8 | known
    row[19] = nf << 8 | known
    row[20] = f1 << 16 | known << 8 | nf
    row[21] = s1 << 32 | look << 24 | ns << 16 | before << 8 | after
    row[22] = mixed(w1, n1)
    row[23] = mixed(line_word, look)
    row[24] = mixed(w2, self)
    row[25] = small << 16 | self
    row[26] = f2 << 24 | f1 << 16 | known << 8 | before
    row[27] = nf2 << 24 | nf << 16 | known << 8 | after
    row[28] = before << 24 | after << 16 | self
    row[29] = s1 << 32 | f1 << 24 | look << 16 | ns << 8 | nf
    row[30] = 0
    for place in range(FEATURES):
        row[place] = mixed(place + 101, row[place]) & ((1 << BITS) - 1)


@compiled
def _bounds(gap, low):
    high = low + 1
    while high < len(gap) and gap[high] != BREAK:
        high += 1
    return high


@compiled
def _all_small(shape, low, high):
    """Whether the text has no capital, so that small letters say nothing."""
    for i in range(low, high):
        if shape[i] < 5 and shape[i] != 3:
            return 0
    return 1


@compiled
def rows_of(view):
    """The features of every word, for training."""
    identity, prefix, suffix, shape, gap, flags = view
    rows = np.empty((len(gap), FEATURES), np.int64)
    low = 0
    while low < len(gap):
        high = _bounds(gap, low)
        small, line_word = _all_small(shape, low, high), np.int64(0)
        for i in range(low, high):
            if gap[i] == BREAK or gap[i] == LINE:
                line_word = identity[i]
            _fill(i, low, high, view, small, line_word, rows[i])
        low = high
    return rows


@compiled
def _tag(view, weights, steps):
    identity, prefix, suffix, shape, gap, flags = view
    size = len(gap)
    tags, came_from = np.zeros(size, np.uint8), np.zeros((size, TAGS), np.uint8)
    row = np.empty(FEATURES, np.int64)
    best, score = np.empty(TAGS, np.int32), np.empty(TAGS, np.int32)
    low = 0
    while low < size:
        high = _bounds(gap, low)
        small, line_word = _all_small(shape, low, high), np.int64(0)
        for i in range(low, high):
            if gap[i] == BREAK or gap[i] == LINE:
                line_word = identity[i]
            _fill(i, low, high, view, small, line_word, row)
            for tag in range(TAGS):
                score[tag] = 0
            for place in range(FEATURES):
                for tag in range(TAGS):
                    score[tag] += np.int32(weights[row[place], tag])
            if i > low:
                _step(best, score, steps[gap[i]], came_from[i])
            for tag in range(TAGS):
                best[tag] = score[tag]
        tag = np.argmax(best)
        for i in range(high - 1, low - 1, -1):
            tags[i] = tag
            tag = came_from[i, tag]
        low = high
    return tags


@compiled
def _step(best, score, steps, came_from):
    """Adds to each tag's score the best way to it, and keeps that."""
    for tag in range(TAGS):
        top, at = best[0] + steps[0, tag], 0
        for before in range(1, TAGS):
            it = best[before] + steps[before, tag]
            if it > top:
                top, at = it, before
        score[tag] += top
        came_from[tag] = at
