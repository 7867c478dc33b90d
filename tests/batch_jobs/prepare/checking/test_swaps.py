"""Pairs the wrong way round are warned of, and their share is estimated without knowing which label is right."""

import random

from batch_jobs.prepare.checking.swaps import ENOUGH, Swaps, estimate
from tests.batch_jobs.prepare.checking.rows import parse


def pair(prompt: str, chosen: str, rejected: str) -> dict[str, str]:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def test_pair_that_contradicts_an_earlier_one_is_found() -> None:
    swaps = Swaps()
    for row in [
        pair("q", "a", "b"),
        pair("q", "a", "c"),
        pair("q", "b", "a"),
        pair("p", "b", "a"),
        pair("q", "a\r\n", "b"),
    ]:
        swaps.add(parse(row))
    contradicting, earlier, found = swaps.find()
    assert (contradicting.tolist(), earlier.tolist()) == ([2], [0])
    assert (found.repeated_pairs, found.contradicting_pairs) == (2, 1)


def test_planted_swap_rate_is_estimated() -> None:
    """D19"""
    draw = random.Random(7)
    swaps = Swaps()
    for number in range(3_000):
        for _ in range(2):
            sides = ["good", "bad"]
            if draw.random() < 0.1:
                sides.reverse()
            swaps.add(parse(pair(f"q{number}", *sides)))
    rate = swaps.find()[2].swap_rate
    assert rate is not None and abs(rate - 0.1) < 0.02


def test_nothing_is_estimated_from_a_handful() -> None:
    assert estimate(ENOUGH - 1, 9).swap_rate is None
    assert estimate(ENOUGH, 0).swap_rate == 0
    assert estimate(ENOUGH, ENOUGH).swap_rate == 0.5
