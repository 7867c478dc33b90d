"""What a file is: what most of its first rows are. Others are named, never guessed at."""

from typing import Any

import pytest

from batch_jobs.prepare.checking.detection import LOOKED_AT, REQUIRED, FormatOfFile, detect, most_common
from batch_jobs.prepare.checking.problems import BadRow
from tests.batch_jobs.prepare.checking.rows import ANSWER, ASK, chat
from tunesmith.contracts.datasets import ProblemCode, RowFormat
from tunesmith.contracts.preparation import ReadRecipe

CHAT, ALPACA, PAIR = chat(ASK, ANSWER), {"instruction": "a", "output": "b"}, {"chosen": "a", "rejected": "b"}


def file_of(*rows: dict[str, Any], **recipe: Any) -> FormatOfFile:
    return FormatOfFile.of(rows, ReadRecipe.model_validate(recipe))


@pytest.mark.parametrize("name", RowFormat)
def test_format_is_told_by_its_keys(name: RowFormat) -> None:
    row: dict[str, Any] = dict.fromkeys(REQUIRED[name], "x") | ({"label": True} if "label" in REQUIRED[name] else {})
    assert detect(row) is name


def test_file_is_what_most_rows_are_and_the_first_of_equals() -> None:
    assert most_common([ALPACA, CHAT, CHAT, {"x": 1}, {"x": 1}, {"x": 1}]) is RowFormat.CHAT
    assert most_common([ALPACA, CHAT]) is RowFormat.ALPACA
    assert most_common([{"x": 1}]) is None


def test_only_the_first_recognisable_rows_count() -> None:
    rows = [{"x": 1}] * 50 + [CHAT] * LOOKED_AT + [ALPACA] * 1_000
    assert most_common(rows) is RowFormat.CHAT


def test_row_of_another_format_is_an_error_that_names_both() -> None:
    with pytest.raises(BadRow, match="the file is chat, this row is alpaca") as found:
        file_of(CHAT, CHAT).of_row(ALPACA)
    assert found.value.code is ProblemCode.MIXED_FORMAT


def test_row_of_another_format_is_converted_where_the_recipe_says_so() -> None:
    assert file_of(CHAT, CHAT, mixed_formats="convert").of_row(ALPACA) is RowFormat.ALPACA


def test_row_of_another_kind_is_never_converted() -> None:
    with pytest.raises(BadRow, match="two kinds of dataset") as found:
        file_of(CHAT, CHAT, mixed_formats="convert").of_row(PAIR)
    assert found.value.code is ProblemCode.MIXED_FORMAT


def test_given_format_wins_where_the_row_has_its_keys() -> None:
    as_text = file_of(format="text")
    assert as_text.of_row({"text": "a", "prompt": "b"}) is RowFormat.TEXT
    with pytest.raises(BadRow, match="the file is text, this row is alpaca"):
        as_text.of_row(ALPACA)


@pytest.mark.parametrize(
    ("whole", "row", "name"),
    [
        ({"prompt": "a", "completion": "b"}, {"prompt": "a"}, RowFormat.PROMPT_COMPLETION),
        (
            {"prompt": "a", "completion": "b", "label": True},
            {"prompt": "a", "completion": "b"},
            RowFormat.UNPAIRED_PREFERENCE,
        ),
    ],
)
def test_row_that_lacks_a_field_is_still_the_files(whole: dict[str, Any], row: dict[str, Any], name: RowFormat) -> None:
    assert file_of(whole).of_row(row) is name


def test_known_row_after_a_beginning_that_nobody_knows_asks_for_the_format() -> None:
    with pytest.raises(BadRow, match="prepare.read.format: chat") as found:
        file_of({"x": 1}).of_row(CHAT)
    assert found.value.code is ProblemCode.MIXED_FORMAT
