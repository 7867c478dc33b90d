"""The evaluation sets that a recipe names: files of rows whose words must not be trained on.

They are fetched once a job, so all that is said of them, and their digests in the manifest, is of the same bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from batch_jobs.harness.main import JobContext
from batch_jobs.prepare.batches import RowBatch, join_texts
from batch_jobs.prepare.checking.files import FileChecks
from batch_jobs.prepare.deduplicating.contamination import EvaluationRuns
from batch_jobs.prepare.reading.files import read_blocks
from batch_jobs.prepare.scanning import rows_of
from tunesmith.adapters.storage import file_entry
from tunesmith.contracts.datasets import EvaluationSet
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.recipes import PrepareRecipe


@dataclass(frozen=True, slots=True)
class EvaluationSets:
    """Those of one recipe, as they were when the job began."""

    told: Sequence[EvaluationSet]
    files: Sequence[Path]
    """Of each set its copy on this machine."""

    @classmethod
    def fetch(cls, recipe: PrepareRecipe, context: JobContext) -> "EvaluationSets":
        told, files = [], []
        for number, uri in enumerate(recipe.decontaminate.against):
            folder = context.workdir / f"evaluations-{number}"
            files.append(context.storage.download(uri, folder / uri.rpartition("/")[2]))
            told.append(EvaluationSet(uri=uri, sha256=file_entry(folder, files[-1].name).sha256))
        return cls(told, files)

    def items(self, recipe: PrepareRecipe) -> Iterator[tuple[str, RowBatch]]:
        """The sets' URIs and items, set after set as the recipe names them. Raises InvalidInput, as `_items`."""
        for told, file in zip(self.told, self.files, strict=True):
            yield from ((told.uri, items) for items in _items(told.uri, file, recipe))

    def runs(self, recipe: PrepareRecipe) -> EvaluationRuns | None:
        """Hashes of their word runs; None where there are no sets."""
        if not self.told:
            return None
        texts = [items.row_texts for _, items in self.items(recipe)]
        return EvaluationRuns.of(join_texts(texts), recipe.decontaminate.ngram)


def _items(uri: str, file: Path, recipe: PrepareRecipe) -> Iterator[RowBatch]:
    """Raises InvalidInput where the set has rows that nobody can read: what is missed there would be trained on."""
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


def _any_format(recipe: PrepareRecipe) -> PrepareRecipe:
    """An evaluation set may have another format than the dataset, and its columns are its own."""
    return recipe.model_copy(update={"read": recipe.read.model_copy(update={"format": None, "columns": {}})})
