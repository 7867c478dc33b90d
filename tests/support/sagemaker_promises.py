"""What SageMaker promises and moto does not keep: names are given once, client tokens count, endpoints change."""

from typing import Any

import pytest
from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse


def keep_promises(patch: pytest.MonkeyPatch) -> None:
    make_endpoint, make_package = SageMakerModelBackend.create_endpoint, SageMakerModelBackend.create_model_package

    def create_endpoint(backend: SageMakerModelBackend, endpoint_name: str, **facts: Any) -> Any:
        if endpoint_name in backend.endpoints:
            raise ValidationError(f"Cannot create already existing endpoint {endpoint_name}.")
        return make_endpoint(backend, endpoint_name, **facts)

    def create_model_package(backend: SageMakerModelBackend, client_token: str, **facts: Any) -> str:
        for arn, package in backend.model_packages.items():
            if client_token and package.client_token == client_token:
                return str(arn)
        return make_package(backend, client_token=client_token, **facts)

    patch.setattr(SageMakerModelBackend, "create_endpoint", create_endpoint)
    patch.setattr(SageMakerModelBackend, "create_model_package", create_model_package)
    patch.setattr(SageMakerResponse, "update_endpoint", update_endpoint, raising=False)


def update_endpoint(response: SageMakerResponse) -> ActionResult:
    """The change is over at once, as with everything in moto."""
    backend, name = response.sagemaker_backend, response._get_param("EndpointName")
    backend.describe_endpoint(name)
    endpoint = backend.endpoints[name]
    endpoint.endpoint_config_name = response._get_param("EndpointConfigName")
    return ActionResult({"EndpointArn": endpoint.arn})
