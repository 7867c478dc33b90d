"""The network of job machines: out to AWS, and nothing in but the nodes of one job to each other."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config import Network
from infra.constructs import grants
from tunesmith.contracts.nodes import FIRST_PORT, LAST_PORT

SUBNETS = {
    Network.PUBLIC: ec2.SubnetType.PUBLIC,
    Network.NAT: ec2.SubnetType.PRIVATE_WITH_EGRESS,
    Network.ENDPOINTS: ec2.SubnetType.PRIVATE_ISOLATED,
}
INTERFACES = ("ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "logs", "kms", "sts")


class JobNetwork(Construct):
    """Two zones. S3 and DynamoDB are reached through gateway endpoints, which cost nothing, whatever else is chosen."""

    def __init__(self, scope: Construct, kind: Network, *, key: kms.IKey, log_retention: logs.RetentionDays):
        super().__init__(scope, "Network")
        self.subnets = ec2.SubnetSelection(subnet_group_name="Jobs")
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=2,
            nat_gateways=1 if kind is Network.NAT else 0,
            subnet_configuration=self._subnets(kind),
            restrict_default_security_group=False,
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
                "DynamoDb": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB),
            },
        )
        self.security_group = ec2.SecurityGroup(
            self, "Jobs", vpc=self.vpc, description="Job machines: out only", allow_all_outbound=True
        )
        self.nodes_security_group = self._nodes_security_group()
        if kind is Network.ENDPOINTS:
            self._interface_endpoints()
        self._flow_log(key, log_retention)

    def _nodes_security_group(self) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self,
            "Nodes",
            vpc=self.vpc,
            description="Nodes of multi-node jobs: each other and out",
            allow_all_outbound=True,
        )
        group.add_ingress_rule(group, ec2.Port.tcp_range(FIRST_PORT, LAST_PORT), "Ray, between nodes of these jobs")
        return group

    def _subnets(self, kind: Network) -> list[ec2.SubnetConfiguration]:
        jobs = ec2.SubnetConfiguration(name="Jobs", subnet_type=SUBNETS[kind], cidr_mask=20)
        gateway = ec2.SubnetConfiguration(name="Gateway", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=28)
        return [gateway, jobs] if kind is Network.NAT else [jobs]

    def _interface_endpoints(self) -> None:
        for service in INTERFACES:
            self.vpc.add_interface_endpoint(
                service.title().replace(".", "").replace("-", ""),
                service=ec2.InterfaceVpcEndpointAwsService(service),
                subnets=self.subnets,
            )

    def _flow_log(self, key: kms.IKey, retention: logs.RetentionDays) -> None:
        group = logs.LogGroup(
            self, "FlowLogs", retention=retention, encryption_key=key, removal_policy=RemovalPolicy.DESTROY
        )
        role = iam.Role(self, "FlowLogRole", assumed_by=iam.ServicePrincipal("vpc-flow-logs.amazonaws.com"))
        grants.allow(
            role,
            ("logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams", "logs:DescribeLogGroups"),
            group.log_group_arn,
        )
        ec2.CfnFlowLog(
            self,
            "FlowLog",
            resource_id=self.vpc.vpc_id,
            resource_type="VPC",
            traffic_type="REJECT",
            log_destination_type="cloud-watch-logs",
            log_group_name=group.log_group_name,
            deliver_logs_permission_arn=role.role_arn,
        )
