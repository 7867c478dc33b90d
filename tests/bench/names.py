"""The search for names and addresses: speed, on one core, of texts with and without them.

python -m tests.bench.names [--repetitions 5]

The texts: docstrings of the standard library, which hold hardly any name, and texts made from the frames that training
holds out, of which every one does. Quality is measured by `python -m batch_jobs.prepare.cleaning.pii.training`.
"""

import argparse
from collections.abc import Callable

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.cleaning.pii.invented import frames, invent, split
from batch_jobs.prepare.cleaning.pii.tagger import Tagger
from batch_jobs.prepare.cleaning.pii.words import Words
from tests.bench.measuring import in_turns, run_here, table
from tunesmith_cli.demo.docstring_task import docstring_pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5)
    asked = parser.parse_args()
    tagger = Tagger.packaged()
    corpora = {
        "docstrings": Texts.of([f"{pair.code}\n{pair.summary}" for pair in docstring_pairs()]),
        "held-out frames": Texts.of([made.text for made in invent(split(frames())[1], 3_000, seed=3)]),
    }
    steps: dict[str, Callable[[Texts], object]] = {"words alone": Words.of, "names and addresses": tagger.find}
    rows: list[list[object]] = []
    for corpus, texts in corpora.items():
        cases = {step: lambda work=work, texts=texts: run_here(lambda: work(texts)) for step, work in steps.items()}  # type: ignore[misc]
        size = len(texts.buffer) / 1e6
        found = len(tagger.find(texts))
        for step, samples in in_turns(cases, asked.repetitions).items():
            rows.append([corpus, step, f"{size:.1f}", size / samples.cpu, found if step != "words alone" else ""])
    table(["texts", "step", "MB", "MB per CPU s", "spans"], rows)


if __name__ == "__main__":
    main()
