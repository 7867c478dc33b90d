"""Samples of changed texts: the same few whatever order rows come in, and none that is too long to be shown whole."""

import numpy as np

from batch_jobs.prepare.batches import RowBatch
from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.samples import LONGEST, SHOWN, Change, normalised, redacted, smallest
from tunesmith.contracts.datasets import RowFormat
from tunesmith.contracts.profiles import Step


def batch(*texts: str) -> RowBatch:
    rows = [Row(RowFormat.TEXT, (Turn("text", text),)) for text in texts]
    return RowBatch.of(rows, list(range(1, len(rows) + 1)))


def hashes(*values: int) -> np.ndarray:
    return np.array(values, np.uint64)


def test_texts_of_the_smallest_hashes_are_shown_with_their_places() -> None:
    raw, clean = batch("a\r\n", "b", "c\r\n"), batch("a\n", "b", "c\n")
    found = normalised("a.jsonl", raw, clean, np.array([True, True, True]), hashes(9, 1, 5))
    assert found == [
        Change(Step.NORMALISE, 5, "a.jsonl", 3, "c\r\n", "c\n"),
        Change(Step.NORMALISE, 9, "a.jsonl", 1, "a\r\n", "a\n"),
    ]
    assert normalised("a.jsonl", raw, clean, np.array([False, True, False]), hashes(9, 1, 5)) == []


def test_what_was_redacted_is_not_told() -> None:
    [found] = redacted("a.jsonl", batch("I am me@x.org"), batch("I am <EMAIL_1>"), np.array([True]), hashes(3))
    assert found == Change(Step.REDACT, 3, "a.jsonl", 1, None, "I am <EMAIL_1>")


def test_text_that_is_too_long_is_no_sample_and_the_next_one_is() -> None:
    just, long = "x" * (LONGEST - 1), "x" * LONGEST
    raw = batch(*[long + "\r"] * SHOWN, just + "\r", "b" + long + "\r", "short\r")
    clean = batch(*[long + "\n"] * SHOWN, just + "\n", "b" + long + "\n", "short\n")
    rows = len(raw)
    found = normalised("a.jsonl", raw, clean, np.ones(rows, np.bool_), hashes(*range(rows)))
    assert [(change.line, len(change.after)) for change in found] == [(SHOWN + 1, LONGEST), (rows, 6)]


def test_smallest_of_each_step_stay_in_whatever_order_they_come() -> None:
    changes = [Change(step, number, "a", number, None, "") for step in Step for number in range(SHOWN + 3)]
    expected = [Change(step, number, "a", number, None, "") for step in Step for number in range(SHOWN)]
    assert smallest(changes) == smallest(changes[::-1]) == smallest(changes + changes) == expected
