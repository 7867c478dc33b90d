"""The race of whole jobs: contestants in turns on one corpus, fresh processes, pinned cores, scored on their output."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.measuring import Sample, Samples
from tests.bench.prepare.entries import ENTRIES, ROOT, Entry
from tests.bench.prepare.processes import DidNotFinish, run_pinned
from tests.bench.prepare.scoring import Score, score

LIMIT_SECONDS = 600.0


@dataclass(slots=True)
class Lap:
    """One contestant: what it took each time, and how well its last output did."""

    name: str
    corpus: Path
    samples: list[Sample] = field(default_factory=list)
    score: Score | None = None
    failure: str | None = None

    @property
    def megabytes(self) -> float:
        return self.corpus.stat().st_size / 1e6

    @property
    def measured(self) -> Samples:
        return Samples(self.samples)

    @property
    def rate(self) -> float:
        """Megabytes of JSON lines per CPU-second."""
        return self.megabytes / self.measured.cpu


def run_race(names: Iterable[str], corpus: Path, folder: Path, repetitions: int, cores: int) -> list[Lap]:
    laps = [Lap(name, _corpus_for(ENTRIES[name], corpus, folder)) for name in names]
    for repetition in range(repetitions):
        for lap in laps:
            if lap.failure is None:
                _run(lap, folder / f"{lap.name}-{repetition}", cores, is_last=repetition == repetitions - 1)
    return laps


def _run(lap: Lap, folder: Path, cores: int, is_last: bool) -> None:
    entry = ENTRIES[lap.name]
    python = ROOT / entry.environment / "bin/python"
    if not python.exists():
        lap.failure = f"{entry.environment} is not there: scripts/bench --peers"
        return
    folder.mkdir(parents=True)
    try:
        command = [str(python), *entry.command(lap.corpus, folder)]
        lap.samples.append(run_pinned(command, folder.with_suffix(".log"), cores, LIMIT_SECONDS))
        if is_last and entry.is_scored:
            lap.score = score(lap.corpus, folder)
    except DidNotFinish as error:
        lap.failure = str(error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _corpus_for(entry: Entry, corpus: Path, folder: Path) -> Path:
    """The corpus, or its first megabytes for a contestant that would take minutes; truth alike."""
    if corpus.stat().st_size <= entry.at_most_megabytes * 1.05e6:
        return corpus
    part = folder / f"first-{entry.at_most_megabytes:.0f}" / corpus.name
    if not part.exists():
        part.parent.mkdir(parents=True)
        count = _first_megabytes(corpus, part, entry.at_most_megabytes)
        _first_lines(_truth(corpus), _truth(part), count)
    return part


def _truth(corpus: Path) -> Path:
    return corpus.with_name(corpus.name + ".truth.jsonl")


def _first_megabytes(source: Path, target: Path, megabytes: float) -> int:
    size = count = 0
    with source.open("rb") as lines, target.open("wb") as out:
        for line in lines:
            if size + len(line) > megabytes * 1e6:
                break
            out.write(line)
            size, count = size + len(line), count + 1
    return count


def _first_lines(source: Path, target: Path, count: int) -> None:
    with source.open("rb") as lines, target.open("wb") as out:
        out.writelines(line for line, _ in zip(lines, range(count), strict=False))


def speed_rows(laps: list[Lap]) -> list[list[object]]:
    ours = next((lap.rate for lap in laps if lap.name == "ours" and lap.samples and not lap.failure), None)
    return [_speed(lap, ours) for lap in laps]


SPEED = ["contestant", "MB", "CPU s", "least to most", "MB per CPU s", "clock s", "peak MB", "ours is faster by"]
QUALITY = [
    "contestant",
    "kept",
    "exact",
    "normalised",
    "near",
    "near by rate of edits",
    "precision",
    "PII leaked",
    "look-alikes lost",
]


def _speed(lap: Lap, ours: float | None) -> list[object]:
    label = ENTRIES[lap.name].label
    if lap.failure or not lap.samples:
        return [label, round(lap.megabytes), f"did not finish: {lap.failure}", *["-"] * 5]
    samples = lap.measured
    least, most = samples.range
    ratio = f"{ours / lap.rate:.2f}" if ours else "-"
    spread = f"{least:.2f} to {most:.2f}"
    return [label, round(lap.megabytes), samples.cpu, spread, lap.rate, samples.wall, samples.peak_mb, ratio]


def quality_rows(laps: list[Lap]) -> list[list[object]]:
    return [[ENTRIES[lap.name].label, *_quality(lap.score)] for lap in laps if lap.score]


def _quality(found: Score) -> list[object]:
    rates = ", ".join(f"{rate}: {recall:.2f}" for rate, recall in found.near_recall_by_rate.items())
    leaked = ", ".join(f"{kind} {share:.1%}" for kind, share in found.pii_leaked.items() if share) or "none"
    recalls = [f"{value:.3f}" for value in (found.exact_recall, found.normalised_recall, found.near_recall)]
    return [found.kept, *recalls, rates, f"{found.precision:.4f}", leaked, f"{found.decoys_lost:.1%}"]


def as_json(laps: list[Lap]) -> list[dict[str, Any]]:
    return [
        {
            "contestant": lap.name,
            "megabytes": lap.megabytes,
            "cpu_seconds": [sample.cpu_seconds for sample in lap.samples],
            "clock_seconds": [sample.wall_seconds for sample in lap.samples],
            "peak_mb": [sample.peak_mb for sample in lap.samples],
            "score": lap.score.as_json() if lap.score else None,
            "failure": lap.failure,
        }
        for lap in laps
    ]
