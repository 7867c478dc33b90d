"""Groups of near duplicates as the report shows them: how large, and some texts of a few."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from batch_jobs.prepare.batches import Integers, RowBatch
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
    """Each batch that is needed is read once."""
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    batches = np.searchsorted(starts, rows, side="right") - 1
    found: dict[int, str] = {}
    for index in np.unique(batches).tolist():
        batch = read(index)
        for row in rows[batches == index].tolist():
            place = row - int(starts[index])
            segments = range(int(batch.first[place]), int(batch.first[place + 1]))
            found[row] = "\n".join(batch.texts[segment] for segment in segments)
    return found
