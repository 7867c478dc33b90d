"""What people read of a dataset version: profile, page and card, made of facts and of redacted examples."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from batch_jobs.prepare.batches import RowBatch
from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.cleaning.pii.detector import Detector
from batch_jobs.prepare.cleaning.pii.redacting import redact
from batch_jobs.prepare.pipeline import Prepared
from batch_jobs.prepare.quarantine import QUARANTINE
from tunesmith.contracts.datasets import DatasetManifest, RowFormat
from tunesmith.contracts.preflight import Preflight
from tunesmith.contracts.preparation import STRUCTURED_PII
from tunesmith.contracts.recipes import PrepareRecipe
from tunesmith.domain.dataset_cards import dataset_card

PROFILE, PAGE, CARD = "profile.json", "report.html", "README.md"


def write_documents(
    manifest: DatasetManifest,
    recipe: PrepareRecipe,
    prepared: Prepared,
    folder: Path,
    failure: str | None = None,
    preflight: Preflight | None = None,
) -> list[str]:
    """Write them beside the Parquet files; their names. `failure` is why this is no dataset version."""
    # jinja2 and pyarrow.compute take a while to start, and runs without a report do not need them
    from batch_jobs.prepare.reporting.page import report_page
    from batch_jobs.prepare.reporting.profiling import build_profile
    from batch_jobs.prepare.reporting.running import run_profile

    parts = {split: [folder / file.path for file in entry.files] for split, entry in manifest.splits.items()}
    redact = redactor()
    run = run_profile(prepared, folder / QUARANTINE, redact, preflight)
    profile = build_profile(parts, recipe.report, redact, run).model_copy(update={"recipe": recipe})
    (folder / PROFILE).write_text(profile.model_dump_json(indent=2), encoding="utf-8")
    (folder / PAGE).write_text(report_page(manifest, profile, failure), encoding="utf-8")
    (folder / CARD).write_text(dataset_card(manifest, recipe, profile), encoding="utf-8")
    return [PROFILE, PAGE, CARD]


@cache
def redactor() -> Callable[[str], str]:
    """Examples are redacted whatever the recipe says of the rows: a page is passed around."""
    detector = Detector(STRUCTURED_PII)

    def redacted(text: str) -> str:
        batch = RowBatch.of([Row(RowFormat.TEXT, (Turn("text", text),))], [1])
        return redact(batch, detector)[0].texts[0]

    return redacted
