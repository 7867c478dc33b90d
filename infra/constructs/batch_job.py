"""The one way to make a Batch job: `batch_jobs/<name>/` as a container whose one argument is the URI of its params."""

from dataclasses import dataclass

from aws_cdk import Duration, Size
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs import grants
from infra.constructs.job_image import JobImage
from tunesmith.contracts.environment import JobEnv
from tunesmith.contracts.jobs import JobName

ATTEMPTS = 3
RETRY_ONLY_RECLAIMED_MACHINES = [
    batch.RetryStrategy.of(batch.Action.RETRY, batch.Reason.SPOT_INSTANCE_RECLAIMED),
    batch.RetryStrategy.of(batch.Action.EXIT, batch.Reason.custom(on_reason="*")),
]
"""The last rule matters: where no rule matches, Batch retries, and a poisoned job would burn all its attempts."""

NODE_SHARED_MEMORY = Size.gibibytes(8)
"""Ray keeps what tasks hand each other in /dev/shm, of which a container has 64 MiB unless it asks."""


@dataclass(frozen=True)
class Machine:
    """A queue, and how much of one of its machines a job gets."""

    queue: batch.IJobQueue
    vcpus: int
    memory: Size
    gpus: int = 0
    instance_type: ec2.InstanceType | None = None
    """None: what Batch thinks fits, of the queue's classes."""


class BatchJob(Construct):
    """A job's image and role. `on(machine)` makes the definition that runs it there, `on_nodes(machine)` the one that
    runs it on so many such machines at once."""

    def __init__(
        self,
        scope: Construct,
        name: JobName,
        *,
        env: JobEnv,
        key: kms.IKey,
        log_group: logs.ILogGroup,
        execution_role: iam.IRole,
        timeout: Duration,
    ):
        super().__init__(scope, f"{name.title()}Job")
        self.job, self._env, self._log_group, self._timeout = name, env, log_group, timeout
        self._execution_role = execution_role
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
        self.image: ecr_assets.DockerImageAsset = JobImage(self, name)
        grants.use_key(self.role, key)

    def on(self, name: str, machine: Machine) -> batch.EcsJobDefinition:
        return batch.EcsJobDefinition(
            self,
            name,
            container=self._container(name, machine),
            retry_attempts=ATTEMPTS,
            retry_strategies=RETRY_ONLY_RECLAIMED_MACHINES,
            timeout=self._timeout,
            propagate_tags=True,
        )

    def on_nodes(self, name: str, machine: Machine, nodes: int) -> batch.MultiNodeJobDefinition:
        """Node 0 is the main one. SubmitJob could say how many there are, but of its parameters Step Functions passes
        on, as far as its guide lists them, none about nodes."""
        definition = batch.MultiNodeJobDefinition(
            self,
            name,
            main_node=0,
            instance_type=machine.instance_type,
            retry_attempts=ATTEMPTS,
            retry_strategies=RETRY_ONLY_RECLAIMED_MACHINES,
            timeout=self._timeout,
            propagate_tags=True,
        )
        container = self._container(name, machine, shared_memory=NODE_SHARED_MEMORY)
        definition.add_container(container=container, start_node=0, end_node=nodes - 1)
        return definition

    def _container(
        self, name: str, machine: Machine, shared_memory: Size | None = None
    ) -> batch.EcsEc2ContainerDefinition:
        return batch.EcsEc2ContainerDefinition(
            self,
            f"{name}Container",
            image=ecs.ContainerImage.from_docker_image_asset(self.image),
            command=["python", "-m", f"batch_jobs.{self.job}", "Ref::params_uri"],
            cpu=machine.vcpus,
            memory=machine.memory,
            gpu=machine.gpus or None,
            environment=self._env.variables(),
            job_role=self.role,
            execution_role=self._execution_role,
            logging=ecs.LogDriver.aws_logs(stream_prefix=self.job, log_group=self._log_group),
            linux_parameters=shared_memory
            and batch.LinuxParameters(self, f"{name}Memory", shared_memory_size=shared_memory),
        )
