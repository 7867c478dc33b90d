"""Rows of a dataset version as training examples: the chosen rows, tokenised with the base's own chat template."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from batch_jobs.modeling.templates import Conversation, TrainingExample, training_batch
from tunesmith.adapters.storage import Storage, beside
from tunesmith.contracts.datasets import DatasetManifest, Split
from tunesmith.contracts.errors import IntegrityError, InvalidInput, NothingToTrain
from tunesmith.contracts.jobs import FinetuneParams

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

COLUMNS = ("item_id", "messages", "trained", "tools")
"""What training reads of a row; `tools` is JSON, and absent where nothing was on offer."""
BATCH = 512
"""Rows that are tokenised at once."""
UNTRAINED = "no assistant turn can be trained with the base model's chat template"


@dataclass(frozen=True, slots=True)
class Examples:
    """Tokenised rows of one split, by item id; those that cannot be trained on are counted, never cut or bent."""

    by_id: dict[str, TrainingExample]
    too_long: int
    refused: Counter[str]
    """Rows that the base's chat template refuses or learns nothing from, by the reason."""

    @property
    def left_out(self) -> dict[str, int]:
        """Rows that are not trained on, by why, in words for logs and errors."""
        return ({"longer than finetune.sequence_length": self.too_long} if self.too_long else {}) | self.refused

    @property
    def tokens(self) -> int:
        return sum(len(example.ids) for example in self.by_id.values())


def read_manifest(params: FinetuneParams, storage: Storage) -> DatasetManifest:
    manifest = DatasetManifest.model_validate_json(storage.read(params.manifest_uri))
    if manifest.dataset_version != params.dataset_version:
        raise IntegrityError(
            f"{params.manifest_uri} describes dataset {manifest.dataset_version}, asked for {params.dataset_version}"
        )
    return manifest


def download_split(
    params: FinetuneParams, manifest: DatasetManifest, split: Split, storage: Storage, workdir: Path
) -> list[Path]:
    """The split's files, in order."""
    return [
        storage.download(beside(params.manifest_uri, entry.path), workdir / entry.path, sha256=entry.sha256)
        for entry in manifest.splits[split].files
    ]


def training_examples(files: Sequence[Path], params: FinetuneParams, tokenizer: "PreTrainedTokenizerFast") -> Examples:
    """The training split, or `max_rows` of it. Raises NothingToTrain, with the reasons, where no row can be used."""
    rows = read_rows(files, params.recipe.max_rows, params.recipe.seed)
    examples = _tokenise(rows, params.recipe.sequence_length, tokenizer)
    if not examples.by_id:
        reasons = "; ".join(f"{count:,} rows: {reason}" for reason, count in examples.left_out.items())
        raise NothingToTrain(
            f"none of the {len(rows):,} rows can be trained on in {params.recipe.sequence_length} tokens ({reasons}); "
            "raise finetune.sequence_length in the recipe, shorten the rows, or choose another base model"
        )
    return examples


def validation_examples(
    files: Sequence[Path], params: FinetuneParams, tokenizer: "PreTrainedTokenizerFast"
) -> Examples:
    """Enough of the validation split for two steps: on a CPU a whole one takes longer than the training."""
    budget = 2 * params.recipe.tokens_per_step
    examples = _tokenise(read_rows(files, budget // 16, params.recipe.seed), params.recipe.sequence_length, tokenizer)
    chosen: dict[str, TrainingExample] = {}
    for item_id, example in examples.by_id.items():
        budget -= len(example.ids)
        if budget < 0:
            break
        chosen[item_id] = example
    return Examples(chosen, examples.too_long, examples.refused)


def read_rows(files: Sequence[Path], limit: int | None, seed: int) -> list[dict[str, Any]]:
    """All rows, or `limit` of them: chosen by hash, so that the same rows are chosen wherever they stand."""
    ids = [item for file in files for item in pq.read_table(file, columns=["item_id"]).column("item_id").to_pylist()]
    chosen = set(sorted(ids, key=lambda item_id: position(seed, "rows", item_id))[:limit])
    return [row for row in _iterate(files) if row["item_id"] in chosen]


def position(seed: int, purpose: str, item_id: str) -> str:
    """A place in a shuffled order that depends on nothing but these three."""
    return hashlib.sha256(f"{seed}/{purpose}/{item_id}".encode()).hexdigest()


def _iterate(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    for file in files:
        with pq.ParquetFile(file) as rows:
            columns = [name for name in COLUMNS if name in rows.schema_arrow.names]
            for batch in rows.iter_batches(columns=columns):
                yield from batch.to_pylist()


def _tokenise(rows: list[dict[str, Any]], longest: int, tokenizer: "PreTrainedTokenizerFast") -> Examples:
    """A turn is a token or more: a row of more turns than `longest` cannot fit, and need not be rendered."""
    candidates = [row for row in rows if len(row["messages"]) <= longest]
    fitting: dict[str, TrainingExample] = {}
    too_long, refused = len(rows) - len(candidates), Counter[str]()
    for start in range(0, len(candidates), BATCH):
        batch = candidates[start : start + BATCH]
        conversations = [Conversation(row["messages"], row["trained"], row.get("tools")) for row in batch]
        for row, found in zip(batch, training_batch(tokenizer, conversations), strict=True):
            if isinstance(found, InvalidInput):
                refused[str(found)] += 1
            elif len(found.ids) > longest:
                too_long += 1
            elif not any(found.mask):
                refused[UNTRAINED] += 1
            else:
                fitting[row["item_id"]] = found
    return Examples(fitting, too_long, refused)
