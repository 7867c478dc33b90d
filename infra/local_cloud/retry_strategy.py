"""AWS Batch's decision whether a failed attempt is tried again: pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MATCHES = {"onExitCode": "exit_code", "onReason": "reason", "onStatusReason": "status_reason"}


@dataclass(frozen=True)
class FailedAttempt:
    status_reason: str
    """Of the attempt, as in "Essential container in task exited"."""
    exit_code: int | None = None
    """None if the host went away before the container could end."""
    reason: str | None = None
    """Of the container, as in "OutOfMemoryError: ..."."""


def is_retried(strategy: Mapping[str, Any], attempts_made: int, failed: FailedAttempt) -> bool:
    """Attempts must be left, and the first rule that matches must say RETRY; where no rule matches Batch retries."""
    if attempts_made >= int(strategy.get("attempts") or 1):
        return False
    rules: Sequence[Mapping[str, str]] = strategy.get("evaluateOnExit") or ()
    first = next((rule for rule in rules if _applies(rule, failed)), None)
    return first is None or first["action"].upper() == "RETRY"


def _applies(rule: Mapping[str, str], failed: FailedAttempt) -> bool:
    """All conditions that the rule has must hold."""
    return all(_matches(rule[name], getattr(failed, field)) for name, field in MATCHES.items() if rule.get(name))


def _matches(pattern: str, value: str | int | None) -> bool:
    """Batch's glob: only `*` is special."""
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(expression, "" if value is None else str(value), re.DOTALL) is not None
