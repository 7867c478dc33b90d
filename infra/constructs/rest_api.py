"""The front door: a REST API whose every route but CORS asks the authorizer, is throttled by project, and answers
errors in the OpenAI envelope even where no function was reached."""

import json

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config import ProjectLimits
from infra.constructs.lean_function import LeanFunction
from infra.constructs.skips import skip_check
from tunesmith.contracts.keys import usage_key
from tunesmith.contracts.openai import ErrorBody, ErrorEnvelope

STAGE = "api"
AUTHORIZER_CACHE = Duration.minutes(5)
"""How long a revoked key may still be admitted."""
REQUESTS_PER_SECOND = 200
"""Of all projects together."""
REFUSALS = {
    "Unauthorized": (apigateway.ResponseType.UNAUTHORIZED, "401", "authentication_error", "invalid_api_key"),
    "AccessDenied": (apigateway.ResponseType.ACCESS_DENIED, "403", "permission_error", "access_denied"),
    "Throttled": (apigateway.ResponseType.THROTTLED, "429", "rate_limit_error", "rate_limit_exceeded"),
    "QuotaExceeded": (apigateway.ResponseType.QUOTA_EXCEEDED, "429", "rate_limit_error", "quota_exceeded"),
    "Other4xx": (apigateway.ResponseType.DEFAULT_4_XX, None, "invalid_request_error", "bad_request"),
    "Other5xx": (apigateway.ResponseType.DEFAULT_5_XX, None, "server_error", "server_error"),
}


class FrontDoor(apigateway.RestApi):
    def __init__(
        self,
        scope: Construct,
        *,
        authorize: LeanFunction,
        key: kms.IKey,
        log_retention: logs.RetentionDays,
        cors_origins: tuple[str, ...],
    ):
        access_logs = logs.LogGroup(
            scope, "ApiAccessLogs", retention=log_retention, encryption_key=key, removal_policy=RemovalPolicy.DESTROY
        )
        super().__init__(
            scope,
            "Api",
            api_key_source_type=apigateway.ApiKeySourceType.AUTHORIZER,
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            cloud_watch_role=False,
            deploy_options=apigateway.StageOptions(
                stage_name=STAGE,
                access_log_destination=apigateway.LogGroupLogDestination(access_logs),
                access_log_format=apigateway.AccessLogFormat.json_with_standard_fields(
                    caller=False,
                    http_method=True,
                    ip=True,
                    protocol=True,
                    request_time=True,
                    resource_path=True,
                    response_length=True,
                    status=True,
                    user=False,
                ),
                logging_level=apigateway.MethodLoggingLevel.ERROR,
                data_trace_enabled=False,
                metrics_enabled=True,
                throttling_rate_limit=REQUESTS_PER_SECOND,
                throttling_burst_limit=2 * REQUESTS_PER_SECOND,
                tracing_enabled=True,
            ),
            default_cors_preflight_options=apigateway.CorsOptions(
                allow_origins=list(cors_origins),
                allow_methods=["GET", "POST", "DELETE", "OPTIONS"],
                allow_headers=["authorization", "content-type", "*"],
            ),
        )
        self._may_write_logs(scope)
        self._validator = self.add_request_validator(
            "Validator", validate_request_body=True, validate_request_parameters=True
        )
        self._authorizer = apigateway.RequestAuthorizer(
            scope,
            "Authorizer",
            handler=authorize,
            identity_sources=[apigateway.IdentitySource.header("Authorization")],
            results_cache_ttl=AUTHORIZER_CACHE,
        )
        self._refuse_in_the_openai_envelope(cors_origins)
        skip_check(self.deployment_stage.node.default_child, "CKV_AWS_120", "answers are generated: a cache is wrong")

    def proxy(self, parent: apigateway.IResource, function: LeanFunction) -> None:
        """Every path below `parent` goes to the function."""
        parent.add_resource("{proxy+}").add_method(
            "ANY",
            apigateway.LambdaIntegration(function, proxy=True),
            authorizer=self._authorizer,
            authorization_type=apigateway.AuthorizationType.CUSTOM,
            api_key_required=True,
            request_validator=self._validator,
        )

    def throttle(self, project: ProjectLimits) -> None:
        """A plan and a key for the project. The key admits nobody: the authorizer names it, for counting."""
        key = self.add_api_key(f"{project.name}-throttle", value=usage_key(project.name))
        self.usage_plan(project).add_api_key(key)

    def usage_plan(self, limits: ProjectLimits) -> apigateway.UsagePlan:
        """How fast each key of the plan may call."""
        return self.add_usage_plan(
            f"{limits.name}-plan",
            throttle=apigateway.ThrottleSettings(rate_limit=limits.requests_per_second, burst_limit=limits.burst),
            api_stages=[apigateway.UsagePlanPerApiStage(api=self, stage=self.deployment_stage)],
        )

    def _may_write_logs(self, scope: Construct) -> None:
        """API Gateway logs by a role that is set once for the account and region."""
        role = iam.Role(
            scope,
            "ApiLogsRole",
            assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AmazonAPIGatewayPushToCloudWatchLogs")
            ],
        )
        account = apigateway.CfnAccount(scope, "ApiLogs", cloud_watch_role_arn=role.role_arn)
        self.deployment_stage.node.add_dependency(account)

    def _refuse_in_the_openai_envelope(self, cors_origins: tuple[str, ...]) -> None:
        origin = cors_origins[0]
        for name, (kind, status, error_type, code) in REFUSALS.items():
            self.add_gateway_response(
                name,
                type=kind,
                status_code=status,
                response_headers={"Access-Control-Allow-Origin": f"'{origin}'"},
                templates={"application/json": _envelope(error_type, code)},
            )


def _envelope(error_type: str, code: str) -> str:
    """`$context.error.messageString` is API Gateway's message as a JSON string, quotes included."""
    error = ErrorEnvelope(error=ErrorBody(message="MESSAGE", type=error_type, code=code))
    return json.dumps(error.model_dump()).replace('"MESSAGE"', "$context.error.messageString")
