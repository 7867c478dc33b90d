"""How long logs are kept."""

from aws_cdk import aws_logs as logs


def retention_days(days: int) -> logs.RetentionDays:
    """CloudWatch's own word for that many days. Raises ValueError where it has none."""
    words = {
        7: logs.RetentionDays.ONE_WEEK,
        14: logs.RetentionDays.TWO_WEEKS,
        30: logs.RetentionDays.ONE_MONTH,
        90: logs.RetentionDays.THREE_MONTHS,
        365: logs.RetentionDays.ONE_YEAR,
        400: logs.RetentionDays.THIRTEEN_MONTHS,
    }
    if days not in words:
        raise ValueError(f"log_retention_days: expected one of {sorted(words)}, found {days}")
    return words[days]
