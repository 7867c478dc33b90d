"""What the rows are about: clusters of a sample, with their words and a place on a map, for the report.

Latent semantic analysis (Deerwester et al., 1990): words weighed by rarity, projected on the directions in which texts
differ most, and grouped by k-means. It needs no model and takes seconds. The same texts give the same topics.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DIRECTIONS, MOST_WORDS = 64, 20_000
ROWS_PER_TOPIC, MOST_TOPICS = 60, 12
TERMS = 6
LONGEST = 4000
"""Characters of a text that are looked at."""
LEAST_ROWS = 10
WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]{2}"
    r"|(?:[^\W\d_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[\u0300-\u036f\u0900-\u0dff\u0e00-\u0eff]){3,}"
)
"""Of Chinese and Japanese, which have no spaces, each two characters; else letters with the marks on them."""
ASCII_WORD = re.compile(r"[A-Za-z]{3,}")
"""What WORD finds in ASCII, in a quarter of the time."""
FARTHEST = 98
"""Percentile of distances from the topics' middles beyond which all are drawn alike: strays would crowd the others."""
SCATTER, WIDTH = 0.16, 0.25
"""How far from its place a text may lie by its own words, and how much less like a topic is e times less pull."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A cluster; the largest come first."""

    terms: list[str]
    """Words that its texts have and others do not, the most telling first."""
    size: int
    share: float
    example: int
    """The text nearest to its middle."""


@dataclass(frozen=True, slots=True)
class Topics:
    topics: list[Topic]
    topic: NDArray[np.int32]
    """Per text: index into `topics`. Texts that share no word with others are one topic without terms."""
    places: NDArray[np.float32]
    """[texts, 2]: where each text lies on a map, -1 to 1; texts of a topic lie together."""


def find_topics(texts: Sequence[str], seed: int = 0, count: int | None = None) -> Topics:
    """Topics of the texts; one or none where there are too few texts or words to tell them apart."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # on cores that others use too, BLAS's threads wait for each other
        return _find(texts, seed, count)


def _find(texts: Sequence[str], seed: int, count: int | None) -> Topics:
    from sklearn.cluster import KMeans

    weighed, words = _weigh(texts)
    if weighed is None or weighed.shape[0] < LEAST_ROWS or weighed.shape[1] < 4:
        return _one_topic(len(texts))
    places = _project(weighed, seed)
    has_words = places.any(axis=1)
    wanted = count or max(2, min(MOST_TOPICS, len(texts) // ROWS_PER_TOPIC))
    wanted = min(wanted, len(np.unique(places[has_words].round(6), axis=0)))
    if wanted < 2:
        return _one_topic(len(texts))
    fitted = KMeans(wanted, n_init=4, random_state=seed).fit(places[has_words])
    cluster = np.full(len(texts), wanted)
    cluster[has_words] = fitted.labels_
    far = np.zeros(len(texts))
    far[has_words] = fitted.transform(places[has_words])[np.arange(has_words.sum()), fitted.labels_]
    sizes = np.bincount(cluster)
    order = np.argsort(-sizes, kind="stable")
    topic = np.argsort(order).astype(np.int32)[cluster]
    found = [_describe(weighed, words, topic == place, far) for place in range(len(order))]
    return Topics(found, topic, _map(places, fitted.cluster_centers_, cluster))


def _weigh(texts: Sequence[str]):  # type: ignore[no-untyped-def]  # scipy's matrices have no types
    """[texts, words] weighed by rarity, and the words; None where there are no words in common."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

    vectorizer = TfidfVectorizer(
        tokenizer=words_of,
        token_pattern=None,
        stop_words=sorted(ENGLISH_STOP_WORDS),
        min_df=2 if len(texts) < 200 else 3,
        max_df=0.5,
        max_features=MOST_WORDS,
        sublinear_tf=True,
        dtype=np.float32,
    )
    try:
        weighed = vectorizer.fit_transform([text[:LONGEST] for text in texts])
    except ValueError:  # no word is left
        return None, np.empty(0, np.str_)
    return weighed, vectorizer.get_feature_names_out()


def words_of(text: str) -> list[str]:
    return (ASCII_WORD if text.isascii() else WORD).findall(text)


def _project(weighed, seed: int) -> NDArray[np.float32]:  # type: ignore[no-untyped-def]
    """[texts, directions], of length 1 where a text has any known word."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import normalize

    directions = min(DIRECTIONS, min(weighed.shape) - 1)
    projected = TruncatedSVD(directions, n_iter=4, random_state=seed).fit_transform(weighed)
    return normalize(np.nan_to_num(projected)).astype(np.float32)


def _describe(  # type: ignore[no-untyped-def]
    weighed, words: NDArray[np.str_], inside: NDArray[np.bool_], far: NDArray[np.float64]
) -> Topic:
    """Terms by how much more weight they have inside than in all texts. `far`: of each text from its topic's middle."""
    rows = np.flatnonzero(inside)
    own = np.asarray(weighed[rows].mean(axis=0))[0]
    usual = np.asarray(weighed.mean(axis=0))[0]
    telling = own * np.log((own + 1e-9) / (usual + 1e-9))
    best = [place for place in np.argsort(-telling, kind="stable")[:TERMS] if telling[place] > 0]
    terms = [str(words[place]) for place in best]
    return Topic(terms, len(rows), len(rows) / len(inside), int(rows[np.argmin(far[rows])]))


def _map(places: NDArray[np.float32], centres: NDArray[np.float32], cluster: NDArray[np.int64]) -> NDArray[np.float32]:
    """Topics stand on a circle, like beside like, and pull at each text as much as it is like them (after RadViz,
    Hoffman et al., 1997); texts that are equally like them differ by their own principal components."""
    angles = np.empty(len(centres))
    angles[_ring(centres)] = 2 * np.pi * np.arange(len(centres)) / len(centres)
    anchors = np.stack([np.cos(angles), np.sin(angles)], axis=1) * (1 - SCATTER)
    far = np.square(places).sum(axis=1)[:, None] - 2 * places @ centres.T + np.square(centres).sum(axis=1)
    pull = np.exp((far.min(axis=1, keepdims=True) - far) / WIDTH)
    has_topic = cluster < len(centres)
    own = np.where(has_topic[:, None], places - centres[np.minimum(cluster, len(centres) - 1)], 0)
    scattered = (pull / pull.sum(axis=1, keepdims=True)) @ anchors * has_topic[:, None] + _scatter(own)
    return np.clip(scattered, -1, 1).astype(np.float32)


def _ring(centres: NDArray[np.float32]) -> list[int]:
    """An order in which each topic follows the one that it is most like, of those that are left."""
    order, left = [0], list(range(1, len(centres)))
    while left:
        nearest = max(left, key=lambda other: (float(centres[order[-1]] @ centres[other]), -other))
        order.append(nearest)
        left.remove(nearest)
    return order


def _scatter(own: NDArray[np.float32]) -> NDArray[np.float32]:
    """[texts, 2], -SCATTER to SCATTER: the two directions in which texts differ most from their topics' middles."""
    _, _, axes = np.linalg.svd(own.T @ own)
    flat = own @ axes[:2].T
    if flat.shape[1] < 2:
        flat = np.concatenate([flat, np.zeros((len(flat), 2 - flat.shape[1]))], axis=1)
    signs = np.sign(flat[np.abs(flat).argmax(axis=0), [0, 1]])  # an axis has no direction of its own
    edge = np.maximum(np.percentile(np.abs(flat), FARTHEST, axis=0), 1e-9)
    return SCATTER * np.clip(flat * np.where(signs == 0, 1, signs) / edge, -1, 1)


def _one_topic(texts: int) -> Topics:
    topics = [Topic([], texts, 1.0, 0)] if texts else []
    return Topics(topics, np.zeros(texts, np.int32), np.zeros((texts, 2), np.float32))
