"""Hashes that are looked up among sorted ones."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.hashing import are_among

HASHES = st.sampled_from([0, 1, 2, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]) | st.integers(0, (1 << 64) - 1)


@settings(max_examples=300, deadline=None)
@given(st.lists(HASHES, max_size=40), st.lists(HASHES, max_size=40))
def test_the_same_are_found_as_by_a_set_however_they_lie(sought: list[int], known: list[int]) -> None:
    found = are_among(np.array(sought, np.uint64), np.sort(np.array(known, np.uint64)))
    assert found.tolist() == [value in set(known) for value in sought]
