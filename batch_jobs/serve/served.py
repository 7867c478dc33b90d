"""The model that a container serves: verified against its manifests before a byte of it is loaded."""

import json
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from batch_jobs.modeling.folders import MANIFEST, Manifest, folder_digest, read_manifest, verify_folder
from batch_jobs.modeling.loading import check_adapter, load_model, load_tokenizer
from batch_jobs.modeling.templates import template_hash
from tunesmith.contracts.deployments import ServedModel
from tunesmith.contracts.errors import IntegrityError
from tunesmith.contracts.models import AdapterManifest, BaseModelManifest

MODEL_FOLDER = "model"
BASE_FOLDER = "additional-model-data-sources/base"


@dataclass(frozen=True)
class Served:
    """A model in memory, and what it is."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    identity: ServedModel

    @property
    def context_length(self) -> int:
        """Tokens of prompt and answer together."""
        return int(self.model.config.max_position_embeddings)


def load_served(root: Path) -> Served:
    """Load what SageMaker has put under `root`: an adapter and its base, or a base alone.

    Raises IntegrityError or UnsafeArtifact, and loads nothing, where the folders are not exactly what their manifests
    say, or do not belong together.
    """
    model_dir = (root / MODEL_FOLDER).resolve()
    if _is_adapter(model_dir):
        return _load_adapter((root / BASE_FOLDER).resolve(), model_dir)
    return _load_base(model_dir)


def _load_adapter(base_dir: Path, adapter_dir: Path) -> Served:
    base, adapter = _verified(base_dir, BaseModelManifest), _verified(adapter_dir, AdapterManifest)
    check_adapter(base_dir, adapter_dir)
    tokenizer = _tokenizer(base_dir, {base_dir: base.template_hash, adapter_dir: adapter.template_hash})
    identity = ServedModel(model_digest=adapter.digest, base_digest=base.digest, template_hash=adapter.template_hash)
    return Served(load_model(base_dir, adapter_dir), tokenizer, identity)


def _load_base(base_dir: Path) -> Served:
    base = _verified(base_dir, BaseModelManifest)
    tokenizer = _tokenizer(base_dir, {base_dir: base.template_hash})
    identity = ServedModel(model_digest=base.digest, base_digest=base.digest, template_hash=base.template_hash)
    return Served(load_model(base_dir, None), tokenizer, identity)


def _is_adapter(folder: Path) -> bool:
    """Only an adapter's manifest names a base; whether the manifest is valid is checked afterwards."""
    try:
        return "base" in json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise IntegrityError(f"{folder / MANIFEST}: no readable manifest, so nothing says what this is") from error


def _verified(folder: Path, kind: type[Manifest]) -> Manifest:
    manifest = read_manifest(folder, kind)
    verify_folder(folder, manifest.files)
    if folder_digest(manifest.files) != manifest.digest:
        raise IntegrityError(f"{folder}: its manifest says digest {manifest.digest}, its files give another")
    return manifest


def _tokenizer(base_dir: Path, promised: dict[Path, str]) -> PreTrainedTokenizerFast:
    """The base's tokenizer, whose chat template must be the one that every manifest names."""
    tokenizer = load_tokenizer(base_dir)
    actual = template_hash(tokenizer)
    for folder, expected in promised.items():
        if expected != actual:
            raise IntegrityError(f"{folder}: made with chat template {expected}, but {base_dir} has {actual}")
    return tokenizer
