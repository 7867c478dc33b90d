"""Findings of checkov that do not hold for us, written into the template where auditors read them."""

from aws_cdk import CfnResource


def skip_check(resource: CfnResource, check: str, reason: str) -> None:
    """Record beside the resource why this check of checkov does not apply to it."""
    metadata = resource.get_metadata("checkov") or {"skip": []}
    resource.add_metadata("checkov", {"skip": [*metadata["skip"], {"id": check, "comment": reason}]})
