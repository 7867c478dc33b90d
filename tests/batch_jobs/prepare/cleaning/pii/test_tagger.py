"""Names and addresses, as far as a small tagger knows them."""

import numpy as np

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.cleaning.pii.detector import Detector
from batch_jobs.prepare.cleaning.pii.tagger import WEIGHTS, words_of
from batch_jobs.prepare.cleaning.pii.training import SENTENCES, made
from tunesmith.contracts.preparation import PiiType

DETECTOR = Detector([PiiType.PERSON, PiiType.ADDRESS])


def test_most_names_and_addresses_of_held_out_sentences_are_covered() -> None:
    examples = made([sentence for place, sentence in enumerate(SENTENCES) if place % 5 == 2], 300, seed=5)
    texts = Texts.of([text for text, _ in examples])
    told = np.zeros(len(texts.buffer), np.bool_)
    for start, end, _ in DETECTOR.find(texts):
        told[start:end] = True
    truth = np.zeros_like(told)
    for offset, (_, spans) in zip(texts.offsets.tolist(), examples, strict=False):
        for start, end, _ in spans:
            truth[offset + start : offset + end] = True
    assert told[truth].mean() > 0.75
    assert told[~truth].mean() < 0.25


def test_words_end_with_their_text() -> None:
    start, end, text = words_of(Texts.of(["a é", "", "b9-c"]))
    assert (start.tolist(), end.tolist(), text.tolist()) == ([0, 2, 4, 7], [1, 4, 6, 8], [0, 0, 2, 2])


def test_nothing_is_found_in_nothing() -> None:
    assert len(DETECTOR.find(Texts.of([]))) == len(DETECTOR.find(Texts.of([""]))) == 0


def test_the_weights_are_small_and_no_pickle() -> None:
    assert WEIGHTS.stat().st_size < 1_500_000
    with np.load(WEIGHTS, allow_pickle=False) as stored:
        assert stored["weights"].dtype == np.int8
