"""Rows that are put aside: each with its problem, and as it was, so that it can be mended and sent again."""

import base64
import json
from dataclasses import dataclass

from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.reading.blocks import Refusal
from tunesmith.contracts.datasets import Problem

QUARANTINE = "quarantine.jsonl"


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A bad row and its place in the file."""

    number: int
    offset: int
    problem: BadRow
    raw: bytes
    length: int
    """Bytes of the row in the file: more than `raw` has where that is only its beginning."""
    begins_on: int | None = None
    """Of rows that are counted as records: the line on which it begins. None: `number` is the line."""

    @classmethod
    def of_refusal(cls, refusal: Refusal) -> "Quarantined":
        return cls(refusal.number, refusal.offset, refusal.problem, refusal.raw, refusal.length, refusal.line)

    @property
    def place(self) -> int:
        """The line to look at."""
        return self.number if self.begins_on is None else self.begins_on

    def told(self, source: str) -> Problem:
        return self.problem.at(source, self.place, self.offset)

    def line(self, source: str) -> str:
        """A line of quarantine.jsonl: the problem and the row, base64 where it is no text."""
        facts = self.told(source).model_dump(mode="json") | {"raw_bytes": self.length}
        try:
            facts["raw"] = self.raw.decode()
        except UnicodeDecodeError:
            facts["raw_base64"] = base64.b64encode(self.raw).decode()
        return json.dumps(facts, ensure_ascii=False) + "\n"
