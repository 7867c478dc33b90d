"""The one way to make a DynamoDB table."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from tunesmith.contracts.tables import TableSpec


class SpecTable(dynamodb.Table):
    """A table exactly as `tunesmith.contracts.tables` describes it; it pays per request and outlives its stack."""

    def __init__(self, scope: Construct, spec: TableSpec, *, key: kms.IKey, deletion_protection: bool):
        super().__init__(
            scope,
            _construct_name(spec.name),
            partition_key=_string(spec.partition_key),
            sort_key=_string(spec.sort_key) if spec.sort_key else None,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            stream=dynamodb.StreamViewType.NEW_IMAGE if spec.stream else None,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=deletion_protection,
            removal_policy=RemovalPolicy.RETAIN,
        )
        for index in spec.indexes:
            self.add_global_secondary_index(
                index_name=index.name,
                partition_key=_string(index.partition_key),
                sort_key=_string(index.sort_key),
            )


def _string(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


def _construct_name(name: str) -> str:
    return "".join(word.title() for word in name.split("_")) + "Table"
