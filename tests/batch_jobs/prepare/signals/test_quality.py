"""Quality: the compiled counts are those of plain Python, and the score puts good text before bad."""

import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.signals.quality import BOILERPLATE, RUN, STOP_WORDS, decide, measure
from tunesmith.contracts.datasets import DropReason
from tunesmith.contracts.preparation import QualityRecipe

PROSE = (
    "The meeting was moved to Thursday because the room is not free before noon. Anybody who cannot come should say "
    "so by Tuesday, and we will send the notes with the decisions to them afterwards."
)
WHITE = "".join(map(chr, range(33)))
MARKS = set(string.punctuation) | {"\x7f"}


def words_of(text: str) -> list[str]:
    return "".join(" " if char in WHITE else char for char in text).split(" ")


def core(word: str) -> str:
    while word and word[0] in MARKS:
        word = word[1:]
    while word and word[-1] in MARKS:
        word = word[:-1]
    return "".join(char.lower() if char.isascii() else char for char in word)


def slowly(text: str) -> dict[str, float]:
    """The same measures, as one would write them without haste."""
    whole = [word for word in words_of(text) if word]
    words = [core(word) for word in whole]
    visible = [char for char in text if char not in WHITE]
    letters = [char for char in visible if char.isascii() and char.isalpha()]
    seen, repeated = set(), set()
    for at in range(len(words) - RUN + 1):
        run = tuple(words[at : at + RUN])
        if run in seen:
            repeated |= set(range(at, at + RUN))
        seen.add(run)
    lines = [tuple(core(word) for word in words_of(line) if word) for line in text.split("\n")]
    lines = [line for line in lines if line]
    spoken = " ".join(words)
    return {
        "words": len(words),
        "characters": len(text),
        "stop_words": sum(word in STOP_WORDS for word in words),
        "boilerplate": sum(f" {spoken} ".count(f" {phrase} ") for phrase in BOILERPLATE),
        "symbol_fraction": sum(char in MARKS for char in visible) / max(len(visible), 1),
        "digit_fraction": sum(char in string.digits for char in visible) / max(len(visible), 1),
        "uppercase_fraction": sum(char.isupper() for char in letters) / max(len(letters), 1),
        "alphabetic_fraction": sum(any(not c.isascii() or c.isalpha() for c in word) for word in whole)
        / max(len(words), 1),
        "mean_word_length": len(visible) / max(len(words), 1),
        "repetition": len(repeated) / max(len(words), 1),
        "duplicate_lines": (len(lines) - len(set(lines))) / max(len(lines), 1),
    }


def measured(text: str) -> dict[str, float]:
    return {name: float(values[0]) for name, values in measure(Texts.of([text])).items()}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hi",
        PROSE,
        PROSE + "\n" + PROSE,
        "a b c d e f a b c d e f g a b c d e",
        "one\ntwo\n\n  one  \nTWO!\n",
        "As an AI language model, I cannot say. As an AI language model I won't.",
        "I\u2019m sorry, but I can\u2019t help. (Lorem ipsum dolor)",
        "Grüße, 世界! 12 34.5 ÄÖ",
        "--- *** ---",
        "x" * 300 + " y",
    ],
)
def test_counts_are_those_of_plain_python(text: str) -> None:
    fast = measured(text)
    expected = slowly(text.replace("\u2019", "'") if "sorry" in text else text)
    for name in ("boilerplate", "repetition", "duplicate_lines", "words", "stop_words"):
        assert fast[name] == pytest.approx(expected[name], abs=1e-6), name
    if "\u2019" not in text:
        assert {name: fast[name] for name in expected} == pytest.approx(expected, abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text("ab .\nÄ1世", max_size=60), min_size=1, max_size=4))
def test_any_texts_are_counted_as_plain_python_counts_them(texts: list[str]) -> None:
    fast = measure(Texts.of(texts))
    for place, text in enumerate(texts):
        for name, expected in slowly(text).items():
            assert fast[name][place] == pytest.approx(expected, abs=1e-5), name


def test_longest_run_of_a_character() -> None:
    assert [measured(text)["longest_run"] for text in ("", "abc", "soooo", "a    b", "!!!!! !!")] == [0, 1, 4, 1, 5]


@pytest.mark.parametrize(
    "worse",
    [
        "",
        "ok",
        "As an AI language model, I cannot do that. " + PROSE,
        "{}[]<>!@#$ %^&*() ==== ++++ ;;;; |||| ~~~~ <<>> ((())) [[]] {{}} //// \\\\",
        "buy now buy now buy now buy now buy now buy now buy now buy now buy now buy now",
        PROSE.upper(),
        "a" * 400,
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
        PROSE + " !" + "!" * 150,
        "\n".join([PROSE] * 8),
    ],
)
def test_good_prose_scores_above_what_is_worse(worse: str) -> None:
    assert measured(PROSE)["quality"] > 0.8 > measured(worse)["quality"] + 0.05
    assert 0 <= measured(worse)["quality"] <= 1


def test_recipe_says_what_is_dropped_and_why() -> None:
    signals = measure(Texts.of([PROSE, "too short", "$$$ %% ^^ && ** (( ))", "a b c d e a b c d e a b c d e", PROSE]))
    signals["toxicity"] = np.array([0, 0, 0, 0, 0.9], np.float32)
    recipe = QualityRecipe(min_words=3, max_symbol_fraction=0.5, max_repetition=0.5, max_toxicity=0.5)
    low, toxic = (1 + list(DropReason).index(reason) for reason in (DropReason.LOW_QUALITY, DropReason.TOXIC))
    assert decide(signals, recipe).tolist() == [0, low, low, low, toxic]
    assert decide(signals, QualityRecipe()).tolist() == [0] * 5
    assert decide(signals, QualityRecipe(max_words=10)).tolist() == [low, 0, 0, low, low]


def test_very_long_text_is_measured_in_bounded_memory() -> None:
    signals = measured("word " * 2_000_000)
    assert signals["words"] == 2_000_000 and 0.2 < signals["repetition"] < 0.3


def test_no_texts() -> None:
    signals = measure(Texts.of([]))
    assert all(len(values) == 0 and values.dtype == np.float32 for values in signals.values())
    assert decide(signals, QualityRecipe()).dtype == np.uint8
