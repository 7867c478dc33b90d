"""Dataset versions in DynamoDB: what each is made of. Their frozen test splits are `tunesmith.adapters.suites`."""

from tunesmith.adapters.dynamo import Put
from tunesmith.contracts.datasets import DatasetVersion

KEY = ("dataset", "entry")


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
