"""Dataset versions made by the whole job in a folder, and what is read back from them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from batch_jobs.harness.main import run_job
from batch_jobs.prepare.canonical import Row
from batch_jobs.prepare.job import prepare
from batch_jobs.prepare.parts import rows_in_part
from tunesmith.contracts.datasets import DatasetManifest, Source, SourceKind, Split
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import ExitCode, JobName, PrepareParams, PrepareResult
from tunesmith.contracts.recipes import PrepareRecipe

EASY = PrepareRecipe(min_rows=1, max_quarantined_fraction=1, max_line_bytes=1_000)


def jsonl(rows: Iterable[dict[str, Any]]) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


class Workplace:
    """A folder in which one dataset version after another is prepared."""

    def __init__(self, folder: Path):
        self.folder = folder

    def source(self, name: str, content: bytes, kind: SourceKind = SourceKind.UPLOAD) -> Source:
        (self.folder / name).write_bytes(content)
        return Source(kind=kind, source_id=digest(name), uri=str(self.folder / name), version_id="1")

    def params(
        self, *sources: Source, recipe: PrepareRecipe = EASY, name: str = "version", **more: Any
    ) -> PrepareParams:
        return PrepareParams(
            run_id=f"run-{digest(name)[:32]}",
            project="demo",
            dataset="rows",
            dataset_version=digest(name),
            sources=list(sources),
            recipe=recipe,
            output_uri=f"{self.folder}/{name}/",
            **more,
        )

    def run(self, params: PrepareParams) -> int:
        uri = Path(params.output_uri + "job/params.json")
        uri.parent.mkdir(parents=True, exist_ok=True)
        uri.write_text(params.model_dump_json())
        return run_job(JobName.PREPARE, PrepareParams, PrepareResult, prepare, [str(uri)])

    def manifest(self, params: PrepareParams) -> DatasetManifest:
        assert self.run(params) == ExitCode.DONE
        return DatasetManifest.model_validate_json(Path(params.output_uri + "manifest.json").read_bytes())

    @staticmethod
    def rows(params: PrepareParams, split: Split) -> list[dict[str, Any]]:
        return pq.read_table(f"{params.output_uri}{split}-00000-of-00001.parquet").to_pylist()

    def prompts(self, params: PrepareParams, split: Split) -> set[str]:
        return {row["messages"][0]["content"] for row in self.rows(params, split)}

    def kept(self, params: PrepareParams, manifest: DatasetManifest) -> dict[str, Row]:
        """All rows of all splits by their place, as in `a.jsonl:3`."""
        files = [Path(params.output_uri) / file.path for split in manifest.splits.values() for file in split.files]
        return {place: row for file in files for row, place in rows_in_part(file, manifest.kind)}

    def frozen(self, params: PrepareParams, manifest: DatasetManifest) -> dict[str, str]:
        """The version's test split as the frozen suite of the next."""
        suite = manifest.splits[Split.TEST].files[0]
        return {"suite_uri": params.output_uri + suite.path, "suite_digest": suite.sha256}
