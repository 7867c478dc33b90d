"""Rows of a real dataset version that are asked for, and no others."""

from pathlib import Path

import pytest

from batch_jobs.prepare.reporting.rows import Wanted, show
from tests.support.datasets import Version
from tunesmith.contracts.datasets import Split
from tunesmith.contracts.errors import InvalidInput, NotFound
from tunesmith.contracts.versions import ShownRow

ALL = 10_000


def rows(version: Version, wanted: Wanted, limit: int = ALL) -> list[ShownRow]:
    shown = show(str(version.folder), wanted, limit, version.folder)
    assert len(shown.rows) == min(shown.matched, limit)
    return shown.rows


def test_all_rows_are_shown_once_in_their_splits(version: Version) -> None:
    found = rows(version, Wanted())
    assert len({row.item_id for row in found}) == len(found) == version.manifest.counts.kept
    for split, entry in version.manifest.splits.items():
        assert sum(row.split is split for row in found) == entry.rows == len(rows(version, Wanted(split=split)))


def test_filters_agree_with_the_profile(version: Version) -> None:
    for label, count in version.profile.labels.items():
        found = rows(version, Wanted(label=label))
        assert len(found) == count and all(row.label == label for row in found)
    for language, count in version.profile.languages.items():
        assert len(rows(version, Wanted(language=language))) == count
    february = rows(version, Wanted(source="february"))
    assert february == [row for row in rows(version, Wanted()) if "february" in row.source] != []


def test_search_finds_what_is_said_in_any_turn(version: Version) -> None:
    everything = rows(version, Wanted())
    said = [row for row in everything if any("and then?" in turn.content.lower() for turn in row.turns)]
    assert said and rows(version, Wanted(search="AND THEN?")) == said
    one = said[0]
    assert rows(version, Wanted(item=str(one.item_id)[:10], search="and then")) == [one]
    assert rows(version, Wanted(search="a.d then")) == []


def test_part_of_a_version_is_read_as_its_split(version: Version) -> None:
    [part] = version.parts(Split.TEST)
    shown = show(str(part), Wanted(), 1, version.folder)
    assert shown.total == version.manifest.splits[Split.TEST].rows and shown.rows[0].split is Split.TEST


def test_what_has_no_labels_cannot_be_asked_for_them(version: Version, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="--label is for dataset versions"):
        show(version.params.sources[0].uri, Wanted(label="billing"), 1, tmp_path)
    with pytest.raises(NotFound, match="no manifest.json"):
        show(str(tmp_path), Wanted(), 1, tmp_path)
