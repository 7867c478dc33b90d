"""What a project has: listings over all of its models, for people and clients that ask what there is.

The tables are keyed by model, so these read a whole table. It holds a handful of rows per model; nothing on the way of
an answer waits for it.
"""

from tunesmith.adapters import dynamo
from tunesmith.contracts.models import CHAMPION, Alias, ModelVersion


def champions(aliases_table: str, project: str) -> list[Alias]:
    """What serves, one per model, by name."""
    rows = _of_project(aliases_table, project, f"alias#{CHAMPION}")
    return sorted((Alias.model_validate_json(row["document"]) for row in rows), key=lambda alias: alias.model)


def versions(models_table: str, project: str) -> list[ModelVersion]:
    """Every registered version, by model, oldest first."""
    rows = _of_project(models_table, project, "version#")
    found = (ModelVersion.model_validate_json(row["document"]) for row in rows)
    return sorted(found, key=lambda version: (version.model, version.version))


def _of_project(table: str, project: str, entry_prefix: str) -> list[dynamo.Row]:
    return [
        row
        for row in dynamo.scan(table)
        if row["model"].startswith(f"{project}/") and row["entry"].startswith(entry_prefix)
    ]
