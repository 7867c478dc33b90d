"""What the functions log. Powertools keeps the stream that was standard output when it was imported."""

import io

import pytest

from tunesmith.entry.observability import logger


def record_logs(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    lines = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", lines)
    return lines
