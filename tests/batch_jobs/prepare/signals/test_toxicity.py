"""Toxicity: masks are undone as plain Python undoes them, ordinary text is not flagged, an insult is."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.signals.toxicity import INTERCEPT, WEIGHTS, WINDOW, normal_word, read_weights, toxicity
from tunesmith_cli.demo.docstring_task import docstring_pairs

MODEL = read_weights(WEIGHTS)
CHATS = Path(__file__).parents[5] / "shared" / "data" / "self_instruct" / "seed_tasks.jsonl"


def score(*texts: str) -> list[float]:
    return toxicity(Texts.of(texts)).tolist()


def slowly(text: str) -> float:
    weights = [MODEL.get(normal_word(word), 0.0) for word in text.split()]
    worst = max([sum(weights[max(0, at + 1 - WINDOW) : at + 1]) for at in range(len(weights))] + [0.0])
    return float(1 / (1 + np.exp(-(worst + MODEL[INTERCEPT]))))


@pytest.mark.parametrize(
    "text", ["bitch", "BITCH!!", "b1tch", "b!tch", "biiiiitch", "b.i.t.c.h", '"bitch,"', "bi\u200btch"]
)
def test_masks_are_undone(text: str) -> None:
    assert normal_word(text) == "bitch"
    assert score(f"you are a {text}") == pytest.approx(score("you are a bitch"))
    assert score(f"you are a {text}")[0] > 0.5


@pytest.mark.parametrize(
    "text",
    ["", "Thank you, that helps a lot.", "The class assesses assets.", "Scunthorpe, Essex", "12345 $$$ !!!", "世界"],
)
def test_ordinary_text_is_not_toxic(text: str) -> None:
    assert score(text)[0] < 0.2


def test_documentation_is_not_toxic() -> None:
    scores = np.array(score(*(pair.code + "\n" + pair.summary for pair in docstring_pairs())))
    assert (scores > 0.5).mean() < 0.005


@pytest.mark.skipif(not CHATS.exists(), reason="the sample data is not there")
def test_instructions_are_not_toxic() -> None:
    texts = [json.dumps(json.loads(line)["instances"]) for line in CHATS.read_text().splitlines()]
    assert (np.array(score(*texts)) > 0.5).mean() < 0.02


def test_long_text_neither_hides_an_insult_nor_adds_up() -> None:
    calm = "The weather was fine and we went for a walk. " * 200
    assert score(calm + "You stupid bitch. " + calm)[0] == pytest.approx(score("You stupid bitch.")[0], abs=0.05)
    once = "That damn thing. " + "It works again now and we are all happy with it, as you can see for yourself. " * 4
    assert score(once * 100)[0] < 0.5 or score(once * 100)[0] == pytest.approx(score(once)[0], abs=0.3)


words = st.sampled_from([*list(MODEL)[1::9], "b1tch", "the", "walk", "f**k", "@$$", "a$$hole", "Größe", "...", "ooops"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(words, st.text("ab$@*.1O!ä", max_size=9)), max_size=60))
def test_compiled_code_finds_what_plain_python_finds(text: list[str]) -> None:
    assert score(" ".join(text))[0] == pytest.approx(slowly(" ".join(text)), abs=1e-4)


def test_each_text_by_itself() -> None:
    texts = ["you bitch", "hello", "stupid faggot", ""]
    assert score(*texts) == pytest.approx([score(text)[0] for text in texts])
    assert score() == []


def test_weights_are_signs_of_toxicity_only() -> None:
    assert all(weight > 0 for word, weight in MODEL.items() if word != INTERCEPT)
    assert all(normal_word(word) == word for word in MODEL if word != INTERCEPT)
