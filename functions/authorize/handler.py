"""REQUEST authorizer of API Gateway: a bearer key becomes a caller, or a 401.

The policy allows the whole stage, because API Gateway caches it by the Authorization header for every route of the
stage; each function checks scopes itself. `usageIdentifierKey` throttles by project, so it is derived from the project
(`contracts.keys.usage_key`) and never is the bearer's key, which API Gateway would have to know and would log.
"""

from functools import cache
from typing import Any

from tunesmith.adapters.keys import Keys
from tunesmith.contracts.environment import AuthorizeEnv
from tunesmith.contracts.keys import Caller, usage_key
from tunesmith.domain.keys import bearer_of, caller_of
from tunesmith.entry.observability import logger


@cache
def keys() -> Keys:
    return Keys(AuthorizeEnv.load().api_keys_table)


def authorize(event: dict[str, Any], context: object) -> dict[str, Any]:
    secret = bearer_of(_header(event, "authorization"))
    caller = caller_of(keys().find(secret)) if secret else None
    if caller is None:
        logger.info("refused a key", readable=secret is not None)
        raise Exception("Unauthorized")  # exactly this message is what API Gateway answers with a 401
    logger.info("admitted a key", project=caller.project, key_id=caller.key_id)
    return policy(caller, event["methodArn"])


def policy(caller: Caller, method_arn: str) -> dict[str, Any]:
    api, stage = method_arn.split("/")[:2]
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"{api}/{stage}/*"}
    return {
        "principalId": caller.key_id,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": caller.context(),
        "usageIdentifierKey": usage_key(caller.project),
    }


def _header(event: dict[str, Any], name: str) -> str | None:
    """Header names are as the client spelt them."""
    return next((value for key, value in (event.get("headers") or {}).items() if key.lower() == name), None)


lambda_handler = logger.inject_lambda_context(authorize)
