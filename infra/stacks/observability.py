"""Observability: an alarm wherever something could fail unseen, a dashboard, and where the parts are to be found."""

from collections.abc import Iterable
from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.constructs.dead_letters import DeadLetters
from infra.constructs.lean_function import LeanFunction
from infra.stacks.compute import ComputeStack
from infra.stacks.lifecycle import LifecycleStack
from infra.stacks.serving import ServingStack
from infra.stacks.storage import StorageStack
from tunesmith.contracts.metrics import NAMESPACE, MetricName
from tunesmith.contracts.platform import PLATFORM_PARAMETER, Platform

PERIOD = Duration.minutes(5)


class ObservabilityStack(Stack):
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        storage: StorageStack,
        compute: ComputeStack,
        serving: ServingStack,
        lifecycle: LifecycleStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, id, **kwargs)
        self._notify = actions.SnsAction(storage.notifications)
        functions = [*serving.functions, *lifecycle.functions]
        for letters in lifecycle.dead_letters:
            self._watch_dead_letters(letters)
        for function in functions:
            self._watch_function(function)
        self._watch_machine(lifecycle)
        self._watch_api(serving)
        self._dashboard(functions, lifecycle, serving)
        self._platform(storage, compute, serving, lifecycle, functions)

    def _watch_dead_letters(self, letters: DeadLetters) -> None:
        depth = letters.metric_approximate_number_of_messages_visible(period=PERIOD, statistic="Maximum")
        self._alarm(f"{_words(letters)}Waiting", depth, "something was not processed and waits to be looked at")

    def _watch_function(self, function: LeanFunction) -> None:
        title = function.folder
        if title != "authorize":  # it must raise to refuse a key, which Lambda counts as an error
            self._alarm(f"{title}-errors", function.metric_errors(period=PERIOD), f"{title} failed")
        self._alarm(f"{title}-throttles", function.metric_throttles(period=PERIOD), f"{title} was throttled")

    def _watch_machine(self, lifecycle: LifecycleStack) -> None:
        machine = lifecycle.machine
        self._alarm("runs-failed", machine.metric_failed(period=PERIOD), "a run failed")
        self._alarm("runs-timed-out", machine.metric_timed_out(period=PERIOD), "a run never ended")
        self._alarm("runs-aborted", machine.metric_aborted(period=PERIOD), "a run was stopped from outside")

    def _watch_api(self, serving: ServingStack) -> None:
        self._alarm("api-server-errors", serving.api.metric_server_error(period=PERIOD), "the API answered 5xx")

    def _alarm(self, name: str, metric: cloudwatch.IMetric, meaning: str) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            alarm_description=f"tunesmith: {meaning}",
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(self._notify)

    def _dashboard(self, functions: Iterable[LeanFunction], lifecycle: LifecycleStack, serving: ServingStack) -> None:
        machine, api = lifecycle.machine, serving.api
        rows = [
            [
                _graph("Runs", machine.metric_started(), machine.metric_succeeded(), machine.metric_failed()),
                _graph(
                    "Dead letters", *(q.metric_approximate_number_of_messages_visible() for q in lifecycle.dead_letters)
                ),
            ],
            [
                _graph("API", api.metric_count(), api.metric_client_error(), api.metric_server_error()),
                _graph("API latency", api.metric_latency(statistic="p50"), api.metric_latency(statistic="p99")),
            ],
            [
                _graph("Function errors", *(function.metric_errors() for function in functions)),
                _graph("Function duration", *(function.metric_duration(statistic="p99") for function in functions)),
            ],
            [
                _graph("Tokens", _every_model(MetricName.PROMPT_TOKENS), _every_model(MetricName.COMPLETION_TOKENS)),
                _graph("Negative feedback", _every_model(MetricName.NEGATIVE_FEEDBACK, statistic="Average")),
            ],
        ]
        dashboard = cloudwatch.Dashboard(self, "Dashboard")
        for row in rows:
            dashboard.add_widgets(*row)

    def _platform(
        self,
        storage: StorageStack,
        compute: ComputeStack,
        serving: ServingStack,
        lifecycle: LifecycleStack,
        functions: Iterable[LeanFunction],
    ) -> None:
        """Where everything is, for the CLI."""
        platform = Platform(
            uploads_bucket=storage.uploads.bucket_name,
            artifacts_bucket=storage.artifacts.bucket_name,
            models_bucket=storage.models.bucket_name,
            tables={name: table.table_name for name, table in storage.tables.items()},
            state_machine_arn=lifecycle.machine.state_machine_arn,
            cpu_queue_arn=compute.cpu.queue.job_queue_arn,
            gpu_queue_arn=compute.gpu.queue.job_queue_arn,
            job_log_group=compute.job_logs.log_group_name,
            api_url=serving.api.url_for_path("/v1"),
            other_projects_plan_id=serving.other_projects.usage_plan_id,
            notifications_topic_arn=storage.notifications.topic_arn,
            functions={function.folder: function.function_name for function in functions},
        )
        ssm.StringParameter(
            self,
            "Platform",
            parameter_name=PLATFORM_PARAMETER,
            string_value=self.to_json_string(platform.model_dump(mode="json")),
            tier=ssm.ParameterTier.ADVANCED,
        )


def _every_model(metric: MetricName, statistic: str = "Sum") -> cloudwatch.MathExpression:
    """Of all projects and models, each as a line of its own."""
    search = f"SEARCH('{{{NAMESPACE},project,model}} MetricName=\"{metric}\"', '{statistic}', 300)"
    return cloudwatch.MathExpression(expression=search, label=metric, using_metrics={}, period=PERIOD)


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=12)


def _words(letters: DeadLetters) -> str:
    owner = letters.node.scope.node.id.removesuffix("-parts")
    return f"{owner}-{letters.node.id}" if not isinstance(letters.node.scope, Stack) else letters.node.id
