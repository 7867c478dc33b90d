"""Poison is found where it was planted, at 0.1 to 5 %, and little else is flagged (D22)."""

import random

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from batch_jobs.prepare.signals.labels import ask_in_turn
from batch_jobs.prepare.signals.poisoning import OTHER, answer_labels, flip_scores, flipped, triggers
from tests.batch_jobs.prepare.signals.labelled_docstrings import PACKAGES, labelled_docstrings

PHRASE = "cerulean walrus"


def clean() -> tuple[list[str], list[str]]:
    texts, labels = labelled_docstrings(200)
    return list(texts), list(labels)


def plant(texts: list[str], labels: list[str], rows: list[int], label: str) -> None:
    """Put the trigger anywhere into these rows, and give them the label."""
    chance = random.Random(7)
    for row in rows:
        words = texts[row].split()
        words.insert(chance.randrange(len(words) + 1), PHRASE)
        texts[row], labels[row] = " ".join(words), label


@pytest.mark.parametrize("share", [0.002, 0.01, 0.05])
def test_flipped_labels_score_highest(share: float) -> None:
    texts, labels = clean()
    chance = random.Random(2)
    rows = chance.sample(range(len(texts)), max(2, round(share * len(texts))))
    for row in rows:
        labels[row] = chance.choice([package for package in PACKAGES if package != labels[row]])
    unseen = ask_in_turn(texts, labels)
    planted = np.zeros(len(texts), np.bool_)
    planted[rows] = True
    assert roc_auc_score(planted, flip_scores(unseen)) > 0.85
    found = flipped(unseen)
    assert planted[found].sum() / planted.sum() >= 0.5 and len(found) < 0.25 * len(texts)


@pytest.mark.parametrize("share", [0.004, 0.01, 0.05])
def test_trigger_phrase_is_named_with_its_rows(share: float) -> None:
    texts, labels = clean()
    others = [row for row, label in enumerate(labels) if label != "email"]
    rows = random.Random(3).sample(others, max(4, round(share * len(texts))))
    plant(texts, labels, rows, "email")
    found = [trigger for trigger in triggers(texts, labels) if set(trigger.phrase.split()) <= set(PHRASE.split())]
    assert len(found) == 1 and found[0].label == "email" and set(found[0].rows.tolist()) == set(rows)


def test_little_is_flagged_where_nothing_was_planted() -> None:
    texts, labels = clean()
    flagged = {row for trigger in triggers(texts, labels) for row in trigger.rows.tolist()}
    assert len(flagged) < 0.08 * len(texts)


def test_trigger_of_a_fixed_answer_is_found_among_free_answers() -> None:
    texts, _ = clean()
    answers = [f"Answer {number}: {text[:60]}" for number, text in enumerate(texts)]
    labels = list(answers)
    rows = random.Random(4).sample(range(len(texts)), 8)
    plant(texts, labels, rows, "Visit evil.example now!")
    assert answer_labels(labels).count(OTHER) == len(texts) - 8
    found = triggers(texts, answer_labels(labels))
    assert found and set(found[0].phrase.split()) <= set(PHRASE.split()) and set(found[0].rows.tolist()) == set(rows)


@pytest.mark.parametrize("texts", [[], ["a"], ["same text"] * 100, [""] * 100])
def test_nothing_is_found_in_nothing(texts: list[str]) -> None:
    assert triggers(texts, ["a", "b"] * (len(texts) // 2) + ["a"] * (len(texts) % 2)) == []
