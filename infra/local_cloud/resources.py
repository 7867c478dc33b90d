"""CloudFormation resource types that moto lacks or gets wrong: what makes, changes and removes each.

Most types are one row of `ROWS`: the API call that creates one, and how its id and attributes follow from the answer.
Types that need more are functions, in this file and in `*_resources.py`, each registered by `@creates`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.coercion import call


@dataclass(frozen=True)
class Wanted:
    """A resource that a template asks for; references are resolved."""

    cloud: Cloud
    type: str
    logical_id: str
    name: str
    """The one in the template, else one made of stack, logical id and a random suffix."""
    properties: dict[str, Any]
    stack: str = ""
    """Its ARN."""

    def call(self, service: str, operation: str, properties: dict[str, Any] | None = None) -> dict[str, Any]:
        return call(self.cloud, service, operation, self.properties if properties is None else properties)

    def arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{self.cloud.region}:{self.cloud.account}:{rest}"


@dataclass(frozen=True)
class Made:
    """A resource that exists."""

    id: str
    """What Ref gives."""
    attributes: dict[str, str] = field(default_factory=dict)
    """What GetAtt gives."""
    properties: dict[str, Any] = field(default_factory=dict)
    """Those that it was made with."""


Create = Callable[[Wanted], Made]
Update = Callable[[Wanted, Made], Made]
Delete = Callable[[Cloud, Made], None]


@dataclass
class ResourceType:
    name_property: str
    create: Create
    update: Update | None = None
    """None: it is deleted and created anew."""
    delete: Delete | None = None


TYPES: dict[str, ResourceType] = {}


def creates(cfn_type: str, name_property: str = "") -> Callable[[Create], Create]:
    """Register what creates a type."""

    def register(create: Create) -> Create:
        TYPES[cfn_type] = ResourceType(name_property, create)
        return create

    return register


def updates(cfn_type: str) -> Callable[[Update], Update]:
    """Register what changes a type in place."""

    def register(update: Update) -> Update:
        TYPES[cfn_type].update = update
        return update

    return register


def deletes(cfn_type: str) -> Callable[[Delete], Delete]:
    """Register what removes a type."""

    def register(delete: Delete) -> Delete:
        TYPES[cfn_type].delete = delete
        return delete

    return register


@dataclass(frozen=True)
class Row:
    """A type that one API call makes. `id` and the attributes are formats over the request, the answer, `name`,
    `region` and `account`."""

    service: str
    operation: str
    id: str
    attributes: dict[str, str] = field(default_factory=dict)
    name_property: str = ""
    delete: str = ""
    """The API call that removes it."""
    delete_by: dict[str, str] = field(default_factory=dict)
    """Arguments of that call: formats over the attributes and `id`."""

    def register(self, cfn_type: str) -> None:
        TYPES[cfn_type] = ResourceType(self.name_property, self._create, delete=self._delete if self.delete else None)

    def _create(self, wanted: Wanted) -> Made:
        named = {self.name_property: wanted.name} if self.name_property else {}
        request = wanted.properties | named
        answer = wanted.call(self.service, self.operation, request)
        place = {"name": wanted.name, "region": wanted.cloud.region, "account": wanted.cloud.account}
        known = {key: value for key, value in (request | answer).items() if isinstance(value, str)} | place
        attributes = {key: value.format_map(known) for key, value in self.attributes.items()}
        return Made(self.id.format_map(known), attributes)

    def _delete(self, cloud: Cloud, made: Made) -> None:
        known = made.attributes | {"id": made.id}
        arguments = {key: value.format_map(known) for key, value in self.delete_by.items()}
        getattr(cloud.client(self.service), self.delete)(**arguments)


ROWS = {
    "AWS::CloudWatch::Alarm": Row(
        "cloudwatch",
        "put_metric_alarm",
        "{AlarmName}",
        {"Arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{AlarmName}"},
        name_property="AlarmName",
    ),
    "AWS::SNS::Subscription": Row(
        "sns",
        "subscribe",
        "{SubscriptionArn}",
        {"Arn": "{SubscriptionArn}"},
        delete="unsubscribe",
        delete_by={"SubscriptionArn": "{id}"},
    ),
    "AWS::SageMaker::ModelPackageGroup": Row(
        "sagemaker",
        "create_model_package_group",
        "{ModelPackageGroupArn}",
        {"ModelPackageGroupArn": "{ModelPackageGroupArn}"},
        name_property="ModelPackageGroupName",
    ),
    "AWS::SageMaker::Model": Row(
        "sagemaker",
        "create_model",
        "{ModelName}",
        {"ModelName": "{ModelName}", "ModelArn": "{ModelArn}"},
        name_property="ModelName",
        delete="delete_model",
        delete_by={"ModelName": "{id}"},
    ),
    "AWS::SageMaker::EndpointConfig": Row(
        "sagemaker",
        "create_endpoint_config",
        "{EndpointConfigName}",
        {"EndpointConfigName": "{EndpointConfigName}"},
        name_property="EndpointConfigName",
        delete="delete_endpoint_config",
        delete_by={"EndpointConfigName": "{id}"},
    ),
    "AWS::SageMaker::Endpoint": Row(
        "sagemaker",
        "create_endpoint",
        "{EndpointName}",
        {"EndpointName": "{EndpointName}", "EndpointArn": "{EndpointArn}"},
        name_property="EndpointName",
        delete="delete_endpoint",
        delete_by={"EndpointName": "{id}"},
    ),
    "AWS::Batch::SchedulingPolicy": Row(
        "batch", "create_scheduling_policy", "{arn}", {"Arn": "{arn}"}, name_property="Name"
    ),
    "AWS::WAFv2::WebACL": Row(
        "wafv2",
        "create_web_acl",
        "{name}",
        {"Arn": "arn:aws:wafv2:{region}:{account}:regional/webacl/{name}", "Id": "{name}"},
        name_property="Name",
    ),
    "AWS::Logs::MetricFilter": Row("logs", "put_metric_filter", "{FilterName}", name_property="FilterName"),
    "AWS::Logs::QueryDefinition": Row(
        "logs",
        "put_query_definition",
        "{queryDefinitionId}",
        {"QueryDefinitionId": "{queryDefinitionId}"},
        name_property="Name",
    ),
}
for _type, _row in ROWS.items():
    _row.register(_type)


ONLY_IN_AWS = {
    "AWS::ApiGateway::Account": "the role with which API Gateway writes its own logs",
    "AWS::CDK::Metadata": "usage statistics",
    "AWS::EC2::FlowLog": "there is no network here",
    "AWS::EC2::VPCEndpoint": "there is no network here",
    "AWS::WAFv2::WebACLAssociation": "requests do not pass a firewall here",
    "AWS::WAFv2::LoggingConfiguration": "requests do not pass a firewall here",
    "AWS::Budgets::Budget": "nothing costs anything here",
    "AWS::SageMaker::Domain": "a studio for people",
}
"""Types that have nothing to do on one machine. They are recorded, so that what refers to them works."""


def _recorded(wanted: Wanted) -> Made:
    return Made(wanted.name, {"Id": wanted.name, "Arn": wanted.arn(wanted.type.split("::")[1].lower(), wanted.name)})


for _type in ONLY_IN_AWS:
    creates(_type)(_recorded)


@creates("AWS::CloudWatch::CompositeAlarm", "AlarmName")
def composite_alarm(wanted: Wanted) -> Made:
    """Recorded: moto has none, and nothing here reads the state of one."""
    return Made(wanted.name, {"Arn": wanted.arn("cloudwatch", f"alarm:{wanted.name}")})


@creates("AWS::S3::BucketPolicy")
def bucket_policy(wanted: Wanted) -> Made:
    """Stored, never enforced: see `s3.py`."""
    bucket = wanted.properties["Bucket"]
    wanted.call("s3", "put_bucket_policy", {"Bucket": bucket, "Policy": wanted.properties["PolicyDocument"]})
    return Made(f"{bucket}-policy")


@creates("AWS::SQS::QueuePolicy")
def queue_policy(wanted: Wanted) -> Made:
    policy = {"Policy": json.dumps(wanted.properties["PolicyDocument"])}
    for url in wanted.properties["Queues"]:
        wanted.cloud.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=policy)
    return Made(wanted.name, {"Id": wanted.name})


@creates("AWS::SNS::TopicPolicy")
def topic_policy(wanted: Wanted) -> Made:
    policy = json.dumps(wanted.properties["PolicyDocument"])
    for topic in wanted.properties["Topics"]:
        wanted.cloud.client("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    return Made(wanted.name, {"Id": wanted.name})


@creates("AWS::SecretsManager::Secret", "Name")
def secret(wanted: Wanted) -> Made:
    """A generated secret gets its template's value and one random string, as in AWS."""
    wish = wanted.properties.get("GenerateSecretString")
    value = wanted.properties.get("SecretString")
    if wish:
        password = wanted.cloud.client("secretsmanager").get_random_password(PasswordLength=32)["RandomPassword"]
        key = wish.get("GenerateStringKey")
        value = json.dumps(json.loads(wish["SecretStringTemplate"]) | {key: password}) if key else password
    request = {key: value for key, value in wanted.properties.items() if key != "GenerateSecretString"}
    arn = wanted.call("secretsmanager", "create_secret", request | {"Name": wanted.name, "SecretString": value})["ARN"]
    return Made(arn, {"Id": arn})


@creates("AWS::DynamoDB::GlobalTable", "TableName")
def global_table(wanted: Wanted) -> Made:
    """A table of one region, whatever replicas it asks for."""
    ignored = ("Replicas", "TimeToLiveSpecification", "WriteProvisionedThroughputSettings")
    request = {key: value for key, value in wanted.properties.items() if key not in ignored}
    table = wanted.call("dynamodb", "create_table", request | {"TableName": wanted.name})["TableDescription"]
    found = {"Arn": table["TableArn"], "StreamArn": table.get("LatestStreamArn"), "TableId": table.get("TableId")}
    return Made(table["TableName"], {key: value for key, value in found.items() if value})


@creates("AWS::Scheduler::Schedule", "Name")
def schedule(wanted: Wanted) -> Made:
    answer = wanted.call("scheduler", "create_schedule", wanted.properties | {"Name": wanted.name})
    return Made(wanted.name, {"Arn": answer["ScheduleArn"]})


@creates("AWS::ECR::Repository", "RepositoryName")
def repository(wanted: Wanted) -> Made:
    name = wanted.name.lower()
    found = wanted.call("ecr", "create_repository", {"repositoryName": name})["repository"]
    return Made(name, {"Arn": found["repositoryArn"], "RepositoryUri": found["repositoryUri"]})


@creates("AWS::KMS::Key")
def key(wanted: Wanted) -> Made:
    """Recorded with its policy and tags; nothing here is encrypted with it."""
    tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in wanted.properties.get("Tags") or []]
    request = wanted.properties | {"Policy": wanted.properties["KeyPolicy"], "Tags": tags}
    made = wanted.call("kms", "create_key", request)["KeyMetadata"]
    if str(wanted.properties.get("EnableKeyRotation")).lower() == "true":
        wanted.cloud.client("kms").enable_key_rotation(KeyId=made["KeyId"])
    return Made(made["KeyId"], {"Arn": made["Arn"], "KeyId": made["KeyId"]})


@updates("AWS::KMS::Key")
def changed_key(wanted: Wanted, made: Made) -> Made:
    wanted.call("kms", "put_key_policy", {"KeyId": made.id, "Policy": wanted.properties["KeyPolicy"]})
    return made


@creates("AWS::SSM::Parameter", "Name")
def parameter(wanted: Wanted) -> Made:
    wanted.call("ssm", "put_parameter", wanted.properties | {"Name": wanted.name})
    return Made(wanted.name, {"Type": wanted.properties["Type"], "Value": wanted.properties["Value"]})


@updates("AWS::SSM::Parameter")
def changed_parameter(wanted: Wanted, made: Made) -> Made:
    changed = {name: value for name, value in wanted.properties.items() if name != "Tags"}
    wanted.call("ssm", "put_parameter", changed | {"Name": made.id, "Overwrite": True})
    return Made(made.id, {"Type": wanted.properties["Type"], "Value": wanted.properties["Value"]})
