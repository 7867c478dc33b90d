"""A stack full of defects, synthesized beside the real ones: a checker that misses them checks nothing."""

from aws_cdk import CfnResource, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

STACK = "Planted"


class PlantedStack(Stack):
    def __init__(self, scope: Construct):
        super().__init__(scope, STACK)
        s3.CfnBucket(self, "OpenBucket")
        role = iam.Role(self, "GreedyRole", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        role.add_to_policy(iam.PolicyStatement(actions=["s3:*"], resources=["*"]))
        CfnResource(self, "Misspelt", type="AWS::SQS::Queue", properties={"MessageRetentionPeriod": "long"})
        twice = CfnResource(self, "Twice", type="AWS::SNS::Topic", properties={"TopicName": role.role_name})
        twice.add_override("DependsOn", [self.get_logical_id(role.node.default_child)])
