"""Dataset versions in DynamoDB: what each is made of. Their frozen test splits are `tunesmith.adapters.suites`."""

import re
from dataclasses import replace

from tunesmith.adapters import dynamo
from tunesmith.adapters.dynamo import Put
from tunesmith.contracts.datasets import DatasetVersion
from tunesmith.contracts.errors import NotFound

KEY = ("dataset", "entry")
NEWEST = "newest"
BEGINNING = re.compile(r"[0-9a-f]{6,64}")
"""What may be the beginning of a version's digest."""


def partition(project: str, dataset: str) -> str:
    return f"{project}/{dataset}"


def new_version(table: str, version: DatasetVersion, owner: str) -> Put:
    """The row of a dataset version, to be written with the run that makes it."""
    row = {
        "dataset": partition(version.project, version.dataset),
        "entry": f"version#{version.version}",
        "document": version.model_dump_json(),
        "created_at": version.created_at,
        "owner": owner,
    }
    return Put.new(table, row, KEY)


def newest_upload(table: str, project: str, dataset: str) -> DatasetVersion | None:
    """The newest version that uploads made. What a retraining adds of feedback is added anew by each retraining."""
    place = {"dataset": partition(project, dataset)}
    pointer = dynamo.get(table, place | {"entry": NEWEST})
    if pointer is None:
        return None
    row = dynamo.get(table, place | {"entry": f"version#{pointer['version']}"})
    if row is None:
        raise NotFound(f"{place['dataset']} has no version {pointer['version']}, which is its newest")
    return DatasetVersion.model_validate_json(row["document"])


def point_to(table: str, version: DatasetVersion, owner: str) -> Put:
    """This version is the newest, whatever was before."""
    row = {
        "dataset": partition(version.project, version.dataset),
        "entry": NEWEST,
        "version": version.version,
        "owner": owner,
    }
    return Put(table, row, KEY)


def point_on(table: str, version: DatasetVersion, seen: DatasetVersion | None, owner: str) -> Put:
    """This version is the newest if what was seen still is. No version is ever the newest twice, so that its digest
    tells whether anything came between."""
    write = point_to(table, version, owner)
    if seen is None:
        return replace(write, condition="attribute_not_exists(dataset)")
    return replace(write, condition="version = :seen", values={":seen": seen.version})


def find_version(table: str, beginning: str) -> DatasetVersion | None:
    """The dataset version whose digest begins so, or None. Raises NotFound where several do."""
    if not BEGINNING.fullmatch(beginning):
        return None
    found = [row for row in dynamo.scan(table) if row["entry"].startswith(f"version#{beginning}")]
    if len(found) > 1:
        raise NotFound(f"{beginning} is the beginning of {len(found)} dataset versions: give more of it")
    return DatasetVersion.model_validate_json(found[0]["document"]) if found else None
