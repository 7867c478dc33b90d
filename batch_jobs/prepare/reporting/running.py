"""What only the run knows of a dataset version: what was changed, what was put aside, what was said twice."""

from collections.abc import Callable, Mapping
from os.path import commonprefix
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from batch_jobs.prepare.reporting.leaks import Piece
from batch_jobs.prepare.samples import Change
from tunesmith.contracts.datasets import DropReason, Problem, ProblemCode
from tunesmith.contracts.preflight import Preflight
from tunesmith.contracts.profiles import (
    ChangeSample,
    ClassifierQuality,
    LabelConflict,
    Leak,
    Leaks,
    NearDuplicates,
    ProblemSummary,
    RunProfile,
)

if TYPE_CHECKING:
    from batch_jobs.prepare.labelling import Labelling
    from batch_jobs.prepare.pipeline import Prepared

FIRST = 3
"""Places that are told of each kind of problem."""
CONFLICTS = 12
LONGEST = 2_000
"""Characters of a text in a group of near duplicates, or of what a row shares with an evaluation set; cut after it was
redacted."""

Redact = Callable[[str], str]


def run_profile(
    prepared: "Prepared", quarantine: Path, redact: Redact, preflight: Preflight | None = None
) -> RunProfile:
    """`quarantine` is the run's quarantine.jsonl; `redact` makes texts fit to be shown."""
    ledger, labelling = prepared.ledger, prepared.labelling
    return RunProfile(
        changed_rows={step: count for step, count in sorted(ledger.changed.items()) if count},
        samples=[sample for change in ledger.changes if (sample := _shown(change, redact))],
        near_duplicates=_redacted(prepared.near_duplicates, redact),
        leaks=_leaks(prepared, redact),
        problems=summarise_problems(quarantine, ledger.problems, redact),
        conflicts=_conflicts(labelling) if labelling else [],
        classifier=_quality(labelling) if labelling else None,
        preflight=preflight.model_copy(update={"shown": []}) if preflight else None,
    )


def _shown(change: Change, redact: Redact) -> ChangeSample | None:
    """None where what was there must not be shown: what is secret afterwards may have been hidden before."""
    if change.before is not None and redact(change.after) != change.after:
        return None
    before = None if change.before is None else redact(change.before)
    return ChangeSample(
        step=change.step, source=change.uri, line=change.line, before=before, after=redact(change.after)
    )


def _redacted(found: NearDuplicates | None, redact: Redact) -> NearDuplicates | None:
    if found is None:
        return None
    shown = {
        name: [[redact(text)[:LONGEST] for text in texts] for texts in several]
        for name, several in (("examples", found.examples), ("frozen", found.frozen))
    }
    return found.model_copy(update=shown)


def _leaks(prepared: "Prepared", redact: Redact) -> Leaks | None:
    if prepared.leaks is None:
        return None
    pairs = [
        Leak(
            source=uri,
            line=leak.line,
            against=leak.against,
            item=leak.item,
            words=leak.words,
            shared="\n".join(shown_piece(piece, redact) for piece in leak.pieces)[:LONGEST],
        )
        for uri, leak in prepared.leaks
    ]
    return Leaks(rows=prepared.ledger.total().dropped.get(DropReason.CONTAMINATED, 0), pairs=pairs)


def shown_piece(piece: Piece, redact: Redact) -> str:
    """The piece out of its redacted text, since a value may go beyond it and is only known as a whole. What is shown
    goes on to the nearest place that was not changed, nor anything on one side of it."""
    text, whole = piece.text, redact(piece.text)
    growth = len(whole) - len(text)
    same_until = len(commonprefix([text, whole]))
    same_from = len(text) - len(commonprefix([text[::-1], whole[::-1]]))
    start = piece.start + growth if piece.start >= same_from else min(piece.start, same_until)
    end = piece.end if piece.end <= same_until else max(piece.end, same_from) + growth
    return whole[start:end]


class _Line(msgspec.Struct):
    """A line of quarantine.jsonl without its row, which is passed over."""

    source: str
    line: int
    offset: int
    code: str
    field: str | None
    message: str
    hint: str


def summarise_problems(quarantine: Path, counts: Mapping[ProblemCode, int], redact: Redact) -> list[ProblemSummary]:
    """The most frequent first, each with its first places. Reading ends once all are found."""
    first: dict[ProblemCode, list[Problem]] = {code: [] for code, count in counts.items() if count}
    missing = sum(min(FIRST, counts[code]) for code in first)
    decoder = msgspec.json.Decoder(_Line)
    if missing:
        with quarantine.open("rb") as file:
            for line in file:
                told = decoder.decode(line)
                places = first[ProblemCode(told.code)]
                if len(places) < FIRST:
                    told.message = redact(told.message)
                    places.append(Problem(**msgspec.structs.asdict(told)))
                    missing -= 1
                    if not missing:
                        break
    ranked = sorted(first, key=lambda code: (-counts[code], code))
    return [ProblemSummary(code=code, rows=counts[code], first=first[code]) for code in ranked]


def _conflicts(labelling: "Labelling") -> list[LabelConflict]:
    found = [(rows, labels, "rules") for labels, rows in labelling.conflicts.rules.items()]
    found += [(rows, labels, "column and rules") for labels, rows in labelling.conflicts.column.items()]
    ranked = sorted(found, key=lambda one: (-one[0], one[2], one[1]))[:CONFLICTS]
    return [LabelConflict(labels=list(labels), between=between, rows=rows) for rows, labels, between in ranked]


def _quality(labelling: "Labelling") -> ClassifierQuality | None:
    report = labelling.classifier
    if report is None:
        return None
    return ClassifierQuality(
        rows=report.rows,
        accuracy=report.accuracy,
        recall=dict(sorted(report.recall.items())),
        calibration_error=report.calibration_error,
    )
