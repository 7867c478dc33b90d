"""What a preflight needs of a base model: its tokenizer, its context and where it stops; neither weights nor torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batch_jobs.modeling.folders import MANIFEST, read_manifest
from batch_jobs.modeling.loading import load_tokenizer
from tunesmith.adapters.bases import declared_context_length
from tunesmith.contracts.errors import IntegrityError, NotFound
from tunesmith.contracts.models import BaseModelManifest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class Base:
    """A base model without its weights."""

    name: str
    tokenizer: "PreTrainedTokenizerFast"
    context_length: int | None
    stop_ids: frozenset[int]
    """Tokens at which serving ends an answer."""
    parameters: int


def read_base(folder: Path) -> Base:
    """The base in a folder, as an import or `fetch_tokenizer` made it. Raises NotFound where there is none."""
    if not (folder / MANIFEST).is_file():
        raise NotFound(f"{folder}: no {MANIFEST}; import a base first: tunesmith models import NAME")
    manifest = read_manifest(folder, BaseModelManifest)
    tokenizer = load_tokenizer(folder)
    config, generation = _json(folder / "config.json"), _json(folder / "generation_config.json")
    declared = generation.get("eos_token_id", config.get("eos_token_id"))
    several = declared if isinstance(declared, list) else [declared]
    return Base(
        name=manifest.name,
        tokenizer=tokenizer,
        context_length=declared_context_length(config),
        stop_ids=frozenset(token for token in (*several, tokenizer.eos_token_id) if token is not None),
        parameters=manifest.parameters,
    )


def _json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_bytes())
    except ValueError as error:
        raise IntegrityError(f"{file}: not readable as JSON: {error}") from error
    return found if isinstance(found, dict) else {}
