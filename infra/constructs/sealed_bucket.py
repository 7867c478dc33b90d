"""The one way to make a bucket that keeps something of value."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct


class SealedBucket(s3.Bucket):
    """Private, versioned, encrypted with our key, TLS only, its reads and writes logged; outlives its stack."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        key: kms.IKey,
        access_logs: s3.IBucket,
        keep_old_versions: Duration,
        announces: bool = False,
        rules: tuple[s3.LifecycleRule, ...] = (),
    ):
        super().__init__(
            scope,
            name,
            versioned=True,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix=f"{name.lower()}/",
            removal_policy=RemovalPolicy.RETAIN,
            lifecycle_rules=[
                s3.LifecycleRule(id="HalfUploads", abort_incomplete_multipart_upload_after=Duration.days(1)),
                s3.LifecycleRule(id="OldVersions", noncurrent_version_expiration=keep_old_versions),
                *rules,
            ],
        )
        if announces:
            self._announce_to_event_bridge()

    def _announce_to_event_bridge(self) -> None:
        """By the bucket's own property: CDK's `event_bridge_enabled` would bring a custom resource and its Lambda."""
        bucket: s3.CfnBucket = self.node.default_child
        bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
        )
