"""AWS Batch: jobs run their real command as processes, with queues, retries, timeouts, dependencies, arrays and nodes.

moto keeps compute environments, queues and job definitions; the life of a job is here.
"""

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.batch import models, responses
from moto.batch.exceptions import ClientException
from moto.batch.utils import JobStatus

from infra.local_cloud import containers, events, trail
from infra.local_cloud.capacity import Capacity, Need
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.log_streams import LogStream
from infra.local_cloud.node_ports import NodePorts
from infra.local_cloud.patching import replace
from infra.local_cloud.retry_strategy import FailedAttempt, is_retried
from tunesmith.contracts.nodes import FIRST_PORT, FIRST_PORT_NAME

EXITED = "Essential container in task exited"
TIMED_OUT = "Job attempt duration exceeded timeout"
HOST_GONE = re.compile(r"Host EC2 \(instance i-\w+\) terminated\.")
QUEUED = (JobStatus.SUBMITTED, JobStatus.PENDING, JobStatus.RUNNABLE)
ENDED = (JobStatus.SUCCEEDED, JobStatus.FAILED)
POLL_SECONDS = 0.05
ARRAY_SIZES = range(2, 10_001)
OLD_FIELDS = {"VCPU": "vcpus", "MEMORY": "memory"}
"""By which a definition may name what `resourceRequirements` does."""


@dataclass(frozen=True)
class Submission:
    """What SubmitJob asked for and moto's Job does not keep."""

    retry_strategy: Mapping[str, Any]
    share_identifier: str | None = None
    index: int | None = None
    """Of an array's child."""
    parent_id: str | None = None


@dataclass(frozen=True)
class Compute:
    """Where jobs run."""

    cloud: Cloud
    capacity: Capacity
    node_ports: NodePorts = field(default_factory=NodePorts)


@dataclass
class Stop:
    """A request to end a job: by a person, or because its host goes away."""

    requested: threading.Event = field(default_factory=threading.Event)
    reason: str = ""

    @property
    def is_host_gone(self) -> bool:
        return HOST_GONE.match(self.reason) is not None

    def ask(self, reason: str) -> None:
        if not self.requested.is_set():
            self.reason = reason
            self.requested.set()

    def forget(self) -> None:
        self.reason = ""
        self.requested.clear()


class LocalJob(models.Job):
    """One job, or one child of an array; its thread takes it from SUBMITTED to its end."""

    status = JobStatus.SUBMITTED  # instead of moto's property, which moves on by itself

    def __init__(self, compute: Compute, submission: Submission, **options: Any) -> None:
        super().__init__(**options)
        self.compute, self.submission = compute, submission
        self.stopping = Stop()
        if submission.parent_id:
            self.job_queue.jobs.remove(self)  # ListJobs of a queue shows the array, not its children

    # -- what it is told to run ------------------------------------------------------------------------------------

    @property
    def container(self) -> dict[str, Any]:
        return self.job_definition.container_properties or {}

    @property
    def retry_strategy(self) -> Mapping[str, Any]:
        return self.submission.retry_strategy or self.job_definition.retry_strategy or {}

    def command(self) -> list[str]:
        """Of SubmitJob or of the definition, with `Ref::name` replaced by the parameters."""
        return self._filled(self.container_overrides.get("command") or self.container.get("command") or [])

    def _filled(self, command: list[str]) -> list[str]:
        filled = [re.sub(r"Ref::([\w-]+)", lambda ref: str(self.parameters.get(ref[1], ref[0])), c) for c in command]
        return containers.local_argv(self.compute.cloud, filled, self.container.get("image", ""))

    def environment(self, attempt: int) -> dict[str, str]:
        given = [*self.container.get("environment", ()), *self.container_overrides.get("environment", ())]
        own = {
            "AWS_BATCH_JOB_ID": self.job_id,
            "AWS_BATCH_JOB_ATTEMPT": str(attempt),
            "AWS_BATCH_JQ_NAME": self.job_queue.name,
            "AWS_BATCH_CE_NAME": "local",
            **trail.application(self.job_definition.name),
        }
        if self.submission.index is not None:
            own["AWS_BATCH_JOB_ARRAY_INDEX"] = str(self.submission.index)
        return {pair["name"]: str(pair["value"]) for pair in given} | own

    def need(self) -> Need:
        """vCPUs and GPUs; no machine of a size is chosen here, so memory is recorded alone."""
        asked = self._asked()
        return Need(float(asked.get("VCPU", 1)), int(asked.get("GPU", 0)))

    def _asked(self) -> dict[str, Any]:
        """Amounts by type, in the overrides, the definition or its old-fashioned fields."""
        asked = {type: self.container[field] for type, field in OLD_FIELDS.items() if field in self.container}
        for holder in (self.container, self.container_overrides):
            asked |= {need["type"]: need["value"] for need in holder.get("resourceRequirements", ())}
        return asked

    def log_stream(self) -> LogStream:
        """A new one per attempt, named as the awslogs driver names it."""
        options = (self.container.get("logConfiguration") or {}).get("options") or {}
        prefix = options.get("awslogs-stream-prefix", self.job_definition.name)
        group = options.get("awslogs-group", "/aws/batch/job")
        return LogStream(self.compute.cloud, group, f"{prefix}/default/{uuid.uuid4().hex}")

    # -- its life --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """From SUBMITTED to SUCCEEDED or FAILED; whatever goes wrong here is the job's failure and shows in it."""
        self.enter(JobStatus.SUBMITTED)
        try:
            self._run()
        except Exception as error:
            self.end(JobStatus.FAILED, f"CannotStartContainerError: {error}")

    def _run(self) -> None:
        if not self._dependencies_succeeded():
            return
        while self.status not in ENDED:
            self.enter(JobStatus.RUNNABLE)
            need, stop = self.need(), self.stopping.requested
            with self.compute.capacity.reserved(self.job_queue.name, need, stop) as granted:
                if granted:
                    self._attempt()
                else:
                    self.end(JobStatus.FAILED, self.stopping.reason)

    def _dependencies_succeeded(self) -> bool:
        awaited = self._awaited_jobs()
        if awaited:
            self.enter(JobStatus.PENDING)
        while any(job.status != JobStatus.SUCCEEDED for job in awaited):
            if self.stopping.requested.wait(POLL_SECONDS):
                self.end(JobStatus.FAILED, self.stopping.reason)
                return False
            if any(job.status == JobStatus.FAILED for job in awaited):
                self.end(JobStatus.FAILED, "Dependent Job failed")
                return False
        return True

    def _awaited_jobs(self) -> list[models.Job]:
        ids = [self._awaited_id(dependency) for dependency in self.depends_on or ()]
        return [self.all_jobs[job_id] for job_id in ids if job_id]

    def _awaited_id(self, dependency: Mapping[str, str]) -> str | None:
        index, kind = self.submission.index, dependency.get("type")
        if kind == "SEQUENTIAL":
            return f"{self.submission.parent_id}:{index - 1}" if index else None
        if kind == "N_TO_N" and index is not None:
            return f"{dependency['jobId']}:{index}"
        return dependency["jobId"]

    def _attempt(self) -> None:
        self.enter(JobStatus.STARTING)
        attempt, log = len(self.attempts) + 1, self.log_stream()
        self.log_stream_name = log.name
        self.job_started_at = models.datetime.now()
        self.enter(JobStatus.RUNNING)
        started = _milliseconds()
        self._conclude(self._run_containers(attempt, log), log, started)

    def _run_containers(self, attempt: int, log: LogStream) -> containers.Ending:
        cloud = self.compute.cloud
        limits = containers.Limits(self.stopping.requested, self._get_attempt_duration(), cloud.job_stop_seconds)
        return containers.run(cloud, self.command(), self.environment(attempt), log.write, limits)

    def _conclude(self, ending: containers.Ending, log: LogStream, started: int) -> None:
        failed = self._failure(ending)
        self.exit_code = failed.exit_code if failed else 0
        self.attempts.append(_attempt_details(self, log, started, failed))
        if failed is None:
            self.end(JobStatus.SUCCEEDED, EXITED)
        elif self._is_final(ending, failed):
            self.end(JobStatus.FAILED, failed.status_reason)
        else:
            self.stopping.forget()

    def _failure(self, ending: containers.Ending) -> FailedAttempt | None:
        if ending.stopped and self.stopping.is_host_gone:
            return FailedAttempt(self.stopping.reason)
        if ending.stopped:
            return FailedAttempt(self.stopping.reason, ending.exit_code)
        if ending.timed_out:
            return FailedAttempt(TIMED_OUT, ending.exit_code)
        return FailedAttempt(EXITED, ending.exit_code) if ending.exit_code else None

    def _is_final(self, ending: containers.Ending, failed: FailedAttempt) -> bool:
        """Batch never retries what a person terminated, nor what timed out."""
        if ending.timed_out or (ending.stopped and not self.stopping.is_host_gone):
            return True
        return not is_retried(self.retry_strategy, len(self.attempts), failed)

    def enter(self, status: JobStatus) -> None:
        self.status = status
        events.publish(self.compute.cloud, "aws.batch", "Batch Job State Change", self.describe(), [self.arn])

    def end(self, status: JobStatus, reason: str) -> None:
        self.job_stopped_at, self.job_stopped_reason = models.datetime.now(), reason
        self.job_stopped = True
        self.enter(status)

    def terminate(self, reason: str) -> None:
        self.stopping.ask(reason)

    # -- what is said about it -------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        described = super().describe()
        if "container" in described:
            described["container"] |= self._container_outcome()
        if self.submission.index is not None:
            described["arrayProperties"] = {"index": self.submission.index}
        described["retryStrategy"] = {"attempts": 1, "evaluateOnExit": []} | dict(self.retry_strategy)
        if self.submission.share_identifier:
            described["shareIdentifier"] = self.submission.share_identifier
        return described | {"status": JobStatus(self.status).value, "attempts": list(self.attempts)}

    def _container_outcome(self) -> dict[str, Any]:
        details = {
            "image": self.container.get("image", ""),
            "environment": self._described_environment(),
            "resourceRequirements": [{"type": kind, "value": str(value)} for kind, value in self._asked().items()],
        }
        if self.exit_code is not None and self.attempts:
            details["exitCode"] = self.exit_code
        return details

    def _described_environment(self) -> list[dict[str, str]]:
        return [{"name": k, "value": v} for k, v in self.environment(max(1, len(self.attempts))).items()]

    def _get_container_property(self, p: str, default: Any) -> Any:
        if p == "environment":
            return []  # moto's own appends to the overrides each time it is asked
        return super()._get_container_property(p, default)


class ArrayJob(LocalJob):
    """The parent of an array: runs nothing, and ends when its children have."""

    def _run(self) -> None:
        children: list[LocalJob] = self._child_jobs or []
        self.enter(JobStatus.PENDING)
        while any(child.status not in ENDED for child in children):
            if self.stopping.requested.wait(POLL_SECONDS):
                for child in children:
                    child.terminate(self.stopping.reason)
                time.sleep(POLL_SECONDS)
        if all(child.status == JobStatus.SUCCEEDED for child in children):
            self.end(JobStatus.SUCCEEDED, "Array Child Job succeeded")
        else:
            self.end(JobStatus.FAILED, self.stopping.reason or "Array Child Job failed")


class MultiNodeJob(LocalJob):
    """One process per node, all on this machine. How the main node ends is how the job ends; the others end with it."""

    def __init__(self, compute: Compute, submission: Submission, node_overrides: Mapping[str, Any], **options: Any):
        properties = options["job_def"].node_properties
        self.nodes = int(node_overrides.get("numNodes") or properties["numNodes"])
        self.main, self._ranges = int(properties["mainNode"]), properties["nodeRangeProperties"]
        self._first_port = FIRST_PORT
        self._overrides = node_overrides.get("nodePropertyOverrides") or []
        if not 0 <= self.main < self.nodes:
            raise ClientException(f"numNodes {self.nodes}: there is no main node {self.main}")
        super().__init__(compute, submission, **options)
        self.container_overrides = self._of(self._overrides, self.main, "containerOverrides")

    @property
    def container(self) -> dict[str, Any]:
        """Of the main node."""
        return self._of(self._ranges, self.main, "container")

    def need(self) -> Need:
        each = super().need()
        return Need(each.vcpus * self.nodes, each.gpus * self.nodes)

    def environment(self, attempt: int) -> dict[str, str]:
        return super().environment(attempt) | self._place(self.main)

    def describe(self) -> dict[str, Any]:
        described = super().describe()
        described["nodeProperties"] = self.job_definition.node_properties | {"numNodes": self.nodes}
        return described

    def _run_containers(self, attempt: int, log: LogStream) -> containers.Ending:
        with self.compute.node_ports.lent(self.nodes) as self._first_port:
            return self._run_nodes(attempt, log)

    def _run_nodes(self, attempt: int, log: LogStream) -> containers.Ending:
        main_ended = threading.Event()
        others = [
            threading.Thread(target=self._run_node, args=(index, attempt, main_ended), daemon=True)
            for index in range(self.nodes)
            if index != self.main
        ]
        for other in others:
            other.start()
        try:
            return super()._run_containers(attempt, log)
        finally:
            main_ended.set()
            for other in others:
                other.join()

    def _run_node(self, index: int, attempt: int, main_ended: threading.Event) -> None:
        cloud, container = self.compute.cloud, self._of(self._ranges, index, "container")
        overrides = self._of(self._overrides, index, "containerOverrides")
        given = [*container.get("environment", ()), *overrides.get("environment", ())]
        environment = super().environment(attempt) | {pair["name"]: str(pair["value"]) for pair in given}
        command = self._filled(overrides.get("command") or container.get("command") or [])
        limits = containers.Limits(main_ended, None, cloud.job_stop_seconds)
        containers.run(cloud, command, environment | self._place(index), self.log_stream().write, limits)

    def _place(self, index: int) -> dict[str, str]:
        """What Batch tells a node; the main one is not told its own address."""
        told = {
            "AWS_BATCH_JOB_ID": f"{self.job_id}#{index}",
            "AWS_BATCH_JOB_NUM_NODES": str(self.nodes),
            "AWS_BATCH_JOB_NODE_INDEX": str(index),
            "AWS_BATCH_JOB_MAIN_NODE_INDEX": str(self.main),
            FIRST_PORT_NAME: str(self._first_port),
        }
        return told if index == self.main else told | {"AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS": "127.0.0.1"}

    def _of(self, ranges: list[dict[str, Any]], index: int, what: str) -> dict[str, Any]:
        """What the last range that has the node says."""
        found: dict[str, Any] = {}
        for nodes in ranges:
            start, colon, end = nodes["targetNodes"].partition(":")
            last = int(end or self.nodes - 1) if colon else int(start)
            if int(start or 0) <= index <= last:
                found = nodes.get(what) or {}
        return found


def _attempt_details(job: LocalJob, log: LogStream, started: int, failed: FailedAttempt | None) -> dict[str, Any]:
    ecs = f"arn:aws:ecs:{job.compute.cloud.region}:{job.compute.cloud.account}"
    container: dict[str, Any] = {
        "containerInstanceArn": f"{ecs}:container-instance/local",
        "taskArn": f"{ecs}:task/local/{log.name[-32:]}",
        "logStreamName": log.name,
        "networkInterfaces": [],
    }
    exit_code = failed.exit_code if failed else 0
    if exit_code is not None:
        container["exitCode"] = exit_code
    reason = failed.status_reason if failed else EXITED
    return {"container": container, "startedAt": started, "stoppedAt": _milliseconds(), "statusReason": reason}


def _milliseconds() -> int:
    return int(time.time() * 1000)


def install(cloud: Cloud) -> None:
    compute = Compute(cloud, Capacity(cloud.vcpus, cloud.gpus))
    replace(cloud, responses.BatchResponse, "submitjob", lambda response: json.dumps(_submit(response, compute)))
    replace(cloud, models.BatchBackend, "cancel_job", _cancel)


def _cancel(backend: models.BatchBackend, job_id: str, reason: str) -> None:
    """Ends a job that has not started; one that has is left alone."""
    if not reason:
        raise ClientException("reason is required, and may not be empty.")
    job = backend.get_job_by_id(job_id)
    if job is not None and job.status in QUEUED:
        job.terminate(reason)


def _submit(response: responses.BatchResponse, compute: Compute) -> dict[str, str]:
    """SubmitJob."""
    asked: Callable[..., Any] = response._get_param
    backend = response.batch_backend
    options = _job_options(asked, backend)
    submission = Submission(asked("retryStrategy") or {}, asked("shareIdentifier"))
    size = (asked("arrayProperties") or {}).get("size")
    overrides = asked("nodeOverrides")
    multinode = options["job_def"].type == "multinode"
    if overrides and not multinode:
        raise ClientException("nodeOverrides are for multi-node parallel jobs: the job definition is not one")
    if multinode and (size is not None or options["container_overrides"]):
        raise ClientException("multi-node parallel jobs take nodeOverrides, not containerOverrides, and are no arrays")
    if multinode:
        job = MultiNodeJob(compute, submission, overrides or {}, **options, array_properties={})
        backend._jobs[job.job_id] = job
        job.start()
    elif size is None:
        job = LocalJob(compute, submission, **options, array_properties={})
        backend._jobs[job.job_id] = job
        job.start()
    else:
        job = _submit_array(backend, compute, submission, options, int(size))
    return {"jobId": job.job_id, "jobName": job.job_name, "jobArn": job.arn}


def _job_options(asked: Callable[..., Any], backend: models.BatchBackend) -> dict[str, Any]:
    name, queue = asked("jobName"), backend.get_job_queue(asked("jobQueue"))
    definition = backend.get_job_definition(asked("jobDefinition"))
    if not name or models.JOB_NAME_REGEX.match(name) is None:
        raise ClientException("Job name should match valid pattern")
    if definition is None:
        raise ClientException(f"Job definition {asked('jobDefinition')} does not exist")
    if queue is None:
        raise ClientException(f"Job queue {asked('jobQueue')} does not exist")
    if queue.state != "ENABLED":
        raise ClientException(f"Job queue {queue.name} is not enabled")
    depends_on = asked("dependsOn") or []
    _refuse_unknown(depends_on, backend)
    return {
        "name": name,
        "job_def": definition,
        "job_queue": queue,
        "backend": backend,
        "log_backend": backend.logs_backend,
        "container_overrides": asked("containerOverrides"),
        "eks_properties_override": None,
        "depends_on": depends_on,
        "all_jobs": backend._jobs,
        "timeout": asked("timeout"),
        "parameters": asked("parameters"),
        "tags": asked("tags"),
    }


def _refuse_unknown(depends_on: list[dict[str, str]], backend: models.BatchBackend) -> None:
    for dependency in depends_on:
        job_id = dependency.get("jobId")
        if job_id and job_id not in backend._jobs:
            raise ClientException(f"Job {job_id} in dependsOn does not exist")


def _submit_array(
    backend: models.BatchBackend, compute: Compute, submission: Submission, options: dict[str, Any], size: int
) -> LocalJob:
    if size not in ARRAY_SIZES:
        raise ClientException(f"Array size {size} must be between {ARRAY_SIZES[0]} and {ARRAY_SIZES[-1]}")
    parent = ArrayJob(compute, submission, **options, array_properties={"size": size})
    children = [_child(parent, compute, submission, options, index) for index in range(size)]
    parent._child_jobs = list(children)
    backend._jobs |= {job.job_id: job for job in (parent, *children)}
    for job in (parent, *children):
        job.start()
    return parent


def _child(parent: LocalJob, compute: Compute, submission: Submission, options: dict[str, Any], index: int) -> LocalJob:
    own = Submission(submission.retry_strategy, submission.share_identifier, index, parent.job_id)
    named = {"provided_job_id": f"{parent.job_id}:{index}", "array_properties": {"index": index}}
    return LocalJob(compute, own, **options, **named)
