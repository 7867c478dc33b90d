"""Scheduled rules of EventBridge, and schedules of EventBridge Scheduler, fire when they are due."""

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from moto.events.models import Rule
from moto.scheduler.models import Schedule, scheduler_backends

from infra.local_cloud import events, targets
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.schedule_expressions import next_time

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2


@dataclass
class Clock:
    """Time that runs `speed` times as fast as the wall's."""

    speed: float
    _began: datetime = field(default_factory=lambda: datetime.now(UTC))
    _ticks: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        return self._began + timedelta(seconds=(time.monotonic() - self._ticks) * self.speed)


class Scheduler:
    """Fires what is due, each thing counted from when it was first seen."""

    def __init__(self, cloud: Cloud, clock: Clock) -> None:
        self._cloud, self._clock = cloud, clock
        self._due: dict[tuple[str, str], datetime | None] = {}

    def run(self) -> None:
        while not self._cloud.stopping.wait(POLL_SECONDS):
            self.fire_due()

    def fire_due(self) -> None:
        now = self._clock.now()
        for arn, expression, thing in list(self._scheduled()):
            key = (arn, expression)
            due = self._due.setdefault(key, self._next(expression, now))
            if due is not None and due <= now:
                self._due[key] = self._next(expression, now)
                self._fire(thing)

    def _next(self, expression: str, now: datetime) -> datetime | None:
        try:
            return next_time(expression, now)
        except ValueError as error:
            logger.error("a schedule never fires: %s", error)
            return None

    def _scheduled(self) -> Iterator[tuple[str, str, Rule | Schedule]]:
        for rule in list(events.default_bus(self._cloud).rules.values()):
            if rule.scheduled_expression and rule.state != "DISABLED":
                yield rule.arn, rule.scheduled_expression, rule
        for group in list(scheduler_backends[self._cloud.account][self._cloud.region].schedule_groups.values()):
            for schedule in list(group.schedules.values()):
                if schedule.state != "DISABLED":
                    yield schedule.arn, schedule.schedule_expression, schedule

    def _fire(self, thing: Rule | Schedule) -> None:
        if isinstance(thing, Rule):
            event = events.envelope(self._cloud, "aws.events", "Scheduled Event", {}, [thing.arn])
            events.send(self._cloud, thing, event)
        else:
            event = events.envelope(self._cloud, "aws.scheduler", "Scheduled Event", {}, [thing.arn])
            sender = targets.Sender(thing.name, thing.arn)
            self._cloud.pool.submit(targets.deliver, self._cloud, sender, thing.target, event)


def install(cloud: Cloud) -> None:
    scheduler = Scheduler(cloud, Clock(cloud.speed))
    threading.Thread(target=scheduler.run, daemon=True, name="schedules").start()
