"""The labels of all rows, once they are scanned: from the column, the rules, and the classifier if the recipe asks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from batch_jobs.prepare.batches import RowBatch
from batch_jobs.prepare.signals.labels import (
    MOST_ROWS,
    NO_LABEL,
    ClassifierReport,
    LabelConflicts,
    Labels,
    first_labels,
    learn,
)
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.preparation import LabelRecipe


@dataclass(frozen=True, slots=True)
class Labelling:
    """Labels of all rows, and what there is to say of how they came about."""

    labels: Labels
    conflicts: LabelConflicts
    classifier: ClassifierReport | None


def is_asked(recipe: LabelRecipe) -> bool:
    return bool(recipe.rules) or recipe.column is not None


def label_rows(read: Callable[[int], RowBatch], batches: int, recipe: LabelRecipe) -> Labelling:
    """`read` gives each of the batches. Raises InvalidInput where the recipe asks what the rows do not allow."""
    names: dict[str, int] = {}
    conflicts = LabelConflicts()
    try:
        found = [first_labels(read(index), recipe, names, conflicts) for index in range(batches)]
        labels = _joined(list(names), found)
        report = _classify(labels, read, batches, recipe) if recipe.classifier else None
    except ValueError as error:
        raise InvalidInput(f"prepare.label: {error}") from None
    return Labelling(labels, conflicts, report)


def _joined(names: list[str], found: Sequence[Labels]) -> Labels:
    return Labels(
        names,
        np.concatenate([np.empty(0, np.int32), *(labels.code for labels in found)]),
        np.concatenate([np.empty(0, np.float32), *(labels.confidence for labels in found)]),
        np.concatenate([np.empty(0, np.int8), *(labels.origin for labels in found)]),
    )


def _classify(labels: Labels, read: Callable[[int], RowBatch], batches: int, recipe: LabelRecipe) -> ClassifierReport:
    """Learn from rows that have a label, and label the others where it is sure: batch by batch, as they are many."""
    texts, known = _labelled_rows(labels, read, batches)
    classifier, report = learn(texts, [labels.names[code] for code in known])
    numbers = np.array([labels.names.index(name) for name in classifier.names], np.int32)
    start = 0
    for index in range(batches):
        batch = read(index)
        unknown = np.flatnonzero(labels.code[start : start + len(batch)] == NO_LABEL)
        said = classifier.label([batch.row_texts[row] for row in unknown.tolist()], recipe.min_confidence)
        sure = said.code != NO_LABEL
        rows = start + unknown[sure]
        labels.code[rows] = numbers[said.code[sure]]
        labels.confidence[rows], labels.origin[rows] = said.confidence[sure], said.origin[sure]
        start += len(batch)
    return report


def _labelled_rows(labels: Labels, read: Callable[[int], RowBatch], batches: int) -> tuple[list[str], list[int]]:
    """Texts and codes of rows to learn from: all that have a label, or every so many of them."""
    rows = np.flatnonzero(labels.code != NO_LABEL)
    rows = rows[:: max(1, len(rows) // MOST_ROWS)]
    texts: list[str] = []
    start = 0
    for index in range(batches):
        batch = read(index)
        here = rows[np.searchsorted(rows, start) : np.searchsorted(rows, start + len(batch))]
        texts += [batch.row_texts[row] for row in (here - start).tolist()]
        start += len(batch)
    return texts, labels.code[rows].tolist()
