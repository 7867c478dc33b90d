"""D18: which rows share which words with which item of an evaluation set."""

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from batch_jobs.prepare.batches import RowBatch
from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.deduplicating.contamination import EvaluationRuns, TextRuns
from batch_jobs.prepare.reporting.leaks import LISTED, FoundLeak, Piece, find_leaks
from batch_jobs.prepare.reporting.running import shown_piece
from tunesmith.contracts.datasets import RowFormat

LENGTH = 4


def batch(*rows: Iterable[str], first_line: int = 1) -> RowBatch:
    made = [Row(RowFormat.CHAT, tuple(Turn("user", text) for text in texts)) for texts in rows]
    return RowBatch.of(made, range(first_line, first_line + len(made)))


def leaks(rows: RowBatch, *items: tuple[str, RowBatch]) -> list[FoundLeak]:
    return find_leaks(np.arange(len(rows)), lambda _: rows, [len(rows)], items, LENGTH)


def shared(leak: FoundLeak) -> list[str]:
    return [piece.text[piece.start : piece.end] for piece in leak.pieces]


def test_words_that_both_have_are_told_as_the_row_writes_them() -> None:
    rows = batch(["so: The QUICK, brown fox... jumps! over nothing"], ["nothing of it"])
    items = batch(["other words are these here"], ["the quick brown fox jumps over it"], ["the quick brown fox"])
    [leak] = leaks(rows, ("sets/a.jsonl", items))
    assert (leak.row, leak.line, leak.against, leak.item, leak.words) == (0, 1, "sets/a.jsonl", 2, 6)
    assert shared(leak) == ["The QUICK, brown fox... jumps! over"]


def test_a_run_may_go_on_from_one_turn_to_the_next() -> None:
    [leak] = leaks(batch(["one two ", "", "three four five", " six"]), ("a", batch(["zero one two three four five"])))
    assert (leak.words, shared(leak)) == (5, ["one two ", "three four five"])


@pytest.mark.parametrize(
    "text",
    [
        "日本語の文章です",
        "ประเทศไทยสวย",
        "crème brûlée à l’œuvre naïve",
        "🙂 один два три четыре 🙂 пять",
        "e\u0301 x y z",
    ],
)
def test_places_are_characters_in_any_script(text: str) -> None:
    [leak] = leaks(batch([f"« {text} » 🙂"]), ("a", batch(["nothing"], [f"{text}!"])))
    assert leak.item == 2 and shared(leak)[0].strip("🙂 ") == text.strip("🙂 ")


def test_the_first_item_of_the_first_set_is_told_and_no_more_is_read() -> None:
    def sets() -> Iterator[tuple[str, RowBatch]]:
        yield "a", batch(["nothing"])
        yield "b", batch(["p q r s"], ["a b c d, k l m n"], first_line=7)
        raise AssertionError("the rows have their items: why read on?")

    found = find_leaks(np.arange(2), lambda _: batch(["k l m n a b c d"], ["a b c d"]), [2], sets(), LENGTH)
    assert [(leak.against, leak.item, leak.words) for leak in found] == [("b", 8, 4), ("b", 8, 4)]
    assert [shared(leak) for leak in found] == [["k l m n"], ["a b c d"]]


def test_sets_are_not_read_where_no_row_was_dropped() -> None:
    def sets() -> Iterator[tuple[str, RowBatch]]:
        raise AssertionError("read for nothing")
        yield

    assert find_leaks(np.empty(0, np.int64), lambda _: batch(), [0], sets(), LENGTH) == []


def test_only_the_first_rows_are_listed_in_their_order() -> None:
    batches = [batch(*([f"row {n}: a b c d {n % 7}"] for n in range(40)), first_line=1 + 40 * i) for i in range(2)]
    items = batch(*([f"a b c d {n}"] for n in (6, 5, 4, 3, 2, 1, 0)))
    found = find_leaks(np.arange(1, 80), batches.__getitem__, [40, 40], [("a", items)], LENGTH)
    assert [leak.row for leak in found] == list(range(1, 1 + LISTED))
    assert [leak.line for leak in found] == list(range(2, 2 + LISTED))


def test_every_row_that_a_scan_would_drop_is_found() -> None:
    """The list is told by the same hashes as the scan: none of its rows stays without an item."""
    chance = np.random.default_rng(0)
    rows = batch(*([" ".join(map(str, chance.integers(0, 6, 20)))] for _ in range(LISTED)))
    items = batch(*([" ".join(map(str, chance.integers(0, 6, 9)))] for _ in range(30)))
    dropped = np.flatnonzero(EvaluationRuns.of(items.row_texts, LENGTH).are_in(rows.row_texts))
    found = find_leaks(dropped, lambda _: rows, [len(rows)], [("a", items)], LENGTH)
    assert 10 < len(dropped) < LISTED and [leak.row for leak in found] == dropped.tolist()
    for leak in found:
        [words] = shared(leak)
        assert words.count(" ") == leak.words - 1 and f" {words} " in f" {items.texts[leak.item - 1]} "


def test_runs_of_a_short_and_of_an_empty_text() -> None:
    texts = batch(["one two three"], [""], ["one two three four"]).row_texts
    assert [len(TextRuns.of(texts, place, LENGTH).hashes) for place in range(3)] == [0, 0, 1]


def piece(text: str, part: str) -> Piece:
    return Piece(text, text.index(part), text.index(part) + len(part))


def masked(text: str) -> str:
    return text.replace("sk-live-0123", "<SECRET_1>")


@pytest.mark.parametrize(
    ("text", "part", "told"),
    [
        ("ask for a b c d and go", "a b c d", "a b c d"),
        ("ask for a b c d, sk-live-0123", "a b c d", "a b c d"),
        ("sk-live-0123: a b c d and go", "a b c d", "a b c d"),
        ("sk-live-0123: a b c d, sk-live-0123", "a b c d", "<SECRET_1>: a b c d, <SECRET_1>"),
        ("my key sk-live-0123 is it", "0123 is it", "<SECRET_1> is it"),
        ("this is my key sk-live-0123", "is my key sk", "is my key <SECRET_1>"),
        ("x a sk-live-0123 d y", "a sk-live-0123 d", "a <SECRET_1> d"),
    ],
)
def test_half_a_secret_is_shown_nowhere(text: str, part: str, told: str) -> None:
    assert shown_piece(piece(text, part), masked) == told
