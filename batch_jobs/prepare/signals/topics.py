"""What the rows are about: clusters of a sample, with their words and a place on a map, for the report.

Latent semantic analysis (Deerwester et al., 1990): words weighed by rarity, projected on the directions in which texts
differ most, and grouped by k-means. It needs no model and takes seconds. The same texts give the same topics.
"""

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
    """Per text: index into `topics`."""
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
    wanted = count or max(2, min(MOST_TOPICS, len(texts) // ROWS_PER_TOPIC))
    wanted = min(wanted, len(np.unique(places.round(6), axis=0)))
    if wanted < 2:
        return _one_topic(len(texts))
    fitted = KMeans(wanted, n_init=4, random_state=seed).fit(places)
    order = np.argsort(-np.bincount(fitted.labels_, minlength=wanted), kind="stable")
    rank = np.empty(wanted, np.int32)
    rank[order] = np.arange(wanted)
    topic = rank[fitted.labels_]
    distances = fitted.transform(places)
    found = [
        _describe(weighed, words, topic == place, int(np.argmin(distances[:, cluster])))
        for place, cluster in enumerate(order.tolist())
    ]
    return Topics(found, topic, _map(places, fitted.cluster_centers_))


def _weigh(texts: Sequence[str]):  # type: ignore[no-untyped-def]  # scipy's matrices have no types
    """[texts, words] weighed by rarity, and the words; None where there are no words in common."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

    vectorizer = TfidfVectorizer(
        token_pattern=r"(?u)\b[^\W\d_]{3,}\b",
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


def _project(weighed, seed: int) -> NDArray[np.float32]:  # type: ignore[no-untyped-def]
    """[texts, directions], of length 1 where a text has any known word."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import normalize

    directions = min(DIRECTIONS, min(weighed.shape) - 1)
    projected = TruncatedSVD(directions, n_iter=4, random_state=seed).fit_transform(weighed)
    return normalize(np.nan_to_num(projected)).astype(np.float32)


def _describe(weighed, words: NDArray[np.str_], inside: NDArray[np.bool_], example: int) -> Topic:  # type: ignore[no-untyped-def]
    """Terms by how much more weight they have inside than in all texts."""
    size = int(inside.sum())
    own = np.asarray(weighed[np.flatnonzero(inside)].mean(axis=0))[0]
    usual = np.asarray(weighed.mean(axis=0))[0]
    telling = own * np.log((own + 1e-9) / (usual + 1e-9))
    best = [place for place in np.argsort(-telling, kind="stable")[:TERMS] if telling[place] > 0]
    return Topic([str(words[place]) for place in best], size, size / len(inside), example)


def _map(places: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    """Two directions: those in which the topics' middles differ most (principal components)."""
    middle = centres.mean(axis=0)
    _, _, axes = np.linalg.svd(centres - middle, full_matrices=False)
    flat = (places - middle) @ axes[:2].T
    if flat.shape[1] < 2:
        flat = np.concatenate([flat, np.zeros((len(flat), 2 - flat.shape[1]))], axis=1)
    signs = np.sign(flat[np.abs(flat).argmax(axis=0), [0, 1]])  # an axis has no direction of its own
    return (flat * np.where(signs == 0, 1, signs) / max(float(np.abs(flat).max()), 1e-9)).astype(np.float32)


def _one_topic(texts: int) -> Topics:
    topics = [Topic([], texts, 1.0, 0)] if texts else []
    return Topics(topics, np.zeros(texts, np.int32), np.zeros((texts, 2), np.float32))
