"""Which language each text is in: tunesmith beside fastText's own library with the same model."""

from pathlib import Path

import fasttext

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.signals.language import Languages
from batch_jobs.prepare.signals.linear_text_model import packaged_model
from tests.bench.language import is_foreign, theirs
from tests.bench.prepare.steps.timing import Contestant, Work, read, run

SAMPLE = 256
"""Characters, where only the beginning is asked about."""


def ours(file: Path) -> Work:
    rows, languages = read(file), Languages()
    texts = Texts.of([row["text"] for row in rows])

    def work() -> list[str]:
        codes, confidence = languages.of(texts)
        told = zip(rows, codes.tolist(), confidence.tolist(), strict=True)
        return [row["id"] for row, code, sure in told if is_foreign(languages.codes[code], sure)]

    return work


def fasttext_of(characters: int | None) -> Contestant:
    def contestant(file: Path) -> Work:
        rows, library = read(file), fasttext.load_model(str(packaged_model()))
        return lambda: [row["id"] for row in rows if is_foreign(*theirs(library, row["text"][:characters]))]

    return contestant


CONTESTANTS: dict[str, Contestant] = {
    "ours": ours,
    "fasttext": fasttext_of(None),
    "fasttext-start": fasttext_of(SAMPLE),
}

if __name__ == "__main__":
    run(CONTESTANTS)
