"""Scores of generated answers: plain functions over the field's reference implementations.

Every score of an answer lies between 0 and 1, perplexity excepted, so that one margin means the same to every gate:
BLEU and chrF are sacrebleu's figures divided by 100. Of a corpus, BLEU and chrF are what sacrebleu computes from the
pooled n-gram statistics, perplexity is exp(total negative log-likelihood / total tokens), and the rest are means.
Neither is the mean of its per-item scores: only the latter can be paired by item, which is what the gate does.
"""

import math
import re
import string
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from statistics import fmean

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from tunesmith.contracts.recipes import Metric

SCORING_VERSION = 2
"""Part of the cache key of scores: raise it whenever a figure may change, by what is scored or how."""

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)


def bleu(prediction: str, reference: str) -> float:
    """Sentence BLEU with effective order: an answer shorter than four words is not 0 for want of 4-grams."""
    return float(_sentence_bleu().sentence_score(prediction, [reference]).score) / 100


def rouge_l(prediction: str, reference: str) -> float:
    """F-measure of the longest common subsequence of words, unstemmed."""
    return float(_rouge().score(reference, prediction)["rougeL"].fmeasure)


def chrf(prediction: str, reference: str) -> float:
    """chrF2: character n-grams up to 6, recall weighted twice, effective order."""
    return float(_sentence_chrf().sentence_score(prediction, [reference]).score) / 100


def exact_match(prediction: str, reference: str) -> float:
    """1 where both are equal after normalisation, else 0."""
    return float(normalise(prediction) == normalise(reference))


def token_f1(prediction: str, reference: str) -> float:
    """SQuAD's F1 over the bag of normalised words; two answers without any word agree."""
    predicted, expected = normalise(prediction).split(), normalise(reference).split()
    if not predicted or not expected:
        return float(predicted == expected)
    shared = (Counter(predicted) & Counter(expected)).total()
    return 2 * shared / (len(predicted) + len(expected))


def perplexity(nll: float, tokens: int) -> float:
    """exp of the mean negative log-likelihood per token; the largest float where that overflows, as JSON has no inf."""
    try:
        return math.exp(nll / tokens)
    except OverflowError:
        return sys.float_info.max


def normalise(text: str) -> str:
    """SQuAD's: lower case, no punctuation, no articles, single spaces."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def item_scores(prediction: str, reference: str, nll: float, tokens: int) -> dict[Metric, float]:
    """All scores of one answer."""
    return {
        Metric.BLEU: bleu(prediction, reference),
        Metric.ROUGE_L: rouge_l(prediction, reference),
        Metric.CHRF: chrf(prediction, reference),
        Metric.EXACT_MATCH: exact_match(prediction, reference),
        Metric.TOKEN_F1: token_f1(prediction, reference),
        Metric.PERPLEXITY: perplexity(nll, tokens),
    }


def corpus_bleu(predictions: Sequence[str], references: Sequence[str]) -> float:
    return float(BLEU().corpus_score(predictions, [references]).score) / 100


def corpus_chrf(predictions: Sequence[str], references: Sequence[str]) -> float:
    return float(CHRF().corpus_score(predictions, [references]).score) / 100


def mean_over_pairs(score: Callable[[str, str], float], predictions: Sequence[str], references: Sequence[str]) -> float:
    return fmean(score(prediction, reference) for prediction, reference in zip(predictions, references, strict=True))


def corpus_scores(
    predictions: Sequence[str], references: Sequence[str], nll: float, tokens: int
) -> dict[Metric, float]:
    """Scores of a whole suite; `nll` and `tokens` are its totals."""
    return {
        Metric.BLEU: corpus_bleu(predictions, references),
        Metric.ROUGE_L: mean_over_pairs(rouge_l, predictions, references),
        Metric.CHRF: corpus_chrf(predictions, references),
        Metric.EXACT_MATCH: mean_over_pairs(exact_match, predictions, references),
        Metric.TOKEN_F1: mean_over_pairs(token_f1, predictions, references),
        Metric.PERPLEXITY: perplexity(nll, tokens),
    }


@cache
def _sentence_bleu() -> BLEU:
    return BLEU(effective_order=True)


@cache
def _sentence_chrf() -> CHRF:
    return CHRF()


@cache
def _rouge() -> RougeScorer:
    return RougeScorer(["rougeL"], use_stemmer=False)
