"""The one way to make a queue for what could not be delivered."""

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.skips import skip_check


class DeadLetters(sqs.Queue):
    """Keeps what was not processed for as long as SQS can; an alarm watches its depth."""

    def __init__(self, scope: Construct, name: str):
        super().__init__(
            scope,
            name,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        skip_check(
            self.node.default_child,
            "CKV_AWS_27",
            "encrypted by SQS itself: dead letters hold no data, and must arrive even when our key does not work",
        )
