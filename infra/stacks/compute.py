"""Compute: the network and the queues that jobs wait in. With nothing to do, no machine runs."""

from typing import Any

from aws_cdk import RemovalPolicy, Size, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config import Config
from infra.constructs.batch_job import Machine
from infra.constructs.job_machines import NODE_TYPE, MachineKind, nodes_queue, spot_first_queue
from infra.constructs.job_network import JobNetwork
from infra.constructs.retention import retention_days
from tunesmith.contracts.machines import NODE_MEMORY_MIB, NODE_VCPUS
from tunesmith.contracts.nodes import MOST_NODES


class ComputeStack(Stack):
    def __init__(self, scope: Construct, id: str, *, config: Config, key: kms.IKey, **kwargs: Any) -> None:
        super().__init__(scope, id, **kwargs)
        network = JobNetwork(self, config.network, key=key, log_retention=retention_days(config.log_retention_days))
        cpus = spot_first_queue(self, MachineKind.CPU, network=network, max_vcpus=config.max_vcpus)
        gpus = spot_first_queue(self, MachineKind.GPU, network=network, max_vcpus=config.max_vcpus)
        nodes = nodes_queue(self, network=network, max_vcpus=MOST_NODES * NODE_VCPUS)
        self.cpu = Machine(cpus, vcpus=8, memory=Size.gibibytes(28))
        self.gpu = Machine(gpus, vcpus=4, memory=Size.gibibytes(14), gpus=1)
        self.nodes = Machine(nodes, NODE_VCPUS, memory=Size.mebibytes(NODE_MEMORY_MIB), instance_type=NODE_TYPE)
        self.job_logs = logs.LogGroup(
            self,
            "JobLogs",
            retention=retention_days(config.log_retention_days),
            encryption_key=key,
            removal_policy=RemovalPolicy.DESTROY,
        )
