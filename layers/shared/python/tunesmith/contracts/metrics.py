"""CloudWatch metrics: namespace, names and dimensions, for EMF writers, alarms and dashboards."""

from enum import StrEnum

NAMESPACE = "tunesmith"


class MetricName(StrEnum):
    NEGATIVE_FEEDBACK = "NegativeFeedback"
    """1 for a thumb down, 0 for a thumb up: its average is the share of negative feedback."""
    REQUESTS = "Requests"
    PROMPT_TOKENS = "PromptTokens"
    COMPLETION_TOKENS = "CompletionTokens"
    LATENCY = "Latency"
    ERRORS = "Errors"
    DUPLICATE_EVENT = "DuplicateEvent"
    FORGED_EVENT = "ForgedEvent"
    RECONCILED = "Reconciled"
    RUNS_FAILED = "RunsFailed"
    CAPTURES_LOST = "CapturesLost"
    """Answers that were given, but could not be kept: nobody can give feedback on them."""


class Dimension(StrEnum):
    PROJECT = "project"
    MODEL = "model"
