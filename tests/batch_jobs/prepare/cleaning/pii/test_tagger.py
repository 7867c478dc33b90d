"""Names and addresses, as far as a small tagger knows them."""

import numpy as np
import pytest

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.cleaning.pii.detector import Detector
from batch_jobs.prepare.cleaning.pii.invented import Writer, frames, invent, split
from batch_jobs.prepare.cleaning.pii.tagger import ADDRESS, NAME, PLACE, WEIGHTS, Tagger
from batch_jobs.prepare.cleaning.pii.training import write
from batch_jobs.prepare.cleaning.pii.words import FIRST_NAME, Lists, Words
from batch_jobs.prepare.cleaning.pii.words import PLACE as PLACES
from tunesmith.contracts.preparation import PiiType

DETECTOR = Detector([PiiType.PERSON, PiiType.ADDRESS])


def found(text: str) -> list[tuple[str, str]]:
    content = text.encode()
    return [(kind.value, content[start:end].decode()) for start, end, kind in DETECTOR.find(Texts.of([text]))]


def test_most_names_and_addresses_of_held_out_frames_are_covered_and_little_else() -> None:
    examples = invent(split(frames())[1], 400, seed=5)
    texts = Texts.of([made.text for made in examples])
    told, truth, place = (np.zeros(len(texts.buffer), np.bool_) for _ in range(3))
    for start, end, _ in DETECTOR.find(texts):
        told[start:end] = True
    for offset, made in zip(texts.offsets.tolist(), examples, strict=False):
        for start, end, tag in made.spans:
            covered = truth if tag in (NAME, ADDRESS) else place
            covered[offset + start : offset + end] |= tag in (NAME, ADDRESS, PLACE)
    assert told[truth].mean() > 0.85
    assert told[~(truth | place)].mean() < 0.05


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("My name is Anna Schmidt and I work at Siemens in Munich.", [("person", "Anna Schmidt")]),
        ("Please call Dr. O’Brien’s office.", [("person", "O’Brien")]),
        ("Ship it to 12 Baker Street, London, please.", [("address", "12 Baker Street, London")]),
        ("The train from Hamburg to Toulouse was late in March.", []),
        ("Click File, then Save As, and choose a folder.", []),
        ("My card number is 4111 1111 1111 1111.", []),
    ],
)
def test_examples(text: str, spans: list[tuple[str, str]]) -> None:
    assert found(text) == spans


def test_words_end_with_their_text_and_punctuation_of_unicode_parts_them() -> None:
    words = Words.of(Texts.of(["a é", "", "b9-c", "“D’accord”", "🙂e"]))
    assert (words.start.tolist(), words.end.tolist()) == ([0, 2, 4, 7, 11, 15, 28], [1, 4, 6, 8, 12, 21, 29])
    assert words.text.tolist() == [0, 0, 2, 2, 3, 3, 4]


def test_words_are_compared_without_case_and_accents() -> None:
    a, b, c, d = Words.of(Texts.of(["ÉLODIE elodie", "Юлия юлия"])).identity.tolist()
    assert a == b and c == d and a != c


def test_lists_know_their_words_and_only_them() -> None:
    lists = Lists.of({FIRST_NAME: ["Anna", "Jean-Luc"], PLACES: ["Anna"]})
    flags = lists.of_words(Words.of(Texts.of(["anna JEAN luc otto"])))
    assert flags.tolist() == [FIRST_NAME | PLACES, FIRST_NAME, FIRST_NAME, 0]


def test_nothing_is_found_in_nothing() -> None:
    assert len(DETECTOR.find(Texts.of([]))) == len(DETECTOR.find(Texts.of([""]))) == 0
    assert found(" \n.,;🙂—") == []


def test_a_text_is_read_the_same_alone_and_among_others() -> None:
    texts = [made.text for made in invent(frames(), 40, seed=9)]
    together = [(start, end) for start, end, _ in Tagger.packaged().find(Texts.of(texts))]
    offsets = Texts.of(texts).offsets.tolist()
    alone = [
        (offset + start, offset + end)
        for offset, text in zip(offsets, texts, strict=False)
        for start, end, _ in Tagger.packaged().find(Texts.of([text]))
    ]
    assert together == alone


def test_spans_stand_on_whole_characters_whatever_the_text() -> None:
    chance = np.random.default_rng(2)
    points = np.concatenate([np.arange(1, 0x600), [0x2019, 0x3042, 0x1F600, 0x10FFFF, 0xFFFD, 0x1E9E]])
    texts = ["".join(map(chr, chance.choice(points, 200))) for _ in range(50)]
    for text in texts:
        for _, span in found(text):
            assert span in text


def test_the_weights_are_small_and_no_pickle() -> None:
    assert WEIGHTS.stat().st_size < 1_500_000
    with np.load(WEIGHTS, allow_pickle=False) as stored:
        assert stored["weights"].dtype == np.int8


def test_two_trainings_give_the_same_bytes(tmp_path) -> None:  # type: ignore[no-untyped-def]
    for name in ("a.npz", "b.npz"):
        write(invent(frames()[:40], 200, seed=1), ["Returns the sum of all values."] * 50, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_frame_with_an_unknown_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="no slot is called 'colour'"):
        Writer(1).write(["The {colour} car"])
