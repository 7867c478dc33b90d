"""The serving container as SageMaker wants it described: an image, and the folders of files it is given.

Nothing about the model travels in the environment: the files say what they are, and no secret is ever there.
"""

from typing import Any

from tunesmith.contracts.models import ModelReference
from tunesmith.contracts.recipes import ServeRecipe

BASE_CHANNEL = "base"
"""The container finds it under `additional-model-data-sources/base`."""


def serving_container(image: str, base: ModelReference, adapter: ModelReference | None) -> dict[str, Any]:
    """An adapter comes with its base as a second folder; without one the base is the model."""
    if adapter is None:
        return {"Image": image, "ModelDataSource": {"S3DataSource": _folder(base)}}
    return {
        "Image": image,
        "ModelDataSource": {"S3DataSource": _folder(adapter)},
        "AdditionalModelDataSources": [{"ChannelName": BASE_CHANNEL, "S3DataSource": _folder(base)}],
    }


def serving_environment(serve: ServeRecipe) -> dict[str, str]:
    """What a recipe tells the container, as `contracts.environment.ServeEnv` reads it. The same for every model."""
    return {"MAX_NEW_TOKENS": str(serve.max_new_tokens)}


def _folder(model: ModelReference) -> dict[str, str]:
    return {"S3Uri": model.uri, "S3DataType": "S3Prefix", "CompressionType": "None"}
