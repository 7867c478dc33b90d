"""CloudFormation: types that nobody makes, failures that say which and why, order, custom resources, changes."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local_cloud import cloudformation, event_sources, lambdas, locks
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.coercion import coerced
from tests.support.lambda_functions import create, invoke, role, zipped

PLUGINS = [locks, cloudformation, lambdas, event_sources]
QUEUE: dict[str, Any] = {"Type": "AWS::SQS::Queue", "Properties": {}}
CUSTOM = """
    import json, urllib.request
    def handler(event, context):
        answer = {"Status": event["ResourceProperties"].get("Answer", "SUCCESS"), "Reason": "it was told to",
                  "PhysicalResourceId": "made-" + event["RequestType"], "Data": {"Seen": event["ResourceProperties"]}}
        request = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT")
        urllib.request.urlopen(request)
"""


def stack_name() -> str:
    return f"stack-{time.time_ns()}"


def deploy(cloud: Cloud, resources: dict[str, Any], name: str | None = None, **sections: Any) -> dict[str, str]:
    """Create or change a stack; answers its resources' physical ids."""
    cloudformation_client, chosen = cloud.client("cloudformation"), name or stack_name()
    body = json.dumps({"Resources": resources} | sections)
    present = [stack["StackName"] for stack in cloudformation_client.describe_stacks()["Stacks"]]
    act = cloudformation_client.update_stack if chosen in present else cloudformation_client.create_stack
    act(StackName=chosen, TemplateBody=body)
    found = cloudformation_client.describe_stack_resources(StackName=chosen)["StackResources"]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}


def refusal(cloud: Cloud, resources: dict[str, Any], **sections: Any) -> str:
    with pytest.raises(ClientError) as error:
        deploy(cloud, resources, **sections)
    message: str = error.value.response["Error"]["Message"]
    return message


def test_type_that_nobody_makes_is_refused_before_anything_is_made(cloud: Cloud) -> None:
    named = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "never-made"}}
    message = refusal(cloud, {"First": named, "Odd": {"Type": "AWS::Nobody::Makes", "Properties": {}}})
    assert "Odd (AWS::Nobody::Makes)" in message and "Nothing was created" in message
    with pytest.raises(ClientError):
        cloud.client("sqs").get_queue_url(QueueName="never-made")


def test_type_in_moto_that_was_never_compared_is_refused(cloud: Cloud) -> None:
    assert "AWS::RDS::DBInstance" in refusal(cloud, {"Db": {"Type": "AWS::RDS::DBInstance", "Properties": {}}})


def test_failure_names_the_resource_and_its_cause(cloud: Cloud) -> None:
    bad = {"Type": "AWS::Lambda::Function", "Properties": {"Code": {"ZipFile": "x"}, "Role": "nobody"}}
    name = stack_name()
    with pytest.raises(ClientError, match=r"Could not create Broken \(AWS::Lambda::Function\)") as error:
        deploy(cloud, {"Uses": QUEUE | {"DependsOn": "Broken"}, "Broken": bad}, name)
    assert "role" in error.value.response["Error"]["Message"]
    (stack,) = cloud.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_FAILED"


def test_dependency_comes_first_even_where_an_output_looks_at_the_dependent(cloud: Cloud) -> None:
    api = {"RestApiId": {"Ref": "Api"}}
    method = {"ResourceId": {"Fn::GetAtt": ["Api", "RootResourceId"]}, "HttpMethod": "GET", "AuthorizationType": "NONE"}
    resources = {
        "Deployment": {"Type": "AWS::ApiGateway::Deployment", "Properties": api, "DependsOn": ["Get"]},
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "ordered"}},
        "Get": {"Type": "AWS::ApiGateway::Method", "Properties": api | method | {"Integration": {"Type": "MOCK"}}},
    }
    output = {"Value": {"Ref": "Deployment"}, "Export": {"Name": "ordered"}}
    assert deploy(cloud, resources, Outputs={"Deployment": output})["Deployment"]


def test_custom_resource_runs_its_function_with_strings_and_hands_on_its_data(cloud: Cloud) -> None:
    function = create(cloud, CUSTOM)
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function}"
    custom = {"ServiceToken": arn, "Switch": True, "Nested": {"Count": 3}}
    parameter = {"Type": "String", "Name": "/custom", "Value": {"Fn::GetAtt": ["Custom", "Seen"]}}
    made = deploy(
        cloud,
        {
            "Parameter": {"Type": "AWS::SSM::Parameter", "Properties": parameter},
            "Custom": {"Type": "Custom::Thing", "Properties": custom},
        },
    )
    assert made["Custom"] == "made-Create"
    seen = json.loads(cloud.client("ssm").get_parameter(Name="/custom")["Parameter"]["Value"])
    assert (seen["Switch"], seen["Nested"]) == ("true", {"Count": "3"})


def test_custom_resource_that_fails_fails_the_stack(cloud: Cloud) -> None:
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{create(cloud, CUSTOM)}"
    custom = {"Type": "Custom::Thing", "Properties": {"ServiceToken": arn, "Answer": "FAILED"}}
    message = refusal(cloud, {"Custom": custom})
    assert "Custom (Custom::Thing)" in message and "it was told to" in message


def test_table_has_stream_expiry_and_recovery(cloud: Cloud) -> None:
    table = {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
        "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
    }
    name = deploy(cloud, {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": table}})["Table"]
    dynamodb = cloud.client("dynamodb")
    assert dynamodb.describe_table(TableName=name)["Table"]["StreamSpecification"]["StreamEnabled"] is True
    assert dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["AttributeName"] == "expires"
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_function_keeps_layers_log_group_and_its_own_settings(cloud: Cloud) -> None:
    layer = {"Content": {"S3Bucket": "code", "S3Key": "layer.zip"}}
    cloud.client("s3").create_bucket(Bucket="code")
    cloud.client("s3").put_object(Bucket="code", Key="layer.zip", Body=zipped({"python/word.py": "W = 'layered'"}))
    function = {
        "Runtime": "python3.11",
        "Handler": "index.handler",
        "Role": role(cloud),
        "Code": {"ZipFile": "import word\ndef handler(e, c):\n    print('said')\n    return word.W"},
        "Layers": [{"Ref": "Layer"}],
        "LoggingConfig": {"LogGroup": {"Ref": "Logs"}},
        "Timeout": "7",
    }
    made = deploy(
        cloud,
        {
            "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {}},
            "Layer": {"Type": "AWS::Lambda::LayerVersion", "Properties": layer},
            "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
        },
    )
    assert invoke(cloud, made["Function"]) == "layered"
    assert cloud.client("lambda").get_function_configuration(FunctionName=made["Function"])["Timeout"] == 7
    events = cloud.client("logs").filter_log_events(logGroupName=made["Logs"])["events"]
    assert "said" in [event["message"] for event in events]


def test_changed_stack_changes_resources_in_place_and_adds_and_removes(cloud: Cloud) -> None:
    def function(word: str) -> dict[str, Any]:
        code = {"ZipFile": f"def handler(e, c):\n    return '{word}'"}
        properties = {"Runtime": "python3.11", "Handler": "index.handler", "Role": role(cloud), "Code": code}
        return {"Type": "AWS::Lambda::Function", "Properties": properties}

    name = stack_name()
    alarm = {"MetricName": "m", "Namespace": "n", "ComparisonOperator": "LessThanThreshold", "EvaluationPeriods": 1}
    alarm |= {"Statistic": "Sum", "Period": 60, "Threshold": 1.5, "AlarmName": f"alarm-{name}"}
    first = deploy(cloud, {"Function": function("old"), "Queue": QUEUE}, name)
    assert invoke(cloud, first["Function"]) == "old"
    alarm_resource = {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm}
    second = deploy(cloud, {"Function": function("new"), "Alarm": alarm_resource}, name)
    assert (second["Function"], second["Alarm"]) == (first["Function"], f"alarm-{name}")
    assert invoke(cloud, second["Function"]) == "new"
    with pytest.raises(ClientError):
        cloud.client("sqs").get_queue_attributes(QueueUrl=first["Queue"], AttributeNames=["All"])


def test_generated_secret_has_its_template_and_a_random_value(cloud: Cloud) -> None:
    wish = {"SecretStringTemplate": '{"user": "me"}', "GenerateStringKey": "token"}
    secret = {"Type": "AWS::SecretsManager::Secret", "Properties": {"GenerateSecretString": wish}}
    arn = deploy(cloud, {"Secret": secret})["Secret"]
    value = json.loads(cloud.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    assert value["user"] == "me" and len(value["token"]) == 32


@pytest.mark.parametrize(
    ("service", "operation", "given", "wanted"),
    [
        ("batch", "RegisterJobDefinition", {"Timeout": {"AttemptDurationSeconds": "9"}}, ("timeout", 9)),
        ("lambda", "CreateFunction", {"Tags": [{"Key": "a", "Value": "b"}]}, ("Tags", {"a": "b"})),
        ("ssm", "PutParameter", {"Tags": {"a": "b"}}, ("Tags", [{"Key": "a", "Value": "b"}])),
        ("s3", "PutBucketPolicy", {"Policy": {"Version": "1"}}, ("Policy", '{"Version": "1"}')),
        ("cloudwatch", "PutMetricAlarm", {"ActionsEnabled": "false"}, ("ActionsEnabled", False)),
        ("cloudwatch", "PutMetricAlarm", {"Unknown": 1, "Threshold": "1.5"}, ("Threshold", 1.5)),
    ],
)
def test_properties_take_the_form_that_the_api_wants(
    cloud: Cloud, service: str, operation: str, given: dict[str, Any], wanted: tuple[str, Any]
) -> None:
    shape = cloud.client(service).meta.service_model.operation_model(operation).input_shape
    found = coerced(shape, given)
    value = found[wanted[0]]
    assert len(found) == 1
    assert (value["attemptDurationSeconds"] if wanted[0] == "timeout" else value) == wanted[1]
