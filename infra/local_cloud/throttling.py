"""Usage plans: which plan an API key belongs to, and whether it may call now."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from infra.local_cloud.cloud import Cloud

REFRESH_SECONDS = 5.0


@dataclass
class TokenBucket:
    """`rate` calls a second, and up to `burst` at once."""

    rate: float
    burst: float
    clock: Callable[[], float] = time.monotonic
    _tokens: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens, self._at = self.burst, self.clock()

    def take(self) -> bool:
        now = self.clock()
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(frozen=True)
class Plan:
    id: str
    rate: float | None
    burst: float | None
    quota: int | None
    period: str | None


@dataclass(frozen=True)
class Refusal:
    """The type of a gateway response."""

    response_type: str


INVALID, THROTTLED, EXHAUSTED = Refusal("INVALID_API_KEY"), Refusal("THROTTLED"), Refusal("QUOTA_EXCEEDED")


class UsagePlans:
    """The usage plans of one stage of one API."""

    def __init__(self, cloud: Cloud, api: str, stage: str):
        self._cloud, self._api, self._stage = cloud, api, stage
        self._plans: dict[str, Plan] = {}
        self._buckets: dict[tuple[str, str], TokenBucket] = {}
        self._used: dict[tuple[str, str, str], int] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def refuse(self, key: str | None) -> Refusal | None:
        """None where the key may call now."""
        with self._lock:
            plan = self._plan_of(key) if key else None
            if key is None or plan is None:
                return INVALID
            if plan.rate is not None and not self._bucket(plan, key).take():
                return THROTTLED
            return EXHAUSTED if plan.quota is not None and not self._count(plan, key) else None

    def _plan_of(self, key: str) -> Plan | None:
        if key not in self._plans and time.monotonic() - self._read_at > REFRESH_SECONDS:
            self._plans, self._read_at = self._read(), time.monotonic()
        return self._plans.get(key)

    def _bucket(self, plan: Plan, key: str) -> TokenBucket:
        burst = plan.burst or plan.rate or 1.0
        return self._buckets.setdefault((plan.id, key), TokenBucket(plan.rate or 0.0, burst))

    def _count(self, plan: Plan, key: str) -> bool:
        place = (plan.id, key, _period(datetime.now(UTC), plan.period))
        self._used[place] = self._used.get(place, 0) + 1
        return plan.quota is None or self._used[place] <= plan.quota

    def _read(self) -> dict[str, Plan]:
        """API key value -> its plan on this stage."""
        apigateway = self._cloud.client("apigateway")
        keys = apigateway.get_api_keys(includeValues=True, limit=500)["items"]
        return {
            key["value"]: _plan(plan)
            for key in keys
            if key.get("enabled")
            for plan in apigateway.get_usage_plans(keyId=key["id"])["items"]
            if any(at["apiId"] == self._api and at["stage"] == self._stage for at in plan.get("apiStages", []))
        }


def _plan(plan: dict[str, Any]) -> Plan:
    throttle, quota = plan.get("throttle") or {}, plan.get("quota") or {}
    return Plan(
        id=plan["id"],
        rate=float(throttle["rateLimit"]) if "rateLimit" in throttle else None,
        burst=float(throttle["burstLimit"]) if "burstLimit" in throttle else None,
        quota=int(quota["limit"]) if "limit" in quota else None,
        period=quota.get("period"),
    )


def _period(now: datetime, period: str | None) -> str:
    return now.strftime({"DAY": "%Y-%m-%d", "WEEK": "%G-%V", "MONTH": "%Y-%m"}[period or "DAY"])
