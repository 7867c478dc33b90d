"""Least privilege, recorded: every call that a function or a Batch job made is one that its own role allows.

The last file of the folder, so that it sees what all tests before it have set going.
"""

import fnmatch
import json
from pathlib import Path
from typing import Any

from infra.local_cloud.trail import FILE, LONGEST_APPLICATION
from tests.support.loop import Loop
from tunesmith.contracts.runs import Run

PERMISSIONS = {
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjects": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "dynamodb:TransactWriteItems": "dynamodb:PutItem",
}
"""Permission that a call takes where it is not called as the call is."""
PREFIXES = {"stepfunctions": "states", "sagemaker-runtime": "sagemaker"}


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def statements_of(loop: Loop, role_arn: str) -> list[dict[str, Any]]:
    iam, name = loop.client("iam"), role_arn.rpartition("/")[2]
    documents = [
        iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    ]
    return [statement for document in documents for statement in listed(document["Statement"])]


def roles(loop: Loop) -> dict[str, str]:
    """Who calls -> the role in whose name."""
    functions = loop.client("lambda").list_functions()["Functions"]
    jobs = loop.client("batch").describe_job_definitions()["jobDefinitions"]
    found = {function["FunctionName"]: function["Role"] for function in functions}
    alone = [job for job in jobs if "containerProperties" in job]  # moto does not describe jobs of several nodes
    found |= {job["jobDefinitionName"]: job["containerProperties"]["jobRoleArn"] for job in alone}
    return {name[-LONGEST_APPLICATION:]: role for name, role in found.items()}


def permission(action: str) -> str:
    service, _, name = action.partition(":")
    plain = f"{PREFIXES.get(service, service)}:{name}"
    return PERMISSIONS.get(plain, plain)


def allows(statement: dict[str, Any], action: str, resource: str) -> bool:
    """A call whose resource was not recorded (`*`) is held to its action alone."""
    if statement["Effect"] != "Allow" or action not in listed(statement["Action"]):
        return False
    return resource == "*" or any(fnmatch.fnmatchcase(resource, known) for known in listed(statement["Resource"]))


def refused(calls: list[dict[str, str]], statements: dict[str, list[dict[str, Any]]]) -> list[dict[str, str]]:
    return [
        call
        for call in calls
        if not any(allows(known, permission(call["action"]), call["resource"]) for known in statements[call["caller"]])
    ]


def recorded_calls(loop: Loop) -> list[dict[str, str]]:
    return [json.loads(line) for line in (Path(loop.cloud.state_dir) / FILE).read_text().splitlines()]


def test_every_recorded_call_is_allowed_by_the_callers_own_role(loop: Loop, first_run: Run) -> None:
    calls, by_name = recorded_calls(loop), roles(loop)
    statements = {caller: statements_of(loop, by_name[caller]) for caller in {call["caller"] for call in calls}}
    assert len(statements) > 10, "functions and jobs no longer say who they are"
    services = {call["action"].partition(":")[0] for call in calls if call["resource"] != "*"}
    assert services >= {"dynamodb", "s3"}, "calls are recorded without what they are about"
    assert refused(calls, statements) == []


def test_call_without_its_permission_is_found() -> None:
    call = {"caller": "f", "action": "dynamodb:PutItem", "resource": "arn:aws:dynamodb:r:1:table/runs"}
    reads = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}
    elsewhere = {"Effect": "Allow", "Action": ["dynamodb:PutItem"], "Resource": "arn:aws:dynamodb:r:1:table/jobs"}
    assert refused([call], {"f": [reads, elsewhere]}) == [call]
    assert refused([call], {"f": [reads | {"Action": "dynamodb:PutItem"}]}) == []
