"""`prepare` beside its peers, on one corpus with planted truth.

scripts/bench prepare [--megabytes 200] [--repetitions 3] [--cores 1] [--contestants ours,expert,...] [--update-docs]
scripts/bench prepare near|memory       near-deduplication alone; a million rows within bounded memory
scripts/bench prepare cores             tunesmith alone, on two cores beside one
scripts/bench prepare steps             language, tokenising, quality and report, each beside its peers
scripts/bench prepare all               the race, near, steps, and the benches of languages and personal data
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from tests.bench.measuring import table
from tests.bench.prepare import cores as two_cores
from tests.bench.prepare import race
from tests.bench.prepare.corpus import SCORED, write_corpus
from tests.bench.prepare.entries import ENTRIES, OWN, ROOT, params_for, race_recipe
from tests.bench.prepare.near.race import HEADER, run_near
from tests.bench.prepare.processes import run_pinned
from tests.bench.prepare.steps import race as steps
from tunesmith.contracts.recipes import PrepareRecipe

DOCS, STORE = ROOT / "docs/benchmarks.md", ROOT / ".tunesmith/bench"
MILLION_ROWS_MB = 1_600.0
OTHERS = ("language", "pii")


def main() -> None:
    asked = _asked()
    command = "scripts/bench prepare " + " ".join(argument for argument in sys.argv[1:] if argument != "--update-docs")
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        if asked.what in ("race", "all"):
            _publish("race", command, asked.update_docs, _race(asked, folder))
        if asked.what in ("near", "all"):
            _publish("near", command, asked.update_docs, _near(asked, folder))
        if asked.what in ("steps", "all"):
            _publish("steps", command, asked.update_docs, _steps(asked, folder))
        if asked.what == "cores":
            _publish("cores", command, asked.update_docs, _cores(asked, folder))
        if asked.what == "memory":
            _publish("memory", command, asked.update_docs, _memory(folder))
    for bench in OTHERS if asked.what == "all" else ():
        if (ROOT / f"tests/bench/{bench}.py").exists():
            subprocess.run([sys.executable, "-m", f"tests.bench.{bench}"], check=True)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="race", choices=("race", "near", "steps", "cores", "memory", "all"))
    parser.add_argument("--megabytes", type=float, default=200)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--cores", type=int, default=1, choices=(1, 2))
    parser.add_argument("--contestants", type=lambda text: text.split(","), default=list(ENTRIES))
    parser.add_argument("--seed", type=int, default=SCORED, help="of the corpus; settings may be tuned on 1 only")
    parser.add_argument("--folder", type=Path, default=None, help="where corpus and outputs lie meanwhile")
    parser.add_argument("--update-docs", action="store_true", help="put the tables into docs/benchmarks.md")
    asked = parser.parse_args()
    if unknown := set(asked.contestants) - ENTRIES.keys():
        parser.error(f"no contestant is called {', '.join(sorted(unknown))}; known: {', '.join(ENTRIES)}")
    return asked


def _race(asked: argparse.Namespace, folder: Path) -> str:
    corpus = folder / "corpus.jsonl"
    digest = write_corpus(corpus, asked.megabytes, asked.seed)
    laps = race.run_race(asked.contestants, corpus, folder, asked.repetitions, asked.cores)
    STORE.mkdir(parents=True, exist_ok=True)
    results = STORE / f"race-{asked.megabytes:.0f}mb-{asked.cores}core.json"
    results.write_text(json.dumps({"corpus": digest, "machine": _machine(), "laps": race.as_json(laps)}, indent=1))
    head = _head(asked, digest, asked.cores)
    return "\n\n".join(
        [head, _markdown(race.SPEED, race.speed_rows(laps)), _markdown(race.QUALITY, race.quality_rows(laps))]
    )


def _near(asked: argparse.Namespace, folder: Path) -> str:
    corpus = folder / "near.jsonl"
    digest = write_corpus(corpus, asked.megabytes, asked.seed)
    head = _head(asked, digest, 1)
    return f"{head}\n\n{_markdown(HEADER, run_near(corpus, folder, asked.repetitions))}"


def _steps(asked: argparse.Namespace, folder: Path) -> str:
    corpus = folder / "steps.jsonl"
    digest = write_corpus(corpus, asked.megabytes, asked.seed)
    head = _head(asked, digest, 1)
    return f"{head}\n\n{_markdown(steps.HEADER, steps.run_steps(corpus, folder, asked.repetitions))}"


def _cores(asked: argparse.Namespace, folder: Path) -> str:
    rows = two_cores.run_cores(folder, asked.megabytes, asked.seed, asked.repetitions)
    return f"{asked.repetitions} repetitions in turns, medians.\n\n{_markdown(two_cores.HEADER, rows)}"


def _head(asked: argparse.Namespace, digest: str, cores: int) -> str:
    turns = f"{asked.repetitions} repetitions in turns on {cores} core(s), medians"
    return f"Corpus `{digest[:16]}`, {asked.megabytes:g} MB; {turns}."


def _memory(folder: Path) -> str:
    """A million rows on two cores, once by each recipe."""
    corpus = folder / "million.jsonl"
    write_corpus(corpus, MILLION_ROWS_MB)
    with corpus.open("rb") as lines:
        rows = sum(1 for _ in lines)
    figures: list[list[object]] = []
    for name, recipe in {"of the race": race_recipe(), "default": PrepareRecipe()}.items():
        out = folder / name.replace(" ", "-")
        out.mkdir()
        command = [str(ROOT / OWN / "bin/python"), "-m", "batch_jobs.prepare", str(params_for(corpus, out, recipe))]
        ran = run_pinned(command, folder / f"{out.name}.log", cores=2, limit_seconds=1_800)
        size = corpus.stat().st_size / 1e6
        figures.append([name, f"{rows:,}", size, ran.cpu_seconds, ran.wall_seconds, ran.peak_mb])
    return "\n\n" + _markdown(
        ["recipe", "rows", "MB", "CPU s", "clock s", "peak MB of the process and its children"], figures
    )


def _publish(name: str, command: str, update_docs: bool, tables: str) -> None:
    text = f"`{command.strip()}`, {datetime.now(UTC):%Y-%m-%d}, {_machine()}. {tables}"
    print(text, end="\n\n", flush=True)
    if update_docs:
        before, mark, rest = DOCS.read_text().partition(f"<!-- prepare {name}: begin -->\n")
        _, end, after = rest.partition(f"<!-- prepare {name}: end -->")
        if not mark or not end:
            raise SystemExit(f"{DOCS} has no markers `<!-- prepare {name}: begin -->` and `... end -->`")
        DOCS.write_text(f"{before}{mark}{text}\n{end}{after}")


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"


def _markdown(header: list[str], rows: list[list[object]]) -> str:
    with redirect_stdout(StringIO()) as text:
        table(header, rows)
    return text.getvalue().strip()


if __name__ == "__main__":
    main()
