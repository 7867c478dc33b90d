"""What becomes of each good row: the split that it goes to, or the reason why it is dropped. Pure, on columns.

A row's split is a hash of its prompt (or of its group), so it depends on nothing else in the dataset: a row that was
once held out stays held out when rows are added. What could leak is not moved but dropped: training rows that are near
duplicates of a held-out row, or answer a prompt that is held out.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.deduplicating.fingerprints import Hashes
from batch_jobs.prepare.deduplicating.groups import Members, first_equal
from batch_jobs.prepare.facts import RowFacts
from batch_jobs.prepare.hashing import are_among
from tunesmith.contracts.datasets import DropReason, Split
from tunesmith.contracts.recipes import PrepareRecipe

REASONS = tuple(DropReason)
SPLITS = tuple(Split)
TRAIN, VALIDATION, TEST = range(3)
KEPT = 0
"""In `fate`; a row that is dropped has 1 + the index of its reason."""


Near = Callable[[Members], Members]
"""Given rows, ascending: of the frozen suite's rows and then of these, each one's group, named by its least member;
members are numbered with the suite's rows first, so row r of the dataset is `suite + r`."""


@dataclass(slots=True)
class Decisions:
    fate: NDArray[np.uint8]
    """Per row: KEPT, or 1 + the index of its DropReason in REASONS."""
    split: NDArray[np.uint8]
    """Per row: index into SPLITS; of dropped rows, where they would have been."""
    near: NDArray[np.int64]
    """Per row: the first row of its group of near duplicates, itself where it is alone."""
    suite: NDArray[np.int64]
    """Per row: the first of the suite's rows that are its near duplicates, -1 where none is."""

    def drop(self, rows: NDArray[np.bool_], reason: DropReason) -> None:
        self.fate[rows & (self.fate == KEPT)] = 1 + REASONS.index(reason)

    def drop_for(self, reasons: NDArray[np.uint8]) -> None:
        """Drop rows for the reasons that are given, as in `fate`."""
        alive = self.fate == KEPT
        self.fate[alive] = reasons[alive]

    @property
    def kept(self) -> NDArray[np.bool_]:
        return self.fate == KEPT


def decide(
    facts: RowFacts,
    recipe: PrepareRecipe,
    is_feedback: NDArray[np.bool_],
    frozen_prompts: Hashes,
    suite: int,
    near: Near,
) -> Decisions:
    """`is_feedback` tells of each source whether it is reviewed feedback, which is never held out; `suite` is how many
    of the frozen suite's rows `near` knows."""
    rows = len(facts)
    feedback = is_feedback[facts.source]
    decided = Decisions(np.zeros(rows, np.uint8), split_of(facts.group, recipe), np.arange(rows), np.full(rows, -1))
    if recipe.deduplicate.exact:
        decided.drop(first_equal(facts.fingerprint) != np.arange(rows), DropReason.EXACT_DUPLICATE)
    decided.drop_for(facts.refused)
    decided.drop(facts.contaminated & (decided.split != TEST), DropReason.CONTAMINATED)
    _hold_out(decided, facts, feedback, frozen_prompts)
    _group(decided, facts, recipe, suite, near)
    return decided


def split_of(keys: Hashes, recipe: PrepareRecipe) -> NDArray[np.uint8]:
    """The split of each key, from its hash alone."""
    position = positions(keys, recipe.seed)
    held_out = recipe.test_fraction + recipe.validation_fraction
    return np.where(position < recipe.test_fraction, TEST, np.where(position < held_out, VALIDATION, TRAIN)).astype(
        np.uint8
    )


def positions(keys: Hashes, seed: int) -> NDArray[np.float64]:
    """Each key's place in [0, 1): SplitMix64 (Steele et al., 2014) of key and seed."""
    mixed = keys ^ np.uint64((seed * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53


def _hold_out(decided: Decisions, facts: RowFacts, feedback: NDArray[np.bool_], frozen_prompts: Hashes) -> None:
    """Nothing that trains answers a prompt of a test split: not of the frozen one, and not of this version's."""
    split = decided.split
    split[feedback & (split == VALIDATION)] = TRAIN
    is_test = (split == TEST) & ~feedback
    asked = are_among(facts.prompt, np.sort(frozen_prompts))
    asked |= are_among(facts.prompt, np.sort(facts.prompt[is_test & decided.kept]))
    decided.drop(~is_test & ((split == TEST) | asked | ~facts.learnable), DropReason.IN_FROZEN_TEST)


def _group(decided: Decisions, facts: RowFacts, recipe: PrepareRecipe, suite: int, near: Near) -> None:
    """Near duplicates: of the frozen test split they are dropped, of each other the best stays."""
    compared = np.flatnonzero(decided.kept & facts.comparable)
    found = near(compared)
    group = found[suite:]
    decided.suite[compared] = np.where(group < suite, group, -1)
    decided.drop((decided.suite >= 0) & (decided.split != TEST), DropReason.NEAR_FROZEN_TEST)
    first = np.full(suite + len(facts), -1, np.int64)
    first[group[::-1]] = compared[::-1]  # the first row of each group, whether or not it has rows of the suite
    group = first[group]
    decided.near[compared] = group
    if recipe.deduplicate.near:
        decided.drop(~_stays(decided, facts, compared, group, recipe), DropReason.NEAR_DUPLICATE)
    held_out = decided.kept & (decided.split != TRAIN)
    leaks = np.isin(decided.near, decided.near[held_out])
    leaks |= are_among(facts.group, np.sort(facts.group[held_out]))  # feedback, which is not held out with its group
    leaks |= are_among(facts.prompt, np.sort(facts.prompt[held_out]))  # of another group
    decided.drop(leaks & (decided.split == TRAIN), DropReason.NEAR_HELD_OUT)


def _stays(
    decided: Decisions, facts: RowFacts, compared: NDArray[np.int64], group: NDArray[np.int64], recipe: PrepareRecipe
) -> NDArray[np.bool_]:
    """Of each group the best row, or the first; rows that were dropped before do not stand for their group."""
    stays = np.ones(len(facts), np.bool_)
    stays[compared] = False
    alive = decided.kept[compared]
    rows, groups = compared[alive], group[alive]
    rank = -facts.quality[rows] if recipe.deduplicate.keep == "best" else np.zeros(len(rows), np.float32)
    order = np.lexsort((rows, rank, groups))
    best = np.ones(len(rows), np.bool_)
    best[1:] = groups[order][1:] != groups[order][:-1]
    stays[rows[order][best]] = True
    return stays
