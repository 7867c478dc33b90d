"""Permissions, action by action. CDK's own `grant_*` bring wildcards along; these never do.

Reading an object needs `s3:ListBucket` on its bucket as well: without it, S3 answers 403 where the truth is 404, and
"there is no result yet" would look like a refusal.
"""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn

from tunesmith.contracts.preparation import SECRETS_PREFIX

ENDPOINT_PREFIX = "tunesmith-"
"""Of every endpoint, by `contracts.deployments.endpoint_name`."""
SAGEMAKER = ["/aws/sagemaker/*", "aws/sagemaker/*"]
READ_ROWS = ("dynamodb:GetItem", "dynamodb:Query", "dynamodb:ConditionCheckItem")
WRITE_ROWS = ("dynamodb:PutItem", "dynamodb:UpdateItem")
READ_OBJECTS = ("s3:GetObject", "s3:GetObjectVersion")
WRITE_OBJECTS = ("s3:PutObject", "s3:AbortMultipartUpload")
DECRYPT = ("kms:Decrypt", "kms:DescribeKey")
ENCRYPT = ("kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo")


def allow(role: iam.IGrantable, actions: Sequence[str], *resources: str, conditions: dict | None = None) -> None:
    role.grant_principal.add_to_principal_policy(
        iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=conditions)
    )


def read_rows(role: iam.IGrantable, *tables: dynamodb.Table) -> None:
    for table in tables:
        allow(role, READ_ROWS, table.table_arn)


def write_rows(role: iam.IGrantable, *tables: dynamodb.Table) -> None:
    """Conditional writes, and the read-back that each of them ends with."""
    for table in tables:
        allow(role, READ_ROWS + WRITE_ROWS, table.table_arn)


def scan_rows(role: iam.IGrantable, *tables: dynamodb.Table) -> None:
    for table in tables:
        allow(role, ("dynamodb:Scan",), table.table_arn)


def query_index(role: iam.IGrantable, table: dynamodb.Table, index: str) -> None:
    allow(role, ("dynamodb:Query",), f"{table.table_arn}/index/{index}")


def read_objects(role: iam.IGrantable, bucket: s3.IBucket, *prefixes: str) -> None:
    allow(role, READ_OBJECTS, *(bucket.arn_for_objects(f"{prefix}*") for prefix in prefixes))
    allow(role, ("s3:ListBucket",), bucket.bucket_arn)


def write_objects(role: iam.IGrantable, bucket: s3.IBucket, *prefixes: str) -> None:
    allow(role, WRITE_OBJECTS, *(bucket.arn_for_objects(f"{prefix}*") for prefix in prefixes))


def read_secrets(role: iam.IGrantable) -> None:
    """Secrets that people made for tunesmith: their names begin with SECRETS_PREFIX."""
    allow(role, ("secretsmanager:GetSecretValue",), arn(role, "secretsmanager", f"secret:{SECRETS_PREFIX}*"))


def use_key(role: iam.IGrantable, key: kms.IKey) -> None:
    """What is stored under our key is read and written through S3, DynamoDB, SNS, Logs and Lambda, on the caller's
    behalf."""
    allow(role, DECRYPT + ENCRYPT, key.key_arn)


def pass_role(role: iam.IGrantable, passed: iam.IRole, service: str) -> None:
    allow(
        role,
        ("iam:PassRole",),
        passed.role_arn,
        conditions={"StringEquals": {"iam:PassedToService": service}},
    )


def invoke_endpoints(role: iam.IGrantable) -> None:
    allow(
        role,
        ("sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream"),
        sagemaker_arn(role, f"endpoint/{ENDPOINT_PREFIX}*"),
    )


def run_in_sagemaker(role: iam.IGrantable, image: ecr_assets.DockerImageAsset) -> None:
    """What SageMaker does in a container's name: pull its image, write its logs and metrics."""
    allow(role, ("ecr:GetAuthorizationToken",), "*")
    allow(
        role,
        ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"),
        image.repository.repository_arn,
    )
    allow(role, ("cloudwatch:PutMetricData",), "*", conditions={"StringLike": {"cloudwatch:namespace": SAGEMAKER}})
    allow(
        role,
        ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"),
        arn(role, "logs", "log-group:/aws/sagemaker/*"),
    )


def sagemaker_arn(role: iam.IGrantable, resource: str) -> str:
    return arn(role, "sagemaker", resource)


def arn(role: iam.IGrantable, service: str, resource: str) -> str:
    stack = Stack.of(role)
    return f"arn:{stack.partition}:{service}:{stack.region}:{stack.account}:{resource}"


def list_versions(role: iam.IGrantable, bucket: s3.IBucket) -> None:
    allow(role, ("s3:ListBucketVersions",), bucket.bucket_arn)


def read_stream(role: iam.IGrantable, table: dynamodb.Table) -> None:
    allow(role, ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"), table.table_stream_arn)
    allow(role, ("dynamodb:ListStreams",), "*")


def start_executions(role: iam.IGrantable, machine: sfn.IStateMachine) -> None:
    """By name, and to see whether that name was started."""
    executions = arn(role, "states", f"execution:{machine.state_machine_name}:*")
    allow(role, ("states:StartExecution",), machine.state_machine_arn)
    allow(role, ("states:DescribeExecution",), executions)


def change_endpoints(role: iam.IGrantable) -> None:
    """Whoever makes or changes an endpoint must be allowed it on the configuration as well."""
    for kind, name in (("model", "Model"), ("endpoint-config", "EndpointConfig")):
        named = sagemaker_arn(role, f"{kind}/{ENDPOINT_PREFIX}*")
        allow(role, (f"sagemaker:Create{name}", f"sagemaker:Describe{name}"), named)
    describe_endpoints(role)
    endpoints = [sagemaker_arn(role, f"{kind}/{ENDPOINT_PREFIX}*") for kind in ("endpoint", "endpoint-config")]
    allow(role, ("sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"), *endpoints)
    allow(role, ("sagemaker:DeleteEndpoint",), endpoints[0])


def describe_endpoints(role: iam.IGrantable) -> None:
    allow(role, ("sagemaker:DescribeEndpoint",), sagemaker_arn(role, f"endpoint/{ENDPOINT_PREFIX}*"))


def watch_endpoints(role: iam.IGrantable) -> None:
    """Make the alarms that roll an endpoint back, and see that they are there before it is changed."""
    allow(role, ("cloudwatch:PutMetricAlarm",), arn(role, "cloudwatch", f"alarm:{ENDPOINT_PREFIX}*"))
    describe_alarms(role)


def describe_alarms(role: iam.IGrantable) -> None:
    allow(role, ("cloudwatch:DescribeAlarms",), "*")


def mirror_models(role: iam.IGrantable, group: str) -> None:
    packages = sagemaker_arn(role, f"model-package/{group}/*")
    allow(role, ("sagemaker:CreateModelPackage",), sagemaker_arn(role, f"model-package-group/{group}"), packages)
    allow(role, ("sagemaker:DescribeModelPackage", "sagemaker:UpdateModelPackage"), packages)
    allow(role, ("sagemaker:ListModelPackages",), "*")
