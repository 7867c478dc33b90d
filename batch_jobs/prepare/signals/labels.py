"""A label for each row, how sure, and who says so: a column of the row, rules, or a classifier that learnt from both.

Rules are patterns; where those that match name different labels, the row has none, and the conflict is counted. The
classifier is a logistic regression on hashed words and pairs of words. It is learnt anew in each run and kept nowhere;
what it says of itself comes from rows that it had not seen (cross-validation), and so does its confidence, which one
temperature (Guo et al., 2017) makes agree with how often it is right.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.batches import ROLES, RowBatch
from tunesmith.contracts.preparation import LabelOrigin, LabelRecipe, RuleLabel

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

ORIGINS = tuple(LabelOrigin)
NO_LABEL = -1
FEATURES = 1 << 18
FOLDS = 4
MOST_ROWS = 20_000
"""Rows that a classifier learns from; of more, a sample."""
MOST_COLUMNS, COLUMNS_PER_ROW = 8_000, 4
"""Features that are learnt from, whichever is more. Rarer ones cost most of the time, by the number of labels, and on
1,953 rows of 61 labels the classifier was no better with them."""
LONGEST_LABEL = 64

Codes = NDArray[np.int32]
Chances = NDArray[np.float64]


@dataclass(slots=True)
class Labels:
    """Per row a label, how sure, 0 to 1, and who says so."""

    names: list[str]
    code: Codes
    """Index into `names`, NO_LABEL where there is none."""
    confidence: NDArray[np.float32]
    origin: NDArray[np.int8]
    """Index into ORIGINS, NO_LABEL where there is none."""


@dataclass(slots=True)
class LabelConflicts:
    """Rows that are said to be two things."""

    rules: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """The labels that rules gave to one row -> how many rows."""
    column: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The column's label and that of the rules -> how many rows; the column's stays."""


def first_labels(batch: RowBatch, recipe: LabelRecipe, names: dict[str, int], conflicts: LabelConflicts) -> Labels:
    """What the column says, else the rules; `names` gets a number for every label that is new."""
    code = np.full(len(batch), NO_LABEL, np.int32)
    origin = np.full(len(batch), NO_LABEL, np.int8)
    for row, found in sorted(rule_matches(batch, tuple(recipe.rules)).items()):
        if len(found) > 1:
            conflicts.rules[tuple(sorted(found))] += 1
        else:
            code[row] = names.setdefault(next(iter(found)), len(names))
            origin[row] = ORIGINS.index(LabelOrigin.RULE)
    for row, label in _column_labels(batch, recipe.column):
        own = names.setdefault(label, len(names))
        if code[row] not in (NO_LABEL, own):
            conflicts.column[label, list(names)[code[row]]] += 1
        code[row], origin[row] = own, ORIGINS.index(LabelOrigin.COLUMN)
    return Labels(list(names), code, (code != NO_LABEL).astype(np.float32), origin)


def rule_matches(batch: RowBatch, rules: tuple[RuleLabel, ...]) -> dict[int, set[str]]:
    """Row -> the labels of the rules that match any of its segments. Raises ValueError for a pattern RE2 refuses."""
    found: dict[int, set[str]] = {}
    by_role: dict[str, list[RuleLabel]] = {}
    for rule in rules:
        by_role.setdefault(rule.role, []).append(rule)
    row_of = np.repeat(np.arange(len(batch)), np.diff(batch.first))
    for role, of_role in by_role.items():
        patterns = _pattern_set(tuple(rule.pattern for rule in of_role))
        seen = slice(None) if role == "any" else batch.role == ROLES.index(role)
        for segment in np.arange(len(row_of))[seen].tolist():
            for match in patterns.Match(batch.texts[segment]) or ():
                found.setdefault(int(row_of[segment]), set()).add(of_role[match].label)
    return found


@cache
def _pattern_set(patterns: tuple[str, ...]):  # type: ignore[no-untyped-def]  # re2 has no types
    import re2

    together = re2.Set.SearchSet()
    for pattern in patterns:
        try:
            re2.compile(pattern)
            together.Add(pattern)
        except re2.error as error:
            raise ValueError(f"label.rules: RE2 does not understand the pattern {pattern!r}: {error}") from error
    together.Compile()
    return together


def _column_labels(batch: RowBatch, column: str | None) -> Iterator[tuple[int, str]]:
    """Words, numbers and truth values are labels; anything else, and what is longer than a label, is none."""
    if column is None:
        return
    for row, extras in sorted(batch.extras.items()):
        value = extras.columns.get(column)
        if isinstance(value, bool | int | float | str):
            label = (str(value).lower() if isinstance(value, bool) else str(value)).strip()
            if 0 < len(label) <= LONGEST_LABEL:
                yield row, label


@dataclass(frozen=True, slots=True)
class ClassifierReport:
    """How well the classifier knows rows that it has not seen."""

    rows: int
    accuracy: float
    recall: dict[str, float]
    """Per label."""
    calibration_error: float
    """Expected calibration error, ten bins: by how much confidence and accuracy differ."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """What classifiers say of rows that they did not learn from."""

    names: list[str]
    code: Codes
    """Per row, its label as an index into the names."""
    chances: Chances
    """[rows, labels]"""
    rows: NDArray[np.int64]
    """Per row, its index among those that were given: all of them, or a sample."""
    temperature: float
    """Under which the chances were as often right as they say."""


@dataclass(frozen=True, slots=True)
class Classifier:
    names: list[str]
    _columns: "Columns"
    _model: "LogisticRegression"
    _temperature: float

    def label(self, texts: Sequence[str], min_confidence: float) -> Labels:
        """A label for each text of which it is sure enough."""
        chances = self.chances(texts)
        code, confidence = chances.argmax(axis=1).astype(np.int32), chances.max(axis=1).astype(np.float32)
        unsure = confidence < min_confidence
        code[unsure], confidence[unsure] = NO_LABEL, 0
        origin = np.where(unsure, NO_LABEL, ORIGINS.index(LabelOrigin.CLASSIFIER)).astype(np.int8)
        return Labels(self.names, code, confidence, origin)

    def chances(self, texts: Sequence[str]) -> Chances:
        """[texts, labels]"""
        if not len(texts):
            return np.empty((0, len(self.names)))
        return _chances(_logits(self._model, self._columns.of(hashed(texts))), self._temperature)


def learn(texts: Sequence[str], labels: Sequence[str], seed: int = 0) -> tuple[Classifier, ClassifierReport]:
    """Learns from labelled rows; the same rows give the same classifier. Raises ValueError where they are too few."""
    lesson = _Lesson.of(texts, labels, seed)
    unseen = _ask_in_turn(lesson, seed)
    classifier = Classifier(lesson.names, lesson.columns, _fit(lesson.features, lesson.code), unseen.temperature)
    return classifier, _report(unseen)


def ask_in_turn(texts: Sequence[str], labels: Sequence[str], seed: int = 0) -> Unseen:
    """Of each row, what was learnt from other rows. Raises ValueError where they are too few."""
    return _ask_in_turn(_Lesson.of(texts, labels, seed), seed)


def learn_half(
    texts: Sequence[str], labels: Sequence[str], other_texts: Sequence[str], other_labels: Sequence[str]
) -> Classifier:
    """Learns from some rows; how sure to be, from others. Raises ValueError where the first are too few."""
    lesson = _Lesson.of(texts, labels, 0)
    model = _fit(lesson.features, lesson.code)
    known = [row for row, label in enumerate(other_labels) if label in lesson.names]
    if not known:
        return Classifier(lesson.names, lesson.columns, model, 1.0)
    features = lesson.columns.of(hashed([other_texts[row] for row in known]))
    code = _codes([other_labels[row] for row in known], lesson.names)
    return Classifier(lesson.names, lesson.columns, model, _best_temperature(_logits(model, features), code))


@dataclass(frozen=True, slots=True)
class _Lesson:
    """Rows to learn from."""

    names: list[str]
    code: Codes
    rows: NDArray[np.int64]
    columns: "Columns"
    features: "csr_matrix"

    @classmethod
    def of(cls, texts: Sequence[str], labels: Sequence[str], seed: int) -> "_Lesson":
        names = sorted(set(labels))
        code = _codes(labels, names)
        _check_enough(names, code)
        rows = _sample(code, seed) if len(texts) > MOST_ROWS else np.arange(len(texts))
        counts = hashed([texts[row] for row in rows])
        columns = Columns.seen_in(counts)
        return cls(names, code[rows], rows, columns, columns.of(counts))


def _ask_in_turn(lesson: _Lesson, seed: int) -> Unseen:
    logits = _held_out_logits(lesson.features, lesson.code, len(lesson.names), seed)
    temperature = _best_temperature(logits, lesson.code)
    return Unseen(lesson.names, lesson.code, _chances(logits, temperature), lesson.rows, temperature)


def hashed(texts: Sequence[str]) -> "csr_matrix":
    """[texts, FEATURES]: 1 + log of how often each word and each pair of words is there."""
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(
        n_features=FEATURES, ngram_range=(1, 2), alternate_sign=False, norm=None, token_pattern=r"(?u)\b\w+\b"
    )
    counts = vectorizer.transform(texts).tocsr()
    counts.data = 1 + np.log(counts.data)
    return counts


def _check_enough(names: list[str], code: Codes) -> None:
    if len(names) < 2:
        raise ValueError(f"a classifier needs rows of two labels at least, and there are {len(names)}")
    fewest = int(np.bincount(code).min())
    if fewest < 2 or len(code) < 10:
        raise ValueError(
            f"a classifier needs ten labelled rows and two of each label, and has {len(code)} and {fewest}"
        )


def _codes(labels: Sequence[str], names: list[str]) -> Codes:
    place = {name: number for number, name in enumerate(names)}
    return np.array([place[label] for label in labels], np.int32)


def _sample(code: Codes, seed: int) -> NDArray[np.int64]:
    """MOST_ROWS rows at random, and two of each label at least."""
    shuffled = np.random.default_rng(seed).permutation(len(code))
    by_label = shuffled[np.argsort(code[shuffled], kind="stable")]
    firsts = np.flatnonzero(np.diff(code[by_label], prepend=-1))
    needed = by_label[np.concatenate([firsts, firsts + 1])]
    return np.unique(np.concatenate([needed, shuffled[:MOST_ROWS]]))


@dataclass(frozen=True, slots=True)
class Columns:
    """The features that more than one row has, the most common of them where they are many, and how rare each is
    (smoothed inverse document frequency)."""

    places: NDArray[np.int64]
    rarity: NDArray[np.float64]

    @classmethod
    def seen_in(cls, counts: "csr_matrix") -> "Columns":
        seen = np.bincount(counts.indices, minlength=FEATURES)
        places = np.flatnonzero(seen >= 2)
        most = max(MOST_COLUMNS, COLUMNS_PER_ROW * counts.shape[0])
        places = np.sort(places[np.argsort(-seen[places], kind="stable")[:most]])
        return cls(places, np.log((1 + counts.shape[0]) / (1 + seen[places])) + 1)

    def of(self, counts: "csr_matrix") -> "csr_matrix":
        """[texts, places], each row of length 1."""
        from sklearn.preprocessing import normalize

        weighed = counts[:, self.places].multiply(self.rarity).tocsr()
        return normalize(weighed, copy=False)


def _fit(features: "csr_matrix", code: Codes) -> "LogisticRegression":
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # on cores that others use too, BLAS's threads wait for each other
        return LogisticRegression(C=10.0, max_iter=100, tol=3e-3).fit(features, code)


def _logits(model: "LogisticRegression", features: "csr_matrix") -> Chances:
    """[rows, labels], for two labels as well."""
    logits = model.decision_function(features)
    return np.stack([np.zeros(len(logits)), logits], axis=1) if logits.ndim == 1 else logits


def _held_out_logits(features: "csr_matrix", code: Codes, labels: int, seed: int) -> Chances:
    """What models say that were learnt from the other folds; a label that those lack is unlikely."""
    from sklearn.model_selection import StratifiedKFold

    folds = min(FOLDS, max(2, int(np.bincount(code).min())))
    logits = np.full((len(code), labels), -10.0)
    for seen, unseen in StratifiedKFold(folds, shuffle=True, random_state=seed).split(features, code):
        model = _fit(features[seen], code[seen])
        logits[np.ix_(unseen, model.classes_)] = _logits(model, features[unseen])
    return logits


def _best_temperature(logits: Chances, code: Codes) -> float:
    """That under which the labels are likeliest."""
    from scipy.optimize import minimize_scalar

    def surprise(log_temperature: float) -> float:
        chances = _chances(logits, float(np.exp(log_temperature)))
        return float(-np.log(chances[np.arange(len(code)), code] + 1e-12).mean())

    return float(np.exp(minimize_scalar(surprise, bounds=(-3, 3), method="bounded").x))


def _chances(logits: Chances, temperature: float) -> Chances:
    scaled = logits / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    chances = np.exp(scaled)
    return chances / chances.sum(axis=1, keepdims=True)


def _report(unseen: Unseen) -> ClassifierReport:
    code, said, sure = unseen.code, unseen.chances.argmax(axis=1), unseen.chances.max(axis=1)
    right = said == code
    recall = {name: float(right[code == place].mean()) for place, name in enumerate(unseen.names)}
    bins = np.minimum((sure * 10).astype(int), 9)
    error = sum(abs(float(right[bins == b].mean() - sure[bins == b].mean())) * (bins == b).mean() for b in set(bins))
    return ClassifierReport(len(code), float(right.mean()), recall, float(error))
