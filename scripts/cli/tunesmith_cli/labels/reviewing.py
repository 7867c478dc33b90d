"""Labels that people review: out into a table, least certain first, and back in, checked line by line.

The table's cells are text and never formulas: a cell that a spreadsheet would compute begins with an apostrophe
(OWASP, CSV injection), which is taken off again when the table is read.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.preparation import LabelOrigin
from tunesmith_cli.labels.rows import CONFIDENCE, LABEL, ORIGIN, REVIEWER, LabelledRow, read_rows, replacing

COLUMNS = ("line", "row", "label", "confidence", "origin", "new_label", "text")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
MOST_TEXT = 2000
"""Characters of a row that the reviewer sees."""


@dataclass(frozen=True)
class Review:
    """What a person says of one row."""

    line: int
    digest: str
    label: str
    where: str
    """Place in the review's file, for messages."""


def export(file: Path, out: Path, limit: int | None = None) -> int:
    """Write the rows to be reviewed, those without a label first, then by confidence; returns how many."""
    rows = sorted(
        (_certainty(row), row.line) for row in read_rows(file) if row.row is not None and not row.is_preference
    )
    chosen = {line: place for place, (_, line) in enumerate(rows[:limit])}
    shown = {chosen[row.line]: _shown(row) for row in read_rows(file) if row.line in chosen}
    with replacing(out) as lines:
        for line in _encoded([shown[place] for place in sorted(shown)], as_csv=_is_csv(out)):
            lines.write(line)
    return len(shown)


def import_reviews(review: Path, file: Path, out: Path, labels: list[str], reviewer: str) -> Counter[str]:
    """Write the file with the reviewed labels in it; returns how often each was given. Raises InvalidInput and writes
    nothing where the review does not fit the file; a row without new_label was not reviewed."""
    reviews = {found.line: found for found in _distinct(read_reviews(review, labels))}
    given: Counter[str] = Counter()
    with replacing(out) as lines:
        for row in read_rows(file):
            found = reviews.pop(row.line, None)
            lines.write((_reviewed(row, found, file, reviewer) if found else row.raw) + b"\n")
            if found:
                given[found.label] += 1
        for found in reviews.values():
            raise InvalidInput(f"{found.where}: {file} has no row on line {found.line}; import into the exported file")
    return given


def read_reviews(review: Path, labels: list[str]) -> Iterator[Review]:
    """What was reviewed. Raises InvalidInput at the first line that is wrong, naming it."""
    for where, cells in _records(review):
        label = _cell_text(cells.get("new_label")).strip()
        if not label:
            continue
        if labels and label not in labels:
            raise InvalidInput(f"{where}: new_label {label!r} is none of {', '.join(labels)}")
        if len(label) > 64:
            raise InvalidInput(f"{where}: new_label has {len(label)} characters, expected at most 64")
        line = str(cells.get("line", ""))
        if not line.isascii() or not line.isdigit() or len(line) > 18 or int(line) < 1:
            raise InvalidInput(f"{where}: line {line!r} is no line number; leave the columns line and row as they were")
        yield Review(int(line), str(cells.get("row", "")), label, where)


def _distinct(reviews: Iterable[Review]) -> Iterator[Review]:
    seen: dict[int, str] = {}
    for review in reviews:
        if review.line in seen:
            raise InvalidInput(f"{review.where}: row {review.line} was reviewed in {seen[review.line]} already")
        seen[review.line] = review.where
        yield review


def _reviewed(row: LabelledRow, review: Review, file: Path, reviewer: str) -> bytes:
    if row.row is None or row.is_preference or row.digest != review.digest:
        raise InvalidInput(
            f"{review.where}: line {row.line} of {file} is not the row that was exported; export the review again"
        )
    return row.labelled(**{LABEL: review.label, CONFIDENCE: 1.0, ORIGIN: LabelOrigin.PERSON.value, REVIEWER: reviewer})


def _records(review: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each record with its place in the file."""
    try:
        text = review.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{review}: byte {error.start} is not UTF-8; save the table as CSV UTF-8") from error
    if not _is_csv(review):
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield f"{review} line {number}", _json_record(line, f"{review} line {number}")
        return
    table = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    try:
        for cells in table:
            where = f"{review} line {table.line_num}"
            if header is None:
                header = cells
                _check_header(header, where)
            elif len(cells) != len(header):
                raise InvalidInput(f"{where}: {len(cells)} cells, expected {len(header)}")
            else:
                yield where, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise InvalidInput(f"{review} line {table.line_num}: {error}") from error
    if header is None:
        raise InvalidInput(f"{review} is empty")


def _json_record(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{where}: no JSON: {error}") from error
    if not isinstance(record, dict) or not {"line", "row", "new_label"} <= record.keys():
        raise InvalidInput(f"{where}: expected an object with line, row and new_label")
    return record


def _check_header(header: list[str], where: str) -> None:
    missing = [column for column in ("line", "row", "new_label") if column not in header]
    if missing:
        raise InvalidInput(
            f"{where}: no column {', '.join(missing)}; expected {','.join(COLUMNS)}, separated by commas"
        )


def _certainty(row: LabelledRow) -> float:
    """Rows without a label come first, then those without a confidence, then by confidence."""
    assert row.row is not None
    if row.row.get(LABEL) is None:
        return -2.0
    confidence = row.row.get(CONFIDENCE)
    return float(confidence) if isinstance(confidence, int | float) and confidence == confidence else -1.0


def _shown(row: LabelledRow) -> dict[str, Any]:
    assert row.row is not None
    return {
        "line": row.line,
        "row": row.digest,
        "label": row.row.get(LABEL),
        "confidence": row.row.get(CONFIDENCE),
        "origin": row.row.get(ORIGIN),
        "new_label": "",
        "text": row.text[:MOST_TEXT],
    }


def _encoded(shown: Iterable[dict[str, Any]], as_csv: bool) -> Iterator[bytes]:
    if not as_csv:
        for record in shown:
            yield json.dumps(record, ensure_ascii=False).encode(errors="replace") + b"\n"
        return
    yield b"\xef\xbb\xbf"  # spreadsheets take a file without it for the system's own charset
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for record in shown:
        writer.writerow([_safe_cell(record[column]) for column in COLUMNS])
        yield buffer.getvalue().encode(errors="replace")
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def _safe_cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.replace("\0", "")
    return f"'{text}" if text.lstrip().startswith(FORMULA) or text.startswith(("\t", "\r")) else text


def _cell_text(cell: Any) -> str:
    text = cell if isinstance(cell, str) else "" if cell is None else str(cell)
    return text[1:] if text.startswith("'") and text[1:].lstrip().startswith(FORMULA) else text


def _is_csv(file: Path) -> bool:
    if file.suffix.lower() not in (".csv", ".jsonl"):
        raise InvalidInput(f"{file}: reviews are .csv or .jsonl files")
    return file.suffix.lower() == ".csv"
