"""`tunesmith data versions`: which versions of a dataset there are, and what became of their rows."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from tunesmith.adapters import dynamo
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.artifacts import dataset_prefix, s3_uri
from tunesmith.contracts.datasets import DatasetManifest, DatasetVersion
from tunesmith_cli import account, runs
from tunesmith_cli.checking import printable
from tunesmith_cli.console import AsJson, out, print_json, table

MANIFEST = "manifest.json"
SHORT = 12
COLUMNS = ("version, when, run", "dataset, files", "rows, train / val / test", "left out")
NAMED = 2
"""Files of a version that are named."""


@dataclass(frozen=True)
class Listed:
    version: DatasetVersion
    manifest: DatasetManifest | None
    """None: not prepared, or not yet."""
    runs: list[str]
    """Those that use it, the newest first."""


def versions(
    project: Annotated[str | None, typer.Option("--project", "-p", help="Only this project's.")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Only of this dataset.")] = None,
    as_json: AsJson = False,
) -> None:
    """List dataset versions, the newest first: their rows, the newest run of each, and the files that they are made of.

    Examples:

        tunesmith data versions

        tunesmith data versions -p support -d tickets --json
    """
    found = sorted(_versions(project, dataset), key=lambda one: one.version.created_at, reverse=True)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    out.print(table("dataset versions", COLUMNS, map(_line, found)))


def _versions(project: str | None, dataset: str | None) -> Iterator[Listed]:
    platform, storage = account.platform(), Storage()
    used: dict[str, list[str]] = {}
    for run in runs.all_runs(project):
        used.setdefault(run.request.dataset_version, []).append(run.request.run_id)
    for row in dynamo.scan(platform.tables["datasets"]):
        if not row["entry"].startswith("version#"):
            continue
        version = DatasetVersion.model_validate_json(row["document"])
        if project not in (None, version.project) or dataset not in (None, version.dataset):
            continue
        prefix = dataset_prefix(version.project, version.dataset, version.version)
        body = storage.read_if_there(s3_uri(platform.artifacts_bucket, prefix + MANIFEST))
        manifest = DatasetManifest.model_validate_json(body) if body else None
        yield Listed(version, manifest, used.get(version.version, []))


def _line(listed: Listed) -> tuple[str, ...]:
    version = listed.version
    run = listed.runs[0][: len("run-") + 8] if listed.runs else "no run"
    return (
        f"{version.version[:SHORT]}\n{version.created_at[:16].replace('T', ' ')}\n{run}\n",
        f"{version.project}/{version.dataset}\n{_files(version)}",
        *_rows(listed.manifest),
    )


def _rows(manifest: DatasetManifest | None) -> tuple[str, str]:
    if manifest is None:
        return "not prepared", ""
    counts = manifest.counts
    splits = " / ".join(f"{entry.rows:,}" for _, entry in sorted(manifest.splits.items(), key=_order))
    left_out = f"{counts.quarantined:,} put aside\n{sum(counts.dropped.values()):,} dropped"
    return f"{counts.kept:,} of {counts.rows_in:,}\n{splits}", left_out


def _files(version: DatasetVersion) -> str:
    names = [printable(source.uri.rpartition("/")[2]) for source in version.sources]
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _order(entry: tuple[Any, Any]) -> int:
    return ("train", "validation", "test").index(entry[0])
