"""Acceptance, from facts to rows: the same facts always make the same names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.acceptances import FOUND, accepted
from tunesmith.contracts.artifacts import upload_key
from tunesmith.contracts.errors import ForgedEvent, InvalidInput
from tunesmith.contracts.identity import digest
from tunesmith.contracts.models import UNRESOLVED, ModelReference
from tunesmith.contracts.recipes import FinetuneRecipe, OnUpload, PrepareRecipe, Recipe
from tunesmith.domain.accepting import (
    Origin,
    check_origin,
    is_upload,
    pinned_version,
    upload_place,
)

LATER = "2026-11-25T05:45:02.123Z"
OURS = Origin("uploads", "123456789012", "us-east-1")


def test_same_facts_at_another_time_are_the_same_run():
    first, second = accepted(), accepted(now=LATER)
    assert first.request.run_id == second.request.run_id
    assert first.upload.upload_id == second.upload.upload_id


@pytest.mark.parametrize(
    "other",
    [
        accepted(FOUND.model_copy(update={"version_id": "v2"})),
        accepted(recipe=Recipe(finetune=FinetuneRecipe(seed=1))),
        accepted(base=ModelReference(uri="s3://models/bases/c/", digest=digest("other base"))),
    ],
)
def test_another_version_recipe_or_base_is_another_run(other):
    assert other.request.run_id != accepted().request.run_id


def test_dataset_version_depends_on_how_it_is_prepared_and_not_on_how_it_is_trained():
    trained = accepted(recipe=Recipe(finetune=FinetuneRecipe(seed=1)))
    prepared = accepted(recipe=Recipe(prepare=PrepareRecipe(test_fraction=0.2)))
    assert trained.dataset_version == accepted().dataset_version
    assert prepared.dataset_version.version != accepted().dataset_version.version


def test_model_is_named_by_the_recipe_or_after_the_project():
    assert accepted().request.model == "docs"
    assert accepted(recipe=Recipe(model="docstrings")).request.model == "docstrings"


def test_nothing_on_upload_makes_neither_run_nor_version():
    acceptance = accepted(recipe=Recipe(on_upload=OnUpload.NOTHING))
    assert (acceptance.request, acceptance.dataset_version, acceptance.upload.run_id) == (None, None, None)


def test_missing_base_is_a_refusal_that_names_it():
    acceptance = accepted(recipe=Recipe(base_model="no-such-model"), base=None)
    assert "no-such-model" in acceptance.refusal
    assert (acceptance.request.base, acceptance.dataset_version) == (UNRESOLVED, None)


def test_problem_of_the_recipe_is_the_refusal():
    """A retry must not train by the shipped defaults what was meant to be trained by the recipe."""
    acceptance = accepted(problem="unknown key")
    assert acceptance.refusal == "unknown key"
    assert (acceptance.request.base, acceptance.dataset_version) == (UNRESOLVED, None)


@pytest.mark.parametrize("claim", [{"bucket": "x"}, {"account": "999999999999"}, {"region": "eu-west-1"}])
def test_foreign_claim_is_forged(claim):
    check_origin(FOUND, OURS)
    with pytest.raises(ForgedEvent, match=next(iter(claim))):
        check_origin(FOUND.model_copy(update=claim), OURS)


def test_notification_without_an_account_is_honest():
    check_origin(FOUND.model_copy(update={"account": None}), OURS)


@pytest.mark.parametrize("version", [None, "", "null"])
def test_unversioned_object_is_refused(version):
    with pytest.raises(InvalidInput, match="not versioned"):
        pinned_version(FOUND.model_copy(update={"version_id": version}))


@pytest.mark.parametrize(
    "key",
    [
        "uploads/Docs/d/f",
        "uploads/dοcs/d/f",
        "uploads/docs/d/f\n",
        "uploads/docs/d/",
        "uploads/docs/d/..",
        "uploads/docs/../f",
        "uploads//d/f",
        "/uploads/docs/d/f",
    ],
)
def test_key_that_is_no_upload_is_refused(key):
    with pytest.raises(InvalidInput):
        upload_place(key)


@given(st.text(st.characters(exclude_characters="/", exclude_categories=("Cs", "Cc")), min_size=1, max_size=60))
def test_file_name_is_kept_to_the_byte(file):
    if file in (".", ".."):
        return
    place = upload_place(upload_key("docs", "d", file))
    assert (place.project, place.dataset, place.file) == ("docs", "d", file)


@pytest.mark.parametrize(
    ("key", "answer"), [("uploads/a/b/c", True), ("uploads/a/b/", False), ("projects/docs/recipe.yaml", False)]
)
def test_only_objects_below_uploads_are_uploads(key, answer):
    assert is_upload(key) is answer
