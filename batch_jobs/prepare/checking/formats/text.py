"""Plain text to go on with: `{"text": ...}`."""

from typing import Any

from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.checking.texts import TextChecks
from batch_jobs.prepare.checking.values import text_of
from tunesmith.contracts.datasets import RowFormat


def parse_text(row: dict[str, Any], checks: TextChecks) -> Row:
    return Row(RowFormat.TEXT, (Turn("text", checks.visible(text_of(row, "text", "text"), "text"), True),))
