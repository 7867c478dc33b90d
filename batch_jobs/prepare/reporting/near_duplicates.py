"""Near duplicates as the report shows them: how large their groups are, some texts of a few, and what was near to the
frozen test split."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from batch_jobs.prepare.batches import Integers, RowBatch
from batch_jobs.prepare.deciding import REASONS, Decisions
from batch_jobs.prepare.reporting.reading_again import read_again, segments_of
from tunesmith.contracts.datasets import DropReason
from tunesmith.contracts.profiles import NearDuplicates

GROUPS, MEMBERS = 4, 3
"""How many groups are shown, and how many texts of each."""


def near_duplicates(
    decided: Decisions, frozen: RowBatch, read: Callable[[int], RowBatch], lengths: Sequence[int]
) -> NearDuplicates:
    """`frozen` are the rows of the frozen test split; `read` gives a batch, and `lengths` says how long each is.

    Shown are the largest groups, and of groups that are equally large the first; of rows near to the split the first.
    """
    group = decided.near
    firsts, sizes = np.unique(group, return_counts=True)
    is_group = sizes > 1
    firsts, sizes = firsts[is_group], sizes[is_group]
    shown = firsts[np.argsort(-sizes, kind="stable")[:GROUPS]]
    members = [np.flatnonzero(group == first)[:MEMBERS] for first in shown]
    dropped = np.flatnonzero(decided.fate == 1 + REASONS.index(DropReason.NEAR_FROZEN_TEST))[:GROUPS]
    texts = _texts(np.unique(np.concatenate([dropped, *members])), read, lengths)
    return NearDuplicates(
        groups=dict(sorted(Counter(sizes.tolist()).items())),
        examples=[[texts[row] for row in rows] for rows in (rows.tolist() for rows in members)],
        frozen=[
            ["\n".join(segments_of(frozen, int(decided.suite[row]) % len(frozen))), texts[row]]
            for row in dropped.tolist()
        ],
    )


def _texts(rows: Integers, read: Callable[[int], RowBatch], lengths: Sequence[int]) -> dict[int, str]:
    return {row: "\n".join(segments_of(batch, place)) for row, batch, place in read_again(rows, read, lengths)}
