"""`tunesmith data versions`: which versions of a dataset there are, and what became of their rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from tunesmith.adapters import dynamo
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.artifacts import dataset_prefix, s3_uri
from tunesmith.contracts.datasets import DatasetManifest, DatasetVersion
from tunesmith_cli import account
from tunesmith_cli.console import AsJson, out, print_json, table

MANIFEST = "manifest.json"
SHORT = 12
COLUMNS = ("version", "dataset", "when", "train/validation/test", "kept", "quarantined", "dropped", "sources")


@dataclass(frozen=True)
class Listed:
    version: DatasetVersion
    manifest: DatasetManifest | None
    """None: not prepared, or not yet."""


def versions(
    project: Annotated[str | None, typer.Option("--project", "-p", help="Only this project's.")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Only of this dataset.")] = None,
    as_json: AsJson = False,
) -> None:
    """List dataset versions, the newest first.

    Examples:

        tunesmith data versions

        tunesmith data versions -p support -d tickets --json
    """
    found = sorted(_versions(project, dataset), key=lambda one: one.version.created_at, reverse=True)
    if as_json:
        print_json([{"version": one.version, "manifest": one.manifest} for one in found])
        return
    out.print(table("dataset versions", COLUMNS, map(_line, found)))


def _versions(project: str | None, dataset: str | None) -> Iterator[Listed]:
    platform, storage = account.platform(), Storage()
    for row in dynamo.scan(platform.tables["datasets"]):
        if not row["entry"].startswith("version#"):
            continue
        version = DatasetVersion.model_validate_json(row["document"])
        if project not in (None, version.project) or dataset not in (None, version.dataset):
            continue
        prefix = dataset_prefix(version.project, version.dataset, version.version)
        body = storage.read_if_there(s3_uri(platform.artifacts_bucket, prefix + MANIFEST))
        yield Listed(version, DatasetManifest.model_validate_json(body) if body else None)


def _line(listed: Listed) -> tuple[Any, ...]:
    version, manifest = listed.version, listed.manifest
    name = f"{version.project}/{version.dataset}"
    if manifest is None:
        return version.version[:SHORT], name, version.created_at, "not prepared", None, None, None, len(version.sources)
    counts = manifest.counts
    splits = "/".join(f"{entry.rows:,}" for _, entry in sorted(manifest.splits.items(), key=_order))
    dropped = sum(counts.dropped.values())
    numbers = (f"{number:,}" for number in (counts.kept, counts.quarantined, dropped))
    return version.version[:SHORT], name, version.created_at, splits, *numbers, len(version.sources)


def _order(entry: tuple[Any, Any]) -> int:
    return ("train", "validation", "test").index(entry[0])
