"""What changed is marked, what cannot be seen is spelt, and long texts are cut around the change."""

import pytest

from batch_jobs.prepare.reporting.highlighting import AROUND, alike, before_and_after, with_placeholders


@pytest.mark.parametrize(
    ("before", "after", "left", "right"),
    [
        ("a\r\nb c", "a\nb c", "a<del>[U+000D]⏎\n</del>b c", "a<ins>⏎\n</ins>b c"),
        ("cafe\u0301 <b>", "caf\u00e9 <b>", "<del>cafe[U+0301]</del> &lt;b&gt;", "<ins>café</ins> &lt;b&gt;"),
        ("a\u200bb", "ab", "<del>a[U+200B]b</del>", "<ins>ab</ins>"),
        ("same", "same", "same", "same"),
        ("", "new", "", "<ins>new</ins>"),
    ],
)
def test_words_that_differ_are_marked(before: str, after: str, left: str, right: str) -> None:
    assert before_and_after(before, after) == (left, right)


def test_placeholders_are_marked_and_lookalikes_are_not() -> None:
    marked = with_placeholders("<EMAIL_1> & <EMAIL_9f2c41ab>, not <email_1>, <B_1>")
    assert marked == (
        "<mark>&lt;EMAIL_1&gt;</mark> &amp; <mark>&lt;EMAIL_9f2c41ab&gt;</mark>, not &lt;email_1&gt;, &lt;B_1&gt;"
    )


def test_long_texts_show_where_they_differ() -> None:
    long = "word " * 10_000
    first, second = alike([long + "end", long + "last end"])
    assert "<ins>last </ins>" in second and "end" in first and max(len(first), len(second)) < 4 * AROUND
    assert alike(["one"]) == ["one"]


def test_where_a_text_is_cut_is_no_difference() -> None:
    words = " ".join(f"word{number}" for number in range(500))
    before, after = before_and_after("So, " + words, words)
    assert before.startswith("<del>So, </del>word0 ") and before.count("<del>") == 1
    assert after.startswith("word0 ") and "<ins>" not in after
    assert all(side.endswith("…") and len(side) < 4 * AROUND for side in (before, after))


def test_long_new_beginning_is_marked_and_the_old_one_is_not() -> None:
    words = " ".join(f"word{number}" for number in range(50))
    before, after = before_and_after(words, "new " * 30 + words)
    assert before == words and after.startswith("<ins>new new ") and after.endswith("…")
