"""What every bucket, table, queue, function and log group of the platform must be."""

from infra.layers import REPOSITORY, python_minor
from tests.infra.synthesis import Synthesized, Template
from tunesmith.contracts.tables import TABLES

NAMES = (
    "BucketName",
    "TableName",
    "QueueName",
    "FunctionName",
    "TopicName",
    "RoleName",
    "StateMachineName",
    "RuleName",
)
NAMED_ON_PURPOSE = {"AWS::SSM::Parameter", "AWS::SageMaker::ModelPackageGroup"}
"""The one is how the platform is found, the other must have a name."""


def physical_names(template: Template) -> set[str]:
    """Resources that could not exist twice in an account."""
    return {
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] not in NAMED_ON_PURPOSE
        and any(
            isinstance(resource.get("Properties", {}).get(word), str) for word in (*NAMES, "LogGroupName", "AlarmName")
        )
    }


def test_nothing_has_a_physical_name(synthesized: Synthesized) -> None:
    assert {name: physical_names(body) for name, body in synthesized.templates.items() if physical_names(body)} == {}


def test_a_physical_name_is_found() -> None:
    planted = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "mine"}}}}
    assert physical_names(planted) == {"Queue"}


def test_every_spec_has_its_table(synthesized: Synthesized) -> None:
    tables = list(synthesized.resources("AWS::DynamoDB::Table").values())
    found = sorted([(k["AttributeName"], k["KeyType"]) for k in table["KeySchema"]] for table in tables)
    assert found == sorted(spec.key_schema for spec in TABLES)
    indexes = sum(len(table.get("GlobalSecondaryIndexes", [])) for table in tables)
    assert indexes == sum(len(spec.indexes) for spec in TABLES)
    streams = [table for table in tables if "StreamSpecification" in table]
    assert len(streams) == sum(spec.stream for spec in TABLES)


def test_every_table_can_be_restored_and_is_encrypted_with_our_key(synthesized: Synthesized) -> None:
    for name, table in synthesized.resources("AWS::DynamoDB::Table").items():
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name
        assert table["SSESpecification"]["SSEType"] == "KMS", name
        assert table["BillingMode"] == "PAY_PER_REQUEST", name


def test_buckets_and_tables_outlive_their_stack(synthesized: Synthesized) -> None:
    for template in synthesized.templates.values():
        for name, resource in template["Resources"].items():
            if resource["Type"] in ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::KMS::Key"):
                assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain"), name


def test_buckets_are_versioned_private_and_abort_half_uploads_within_a_day(synthesized: Synthesized) -> None:
    buckets = synthesized.resources("AWS::S3::Bucket")
    assert len(buckets) == 4
    for name, bucket in buckets.items():
        rules = bucket["LifecycleConfiguration"]["Rules"]
        aborts = [rule["AbortIncompleteMultipartUpload"] for rule in rules if "AbortIncompleteMultipartUpload" in rule]
        assert [abort["DaysAfterInitiation"] for abort in aborts] == [1], name
        assert any("NoncurrentVersionExpiration" in rule for rule in rules), name
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}, name
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}, name


def test_captured_traffic_expires(synthesized: Synthesized) -> None:
    rules = [r for b in synthesized.resources("AWS::S3::Bucket").values() for r in b["LifecycleConfiguration"]["Rules"]]
    assert [rule["ExpirationInDays"] for rule in rules if rule.get("Prefix") == "traffic/"] == [30]


def test_every_log_group_forgets_and_is_encrypted(synthesized: Synthesized) -> None:
    groups = synthesized.resources("AWS::Logs::LogGroup")
    assert len(groups) > 15
    assert [name for name, group in groups.items() if not group.get("RetentionInDays") or "KmsKeyId" not in group] == []


def test_every_function_has_its_own_log_group_and_is_traced(synthesized: Synthesized) -> None:
    functions = list(synthesized.resources("AWS::Lambda::Function").values())
    groups = {str(function["LoggingConfig"]["LogGroup"]) for function in functions}
    assert len(groups) == len(functions)
    assert {function["TracingConfig"]["Mode"] for function in functions} == {"Active"}


def test_every_folder_of_functions_is_deployed(synthesized: Synthesized) -> None:
    folders = {path.parent.name for path in (REPOSITORY / "functions").glob("*/handler.py")}
    deployed = {f["Handler"].split(".")[1] for f in synthesized.resources("AWS::Lambda::Function").values()}
    assert deployed == folders


def test_functions_run_the_python_that_synthesizes(synthesized: Synthesized) -> None:
    functions = synthesized.resources("AWS::Lambda::Function").values()
    assert {function["Runtime"] for function in functions} == {f"python{python_minor()}"}
    layers = synthesized.resources("AWS::Lambda::LayerVersion").values()
    assert {tuple(layer["CompatibleRuntimes"]) for layer in layers} == {(f"python{python_minor()}",)}


def test_a_function_has_its_own_folder_in_its_zip_and_nothing_else(synthesized: Synthesized) -> None:
    zips = [path for path in synthesized.folder.glob("asset.*") if (path / "functions").is_dir()]
    assert len(zips) == len(synthesized.resources("AWS::Lambda::Function"))
    for path in zips:
        assert [found.name for found in path.iterdir()] == ["functions"]
        folders = [found.name for found in (path / "functions").iterdir() if found.is_dir()]
        assert len(folders) == 1
        assert (path / "functions" / folders[0] / "handler.py").is_file()
        assert not list(path.rglob("*.pyc"))


def test_every_alarm_tells_the_topic(synthesized: Synthesized) -> None:
    alarms = synthesized.resources("AWS::CloudWatch::Alarm")
    assert [name for name, alarm in alarms.items() if not alarm.get("AlarmActions")] == []


def test_every_queue_and_function_is_watched(synthesized: Synthesized) -> None:
    watched = str([alarm["Dimensions"] for alarm in synthesized.resources("AWS::CloudWatch::Alarm").values()])
    for kind in ("AWS::SQS::Queue", "AWS::Lambda::Function", "AWS::StepFunctions::StateMachine"):
        for name in synthesized.resources(kind):
            assert name.partition("/")[2] in watched, name
