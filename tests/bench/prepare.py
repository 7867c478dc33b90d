"""Rows and megabytes per CPU-second of `prepare`, beside the floor of any reader and a typical chain.

python -m tests.bench.prepare [--megabytes 50] [--repetitions 3]
"""

import argparse
import hashlib
import tempfile
from itertools import count
from pathlib import Path

from tests.bench.corpus import write_corpus
from tests.bench.measuring import Sample, in_turns, run_python, table
from tunesmith.contracts.datasets import Source, SourceKind
from tunesmith.contracts.jobs import PrepareParams, PrepareResult
from tunesmith.contracts.recipes import PrepareRecipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=50)
    parser.add_argument("--repetitions", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), asked.megabytes, asked.repetitions)


def measure(folder: Path, megabytes: float, repetitions: int) -> None:
    corpus = folder / "corpus.jsonl"
    rows = write_corpus(corpus, megabytes)
    size = corpus.stat().st_size / 1e6
    numbers = count()

    def ours() -> Sample:
        return run_python(["-m", "batch_jobs.prepare", str(params_for(corpus, folder / f"ours-{next(numbers)}"))])

    def peer(case: str) -> Sample:
        return run_python(["-m", "tests.bench.prepare_peers", case, str(corpus), str(folder)])

    found = in_turns(
        {
            "msgspec decodes each line, nothing else": lambda: peer("parse"),
            "tunesmith `prepare`": ours,
            "json + pydantic + hashlib + pyarrow": lambda: peer("typical"),
        },
        repetitions,
        warm_up=0,
    )
    counts = PrepareResult.model_validate_json((folder / "ours-0" / "result.json").read_bytes()).counts
    print(f"{rows:,} rows, {size:.1f} MB; {repetitions} repetitions in turns, medians. Ours: {counts.model_dump()}\n")
    ours_cpu = found["tunesmith `prepare`"].cpu
    table(
        ["chain", "CPU s", "rows per CPU s", "MB per CPU s", "peak MB", "CPU, of ours"],
        [[name, s.cpu, rows / s.cpu, size / s.cpu, s.peak_mb, s.cpu / ours_cpu] for name, s in found.items()],
    )


def params_for(corpus: Path, folder: Path) -> Path:
    """`params.json` of a job that makes a dataset of the corpus; a fresh folder each time, or nothing would be done."""
    folder.mkdir()
    identity = hashlib.sha256(folder.name.encode()).hexdigest()
    params = PrepareParams(
        run_id=f"run-{identity[:32]}",
        project="bench",
        dataset="docstrings",
        dataset_version=identity,
        sources=[Source(kind=SourceKind.UPLOAD, source_id=identity, uri=str(corpus), version_id="local")],
        recipe=PrepareRecipe(),
        output_uri=f"{folder}/dataset/",
    )
    file = folder / "params.json"
    file.write_text(params.model_dump_json())
    return file


if __name__ == "__main__":
    main()
