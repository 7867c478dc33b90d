"""tunesmith's signals of quality and toxicity; their peers are in `quality_datatrove` and `quality_data_juicer`."""

from pathlib import Path

import numpy as np

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.signals.quality import decide, measure
from batch_jobs.prepare.signals.toxicity import toxicity
from tests.bench.prepare.steps.timing import Contestant, Work, read, run
from tunesmith.contracts.preparation import QualityRecipe

LIMITS = QualityRecipe(min_words=10, max_symbol_fraction=0.25, max_repetition=0.15)
"""By default tunesmith drops nothing for its quality. The first two are data-juicer's, the third is Gopher's."""


def signals(with_toxicity: bool) -> Contestant:
    def contestant(file: Path) -> Work:
        rows = read(file)
        texts, ids = Texts.of([row["text"] for row in rows]), [row["id"] for row in rows]

        def work() -> list[str]:
            found = measure(texts)
            if with_toxicity:
                found["toxicity"] = toxicity(texts)
            return [ids[row] for row in np.flatnonzero(decide(found, LIMITS)).tolist()]

        return work

    return contestant


CONTESTANTS: dict[str, Contestant] = {"ours": signals(False), "ours-toxicity": signals(True)}

if __name__ == "__main__":
    run(CONTESTANTS)
