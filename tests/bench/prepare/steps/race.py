"""Each step beside its best peers, in turns: fresh processes on one core, of which only the step itself is counted."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median

from tests.bench.prepare.corpus import truth_file
from tests.bench.prepare.entries import BENCH, DATA_JUICER, OWN, PROFILING, ROOT, params_for
from tests.bench.prepare.inputs import ROWS, chat_rows, kept_rows, text_rows, write
from tests.bench.prepare.processes import DidNotFinish, run_pinned
from tests.bench.prepare.scoring import Truth, read_truths
from tests.bench.prepare.steps.timing import read
from tunesmith.contracts.recipes import PrepareRecipe

HEADER = [
    "step",
    "contestant",
    "MB",
    "CPU s",
    "least to most",
    "MB per CPU s",
    "ours is faster by",
    "planted rows found",
    "other rows dropped",
]
LIMIT_SECONDS = 300.0
SMALL_ROWS = 120
PLANTED = {"language": "foreign", "quality": "low_quality"}
"""What a step is there to drop, as the corpus calls it."""


@dataclass(frozen=True, slots=True)
class Entry:
    step: str
    name: str
    """As its program knows it; the one that peers are compared with is called ours."""
    label: str
    reads: str
    program: str
    environment: str = OWN
    at_most: float = 1_000
    """Megabytes of text; more would take minutes."""


ENTRIES = (
    Entry("language", "ours", "tunesmith", "texts", "language"),
    Entry("language", "fasttext-start", "fastText, first 256 characters", "texts", "language"),
    Entry("language", "fasttext", "fastText, whole texts", "texts", "language"),
    Entry("tokenising", "ours", "tunesmith, ids and masks", "chats", "tokenising", at_most=5),
    Entry("tokenising", "ours-preflight", "tunesmith, the whole preflight", "chats", "tokenising", at_most=5),
    Entry("tokenising", "in-batches", "`apply_chat_template`, batches of 512", "chats", "tokenising", at_most=5),
    Entry("tokenising", "one-by-one", "`apply_chat_template`, row by row", "chats", "tokenising", at_most=5),
    Entry("quality", "ours", "tunesmith, quality", "texts", "quality"),
    Entry("quality", "ours-toxicity", "tunesmith, quality and toxicity", "texts", "quality"),
    Entry("quality", "filters", "data-juicer, 7 filters", "texts", "quality_data_juicer", DATA_JUICER, 2),
    Entry("quality", "cheap", "datatrove, Gopher's rules, cheap tokenizer", "texts", "quality_datatrove", BENCH, 2),
    Entry("quality", "default", "datatrove, Gopher's rules", "texts", "quality_datatrove", BENCH, 2),
    Entry("report", "ours", "tunesmith, profile and page", "dataset", "report"),
    Entry("report", "ours-signals", "tunesmith, language, quality and toxicity too", "dataset", "report"),
    Entry("report", "minimal", "fg-data-profiling, minimal", "rows", "report_profiling", PROFILING),
    Entry("report", "whole", "fg-data-profiling", "rows", "report_profiling", PROFILING),
    Entry("report", "analyzer", "data-juicer's analyzer, 7 filters", "rows", "report_data_juicer", DATA_JUICER, 5),
)


@dataclass(slots=True)
class Lap:
    """One contestant: its input, what it took each time, and what it would drop."""

    entry: Entry
    input: Path
    megabytes: float
    seconds: list[float] = field(default_factory=list)
    dropped: list[str] | None = None
    failure: str | None = None

    @property
    def rate(self) -> float:
        """Megabytes of text per CPU-second."""
        return self.megabytes / max(median(self.seconds), 1e-3)


def run_steps(corpus: Path, folder: Path, repetitions: int, entries: Sequence[Entry] = ENTRIES) -> list[list[object]]:
    small = folder / "small.jsonl"
    _copy_first(corpus, small)
    full_inputs, small_inputs = _Inputs(corpus, folder / "full"), _Inputs(small, folder / "small")
    laps = [Lap(entry, *full_inputs.of(entry)) for entry in entries]
    for _ in range(repetitions):
        for lap in laps:
            if lap.failure is None:
                _run(lap, small_inputs.of(lap.entry)[0], folder)
    truths = read_truths(corpus)
    return [_row(lap, laps, truths) for lap in laps]


def _run(lap: Lap, small: Path, folder: Path) -> None:
    entry, answer = lap.entry, folder / "answer.json"
    python = ROOT / entry.environment / "bin/python"
    if not python.exists():
        lap.failure = f"{entry.environment} is not there: scripts/bench --peers"
        return
    program = f"{__package__}.{entry.program}"
    command = [str(python), "-m", program, entry.name, str(lap.input), str(small), str(answer)]
    try:
        run_pinned(command, folder / f"{entry.program}-{entry.name}.log", 1, LIMIT_SECONDS)
    except DidNotFinish as error:
        lap.failure = str(error)
        return
    told = json.loads(answer.read_text())
    lap.seconds.append(told["cpu_seconds"])
    lap.dropped = told["dropped"]


class _Inputs:
    """Files that the programs read, each made once; megabytes of their texts."""

    def __init__(self, corpus: Path, folder: Path):
        self._corpus, self._folder = corpus, folder
        self._made: dict[tuple[str, float], tuple[Path, float]] = {}
        folder.mkdir()

    def of(self, entry: Entry) -> tuple[Path, float]:
        key = entry.reads, entry.at_most
        if key not in self._made:
            self._made[key] = self._make(*key)
        return self._made[key]

    def _make(self, kind: str, at_most: float) -> tuple[Path, float]:
        if kind == "dataset":
            dataset = self._dataset()
            return dataset, write(kept_rows(dataset), dataset / ROWS)
        file = self._folder / f"{kind}-{at_most:g}.jsonl"
        rows = {"texts": text_rows, "chats": chat_rows, "rows": lambda _: kept_rows(self._dataset())}[kind]
        return file, write(rows(self._corpus), file, at_most)

    def _dataset(self) -> Path:
        """The corpus, prepared as the default recipe says."""
        dataset = self._folder / "dataset"
        if not dataset.exists():
            params = params_for(self._corpus, self._folder, PrepareRecipe())
            command = [str(ROOT / OWN / "bin/python"), "-m", "batch_jobs.prepare", str(params)]
            run_pinned(command, self._folder / "prepare.log", 2, LIMIT_SECONDS)
        return dataset


def _copy_first(corpus: Path, small: Path) -> None:
    """The first lines, and their truths."""
    for source, target in ((corpus, small), (truth_file(corpus), truth_file(small))):
        with source.open("rb") as lines, target.open("wb") as out:
            out.writelines(islice(lines, SMALL_ROWS))


def _row(lap: Lap, laps: list[Lap], truths: list[Truth]) -> list[object]:
    entry = lap.entry
    first = [entry.step, entry.label, f"{lap.megabytes:.1f}"]
    if lap.failure or not lap.seconds:
        return [*first, f"did not finish: {lap.failure}", *["-"] * 5]
    spread = f"{min(lap.seconds):.2f} to {max(lap.seconds):.2f}"
    ours = next((other for other in laps if other.entry.step == entry.step and other.entry.name == "ours"), lap)
    ratio = f"{ours.rate / lap.rate:.2f}" if ours.seconds else "-"
    return [*first, median(lap.seconds), spread, lap.rate, ratio, *_found(lap, truths)]


def _found(lap: Lap, truths: list[Truth]) -> tuple[str, str]:
    """Shares of the rows that the contestant was given, planted ones and the others."""
    if lap.dropped is None:
        return "-", "-"
    given, dropped = {row["id"] for row in read(lap.input)}, set(lap.dropped)
    planted = {truth["id"] for truth in truths if truth["kind"] == PLANTED[lap.entry.step]} & given
    ordinary = {truth["id"] for truth in truths if truth["kind"] not in PLANTED.values()} & given
    return _share(planted & dropped, planted), _share(ordinary & dropped, ordinary)


def _share(part: set[str], whole: set[str]) -> str:
    return f"{len(part) / len(whole):.3f}" if whole else "-"
