"""API Gateway's usage plans: a project's requests are counted by a key that admits nobody, so it must exist."""

from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError

from tunesmith.contracts.keys import usage_key


@cache
def client() -> Any:
    """The process's one API Gateway client."""
    return boto3.client("apigateway")


def admit(project: str, plan_id: str) -> bool:
    """Make sure that the project's requests are counted: by the plan it has, else by this one. False where it
    had one."""
    key_id = _find(usage_key(project))
    if key_id is None:
        made = client().create_api_key(name=usage_key(project), value=usage_key(project), enabled=True)
        key_id = made["id"]
    elif client().get_usage_plans(keyId=key_id)["items"]:
        return False
    try:
        client().create_usage_plan_key(usagePlanId=plan_id, keyId=key_id, keyType="API_KEY")
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConflictException":
            raise
        return False
    return True


def _find(value: str) -> str | None:
    for page in client().get_paginator("get_api_keys").paginate(includeValues=True):
        for key in page["items"]:
            if key["value"] == value:
                return str(key["id"])
    return None
