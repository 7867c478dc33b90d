"""A source whose digest was claimed is compared with it before a row of it counts."""

import gzip
import hashlib
from pathlib import Path

import pytest

from batch_jobs.prepare.cluster.pieces import pieces_of
from tests.batch_jobs.prepare.test_prepare import Workplace, row
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.jobs import ExitCode

ROWS = b"\n".join(row(f"question {number}") for number in range(30))


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def test_source_with_the_claimed_digest_is_prepared(place: Workplace) -> None:
    claimed = place.source("a.jsonl", ROWS).model_copy(update={"sha256": hashlib.sha256(ROWS).hexdigest()})
    assert place.manifest(place.params(claimed)).counts.kept == 30


def test_source_with_another_digest_fails_and_publishes_nothing(
    place: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    claimed = place.source("a.jsonl", ROWS + b" ").model_copy(update={"sha256": hashlib.sha256(ROWS).hexdigest()})
    params = place.params(claimed)
    assert place.run(params) != ExitCode.DONE
    told = capsys.readouterr().err
    assert "a.jsonl: expected sha256" in told and told.startswith("integrity: ")
    assert not Path(params.output_uri + "manifest.json").exists()


def test_file_whose_digest_is_to_be_compared_is_not_cut(place: Workplace) -> None:
    source = place.source("a.jsonl", ROWS)
    claimed = source.model_copy(update={"sha256": hashlib.sha256(ROWS).hexdigest()})
    assert len(list(pieces_of(Storage(), 0, source, 100, 10))) == 10
    assert len(list(pieces_of(Storage(), 0, claimed, 100, 10))) == 1


def test_only_lines_of_json_are_cut_whatever_the_name_says(place: Workplace) -> None:
    for content in (gzip.compress(ROWS), b"[" + ROWS.replace(b"\n", b",") + b"]"):
        assert len(list(pieces_of(Storage(), 0, place.source("b.jsonl", content), 100, 10))) == 1


def test_scan_that_is_kept_does_not_stand_for_a_digest_that_was_not_compared(place: Workplace) -> None:
    source, kept = place.source("a.jsonl", ROWS), {"scans_uri": f"{place.folder}/scans/"}
    place.manifest(place.params(source, **kept))
    claimed = source.model_copy(update={"sha256": "0" * 64})
    assert place.run(place.params(claimed, name="claimed", **kept)) != ExitCode.DONE
