"""Publish a trained adapter under its digest: files first, manifest last, the same adapter only once."""

from dataclasses import dataclass
from pathlib import Path

from batch_jobs.finetune.lora import target_modules, write_adapter
from batch_jobs.finetune.training import Trainer
from batch_jobs.harness.code_version import code_version
from batch_jobs.harness.main import JobContext
from batch_jobs.modeling.folders import MANIFEST, folder_digest, list_files, verify_folder
from tunesmith.contracts.datasets import DatasetManifest
from tunesmith.contracts.jobs import FinetuneParams
from tunesmith.contracts.models import AdapterManifest, ModelReference


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training came to, in numbers."""

    rows: int
    tokens: int
    trained_tokens: int
    losses: list[float]
    validation_loss: float | None
    template_hash: str


def publish(
    params: FinetuneParams, dataset: DatasetManifest, trainer: Trainer, outcome: Outcome, context: JobContext
) -> ModelReference:
    """Write, verify and upload the adapter; returns where it is."""
    folder = context.workdir / "adapter"
    folder.mkdir()
    write_adapter(trainer.model, folder, params.base.digest)
    manifest = _describe(params, dataset, trainer, outcome, folder)
    verify_folder(folder, manifest.files)

    reference = ModelReference(uri=f"{params.adapters_uri}{manifest.digest}/", digest=manifest.digest)
    context.fence.check()
    if context.storage.exists(reference.uri + MANIFEST):
        context.log("adapter already there", digest=manifest.digest)
        return reference
    context.storage.upload_folder(folder, reference.uri, manifest.files)
    context.storage.write(reference.uri + MANIFEST, manifest.model_dump_json(indent=2), "application/json")
    return reference


def _describe(
    params: FinetuneParams, dataset: DatasetManifest, trainer: Trainer, outcome: Outcome, folder: Path
) -> AdapterManifest:
    files = list_files(folder)
    return AdapterManifest(
        digest=folder_digest(files),
        files=files,
        base=params.base,
        template_hash=outcome.template_hash,
        rank=params.recipe.rank,
        target_modules=target_modules(trainer.model),
        dataset_version=params.dataset_version,
        dataset_digest=dataset.content_digest,
        recipe=params.recipe,
        code_version=code_version(),
        rows=outcome.rows,
        tokens=outcome.tokens,
        trained_tokens=outcome.trained_tokens,
        steps=len(outcome.losses),
        losses=outcome.losses,
        validation_loss=outcome.validation_loss,
    )
