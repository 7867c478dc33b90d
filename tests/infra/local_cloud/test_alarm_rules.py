"""The states of alarms over the tables of CloudWatch's documentation."""

import pytest

from infra.local_cloud.alarm_rules import Rule, composite_state, state

NOW = "now"  # stands for the state that the alarm is in


def periods(text: str) -> list[float | None]:
    """`X` breaches, `0` does not, `-` is missing; oldest first."""
    return [{"X": 10.0, "0": 0.0, "-": None}[letter] for letter in text.split()]


def states(text: str, datapoints: int) -> list[str]:
    found = []
    for missing in ("missing", "ignore", "breaching", "notBreaching"):
        rule = Rule("GreaterThanThreshold", 5.0, 3, datapoints, missing)
        found.append(state(rule, periods(text), NOW))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 - X - X", ["OK", "OK", "OK", "OK"]),
        ("- - - - 0", ["OK", "OK", "OK", "OK"]),
        ("- - - - -", ["INSUFFICIENT_DATA", NOW, "ALARM", "OK"]),
        ("0 X X - X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("- - X - -", ["ALARM", NOW, "ALARM", "OK"]),
    ],
)
def test_three_of_three_follows_the_documentation(text: str, expected: list[str]) -> None:
    assert states(text, 3) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 - X - X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("0 0 X 0 X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("0 - X - -", ["OK", "OK", "ALARM", "OK"]),
        ("- - - - 0", ["OK", "OK", "ALARM", "OK"]),
        ("- - - X -", ["ALARM", NOW, "ALARM", "OK"]),
    ],
)
def test_two_of_three_follows_the_documentation(text: str, expected: list[str]) -> None:
    assert states(text, 2) == expected


def test_one_breach_of_three_is_not_yet_an_alarm() -> None:
    assert state(Rule("GreaterThanThreshold", 5.0, 3, 3), periods("- - - - X"), NOW) == NOW


@pytest.mark.parametrize(
    ("comparison", "values"),
    [
        ("GreaterThanThreshold", {4.0: "OK", 5.0: "OK", 6.0: "ALARM"}),
        ("GreaterThanOrEqualToThreshold", {4.0: "OK", 5.0: "ALARM", 6.0: "ALARM"}),
        ("LessThanThreshold", {4.0: "ALARM", 5.0: "OK", 6.0: "OK"}),
        ("LessThanOrEqualToThreshold", {4.0: "ALARM", 5.0: "ALARM", 6.0: "OK"}),
    ],
)
def test_comparison_treats_the_threshold_itself_as_it_says(comparison: str, values: dict[float, str]) -> None:
    assert {value: state(Rule(comparison, 5.0, 1, 1), [value], NOW) for value in values} == values


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("ALARM(a)", "ALARM"),
        ('ALARM("a") AND ALARM(b)', "OK"),
        ("ALARM(b) OR (ALARM(a) AND NOT ALARM(b))", "ALARM"),
        ("OK(arn:aws:cloudwatch:us-east-1:1:alarm:b) AND TRUE", "ALARM"),
    ],
)
def test_composite_rule_combines_the_states_of_others(rule: str, expected: str) -> None:
    assert composite_state(rule, {"a": "ALARM", "b": "OK"}) == expected
