"""What is odd about rows that stay: preference pairs that say the opposite of an earlier one."""

from collections.abc import Callable, Sequence
from pathlib import Path

from batch_jobs.prepare.batches import RowBatch
from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.checking.swaps import Swaps
from batch_jobs.prepare.facts import RowFacts
from tunesmith.contracts.datasets import Problem, ProblemCode, Severity, Source, SwapEstimate

WARNINGS = "warnings.jsonl"


def swapped_pairs(
    read: Callable[[int], RowBatch], batches: int, facts: RowFacts, sources: Sequence[Source]
) -> tuple[list[Problem], SwapEstimate]:
    """A warning of each contradicting pair, and the share of pairs that are probably the wrong way round."""
    swaps, lines = Swaps(), []
    for index in range(batches):
        batch = read(index)
        lines += batch.line.tolist()
        for row in range(len(batch)):
            swaps.add(batch.row(row))
    contradicting, earlier, estimate = swaps.find()
    uris = [source.uri for source in sources]
    found = []
    for pair, first in zip(contradicting.tolist(), earlier.tolist(), strict=True):
        message = f"{uris[facts.source[first]]}, line {lines[first]}, prefers the other one of the two answers"
        bad = BadRow(ProblemCode.SWAPPED_PAIR, message, field="chosen")
        found.append(bad.at(uris[facts.source[pair]], lines[pair], int(facts.offset[pair]), Severity.WARNING))
    return found, estimate


def write_warnings(found: Sequence[Problem], folder: Path) -> list[str]:
    """One line of JSON each; the name of the file, or none where there is nothing to warn of."""
    if not found:
        return []
    (folder / WARNINGS).write_text("".join(problem.model_dump_json() + "\n" for problem in found), encoding="utf-8")
    return [WARNINGS]
