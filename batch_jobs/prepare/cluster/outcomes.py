"""What the scan of a piece leaves in the folder that all machines reach: rows, signatures, facts, and what was told."""

import base64
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.deduplicating.signatures import Template
from batch_jobs.prepare.facts import NO_FACTS, RowFacts, join_facts
from batch_jobs.prepare.quarantine import Quarantined
from batch_jobs.prepare.samples import Change, smallest
from batch_jobs.prepare.scanning import Scanned
from batch_jobs.prepare.sums import BlockSums, join_sums
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.datasets import ProblemCode, RowFormat
from tunesmith.contracts.preparation import PiiType
from tunesmith.contracts.profiles import Step


@dataclass(frozen=True, slots=True)
class Told:
    """The scan of a piece without its rows, as `Scanned` is without its batch. Line numbers count from the piece's
    beginning until `moved`."""

    facts: RowFacts
    quarantined: list[Quarantined]
    rows_in: int
    blank: int
    sums: BlockSums
    """Without those of single rows, which the facts have."""
    formats: Counter[RowFormat]
    pii: Counter[PiiType]
    changed: Counter[Step]
    changes: list[Change]
    template: Template | None
    """Of a file that was scanned whole; those of a cut file share one."""

    @classmethod
    def of(cls, scans: Sequence[Scanned], begins: int, template: Template | None) -> "Told":
        """Of the blocks of a piece whose first byte is the file's byte `begins`."""
        rows: list[Quarantined] = []
        for row in (row for scan in scans for row in scan.quarantined):
            rows.append(replace(row, offset=row.offset + begins))
        formats: Counter[RowFormat] = Counter()
        pii: Counter[PiiType] = Counter()
        changed: Counter[Step] = Counter()
        for scan in scans:
            formats += scan.formats
            pii += scan.pii
            changed += scan.changed
        changes = smallest(change for scan in scans for change in scan.changes)
        facts = join_facts([NO_FACTS, *(scan.facts for scan in scans)])
        facts.offset += begins
        rows_in, blank = sum(scan.rows_in for scan in scans), sum(scan.blank for scan in scans)
        sums = join_sums([scan.sums for scan in scans])
        return cls(facts, rows, rows_in, blank, sums, formats, pii, changed, changes, template)

    def moved(self, lines: int) -> "Told":
        """With line numbers of the whole file: `lines` stand before the piece."""
        rows = [replace(row, number=row.number + lines) for row in self.quarantined]
        changes = [replace(change, line=change.line + lines) for change in self.changes]
        return replace(self, quarantined=rows, changes=changes)


def write_told(storage: Storage, uri: str, told: Told) -> None:
    """As an .npz without pickles."""
    arrays: dict[str, NDArray[Any]] = {column.name: getattr(told.facts, column.name) for column in fields(RowFacts)}
    if told.template is not None:
        arrays["template"] = told.template.grams
    words = {
        "quarantined": [_plain(row) for row in told.quarantined],
        "rows_in": told.rows_in,
        "blank": told.blank,
        "sums": [told.sums.rows_in, told.sums.blank, told.sums.quarantined],
        "formats": told.formats,
        "pii": told.pii,
        "changed": told.changed,
        "changes": [asdict(change) for change in told.changes],
    }
    arrays["words"] = np.frombuffer(json.dumps(words).encode(), np.uint8)
    body = io.BytesIO()
    np.savez(body, **arrays)
    storage.write(uri, body.getvalue())


def read_told(storage: Storage, uri: str) -> Told:
    found = np.load(io.BytesIO(storage.read(uri)), allow_pickle=False)
    words = json.loads(found["words"].tobytes())
    return Told(
        RowFacts(**{column.name: found[column.name] for column in fields(RowFacts)}),
        [_quarantined(row) for row in words["quarantined"]],
        words["rows_in"],
        words["blank"],
        BlockSums(*words["sums"], found["raw"]),
        Counter({RowFormat(name): count for name, count in words["formats"].items()}),
        Counter({PiiType(name): count for name, count in words["pii"].items()}),
        Counter({Step(name): count for name, count in words["changed"].items()}),
        [Change(**change | {"step": Step(change["step"])}) for change in words["changes"]],
        Template.of(found["template"]) if "template" in found else None,
    )


def _plain(row: Quarantined) -> dict[str, Any]:
    problem = {"code": row.problem.code, "message": row.problem.message, "field": row.problem.field}
    raw = base64.b64encode(row.raw).decode()
    place = {"number": row.number, "offset": row.offset, "length": row.length, "begins_on": row.begins_on}
    return place | {"problem": problem, "raw": raw}


def _quarantined(plain: dict[str, Any]) -> Quarantined:
    problem = plain["problem"]
    bad = BadRow(ProblemCode(problem["code"]), problem["message"], field=problem["field"])
    raw = base64.b64decode(plain["raw"])
    return Quarantined(plain["number"], plain["offset"], bad, raw, plain["length"], plain["begins_on"])
