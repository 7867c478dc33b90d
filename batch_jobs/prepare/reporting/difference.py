"""Two dataset versions side by side: which rows came, went, moved and changed, and what else is not as it was.

    python -m batch_jobs.prepare.reporting.difference A B [--sample N]

A and B are folders of dataset versions, here or in S3. One JSON document (contracts.versions.VersionDifference) goes to
standard output; the exit code is 2 where a version cannot be read. Memory: some 80 bytes a row of both versions.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from batch_jobs.prepare.batches import Integers
from batch_jobs.prepare.reporting.answering import answer
from batch_jobs.prepare.reporting.folders import VersionFolder
from batch_jobs.prepare.reporting.measuring import hashes
from batch_jobs.prepare.reporting.rows import rows_of_table, tables
from tunesmith.contracts.datasets import DatasetManifest, Split
from tunesmith.contracts.errors import NotFound
from tunesmith.contracts.versions import (
    ChangedRow,
    ComparedCount,
    ComparedSetting,
    Moved,
    ShownRow,
    VersionDifference,
)

SPLITS = list(Split)
SAMPLE = 5


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m batch_jobs.prepare.reporting.difference")
    parser.add_argument("before", help="folder of a dataset version")
    parser.add_argument("after", help="folder of another")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="rows that are shown of each kind")
    given = parser.parse_args(argv)
    places = (given.before, given.after)
    return answer(
        lambda scratch: compare(*(_open(place, scratch) for place in places), given.sample), " or ".join(places)
    )


def _open(place: str, scratch: Path) -> VersionFolder:
    found = VersionFolder.open(place, scratch)
    if found is None:
        raise NotFound(f"{place} holds no manifest.json: it is no dataset version, or not made yet")
    return found


@dataclass(frozen=True, slots=True)
class Rows:
    """What two versions are compared by: of each row its id, its split and its place, 16 + 1 + 8 bytes."""

    ids: NDArray[np.void]
    split: NDArray[np.uint8]
    """Index into SPLITS."""
    place: NDArray[np.uint64]
    """Hash of source and line."""

    @classmethod
    def of(cls, version: VersionFolder) -> "Rows":
        ids, splits, places = [], [], []
        for code, table in _tables(version, ("item_id", "source", "line")):
            ids.append(_packed(table["item_id"].to_pylist()))
            splits.append(np.full(table.num_rows, code, np.uint8))
            line = table["line"].to_numpy().astype(np.uint64)
            places.append(hashes(table["source"]) + line * np.uint64(0x9E3779B97F4A7C15))
        return cls(
            np.concatenate([_packed([]), *ids]),
            np.concatenate([np.empty(0, np.uint8), *splits]),
            np.concatenate([np.empty(0, np.uint64), *places]),
        )


def _tables(version: VersionFolder, columns: Sequence[str] | None = None) -> Iterator[tuple[int, pa.Table]]:
    for code, split in enumerate(SPLITS):
        for file in version.parts(split):
            for table in tables(file, columns):
                yield code, table


def _packed(ids: list[str]) -> NDArray[Any]:
    """Item ids as 16 bytes each (32, of versions that name rows by a SHA-256, as the first 16 of them)."""
    return np.array([bytes.fromhex(item[:32]) for item in ids], "V16")


def compare(before: VersionFolder, after: VersionFolder, sample: int = SAMPLE) -> VersionDifference:
    """What of `after` is not as in `before`."""
    old, new = Rows.of(before), Rows.of(after)
    removed, added, both_old, both_new = _matched(old.ids, new.ids)
    has_moved = old.split[both_old] != new.split[both_new]
    moved_old, moved_new = both_old[has_moved], both_new[has_moved]
    at_old, at_new = _same_place(old.place, new.place, removed, added)
    return VersionDifference(
        before=before.uri,
        after=after.uri,
        same=len(both_old) - len(moved_old),
        added=_by_split(new.split[added]),
        removed=_by_split(old.split[removed]),
        moved=_moves(old.split[moved_old], new.split[moved_new]),
        changed=len(at_old),
        **_counted(before, after),
        sources_added=sorted(_sources(after.manifest) - _sources(before.manifest)),
        sources_removed=sorted(_sources(before.manifest) - _sources(after.manifest)),
        recipe=_settings(before, after),
        columns_added=sorted(_columns(after) - _columns(before)),
        columns_removed=sorted(_columns(before) - _columns(after)),
        added_rows=_shown(after, np.setdiff1d(added, at_new)[:sample]),
        removed_rows=_shown(before, np.setdiff1d(removed, at_old)[:sample]),
        moved_rows=_shown(after, moved_new[:sample]),
        changed_rows=[
            ChangedRow(before=one, after=other)
            for one, other in zip(_shown(before, at_old[:sample]), _shown(after, at_new[:sample]), strict=True)
        ],
    )


def _matched(old: NDArray[Any], new: NDArray[Any]) -> tuple[Integers, Integers, Integers, Integers]:
    """Rows of the old ids alone, of the new alone, and the pairs of both, in the new one's order. An id that stands
    several times is paired as often as both have it."""
    order_old, order_new = _ranks(old, new)
    pairs_old, pairs_new = _pair(order_old, order_new)
    alone_old, alone_new = np.ones(len(old), np.bool_), np.ones(len(new), np.bool_)
    alone_old[pairs_old] = alone_new[pairs_new] = False
    return np.flatnonzero(alone_old), np.flatnonzero(alone_new), pairs_old, pairs_new


def _ranks(old: NDArray[Any], new: NDArray[Any]) -> tuple[Integers, Integers]:
    """A number for each id, the same for the same id."""
    halves = np.concatenate([old, new]).view(np.uint64).reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (halves[order[1:]] != halves[order[:-1]]).any(axis=1)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.cumsum(is_new)
    return rank[: len(old)], rank[len(old) :]


def _pair(old: NDArray[Any], new: NDArray[Any]) -> tuple[Integers, Integers]:
    """Places of equal values, the n-th of one side with the n-th of the other, in the new one's order."""
    keyed = [
        np.stack([values, _occurrence(values)], axis=1) for values in (old.astype(np.uint64), new.astype(np.uint64))
    ]
    packed = [np.ascontiguousarray(keys).view("V16").ravel() for keys in keyed]
    ranks_old, ranks_new = _ranks(packed[0], packed[1])
    _, pairs_old, pairs_new = np.intersect1d(ranks_old, ranks_new, assume_unique=True, return_indices=True)
    order = np.argsort(pairs_new, kind="stable")
    return pairs_old[order], pairs_new[order]


def _occurrence(values: NDArray[Any]) -> NDArray[np.uint64]:
    """How often each value stood before."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(values) else np.empty(0, int)
    counts = np.arange(len(values)) - np.repeat(starts, np.diff([*starts.tolist(), len(values)]))
    found = np.empty(len(values), np.uint64)
    found[order] = counts.astype(np.uint64)
    return found


def _same_place(
    old: NDArray[np.uint64], new: NDArray[np.uint64], removed: Integers, added: Integers
) -> tuple[Integers, Integers]:
    """Rows that were removed and those that were added on the same line of the same file."""
    pairs_old, pairs_new = _pair(old[removed], new[added])
    return removed[pairs_old], added[pairs_new]


def _by_split(codes: NDArray[np.uint8]) -> dict[Split, int]:
    counts = np.bincount(codes, minlength=len(SPLITS)).tolist()
    return dict(zip(SPLITS, counts, strict=True))


def _moves(old: NDArray[np.uint8], new: NDArray[np.uint8]) -> list[Moved]:
    counts = np.bincount(old * len(SPLITS) + new, minlength=len(SPLITS) ** 2).reshape(len(SPLITS), -1)
    return [
        Moved(before=SPLITS[one], after=SPLITS[other], rows=int(counts[one, other]))
        for one, other in np.argwhere(counts).tolist()
    ]


def _counted(before: VersionFolder, after: VersionFolder) -> dict[str, list[ComparedCount]]:
    one, other = before.manifest, after.manifest
    profiles = [version.profile() for version in (before, after)]
    found = {
        "counts": _side_by_side(_outcomes(one), _outcomes(other)),
        "problems": _side_by_side(one.problems, other.problems),
        "pii": _side_by_side(one.pii, other.pii),
    }
    if profiles[0] and profiles[1]:
        found["languages"] = _side_by_side(profiles[0].languages, profiles[1].languages)
        found["labels"] = _side_by_side(profiles[0].labels, profiles[1].labels)
    return found


def _outcomes(manifest: DatasetManifest) -> dict[str, int]:
    counts = manifest.counts
    told = {"rows in": counts.rows_in, "kept": counts.kept, "quarantined": counts.quarantined}
    return told | {f"dropped: {reason}": rows for reason, rows in counts.dropped.items()}


def _side_by_side(before: Mapping[Any, int], after: Mapping[Any, int]) -> list[ComparedCount]:
    return [
        ComparedCount(name=str(name), before=before.get(name, 0), after=after.get(name, 0))
        for name in dict.fromkeys([*before, *after])
    ]


def _sources(manifest: DatasetManifest) -> set[str]:
    return {f"{source.uri} ({source.version_id})" for source in manifest.sources}


def _columns(version: VersionFolder) -> set[str]:
    return {f"{column.name}: {column.type}" for column in pq.read_schema(version.parts(Split.TEST)[0])}


def _settings(before: VersionFolder, after: VersionFolder) -> list[ComparedSetting] | None:
    profiles = [version.profile() for version in (before, after)]
    flat = [
        dict(_flat(profile.recipe.model_dump(mode="json"))) if profile and profile.recipe else None
        for profile in profiles
    ]
    if flat[0] is None or flat[1] is None:
        return None
    one, other = flat
    return [
        ComparedSetting(key=key, before=one.get(key, "-"), after=other.get(key, "-"))
        for key in dict.fromkeys([*one, *other])
        if one.get(key) != other.get(key)
    ]


def _flat(value: Mapping[str, Any], prefix: str = "prepare") -> Iterator[tuple[str, str]]:
    """prepare.redact.style -> its value as JSON."""
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _flat(inner, f"{prefix}.{name}")
        else:
            yield f"{prefix}.{name}", json.dumps(inner, ensure_ascii=False)


def _shown(version: VersionFolder, rows: Integers) -> list[ShownRow]:
    """Rows by their number in the version, in the order given; what lies after the last is not read."""
    found: dict[int, ShownRow] = {}
    start = 0
    for code, table in _tables(version):
        if len(found) == len(rows):
            break
        here = rows[(rows >= start) & (rows < start + table.num_rows)]
        taken = table.take(pa.array((here - start).tolist(), pa.int64()))
        found |= dict(zip(here.tolist(), rows_of_table(taken, SPLITS[code]), strict=True))
        start += table.num_rows
    return [found[row] for row in rows.tolist()]


if __name__ == "__main__":
    sys.exit(main())
