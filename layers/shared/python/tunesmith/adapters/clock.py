"""The wall clock: the only place where code of the platform asks what time it is."""

from datetime import UTC, datetime

from tunesmith.contracts.base import Timestamp


def now() -> Timestamp:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
