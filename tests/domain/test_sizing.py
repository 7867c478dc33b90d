"""Estimates: they follow the recipe, and name what they assume."""

import pytest

from tests.support.promotion import prepare_result, run_request
from tunesmith.domain import planning
from tunesmith.domain.pricing import machine_for
from tunesmith.domain.sizing import estimate

PARAMETERS = 134_515_008


def estimated(parameters=PARAMETERS, opponents=1, **recipe):
    request = run_request(**recipe)
    result = prepare_result(request)
    suite = planning.suite_of(request, result)
    return estimate(request.recipe, result, suite, parameters=parameters, opponents=opponents)


def test_tokens_come_from_characters_and_steps_from_the_recipe():
    found = estimated()
    assert found.tokens == 900 * 100  # 900 rows of 400 characters, 4 of them a token
    assert found.steps == 44  # of 2,048 tokens


def test_training_takes_the_measured_time():
    training = 90_000 / 245
    evaluation = 2 * 100 * (2 * 100 / 490 + 64 / 61)
    assert estimated().seconds == pytest.approx(360 + training + evaluation, abs=0.1)


def test_epochs_multiply_and_max_rows_caps_the_tokens():
    assert estimated(finetune={"epochs": 3}).tokens == 3 * estimated().tokens
    assert estimated(finetune={"max_rows": 90}).tokens == estimated().tokens / 10


def test_larger_model_takes_longer_and_a_champion_is_evaluated_too():
    assert estimated(parameters=2 * PARAMETERS).seconds > estimated().seconds
    assert estimated(opponents=2).seconds > estimated().seconds


def test_sagemaker_costs_its_own_price():
    assert estimated(finetune={"engine": "sagemaker"}).usd > estimated().usd


@pytest.mark.parametrize(
    ("gpus", "machine"), [(0, "m5.2xlarge"), (1, "g5.xlarge"), (2, "g5.12xlarge"), (8, "g5.48xlarge")]
)
def test_machine_is_the_smallest_with_enough_gpus(gpus, machine):
    assert machine_for(gpus).ec2_type == machine
    assert any(machine in assumption for assumption in estimated(finetune={"gpus": gpus}).assumptions)


def test_assumptions_name_price_date_speed_and_its_source():
    text = " ".join(estimated().assumptions)
    assert "2026-11-24" in text and "245 trained tokens per second" in text and "measured" in text
    assert "not measured" in " ".join(estimated(finetune={"gpus": 1}).assumptions)
