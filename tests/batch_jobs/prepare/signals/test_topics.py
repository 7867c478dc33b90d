"""Topics: texts on one matter come together, the same texts give the same topics, and too little is one topic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_jobs.prepare.signals.topics import WORD, find_topics, words_of
from tests.batch_jobs.prepare.signals.labelled_docstrings import PACKAGES, labelled_docstrings

SUBJECTS = [
    "The server sends a response header over the http connection to the client request number {n}",
    "Bake the bread dough with flour, yeast and butter in a hot oven for {n} minutes",
    "The striker scored a goal in the football match before the referee blew the whistle {n} times",
]
TEXTS = [subject.format(n=number) for number in range(40) for subject in SUBJECTS]


def test_texts_on_one_matter_are_one_topic() -> None:
    found = find_topics(TEXTS, count=3)
    for subject in range(3):
        assert len(set(found.topic[subject::3].tolist())) == 1
    assert [topic.size for topic in found.topics] == [40, 40, 40]
    telling = {term for topic in found.topics for term in topic.terms}
    assert telling <= {word.lower().strip(",") for subject in SUBJECTS for word in subject.split()}
    for place, topic in enumerate(found.topics):
        assert found.topic[topic.example] == place
        assert all(term in TEXTS[topic.example].lower() for term in topic.terms[:3])


def test_topics_of_documentation_follow_its_packages() -> None:
    texts, labels = labelled_docstrings()
    found = find_topics(texts)
    sizes = [topic.size for topic in found.topics]
    assert sizes == sorted(sizes, reverse=True) and sum(sizes) == len(texts)
    assert sum(topic.share for topic in found.topics) == pytest.approx(1)
    majority = sum(
        max(sum(labels[row] == package for row in np.flatnonzero(found.topic == place)) for package in PACKAGES)
        for place in range(len(found.topics))
    )
    assert majority / len(texts) > 0.4  # a sixth by chance


def test_map_keeps_topics_together() -> None:
    found = find_topics(TEXTS, count=3)
    assert found.places.shape == (120, 2) and np.abs(found.places).max() <= 1
    middles = np.stack([found.places[found.topic == place].mean(axis=0) for place in range(3)])
    distances = np.linalg.norm(found.places[:, None] - middles, axis=2)
    assert np.array_equal(distances.argmin(axis=1), found.topic)
    apart = np.linalg.norm(middles - np.roll(middles, 1, axis=0), axis=1)
    assert distances.min(axis=1).max() < 0.5 * apart.min()


def test_two_topics_lie_on_either_side() -> None:
    found = find_topics([text for text in TEXTS if "goal" not in text], count=2)
    one, other = (found.places[found.topic == place].mean(axis=0) for place in range(2))
    assert np.linalg.norm(one - other) > 1


def test_texts_without_a_word_in_common_with_others_are_a_topic_without_terms() -> None:
    found = find_topics([*TEXTS, *(f"unheard{chr(97 + number)}" for number in range(5))], count=3)
    assert [topic.size for topic in found.topics] == [40, 40, 40, 5]
    assert found.topics[3].terms == [] and found.topics[3].example == len(TEXTS)
    assert [found.topic[topic.example] for topic in found.topics] == [0, 1, 2, 3]
    assert all(topic.terms for topic in found.topics[:3]) and (found.places[-5:] == 0).all()


def test_scripts_without_spaces_and_with_marks_have_terms() -> None:
    chinese = [f"銀行的客戶想要取消轉帳{mark}" for mark in "甲乙丙丁戊己庚辛壬癸"]
    hindi = [f"बैंक ग्राहक भुगतान {word}" for word in ("एक", "दो", "तीन", "चार", "पाँच", "छह", "सात", "आठ", "नौ", "दस")]
    found = find_topics([*chinese, *hindi, *TEXTS[:60]], count=5)
    terms = {term for topic in found.topics for term in topic.terms}
    assert {"銀行", "भुगतान"} <= terms


def test_same_texts_give_same_topics() -> None:
    one, two = find_topics(TEXTS, seed=5), find_topics(TEXTS, seed=5)
    assert one.topics == two.topics
    assert np.array_equal(one.places, two.places) and np.array_equal(one.topic, two.topic)


@pytest.mark.parametrize(
    "texts", [[], ["hello"], ["the of and"] * 50, [""] * 20, ["same text here"] * 30, ["42 17"] * 20]
)
def test_too_little_is_one_topic(texts: list[str]) -> None:
    found = find_topics(texts)
    assert len(found.topics) == (1 if texts else 0) and len(found.topic) == len(found.places) == len(texts)


@given(st.text(st.characters(codec="ascii")) | st.text())
def test_the_short_way_for_ascii_finds_the_same_words(text: str) -> None:
    assert words_of(text) == WORD.findall(text)
