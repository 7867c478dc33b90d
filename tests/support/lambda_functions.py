"""Lambda functions made of a few lines of source, and the roles and zips that making one takes."""

import io
import json
import time
import zipfile
from textwrap import dedent
from typing import Any

from botocore.exceptions import ClientError

from infra.local_cloud.cloud import Cloud

RUNTIME = "python3.11"


def zipped(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, dedent(text))
    return packed.getvalue()


def role(cloud: Cloud) -> str:
    """ARN of a role that a function may have."""
    iam = cloud.client("iam")
    try:
        created = iam.create_role(RoleName="functions", AssumeRolePolicyDocument="{}")
    except ClientError as error:
        if error.response["Error"]["Code"] != "EntityAlreadyExists":
            raise
        created = iam.get_role(RoleName="functions")
    arn: str = created["Role"]["Arn"]
    return arn


def create(cloud: Cloud, source: str, **settings: Any) -> str:
    """A function with this source as its `main.py`; answers its name."""
    name = settings.pop("FunctionName", f"function-{time.time_ns()}")
    defaults = {"Runtime": RUNTIME, "Handler": "main.handler", "Role": role(cloud), "Timeout": 20}
    code = {"ZipFile": zipped({"main.py": source})}
    cloud.client("lambda").create_function(FunctionName=name, Code=code, **(defaults | settings))
    return str(name)


def invoke(cloud: Cloud, function: str, event: Any = None, **settings: Any) -> Any:
    """What the function answers. Fails where it failed."""
    answer = invoke_raw(cloud, function, event, **settings)
    payload = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, payload
    return payload


def failure(cloud: Cloud, function: str, event: Any = None) -> dict[str, Any]:
    """How the function failed."""
    answer = invoke_raw(cloud, function, event)
    assert answer["FunctionError"] == "Unhandled"
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    return found


def invoke_raw(cloud: Cloud, function: str, event: Any = None, **settings: Any) -> Any:
    return cloud.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event), **settings)
