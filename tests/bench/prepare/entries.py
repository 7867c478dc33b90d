"""Who takes part: how each contestant is started, and what of the work it leaves out."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tunesmith.contracts.datasets import Source, SourceKind
from tunesmith.contracts.jobs import PrepareParams
from tunesmith.contracts.preparation import (
    DeduplicateRecipe,
    LanguageRecipe,
    PiiType,
    QualityRecipe,
    RedactRecipe,
    ReportRecipe,
)
from tunesmith.contracts.recipes import PrepareRecipe

ROOT = Path(__file__).parents[3]
NEAR_THRESHOLD = 0.7
"""Jaccard similarity of word 5-grams from which rows are near duplicates, for every contestant."""
OWN, BENCH, DATA_JUICER, PROFILING = ".venv", ".venv-bench", ".venv-bench-data-juicer", ".venv-bench-profiling"
SIX_TYPES = [
    PiiType.EMAIL,
    PiiType.PHONE,
    PiiType.CREDIT_CARD,
    PiiType.US_SSN,
    PiiType.IP_ADDRESS,
    PiiType.SECRET,
]


@dataclass(frozen=True, slots=True)
class Entry:
    label: str
    environment: str
    command: Callable[[Path, Path], list[str]]
    """(corpus, its empty folder) -> arguments of the environment's Python."""
    at_most_megabytes: float = 10_000
    """A larger corpus would take minutes: it races on the first so many megabytes, and the table says so."""
    is_scored: bool = True


def _chain(module: str, *options: str) -> Callable[[Path, Path], list[str]]:
    def command(corpus: Path, folder: Path) -> list[str]:
        return ["-m", f"tests.bench.prepare.contestants.{module}", str(corpus), str(folder), *options]

    return command


def _ours(corpus: Path, folder: Path) -> list[str]:
    return ["-m", "batch_jobs.prepare", str(params_for(corpus, folder))]


def params_for(corpus: Path, folder: Path, recipe: PrepareRecipe | None = None) -> Path:
    """`params.json` of a job that makes a fresh dataset. By default it does the race's work: six types, no language, no
    quality, no report."""
    identity = hashlib.sha256(str(folder).encode()).hexdigest()
    params = PrepareParams(
        run_id=f"run-{identity[:32]}",
        project="bench",
        dataset="race",
        dataset_version=identity,
        sources=[Source(kind=SourceKind.UPLOAD, source_id=identity, uri=str(corpus), version_id="local")],
        recipe=recipe or race_recipe(),
        output_uri=f"{folder}/dataset/",
    )
    file = folder / "params.json"
    file.write_text(params.model_dump_json())
    return file


def race_recipe() -> PrepareRecipe:
    return PrepareRecipe(
        redact=RedactRecipe(types=SIX_TYPES),
        language=LanguageRecipe(detect=False),
        quality=QualityRecipe(measure=False),
        deduplicate=DeduplicateRecipe(threshold=NEAR_THRESHOLD),
        report=ReportRecipe(make=False),
    )


ENTRIES = {
    "floor": Entry("msgspec decodes each line into the schema, nothing else", BENCH, _chain("floor"), is_scored=False),
    "ours": Entry("tunesmith `prepare`", OWN, _ours),
    "expert": Entry("expert: msgspec, re2, xxhash, gaoya, pyarrow", BENCH, _chain("expert")),
    "typical": Entry("typical: json, pydantic, re, datasketch, pyarrow", BENCH, _chain("typical"), 20),
    "datatrove-cheap": Entry("datatrove, cheap tokenizer", BENCH, _chain("datatrove_chain", "cheap"), 20),
    "datatrove": Entry("datatrove, default tokenizer", BENCH, _chain("datatrove_chain", "default"), 5),
    "data-juicer": Entry("data-juicer", DATA_JUICER, _chain("data_juicer_chain"), 5),
}
