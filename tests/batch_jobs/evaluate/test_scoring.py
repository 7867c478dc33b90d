"""Scores against the reference libraries' own test cases, and against the libraries called directly."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from batch_jobs.evaluate import scoring
from tunesmith.contracts.recipes import Metric

CASES = Path(__file__).parents[4] / "shared/data/metrics"
PREDICTIONS = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him.", "", "a b c"]
REFERENCES = ["The dog had bit the man.", "No one was surprised.", "The man had bitten the dog.", "nothing", "a b c"]


def cases(file: str, source: str, places: slice = slice(None)) -> list[Any]:
    """Reference cases of one of the libraries' own tests; `places` leaves out variants that we do not offer."""
    if not (CASES / file).is_file():
        return [pytest.param(None, marks=pytest.mark.skip(reason="needs the reference cases in ../shared"))]
    rows = [json.loads(line) for line in (CASES / file).read_text().splitlines()]
    chosen = [row for row in rows if re.fullmatch(source, row["source"].split(":")[1].split("[")[0])]
    return [pytest.param(row, id=row["source"]) for row in chosen[places]]


@pytest.mark.parametrize("row", cases("sacrebleu_cases.jsonl", "test_case_effective_order", slice(2)))
def test_bleu_of_a_short_answer_is_the_published_figure(row: dict[str, Any]) -> None:
    (prediction,), ((reference,),), expected = row["case"]
    assert scoring.bleu(prediction, reference) == pytest.approx(expected)


@pytest.mark.parametrize("row", cases("sacrebleu_cases.jsonl", "test_sentence_level_chrf"))
def test_chrf_of_one_answer_is_the_published_figure(row: dict[str, Any]) -> None:
    """Published with epsilon smoothing, which moves the sixth decimal place."""
    prediction, (reference,), expected = row["case"]
    assert scoring.chrf(prediction, reference) == pytest.approx(expected / 100, abs=5e-6)


@pytest.mark.parametrize("row", cases("sacrebleu_cases.jsonl", "test_cases_effective_order"))
def test_corpus_chrf_is_the_published_figure(row: dict[str, Any]) -> None:
    predictions, references, expected = row["case"]
    assert scoring.corpus_chrf(predictions, references) == pytest.approx(expected / 100, abs=1e-6)


@pytest.mark.parametrize("row", cases("rouge_score_cases.jsonl", "testRougeL(Non)?Consecutive"))
def test_rouge_l_is_the_published_figure(row: dict[str, Any]) -> None:
    expected = next(field for field in row["expected"] if field["field"] == "fmeasure")
    found = scoring.rouge_l(row["prediction"], row["target"])
    assert found == pytest.approx(expected["value"], abs=10 ** -expected["places"])


@pytest.mark.parametrize(("prediction", "reference"), list(zip(PREDICTIONS, REFERENCES, strict=True)))
def test_scores_of_an_answer_are_those_of_the_libraries(prediction: str, reference: str) -> None:
    assert scoring.bleu(prediction, reference) == sacrebleu.sentence_bleu(prediction, [reference]).score / 100
    assert scoring.chrf(prediction, reference) == sacrebleu.sentence_chrf(prediction, [reference]).score / 100
    rouge = RougeScorer(["rougeL"]).score(reference, prediction)["rougeL"].fmeasure
    assert scoring.rouge_l(prediction, reference) == rouge


def test_corpus_scores_are_pooled_by_the_library_and_means_otherwise() -> None:
    scores = scoring.corpus_scores(PREDICTIONS, REFERENCES, nll=2.0, tokens=4)
    assert scores[Metric.BLEU] == sacrebleu.corpus_bleu(PREDICTIONS, [REFERENCES]).score / 100
    assert scores[Metric.CHRF] == sacrebleu.corpus_chrf(PREDICTIONS, [REFERENCES]).score / 100
    assert scores[Metric.EXACT_MATCH] == 1 / 5
    assert scores[Metric.PERPLEXITY] == pytest.approx(math.exp(0.5))
    assert set(scores) == set(Metric)


@pytest.mark.parametrize(
    ("prediction", "reference", "match", "f1"),
    [
        ("The cat.", "cat", 1, 1),
        ("a cat sat", "cat slept", 0, 0.5),
        ("dog", "cat", 0, 0),
        ("", "cat", 0, 0),
        ("the", "a", 1, 1),
        ("Cat  SAT!", "the cat sat", 1, 1),
        ("cat cat", "cat", 0, 2 / 3),
    ],
)
def test_squad_scores_ignore_case_articles_and_punctuation(
    prediction: str, reference: str, match: float, f1: float
) -> None:
    assert scoring.exact_match(prediction, reference) == match
    assert scoring.token_f1(prediction, reference) == pytest.approx(f1)


def test_perplexity_is_of_the_corpus_and_not_a_mean_of_perplexities() -> None:
    assert scoring.perplexity(nll=3 * math.log(7), tokens=3) == pytest.approx(7)
    assert scoring.corpus_scores(["a", "b"], ["a", "b"], nll=1 + 9, tokens=1 + 9)[Metric.PERPLEXITY] == math.e


def test_perplexity_beyond_a_float_stays_a_number_of_json() -> None:
    assert math.isfinite(scoring.perplexity(nll=1e6, tokens=1))


@given(prediction=st.text(max_size=60), reference=st.text(min_size=1, max_size=60))
def test_scores_lie_between_0_and_1(prediction: str, reference: str) -> None:
    scores = scoring.item_scores(prediction, reference, nll=1.0, tokens=1)
    assert all(0 <= score <= 1 + 1e-9 for metric, score in scores.items() if metric is not Metric.PERPLEXITY)


@pytest.mark.parametrize("text", ["Return the area of the rectangle.", "Größe und Gewicht", "one two three four five"])
def test_reference_itself_scores_1(text: str) -> None:
    scores = scoring.item_scores(text, text, nll=0.0, tokens=1)
    assert scores == pytest.approx(dict.fromkeys(Metric, 1.0))
