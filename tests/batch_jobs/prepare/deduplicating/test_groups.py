"""Groups: rows that are alike are found together, rows that are not stay apart, and no input makes it quadratic."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.deduplicating import contamination, groups
from batch_jobs.prepare.deduplicating.contamination import EvaluationRuns
from batch_jobs.prepare.deduplicating.fingerprints import murmur
from batch_jobs.prepare.deduplicating.groups import COMPARED, components, first_equal, near_groups
from batch_jobs.prepare.deduplicating.signatures import (
    NGRAM,
    PLACES,
    learn_template,
    signatures,
    similarity,
)

WORDS = [f"{left}{right}" for left in "bcdfghklmnprstvw" for right in ("an", "el", "ist", "or", "um", "yx")]


def prose(random_: random.Random, words: int) -> list[str]:
    return [random_.choice(WORDS) for _ in range(words)]


def edited(random_: random.Random, words: list[str], share: float) -> list[str]:
    return [random_.choice(WORDS) if random_.random() < share else word for word in words]


def jaccard(one: list[str], other: list[str]) -> float:
    grams = [{tuple(text[at : at + NGRAM]) for at in range(len(text) - NGRAM + 1)} for text in (one, other)]
    return len(grams[0] & grams[1]) / len(grams[0] | grams[1])


def pairs(count: int, seed: int) -> list[tuple[list[str], list[str]]]:
    """Texts and their edits, from hardly any to a quarter of the words."""
    random_ = random.Random(seed)
    firsts = [prose(random_, random_.randint(60, 300)) for _ in range(count)]
    return [(first, edited(random_, first, random_.uniform(0, 0.25))) for first in firsts]


def test_estimate_is_without_bias_and_as_exact_as_is_said() -> None:
    made = pairs(800, seed=1)
    signed, has_own = signatures(Texts.of([" ".join(text) for pair in made for text in pair]))
    assert has_own.all()
    errors = np.array([similarity(signed[2 * at], signed[2 * at + 1]) - jaccard(*pair) for at, pair in enumerate(made)])
    assert abs(errors.mean()) < 0.006
    assert errors.std() < 0.05


def test_short_texts_are_alike_only_where_they_are_equal() -> None:
    texts = ["one two", "ONE  two!", "one three", "日本語", "日本人", "ภาษา", "ภาษี", "", "?!"]
    signed, has_own = signatures(Texts.of(texts))
    assert has_own.tolist() == [True] * 7 + [False] * 2
    assert similarity(signed[0], signed[1]) == 1
    assert max(similarity(signed[one], signed[other]) for one, other in ((0, 2), (3, 4), (5, 6))) < 0.2


def test_short_rows_under_one_long_instruction_are_no_near_duplicates_but_their_copies_are() -> None:
    random_ = random.Random(3)
    instruction = " ".join(prose(random_, 200))
    questions = [prose(random_, 30) for _ in range(200)]
    questions += [[*question[:-1], "otherwise"] for question in questions[:20]]
    texts = Texts.of([f"{instruction} {' '.join(question)}" for question in questions])
    signed, has_own = signatures(texts, learn_template(texts))
    assert has_own.all()
    found = near_groups(signed, np.arange(220), 0.8)
    assert found.tolist() == [*range(200), *range(20)]


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9])
def test_pairs_at_the_threshold_are_found(threshold: float) -> None:
    """Against all pairs, compared one by one over the same signatures."""
    made = pairs(1_500, seed=4)
    signed, _ = signatures(Texts.of([" ".join(text) for pair in made for text in pair]))
    alike = (signed[::2] == signed[1::2]).mean(axis=1) >= threshold
    found = near_groups(signed, np.arange(len(signed)), threshold)
    together = found[::2] == found[1::2]
    assert together[alike].mean() >= 0.99
    assert not together[~alike].any()


@pytest.mark.parametrize("share", [0.005, 0.01, 0.02, 0.04])
def test_planted_near_duplicates_are_found_and_nothing_else(share: float) -> None:
    random_ = random.Random(5)
    texts = [prose(random_, 250) for _ in range(400)]
    copies = [edited(random_, text, share) for text in texts]
    signed, _ = signatures(Texts.of([" ".join(text) for text in texts + copies]))
    found = near_groups(signed, np.arange(800), 0.7)
    assert found[:400].tolist() == list(range(400))
    is_right = found[400:] == np.arange(400)
    assert (is_right | (found[400:] == np.arange(400, 800))).all()
    surely = np.array([jaccard(*pair) >= 0.8 for pair in zip(texts, copies, strict=True)])
    assert is_right[surely].mean() >= 0.97


def test_rows_that_are_all_equal_are_one_group() -> None:
    signed, _ = signatures(Texts.of(["the same words in every single row"] * 50_000))
    assert not near_groups(signed, np.arange(50_000), 0.8).any()


def test_chain_that_is_longer_than_what_is_compared_is_one_group() -> None:
    signed = np.zeros((4 * COMPARED, PLACES), np.uint16)
    for row in range(len(signed)):
        signed[row, 4 : 4 + row] = 1
    assert not near_groups(signed, np.arange(len(signed)), 0.9).any()


def test_rows_that_meet_under_one_key_but_are_not_alike_cost_no_quadratic_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Comparisons are counted, in the very code that is compiled."""
    calls = 0

    def alike(signed: np.ndarray, one: int, other: int, needed: int) -> bool:
        nonlocal calls
        calls += 1
        return bool((signed[one] == signed[other]).sum() >= needed)

    monkeypatch.setattr(groups, "_alike", alike)
    rows = 500
    signed = np.random.default_rng(6).integers(0, 1 << 16, (rows, PLACES)).astype(np.uint16)
    signed[:, :4] = 7
    bands = signed.view(np.uint64)
    table, following = np.full(1024, -1, np.int32), np.full(rows, -1, np.int32)
    with np.errstate(over="ignore"):
        edges = groups._meet.py_func(
            signed, bands, np.arange(rows), 0, 100, table, following, np.empty((rows, 2), np.int64)
        )
    assert edges == 0
    assert rows < calls <= COMPARED * rows


@settings(deadline=None)  # the first example may wait for the compiler
@given(st.integers(1, 30), st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=60))
def test_components_are_those_of_a_search(count: int, edges: list[tuple[int, int]]) -> None:
    edges = [(one % count, other % count) for one, other in edges]
    expected = list(range(count))
    for _ in range(count):
        for one, other in edges:
            expected[one] = expected[other] = min(expected[one], expected[other])
    found = components(count, np.array(edges, np.int64).reshape(-1, 2))
    assert found.tolist() == expected


@settings(deadline=None)  # the first example may wait for the compiler
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=40))
def test_first_equal_is_the_first_index(keys: list[tuple[int, int]]) -> None:
    found = first_equal(np.array(keys, np.uint64).reshape(-1, 2))
    assert found.tolist() == [keys.index(key) for key in keys]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(0, 40))
def test_runs_that_were_planted_are_found_and_those_a_word_short_are_not(seed: int, before: int) -> None:
    random_ = random.Random(seed)
    evaluation = [f"e{number}" for number in range(60)]
    runs = EvaluationRuns.of(Texts.of([" ".join(evaluation)]), 13)
    at = random_.randrange(60 - 13)
    texts = [
        " ".join([*prose(random_, before), *evaluation[at : at + words], *prose(random_, 5)]) for words in (13, 12)
    ]
    assert runs.are_in(Texts.of(texts)).tolist() == [True, False]
    assert runs.are_in(Texts.of([" ".join(evaluation[at : at + 13]).upper()])).all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", (0, 0)),
        (b"hello", (0xCBD8A7B341BD9B02, 0x5B1E906A48AE1D19)),
        (b"hello, world", (0x342FAC623A5EBC8E, 0x4CDCBC079642414D)),
        (
            b"The quick brown fox jumps over the lazy dog.",
            (0xCD99481F9EE902C9, 0x695DA1A38987B6E7),
        ),
    ],
)
def test_murmur_is_the_published_one(text: bytes, expected: tuple[int, int]) -> None:
    """Values of the tests of github.com/spaolacci/murmur3."""
    buffer = np.frombuffer(bytearray(text), np.uint8)
    assert tuple(map(int, murmur(buffer, 0, len(text), np.uint64(0)))) == expected


def test_kernels_are_compiled_once() -> None:
    texts = Texts.of(["a text of more than five words in all"] * 3)
    signed, _ = signatures(texts, learn_template(texts))
    near_groups(signed, np.arange(3), 0.8)
    EvaluationRuns.of(texts, 5).are_in(texts)
    kernels = [groups._meet, groups._unite, groups._first_equal, contamination._look, contamination._collect]
    assert [len(kernel.signatures) for kernel in kernels] == [1] * len(kernels)
