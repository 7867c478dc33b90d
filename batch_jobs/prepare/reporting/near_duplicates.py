"""Groups of near duplicates as the report shows them: how large, and some texts of a few."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from batch_jobs.prepare.batches import Integers, RowBatch
from batch_jobs.prepare.reporting.reading_again import read_again, segments_of
from tunesmith.contracts.profiles import NearDuplicates

GROUPS, MEMBERS = 4, 3
"""How many groups are shown, and how many texts of each."""


def near_duplicates(group: Integers, read: Callable[[int], RowBatch], lengths: Sequence[int]) -> NearDuplicates:
    """`group` has of each row the first row of its group; `read` gives a batch, and `lengths` says how long each is.

    Shown are the largest groups, and of groups that are equally large the first.
    """
    firsts, sizes = np.unique(group, return_counts=True)
    is_group = sizes > 1
    firsts, sizes = firsts[is_group], sizes[is_group]
    shown = firsts[np.argsort(-sizes, kind="stable")[:GROUPS]]
    members = [np.flatnonzero(group == first)[:MEMBERS] for first in shown]
    texts = _texts(np.concatenate([np.empty(0, np.int64), *members]), read, lengths)
    return NearDuplicates(
        groups=dict(sorted(Counter(sizes.tolist()).items())),
        examples=[[texts[row] for row in rows] for rows in (rows.tolist() for rows in members)],
    )


def _texts(rows: Integers, read: Callable[[int], RowBatch], lengths: Sequence[int]) -> dict[int, str]:
    return {row: "\n".join(segments_of(batch, place)) for row, batch, place in read_again(rows, read, lengths)}
