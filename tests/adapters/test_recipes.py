"""Recipes out of the bucket: strict, pinned, and with the nearest name for a key that does not exist."""

import boto3
import pytest

from tunesmith.adapters.recipes import parse_recipe, pinned_recipe
from tunesmith.contracts.artifacts import recipe_key
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.recipes import Recipe


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("finetuning: {}", "finetuning", "finetune"),
        ("finetune: {learning_rat: 1}", "finetune.learning_rat", "finetune.learning_rate"),
        ("gate: {max_loss_to_champ: 1}", "gate.max_loss_to_champ", "gate.max_loss_to_champion"),
        ("zzz: 1", "zzz", ""),
    ],
)
def test_unknown_key_is_named_with_the_nearest_one(text, key, nearest):
    with pytest.raises(InvalidInput) as refused:
        parse_recipe(text, "s3://uploads/projects/docs/recipe.yaml")
    told = str(refused.value)
    assert "projects/docs/recipe.yaml" in told
    assert f"'{key}'" in told
    assert nearest in told


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "- a list",
        "just words",
        "finetune: {epochs: 0}",
        "finetune: 3",
        b"\xff\xfe\x00",
        "? [1, 2]\n: 3",
        "1: 2",
        "model: a\nmodel: b",
        "finetune: {epochs: 1, epochs: 2}",
        "gate: {min_gain_over_base: .nan}",
        "budget: {max_run_usd: .inf}",
        "[" * 5_000,
        "model: 2026-02-30",
        "model: !!bool perhaps",
        "model: !!timestamp yesterday",
        "model: !!int ''",
        "model: !!float many",
        "model: " + "1" * 5_000,
    ],
    ids=lambda text: str(text)[:20],
)
def test_anything_but_a_valid_recipe_is_refused(text):
    with pytest.raises(InvalidInput):
        parse_recipe(text, "recipe.yaml")


def test_yaml_that_would_run_code_is_refused():
    with pytest.raises(InvalidInput):
        parse_recipe("model: !!python/object/apply:os.getcwd []", "recipe.yaml")


@pytest.mark.parametrize("text", ["", "# nothing chosen\n", "{}"])
def test_empty_recipe_is_the_default(text):
    assert parse_recipe(text, "recipe.yaml") == Recipe()


def test_project_without_a_recipe_gets_the_default_and_pins_nothing(buckets):
    found = pinned_recipe("uploads", "docs")
    assert (found.recipe, found.version_id, found.problem) == (Recipe(), None, None)


def test_recipe_is_pinned_to_the_version_that_was_read(buckets):
    s3 = boto3.client("s3")
    s3.put_object(Bucket="uploads", Key=recipe_key("docs"), Body=b"model: old")
    version = s3.put_object(Bucket="uploads", Key=recipe_key("docs"), Body=b"model: new")["VersionId"]
    found = pinned_recipe("uploads", "docs")
    assert (found.recipe.model, found.version_id) == ("new", version)
