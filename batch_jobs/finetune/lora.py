"""The adapter: small matrices beside every linear layer of a frozen base."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from batch_jobs.modeling.loading import ADAPTER_WEIGHTS
from tunesmith.contracts.base import Digest
from tunesmith.contracts.recipes import FinetuneRecipe

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

ADAPTER_CONFIG = "adapter_config.json"


def add_adapter(base: "PreTrainedModel", recipe: FinetuneRecipe) -> "PeftModel":
    """The base with an untrained adapter on it; only the adapter has gradients. The seed decides its first values."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(recipe.seed)
    config = LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, target_modules="all-linear", lora_dropout=0.0, task_type="CAUSAL_LM"
    )
    return get_peft_model(base, config)


def trained_parameters(model: "PeftModel") -> dict[str, "torch.nn.Parameter"]:
    return {name: weight for name, weight in sorted(model.named_parameters()) if weight.requires_grad}


def target_modules(model: "PeftModel") -> list[str]:
    return sorted(model.peft_config["default"].target_modules)


def write_adapter(model: "PeftModel", folder: Path, base_digest: Digest) -> None:
    """Weights and configuration in peft's own format, the same bytes for the same adapter.

    peft writes sets in whatever order they have, and the path that the base was loaded from: here lists are sorted and
    the base is named by its digest.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    weights = {name: weight.detach().cpu().contiguous() for name, weight in get_peft_model_state_dict(model).items()}
    save_file(weights, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    config = model.peft_config["default"].to_dict() | {"base_model_name_or_path": base_digest, "inference_mode": True}
    facts = {name: sorted(value) if isinstance(value, set) else value for name, value in config.items()}
    (folder / ADAPTER_CONFIG).write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n")
