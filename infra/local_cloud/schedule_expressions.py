"""When `rate(...)`, `cron(...)` and `at(...)` are due: pure."""

import calendar
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
WEEKDAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))


def next_time(expression: str, after: datetime) -> datetime | None:
    """The first time after `after` at which the schedule is due; None if there is none."""
    match = re.fullmatch(r"(rate|cron|at)\((.+)\)", expression.strip())
    if match is None:
        raise ValueError(
            f"{expression!r} is no schedule: use rate(5 minutes), cron(0 12 * * ? *) or at(2030-01-01T00:00:00)"
        )
    kind, body = match.groups()
    if kind == "rate":
        return after + rate(body)
    if kind == "at":
        moment = datetime.fromisoformat(body).replace(tzinfo=UTC)
        return moment if moment > after else None
    return Cron(body).next_time(after)


def rate(body: str) -> timedelta:
    match = re.fullmatch(r"(\d+) (minute|hour|day)s?", body)
    if match is None:
        raise ValueError(f"rate({body}): use a whole number of minutes, hours or days")
    return int(match[1]) * UNITS[match[2]]


class Cron:
    """Minutes, hours, day of month, month, day of week, year; `?` means the same as `*`; also `L` and `#`."""

    def __init__(self, body: str) -> None:
        self._fields = body.upper().split()
        if len(self._fields) != len(RANGES):
            raise ValueError(f"cron({body}): six fields are needed, {len(self._fields)} are there")

    def next_time(self, after: datetime) -> datetime | None:
        start = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
        for day in self._days(start):
            for hour in _numbers(self._fields[1], *RANGES[1]):
                for minute in _numbers(self._fields[0], *RANGES[0]):
                    moment = day.replace(hour=hour, minute=minute)
                    if moment >= start:
                        return moment
        return None

    def _days(self, start: datetime) -> Iterator[datetime]:
        """Matching days of the next ten years."""
        midnight = start.replace(hour=0, minute=0)
        years, months = _numbers(self._fields[5], *RANGES[5]), _numbers(self._fields[3], *RANGES[3], MONTHS)
        for ahead in range(3660):
            day = midnight + timedelta(days=ahead)
            if day.year in years and day.month in months and self._is_day(day):
                yield day

    def _is_day(self, day: datetime) -> bool:
        last = calendar.monthrange(day.year, day.month)[1]
        of_month = day.day == last if self._fields[2] == "L" else day.day in _numbers(self._fields[2], *RANGES[2])
        return of_month and self._is_weekday(day, last)

    def _is_weekday(self, day: datetime, last: int) -> bool:
        field, weekday = self._fields[4], day.isoweekday() % 7 + 1  # Sunday is 1
        name, _, nth = field.partition("#")
        if nth:
            return weekday in _numbers(name, *RANGES[4], WEEKDAYS) and (day.day - 1) // 7 + 1 == int(nth)
        if len(field) > 1 and field.endswith("L"):
            return weekday in _numbers(field[:-1], *RANGES[4], WEEKDAYS) and day.day + 7 > last
        return weekday in _numbers(field, *RANGES[4], WEEKDAYS)


def _numbers(field: str, first: int, last: int, names: dict[str, int] | None = None) -> list[int]:
    """What a field lists: `*`, numbers, names, ranges and steps."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        start = first if low in ("*", "?") else _number(low, names)
        end = _number(high, names) if high else last if step or low in ("*", "?") else start
        found |= set(range(start, end + 1, int(step or 1)))
    return sorted(found)


def _number(text: str, names: dict[str, int] | None) -> int:
    return (names or {}).get(text) or int(text)
