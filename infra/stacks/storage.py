"""Storage: what outlives everything else. The key, the buckets, the tables, and the topic that people subscribe to."""

from typing import Any, TypeVar

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.config import Config
from infra.constructs.sealed_bucket import SealedBucket
from infra.constructs.skips import skip_check
from infra.constructs.spec_table import SpecTable
from tunesmith.contracts.artifacts import SCANS_PREFIX, SCRATCH_PREFIX, TRAFFIC_PREFIX
from tunesmith.contracts.environment import Environment
from tunesmith.contracts.tables import TABLES, TableSpec

E = TypeVar("E", bound=Environment)


class StorageStack(Stack):
    def __init__(self, scope: Construct, id: str, *, config: Config, **kwargs: Any) -> None:
        super().__init__(scope, id, **kwargs)
        self.key = self._key()
        self.access_logs = self._access_logs()
        self.uploads = self._bucket("Uploads", keep_old_versions=Duration.days(365), announces=True)
        self.artifacts = self._bucket(
            "Artifacts",
            keep_old_versions=Duration.days(90),
            rules=(
                s3.LifecycleRule(id="Scans", prefix=SCANS_PREFIX, expiration=Duration.days(90)),
                s3.LifecycleRule(
                    id="Scratch",
                    prefix=SCRATCH_PREFIX,
                    expiration=Duration.days(3),
                    noncurrent_version_expiration=Duration.days(1),
                ),
                s3.LifecycleRule(
                    id="Traffic", prefix=TRAFFIC_PREFIX, expiration=Duration.days(config.traffic_retention_days)
                ),
            ),
        )
        self.models = self._bucket("Models", keep_old_versions=Duration.days(90))
        self.buckets = {"uploads": self.uploads, "artifacts": self.artifacts, "models": self.models}
        self.tables = {
            spec.name: SpecTable(self, spec, key=self.key, deletion_protection=config.deletion_protection)
            for spec in TABLES
        }
        self.notifications = self._notifications()
        if config.notification_email:
            self.notifications.add_subscription(subscriptions.EmailSubscription(config.notification_email))

    def table(self, spec: TableSpec) -> SpecTable:
        return self.tables[spec.name]

    def environment(self, shape: type[E], **others: str) -> E:
        """The environment of a function: its `<name>_table` and `<name>_bucket` are ours, the rest is given."""
        ours = {f"{name}_table": table.table_name for name, table in self.tables.items()}
        ours |= {f"{name}_bucket": bucket.bucket_name for name, bucket in self.buckets.items()}
        return shape(**{field: ours[field] for field in shape.model_fields if field in ours}, **others)

    def _key(self) -> kms.Key:
        """One key for all that rests here; CloudWatch Logs and alarms use it on our behalf."""
        log_groups = f"arn:{self.partition}:logs:{self.region}:{self.account}:*"
        key = kms.Key(self, "Key", enable_key_rotation=True, removal_policy=RemovalPolicy.RETAIN)
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="LogGroupsOfThisAccount",
                principals=[iam.ServicePrincipal(f"logs.{self.region}.amazonaws.com")],
                actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
                + ["kms:GenerateDataKey", "kms:DescribeKey"],
                resources=["*"],
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}},
            )
        )
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccountToTheTopic",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        return key

    def _notifications(self) -> sns.Topic:
        """A policy of one's own, as TLS alone asks for, takes the place of the one by which alarms may publish."""
        topic = sns.Topic(self, "Notifications", master_key=self.key, enforce_ssl=True)
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        return topic

    def _access_logs(self) -> s3.Bucket:
        """Who read and wrote the other buckets. S3 delivers such logs only under its own keys."""
        bucket = s3.Bucket(
            self,
            "AccessLogs",
            versioned=True,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            removal_policy=RemovalPolicy.RETAIN,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="Expire",
                    expiration=Duration.days(365),
                    noncurrent_version_expiration=Duration.days(30),
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                )
            ],
        )
        skip_check(bucket.node.default_child, "CKV_AWS_18", "is itself where access logs go: logging it would not end")
        return bucket

    def _bucket(self, name: str, **settings: Any) -> SealedBucket:
        return SealedBucket(self, name, key=self.key, access_logs=self.access_logs, **settings)
