"""What must hold before a dataset version may exist. Quarantine and page are published either way: what is to be mended
stands there."""

from collections import Counter
from pathlib import Path

from batch_jobs.prepare.checking.telling import without_secrets
from batch_jobs.prepare.documents import PAGE, write_documents
from batch_jobs.prepare.pipeline import Prepared
from batch_jobs.prepare.publishing import describe
from batch_jobs.prepare.quarantine import QUARANTINE
from batch_jobs.prepare.reporting.running import summarise_problems
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.datasets import DropReason, ProblemCode, RowCounts, Split
from tunesmith.contracts.errors import NothingToTrain, PlatformError, QualityGateFailed
from tunesmith.contracts.jobs import PrepareParams
from tunesmith.contracts.recipes import PrepareRecipe


def check_quality(params: PrepareParams, prepared: Prepared, folder: Path, storage: Storage) -> None:
    """Raises NothingToTrain or QualityGateFailed, with the problem that most bad rows have where it comes first, the
    counts, and where the bad rows are written."""
    counts = prepared.ledger.total()
    failure = find_failure(params.recipe, counts, prepared.rows[Split.TRAIN], prepared.ledger.rows_with_pii)
    if failure is None:
        return
    quarantine = params.output_uri + QUARANTINE
    storage.upload(folder / QUARANTINE, quarantine)
    page = ""
    if params.recipe.report.make:
        write_documents(describe(params, prepared, folder), params.recipe, prepared, folder, str(failure))
        storage.upload(folder / PAGE, params.output_uri + PAGE)
        page = f"; what the rows look like: {params.output_uri}{PAGE}"
    problems = ", ".join(f"{count} {code}" for code, count in prepared.ledger.problems.most_common()) or "none"
    dropped = ", ".join(f"{count} {reason}" for reason, count in counts.dropped.items()) or "none"
    first = first_problem(folder / QUARANTINE, prepared.ledger.problems)
    raise type(failure)(
        f"{failure}{first} (rows in: {counts.rows_in}, kept: {counts.kept}, quarantined: {counts.quarantined}, "
        f"dropped: {dropped}; problems: {problems}; each bad row and its hint: {quarantine}{page})"
    )


def first_problem(quarantine: Path, counts: Counter[ProblemCode]) -> str:
    """Place and message of the first row with the most frequent problem, to be put behind why the run failed."""
    if not counts.total():
        return ""
    most_frequent = summarise_problems(quarantine, counts, without_secrets)[0].first[0]
    name = most_frequent.source.rpartition("/")[2]
    return f"; {name}, line {most_frequent.line}: {most_frequent.code}: {most_frequent.message}"


def find_failure(
    recipe: PrepareRecipe, counts: RowCounts, training_rows: int, rows_with_pii: int = 0
) -> PlatformError | None:
    """Why these rows are no dataset, or None."""
    if counts.kept == 0:
        return NothingToTrain("no valid row is left")
    if training_rows == 0:
        return NothingToTrain("every valid row belongs to the held-out splits; add rows")
    present = counts.rows_in - counts.dropped.get(DropReason.BLANK_LINE, 0)
    share = counts.quarantined / present
    if share > recipe.max_quarantined_fraction:
        return QualityGateFailed(
            f"{share:.1%} of the rows are bad; "
            f"prepare.max_quarantined_fraction allows {recipe.max_quarantined_fraction:.1%}"
        )
    copies = sum(counts.dropped.get(reason, 0) for reason in (DropReason.EXACT_DUPLICATE, DropReason.NEAR_DUPLICATE))
    if copies / present > recipe.max_duplicate_fraction:
        return QualityGateFailed(
            f"{copies / present:.1%} of the rows are duplicates; "
            f"prepare.max_duplicate_fraction allows {recipe.max_duplicate_fraction:.1%}"
        )
    if rows_with_pii / present > recipe.max_pii_fraction:
        return QualityGateFailed(
            f"{rows_with_pii / present:.1%} of the rows hold personal data or secrets; "
            f"prepare.max_pii_fraction allows {recipe.max_pii_fraction:.1%}"
        )
    if counts.kept < recipe.min_rows:
        return QualityGateFailed(f"{counts.kept} rows are left; prepare.min_rows asks for {recipe.min_rows}")
    return None
