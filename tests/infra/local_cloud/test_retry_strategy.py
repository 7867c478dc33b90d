"""Whether AWS Batch tries a failed attempt again."""

import pytest

from infra.local_cloud.retry_strategy import FailedAttempt, is_retried

RECLAIMED = FailedAttempt("Host EC2 (instance i-0abc) terminated.")
EXITED = FailedAttempt("Essential container in task exited", exit_code=1)
NO_MEMORY = FailedAttempt("Essential container in task exited", 137, "OutOfMemoryError: Container killed")
SPOT_ONLY = [{"onStatusReason": "Host EC2*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}]


@pytest.mark.parametrize(
    ("rules", "failed", "expected"),
    [
        ([], EXITED, True),
        (SPOT_ONLY, RECLAIMED, True),
        (SPOT_ONLY, EXITED, False),
        ([{"onExitCode": "1", "action": "exit"}], EXITED, False),
        ([{"onExitCode": "2", "action": "EXIT"}], EXITED, True),
        ([{"onExitCode": "13*", "action": "EXIT"}], NO_MEMORY, False),
        ([{"onExitCode": "137", "onReason": "OutOf*", "action": "EXIT"}], NO_MEMORY, False),
        ([{"onExitCode": "137", "onReason": "Other*", "action": "EXIT"}], NO_MEMORY, True),
        ([{"onReason": "*", "action": "RETRY"}, {"onExitCode": "1", "action": "EXIT"}], EXITED, True),
    ],
)
def test_first_matching_rule_decides_and_none_means_again(
    rules: list[dict[str, str]], failed: FailedAttempt, expected: bool
) -> None:
    assert is_retried({"attempts": 3, "evaluateOnExit": rules}, 1, failed) is expected


@pytest.mark.parametrize(
    ("strategy", "made", "expected"), [({}, 1, False), ({"attempts": 2}, 1, True), ({"attempts": 2}, 2, False)]
)
def test_attempts_are_counted(strategy: dict[str, int], made: int, expected: bool) -> None:
    assert is_retried(strategy, made, EXITED) is expected
