"""Base models in the models bucket: from a name to the folder and digest that it stands for now."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from tunesmith.adapters import objects
from tunesmith.adapters.storage import Storage, beside
from tunesmith.contracts.artifacts import base_pointer_key, base_prefix, s3_uri
from tunesmith.contracts.errors import IntegrityError, NotFound
from tunesmith.contracts.models import BaseModelManifest, ModelReference


def find_base(bucket: str, name: str) -> ModelReference | None:
    """The imported base model of that name, or None where nobody imported it. Raises IntegrityError where the pointer
    is broken."""
    try:
        text, _ = objects.read_current(bucket, base_pointer_key(name))
    except NotFound:
        return None
    try:
        manifest = BaseModelManifest.model_validate_json(text)
    except ValidationError as error:
        place = s3_uri(bucket, base_pointer_key(name))
        raise IntegrityError(f"{place} is no manifest of a base model: import {name} again") from error
    return ModelReference(uri=s3_uri(bucket, base_prefix(manifest.digest)), digest=manifest.digest)


def context_length(storage: Storage, folder_uri: str) -> int | None:
    """How many tokens the base in the folder (its URI ends in a slash) takes in; None where it does not say."""
    place = beside(folder_uri, "config.json")
    text = storage.read_if_there(place)
    if text is None:
        return None
    try:
        config = json.loads(text)
    except ValueError as error:
        raise IntegrityError(f"{place}: not readable as JSON: {error}; import the base model again") from error
    return declared_context_length(config) if isinstance(config, dict) else None


def declared_context_length(config: Mapping[str, Any]) -> int | None:
    """What a model's configuration says; a model that also sees images has it with those of its text."""
    inner = config.get("text_config")
    outer = inner if isinstance(inner, dict) and "max_position_embeddings" not in config else config
    found = outer.get("max_position_embeddings")
    return found if isinstance(found, int) and found > 0 else None
