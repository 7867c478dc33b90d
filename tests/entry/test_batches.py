"""Batches of messages: one that fails goes back alone, whatever made it fail."""

from tests.support.edges import sqs
from tunesmith.entry.batches import each_message, is_batch


def test_failed_messages_alone_are_named_and_all_are_tried():
    seen = []

    def handle(body: str) -> None:
        seen.append(body)
        if body == "bad":
            raise RuntimeError("bad")

    answer = each_message(sqs("good", "bad", "good", "bad"), handle)
    assert seen == ["good", "bad", "good", "bad"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-1"}, {"itemIdentifier": "message-3"}]}


def test_only_queues_deliver_batches(event):
    assert is_batch(event("accept_upload/sqs.json"))
    assert not is_batch(event("accept_upload/notification.json"))
    assert not is_batch(event("accept_upload/eventbridge.json"))
    assert not is_batch({"Records": []})
