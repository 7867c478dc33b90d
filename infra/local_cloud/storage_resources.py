"""CloudFormation's bucket and table types: moto's own forget versioning, lifecycles and expiry."""

from typing import Any

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.resources import Made, Wanted, creates, deletes, updates

EVENT_BRIDGE = "EventBridgeConfiguration"


@creates("AWS::S3::Bucket", "BucketName")
def bucket(wanted: Wanted) -> Made:
    name = wanted.name.lower()
    wanted.cloud.client("s3").create_bucket(Bucket=name)
    _configure_bucket(wanted, name)
    return Made(
        name,
        {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{wanted.cloud.region}.amazonaws.com",
        },
    )


@updates("AWS::S3::Bucket")
def changed_bucket(wanted: Wanted, made: Made) -> Made:
    _configure_bucket(wanted, made.id)
    return made


def _configure_bucket(wanted: Wanted, name: str) -> None:
    s3, asked = wanted.cloud.client("s3"), wanted.properties
    if versioning := asked.get("VersioningConfiguration"):
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)
    if block := asked.get("PublicAccessBlockConfiguration"):
        wanted.call("s3", "put_public_access_block", {"Bucket": name, "PublicAccessBlockConfiguration": block})
    if encryption := asked.get("BucketEncryption"):
        rules = [_encryption_rule(rule) for rule in encryption["ServerSideEncryptionConfiguration"]]
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    if cors := asked.get("CorsConfiguration"):
        rules = [{key: value for key, value in rule.items() if key != "Id"} for rule in cors["CorsRules"]]
        wanted.call("s3", "put_bucket_cors", {"Bucket": name, "CORSConfiguration": {"CORSRules": rules}})
    if EVENT_BRIDGE in (asked.get("NotificationConfiguration") or {}):
        s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={EVENT_BRIDGE: {}})


def _encryption_rule(rule: dict[str, Any]) -> dict[str, Any]:
    by_default = rule["ServerSideEncryptionByDefault"]
    return {"ApplyServerSideEncryptionByDefault": by_default}


@deletes("AWS::S3::Bucket")
def delete_bucket(cloud: Cloud, made: Made) -> None:
    cloud.client("s3").delete_bucket(Bucket=made.id)


@creates("AWS::DynamoDB::Table", "TableName")
def table(wanted: Wanted) -> Made:
    request = wanted.properties | {"TableName": wanted.name}
    if encryption := wanted.properties.get("SSESpecification"):
        request["SSESpecification"] = {"Enabled": encryption["SSEEnabled"]}
    if stream := wanted.properties.get("StreamSpecification"):
        request["StreamSpecification"] = stream | {"StreamEnabled": True}
    made = wanted.call("dynamodb", "create_table", request)["TableDescription"]
    _configure_table(wanted, wanted.name)
    attributes = {"Arn": made["TableArn"], "StreamArn": made.get("LatestStreamArn")}
    return Made(wanted.name, {name: value for name, value in attributes.items() if value})


@updates("AWS::DynamoDB::Table")
def changed_table(wanted: Wanted, made: Made) -> Made:
    _configure_table(wanted, made.id)
    return made


def _configure_table(wanted: Wanted, name: str) -> None:
    dynamodb, named = wanted.cloud.client("dynamodb"), {"TableName": name}
    if recovery := wanted.properties.get("PointInTimeRecoverySpecification"):
        asked = named | {"PointInTimeRecoverySpecification": recovery}
        wanted.call("dynamodb", "update_continuous_backups", asked)
    if expiry := wanted.properties.get("TimeToLiveSpecification"):
        present = dynamodb.describe_time_to_live(**named)["TimeToLiveDescription"]["TimeToLiveStatus"]
        if present == "DISABLED":
            wanted.call("dynamodb", "update_time_to_live", named | {"TimeToLiveSpecification": expiry})


@deletes("AWS::DynamoDB::Table")
def delete_table(cloud: Cloud, made: Made) -> None:
    cloud.client("dynamodb").delete_table(TableName=made.id)
