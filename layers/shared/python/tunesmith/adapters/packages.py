"""SageMaker's own model registry, as a mirror of ours: one Model Package per version.

CreateModelPackage makes another package each time it is called, so the package of a version is looked for first, by the
metadata that it carries.
"""

from datetime import datetime, timedelta
from functools import cache
from typing import Any

import boto3

from tunesmith.adapters.containers import serving_container
from tunesmith.contracts.identity import digest
from tunesmith.contracts.models import ModelVersion

CLOCK_SKEW = timedelta(hours=1)
MEDIA_TYPE = "application/json"


@cache
def client() -> Any:
    """The process's one SageMaker client for packages."""
    return boto3.client("sagemaker")


def mirror(group: str, version: ModelVersion, image: str) -> str:
    """The ARN of the version's package, made where there is none, and with the version's approval."""
    metadata, word = _metadata(version), version.status.sagemaker_word
    found = _find(group, metadata, not_before=datetime.fromisoformat(version.created_at) - CLOCK_SKEW)
    if found is None:
        return _create(group, version, image)
    arn: str = found["ModelPackageArn"]
    if found["ModelApprovalStatus"] != word:
        client().update_model_package(
            ModelPackageArn=arn, ModelApprovalStatus=word, CustomerMetadataProperties=metadata
        )
    return arn


def _create(group: str, version: ModelVersion, image: str) -> str:
    metadata = _metadata(version)
    arn: str = client().create_model_package(
        ModelPackageGroupName=group,
        ModelPackageDescription=f"{version.project}/{version.model} version {version.version}",
        ModelApprovalStatus=version.status.sagemaker_word,
        CustomerMetadataProperties=metadata,
        InferenceSpecification={
            "Containers": [serving_container(image, version.base, version.adapter)],
            "SupportedContentTypes": [MEDIA_TYPE],
            "SupportedResponseMIMETypes": [MEDIA_TYPE],
        },
        ClientToken=digest(metadata)[:36],  # catches a lost answer for a while; the search above is what counts
    )["ModelPackageArn"]
    return arn


def _find(group: str, metadata: dict[str, str], not_before: datetime) -> dict[str, Any] | None:
    """The package with this metadata. Newest first, and none that is older than the version."""
    pages = (
        client()
        .get_paginator("list_model_packages")
        .paginate(ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Descending")
    )
    for page in pages:
        for summary in page["ModelPackageSummaryList"]:
            if summary["CreationTime"] < not_before:
                return None
            package: dict[str, Any] = client().describe_model_package(ModelPackageName=summary["ModelPackageArn"])
            if package.get("CustomerMetadataProperties") == metadata:
                return package
    return None


def _metadata(version: ModelVersion) -> dict[str, str]:
    """What identifies the version; its approval is not part of it."""
    return {
        "project": version.project,
        "model": version.model,
        "version": str(version.version),
        "adapter_digest": version.adapter.digest,
        "run_id": version.run_id,
    }
