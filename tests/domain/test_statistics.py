"""The bootstrap against facts that are known without it."""

import random
import time
from statistics import fmean

import pytest

from tunesmith.domain.statistics import minimum_detectable_effect, paired_interval, quantile, student_quantile


def interval(differences, confidence=0.95, resamples=1_000, seed="s"):
    return paired_interval(differences, confidence=confidence, resamples=resamples, seed=seed)


def test_same_evidence_gives_the_same_interval_and_another_seed_nearly_the_same():
    differences = [random.Random(1).gauss(0.1, 1) for _ in range(100)]
    assert interval(differences) == interval(differences)
    assert interval(differences, seed="other").low == pytest.approx(interval(differences).low, abs=0.1)


def test_interval_is_the_one_of_normal_theory_for_normal_differences():
    generator = random.Random(2)
    differences = [generator.gauss(0.5, 1) for _ in range(400)]
    found = interval(differences, resamples=4_000)
    assert found.low == pytest.approx(fmean(differences) - 1.96 / 20, abs=0.02)
    assert found.high == pytest.approx(fmean(differences) + 1.96 / 20, abs=0.02)


def test_identical_models_have_an_interval_of_no_width():
    assert (interval([0.0] * 30).low, interval([0.0] * 30).high) == (0.0, 0.0)


@pytest.mark.parametrize(("freedom", "expected"), [(9, 2.262), (19, 2.093), (59, 2.001), (199, 1.972)])
def test_student_quantile_is_the_table_value(freedom, expected):
    assert student_quantile(0.975, freedom) == pytest.approx(expected, abs=0.001)


def test_minimum_detectable_effect_is_found_four_times_in_five():
    generator = random.Random(3)
    effect = (
        minimum_detectable_effect([generator.gauss(0, 1) for _ in range(2_000)], confidence=0.95) * (2_000 / 60) ** 0.5
    )
    found = 0
    for trial in range(200):
        differences = [generator.gauss(effect, 1) for _ in range(60)]
        found += interval(differences, resamples=400, seed=str(trial)).low > 0
    assert 0.7 < found / 200 < 0.9


def test_small_samples_cover_as_often_as_they_promise():
    generator = random.Random(4)
    missed = sum(
        not (found := interval([generator.gauss(0, 1) for _ in range(10)], resamples=400, seed=str(trial))).low
        <= 0
        <= found.high
        for trial in range(400)
    )
    assert missed / 400 < 0.08  # the plain percentile interval misses about 1 in 10 here


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 1.0), (0.5, 2.5), (1.0, 4.0)])
def test_quantile_interpolates_between_order_statistics(probability, expected):
    assert quantile([1.0, 2.0, 3.0, 4.0], probability) == expected


def test_two_thousand_resamples_of_two_hundred_items_take_less_than_a_second():
    differences = [random.Random(5).gauss(0, 1) for _ in range(200)]
    started = time.process_time()
    interval(differences, resamples=2_000)
    assert time.process_time() - started < 1.0
