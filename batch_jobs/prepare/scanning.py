"""The first pass: a block of lines becomes clean rows, what is known of each, and the rows that go to quarantine.

Blocks are scanned side by side, by threads or processes. A scan depends on its block, its file and the recipe, and on
nothing that another scan does.
"""

import hashlib
import hmac
import json
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare import samples
from batch_jobs.prepare.batches import FORMATS, PROMPT, ROLES, Integers, RowBatch, join, take_rows
from batch_jobs.prepare.canonical import Row
from batch_jobs.prepare.checking.chat_lines import LEFT, TAKEN, take_chats
from batch_jobs.prepare.checking.files import FileChecks
from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.cleaning.pii.detector import Detector
from batch_jobs.prepare.cleaning.pii.redacting import redact
from batch_jobs.prepare.cleaning.unicode import count_characters, normalise
from batch_jobs.prepare.deciding import REASONS, positions
from batch_jobs.prepare.deduplicating.contamination import EvaluationRuns
from batch_jobs.prepare.deduplicating.fingerprints import ASSISTANT, Fingerprints, Hashes, fingerprints
from batch_jobs.prepare.deduplicating.signatures import SAMPLED_BYTES, Signatures, Template, learn_template, signatures
from batch_jobs.prepare.facts import RowFacts
from batch_jobs.prepare.hashing import are_among
from batch_jobs.prepare.quarantine import Quarantined
from batch_jobs.prepare.reading.blocks import Block
from batch_jobs.prepare.samples import Change
from batch_jobs.prepare.signals import quality
from batch_jobs.prepare.signals.language import UNKNOWN, Languages
from batch_jobs.prepare.signals.toxicity import toxicity
from batch_jobs.prepare.sums import BlockSums, block_sums, is_blank
from tunesmith.contracts.datasets import KIND_OF, DatasetKind, DropReason, RowFormat
from tunesmith.contracts.preparation import PiiType
from tunesmith.contracts.profiles import Step
from tunesmith.contracts.recipes import PrepareRecipe

OTHER_LANGUAGE = 1 + REASONS.index(DropReason.OTHER_LANGUAGE)


@dataclass(frozen=True, slots=True)
class FileScan:
    """What the scans of one file share."""

    source: int
    """Index into the job's sources."""
    uri: str
    checks: FileChecks
    template: Template


@dataclass(slots=True)
class Scanned:
    """What became of one block."""

    batch: RowBatch
    facts: RowFacts
    signed: Signatures
    quarantined: list[Quarantined]
    rows_in: int
    blank: int
    sums: BlockSums
    formats: Counter[RowFormat] = field(default_factory=Counter)
    pii: Counter[PiiType] = field(default_factory=Counter)
    changed: Counter[Step] = field(default_factory=Counter)
    """Rows that each step changed."""
    changes: list[Change] = field(default_factory=list)
    consumed: int = 0


class Scanner:
    """Scans blocks; safe to use from many threads."""

    def __init__(
        self,
        recipe: PrepareRecipe,
        frozen_prompts: Hashes,
        evaluations: EvaluationRuns | None = None,
        key: bytes | None = None,
    ):
        """`key` is what pseudonyms are made with, where the recipe asks for them."""
        self.recipe = recipe
        self._frozen, self._evaluations = np.sort(frozen_prompts), evaluations
        self._detector, self._key = Detector(recipe.redact.types) if recipe.redact.types else None, key
        self._languages = Languages() if recipe.language.detect else None
        kept = {"und", *recipe.language.keep}
        self._kept_languages = [code for code, name in enumerate(self.languages) if name in kept]

    @property
    def languages(self) -> list[str]:
        """What the languages' codes mean; none where they are not told apart."""
        return list(self._languages.codes) if self._languages else []

    @property
    def inputs(self) -> dict[str, str]:
        """Digests of what a scan depends on beside the file and the recipe, which only names it: the evaluation sets,
        and the key of pseudonyms."""
        found = {"evaluations": self._evaluations.digest} if self._evaluations else {}
        return found | ({"key": hmac.digest(self._key, b"scans", "sha256").hex()} if self._key else {})

    def begin(self, source: int, uri: str, block: Block) -> FileScan:
        """Learn from a file's first block what its rows are and what they all share."""
        checks = FileChecks.of(block, uri, self.recipe)
        head = _head(block, SAMPLED_BYTES)
        batch, _ = rows_of(head, checks)
        return FileScan(source, uri, checks, learn_template(batch.row_texts))

    def scan(self, file: FileScan, block: Block) -> Scanned:
        batch, quarantined = rows_of(block, file.checks)
        blank = block.rows - len(batch) - len(quarantined)
        good = np.searchsorted(block.numbers, batch.line)
        sums = block_sums(block, good, is_blank(block))
        raw, (texts, was_changed) = batch, normalise(batch.texts, self.recipe.normalise)
        normal = replace(batch, texts=texts)
        batch, pii, has_pii = self._redacted(normal)
        was_changed = _any_in_row(was_changed, batch.first)
        changes = samples.normalised(file.uri, raw, normal, was_changed & ~has_pii, sums.of_rows)
        changes += samples.redacted(file.uri, normal, batch, has_pii, sums.of_rows)
        prints = fingerprints(batch)
        signed, comparable = signatures(batch.row_texts, file.template)
        batch.learnable = self._learnable(batch, prints)
        facts = self._facts(file, batch, prints, comparable)
        facts.pii, facts.raw, facts.offset = has_pii, sums.of_rows, block.offsets[good]
        self._measure(batch, facts)
        return Scanned(
            batch,
            facts,
            signed,
            quarantined,
            rows_in=block.rows,
            blank=blank,
            sums=sums,
            formats=_count_formats(batch),
            pii=pii,
            changed=Counter({Step.NORMALISE: int(was_changed.sum()), Step.REDACT: int(has_pii.sum())}),
            changes=changes,
            consumed=block.consumed,
        )

    def adapt(self, scanned: Scanned, source: int) -> None:
        """A scan that was made for another version of the dataset, as it would be made for this one."""
        batch, facts = scanned.batch, scanned.facts
        batch.learnable = self._learnable(batch, fingerprints(batch))
        facts.learnable = _teaches(batch)
        facts.source = np.full(len(batch), source, np.int32)

    def _redacted(self, batch: RowBatch) -> tuple[RowBatch, Counter[PiiType], NDArray[np.bool_]]:
        if self._detector is None:
            return batch, Counter(), np.zeros(len(batch), np.bool_)
        return redact(batch, self._detector, self.recipe.redact.style, self._key)

    def _facts(self, file: FileScan, batch: RowBatch, prints: Fingerprints, comparable: NDArray[np.bool_]) -> RowFacts:
        rows = len(batch)
        return RowFacts(
            source=np.full(rows, file.source, np.int32),
            fingerprint=prints.row,
            prompt=prints.prompt,
            group=self._groups(batch, prints),
            learnable=_teaches(batch),
            comparable=comparable,
            contaminated=self._evaluations.are_in(batch.row_texts) if self._evaluations else np.zeros(rows, np.bool_),
            refused=np.zeros(rows, np.uint8),
            quality=np.zeros(rows, np.float32),
            toxicity=np.zeros(rows, np.float32),
            language=np.zeros(rows, np.uint16),
            pii=np.zeros(rows, np.bool_),
            offset=np.zeros(rows, np.int64),
            raw=np.zeros(rows, np.uint64),
            size=np.diff(batch.texts.offsets[batch.first]),
            characters=_sum_in_row(count_characters(batch.texts), batch.first),
        )

    def _groups(self, batch: RowBatch, prints: Fingerprints) -> Hashes:
        """What decides each row's split: the value of `group_by`, or the prompt."""
        key = self.recipe.group_by
        if key is None or not batch.extras:
            return prints.prompt
        groups = prints.prompt.copy()
        for row, extras in batch.extras.items():
            if key in extras.columns:
                groups[row] = _hash(extras.columns[key])
        return groups

    def _measure(self, batch: RowBatch, facts: RowFacts) -> None:
        """Fill in the signals, and what they are a reason to drop."""
        if self.recipe.quality.measure:
            measured = quality.measure(batch.row_texts)
            facts.toxicity = measured["toxicity"] = toxicity(batch.row_texts)
            facts.quality = measured["quality"]
            facts.refused = quality.decide(measured, self.recipe.quality)
        if self._languages:
            facts.language, sure = self._languages.of(batch.row_texts)
            if self.recipe.language.keep:
                known = (facts.language != UNKNOWN) & (sure >= self.recipe.language.min_confidence)
                facts.refused[known & ~np.isin(facts.language, self._kept_languages)] = OTHER_LANGUAGE

    def _learnable(self, batch: RowBatch, prints: Fingerprints) -> NDArray[np.bool_]:
        """An answer in the middle to a held-out prompt stays as context, but is not learnt; nor is a greeting before
        the first prompt. Only chats are held out turn by turn."""
        if not len(batch) or KIND_OF[FORMATS[batch.format[0]]] is not DatasetKind.CHAT:
            return batch.trained.copy()
        learnable = batch.trained & (batch.role == ASSISTANT)
        learnable[batch.first[:-1]] = False
        answers = np.flatnonzero(learnable)
        asked = prints.before[answers]
        held_out = are_among(asked, self._frozen)
        if self.recipe.group_by is None:
            held_out |= positions(asked, self.recipe.seed) < self.recipe.test_fraction
        learnable[answers[held_out]] = False
        return learnable


def rows_of(block: Block, checks: FileChecks) -> tuple[RowBatch, list[Quarantined]]:
    """The block's good rows in the file's order, and those that are not."""
    quarantined = [Quarantined.of_refusal(refusal) for refusal in block.refusals]
    if not checks.may_be_plain_chats:
        return _slow_rows(block, np.arange(len(block)), checks, quarantined)
    taken = take_chats(block.data, block.starts, block.ends, checks.reserved)
    numbers = np.flatnonzero(taken.fate == TAKEN)
    fast = RowBatch(
        taken.texts,
        taken.role,
        np.full(len(taken.role), PROMPT, np.uint8),
        taken.role == ROLES.index("assistant"),
        taken.first,
        np.full(len(numbers), FORMATS.index(RowFormat.CHAT), np.uint8),
        block.numbers[numbers],
    )
    left = np.flatnonzero(taken.fate == LEFT)
    if not len(left):
        return fast, quarantined
    slow, quarantined = _slow_rows(block, left, checks, quarantined)
    both = join([fast, slow])
    return take_rows(both, np.argsort(both.line, kind="stable")), quarantined


def _slow_rows(
    block: Block, lines: Integers, checks: FileChecks, quarantined: list[Quarantined]
) -> tuple[RowBatch, list[Quarantined]]:
    rows: list[Row] = []
    numbers: list[int] = []
    for index in lines.tolist():
        raw, number, offset = block.line(index), int(block.numbers[index]), int(block.offsets[index])
        if not raw.strip(b" \t\r\n"):
            continue
        try:
            rows.append(checks.row(raw))
            numbers.append(number)
        except BadRow as bad:
            line = None if block.lines is None else int(block.lines[index])
            raw = raw.replace(b"\n", b" ")  # of an array's element: there is none within its strings
            quarantined.append(Quarantined(number, offset, _named(bad, number, line), raw, len(raw), line))
    quarantined.sort(key=lambda row: row.number)
    return RowBatch.of(rows, numbers), quarantined


def _named(bad: BadRow, number: int, line: int | None) -> BadRow:
    """The problem without its frames; of a record, with its number, since several may begin on one line."""
    return bad.bare() if line is None else BadRow(bad.code, f"record {number}: {bad.message}", bad.field)


def _hash(value: object) -> np.uint64:
    said = json.dumps(value, sort_keys=True).encode()
    return np.frombuffer(hashlib.sha256(said).digest()[:8], np.uint64)[0]


def _head(block: Block, size: int) -> Block:
    lines = max(1, int(np.searchsorted(block.ends, size)))
    return replace(
        block,
        starts=block.starts[:lines],
        ends=block.ends[:lines],
        numbers=block.numbers[:lines],
        offsets=block.offsets[:lines],
        refusals=[],
    )


def _count_formats(batch: RowBatch) -> Counter[RowFormat]:
    counts = np.bincount(batch.format, minlength=len(FORMATS)).tolist()
    return Counter({FORMATS[code]: count for code, count in enumerate(counts) if count})


def _teaches(batch: RowBatch) -> NDArray[np.bool_]:
    """Whether anything in the row is learnt; of a prompt alone, what the model itself answers to it is."""
    return _any_in_row(batch.learnable, batch.first) | (batch.format == FORMATS.index(RowFormat.PROMPT_ONLY))


def _any_in_row(flags: NDArray[np.bool_], first: Integers) -> NDArray[np.bool_]:
    return _sum_in_row(flags.astype(np.int64), first) > 0


def _sum_in_row(values: NDArray[np.int64], first: Integers) -> NDArray[np.int64]:
    totals = np.concatenate([np.zeros(1, np.int64), np.cumsum(values)])
    return totals[first[1:]] - totals[first[:-1]]
