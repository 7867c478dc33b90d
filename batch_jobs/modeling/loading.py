"""Load a verified model folder into memory: safetensors only, no code from the folder, no network."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from batch_jobs.modeling.folders import MANIFEST, read_manifest
from tunesmith.contracts.errors import IntegrityError, UnsafeArtifact
from tunesmith.contracts.models import AdapterManifest, BaseModelManifest

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

ADAPTER_WEIGHTS = "adapter_model.safetensors"


def load_tokenizer(base_dir: Path) -> "PreTrainedTokenizerFast":
    """The base's tokenizer. Raises UnsafeArtifact for one that needs more than a tokenizer.json."""
    _stay_offline()
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base_dir, local_files_only=True, trust_remote_code=False)
    if not tokenizer.is_fast:
        raise UnsafeArtifact(f"{base_dir}: no tokenizer.json; save the tokenizer with a fast (Rust) tokenizer first")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(base_dir: Path, adapter_dir: Path | None) -> "PreTrainedModel":
    """The base, and the adapter on it, ready to answer: bfloat16 on a GPU, float32 on a CPU (faster there)."""
    model = load_base(base_dir)
    if adapter_dir is not None:
        from peft import PeftModel

        check_adapter(base_dir, adapter_dir)
        model = PeftModel.from_pretrained(model, adapter_dir, is_trainable=False, local_files_only=True)
    return model.eval()


def load_base(base_dir: Path) -> "PreTrainedModel":
    """The base model on the device of this machine."""
    _stay_offline()
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # two seconds of bars in every log; jobs report their own progress
    model = AutoModelForCausalLM.from_pretrained(
        base_dir, dtype=compute_type(), use_safetensors=True, local_files_only=True, trust_remote_code=False
    )
    return model.to(device())


def check_adapter(base_dir: Path, adapter_dir: Path) -> None:
    """Raises IntegrityError unless the adapter was trained on exactly this base."""
    if not (adapter_dir / ADAPTER_WEIGHTS).is_file():
        raise IntegrityError(f"{adapter_dir}: no {ADAPTER_WEIGHTS}; this is no adapter folder")
    if not (base_dir / MANIFEST).exists():
        raise IntegrityError(f"{base_dir}: no {MANIFEST}, so nothing says which base model this is")
    base = read_manifest(base_dir, BaseModelManifest)
    adapter = read_manifest(adapter_dir, AdapterManifest)
    if adapter.base.digest != base.digest:
        raise IntegrityError(f"{adapter_dir}: trained on base {adapter.base.digest}, but {base_dir} is {base.digest}")


def device() -> "torch.device":
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def compute_type() -> "torch.dtype":
    import torch

    return torch.bfloat16 if torch.cuda.is_available() else torch.float32


def _stay_offline() -> None:
    """A model is what is in its folder: nothing is looked up on a hub. Read by the library when it is imported."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
