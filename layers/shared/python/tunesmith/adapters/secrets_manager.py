"""Secrets Manager: read at the moment of use, never kept in an environment, a parameter or a log."""

import boto3
from botocore.exceptions import ClientError

from tunesmith.contracts.errors import InvalidInput, NotFound


def read_secret(name: str) -> bytes:
    """The secret's current value. Raises NotFound, or InvalidInput where it is empty."""
    try:
        found = boto3.client("secretsmanager").get_secret_value(SecretId=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        raise NotFound(f"no secret {name} in Secrets Manager: make it, or name another") from error
    value: bytes = found.get("SecretBinary") or found.get("SecretString", "").encode()
    if not value:
        raise InvalidInput(f"the secret {name} is empty")
    return value
