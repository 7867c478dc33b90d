"""A project's recipe: strict YAML out of the uploads bucket, pinned to the version that was read."""

import difflib
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from tunesmith.adapters import objects
from tunesmith.contracts import identity
from tunesmith.contracts.artifacts import recipe_key, s3_uri
from tunesmith.contracts.errors import InvalidInput, NotFound
from tunesmith.contracts.recipes import Recipe
from tunesmith.domain.accepting import PinnedRecipe

NOT_YAML = (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError)
"""What PyYAML raises for what it cannot read; for a date or a number that is none, Python's own errors come through."""


def pinned_recipe(bucket: str, project: str) -> PinnedRecipe:
    """The project's recipe as of now, or the shipped default. A recipe that is not valid is told, not raised: the
    upload that asked for it must still be recorded."""
    try:
        text, version_id = objects.read_current(bucket, recipe_key(project))
    except NotFound:
        return PinnedRecipe(Recipe(), version_id=None)
    try:
        return PinnedRecipe(parse_recipe(text, s3_uri(bucket, recipe_key(project))), version_id)
    except InvalidInput as error:
        return PinnedRecipe(Recipe(), version_id, problem=f"{error}; mend the recipe, then upload the file again")


def parse_recipe(text: bytes | str, place: str) -> Recipe:
    """Raises InvalidInput that names the place, the key, and the nearest key that there is."""
    try:
        found = yaml.load(text, Loader=_StrictLoader)
    except NOT_YAML as error:
        raise InvalidInput(f"{place}: not YAML: {' '.join(str(error).split())}") from error
    if found is not None and not isinstance(found, dict):
        raise InvalidInput(f"{place}: expected keys and values, found {type(found).__name__}")
    try:
        recipe = Recipe.model_validate(found or {})
    except ValidationError as error:
        problems = "; ".join(_problem(dict(problem)) for problem in error.errors())
        raise InvalidInput(f"{place}: {problems}") from error
    try:
        identity.canonical_json(recipe.model_dump(mode="json"))
    except ValueError as error:
        raise InvalidInput(f"{place}: every number must be finite, .nan and .inf have no place here") from error
    return recipe


class _StrictLoader(yaml.SafeLoader):
    """Plain YAML in which a key stands once: of two, the reader would believe one and we the other."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"key {twice[0]!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _problem(problem: dict[str, Any]) -> str:
    path = [str(part) for part in problem["loc"]]
    key = ".".join(path) or "the recipe"
    if problem["type"] != "extra_forbidden":
        return f"{key}: {problem['msg']}"
    near = difflib.get_close_matches(path[-1], _keys_of(path[:-1]), n=1, cutoff=0)
    return f"unknown key {key!r}, the nearest known one is {'.'.join([*path[:-1], *near])!r}"


def _keys_of(path: list[str]) -> list[str]:
    """The known keys of the section of the recipe at `path`."""
    section: type[BaseModel] = Recipe
    for name in path:
        annotation = section.model_fields[name].annotation
        assert isinstance(annotation, type) and issubclass(annotation, BaseModel)
        section = annotation
    return list(section.model_fields)
