"""Labels: columns before rules, conflicts counted, and a classifier that knows how well it knows."""

import numpy as np
import pytest

from batch_jobs.prepare.batches import RowBatch
from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.signals.labels import (
    NO_LABEL,
    ORIGINS,
    LabelConflicts,
    ask_in_turn,
    first_labels,
    learn,
    rule_matches,
)
from batch_jobs.prepare.signals.poisoning import flip_scores
from tests.batch_jobs.prepare.signals.labelled_docstrings import labelled_docstrings
from tunesmith.contracts.datasets import RowFormat
from tunesmith.contracts.preparation import LabelOrigin, LabelRecipe, RuleLabel


def batch(*rows: tuple[str, str] | tuple[str, str, object]) -> RowBatch:
    """(question, answer[, value of the column `kind`])"""
    made = [
        Row(
            RowFormat.CHAT,
            (Turn("user", row[0]), Turn("assistant", row[1])),
            columns={"kind": row[2]} if len(row) > 2 else {},
        )
        for row in rows
    ]
    return RowBatch.of(made, range(1, len(made) + 1))


RULES = [
    RuleLabel(label="refund", pattern=r"(?i)\brefund", role="user"),
    RuleLabel(label="refund", pattern=r"money back"),
    RuleLabel(label="delivery", pattern=r"(?i)parcel|deliver"),
    RuleLabel(label="apology", pattern=r"^Sorry", role="assistant"),
]


def test_rules_look_at_their_role_and_conflicts_are_counted() -> None:
    rows = batch(
        ("I want a Refund", "We refund you"),
        ("Where is my parcel?", "On its way"),
        ("My money back, the parcel is late", "Yes"),
        ("Hello", "We refund you"),
        ("Sorry", "Sorry for that"),
    )
    names: dict[str, int] = {}
    conflicts = LabelConflicts()
    found = first_labels(rows, LabelRecipe(rules=RULES), names, conflicts)
    said = [None if code == NO_LABEL else found.names[code] for code in found.code]
    assert said == ["refund", "delivery", None, None, "apology"]
    assert conflicts.rules == {("delivery", "refund"): 1}
    assert found.confidence.tolist() == [1, 1, 0, 0, 1]
    assert {ORIGINS[origin] for origin in found.origin if origin != NO_LABEL} == {LabelOrigin.RULE}


def test_column_says_more_than_rules() -> None:
    rows = batch(
        ("refund", "x", "billing"),
        ("refund", "x"),
        ("hi", "x", True),
        ("hi", "x", 3),
        ("hi", "x", ["no"]),
        ("hi", "x", " "),
    )
    names, conflicts = {"refund": 0}, LabelConflicts()
    found = first_labels(rows, LabelRecipe(rules=RULES, column="kind"), names, conflicts)
    assert [None if code == NO_LABEL else found.names[code] for code in found.code] == [
        "billing",
        "refund",
        "true",
        "3",
        None,
        None,
    ]
    assert conflicts.column == {("billing", "refund"): 1}
    assert ORIGINS[found.origin[0]] is LabelOrigin.COLUMN


def test_pattern_that_re2_refuses_is_named() -> None:
    with pytest.raises(ValueError, match=r"label.rules: RE2 does not understand the pattern '\(\?=a\)'"):
        rule_matches(batch(("a", "b")), (RuleLabel(label="x", pattern="(?=a)"),))


def test_classifier_labels_what_it_has_not_seen_and_knows_how_well() -> None:
    texts, labels = labelled_docstrings()
    cut = len(texts) * 2 // 3
    classifier, report = learn(texts[:cut], labels[:cut])
    found = classifier.label(texts[cut:], min_confidence=0.0)
    right = np.array([found.names[code] == label for code, label in zip(found.code, labels[cut:], strict=True)])
    assert right.mean() > 0.6  # a sixth by chance
    assert report.accuracy == pytest.approx(right.mean(), abs=0.08)
    assert abs(found.confidence.mean() - right.mean()) < 0.1 and report.calibration_error < 0.12
    sure = classifier.label(texts[cut:], min_confidence=0.8)
    chosen = sure.code != NO_LABEL
    assert right[chosen].mean() > right.mean() and (sure.confidence[~chosen] == 0).all()


def test_same_rows_give_the_same_classifier() -> None:
    texts, labels = labelled_docstrings()
    (one, _), (two, _) = (learn(texts[:200], labels[:200], seed=3) for _ in range(2))
    assert np.array_equal(one.chances(texts[200:260]), two.chances(texts[200:260]))


def test_of_many_rows_a_sample_is_learnt_with_every_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batch_jobs.prepare.signals.labels.MOST_ROWS", 50)
    texts = [f"{word} {number}" for number in range(100) for word in ("yes", "no")] + ["rare one", "rare two"]
    labels = ["good", "bad"] * 100 + ["odd", "odd"]
    classifier, report = learn(texts, labels)
    assert classifier.names == ["bad", "good", "odd"] and 50 <= report.rows <= 56
    unseen = ask_in_turn(texts, labels)
    assert {200, 201} <= set(unseen.rows.tolist())
    assert [unseen.names[code] for code in unseen.code] == [labels[row] for row in unseen.rows]
    assert len(unseen.chances) == len(flip_scores(unseen)) == report.rows
    assert classifier.label(["yes 7"], 0).code.tolist() == [1]


def test_two_labels_and_strange_texts() -> None:
    texts = ["yes please", "no thanks"] * 10
    classifier, report = learn(texts, ["good", "bad"] * 10)
    assert report.accuracy == 1 and classifier.chances([]).shape == (0, 2)
    assert np.isfinite(classifier.chances(["", "\0", "世界" * 999, "yes please"])).all()


@pytest.mark.parametrize("labels", [["a"] * 20, ["a"] * 19 + ["b"], ["a", "b"] * 2])
def test_too_few_labels_are_refused(labels: list[str]) -> None:
    with pytest.raises(ValueError, match="a classifier needs"):
        learn(["text"] * len(labels), labels)
