"""The quick check never misses a text that normalisation would change, and doing it twice changes nothing more."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.cleaning.unicode import normalise
from tunesmith.contracts.preparation import Invisible, NormaliseRecipe

ANY = st.characters(exclude_categories=["Cs"])
MARKS = st.characters(categories=["Mn", "Mc", "Lo"])
TEXTS = st.lists(st.text(ANY | MARKS | st.sampled_from("\r\n\u1100\u1161\u11a8e\u0301\u200b\u212b"), max_size=8))


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from(["nfc", "nfkc", "none"]), st.booleans())
def test_texts_are_as_plain_unicodedata_would_have_them(texts: list[str], form: str, breaks: bool) -> None:
    recipe = NormaliseRecipe(unicode=form, line_breaks=breaks, mojibake=False, invisible=Invisible.KEEP)
    expected = texts
    if breaks:
        expected = [text.replace("\r\n", "\n").replace("\r", "\n") for text in expected]
    if form != "none":
        expected = [unicodedata.normalize(form.upper(), text) for text in expected]
    found, changed = normalise(Texts.of(texts), recipe)
    assert list(found) == expected
    assert changed.tolist() == [one != other for one, other in zip(texts, expected, strict=True)]


def test_no_pair_of_a_starter_and_any_code_point_is_missed() -> None:
    recipe = NormaliseRecipe(unicode="nfc", line_breaks=False, mojibake=False, invisible=Invisible.KEEP)
    points = [chr(code) for code in range(0x80, 0x110000) if not 0xD800 <= code < 0xE000]
    for starter in ("a", "\u1100", "\uac00"):
        texts = [starter + point for point in points]
        found, _ = normalise(Texts.of(texts), recipe)
        assert list(found) == [unicodedata.normalize("NFC", text) for text in texts]


@pytest.mark.parametrize("invisible", list(Invisible))
@settings(max_examples=60, deadline=None)
@given(texts=TEXTS)
def test_doing_it_twice_changes_nothing_more(invisible: Invisible, texts: list[str]) -> None:
    recipe = NormaliseRecipe(unicode="nfkc", line_breaks=True, mojibake=False, invisible=invisible)
    once, _ = normalise(Texts.of(texts), recipe)
    twice, changed = normalise(once, recipe)
    assert list(twice) == list(once)
    assert not changed.any()
