"""The profile of a dataset version, from its Parquet files.

Rows are counted and measured column by column, a row group at a time. The sample is the rows whose hashed item ids are
smallest: the same rows whatever files they lie in. Memory is bounded by a row group, 8 bytes a row for the hashes, the
sample, and the number of distinct labels and sources.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from batch_jobs.prepare.reporting.meaning import find_poison, map_topics
from batch_jobs.prepare.reporting.measuring import COLUMNS, COUNTED, TURNS, Measured, hashes, measure
from tunesmith.contracts.datasets import Split
from tunesmith.contracts.preparation import ReportRecipe
from tunesmith.contracts.profiles import DatasetProfile, Distribution, Example, ExampleTurn, RunProfile

PERCENTILES = (5, 25, 50, 75, 95, 99)
PREFERRED = (100, 125, 160, 200, 250, 320, 400, 500, 630, 800)
"""Ten steps that multiply by ten (ISO 3, R10)."""
LENGTHS = [0.0, *sorted({float(step * 10**power // 100) for power in range(10) for step in PREFERRED})]
SHARES = [step / 20 for step in range(21)]
EDGES = {"characters": LENGTHS, "words": LENGTHS, "turns": LENGTHS, "quality": SHARES, "toxicity": SHARES}
LONGEST = 4_000
"""Characters of a sampled row that are looked at."""

Files = list[tuple[Split, Path]]


@dataclass(slots=True)
class SampledRow:
    hashed: int
    item_id: str
    text: str
    """The beginning of its turns, one after the other."""
    label: str | None
    numbers: dict[str, float]
    example: Example | None = None


@dataclass(slots=True)
class Totals:
    """Of all rows that were read so far."""

    rows: Counter[Split] = field(default_factory=Counter)
    roles: Counter[str] = field(default_factory=Counter)
    role_characters: Counter[str] = field(default_factory=Counter)
    trained_turns: int = 0
    counted: dict[str, Counter[str]] = field(default_factory=lambda: {column: Counter() for column in COUNTED})
    bins: dict[str, NDArray[np.int64]] = field(
        default_factory=lambda: {name: np.zeros(len(edges) - 1, np.int64) for name, edges in EDGES.items()}
    )

    def add(self, split: Split, table: pa.Table, measured: Measured) -> None:
        self.rows[split] += table.num_rows
        self.roles.update(measured.roles)
        self.role_characters.update(measured.role_characters)
        if "trained" in table.column_names:
            self.trained_turns += pc.sum(pc.list_flatten(table["trained"])).as_py() or 0
        for column in COUNTED:
            if column in table.column_names:
                counts = pc.value_counts(table[column])
                found = zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)
                self.counted[column].update({name: count for name, count in found if name is not None})
        for name, values in measured.numbers.items():
            known = values[~np.isnan(values)]
            last = len(EDGES[name]) - 2
            places = np.clip(np.searchsorted(EDGES[name], known, "right") - 1, 0, last)
            self.bins[name] += np.bincount(places, minlength=last + 1)


def build_profile(
    parts: Mapping[Split, Sequence[Path]],
    recipe: ReportRecipe,
    redact: Callable[[str], str],
    run: RunProfile | None = None,
) -> DatasetProfile:
    """Profile the rows of all splits. `redact` makes texts fit to be shown; `run` is what only the run knows.

    Raises pyarrow's errors where a file is no Parquet.
    """
    files = [(split, Path(path)) for split in Split for path in parts.get(split, ())]
    in_sample, in_examples = _limits(files, (recipe.sample_rows, recipe.examples))
    totals, sample = Totals(), []
    for split, table in _groups(files, COLUMNS):
        measured = measure(table)
        totals.add(split, table, measured)
        sample += _sampled(split, table, measured, in_sample, in_examples)
    sample.sort(key=lambda row: (row.hashed, row.item_id))
    return DatasetProfile(
        rows={split: totals.rows[split] for split in Split},
        sampled_rows=len(sample),
        **{name: _distribution(name, totals.bins[name].tolist(), sample) for name in EDGES},
        roles=dict(sorted(totals.roles.items())),
        role_characters=dict(sorted(totals.role_characters.items())),
        trained_turns=totals.trained_turns,
        languages=dict(sorted(totals.counted["language"].items())),
        labels=dict(sorted(totals.counted["label"].items())),
        label_origins=dict(sorted(totals.counted["label_origin"].items())),
        sources=dict(sorted(totals.counted["source"].items())),
        topics=map_topics([row.text for row in sample], redact),
        poison=find_poison([(row.item_id, row.text, row.label) for row in sample if row.label is not None]),
        examples=[_redacted(row.example, redact) for row in sample if row.example],
        run=run or RunProfile(),
    )


def _groups(files: Files, columns: Sequence[str]) -> Iterator[tuple[Split, pa.Table]]:
    for split, path in files:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield split, file.read_row_group(group, columns=list(columns))


def _limits(files: Files, sizes: Sequence[int]) -> list[int]:
    """For each size the largest hash among so many smallest; -1 for none."""
    found = np.concatenate(
        [np.empty(0, np.uint64), *(hashes(table["item_id"]) for _, table in _groups(files, ["item_id"]))]
    )
    if not len(found):
        return [-1] * len(sizes)
    return [
        int(np.partition(found, min(size, len(found)) - 1)[min(size, len(found)) - 1]) if size else -1 for size in sizes
    ]


def _sampled(
    split: Split, table: pa.Table, measured: Measured, in_sample: int, in_examples: int
) -> Iterator[SampledRow]:
    hashed = hashes(table["item_id"])
    chosen = np.flatnonzero(hashed <= np.uint64(max(in_sample, in_examples, 0)))
    rows = table.take(pa.array(chosen.tolist(), pa.int64())).to_pylist()
    for place, row in zip(chosen.tolist(), rows, strict=True):
        turns = [turn | {"part": column} for column in TURNS for turn in row.get(column) or []]
        numbers = {name: float(values[place]) for name, values in measured.numbers.items()}
        taken = SampledRow(
            int(hashed[place]),
            row["item_id"],
            _text(turns)[:LONGEST],
            row.get("label"),
            {name: value for name, value in numbers.items() if value == value},
        )
        if taken.hashed <= in_examples:
            taken.example = _example(split, row, turns)
        yield taken


def _text(turns: list[dict[str, Any]]) -> str:
    """Without system prompts, which many rows share: they say nothing of what a row is about."""
    said = [turn for turn in turns if turn["role"] != "system"] or turns
    return "\n".join(turn["content"] or "" for turn in said)


def _example(split: Split, row: dict[str, Any], turns: list[dict[str, Any]]) -> Example:
    told = [
        ExampleTurn(
            role=turn["role"],
            content=turn["content"] or "",
            part=turn["part"],
            tool_calls=turn.get("tool_calls"),
        )
        for turn in turns
    ]
    return Example(
        item_id=row["item_id"], split=split, turns=told, language=row.get("language"), label=row.get("label")
    )


def _redacted(example: Example, redact: Callable[[str], str]) -> Example:
    turns = [
        turn.model_copy(
            update={
                "content": redact(turn.content),
                "tool_calls": redact(turn.tool_calls) if turn.tool_calls else None,
            }
        )
        for turn in example.turns
    ]
    return example.model_copy(update={"turns": turns})


def _distribution(name: str, counts: list[int], sample: list[SampledRow]) -> Distribution | None:
    if not sum(counts):
        return None
    values = [row.numbers[name] for row in sample if name in row.numbers]
    at = np.percentile(values, PERCENTILES).tolist() if values else []
    return Distribution(edges=EDGES[name], counts=counts, percentiles=dict(zip(PERCENTILES, at, strict=False)))
