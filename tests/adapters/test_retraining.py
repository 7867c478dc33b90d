"""Which model an alarm is about: read from the dimensions of its metric, in both ways an alarm can have one."""

import boto3
import pytest

from tunesmith.adapters.retraining import Subject, subject_of
from tunesmith.contracts.errors import NotFound

DIMENSIONS = [{"Name": "project", "Value": "my-docs"}, {"Name": "model", "Value": "small-one"}]
RULE = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "Threshold": 0.5}
METRIC = {"Namespace": "tunesmith", "MetricName": "NegativeFeedback"}


@pytest.fixture
def put_alarm(aws):
    return lambda name, **facts: boto3.client("cloudwatch").put_metric_alarm(AlarmName=name, **RULE, **facts)


def test_plain_metric_names_the_model(put_alarm):
    put_alarm("a", Dimensions=DIMENSIONS, Period=60, Statistic="Average", **METRIC)
    assert subject_of("a") == Subject("my-docs", "small-one")


def test_metric_of_an_expression_names_the_model(put_alarm):
    stat = {"Metric": METRIC | {"Dimensions": DIMENSIONS}, "Period": 60, "Stat": "Average"}
    half = {"Id": "e1", "Expression": "m1 / 2", "Label": "half", "ReturnData": True}
    put_alarm("a", Metrics=[half, {"Id": "m1", "MetricStat": stat, "ReturnData": False}])
    assert subject_of("a") == Subject("my-docs", "small-one")


def test_metric_without_the_dimensions_names_nobody(put_alarm):
    put_alarm("a", Period=60, Statistic="Average", **METRIC)
    with pytest.raises(NotFound, match="dimensions"):
        subject_of("a")


def test_alarm_that_is_gone_names_nobody(aws):
    with pytest.raises(NotFound):
        subject_of("a")
