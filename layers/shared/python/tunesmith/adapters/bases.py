"""Base models in the models bucket: from a name to the folder and digest that it stands for now."""

from pydantic import ValidationError

from tunesmith.adapters import objects
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
