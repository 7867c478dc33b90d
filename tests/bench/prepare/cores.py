"""How much sooner `prepare` is done on two cores than on one: fresh processes in turns, by the clock."""

import json
import shutil
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tests.bench.measuring import Sample, Samples
from tests.bench.prepare.corpus import write_corpus
from tests.bench.prepare.entries import OWN, ROOT, params_for
from tests.bench.prepare.processes import run_pinned

CORES = (1, 2)
MEASURED = ("clock s", "CPU s", "peak MB")
HEADER = ["rows", "MB", *(f"{what} on {cores}" for what in MEASURED for cores in CORES), "faster by"]
LIMIT_SECONDS = 900.0


@dataclass(slots=True)
class Case:
    label: str
    corpus: Path
    samples: dict[int, list[Sample]] = field(default_factory=lambda: {cores: [] for cores in CORES})

    def row(self) -> list[object]:
        one, two = (Samples(self.samples[cores]) for cores in CORES)
        figures = [one.wall, two.wall, one.cpu, two.cpu, one.peak_mb, two.peak_mb]
        return [self.label, round(self.corpus.stat().st_size / 1e6), *figures, f"{one.wall / two.wall:.2f}"]


def run_cores(folder: Path, megabytes: float, seed: int, repetitions: int) -> list[list[object]]:
    cases = _cases(folder, megabytes, seed)
    for _ in range(repetitions):
        for case in cases:
            for cores in CORES:
                case.samples[cores].append(_run(case.corpus, folder / "out", cores))
    return [case.row() for case in cases]


def _cases(folder: Path, megabytes: float, seed: int) -> list[Case]:
    """Chats, four times as many, and chats whose rows have tools: these are parsed by Python, which one thread runs at
    a time."""
    few, many, tools = (folder / f"{name}.jsonl" for name in ("few", "many", "tools"))
    write_corpus(few, megabytes, seed)
    write_corpus(many, 4 * megabytes, seed)
    with few.open(encoding="utf-8", errors="ignore") as lines, tools.open("w", encoding="utf-8") as out:
        for number, line in enumerate(islice(lines, int(100 * megabytes))):
            out.write(with_tools(line, number))
    return [Case("chats", few), Case("chats", many), Case("chats with tools", tools)]


def with_tools(line: str, number: int) -> str:
    """The row with a tool, a call of it and its answer before the last turn; a broken one as it is."""
    try:
        row = json.loads(line)
        *before, last = row["messages"]
    except (ValueError, KeyError, TypeError):
        return line
    parameters = {"type": "object", "properties": {"city": {"type": "string", "description": "a city's name"}}}
    function = {"name": "weather_of", "description": "The weather of a city.", "parameters": parameters}
    call = {"name": "weather_of", "arguments": json.dumps({"city": f"number {number}"})}
    turns = [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": f"c{number}", "type": "function", "function": call}],
        },
        {"role": "tool", "tool_call_id": f"c{number}", "content": "rain"},
    ]
    row |= {"messages": [*before, *turns, last], "tools": [{"type": "function", "function": function}]}
    return json.dumps(row, ensure_ascii=False) + "\n"


def _run(corpus: Path, out: Path, cores: int) -> Sample:
    out.mkdir()
    try:
        command = [str(ROOT / OWN / "bin/python"), "-m", "batch_jobs.prepare", str(params_for(corpus, out))]
        return run_pinned(command, out.with_suffix(".log"), cores, LIMIT_SECONDS)
    finally:
        shutil.rmtree(out)
