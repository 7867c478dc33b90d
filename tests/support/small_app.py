"""A small cloud assembly as CDK writes one: a bucket, a function from an asset, an API before it, an image."""

import json
import shutil
from pathlib import Path
from typing import Any

ANSWER = """
import json

def handler(event, context):
    return {{"statusCode": 200, "body": json.dumps({{"word": "{word}", "path": event["path"]}})}}
"""
BUCKET, REPOSITORY = "cdk-assets-${AWS::AccountId}-${AWS::Region}", "cdk-images-${AWS::AccountId}-${AWS::Region}"
FUNCTION_URI = {
    "Fn::Join": [
        "",
        [
            "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/",
            {"Fn::GetAtt": ["Answer", "Arn"]},
            "/invocations",
        ],
    ]
}
ROLE = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}}


def write_assembly(folder: Path, word: str = "hello") -> Path:
    """Two stacks, the second of which needs the first."""
    code = folder / f"asset.{word}"
    code.mkdir(parents=True)
    (code / "main.py").write_text(ANSWER.format(word=word))
    templates = {"Storage": _storage(), "Api": _api(f"{word}.zip")}
    for name, template in templates.items():
        (folder / f"{name}.template.json").write_text(json.dumps(template))
        (folder / f"{name}.assets.json").write_text(json.dumps(_assets(name, word)))
    artifacts = {f"{name}.assets": _asset_artifact(name) for name in templates}
    artifacts["Api"] = _stack_artifact("Api", needs=["Storage", "Api.assets"])
    artifacts["Storage"] = _stack_artifact("Storage", needs=["Storage.assets"])
    (folder / "manifest.json").write_text(json.dumps({"version": "55.0.0", "artifacts": artifacts}))
    return folder


def rewrite_assembly(folder: Path, word: str) -> Path:
    """The app after a change of its function's code."""
    shutil.rmtree(folder)
    return write_assembly(folder, word)


def _storage() -> dict[str, Any]:
    return {
        "Resources": {
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "Properties": {"VersioningConfiguration": {"Status": "Enabled"}},
            }
        },
        "Outputs": {"Name": {"Value": {"Ref": "Bucket"}, "Export": {"Name": "Storage:Name"}}},
    }


def _api(code: str) -> dict[str, Any]:
    function = {
        "Runtime": "python3.11",
        "Handler": "main.handler",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Code": {"S3Bucket": {"Fn::Sub": BUCKET}, "S3Key": code},
        "Environment": {"Variables": {"BUCKET": {"Fn::ImportValue": "Storage:Name"}}},
    }
    place = {"RestApiId": {"Ref": "Api"}, "ResourceId": {"Ref": "Proxy"}}
    method = {
        "HttpMethod": "ANY",
        "AuthorizationType": "NONE",
        "Integration": {"Type": "AWS_PROXY", "IntegrationHttpMethod": "POST", "Uri": FUNCTION_URI},
    }
    root = {"Fn::GetAtt": ["Api", "RootResourceId"]}
    return {
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": ROLE},
            "Answer": {"Type": "AWS::Lambda::Function", "Properties": function},
            "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "api"}},
            "Proxy": {
                "Type": "AWS::ApiGateway::Resource",
                "Properties": {"RestApiId": {"Ref": "Api"}, "ParentId": root, "PathPart": "{proxy+}"},
            },
            "Any": {"Type": "AWS::ApiGateway::Method", "Properties": method | place},
            "Deployment": {
                "Type": "AWS::ApiGateway::Deployment",
                "Properties": {"RestApiId": {"Ref": "Api"}},
                "DependsOn": ["Any"],
            },
            "Stage": {
                "Type": "AWS::ApiGateway::Stage",
                "Properties": {
                    "RestApiId": {"Ref": "Api"},
                    "DeploymentId": {"Ref": "Deployment"},
                    "StageName": "live",
                },
            },
        },
        "Outputs": {"Function": {"Value": {"Ref": "Answer"}}},
    }


def _assets(stack: str, word: str) -> dict[str, Any]:
    def published(key: str) -> dict[str, Any]:
        return {"here": {"bucketName": BUCKET, "objectKey": key}}

    files = {
        "template": {
            "source": {"path": f"{stack}.template.json", "packaging": "file"},
            "destinations": published(f"{stack}.json"),
        }
    }
    if stack == "Storage":
        return {"files": files, "dockerImages": {}}
    files["code"] = {
        "source": {"path": f"asset.{word}", "packaging": "zip"},
        "destinations": published(f"{word}.zip"),
    }
    image = {
        "source": {"directory": "asset.image", "dockerFile": "batch_jobs/prepare/Dockerfile"},
        "destinations": {"here": {"repositoryName": REPOSITORY, "imageTag": "cafe"}},
    }
    return {"files": files, "dockerImages": {"cafe": image}}


def _asset_artifact(stack: str) -> dict[str, Any]:
    return {"type": "cdk:asset-manifest", "properties": {"file": f"{stack}.assets.json"}}


def _stack_artifact(stack: str, needs: list[str]) -> dict[str, Any]:
    return {
        "type": "aws:cloudformation:stack",
        "dependencies": needs,
        "properties": {
            "templateFile": f"{stack}.template.json",
            "stackTemplateAssetObjectUrl": f"s3://{BUCKET}/{stack}.json",
        },
    }
