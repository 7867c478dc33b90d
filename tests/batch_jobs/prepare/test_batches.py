"""Batches hold rows as columns and lose nothing: not when rows are taken, joined, replaced or spilled."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.batches import RowBatch, Texts, join, replace_texts, take_rows
from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.deduplicating.fingerprints import fingerprints
from batch_jobs.prepare.spool import Spool
from tunesmith.contracts.datasets import RowFormat

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TURNS = st.builds(
    Turn,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    TEXTS,
    st.booleans(),
    name=st.none() | TEXTS,
    tool_calls=st.none() | st.just('[{"id":"1"}]'),
    tool_call_id=st.none() | TEXTS,
)
SOME = st.lists(TURNS, max_size=4).map(tuple)
ROWS = st.builds(
    Row,
    st.sampled_from(list(RowFormat)),
    st.lists(TURNS, min_size=1, max_size=4).map(tuple),
    SOME,
    SOME,
    st.none() | st.booleans(),
    st.none() | st.just('[{"type":"function"}]'),
    st.dictionaries(TEXTS, st.none() | st.integers() | TEXTS, max_size=2),
)


def batch_of(rows: list[Row]) -> RowBatch:
    return RowBatch.of(rows, range(1, len(rows) + 1))


def rows_of(batch: RowBatch) -> list[Row]:
    return [batch.row(index) for index in range(len(batch))]


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, max_size=6), st.lists(ROWS, max_size=4), st.randoms(use_true_random=False))
def test_rows_come_back_as_they_went_in(rows: list[Row], more: list[Row], random) -> None:
    batch = batch_of(rows)
    assert rows_of(batch) == rows
    chosen = [random.randrange(len(rows)) for _ in range(5)] if rows else []
    taken = take_rows(batch, np.array(chosen, np.int64))
    assert rows_of(taken) == [rows[index] for index in chosen]
    assert taken.line.tolist() == [index + 1 for index in chosen]
    joined = join([taken, batch_of(more), batch])
    assert rows_of(joined) == [rows[index] for index in chosen] + more + rows
    joined.learnable = ~joined.trained
    assert (take_rows(joined, np.arange(len(joined))).learnable == joined.learnable).all()
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder), memory=-1)
        spool.add(joined)
        assert spool.spilled == 1
        again = spool[0]
    assert rows_of(again) == rows_of(joined)
    assert (again.learnable == joined.learnable).all()
    assert (fingerprints(again).row == fingerprints(joined).row).all()


@settings(deadline=None)  # the first example may wait for the compiler
@given(st.lists(TEXTS, max_size=8), st.dictionaries(st.integers(0, 7), TEXTS, max_size=4))
def test_replaced_texts_are_those_and_no_others(texts: list[str], replaced: dict[int, str]) -> None:
    replaced = {index: text for index, text in replaced.items() if index < len(texts)}
    found = replace_texts(Texts.of(texts), {index: text.encode() for index, text in replaced.items()})
    assert list(found) == [replaced.get(index, text) for index, text in enumerate(texts)]


def prints(*rows: Row) -> list[tuple[int, ...]]:
    return [tuple(print_) for print_ in fingerprints(batch_of(list(rows))).row.tolist()]


def chat(*turns: tuple[str, str], **more) -> Row:
    return Row(RowFormat.CHAT, tuple(Turn(role, text, True) for role, text in turns), **more)


def test_rows_that_differ_in_anything_have_other_fingerprints() -> None:
    user, answer = ("user", "ab"), ("assistant", "c")
    different = [
        chat(user, answer),
        chat(("user", "a"), ("assistant", "bc")),
        chat(("user", "ab c")),
        chat(answer, user),
        chat(("system", "ab"), answer),
        chat(user, ("user", "c")),
        chat(user, answer, ("user", "")),
        chat(user, answer, tools="[]"),
        chat(user, answer, label=True),
        chat(user, answer, label=False),
        chat(("user", "ab\0"), answer),
        Row(RowFormat.CHAT, (Turn("user", "ab", True), Turn("assistant", "c", False))),
        Row(RowFormat.CHAT, (Turn("user", "ab", True), Turn("assistant", "c", True, name="x"))),
        Row(RowFormat.CHAT, (Turn("user", "ab", True),), (Turn("assistant", "c", True),)),
        Row(RowFormat.CHAT, (Turn("user", "ab", True),), (), (Turn("assistant", "c", True),)),
    ]
    assert len(set(prints(*different))) == len(different)


@settings(deadline=None)  # the first example may wait for the compiler
@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), TEXTS), min_size=1, max_size=4))
def test_outer_white_space_makes_no_other_row(turns: list[tuple[str, str]]) -> None:
    padded = [(role, f" \t\r\n{text}\n ") for role, text in turns]
    one, other = prints(chat(*turns), chat(*padded))
    assert one == other
