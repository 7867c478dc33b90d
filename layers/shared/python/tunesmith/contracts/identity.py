"""Identity by content: the same facts always have the same name, so doing a thing twice is a no-op."""

import hashlib
import json
from typing import Any


def canonical_json(facts: Any) -> bytes:
    """The one JSON spelling of `facts`: sorted keys, no spaces, UTF-8, no NaN."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest(facts: Any) -> str:
    """SHA-256, hexadecimal, of the canonical JSON of `facts`."""
    return hashlib.sha256(canonical_json(facts)).hexdigest()


def upload_id(bucket: str, key: str, version_id: str) -> str:
    """The identity of one object version, however many events announce it."""
    return digest({"bucket": bucket, "key": key, "version_id": version_id})


WHERE_PREPARED = ("nodes", "vcpus", "memory_gib")
"""Keys of `prepare` on which no byte of what it makes depends."""


def dataset_version_id(source_ids: list[str], prepare_recipe: dict[str, Any]) -> str:
    """The identity of what `prepare` makes of these sources with this recipe, on whichever machines."""
    recipe = {key: value for key, value in prepare_recipe.items() if key not in WHERE_PREPARED}
    return digest({"sources": sorted(source_ids), "prepare": recipe})


def run_id(dataset_version: str, recipe: dict[str, Any], base_model: str, attempt: int) -> str:
    """The identity of a run; doing it again on purpose is another `attempt`."""
    facts = {"dataset": dataset_version, "recipe": recipe, "base_model": base_model, "attempt": attempt}
    return f"run-{digest(facts)[:32]}"
