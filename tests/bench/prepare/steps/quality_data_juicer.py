"""data-juicer's filters by statistics of the text, those that need words fused, with their default limits.

Its lists of flagged words and of stop words come from the network, so those two take no part.
"""

from pathlib import Path

from data_juicer.ops import load_ops
from data_juicer.ops.op_fusion import fuse_operators
from data_juicer.utils.constant import Fields

from tests.bench.prepare.steps.timing import Contestant, Work, read, run

FILTERS = (
    "alphanumeric_filter",
    "average_line_length_filter",
    "character_repetition_filter",
    "maximum_line_length_filter",
    "special_characters_filter",
    "word_repetition_filter",
    "words_num_filter",
)
BATCH = 1000


def statistics(file: Path) -> Work:
    rows = read(file)
    filters = fuse_operators(load_ops([{name: {}} for name in FILTERS]))

    def work() -> list[str]:
        dropped = []
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            samples = {"text": [row["text"] for row in part], Fields.stats: [{} for _ in part]}
            verdicts = [list(each.process_batched(each.compute_stats_batched(samples))) for each in filters]
            dropped += [row["id"] for row, *kept in zip(part, *verdicts, strict=True) if not all(kept)]
        return dropped

    return work


CONTESTANTS: dict[str, Contestant] = {"filters": statistics}

if __name__ == "__main__":
    run(CONTESTANTS)
