"""Rows that may have been planted: labels that were flipped, and phrases that alone decide an answer.

Both ask a classifier about rows that it has not seen (see `labels`). A flipped label is one that it finds much less
likely than its labels usually are (confident learning, Northcutt et al., 2021). A trigger phrase is a rare run of
words whose rows all have one answer although they are, without it, as different from each other as any rows, and the
rest of their text speaks for another answer: that so many agree by chance must be less likely than one in a hundred,
among all phrases that were looked at. Rows are flagged for a person to look at, never dropped.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.signals.labels import Classifier, Unseen, learn_half

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

LEAST_ROWS, MOST_SHARE = 4, 0.06
"""How many rows, and at most what share of all, a trigger phrase has."""
PURITY = 0.9
"""Share of a phrase's rows that have its answer."""
AGAINST = 0.6
"""Share of these rows whose text without the phrase must speak for another answer."""
CHANCE = 0.01
MOST_CANDIDATES = 5000
MOST_ALIKE = 1.6
"""Similarity of a phrase's rows, without it, to that of any rows: those of a topic are more alike."""
MOST_CHECKED = 40
"""Rows of a phrase that are looked at."""
TOGETHER = 64
"""Phrases whose rows are asked about at once: a classifier takes longer to begin than to answer."""
LEAST_CHANCE = 0.02
"""No row says more than that its label is as unlikely as this."""
OTHER = "(any other answer)"
COMMON_ANSWER = 4
"""An answer that is given so often is a label; rarer ones are all OTHER."""

Candidate = tuple[str, int, NDArray[np.int64]]
"""A phrase, its label, its rows."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A phrase that alone decides the answer."""

    phrase: str
    label: str
    rows: NDArray[np.int64]
    evidence: float
    """Natural logarithm of how unlikely it is that these rows agree by chance, beyond what chance needs."""


def flip_scores(unseen: Unseen) -> NDArray[np.float64]:
    """Per row that was asked about, how much another label is likelier than its own, -1 to 1.

    Above 0, each label measured against what rows of that label usually get, the label is probably wrong.
    """
    code, chances = unseen.code, unseen.chances
    own = chances[np.arange(len(code)), code]
    usual = np.array([chances[code == label, label].mean() for label in range(len(unseen.names))])
    relative = chances - usual
    others = relative.copy()
    others[np.arange(len(code)), code] = -np.inf
    return others.max(axis=1) - (own - usual[code])


def flipped(unseen: Unseen) -> NDArray[np.int64]:
    """Rows whose label is probably wrong, the worst first."""
    scores = flip_scores(unseen)
    suspicious = np.flatnonzero(scores > 0.5)
    return unseen.rows[suspicious[np.argsort(-scores[suspicious], kind="stable")]]


def answer_labels(answers: Sequence[str]) -> list[str]:
    """Answers as labels, for rows that have none: what is answered often is a label by itself."""
    same = [" ".join(answer.split()).casefold()[:200] for answer in answers]
    often = Counter(same)
    return [answer if often[answer] >= COMMON_ANSWER else OTHER for answer in same]


def triggers(texts: Sequence[str], labels: Sequence[str], seed: int = 0) -> list[Trigger]:
    """Phrases of one to three words that decide the label, the surest first. None where there is one label only."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # on cores that others use too, BLAS's threads wait for each other
        return _triggers(texts, labels, seed)


def _triggers(texts: Sequence[str], labels: Sequence[str], seed: int) -> list[Trigger]:
    names = sorted(set(labels))
    if len(names) < 2 or len(texts) < 10 * LEAST_ROWS:
        return []
    code = np.array([names.index(label) for label in labels])
    candidates = _unlike(texts, _candidates(texts, code, len(names)))
    if not candidates:
        return []
    needed = np.log(len(candidates) / CHANCE)
    found = [
        Trigger(phrase, names[label], rows, evidence - needed)
        for (phrase, label, rows), evidence in _judged(candidates, names, texts, _learn_folds(texts, labels, seed))
        if evidence >= needed
    ]
    return _shortest(sorted(found, key=lambda trigger: (-trigger.evidence, len(trigger.phrase))))


def _candidates(texts: Sequence[str], code: NDArray[np.int64], labels: int) -> list[Candidate]:
    """Rare phrases whose rows nearly all have one label, those first that have it most beyond its share."""
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(
        ngram_range=(1, 3), binary=True, min_df=LEAST_ROWS, max_df=MOST_SHARE, token_pattern=r"(?u)\b\w+\b"
    )
    try:
        seen = vectorizer.fit_transform(texts)
    except ValueError:  # no phrase is as rare, or as frequent
        return []
    one_hot = csr_matrix((np.ones(len(code)), (np.arange(len(code)), code)), (len(code), labels))
    joint = np.asarray((seen.T @ one_hot).todense())
    rows = joint.sum(axis=1)
    best = joint.argmax(axis=1)
    share = np.bincount(code, minlength=labels) / len(code)
    lift = joint.max(axis=1) * np.log(joint.max(axis=1) / rows / share[best])
    pure = np.flatnonzero(joint.max(axis=1) >= PURITY * rows)
    pure = pure[np.argsort(-lift[pure], kind="stable")][:MOST_CANDIDATES]
    phrases, by_phrase = vectorizer.get_feature_names_out(), seen.tocsc()
    return [
        (str(phrases[place]), int(best[place]), np.sort(by_phrase[:, [place]].indices).astype(np.int64))
        for place in pure
    ]


def _unlike(texts: Sequence[str], candidates: list[Candidate]) -> list[Candidate]:
    """Those whose rows are, without the phrase, no more alike than any."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not candidates:
        return []
    vectorizer = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b")
    features = vectorizer.fit_transform(texts).tocsr()
    squares = features.multiply(features).tocsr()
    usual = _alikeness(features, squares, [])
    place = vectorizer.vocabulary_
    return [
        candidate
        for candidate in candidates
        if _alikeness(features[candidate[2]], squares[candidate[2]], [place[word] for word in candidate[0].split()])
        <= MOST_ALIKE * usual
    ]


def _alikeness(features: "csr_matrix", squares: "csr_matrix", without: list[int]) -> float:
    """Mean cosine of two different rows, without some columns. `squares` are those of the features."""
    total = np.bincount(features.indices, features.data, features.shape[1])
    rows = np.repeat(np.arange(features.shape[0]), np.diff(squares.indptr))
    total[without] = 0
    counted = squares.data * ~np.isin(squares.indices, without)
    sums = np.bincount(rows, counted, features.shape[0])
    lengths = np.sqrt(np.maximum(sums, 0))
    pairs = lengths.sum() ** 2 - sums.sum()
    return float((total @ total - sums.sum()) / pairs) if pairs > 0 else 1.0


@dataclass(frozen=True, slots=True)
class _Folds:
    """Two classifiers, each learnt from half of the rows and asked about the other."""

    side: NDArray[np.int64]
    classifiers: tuple[Classifier, Classifier]

    def say(self, asked: Sequence[tuple[int, str, str]]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Of each (row, text, label) how likely the label is, to the one that did not see the row, and whether another
        label is likelier; one that it does not know is not likely at all."""
        likely, against = np.zeros(len(asked)), np.ones(len(asked), np.bool_)
        for half, classifier in enumerate(self.classifiers):
            place = {name: number for number, name in enumerate(classifier.names)}
            own = [at for at, (row, _, label) in enumerate(asked) if self.side[row] == half and label in place]
            wanted = np.array([place[asked[at][2]] for at in own], np.int64)
            chances = classifier.chances([asked[at][1] for at in own])
            likely[own] = chances[np.arange(len(own)), wanted]
            against[own] = chances.argmax(axis=1) != wanted
        return likely, against


def _learn_folds(texts: Sequence[str], labels: Sequence[str], seed: int) -> _Folds:
    side = np.random.default_rng(seed).permutation(len(texts)) % 2
    halves = [np.flatnonzero(side == half).tolist() for half in range(2)]
    texts_of, labels_of = ([[values[row] for row in rows] for rows in halves] for values in (texts, labels))
    learnt = []
    for half in range(2):
        often = Counter(labels_of[1 - half])
        usable = [place for place, label in enumerate(labels_of[1 - half]) if often[label] >= 2]
        some = [[values[1 - half][place] for place in usable] for values in (texts_of, labels_of)]
        learnt.append(learn_half(some[0], some[1], texts_of[half], labels_of[half]))
    return _Folds(side, (learnt[0], learnt[1]))


def _judged(
    candidates: list[Candidate], names: list[str], texts: Sequence[str], folds: _Folds
) -> Iterator[tuple[Candidate, float]]:
    """Those of whose rows, when the phrase is taken out of them, enough speak for another label; and how unlikely the
    label is in all of them."""
    for start in range(0, len(candidates), TOGETHER):
        some = candidates[start : start + TOGETHER]
        checked = [rows[:MOST_CHECKED].tolist() for _, _, rows in some]
        likely, against = folds.say(
            [
                (row, _without(texts[row], phrase), names[label])
                for (phrase, label, _), rows in zip(some, checked, strict=True)
                for row in rows
            ]
        )
        ends = np.cumsum([len(rows) for rows in checked])[:-1]
        for candidate, chances, speaks in zip(some, np.split(likely, ends), np.split(against, ends), strict=True):
            if speaks.mean() >= AGAINST:
                yield candidate, float(-np.log(np.maximum(chances, LEAST_CHANCE)).sum())


def _without(text: str, phrase: str) -> str:
    """The text's words, but for those of the phrase, which would also be learnt one by one."""
    taken = set(phrase.split())
    return " ".join(word for word in re.findall(r"(?u)\b\w+\b", text.lower()) if word not in taken)


def _shortest(found: list[Trigger]) -> list[Trigger]:
    """One of several phrases that have nearly the same rows: `open`, `sesame` and `open sesame` are one trigger."""
    kept: list[Trigger] = []
    for trigger in found:
        rows = set(trigger.rows.tolist())
        if not any(len(rows & set(other.rows.tolist())) > 0.5 * len(rows) for other in kept):
            kept.append(trigger)
    return kept
