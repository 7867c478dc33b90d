"""What a text may hold: the quick look and the close one agree on every character there is."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.checking.texts import CONTROL, INVISIBLE, NO_CHARACTER, SUSPECT, TextChecks, is_blank


def test_no_character_that_is_refused_escapes_the_quick_look() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    refused = {
        char
        for pattern in (CONTROL, NO_CHARACTER, INVISIBLE)
        for found in pattern.findall(everything)
        for char in found
    }
    assert refused and refused <= set(SUSPECT.findall(everything))


@settings(deadline=None)  # the first example may wait for the compiler
@given(st.text(max_size=6))
def test_text_that_passes_the_quick_look_passes_the_close_one(text: str) -> None:
    checks = TextChecks()
    if checks.is_plain(text):
        assert not is_blank(text) and checks.any(text, "") == text


ODD = st.sampled_from("a\u0645👩🏴\u200b\u200c\u200d\u202e\ufe0f\U000e0041\U000e0067\U000e007f")


@settings(deadline=None)  # the first example may wait for the compiler
@given(st.text(ODD, max_size=8))
def test_what_is_invisible_is_gone_once_it_is_removed(text: str) -> None:
    assert not INVISIBLE.search(INVISIBLE.sub("", text))


def test_text_that_shows_nothing_is_blank() -> None:
    assert is_blank("\u3000\u200b\u2800\ufe0f\U000e0041\n") and is_blank("")
    assert not is_blank("\u200b.")


@pytest.mark.parametrize(
    ("text", "told"), [("ab\u202e", r"U\+202E \(RIGHT-TO-LEFT OVERRIDE\) at character 3"), ("\x07", "U\\+0007")]
)
def test_character_is_named_with_its_place(text: str, told: str) -> None:
    with pytest.raises(BadRow, match=told):
        TextChecks().any(text, "prompt")
