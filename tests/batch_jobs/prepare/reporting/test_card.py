"""The card of a real dataset version is read by the `datasets` package as it stands."""

from pathlib import Path

import pytest

from tests.support.datasets import Version
from tunesmith.contracts.datasets import Split


def test_datasets_reads_the_folder(version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="the extra evaluate-modules is not installed")
    loaded = datasets.load_dataset(str(version.folder), cache_dir=str(tmp_path))
    assert {name: len(rows) for name, rows in loaded.items()} == {
        split.value: entry.rows for split, entry in version.manifest.splits.items() if entry.rows
    }
    [row] = loaded[Split.TRAIN].select([0])
    assert row["messages"][0]["content"] and len(row["item_id"]) == 32


def test_card_tells_what_was_searched_for_and_what_is_not_known(version: Version) -> None:
    card = (version.folder / "README.md").read_text()
    assert f"| email | {version.manifest.pii['email']:,} |" in card
    assert "Names and addresses were not searched for." in card and "The licence is not known" in card
    for source in version.manifest.sources:
        assert source.uri in card and source.version_id in card
