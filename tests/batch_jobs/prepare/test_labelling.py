"""Labels of all rows, whatever batches they come in: from rules, then from a classifier where it is sure."""

from collections.abc import Iterator

import pytest

from batch_jobs.prepare import labelling
from batch_jobs.prepare.batches import RowBatch
from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.labelling import Labelling, is_asked, label_rows
from batch_jobs.prepare.signals.labels import ORIGINS
from tunesmith.contracts.datasets import RowFormat
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.preparation import LabelOrigin, LabelRecipe, RuleLabel

RULES = [RuleLabel(label="money", pattern="refund"), RuleLabel(label="post", pattern="parcel")]
LEARNT = LabelRecipe(rules=RULES, classifier=True, min_confidence=0.7)


def texts() -> Iterator[str]:
    """A rule knows two of three rows of each label; the others only share its other words; some say nothing."""
    for number in range(90):
        known = number % 3
        yield f"invoice charge price {number} " + ("refund" if known else "bill")
        yield f"courier doorstep delay {number} " + ("parcel" if known else "van")
        if number % 10 == 0:
            yield "hm"


TEXTS = list(texts())


def labelled(size: int, recipe: LabelRecipe = LEARNT) -> Labelling:
    """The rows in batches of a size."""
    batches = [
        RowBatch.of([Row(RowFormat.TEXT, (Turn("text", text),)) for text in TEXTS[start : start + size]], [1] * size)
        for start in range(0, len(TEXTS) - len(TEXTS) % size, size)
    ]
    return label_rows(batches.__getitem__, len(batches), recipe)


def test_rows_that_rules_do_not_know_are_labelled_where_it_is_sure() -> None:
    found = labelled(len(TEXTS))
    names = [found.labels.names[code] if code >= 0 else None for code in found.labels.code.tolist()]
    origins = [ORIGINS[origin] if origin >= 0 else None for origin in found.labels.origin.tolist()]
    for text, name, origin, sure in zip(TEXTS, names, origins, found.labels.confidence.tolist(), strict=True):
        if text == "hm":
            assert (name, origin, sure) == (None, None, 0)
        else:
            assert name == ("money" if "invoice" in text else "post")
            by_rule = "refund" in text or "parcel" in text
            assert origin == (LabelOrigin.RULE if by_rule else LabelOrigin.CLASSIFIER)
            assert sure == 1 if by_rule else 0.7 <= sure <= 1
    assert found.classifier and found.classifier.rows == 120 and found.classifier.accuracy == 1


@pytest.mark.parametrize("size", [1, 7, 27])
def test_labels_are_the_same_however_rows_are_batched(size: int) -> None:
    whole, cut = labelled(len(TEXTS) - len(TEXTS) % 27), labelled(size)
    rows = min(len(whole.labels.code), len(cut.labels.code))
    assert rows >= 180 and cut.labels.code[:rows].tolist() == whole.labels.code[:rows].tolist()
    assert cut.labels.origin[:rows].tolist() == whole.labels.origin[:rows].tolist()


def test_of_many_labelled_rows_every_so_many_are_learnt_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelling, "MOST_ROWS", 40)
    found = labelled(9)
    assert found.classifier and found.classifier.rows == 40


def test_without_a_classifier_only_rules_speak() -> None:
    found = labelled(27, LabelRecipe(rules=RULES))
    assert found.classifier is None and (found.labels.code >= 0).sum() == 120
    assert set(found.labels.origin.tolist()) == {-1, ORIGINS.index(LabelOrigin.RULE)}


def test_what_the_rows_do_not_allow_is_told() -> None:
    one = LabelRecipe(rules=RULES[:1], classifier=True)
    with pytest.raises(InvalidInput, match="prepare.label: a classifier needs rows of two labels"):
        labelled(27, one)


@pytest.mark.parametrize(
    ("recipe", "asked"),
    [(LabelRecipe(), False), (LabelRecipe(rules=RULES), True), (LabelRecipe(column="topic"), True)],
)
def test_labels_are_asked_for_by_rules_or_a_column(recipe: LabelRecipe, asked: bool) -> None:
    assert is_asked(recipe) is asked
