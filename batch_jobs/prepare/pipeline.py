"""From uploaded files to the files of a dataset version, in two passes over bounded memory.

    files -> blocks -> [scan: check, clean, measure, sign]  -> rows in between, and facts of each row
             facts  -> decide: duplicates, held-out splits, balance
             rows   -> [write: kept rows as Parquet parts]

What stands in brackets runs on all cores, of one machine or of a cluster (see `engine`). Whatever runs it, the bytes
are the same.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from batch_jobs.harness.main import JobContext
from batch_jobs.prepare.against import Against
from batch_jobs.prepare.balancing import surplus
from batch_jobs.prepare.columns import RowColumns
from batch_jobs.prepare.deciding import KEPT, REASONS, TRAIN, Decisions, decide
from batch_jobs.prepare.engine import Engine, OneMachine
from batch_jobs.prepare.evaluations import EvaluationSets
from batch_jobs.prepare.facts import RowFacts
from batch_jobs.prepare.frozen import Frozen
from batch_jobs.prepare.labelling import Labelling, is_asked, label_rows
from batch_jobs.prepare.ledger import KEPT as KEPT_ROWS
from batch_jobs.prepare.ledger import Ledger
from batch_jobs.prepare.quarantine import QUARANTINE
from batch_jobs.prepare.reporting.leaks import FoundLeak, find_leaks
from batch_jobs.prepare.reporting.near_duplicates import near_duplicates
from batch_jobs.prepare.scanning import Scanner
from batch_jobs.prepare.scans import Scans
from batch_jobs.prepare.warnings import swapped_pairs
from batch_jobs.prepare.writing import plan_parts
from tunesmith.contracts.datasets import (
    KIND_OF,
    DatasetKind,
    DropReason,
    EvaluationSet,
    Problem,
    RowFormat,
    Source,
    SourceKind,
    Split,
    SwapEstimate,
)
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.jobs import PrepareParams
from tunesmith.contracts.preparation import RedactStyle
from tunesmith.contracts.profiles import NearDuplicates
from tunesmith.contracts.recipes import PrepareRecipe


@dataclass(frozen=True, slots=True)
class Prepared:
    """What lies in the folder, and how it came about."""

    ledger: Ledger
    kind: DatasetKind
    files: dict[Split, list[str]]
    rows: dict[Split, int]
    evaluations: Sequence[EvaluationSet]
    labelling: Labelling | None = None
    near_duplicates: NearDuplicates | None = None
    leaks: list[tuple[str, FoundLeak]] | None = None
    """Of the rows that share words with an evaluation set the first, each with its file; None: there is no set."""
    warnings: list[Problem] = field(default_factory=list)
    """Of rows that stay, whether or not they are in a split."""
    swaps: SwapEstimate | None = None


def prepare_files(params: PrepareParams, against: Against, folder: Path, context: JobContext) -> Prepared:
    """Make the Parquet files and the quarantine in `folder`, on this machine."""
    scanner = make_scanner(params.recipe, against)
    scans = None
    if params.scans_uri:
        scans = Scans(context.storage, params.scans_uri, params.recipe, scanner.inputs)
    with OneMachine(params.recipe, scanner, context, scans) as engine:
        return prepare_with(engine, params, scanner.languages, against, folder, context)


def make_scanner(recipe: PrepareRecipe, against: Against) -> Scanner:
    """The first pass with all that it needs: evaluation sets hashed, the key of pseudonyms read."""
    secret = recipe.redact.key_secret if recipe.redact.style is RedactStyle.PSEUDONYM else None
    return Scanner(recipe, against.frozen.prompts, against.sets.runs(recipe), _key(secret) if secret else None)


def _key(secret: str) -> bytes:
    from tunesmith.adapters.secrets_manager import read_secret  # boto3 takes long, and few recipes have a secret

    return read_secret(secret)


def prepare_with(
    engine: Engine, params: PrepareParams, languages: list[str], against: Against, folder: Path, context: JobContext
) -> Prepared:
    """The whole program, whatever engine runs it. `languages` is what the facts' language codes mean."""
    recipe, sources, ledger, frozen = params.recipe, in_order(params.sources), Ledger(), against.frozen
    _scan_all(engine, sources, ledger, folder)
    kind = _kind(ledger)
    facts = engine.facts()
    feedback = np.array([source.kind is SourceKind.FEEDBACK for source in sources])
    suite = frozen if recipe.decontaminate.near else Frozen.nothing()
    decided = decide(
        facts,
        recipe,
        feedback,
        frozen.prompts,
        engine.suite_rows(suite),
        lambda rows: engine.groups(suite, rows, recipe.deduplicate.threshold),
    )
    context.check_interrupted()
    labelling = label_rows(engine.read, len(engine.lengths), recipe.label) if is_asked(recipe.label) else None
    labels = labelling.labels if labelling else None
    columns = RowColumns(facts, [source.uri for source in sources], languages, recipe.quality.measure, labels)
    _balance(decided, columns, recipe)
    _settle(ledger, sources, facts, decided)

    split_of_rows = np.where(decided.kept, decided.split, -1).astype(np.int8)
    parts = plan_parts(split_of_rows, facts.size, engine.lengths)
    engine.write(parts, columns, kind, folder)
    files = {split: [part.name for part in parts if part.split == split] for split in Split}
    rows = {split: sum(part.rows for part in parts if part.split == split) for split in Split}
    near = near_duplicates(decided, frozen.batch, engine.read, engine.lengths) if recipe.report.make else None
    leaks = None
    if recipe.report.make and recipe.decontaminate.against:
        found = _leaks(engine, decided, recipe, against.sets)
        leaks = [(sources[facts.source[leak.row]].uri, leak) for leak in found]
    warnings, swaps = [], None
    if kind is DatasetKind.PREFERENCE:
        warnings, swaps = swapped_pairs(engine.read, len(engine.lengths), facts, sources)
    return Prepared(ledger, kind, files, rows, against.sets.told, labelling, near, leaks, warnings, swaps)


def in_order(sources: Sequence[Source]) -> list[Source]:
    """The same whatever order they are named in; uploads first, so that feedback is the duplicate."""
    return sorted(sources, key=lambda source: (source.kind == SourceKind.FEEDBACK, source.source_id))


def _scan_all(engine: Engine, sources: Sequence[Source], ledger: Ledger, folder: Path) -> None:
    with (folder / QUARANTINE).open("w", encoding="utf-8") as quarantine:
        for index, source in enumerate(sources):
            tally = ledger.tally(source.uri)
            for scanned in engine.scan(index, source):
                tally.take(scanned)
                ledger.take(scanned)
                quarantine.writelines(row.line(source.uri) for row in scanned.quarantined)


def _balance(decided: Decisions, columns: RowColumns, recipe: PrepareRecipe) -> None:
    """Cut the training split down where one group outweighs the others."""
    if recipe.balance.by is None:
        return
    rows = np.flatnonzero(decided.kept & (decided.split == TRAIN))
    group, names = columns.groups(rows, recipe.balance.by)
    dropped = np.zeros(len(decided.fate), np.bool_)
    dropped[surplus(rows, group, names, columns.facts, recipe.balance, recipe.seed)] = True
    decided.drop(dropped, DropReason.BALANCED_AWAY)


def _leaks(engine: Engine, decided: Decisions, recipe: PrepareRecipe, sets: EvaluationSets) -> list[FoundLeak]:
    contaminated = np.flatnonzero(decided.fate == 1 + REASONS.index(DropReason.CONTAMINATED))
    return find_leaks(contaminated, engine.read, engine.lengths, sets.items(recipe), recipe.decontaminate.ngram)


def _settle(ledger: Ledger, sources: Sequence[Source], facts: RowFacts, decided: Decisions) -> None:
    """Count, per source, what became of each row."""
    fates = np.zeros((len(sources), len(REASONS) + 1), np.int64)
    np.add.at(fates, (facts.source, decided.fate), 1)
    hashes = np.zeros(fates.shape, np.uint64)
    np.add.at(hashes, (facts.source, decided.fate), facts.raw)
    for source, counts, sums in zip(sources, fates.tolist(), hashes.tolist(), strict=True):
        tally = ledger.tally(source.uri)
        tally.sums_out[KEPT_ROWS] += sums[KEPT]
        tally.sums_out.update(dict(zip(REASONS, sums[1:], strict=True)))
        tally.kept += counts[KEPT]
        tally.dropped.update({reason: count for reason, count in zip(REASONS, counts[1:], strict=True) if count})
    trained = decided.kept & (decided.split == list(Split).index(Split.TRAIN))
    ledger.rows_with_pii = int(facts.pii.sum())
    ledger.characters = int(facts.characters[trained].sum())


def _kind(ledger: Ledger) -> DatasetKind:
    kinds = {KIND_OF[name] for name in ledger.formats}
    if len(kinds) > 1:
        found = ", ".join(f"{count} rows of {name}" for name, count in _by_kind(ledger.formats).items())
        raise InvalidInput(
            f"the files hold rows of several kinds: {found}; a dataset has one kind: upload them as several datasets"
        )
    return kinds.pop() if kinds else DatasetKind.CHAT


def _by_kind(formats: Counter[RowFormat]) -> Counter[DatasetKind]:
    kinds: Counter[DatasetKind] = Counter()
    for name, count in formats.items():
        kinds[KIND_OF[name]] += count
    return kinds
