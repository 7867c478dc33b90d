"""Who may do what: no write by wildcard, and every role as wide as its function's environment, no wider."""

import re
from typing import Any

import pytest

from tests.infra.synthesis import Synthesized, Template, containers
from tunesmith.contracts import environment

READS = re.compile(r"(Get|List|Describe|Query|Scan|BatchGet|BatchCheck|Head|Decrypt|ConditionCheck)")
UNBOUNDED = {
    *("xray:PutTraceSegments", "xray:PutTelemetryRecords"),  # know no resources
    *("logs:CreateLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery", "logs:PutResourcePolicy"),
    "cloudwatch:PutMetricData",  # bound by its condition
}


def statements(template: Template) -> list[dict[str, Any]]:
    return [
        statement
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::IAM::Policy"
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
    ]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def greedy(template: Template) -> set[str]:
    """Actions that are wildcards, and writes on any resource."""
    found: set[str] = set()
    for statement in statements(template):
        actions = listed(statement["Action"])
        found |= {action for action in actions if "*" in action}
        if "*" in listed(statement["Resource"]):
            found |= {action for action in actions if not READS.match(action.partition(":")[2])} - UNBOUNDED
    return found


def test_no_role_writes_by_wildcard(synthesized: Synthesized) -> None:
    assert {name: greedy(template) for name, template in synthesized.templates.items() if greedy(template)} == {}


def test_planted_wildcard_is_found(synthesized: Synthesized) -> None:
    assert greedy(synthesized.planted) == {"s3:*"}


def passed_roles(template: Template) -> list[dict[str, Any]]:
    return [statement for statement in statements(template) if "iam:PassRole" in listed(statement["Action"])]


def test_roles_are_passed_one_by_one_and_to_sagemaker_alone(synthesized: Synthesized) -> None:
    passed = [found for template in synthesized.templates.values() for found in passed_roles(template)]
    assert len(passed) == 2
    for statement in passed:
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
        assert "*" not in str(statement["Resource"])


class Roles:
    """Function folder -> its environment, and the policy of its role."""

    def __init__(self, synthesized: Synthesized):
        self.environments: dict[str, dict[str, Any]] = {}
        self.statements: dict[str, list[dict[str, Any]]] = {}
        for template in synthesized.templates.values():
            for resource in template["Resources"].values():
                if resource["Type"] == "AWS::Lambda::Function":
                    self._add(resource["Properties"], template)

    def _add(self, function: dict[str, Any], template: Template) -> None:
        folder = function["Handler"].split(".")[1]
        role = function["Role"]["Fn::GetAtt"][0]
        self.environments[folder] = function["Environment"]["Variables"]
        self.statements[folder] = [
            statement
            for policy in template["Resources"].values()
            if policy["Type"] == "AWS::IAM::Policy" and {"Ref": role} in policy["Properties"]["Roles"]
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        ]

    def actions_on(self, folder: str, service: str, name: str) -> set[str]:
        """What the function may do with the resource whose logical id has `name`."""
        return {
            action
            for statement in self.statements[folder]
            if name in str(statement["Resource"])
            for action in listed(statement["Action"])
            if action.startswith(f"{service}:")
        }


@pytest.fixture(scope="module")
def roles(synthesized: Synthesized) -> Roles:
    return Roles(synthesized)


def shape_of(folder: str) -> type[environment.Environment]:
    shape: type[environment.Environment] = getattr(environment, folder.title().replace("_", "") + "Env")
    return shape


def test_every_function_has_the_variables_of_its_environment_and_no_others(roles: Roles) -> None:
    ours = {"POWERTOOLS_SERVICE_NAME", "LOG_LEVEL"}
    for folder, variables in roles.environments.items():
        assert set(variables) - ours == {name.upper() for name in shape_of(folder).model_fields}, folder


def test_every_function_may_use_the_tables_that_it_is_told_of_and_no_others(roles: Roles) -> None:
    for folder in roles.environments:
        told = {name for name in shape_of(folder).model_fields if name.endswith("_table")}
        allowed = {
            f"{table}_table"
            for table in ("uploads", "datasets", "runs", "jobs", "models", "aliases", "deployments", "api_keys")
            + ("feedback", "retraining")
            if roles.actions_on(folder, "dynamodb", table.title().replace("_", "") + "Table") - STREAM_READS
        }
        assert allowed == told, folder


STREAM_READS = {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"}
WRITERS = {
    "accept_upload": ("UploadsTable", "DatasetsTable", "RunsTable"),
    "reconcile_uploads": ("UploadsTable", "DatasetsTable", "RunsTable"),
    "decide_retrain": ("RunsTable", "DatasetsTable", "RetrainingTable"),
    "record_state": ("RunsTable",),
    "request_approval": ("RunsTable",),
    "plan_run": ("DatasetsTable",),
    "register_model": ("ModelsTable",),
    "shift_traffic": ("DeploymentsTable",),
    "verify_deployment": ("DeploymentsTable",),
    "promote_model": ("AliasesTable",),
    "control_api": ("FeedbackTable",),
}


def test_rows_are_written_by_those_who_own_them(roles: Roles) -> None:
    for folder in roles.environments:
        tables = {
            table
            for table in ("Uploads", "Datasets", "Runs", "Jobs", "Models", "Aliases", "Deployments", "ApiKeys")
            + ("Feedback", "Retraining")
            if "dynamodb:PutItem" in roles.actions_on(folder, "dynamodb", f"{table}Table")
        }
        assert {f"{table}Table" for table in tables} == set(WRITERS.get(folder, ())), folder


def test_whoever_changes_endpoints_may_make_and_see_their_rollback_alarms(roles: Roles) -> None:
    changing = [folder for folder in roles.statements if "sagemaker:CreateEndpoint" in str(roles.statements[folder])]
    assert changing == ["shift_traffic"]
    for needed in ("cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms", "sagemaker:UpdateEndpoint"):
        assert needed in str(roles.statements["shift_traffic"])


@pytest.mark.parametrize("action", ["sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"])
def test_endpoints_are_changed_by_leave_of_their_configuration_too(roles: Roles, action: str) -> None:
    """SageMaker asks IAM about both resources of these calls, and both must be allowed."""
    allowed = [str(s["Resource"]) for s in roles.statements["shift_traffic"] if action in listed(s["Action"])]
    for kind in (":endpoint/tunesmith-*", ":endpoint-config/tunesmith-*"):
        assert any(kind in resources for resources in allowed), kind


@pytest.mark.parametrize("kind", ["Endpoint", "EndpointConfig", "Model"])
def test_nothing_is_served_at_deploy_time(synthesized: Synthesized, kind: str) -> None:
    """Endpoints come from rollouts, which refuse to make one without its alarms."""
    assert synthesized.resources(f"AWS::SageMaker::{kind}") == {}


def secrets(variables: dict[str, Any]) -> set[str]:
    return {name for name in variables if re.search(r"SECRET|TOKEN|PASSWORD|CREDENTIAL|PRIVATE|API_KEY$", name)}


def test_no_environment_holds_a_secret(synthesized: Synthesized, roles: Roles) -> None:
    jobs = synthesized.resources("AWS::Batch::JobDefinition").values()
    told = [
        {pair["Name"]: pair["Value"] for pair in container["Environment"]}
        for job in jobs
        for container in containers(job)
    ]
    assert [found for found in [*roles.environments.values(), *told] if secrets(found)] == []
    assert secrets({"HF_TOKEN": "x", "RUNS_TABLE": "y"}) == {"HF_TOKEN"}
