"""SageMaker model package groups and model packages, with the metadata and paging that moto lacks."""

import threading
from typing import Any

from infra.local_cloud import events, sagemaker_api
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.sagemaker_api import Answer, Refused, Request, Shelf

SUMMARY = (
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "ModelPackageStatus",
    "ModelApprovalStatus",
)
STATE_CHANGE = "SageMaker Model Package State Change"


class ModelPackages:
    """All groups, and their numbered packages."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._groups, self._packages = Shelf("model package group"), Shelf("model package")
        self._numbering = threading.Lock()

    def actions(self) -> dict[str, sagemaker_api.Action]:
        return {
            "CreateModelPackageGroup": self.create_group,
            "DescribeModelPackageGroup": lambda request: self._group(request["ModelPackageGroupName"]),
            "DeleteModelPackageGroup": self.delete_group,
            "ListModelPackageGroups": lambda request: sagemaker_api.page(
                request, "ModelPackageGroupSummaryList", self._groups.all()
            ),
            "CreateModelPackage": self.create,
            "DescribeModelPackage": lambda request: self._package(request["ModelPackageName"]),
            "UpdateModelPackage": self.update,
            "DeleteModelPackage": self.delete,
            "ListModelPackages": self.list_all,
        }

    def create_group(self, request: Request) -> Answer:
        name = request["ModelPackageGroupName"]
        arn = sagemaker_api.arn(self._cloud, "model-package-group", name)
        facts = {"ModelPackageGroupArn": arn, "CreationTime": sagemaker_api.now()}
        document = sagemaker_api.shown(request) | facts | {"ModelPackageGroupStatus": "Completed", "CreatedBy": {}}
        self._groups.add(name, document)
        return {"ModelPackageGroupArn": arn}

    def delete_group(self, request: Request) -> Answer:
        name = _short(request["ModelPackageGroupName"])
        if self._of_group(name):
            raise Refused("ConflictException", f"Model package group {name} still has model packages.")
        self._groups.remove(name)
        return {}

    def create(self, request: Request) -> Answer:
        group = _short(request["ModelPackageGroupName"])
        self._group(group)
        with self._numbering:
            repeated = self._with_token(group, request.get("ClientToken"))
            if repeated is not None:
                return {"ModelPackageArn": repeated["ModelPackageArn"]}
            number = 1 + max((package["ModelPackageVersion"] for package in self._of_group(group)), default=0)
            arn = sagemaker_api.arn(self._cloud, "model-package", f"{group}/{number}")
            self._packages.add(arn, _document(request, group, number, arn))
        self._announce(self._packages.get(arn))
        return {"ModelPackageArn": arn}

    def update(self, request: Request) -> Answer:
        arn = request["ModelPackageArn"]
        self._package(arn)
        with self._packages.changing(arn) as package:
            removed = request.get("CustomerMetadataPropertiesToRemove") or []
            added = request.get("CustomerMetadataProperties") or {}
            kept = {k: v for k, v in (package.get("CustomerMetadataProperties") or {}).items() if k not in removed}
            package["CustomerMetadataProperties"] = kept | added
            package |= {k: request[k] for k in ("ModelApprovalStatus", "ApprovalDescription") if request.get(k)}
            self._announce(package)
        return {"ModelPackageArn": arn}

    def delete(self, request: Request) -> Answer:
        self._package(request["ModelPackageName"])
        self._packages.remove(request["ModelPackageName"])
        return {}

    def list_all(self, request: Request) -> Answer:
        approval = request.get("ModelApprovalStatus")
        group = request.get("ModelPackageGroupName")
        found = self._of_group(_short(group)) if group else self._packages.all()
        chosen = [package for package in found if approval in (None, package["ModelApprovalStatus"])]
        summaries = [{name: p[name] for name in SUMMARY if p.get(name) is not None} for p in chosen]
        # packages of one second are told apart by their number
        numbered = sagemaker_api.page(request, "ModelPackageSummaryList", summaries, by="ModelPackageVersion")
        return numbered

    def _group(self, name: str) -> Answer:
        try:
            return self._groups.get(_short(name))
        except Refused as error:
            raise Refused("ValidationException", f"ModelPackageGroup {name} does not exist.") from error

    def _package(self, arn: str) -> Answer:
        try:
            return sagemaker_api.shown({k: v for k, v in self._packages.get(arn).items() if k != "ClientToken"})
        except Refused as error:
            raise Refused("ValidationException", f"ModelPackage {arn} does not exist.") from error

    def _of_group(self, name: str) -> list[Answer]:
        return [package for package in self._packages.all() if package["ModelPackageGroupName"] == name]

    def _with_token(self, group: str, token: str | None) -> Answer | None:
        """What an earlier call with the same token made."""
        found = [package for package in self._of_group(group) if token and package.get("ClientToken") == token]
        return found[0] if found else None

    def _announce(self, package: Answer) -> None:
        names = ("ModelPackageName", "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn")
        detail = {name: package.get(name) for name in (*names, "ModelPackageStatus", "ModelApprovalStatus")}
        events.publish(self._cloud, "aws.sagemaker", STATE_CHANGE, detail, [package["ModelPackageArn"]])


def _document(request: Request, group: str, number: int, arn: str) -> dict[str, Any]:
    moment = sagemaker_api.now()
    facts = {
        "ModelPackageGroupName": group,
        "ModelPackageVersion": number,
        "ModelPackageArn": arn,
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        "CreationTime": moment,
        "LastModifiedTime": moment,
    }
    return {"ModelApprovalStatus": "PendingManualApproval"} | sagemaker_api.shown(request) | facts


def _short(name_or_arn: str) -> str:
    return name_or_arn.rpartition("/")[2]
