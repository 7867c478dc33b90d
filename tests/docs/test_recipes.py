"""docs/recipes.md lists every key of a recipe with its default, and none that does not exist."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from tunesmith.contracts.recipes import Recipe

PAGE = (Path(__file__).parents[2] / "docs/recipes.md").read_text()


def defaults(shape: BaseModel, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in type(shape).model_fields:
        value = getattr(shape, name)
        found |= defaults(value, f"{prefix}{name}.") if isinstance(value, BaseModel) else {prefix + name: value}
    return found


def documented() -> dict[str, str]:
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|", PAGE, re.MULTILINE)
    found: dict[str, str] = {}
    for keys, values in rows:
        names = re.findall(r"`([^`]+)`", keys)
        spelled = re.findall(r"`([^`]+)`", values) or [values] * len(names)
        found |= dict(zip(names, spelled, strict=True))
    return found


def test_page_lists_exactly_the_keys_of_a_recipe() -> None:
    assert set(documented()) == set(defaults(Recipe()))


def test_page_gives_the_defaults() -> None:
    known = documented()
    wrong = {
        k: v
        for k, v in defaults(Recipe()).items()
        if v is not None and yaml.safe_load(known[k]) != yaml.safe_load(v if isinstance(v, str) else json.dumps(v))
    }
    assert {k: v for k, v in wrong.items() if not isinstance(v, bool)} == {}


def test_example_of_the_page_is_a_recipe() -> None:
    example = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert example and Recipe.model_validate(yaml.safe_load(example[1])).finetune.epochs == 2
