"""Where the outcome of an invocation is sent: queues, topics, functions, event buses."""

from infra.local_cloud.cloud import Cloud


def send(cloud: Cloud, arn: str, body: str) -> None:
    """Hand a text to a queue, a topic, a function or an event bus."""
    match arn.split(":")[2]:
        case "sqs":
            sqs = cloud.client("sqs")
            sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=arn.split(":")[-1])["QueueUrl"], MessageBody=body)
        case "sns":
            cloud.client("sns").publish(TopicArn=arn, Message=body)
        case "lambda":
            cloud.client("lambda").invoke(FunctionName=arn, InvocationType="Event", Payload=body)
        case "events":
            entry = {"EventBusName": arn, "Source": "lambda", "DetailType": "Lambda Function Invocation Result"}
            cloud.client("events").put_events(Entries=[entry | {"Detail": body}])
        case service:
            raise ValueError(
                f"cannot send to {arn}: {service} is no destination here; use SQS, SNS, Lambda or EventBridge"
            )
