"""Which kept scan is a file's: of the same bytes, by the same steps, by the same code."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch_jobs.prepare import scans
from batch_jobs.prepare.deduplicating.signatures import NO_TEMPLATE
from batch_jobs.prepare.scanning import Scanner
from batch_jobs.prepare.scans import AFTER_SCANNING, Scans
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.datasets import Source, SourceKind
from tunesmith.contracts.identity import digest
from tunesmith.contracts.recipes import PrepareRecipe

SOURCE = Source(kind=SourceKind.UPLOAD, source_id=digest("a"), uri="a.jsonl", version_id="1", sha256=digest("x"))
LATER: dict[str, Any] = {
    "validation_fraction": 0.2,
    "test_fraction": 0.2,
    "seed": 7,
    "nodes": 3,
    "vcpus": 4,
    "memory_gib": 16,
    "min_rows": 1,
    "max_quarantined_fraction": 1,
    "max_duplicate_fraction": 0.5,
    "max_pii_fraction": 0.5,
    "deduplicate": {"near": False},
    "balance": {"by": "length"},
    "report": {"make": False},
    "label": {"rules": [{"label": "a", "pattern": "b"}], "classifier": True, "min_confidence": 0.9},
    "decontaminate": {"near": False},
}
SCANNED: dict[str, Any] = {
    "max_line_bytes": 1_000,
    "group_by": "conversation",
    "read": {"mixed_formats": "convert"},
    "normalise": {"unicode": "nfkc"},
    "redact": {"types": ["email"]},
    "language": {"keep": ["en"]},
    "quality": {"min_words": 3},
    "label": {"column": "topic"},
    "decontaminate": {"against": ["s3://sets/a.jsonl"]},
}


def scans_of(folder: Path, **recipe: Any) -> Scans:
    return Scans(Storage(), f"{folder}/", PrepareRecipe.model_validate(recipe))


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    assert list(scans_of(tmp_path).keeping(SOURCE, iter(()), lambda: NO_TEMPLATE, lambda: None)) == []
    assert scans_of(tmp_path).find(SOURCE) == 0
    return tmp_path


def test_every_key_of_the_recipe_is_tried() -> None:
    assert set(LATER) == set(AFTER_SCANNING)
    assert set(LATER) | set(SCANNED) == set(PrepareRecipe.model_fields)


@pytest.mark.parametrize("key", LATER)
def test_scan_serves_whatever_is_decided_after_it(kept: Path, key: str) -> None:
    assert scans_of(kept, **{key: LATER[key]}).find(SOURCE) == 0


@pytest.mark.parametrize("key", SCANNED)
def test_scan_serves_no_recipe_that_scans_otherwise(kept: Path, key: str) -> None:
    assert scans_of(kept, **{key: SCANNED[key]}).find(SOURCE) is None


@pytest.mark.parametrize("update", [{"source_id": digest("b")}, {"sha256": digest("y")}, {"sha256": None}])
def test_scan_is_of_one_object_and_its_bytes(kept: Path, update: dict[str, Any]) -> None:
    assert scans_of(kept).find(SOURCE.model_copy(update=update)) is None


def test_scan_is_of_one_state_of_the_code(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "SOURCES", "another")
    assert scans_of(kept).find(SOURCE) is None


@pytest.mark.parametrize("name", ["evaluations", "key"])
def test_scan_is_of_what_the_names_in_the_recipe_stood_for(kept: Path, name: str) -> None:
    assert Scans(Storage(), f"{kept}/", PrepareRecipe(), {name: digest("another")}).find(SOURCE) is None


def test_scanner_tells_what_its_scans_depend_on() -> None:
    recipe, prompts = PrepareRecipe(), np.empty(0, np.uint64)
    one, other = (Scanner(recipe, prompts, key=key).inputs for key in (b"one", b"other"))
    assert one.keys() == other.keys() == {"key"} and one != other
    assert b"one".hex() not in one["key"]
    assert Scanner(recipe, prompts).inputs == {}


def test_scan_that_was_broken_off_is_none(tmp_path: Path) -> None:
    def stop() -> None:
        raise InterruptedError

    found = scans_of(tmp_path)
    with pytest.raises(InterruptedError):
        list(found.keeping(SOURCE, iter([None]), lambda: NO_TEMPLATE, stop))  # type: ignore[list-item]
    assert found.find(SOURCE) is None
