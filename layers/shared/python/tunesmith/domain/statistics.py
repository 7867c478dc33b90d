"""Paired comparison of two models on the same items: bootstrap interval and minimum detectable effect.

No numpy, so that functions stay lean, and no random state: the resamples come from a hash of the seed, so the same
evidence always gives the same verdict.
"""

import hashlib
import math
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

POWER = 0.8
"""The minimum detectable effect is what would be found 4 times in 5."""
NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float


def paired_interval(differences: Sequence[float], *, confidence: float, resamples: int, seed: str) -> Interval:
    """Two-sided bootstrap interval of the mean difference.

    The percentile interval is too narrow for small samples, so its percentiles are moved outwards to where Student's t
    puts them (the expanded percentile interval of Hesterberg, "What Teachers Should Know About the Bootstrap", 2015).
    """
    means = sorted(_resampled_means(differences, resamples, seed))
    tail = expanded_tail((1 - confidence) / 2, len(differences))
    return Interval(quantile(means, tail), quantile(means, 1 - tail))


def expanded_tail(tail: float, items: int) -> float:
    """The tail to cut off a bootstrap distribution so that it covers as an interval by Student's t does."""
    spread = math.sqrt(items / (items - 1))
    return NORMAL.cdf(spread * student_quantile(tail, items - 1))


def student_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t, by the expansion of Abramowitz and Stegun 26.7.5 (three digits from 5 degrees on)."""
    z = NORMAL.inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + math.fsum(term / freedom**order for order, term in enumerate(terms, start=1))


def minimum_detectable_effect(differences: Sequence[float], *, confidence: float) -> float:
    """The true mean difference that an interval over this many such items would tell from zero 4 times in 5."""
    z = NORMAL.inv_cdf(1 - (1 - confidence) / 2) + NORMAL.inv_cdf(POWER)
    return z * stdev(differences) / math.sqrt(len(differences))


def quantile(ordered: Sequence[float], probability: float) -> float:
    """Linear interpolation between the order statistics."""
    place = probability * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _resampled_means(values: Sequence[float], resamples: int, seed: str) -> Iterator[float]:
    """Means of samples drawn with replacement; as many draws as there are values."""
    count = len(values)
    for resample in range(resamples):
        # Multiply and shift maps 32 random bits onto an index without a modulo; its bias is below count / 2**32.
        yield fmean([values[(bits * count) >> 32] for bits in _random_bits(f"{seed}/{resample}", count)])


def _random_bits(seed: str, count: int) -> "array[int]":
    """`count` numbers of 32 uniform bits each, the same on every machine."""
    bits = array("I", hashlib.shake_128(seed.encode()).digest(4 * count))
    if sys.byteorder == "big":
        bits.byteswap()
    return bits
