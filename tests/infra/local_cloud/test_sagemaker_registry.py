"""Model packages: numbered in their group, found again by metadata, changed in place."""

import time

import pytest
from botocore.exceptions import ClientError

from infra.local_cloud import events, sagemaker
from infra.local_cloud.cloud import Cloud

PLUGINS = [events, sagemaker]


@pytest.fixture
def group(cloud: Cloud) -> str:
    name = f"group-{time.time_ns()}"
    cloud.client("sagemaker").create_model_package_group(ModelPackageGroupName=name)
    return name


def test_packages_are_numbered_and_listed_newest_first_in_pages(cloud: Cloud, group: str) -> None:
    client = cloud.client("sagemaker")
    arns = [client.create_model_package(ModelPackageGroupName=group)["ModelPackageArn"] for _ in range(3)]
    pages = client.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, SortBy="CreationTime", PaginationConfig={"PageSize": 2}
    )
    found = [summary["ModelPackageArn"] for page in pages for summary in page["ModelPackageSummaryList"]]
    assert found == arns[::-1] and arns[0].endswith(f"{group}/1")


def test_approval_and_metadata_change_in_place(cloud: Cloud, group: str) -> None:
    client = cloud.client("sagemaker")
    made = client.create_model_package(ModelPackageGroupName=group, CustomerMetadataProperties={"a": "1", "b": "2"})
    arn = made["ModelPackageArn"]
    client.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        CustomerMetadataProperties={"a": "3"},
        CustomerMetadataPropertiesToRemove=["b"],
    )
    package = client.describe_model_package(ModelPackageName=arn)
    assert (package["ModelApprovalStatus"], package["CustomerMetadataProperties"]) == ("Approved", {"a": "3"})


def test_repeated_token_makes_no_second_package(cloud: Cloud, group: str) -> None:
    client = cloud.client("sagemaker")
    made = [client.create_model_package(ModelPackageGroupName=group, ClientToken="t" * 36) for _ in range(2)]
    assert made[0]["ModelPackageArn"] == made[1]["ModelPackageArn"]


def test_package_of_an_unknown_group_is_refused(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="does not exist"):
        cloud.client("sagemaker").create_model_package(ModelPackageGroupName="none")
