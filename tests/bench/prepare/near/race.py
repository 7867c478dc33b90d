"""Near-deduplication alone, in turns; only the pass over texts in memory is counted."""

import json
from pathlib import Path
from statistics import median

from tests.bench.prepare.entries import BENCH, OWN, ROOT
from tests.bench.prepare.inputs import text_rows, write
from tests.bench.prepare.processes import DidNotFinish, run_pinned
from tests.bench.prepare.scoring import read_truths, score_texts

FINDERS = {"ours": OWN, "gaoya": BENCH, "rensa": BENCH, "datasketch": BENCH}
HEADER = [
    "near duplicates",
    "CPU s",
    "text MB per CPU s",
    "exact",
    "near",
    "near by rate of edits",
    "precision",
    "ours is faster by",
]
Row = list[object]


def run_near(corpus: Path, folder: Path, repetitions: int) -> list[Row]:
    texts = folder / "texts.jsonl"
    megabytes = write(text_rows(corpus), texts)
    seconds: dict[str, list[float]] = {name: [] for name in FINDERS}
    kept: dict[str, list[str]] = {}
    failures: dict[str, str] = {}
    for _ in range(repetitions):
        for name, environment in FINDERS.items():
            out = folder / f"{name}.json"
            command = [
                str(ROOT / environment / "bin/python"),
                "-m",
                f"{__package__}.finders",
                name,
                str(texts),
                str(out),
            ]
            try:
                run_pinned(command, folder / f"{name}.log", 1, 300)
            except (DidNotFinish, FileNotFoundError) as error:
                failures[name] = str(error)
                continue
            answer = json.loads(out.read_text())
            seconds[name].append(answer["cpu_seconds"])
            kept[name] = answer["kept"]
    truths = [truth for truth in read_truths(corpus) if truth["kind"] != "broken"]
    ours = median(seconds["ours"]) if seconds["ours"] else None
    rows: list[Row] = [[name, f"did not finish: {reason}", *["-"] * 6] for name, reason in failures.items()]
    for name, ids in kept.items():
        found, took = score_texts(truths, dict.fromkeys(ids, "")), median(seconds[name])
        rates = ", ".join(f"{rate}: {recall:.2f}" for rate, recall in found.near_recall_by_rate.items())
        recalls = [f"{found.exact_recall:.3f}", f"{found.near_recall:.3f}", rates, f"{found.precision:.4f}"]
        rows.append([name, took, megabytes / took, *recalls, f"{took / ours:.2f}" if ours else "-"])
    return rows
