"""The data card says what the manifest says, in front matter that YAML reads."""

import yaml

from tunesmith.contracts.datasets import (
    DatasetKind,
    DatasetManifest,
    DropReason,
    FileEntry,
    ProblemCode,
    RowCounts,
    RowFormat,
    Source,
    SourceKind,
    Split,
    SplitEntry,
)
from tunesmith.contracts.recipes import PrepareRecipe
from tunesmith.domain.dataset_cards import dataset_card

URI = "s3://uploads/a|b<script>.jsonl"
COUNTS = RowCounts(rows_in=10, kept=7, quarantined=1, dropped={DropReason.BLANK_LINE: 2})


def _file(name: str) -> FileEntry:
    return FileEntry(path=name, bytes=1, sha256="f" * 64)


MANIFEST = DatasetManifest(
    dataset_version="a" * 64,
    project="demo",
    dataset="rows",
    sources=[Source(kind=SourceKind.UPLOAD, source_id="c" * 64, uri=URI, version_id="v1")],
    kind=DatasetKind.CHAT,
    counts=COUNTS,
    counts_by_source={URI: COUNTS},
    formats={RowFormat.CHAT: 7},
    problems={ProblemCode.NOT_JSON: 1},
    splits={
        split: SplitEntry(rows=rows, files=[_file(f"{split}.parquet")])
        for split, rows in zip(Split, (5, 0, 2), strict=True)
    },
    quarantine=_file("quarantine.jsonl"),
    content_digest="d" * 64,
    characters=1_234,
    suite_digest=None,
)


def test_card_tells_the_manifest() -> None:
    card = dataset_card(MANIFEST, PrepareRecipe())
    front = yaml.safe_load(card.split("---")[1])
    assert front["license"] == "OPERATOR_INPUT_REQUIRED" and front["size_categories"] == ["n<1K"]
    assert [one["split"] for one in front["configs"][0]["data_files"]] == ["test", "train"]
    for line in ("| in | 10 |", "| quarantined: NOT_JSON | 1 |", "| dropped: blank_line | 2 |", "| split: train | 5 |"):
        assert line in card
    assert "The split validation is empty." in card


def test_names_of_files_stay_text() -> None:
    card = dataset_card(MANIFEST, PrepareRecipe())
    assert "<script>" not in card and "s3://uploads/a&#124;b&lt;script>.jsonl" in card
