"""Frozen test splits: one per dataset, pinned by the first version that has one and the same for ever after."""

from tunesmith.adapters import dynamo
from tunesmith.contracts.datasets import Suite

KEY = ("dataset", "entry")
ENTRY = "suite"


def pinned(table: str, project: str, dataset: str) -> Suite | None:
    """The dataset's suite, as of now."""
    row = dynamo.get(table, {"dataset": f"{project}/{dataset}", "entry": ENTRY})
    return Suite.model_validate_json(row["document"]) if row else None


def pin_first(table: str, project: str, dataset: str, offered: Suite | None) -> Suite | None:
    """The suite that was pinned first: the offered one where there was none yet; None where none is offered either."""
    already = pinned(table, project, dataset)
    if already is not None or offered is None:
        return already
    row = {
        "dataset": f"{project}/{dataset}",
        "entry": ENTRY,
        "document": offered.model_dump_json(),
        "owner": dynamo.owner_token(),
    }
    if dynamo.put(dynamo.Put.new(table, row, KEY)):
        return offered
    return pinned(table, project, dataset)
