"""What an endpoint is asked to serve, under which names, watched by which alarms; and whether it does serve that.

A configuration is named by the digest of what it serves, so asking twice for the same thing finds it there.
"""

from dataclasses import dataclass

from tunesmith.contracts.base import Digest
from tunesmith.contracts.deployments import (
    Deployment,
    DeploymentRequest,
    DeploymentStatus,
    RollbackAlarm,
    ServedModel,
    endpoint_name,
    quality_alarm_name,
    rollback_alarm_name,
)
from tunesmith.contracts.identity import digest
from tunesmith.contracts.metrics import NAMESPACE, Dimension, MetricName
from tunesmith.contracts.models import Alias, ApprovalStatus, ModelVersion
from tunesmith.contracts.runs import RunRequest

VARIANT = "main"
SAGEMAKER_NAMESPACE = "AWS/SageMaker"
MICROSECONDS = 1_000_000
SLOW_ANSWER_SECONDS = 30
FAILED_ANSWERS_PER_MINUTE = 5
NAME_LIMIT = 63

DELETING = "Deleting"
CHANGING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", DELETING})
SERVING = "InService"
BROKEN = "Failed"


@dataclass(frozen=True, slots=True)
class MetricAlarm:
    """A CloudWatch alarm: `statistic` of the metric over each period, compared with `>` (or `>=`) to the threshold."""

    name: str
    description: str
    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str
    threshold: float
    period_seconds: int
    evaluation_periods: int = 1
    or_equal: bool = False


@dataclass(frozen=True, slots=True)
class Serving:
    """All that SageMaker is told about an endpoint, but for the role and the topic of the alarms."""

    request: DeploymentRequest
    image: str
    endpoint: str
    configuration: str
    """Name of the SageMaker Model and of the EndpointConfig."""

    @property
    def model_digest(self) -> Digest:
        return (self.request.adapter or self.request.base).digest

    def asked(self) -> Deployment:
        return Deployment(
            endpoint=self.endpoint,
            endpoint_config=self.configuration,
            model_digest=self.model_digest,
            status=DeploymentStatus.CREATING,
        )


@dataclass(frozen=True, slots=True)
class EndpointState:
    """What SageMaker says of an endpoint."""

    status: str
    configuration: str
    """Of the fleet that answers; it stays the old one until a change has succeeded."""
    pending_configuration: str | None = None
    failure_reason: str = ""

    @property
    def target(self) -> str:
        """The configuration that the endpoint has, or is on its way to."""
        return self.pending_configuration or self.configuration


def deployment_request(run: RunRequest, version: ModelVersion) -> DeploymentRequest:
    """Serve this version on the machines, and under the watch, that the run's recipe asks for."""
    return DeploymentRequest(
        run_id=run.run_id,
        project=version.project,
        model=version.model,
        version=version.version,
        base=version.base,
        adapter=version.adapter,
        serve=run.recipe.serve,
        monitor=run.recipe.monitor,
    )


def serving(request: DeploymentRequest, image: str) -> Serving:
    endpoint = endpoint_name(request.project, request.model)
    facts = request.model_dump(mode="json", include={"base", "adapter", "serve"}) | {"image": image}
    suffix = digest(facts)[:12]
    configuration = f"{endpoint[: NAME_LIMIT - len(suffix) - 1].rstrip('-')}-{suffix}"
    return Serving(request, image, endpoint, configuration)


def rollback_alarms(endpoint: str) -> list[MetricAlarm]:
    """The alarms that take a deployment back by themselves; made before the endpoint, and only then is it made."""
    watched: dict[RollbackAlarm, tuple[str, str, float, str]] = {
        RollbackAlarm.ERRORS: (
            "Invocation5XXErrors",
            "Sum",
            FAILED_ANSWERS_PER_MINUTE,
            "the endpoint fails to answer",
        ),
        RollbackAlarm.LATENCY: (
            "ModelLatency",
            "Average",
            SLOW_ANSWER_SECONDS * MICROSECONDS,
            f"answers take more than {SLOW_ANSWER_SECONDS} seconds",
        ),
        RollbackAlarm.INVOCATION_FAILURES: (
            "InvocationModelErrors",
            "Sum",
            FAILED_ANSWERS_PER_MINUTE,
            "the model's container refuses or fails requests",
        ),
    }
    return [
        MetricAlarm(
            name=rollback_alarm_name(endpoint, alarm),
            description=f"Rolls a deployment to {endpoint} back: {reason}.",
            namespace=SAGEMAKER_NAMESPACE,
            metric=metric,
            dimensions=(("EndpointName", endpoint), ("VariantName", VARIANT)),
            statistic=statistic,
            threshold=threshold,
            period_seconds=60,
            or_equal=statistic == "Sum",
        )
        for alarm, (metric, statistic, threshold, reason) in watched.items()
    ]


def quality_alarm(request: DeploymentRequest) -> MetricAlarm:
    """Fires when too much of the feedback is negative; EventBridge carries its state to `decide_retrain`."""
    return MetricAlarm(
        name=quality_alarm_name(request.project, request.model),
        description=f"Too much negative feedback on {request.project}/{request.model}: asks for a retraining.",
        namespace=NAMESPACE,
        metric=MetricName.NEGATIVE_FEEDBACK,
        dimensions=((Dimension.PROJECT.value, request.project), (Dimension.MODEL.value, request.model)),
        statistic="Average",
        threshold=request.monitor.negative_feedback_threshold,
        period_seconds=request.monitor.period_seconds,
        evaluation_periods=request.monitor.evaluation_periods,
    )


def progress(asked: Deployment, found: EndpointState | None, configuration_in_charge: str | None) -> Deployment:
    """How far the endpoint has come with what was asked of it; IN_SERVICE says no more than that it should be asked."""
    if configuration_in_charge != asked.endpoint_config:
        return failed(asked, f"asked for {configuration_in_charge} meanwhile, not for {asked.endpoint_config}")
    if found is None:
        return failed(asked, "there is no such endpoint")
    if found.status in CHANGING:
        return asked.model_copy(update={"status": DeploymentStatus.CREATING, "reason": found.status})
    if found.status != SERVING:
        return failed(asked, f"SageMaker says {found.status}: {found.failure_reason or 'no reason given'}")
    if found.configuration != asked.endpoint_config:
        return failed(
            asked,
            f"it serves configuration {found.configuration} instead of {asked.endpoint_config}: "
            f"SageMaker rolled the change back ({found.failure_reason or 'no reason given'})",
        )
    return asked.model_copy(update={"status": DeploymentStatus.IN_SERVICE, "reason": ""})


def verified(asked: Deployment, served: ServedModel) -> Deployment:
    """Whether the model that answers is the one that was asked for."""
    if served.model_digest != asked.model_digest:
        return failed(asked, f"it serves model {served.model_digest}, not {asked.model_digest}")
    return asked.model_copy(update={"status": DeploymentStatus.VERIFIED, "reason": ""})


def failed(asked: Deployment, reason: str) -> Deployment:
    return asked.model_copy(
        update={"status": DeploymentStatus.FAILED, "reason": f"endpoint {asked.endpoint}: {reason}"}
    )


def serving_problem(version: ModelVersion, champion: Alias | None) -> str | None:
    """Why this version must not be served; None where it may. Its approval counts only against the champion that it was
    evaluated against."""
    name = _name(version)
    if version.status is not ApprovalStatus.APPROVED:
        return f"{name} is {version.status} in the registry, not {ApprovalStatus.APPROVED}"
    current = champion.adapter_digest if champion else None
    if current not in (version.compared_with, version.adapter.digest):
        return (
            f"{name} was evaluated against the champion {version.compared_with}, and the champion is now {current}: "
            "retry the run, and it is evaluated against that one"
        )
    return None


def promotion_problem(version: ModelVersion, deployment: Deployment) -> str | None:
    """Why this deployment does not show that the version is what serves; None where it does."""
    name = _name(version)
    if deployment.status is not DeploymentStatus.VERIFIED:
        return f"the deployment of {name} is {deployment.status}, not {DeploymentStatus.VERIFIED}"
    if deployment.model_digest != version.adapter.digest:
        return f"{deployment.endpoint} serves {deployment.model_digest}; {name} is {version.adapter.digest}"
    if deployment.endpoint != endpoint_name(version.project, version.model):
        return f"{deployment.endpoint} is not the endpoint of {version.project}/{version.model}"
    return None


def restored(run: RunRequest, champion: ModelVersion, last_verified: DeploymentRequest | None) -> DeploymentRequest:
    """The champion as it was served when it was last verified: the run's own recipe may be what failed."""
    if last_verified is not None and last_verified.adapter == champion.adapter:
        return last_verified.model_copy(update={"run_id": run.run_id})
    return deployment_request(run, champion)


def promotion_reason(run_id: str, before: Alias | None) -> str:
    return f"{run_id} was verified in production" + (f", after version {before.version}" if before else "")


def _name(version: ModelVersion) -> str:
    return f"version {version.version} of {version.project}/{version.model}"
