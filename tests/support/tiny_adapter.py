"""A real but tiny LoRA adapter for the tiny base: random weights, the layout of a trained adapter."""

from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model

from batch_jobs.modeling.folders import folder_digest, list_files
from batch_jobs.modeling.loading import load_base
from tunesmith.contracts.models import AdapterManifest, BaseModelManifest, ModelReference
from tunesmith.contracts.recipes import FinetuneRecipe

RANK = 4
TARGETS = ["q_proj", "v_proj"]


def write_tiny_adapter(folder: Path, base_dir: Path, base: BaseModelManifest, seed: int = 0) -> AdapterManifest:
    """Write an adapter that changes what the base says; its manifest comes last."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        lora = LoraConfig(r=RANK, lora_alpha=64, target_modules=TARGETS, init_lora_weights=False, task_type="CAUSAL_LM")
        get_peft_model(load_base(base_dir), lora).save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    files = list_files(folder)
    manifest = AdapterManifest(
        digest=folder_digest(files),
        files=files,
        base=ModelReference(uri=f"{base_dir}/", digest=base.digest),
        template_hash=base.template_hash,
        rank=RANK,
        target_modules=TARGETS,
        dataset_version="0" * 64,
        dataset_digest="0" * 64,
        recipe=FinetuneRecipe(rank=RANK),
        code_version="test",
        rows=1,
        tokens=1,
        trained_tokens=1,
        steps=1,
        losses=[1.0],
        validation_loss=None,
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return manifest
