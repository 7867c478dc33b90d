"""Model cards: valid front matter, and every fact that they are given."""

from dataclasses import replace

import pytest
import yaml

from tests.support.promotion import (
    adapter_manifest,
    approved_by_gate,
    base_manifest,
    dataset_manifest,
    report,
    run_request,
    trained,
    training_plan,
)
from tunesmith.contracts.jobs import Role
from tunesmith.domain.cards import CardFacts, model_card


@pytest.fixture
def facts():
    request = run_request()
    plan, adapter = training_plan(request), trained(adapter_manifest(request)).adapter
    return CardFacts(
        request=request,
        base=base_manifest(),
        adapter=adapter_manifest(request),
        adapter_uri=adapter.uri,
        dataset=dataset_manifest(request),
        report=report(plan, adapter, {Role.CANDIDATE: [0.5] * 30, Role.BASE: [0.25] * 30}),
        verdict=approved_by_gate(plan, adapter),
        compared_with=None,
    )


def test_front_matter_is_yaml_that_names_base_licence_and_metrics(facts):
    matter = yaml.safe_load(model_card(facts).split("---")[1])
    assert matter["base_model"] == "smollm2-135m-instruct"
    assert matter["license_name"] == "Apache-2.0"
    assert matter["library_name"] == "peft"
    assert matter["metrics"] == ["rouge_l"]


def test_card_tells_rows_scores_losses_and_verdict(facts):
    card = model_card(facts)
    for fact in (
        "| quarantined | 10 |",
        "| candidate | 0.5000 |",
        "| base | 0.2500 |",
        "2.5000",
        "it gains",
        "Approved",
    ):
        assert fact in card
    assert facts.adapter.digest in card and facts.dataset.dataset_version in card


def test_card_without_a_report_says_that_nothing_was_measured(facts):
    card = model_card(replace(facts, report=None))
    assert "None that can be trusted" in card and "0.5000" not in card


def test_same_facts_make_the_same_card(facts):
    assert model_card(facts) == model_card(facts)
