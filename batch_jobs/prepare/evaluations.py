"""The evaluation sets that a recipe names: files of rows whose words must not be trained on."""

from collections.abc import Iterator

from batch_jobs.harness.main import JobContext
from batch_jobs.prepare.batches import RowBatch, join_texts
from batch_jobs.prepare.checking.files import FileChecks
from batch_jobs.prepare.deduplicating.contamination import EvaluationRuns
from batch_jobs.prepare.reading.files import read_blocks
from batch_jobs.prepare.scanning import rows_of
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.recipes import PrepareRecipe


def evaluation_runs(recipe: PrepareRecipe, context: JobContext) -> EvaluationRuns | None:
    """What `decontaminate.against` names, as hashes of word runs; None where it names nothing."""
    asked = recipe.decontaminate
    if not asked.against:
        return None
    texts = [items.row_texts for _, items in evaluation_items(recipe, context)]
    return EvaluationRuns.of(join_texts(texts), asked.ngram)


def evaluation_items(recipe: PrepareRecipe, context: JobContext) -> Iterator[tuple[str, RowBatch]]:
    """The sets' URIs and items, set after set as the recipe names them. Raises InvalidInput, as `_items`."""
    return ((uri, items) for uri in recipe.decontaminate.against for items in _items(uri, recipe, context))


def _items(uri: str, recipe: PrepareRecipe, context: JobContext) -> Iterator[RowBatch]:
    """Raises InvalidInput where the set has rows that nobody can read: what is missed there would be trained on."""
    file = context.storage.download(uri, context.workdir / "evaluations" / uri.rpartition("/")[2])
    any_format = _any_format(recipe)
    checks: FileChecks | None = None
    for block in read_blocks(file, uri, any_format):
        checks = checks or FileChecks.of(block, uri, any_format)
        batch, bad = rows_of(block, checks)
        if bad:
            first = bad[0].told(uri)
            raise InvalidInput(
                f"{uri}, line {first.line}: {first.code}: {first.message}; "
                f"the sets of prepare.decontaminate.against must be whole: {first.hint}"
            )
        yield batch
    file.unlink()


def _any_format(recipe: PrepareRecipe) -> PrepareRecipe:
    """An evaluation set may have another format than the dataset, and its columns are its own."""
    return recipe.model_copy(update={"read": recipe.read.model_copy(update={"format": None, "columns": {}})})
