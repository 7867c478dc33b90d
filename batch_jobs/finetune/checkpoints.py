"""Checkpoints: all that the next step depends on, written so that a torn one is never mistaken for a whole one.

`<checkpoints>/step-000010/` holds the adapter's weights and the optimizer's state (safetensors) and the counters
(JSON); its manifest, written last, has the digest of each file and says what the checkpoint belongs to.
"""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from batch_jobs.finetune.training import Trainer
from batch_jobs.harness.main import JobContext
from tunesmith.adapters.storage import file_entry
from tunesmith.contracts.base import Contract, Digest
from tunesmith.contracts.datasets import FileEntry
from tunesmith.contracts.errors import CheckpointMismatch, IntegrityError, NotFound
from tunesmith.contracts.recipes import FinetuneRecipe

WEIGHTS, OPTIMIZER, COUNTERS, MANIFEST = (
    "adapter.safetensors",
    "optimizer.safetensors",
    "counters.json",
    "manifest.json",
)


class Belongs(Contract):
    """What a training is made of; a checkpoint may be resumed only where all of it is the same."""

    base: Digest
    dataset: Digest
    recipe: FinetuneRecipe
    code_version: str


class Counters(Contract):
    """Where the training is, between two steps."""

    steps: int
    losses: list[float]
    random_state: str

    @classmethod
    def now(cls, losses: list[float]) -> "Counters":
        state = base64.b64encode(torch.get_rng_state().numpy().tobytes()).decode()
        return cls(steps=len(losses), losses=losses, random_state=state)


class CheckpointManifest(Contract):
    belongs: Belongs
    files: list[FileEntry]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run."""

    context: JobContext
    uri: str
    belongs: Belongs

    def save(self, trainer: Trainer, losses: list[float]) -> None:
        """Only the newest attempt may; the manifest comes last."""
        self.context.fence.check()
        name = f"step-{len(losses):06d}"
        folder = self.context.workdir / name
        folder.mkdir(exist_ok=True)
        save_file(_weights(trainer), folder / WEIGHTS)
        save_file(_optimizer_state(trainer), folder / OPTIMIZER)
        (folder / COUNTERS).write_text(Counters.now(losses).model_dump_json())
        files = [file_entry(folder, path) for path in (WEIGHTS, OPTIMIZER, COUNTERS)]
        self.context.storage.upload_folder(folder, f"{self.uri}{name}/", files)
        manifest = CheckpointManifest(belongs=self.belongs, files=files).model_dump_json(indent=2)
        self.context.storage.write(f"{self.uri}{name}/{MANIFEST}", manifest, "application/json")
        _remove(folder)

    def resume(self, trainer: Trainer) -> list[float]:
        """Bring the trainer to the newest whole checkpoint; returns the losses so far, one per step taken.

        A torn one is passed over for the one before it. Raises CheckpointMismatch for one of another training.
        """
        found = [uri for uri in self.context.storage.files_under(self.uri) if uri.endswith(f"/{MANIFEST}")]
        for uri in sorted(found, reverse=True):
            try:
                return self._load(uri, trainer)
            except (IntegrityError, NotFound, ValidationError) as error:
                self.context.log("checkpoint passed over", checkpoint=uri, reason=str(error))
        return []

    def _load(self, uri: str, trainer: Trainer) -> list[float]:
        manifest = CheckpointManifest.model_validate_json(self.context.storage.read(uri))
        self._check_belongs(manifest, uri)
        folder = self.context.workdir / "resumed"
        self.context.storage.download_folder(uri.removesuffix(MANIFEST), manifest.files, folder)
        counters = Counters.model_validate_json((folder / COUNTERS).read_bytes())
        _restore(trainer, load_file(folder / WEIGHTS), load_file(folder / OPTIMIZER))
        state = bytearray(base64.b64decode(counters.random_state))
        torch.set_rng_state(torch.frombuffer(state, dtype=torch.uint8))
        _remove(folder)
        return counters.losses

    def _check_belongs(self, manifest: CheckpointManifest, uri: str) -> None:
        ours, theirs = self.belongs.model_dump(), manifest.belongs.model_dump()
        different = [name for name, value in ours.items() if theirs[name] != value]
        if different:
            raise CheckpointMismatch(
                f"{uri} was written with another {', '.join(different)}; start a new attempt of the run instead"
            )


def _weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: weight.detach().cpu().contiguous() for name, weight in trainer.parameters.items()}


def _optimizer_state(trainer: Trainer) -> dict[str, torch.Tensor]:
    state = trainer.optimizer.state
    return {
        f"{name}/{key}": value.detach().cpu().contiguous()
        for name, weight in trainer.parameters.items()
        for key, value in state[weight].items()
    }


def _restore(trainer: Trainer, weights: dict[str, torch.Tensor], optimizer: dict[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, weight in trainer.parameters.items():
            weight.copy_(weights[name])
    states: dict[str, dict[str, Any]] = {}
    for path, value in optimizer.items():
        name, _, key = path.rpartition("/")
        states.setdefault(name, {})[key] = value
    state = {index: states[name] for index, name in enumerate(trainer.parameters) if name in states}
    trainer.optimizer.load_state_dict({"state": state, "param_groups": trainer.optimizer.state_dict()["param_groups"]})


def _remove(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
