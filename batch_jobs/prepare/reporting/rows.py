"""Rows of a dataset version, or of a file that is none yet, for people to read.

    python -m batch_jobs.prepare.reporting.rows FOLDER|FILE [--split S] [--language L] [--label L] [--source S]
        [--search WORDS] [--item ID] [--limit N]

One JSON document (contracts.versions.ShownRows) goes to standard output; the exit code is 2 where nothing can be read.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.doctor import examine
from batch_jobs.prepare.examining import Examination
from batch_jobs.prepare.reporting.answering import answer
from batch_jobs.prepare.reporting.folders import VersionFolder
from batch_jobs.prepare.reporting.measuring import TURNS
from batch_jobs.prepare.threads import Workers
from tunesmith.adapters.storage import Storage, is_s3
from tunesmith.contracts.datasets import Split
from tunesmith.contracts.errors import InvalidInput, NotFound
from tunesmith.contracts.recipes import PrepareRecipe
from tunesmith.contracts.versions import ShownRow, ShownRows, ShownTurn

PLAIN = (
    *("item_id", "source", "line", "language", "label", "label_confidence", "label_origin"),
    *("quality", "toxicity", "desirable", "tools", "extra"),
)
"""Columns of a version that are shown as they are."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows are asked for; None: any."""

    split: Split | None = None
    language: str | None = None
    label: str | None = None
    source: str | None = None
    """Part of the source's URI."""
    search: str | None = None
    """Part of a turn's content, in any case."""
    item: str | None = None
    """Beginning of the item id."""

    def mask(self, table: pa.Table) -> NDArray[np.bool_]:
        """Per row, whether it is asked for."""
        masks = [pc.equal(table[name], value) for name, value in self._equals() if name in table.column_names]
        if self.source is not None:
            masks.append(pc.match_substring(table["source"], self.source))
        if self.item is not None:
            masks.append(pc.starts_with(table["item_id"], self.item))
        found = np.ones(table.num_rows, np.bool_)
        for mask in masks:
            found &= pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
        return found & _say(table, self.search) if self.search else found

    def _equals(self) -> list[tuple[str, str]]:
        wanted = (("language", self.language), ("label", self.label))
        return [(name, value) for name, value in wanted if value is not None]


def main(argv: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    wanted = Wanted(
        Split(given.split) if given.split else None,
        *(given.language, given.label, given.source, given.search, given.item),
    )
    return answer(lambda scratch: show(given.place, wanted, given.limit, scratch), given.place)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m batch_jobs.prepare.reporting.rows", description="Show rows.")
    parser.add_argument("place", help="folder of a dataset version, here or in S3, or a file")
    parser.add_argument("--split", choices=[split.value for split in Split])
    for name in ("language", "label", "source", "search", "item"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--limit", type=int, default=5)
    return parser


def show(place: str, wanted: Wanted, limit: int, scratch: Path) -> ShownRows:
    """Of a version the rows of its splits in order; of any other file, its good rows."""
    folder = VersionFolder.open(place, scratch)
    if folder is not None:
        splits = [wanted.split] if wanted.split else list(Split)
        return _of_parts(place, ((split, file) for split in splits for file in folder.parts(split)), wanted, limit)
    if place.endswith("/") or Path(place).is_dir():
        raise NotFound(f"{place} holds no manifest.json: it is no dataset version, or not made yet")
    if place.endswith(".parquet"):
        file = Storage().download(place, scratch / "part.parquet") if is_s3(place) else Path(place)
        if {"item_id", "messages", "source", "line"} <= set(pq.read_schema(file).names):
            return _of_parts(place, [(_split_of(place), file)], wanted, limit)
    return _of_upload(place, wanted, limit)


def _split_of(place: str) -> Split | None:
    name = place.rpartition("/")[2].partition("-")[0]
    return Split(name) if name in list(Split) else None


def _of_parts(place: str, parts: Any, wanted: Wanted, limit: int) -> ShownRows:
    total = matched = 0
    rows: list[ShownRow] = []
    for split, file in parts:
        for table in tables(file):
            mask = wanted.mask(table)
            total, matched = total + len(mask), matched + int(mask.sum())
            chosen = np.flatnonzero(mask)[: limit - len(rows)]
            rows += rows_of_table(table.take(pa.array(chosen.tolist(), pa.int64())), split)
    return ShownRows(place=place, total=total, matched=matched, rows=rows)


def tables(file: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """A row group at a time."""
    with pq.ParquetFile(file) as opened:
        for group in range(opened.num_row_groups):
            yield opened.read_row_group(group, columns=None if columns is None else list(columns))


def rows_of_table(table: pa.Table, split: Split | None) -> list[ShownRow]:
    return [_shown(row, split) for row in table.to_pylist()]


def _shown(row: dict[str, Any], split: Split | None) -> ShownRow:
    trained = iter(row.get("trained") or [])
    turns = [
        ShownTurn(
            part=part,
            role=turn["role"],
            content=turn["content"] or "",
            trained=next(trained, None),
            name=turn.get("name"),
            tool_calls=turn.get("tool_calls"),
        )
        for part in TURNS
        for turn in row.get(part) or []
    ]
    return ShownRow(split=split, turns=turns, **{name: row[name] for name in PLAIN if name in row})


def _say(table: pa.Table, words: str) -> NDArray[np.bool_]:
    """Per row, whether a turn of it holds the words."""
    found = np.zeros(table.num_rows, np.bool_)
    for part in TURNS:
        if part in table.column_names:
            lists = table[part].combine_chunks()
            contents = pc.struct_field(pc.list_flatten(lists), "content")
            matches = pc.fill_null(pc.match_substring(contents, words, ignore_case=True), False)
            row_of_turn = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
            found[row_of_turn[matches.to_numpy(zero_copy_only=False)]] = True
    return found


def _of_upload(place: str, wanted: Wanted, limit: int) -> ShownRows:
    """A file as the checks read it. It has no splits, languages or labels yet."""
    for name in ("split", "language", "label", "item"):
        if getattr(wanted, name) is not None:
            raise InvalidInput(f"--{name} is for dataset versions: the rows of {place} have none yet")
    examination = Examination(PrepareRecipe(), 0)
    matched, rows = 0, list[ShownRow]()
    with Workers() as workers:
        for checked in examine(examination, place, workers):
            for index in range(len(checked.batch)):
                row = checked.batch.row(index)
                if wanted.search and not any(
                    wanted.search.casefold() in turn.content.casefold() for turn in row.all_turns
                ):
                    continue
                matched += 1
                if len(rows) < limit:
                    rows.append(_uploaded(row, place, checked.place(index).line))
    told = examination.told()
    if told.files[0].error:
        raise InvalidInput(told.files[0].error)
    return ShownRows(place=place, total=told.rows_in, matched=matched, quarantined=told.quarantined, rows=rows)


def _uploaded(row: Row, source: str, line: int) -> ShownRow:
    parts = zip(TURNS, (row.turns, row.chosen, row.rejected), strict=True)
    turns = [_turn(part, turn) for part, of_part in parts for turn in of_part]
    extra = json.dumps(row.columns, ensure_ascii=False, sort_keys=True) if row.columns else None
    return ShownRow(
        item_id=None,
        split=None,
        source=source,
        line=line,
        desirable=row.label,
        tools=row.tools,
        extra=extra,
        turns=turns,
    )


def _turn(part: str, turn: Turn) -> ShownTurn:
    return ShownTurn(
        part=part,
        role=turn.role,
        content=turn.content,
        trained=turn.trained,
        name=turn.name,
        tool_calls=turn.tool_calls,
    )


if __name__ == "__main__":
    sys.exit(main())
