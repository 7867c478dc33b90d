"""A few rows of a run, read once more so that they can be shown."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from batch_jobs.prepare.batches import Integers, RowBatch


def read_again(
    rows: Integers, read: Callable[[int], RowBatch], lengths: Sequence[int]
) -> Iterator[tuple[int, RowBatch, int]]:
    """(row, its batch, its place in it); `read` gives a batch, and `lengths` says how long each is. Each batch that is
    needed is read once."""
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    batches = np.searchsorted(starts, rows, side="right") - 1
    for index in np.unique(batches).tolist():
        batch = read(index)
        for row in rows[batches == index].tolist():
            yield row, batch, row - int(starts[index])


def segments_of(batch: RowBatch, row: int) -> list[str]:
    return [batch.texts[segment] for segment in range(int(batch.first[row]), int(batch.first[row + 1]))]
