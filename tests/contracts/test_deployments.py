"""Names of endpoints and alarms: no two models share one, whatever hyphens they have, and SageMaker takes them."""

import re
from itertools import product

from tunesmith.contracts.deployments import (
    QUALITY_ALARM_PREFIX,
    RollbackAlarm,
    endpoint_name,
    quality_alarm_name,
    rollback_alarm_name,
)

SAGEMAKERS = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
NAMES = ("a", "b", "a-b", "b-c", "c", "a-", "a--b", "quality", "quality-a", "x" * 63, "x" * 62 + "-")
MODELS = list(product(NAMES, NAMES))


def test_two_models_never_share_an_endpoint():
    assert len({endpoint_name(project, model) for project, model in MODELS}) == len(MODELS)


def test_two_models_never_share_a_quality_alarm():
    assert len({quality_alarm_name(project, model) for project, model in MODELS}) == len(MODELS)


def test_every_endpoint_has_a_name_that_sagemaker_takes():
    assert [model for model in MODELS if not SAGEMAKERS.fullmatch(endpoint_name(*model))] == []


def test_no_rollback_alarm_is_taken_for_a_quality_alarm():
    rollback = [rollback_alarm_name(endpoint_name(*model), alarm) for model, alarm in product(MODELS, RollbackAlarm)]
    assert [name for name in rollback if name.startswith(QUALITY_ALARM_PREFIX)] == []


def test_plain_names_stay_readable():
    assert endpoint_name("search", "answers") == "tunesmith-search-answers"
