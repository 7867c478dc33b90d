"""CloudFormation's spelling of a request -> the API's own.

Templates say `"Timeout": "30"` and `JobDefinitionName`, the APIs want `30` and `jobDefinitionName`. botocore knows the
shape of every request, so one walk along it does for all services.
"""

import json
from typing import Any

from infra.local_cloud.cloud import Cloud


def call(cloud: Cloud, service: str, operation: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Call an operation, named as boto3 names it, with properties in CloudFormation's spelling. Properties that the
    operation does not know are left out."""
    client = cloud.client(service)
    name = client.meta.method_to_api_mapping[operation]
    shape = client.meta.service_model.operation_model(name).input_shape
    answer: dict[str, Any] = getattr(client, operation)(**(coerced(shape, properties) if shape else {}))
    return answer


def coerced(shape: Any, value: Any) -> Any:
    """The value as a botocore shape wants it."""
    match shape.type_name:
        case "structure":
            return _structure(shape, value)
        case "list":
            entries = (
                [{"Key": key, "Value": entry} for key, entry in value.items()] if isinstance(value, dict) else value
            )
            return [coerced(shape.member, entry) for entry in entries]
        case "map":
            entries = {entry["Key"]: entry["Value"] for entry in value} if isinstance(value, list) else value
            return {key: coerced(shape.value, entry) for key, entry in entries.items()}
        case "integer" | "long":
            return int(float(value))
        case "float" | "double":
            return float(value)
        case "boolean":
            return value if isinstance(value, bool) else str(value).lower() == "true"
        case "string":
            return _text(value)
        case _:
            return value


def _structure(shape: Any, value: dict[str, Any]) -> dict[str, Any]:
    given = {name.lower(): entry for name, entry in value.items() if entry is not None}
    return {
        name: coerced(member, given[name.lower()]) for name, member in shape.members.items() if name.lower() in given
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, dict | list) else str(value)
