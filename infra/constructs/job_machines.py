"""The machines that jobs run on: spot while there is any, on demand otherwise, none while nothing waits.

Several machines as one are on demand alone: multi-node jobs do not run on spot, nor on Fargate.
"""

from enum import StrEnum

from aws_cdk import Size
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.constructs.job_network import JobNetwork
from tunesmith.contracts.machines import DISK_GIB

STOP_TIMEOUT_SECONDS = 120
"""Between SIGTERM and SIGKILL: the whole of the warning that a spot machine gets, for a checkpoint. ECS gives 30 s."""

DISK = Size.gibibytes(DISK_GIB)
CPU_CLASSES = [ec2.InstanceClass.M7I, ec2.InstanceClass.M6I, ec2.InstanceClass.M6A, ec2.InstanceClass.C6I]
NODE_TYPE = ec2.InstanceType("m7i.2xlarge")
"""8 vCPUs and 32 GiB: one node of a multi-node job takes the whole of one."""
GPU_CLASSES = [ec2.InstanceClass.G6, ec2.InstanceClass.G5]


class MachineKind(StrEnum):
    CPU = "Cpu"
    GPU = "Gpu"
    NODES = "Nodes"
    """Several machines as one."""


def spot_first_queue(scope: Construct, kind: MachineKind, *, network: JobNetwork, max_vcpus: int) -> batch.JobQueue:
    """A queue that fills spot machines first and falls back to on-demand ones."""
    parts = Construct(scope, kind)
    template, role = _launch_template(parts), _instance_role(parts)
    environments = [
        _environment(parts, name, kind, network=network, template=template, role=role, max_vcpus=max_vcpus, spot=spot)
        for name, spot in (("Spot", True), ("OnDemand", False))
    ]
    return batch.JobQueue(
        parts,
        "Queue",
        compute_environments=[
            batch.OrderedComputeEnvironment(order=order, compute_environment=environment)
            for order, environment in enumerate(environments, start=1)
        ],
    )


def nodes_queue(scope: Construct, *, network: JobNetwork, max_vcpus: int) -> batch.JobQueue:
    """A queue of machines of one type that speak with each other. They are in no placement group: what they hand each
    other goes through S3, and a group that has no room would fail the job."""
    parts = Construct(scope, MachineKind.NODES)
    environment = batch.ManagedEc2EcsComputeEnvironment(
        parts,
        "OnDemand",
        vpc=network.vpc,
        vpc_subnets=network.subnets,
        security_groups=[network.nodes_security_group],
        instance_types=[NODE_TYPE],
        use_optimal_instance_classes=False,
        images=[batch.EcsMachineImage(image_type=batch.EcsMachineImageType.ECS_AL2023)],
        launch_template=_launch_template(parts),
        instance_role=_instance_role(parts),
        minv_cpus=0,
        maxv_cpus=max_vcpus,
        spot=False,
        allocation_strategy=batch.AllocationStrategy.BEST_FIT_PROGRESSIVE,
        update_to_latest_image_version=True,
    )
    ordered = batch.OrderedComputeEnvironment(order=1, compute_environment=environment)
    return batch.JobQueue(parts, "Queue", compute_environments=[ordered])


def _environment(
    scope: Construct,
    name: str,
    kind: MachineKind,
    *,
    network: JobNetwork,
    template: ec2.LaunchTemplate,
    role: iam.Role,
    max_vcpus: int,
    spot: bool,
) -> batch.ManagedEc2EcsComputeEnvironment:
    gpu = kind is MachineKind.GPU
    image = batch.EcsMachineImageType.ECS_AL2023_NVIDIA if gpu else batch.EcsMachineImageType.ECS_AL2023
    strategies = batch.AllocationStrategy
    return batch.ManagedEc2EcsComputeEnvironment(
        scope,
        name,
        vpc=network.vpc,
        vpc_subnets=network.subnets,
        security_groups=[network.security_group],
        instance_classes=GPU_CLASSES if gpu else CPU_CLASSES,
        use_optimal_instance_classes=False,
        images=[batch.EcsMachineImage(image_type=image)],
        launch_template=template,
        instance_role=role,
        minv_cpus=0,
        maxv_cpus=max_vcpus,
        spot=spot,
        allocation_strategy=strategies.SPOT_PRICE_CAPACITY_OPTIMIZED if spot else strategies.BEST_FIT_PROGRESSIVE,
        update_to_latest_image_version=True,
    )


def _instance_role(scope: Construct) -> iam.Role:
    """Of the ECS agent. Jobs have roles of their own, and cannot reach this one."""
    return iam.Role(
        scope,
        "InstanceRole",
        assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
        managed_policies=[
            iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AmazonEC2ContainerServiceforEC2Role")
        ],
    )


def _launch_template(scope: Construct) -> ec2.LaunchTemplate:
    """IMDSv2 with one hop, so that no container reaches the machine's own credentials; an encrypted disk; and the time
    to stop, which Batch takes from the ECS agent."""
    return ec2.LaunchTemplate(
        scope,
        "Machine",
        require_imdsv2=True,
        http_put_response_hop_limit=1,
        user_data=_agent_settings(),
        block_devices=[
            ec2.BlockDevice(
                device_name="/dev/xvda",
                volume=ec2.BlockDeviceVolume.ebs(
                    DISK.to_gibibytes(), encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3
                ),
            )
        ],
    )


def _agent_settings() -> ec2.MultipartUserData:
    """Batch merges its own user data with ours, and asks for MIME parts."""
    commands = ec2.UserData.for_linux()
    commands.add_commands(
        f"echo ECS_CONTAINER_STOP_TIMEOUT={STOP_TIMEOUT_SECONDS}s >> /etc/ecs/ecs.config",
        "echo ECS_ENABLE_SPOT_INSTANCE_DRAINING=true >> /etc/ecs/ecs.config",
    )
    parts = ec2.MultipartUserData()
    parts.add_part(ec2.MultipartBody.from_user_data(commands))
    return parts
