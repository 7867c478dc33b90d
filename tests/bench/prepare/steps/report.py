"""The profile and the page of a prepared dataset; the peers are in `report_data_juicer` and `report_profiling`.

INPUT is the folder of a dataset version, whose profile tells what only its run knew.
"""

from pathlib import Path

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.documents import PROFILE, redactor
from batch_jobs.prepare.reporting.page import report_page
from batch_jobs.prepare.reporting.profiling import build_profile
from batch_jobs.prepare.signals.language import Languages
from batch_jobs.prepare.signals.quality import measure
from batch_jobs.prepare.signals.toxicity import toxicity
from tests.bench.prepare.inputs import MANIFEST, ROWS
from tests.bench.prepare.steps.timing import Contestant, Work, read, run
from tunesmith.contracts.datasets import DatasetManifest
from tunesmith.contracts.preparation import ReportRecipe
from tunesmith.contracts.profiles import DatasetProfile


def page(folder: Path) -> Work:
    manifest = DatasetManifest.model_validate_json((folder / MANIFEST).read_bytes())
    run_only = DatasetProfile.model_validate_json((folder / PROFILE).read_bytes()).run
    parts = {split: [folder / file.path for file in entry.files] for split, entry in manifest.splits.items()}

    def work() -> None:
        profile = build_profile(parts, ReportRecipe(), redactor(), run_only)
        report_page(manifest, profile)

    return work


def signals_and_page(folder: Path) -> Work:
    """Also what the rows' columns hold already, as the peers measure it themselves."""
    texts, languages, rest = Texts.of([row["text"] for row in read(folder / ROWS)]), Languages(), page(folder)

    def work() -> None:
        languages.of(texts)
        measure(texts)
        toxicity(texts)
        rest()

    return work


CONTESTANTS: dict[str, Contestant] = {"ours": page, "ours-signals": signals_and_page}

if __name__ == "__main__":
    run(CONTESTANTS)
