"""Retraining: what was decided about an alarm, and what the next decision must know of the last one."""

from pydantic import Field

from tunesmith.contracts.base import Contract, Name, RunId, Timestamp


class RetrainingState(Contract):
    """The row `policy` of a model: rewritten by each decision that starts a run, under the next revision."""

    revision: int = Field(default=0, ge=0, description="counts the runs started; the condition of the next write")
    last_run_id: RunId | None = None
    last_run_at: Timestamp | None = None
    trained_rows: int = Field(default=0, ge=0, description="reviewed feedback rows that the last run trained on")
    month: str = Field(default="", description="YYYY-MM that `runs_in_month` counts")
    runs_in_month: int = Field(default=0, ge=0)


class RetrainingDecision(Contract):
    """The row `decision#<digest>` of an alarm: decided once, whatever the answer."""

    project: Name
    model: Name
    alarm_name: str
    changed_at: str = Field(description="when the alarm changed state, as CloudWatch wrote it")
    run_id: RunId | None = Field(description="None: no run was started")
    reasons: list[str] = Field(min_length=1)
    decided_at: Timestamp
