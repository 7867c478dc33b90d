"""Rows of a JSONL file, as labels need them: their text, and the keys that hold a label."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tunesmith.contracts.errors import InvalidInput

LABEL, CONFIDENCE, ORIGIN = "label", "label_confidence", "label_origin"
REASON, REVIEWER = "label_reason", "label_reviewer"
LABEL_KEYS = (LABEL, CONFIDENCE, ORIGIN, REASON, REVIEWER)


@dataclass(frozen=True)
class LabelledRow:
    """One line of a file."""

    line: int
    """From 1."""
    raw: bytes
    """The line without its line break."""
    row: dict[str, Any] | None
    """None where the line is no JSON object; such lines are handed on as they are."""

    @property
    def is_preference(self) -> bool:
        """Whether `label` is KTO's: true or false, and no label that may be replaced."""
        return self.row is not None and isinstance(self.row.get(LABEL), bool)

    @property
    def text(self) -> str:
        """What there is to judge: every string of the row outside the label's keys, as `key: text` lines."""
        if self.row is None:
            return ""
        told = "\n".join(_strings({key: value for key, value in self.row.items() if key not in LABEL_KEYS}))
        return told.encode(errors="replace").decode()

    @property
    def digest(self) -> str:
        """What the row is recognised by, whatever its label."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]

    def labelled(self, **label: Any) -> bytes:
        """The line with these of LABEL_KEYS set, and the others removed."""
        assert self.row is not None
        kept = {key: value for key, value in self.row.items() if key not in LABEL_KEYS}
        try:
            return json.dumps(kept | label, ensure_ascii=False).encode()
        except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can spell
            return json.dumps(kept | label).encode()


def read_rows(file: Path) -> Iterator[LabelledRow]:
    """Rows in the file's order; blank lines are passed over."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            raw = line.rstrip(b"\r\n")
            if raw.strip():
                yield LabelledRow(number, raw, _object(raw))


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(raw.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _strings(value: Any, key: str = "") -> Iterator[str]:
    """Depth first; a chat's turns begin with their role."""
    if isinstance(value, str):
        yield f"{key}: {value}" if key else value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, key)
    elif isinstance(value, dict):
        said = value.get("role", value.get("from"))
        if isinstance(said, str):
            yield from _strings(value.get("content", value.get("value")), said)
            return
        for name, item in value.items():
            yield from _strings(item, str(name))


@contextmanager
def replacing(file: Path) -> Iterator[IO[bytes]]:
    """A file that takes its place only when all of it is written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
        part.chmod(0o644)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def check_labels(labels: Iterable[str]) -> list[str]:
    """Distinct labels, two at least. Raises InvalidInput."""
    found = [label.strip() for label in labels if label.strip()]
    if len({label.casefold() for label in found}) < len(found):
        raise InvalidInput(f"the labels {', '.join(found)} differ only in case or not at all")
    if len(found) < 2 or any(len(label) > 64 for label in found):
        raise InvalidInput(
            "--labels needs two or more labels of at most 64 characters, as in --labels praise,complaint"
        )
    return found
