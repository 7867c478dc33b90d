"""A job queue and job definitions of AWS Batch, as small as the API allows."""

from collections.abc import Sequence
from typing import Any

from infra.local_cloud.cloud import Cloud

TRUST = '{"Version": "2012-10-17", "Statement": []}'


def create_queue(cloud: Cloud, name: str) -> str:
    role = cloud.client("iam").create_role(RoleName=f"{name}-role", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    batch = cloud.client("batch")
    environment = batch.create_compute_environment(
        computeEnvironmentName=f"{name}-env", type="UNMANAGED", state="ENABLED", serviceRole=role
    )
    order = [{"order": 1, "computeEnvironment": environment["computeEnvironmentArn"]}]
    made = batch.create_job_queue(jobQueueName=name, state="ENABLED", priority=1, computeEnvironmentOrder=order)
    return str(made["jobQueueArn"])


def define_job(cloud: Cloud, name: str, command: Sequence[str], **options: Any) -> str:
    container = {
        "image": "local:1",
        "command": list(command),
        "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}],
    }
    made = cloud.client("batch").register_job_definition(
        jobDefinitionName=name,
        type="container",
        containerProperties=container | options.pop("container", {}),
        **options,
    )
    return str(made["jobDefinitionArn"])


def define_nodes(cloud: Cloud, name: str, command: Sequence[str], **options: Any) -> str:
    """A multi-node definition of two nodes that both run the command."""
    container = {
        "image": "local:1",
        "command": list(command),
        "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}],
    }
    nodes = {
        "numNodes": 2,
        "mainNode": 0,
        "nodeRangeProperties": [{"targetNodes": "0:", "container": container}],
    }
    made = cloud.client("batch").register_job_definition(
        jobDefinitionName=name, type="multinode", nodeProperties=nodes, **options
    )
    return str(made["jobDefinitionArn"])
