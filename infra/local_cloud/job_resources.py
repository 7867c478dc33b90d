"""CloudFormation's Batch and Step Functions types."""

import json
from typing import Any

from botocore.exceptions import ClientError

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.resources import Made, Wanted, creates, updates

BATCH_ROLE = "AWSServiceRoleForBatch"


@creates("AWS::Batch::ComputeEnvironment", "ComputeEnvironmentName")
def compute_environment(wanted: Wanted) -> Made:
    role = wanted.properties.get("ServiceRole") or _batch_role(wanted.cloud)
    compute = dict(wanted.properties.get("ComputeResources") or {})
    if compute:
        compute.setdefault("InstanceRole", role)
    request = wanted.properties | {
        "ComputeEnvironmentName": wanted.name,
        "Type": str(wanted.properties["Type"]).upper(),
        "ServiceRole": role,
        "ComputeResources": compute,
    }
    arn = wanted.call("batch", "create_compute_environment", request)["computeEnvironmentArn"]
    return Made(arn, {"ComputeEnvironmentArn": arn})


def _batch_role(cloud: Cloud) -> str:
    """The role that AWS makes by itself for an account's first compute environment."""
    iam = cloud.client("iam")
    trust = {"Version": "2012-10-17", "Statement": []}
    try:
        role = iam.create_role(RoleName=BATCH_ROLE, AssumeRolePolicyDocument=json.dumps(trust))
    except ClientError as error:
        if error.response["Error"]["Code"] != "EntityAlreadyExists":
            raise
        role = iam.get_role(RoleName=BATCH_ROLE)
    arn: str = role["Role"]["Arn"]
    return arn


@creates("AWS::Batch::JobQueue", "JobQueueName")
def job_queue(wanted: Wanted) -> Made:
    request = {"State": "ENABLED"} | wanted.properties | {"JobQueueName": wanted.name}
    arn = wanted.call("batch", "create_job_queue", request)["jobQueueArn"]
    return Made(arn, {"JobQueueArn": arn})


@creates("AWS::Batch::JobDefinition", "JobDefinitionName")
def job_definition(wanted: Wanted) -> Made:
    """A change registers the next revision under the same name."""
    request = wanted.properties | {"JobDefinitionName": wanted.name}
    arn = wanted.call("batch", "register_job_definition", request)["jobDefinitionArn"]
    return Made(arn, {"JobDefinitionArn": arn})


@creates("AWS::StepFunctions::StateMachine", "StateMachineName")
def state_machine(wanted: Wanted) -> Made:
    request = wanted.properties | {
        "Name": wanted.name,
        "Definition": _definition(wanted.properties),
        "Type": wanted.properties.get("StateMachineType", "STANDARD"),
    }
    arn = wanted.call("stepfunctions", "create_state_machine", request)["stateMachineArn"]
    return Made(arn, {"Arn": arn, "Name": wanted.name})


@updates("AWS::StepFunctions::StateMachine")
def changed_state_machine(wanted: Wanted, made: Made) -> Made:
    request = {"StateMachineArn": made.id, "Definition": _definition(wanted.properties)}
    wanted.call("stepfunctions", "update_state_machine", request | {"RoleArn": wanted.properties["RoleArn"]})
    return made


def _definition(properties: dict[str, Any]) -> str:
    text: str = properties.get("DefinitionString") or json.dumps(properties["Definition"])
    for name, value in (properties.get("DefinitionSubstitutions") or {}).items():
        text = text.replace(f"${{{name}}}", str(value))
    return text
