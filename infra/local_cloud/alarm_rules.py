"""CloudWatch's decision what state an alarm is in: pure."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"
EXTRA_PERIODS = 2
"""CloudWatch looks at somewhat more periods than it needs, to bridge missing ones; its tables show two more."""

COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}


@dataclass(frozen=True)
class Rule:
    """When an alarm rings."""

    comparison: str
    threshold: float
    evaluation_periods: int
    datapoints_to_alarm: int
    missing: str = "missing"
    """missing, ignore, breaching or notBreaching."""

    def breaches(self, value: float) -> bool:
        return COMPARISONS[self.comparison][0](value, self.threshold)


def state(rule: Rule, periods: Sequence[float | None], current: str) -> str:
    """Of the values of the latest periods, oldest first; None is a period without data."""
    real = [value for value in periods if value is not None][-rule.evaluation_periods :]
    breaching, filled = sum(rule.breaches(value) for value in real), rule.evaluation_periods - len(real)
    if rule.missing == "breaching":
        breaching += filled
    if breaching >= rule.datapoints_to_alarm:
        return ALARM
    if len(real) > sum(rule.breaches(value) for value in real) or rule.missing in ("breaching", "notBreaching"):
        return OK
    if rule.missing == "ignore":
        return current
    return _with_missing(rule, periods, current)


def _with_missing(rule: Rule, periods: Sequence[float | None], current: str) -> str:
    """All there is breaches, but it is too little: that is enough once the oldest of it is old enough."""
    ages = [len(periods) - index for index, value in enumerate(periods) if value is not None]
    if not ages:
        return INSUFFICIENT
    return ALARM if max(ages) >= rule.datapoints_to_alarm else current


def composite_state(expression: str, states: Mapping[str, str]) -> str:
    """Of a rule such as ALARM("a") AND NOT OK(b). Raises ValueError for what is none."""
    tokens = re.findall(
        r'(ALARM|OK|INSUFFICIENT_DATA)\(\s*"?([^")]+)"?\s*\)|(AND|OR|NOT|TRUE|FALSE)\b|([()])', expression
    )
    words = [_word(token, states) for token in tokens]
    try:
        value, rest = _or(words)
    except IndexError as error:
        raise ValueError(f"{expression!r} is no rule of a composite alarm: it ends too early") from error
    if rest:
        raise ValueError(f"{expression!r} is no rule of a composite alarm: {rest[0]} is too much")
    return ALARM if value else OK


def _word(token: tuple[str, str, str, str], states: Mapping[str, str]) -> bool | str:
    wanted, name, word, bracket = token
    if wanted:
        return states.get(name.rpartition(":alarm:")[2]) == wanted
    return {"TRUE": True, "FALSE": False}.get(word, word or bracket)


Words = list[bool | str]


def _or(words: Words) -> tuple[bool, Words]:
    value, rest = _and(words)
    while rest[:1] == ["OR"]:
        right, rest = _and(rest[1:])
        value = value or right
    return value, rest


def _and(words: Words) -> tuple[bool, Words]:
    value, rest = _not(words)
    while rest[:1] == ["AND"]:
        right, rest = _not(rest[1:])
        value = value and right
    return value, rest


def _not(words: Words) -> tuple[bool, Words]:
    if words[0] == "NOT":
        value, rest = _not(words[1:])
        return not value, rest
    if words[0] == "(":
        value, rest = _or(words[1:])
        return value, rest[1:]
    return words[0] is True, words[1:]
