"""Languages: the packaged model read by our own code says what its own library says; what says nothing is unknown."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fasttext
import numpy as np
import pytest

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.signals.language import KIN, MIN_LETTERS, Languages
from batch_jobs.prepare.signals.linear_text_model import (
    add_feature,
    add_word,
    every_label,
    likeliest,
    packaged_model,
    read_model,
)
from tunesmith_cli.demo.docstring_task import docstring_pairs

SENTENCES = {
    "en": "The meeting was moved to Thursday because the room is not free before noon.",
    "de": "Die Besprechung wurde auf Donnerstag verschoben, weil der Raum vorher nicht frei ist.",
    "fr": "La réunion a été déplacée à jeudi parce que la salle n'est pas libre avant midi.",
    "es": "La reunión se trasladó al jueves porque la sala no está libre antes del mediodía.",
    "pl": "Spotkanie przeniesiono na czwartek, ponieważ sala nie jest wolna przed południem.",
    "ru": "Встречу перенесли на четверг, потому что комната до полудня занята.",
    "ja": "会議室が正午まで空いていないため、会議は木曜日に変更されました。",
    "zh": "因为会议室中午之前没有空，所以会议改到了星期四。",
    "ko": "정오 전에는 회의실이 비어 있지 않아서 회의가 목요일로 옮겨졌습니다.",
    "ar": "تم نقل الاجتماع إلى يوم الخميس لأن القاعة غير متاحة قبل الظهر.",
    "hi": "बैठक गुरुवार को कर दी गई क्योंकि दोपहर से पहले कमरा खाली नहीं है।",
    "th": "การประชุมถูกเลื่อนไปเป็นวันพฤหัสบดีเพราะห้องไม่ว่างก่อนเที่ยง",
    "el": "Η συνάντηση μεταφέρθηκε στην Πέμπτη γιατί η αίθουσα δεν είναι ελεύθερη πριν το μεσημέρι.",
}
"""Written for this test."""


def told(*texts: str) -> list[str]:
    languages = Languages()
    codes, confidence = languages.of(Texts.of(texts))
    assert np.all((codes > 0) | (confidence == 0)) and np.all((confidence >= 0) & (confidence <= 1.0001))
    return [languages.codes[code] for code in codes.tolist()]


def test_languages_are_told_apart() -> None:
    assert told(*SENTENCES.values()) == list(SENTENCES)


def test_model_answers_as_its_own_library_does() -> None:
    """Whole texts, nothing left out: label and probability."""
    model, library = read_model(packaged_model()), fasttext.load_model(str(packaged_model()))
    texts = [*SENTENCES.values(), *(" ".join(pair.summary.split()) for pair in docstring_pairs()[:400]), "x", "ß ñ"]
    stack, scores = np.empty(512, np.int64), np.empty(512, np.float32)
    chances = np.empty(2 * len(model.nodes) + 1, np.float32)
    for text in texts:
        total, added = np.zeros(model.vectors.shape[1], np.float32), 1
        for word in text.split():
            buffer = np.frombuffer(bytearray(word.encode()), np.uint8)
            added += add_word(
                buffer, 0, len(buffer), model.vectors, model.words, model.ngrams, model.ngram_lengths, total
            )
        add_feature(model.end_of_text, model.vectors, total)
        total /= np.float32(added)
        label, chance = likeliest(total, model.nodes, model.children, stack, scores)
        every_label(total, model.nodes, model.children, chances)
        labels, expected = library.predict(text)
        assert (model.labels[label], chance) == (
            labels[0].removeprefix("__label__"),
            pytest.approx(expected[0], abs=2e-3),
        )
        assert chances[label] == pytest.approx(chance, abs=1e-4)
        assert chances[: len(model.labels)].sum() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "ok",
        "42",
        "Ja",
        "3.14159 2.71828 100 200 300",
        "x = f(a[i], b) + {'k': [1, 2]}; y = g(z)",
        "https://example.com/a/b?c=d https://example.org/e",
        "<div><p></p></div>",
        "🙂🙂",
        "\x00\x01\x02",
    ],
)
def test_what_says_nothing_is_unknown(text: str) -> None:
    assert told(text) == ["und"]


def test_text_in_two_languages_is_unknown() -> None:
    assert told(SENTENCES["en"] * 4 + " " + SENTENCES["de"] * 4) == ["und"]


def test_code_around_prose_does_not_hide_its_language() -> None:
    code = "for (int i = 0; i < n; ++i) { total += values[i]; }\n"
    assert told(code + SENTENCES["de"] + "\n" + code, code + SENTENCES["en"] + "\n" + code) == ["de", "en"]


def test_long_text_is_judged_by_its_windows() -> None:
    assert told(SENTENCES["fr"] * 2000, SENTENCES["ja"] * 2000) == ["fr", "ja"]


def test_text_does_not_depend_on_its_neighbours() -> None:
    alone = [told(text)[0] for text in SENTENCES.values()]
    assert told(*reversed(SENTENCES.values())) == alone[::-1]


def test_texts_may_begin_anywhere_in_their_buffer() -> None:
    texts = Texts.of(list(SENTENCES.values()))
    later = Texts(texts.buffer, texts.offsets[3:])
    languages = Languages()
    assert languages.of(later)[0].tolist() == languages.of(texts)[0].tolist()[3:]


def test_one_detector_serves_many_threads() -> None:
    languages, texts = Languages(), Texts.of(list(SENTENCES.values()) * 50)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: languages.of(texts)[0].tolist(), range(8)))
    assert all(codes == found[0] for codes in found)


def test_any_bytes_are_read_without_harm() -> None:
    """Text is valid UTF-8 by then; whatever it is, nothing outside of it is read."""
    noise = np.random.default_rng(3).integers(0, 256, 20_000, np.uint8)
    offsets = np.sort(np.random.default_rng(4).integers(0, 20_000, 300))
    codes, _ = Languages().of(Texts(noise, np.concatenate([[0], offsets, [20_000]])))
    assert len(codes) == 301


def test_no_texts() -> None:
    codes, confidence = Languages().of(Texts.of([]))
    assert (codes.dtype, confidence.dtype, len(codes)) == (np.uint16, np.float32, 0)


def test_families_name_languages_of_the_model_once() -> None:
    named = [code for family in KIN for code in family.split()]
    assert len(set(named)) == len(named) and set(named) <= set(Languages().codes)


def test_other_file_is_no_model(tmp_path: Path) -> None:
    for name, content in {
        "empty": b"",
        "text": b"hello, this is no model" * 9,
        "cut": packaged_model().read_bytes()[:500_000],
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RuntimeError, match=f"{name} is not a quantised fastText classifier"):
            read_model(tmp_path / name)


def test_letters_that_are_too_few() -> None:
    assert MIN_LETTERS == 12 and told("Guten Tag") == ["und"]
