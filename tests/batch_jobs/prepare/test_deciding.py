"""What becomes of each row, on columns alone: reasons, splits that never leak, and balance."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.balancing import surplus
from batch_jobs.prepare.deciding import REASONS, TEST, TRAIN, VALIDATION, Decisions, decide, split_of
from batch_jobs.prepare.facts import NO_FACTS, RowFacts
from tunesmith.contracts.datasets import DropReason
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.preparation import BalanceRecipe, DeduplicateRecipe
from tunesmith.contracts.recipes import PrepareRecipe

NOBODY = np.zeros(0, np.uint64)


def facts_of(prompts: list[int], **more: list) -> RowFacts:
    """Rows that ask these, all different and all good, but for what is given."""
    rows = len(prompts)
    facts = RowFacts(
        **{
            column.name: np.zeros(
                (rows, *getattr(NO_FACTS, column.name).shape[1:]), getattr(NO_FACTS, column.name).dtype
            )
            for column in fields(RowFacts)
        }
    )
    facts.prompt[:] = prompts
    facts.group[:] = prompts
    facts.fingerprint[:, 0] = np.arange(rows) * 7919 + 1
    facts.learnable[:] = facts.comparable[:] = True
    for name, values in more.items():
        getattr(facts, name)[:] = values
    return facts


def decided(facts: RowFacts, near: list[int] | None = None, recipe: PrepareRecipe | None = None, **more) -> Decisions:
    """`near` names the group of each row by its least member."""
    names = np.arange(len(facts)) if near is None else np.array(near, np.int64)

    def groups(rows: np.ndarray) -> np.ndarray:
        least: dict[int, int] = {}
        return np.array([least.setdefault(int(names[row]), int(row)) for row in rows], np.int64)

    feedback = np.array(more.pop("feedback", [False, True]))
    frozen = np.array(more.pop("frozen", []), np.uint64)
    return decide(facts, recipe or PrepareRecipe(), feedback, frozen, 0, groups)


def reasons(found: Decisions) -> list[DropReason | None]:
    return [REASONS[fate - 1] if fate else None for fate in found.fate.tolist()]


def prompts_of(split: int, count: int) -> list[int]:
    """Prompts that the default recipe sends to the split."""
    some = decided(facts_of(list(range(1, 2_000)))).split
    return (np.flatnonzero(some == split) + 1)[:count].tolist()


def test_each_reason_is_told_and_the_first_one_wins() -> None:
    train, test = prompts_of(TRAIN, 6), prompts_of(TEST, 1)
    toxic = 1 + REASONS.index(DropReason.TOXIC)
    facts = facts_of(
        [train[0], train[0], train[1], train[2], train[3], test[0], train[4]],
        refused=[0, toxic, toxic, 0, 0, 0, 0],
        contaminated=[False, False, True, True, False, True, False],
    )
    facts.fingerprint[1] = facts.fingerprint[0]
    assert reasons(decided(facts, frozen=[train[3]])) == [
        None,
        DropReason.EXACT_DUPLICATE,
        DropReason.TOXIC,
        DropReason.CONTAMINATED,
        DropReason.IN_FROZEN_TEST,
        None,
        None,
    ]


@pytest.mark.parametrize(("keep", "kept"), [("best", 2), ("first", 0)])
def test_best_of_a_group_stays_or_the_first(keep: str, kept: int) -> None:
    facts = facts_of(prompts_of(TRAIN, 4), quality=[0.1, 0.5, 0.9, 0.2])
    recipe = PrepareRecipe(deduplicate=DeduplicateRecipe(keep=keep))
    expected = [DropReason.NEAR_DUPLICATE] * 3 + [None]
    expected[kept] = None
    assert reasons(decided(facts, [0, 0, 0, 3], recipe)) == expected


def test_row_that_was_dropped_before_does_not_stand_for_its_group() -> None:
    toxic = 1 + REASONS.index(DropReason.TOXIC)
    facts = facts_of(prompts_of(TRAIN, 2), quality=[1, 0], refused=[toxic, 0])
    assert reasons(decided(facts, [0, 0])) == [DropReason.TOXIC, None]


def test_row_near_the_frozen_suite_does_not_stand_for_its_group_but_the_test_split_keeps_its_own() -> None:
    """The suite's row is numbered 0, so that row r is 1 + r."""
    train, test = prompts_of(TRAIN, 3), prompts_of(TEST, 1)
    facts = facts_of([train[0], test[0], train[1], train[2]], quality=[1, 0, 0.5, 0.6])
    asked = []

    def near(rows: np.ndarray) -> np.ndarray:
        asked.append(rows.tolist())
        return np.array([0, 0, 0, 3, 3])

    found = decide(facts, PrepareRecipe(), np.array([False]), NOBODY, 1, near)
    assert asked == [[0, 1, 2, 3]]
    assert reasons(found) == [DropReason.NEAR_FROZEN_TEST, None, DropReason.NEAR_DUPLICATE, None]
    assert found.near.tolist() == [0, 0, 2, 2]


def test_row_of_which_nothing_may_be_learnt_is_dropped_unless_it_tests() -> None:
    train, test = prompts_of(TRAIN, 2), prompts_of(TEST, 1)
    facts = facts_of([train[0], test[0], train[1]], learnable=[False, False, True])
    assert reasons(decided(facts)) == [DropReason.IN_FROZEN_TEST, None, None]


def test_row_that_cannot_be_compared_is_no_near_duplicate() -> None:
    facts = facts_of(prompts_of(TRAIN, 3), comparable=[True, False, True])
    assert reasons(decided(facts, [0, 0, 0])) == [None, None, DropReason.NEAR_DUPLICATE]


def test_exact_duplicates_stay_where_nobody_asks() -> None:
    facts = facts_of(prompts_of(TRAIN, 1) * 2)
    facts.fingerprint[1] = facts.fingerprint[0]
    recipe = PrepareRecipe(deduplicate=DeduplicateRecipe(exact=False, near=False))
    assert reasons(decided(facts, recipe=recipe)) == [None, None]
    assert reasons(decided(facts)) == [None, DropReason.EXACT_DUPLICATE]


def test_splits_have_their_shares_and_another_seed_gives_others() -> None:
    keys = np.arange(1, 20_001, dtype=np.uint64)
    recipe = PrepareRecipe(test_fraction=0.1, validation_fraction=0.2)
    one, other = split_of(keys, recipe), split_of(keys, recipe.model_copy(update={"seed": recipe.seed + 1}))
    assert np.bincount(one) / len(keys) == pytest.approx([0.7, 0.2, 0.1], abs=0.015)
    assert (one == other).mean() == pytest.approx(0.7**2 + 0.2**2 + 0.1**2, abs=0.03)  # as if they were independent


def test_prompt_of_a_test_row_that_was_dropped_may_be_trained_on() -> None:
    """Only by `group_by` may equal prompts meet in several splits."""
    groups = [*prompts_of(TEST, 1), *prompts_of(TRAIN, 1)]
    toxic = 1 + REASONS.index(DropReason.TOXIC)
    assert reasons(decided(facts_of([7, 7], group=groups, refused=[toxic, 0]))) == [DropReason.TOXIC, None]
    assert reasons(decided(facts_of([7, 7], group=groups))) == [None, DropReason.IN_FROZEN_TEST]


def test_row_of_another_group_is_not_trained_on_where_its_prompt_is_held_out() -> None:
    groups = [*prompts_of(VALIDATION, 1), *prompts_of(TEST, 1), *prompts_of(TRAIN, 3)]
    found = decided(facts_of([11, 12, 11, 12, 13], group=groups))
    assert reasons(found) == [None, None, DropReason.NEAR_HELD_OUT, DropReason.IN_FROZEN_TEST, None]


ROWS = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 1), st.integers(0, 30), st.floats(0, 1, width=32), st.integers(1, 40)),
    min_size=1,
    max_size=80,
)
RECIPES = st.builds(
    lambda near, keep, seed, test: PrepareRecipe(
        deduplicate=DeduplicateRecipe(near=near, keep=keep), seed=seed, test_fraction=test, validation_fraction=0.2
    ),
    st.booleans(),
    st.sampled_from(["best", "first"]),
    st.integers(0, 1_000),
    st.sampled_from([0.05, 0.2]),
)


@settings(max_examples=100, deadline=None)
@given(ROWS, RECIPES, st.booleans())
def test_nothing_leaks_from_a_held_out_split(rows: list[tuple], recipe: PrepareRecipe, is_grouped: bool) -> None:
    prompt, source, near, quality, group = map(list, zip(*rows, strict=True))
    facts = facts_of(prompt, source=source, quality=quality)
    if is_grouped:
        facts.group[:] = group
    found = decided(facts, near, recipe)
    train, held_out = found.kept & (found.split == TRAIN), found.kept & (found.split != TRAIN)
    assert not np.isin(found.near[train], found.near[held_out]).any()
    assert not np.isin(facts.group[train], facts.group[held_out]).any()
    assert not np.isin(facts.prompt[train], facts.prompt[held_out]).any()
    assert not (facts.source[held_out] == 1).any()


@settings(deadline=None)
@given(ROWS, ROWS, RECIPES)
def test_row_that_is_held_out_is_never_trained_on_when_rows_are_added(
    before: list[tuple], added: list[tuple], recipe: PrepareRecipe
) -> None:
    def splits(rows: list[tuple]) -> Decisions:
        prompt, source, near, quality, _ = map(list, zip(*rows, strict=True))
        return decided(facts_of(prompt, source=source, quality=quality), near, recipe)

    one, both = splits(before), splits(before + added)
    held_out = one.kept & (one.split != TRAIN)
    assert not (held_out & both.kept[: len(before)] & (both.split[: len(before)] == TRAIN)).any()


@settings(deadline=None)
@given(st.lists(st.integers(-1, 3), max_size=60), st.floats(1, 5), st.randoms(use_true_random=False))
def test_no_group_outweighs_another_and_the_same_rows_stay_in_any_order(
    groups: list[int], ratio: float, random
) -> None:
    facts, recipe = facts_of(list(range(len(groups)))), BalanceRecipe(by="source", max_ratio=ratio)
    order = list(range(len(groups)))
    random.shuffle(order)
    group, names = np.array(groups, np.int32), ["a", "b", "c", "d"]
    gone = surplus(np.arange(len(groups)), group, names, facts, recipe, 1)
    again = surplus(np.array(order, np.int64), group[order], names, facts, recipe, 1)
    assert gone.tolist() == again.tolist()
    stays = np.delete(group, gone)
    sizes = {group: groups.count(group) for group in set(groups) - {-1}}
    most = int(min(sizes.values(), default=0) * ratio)
    assert {group: stays.tolist().count(group) for group in sizes} == {
        group: min(size, most) for group, size in sizes.items()
    }
    assert (stays == -1).sum() == groups.count(-1)


def test_weights_are_the_shares_that_stay() -> None:
    group = np.repeat(np.arange(3, dtype=np.int32), [100, 300, 600])
    facts, recipe = facts_of(list(range(1000))), BalanceRecipe(by="source", weights={"a": 0.5, "b": 0.25})
    gone = surplus(np.arange(1000), group, ["a", "b", "c", "none"], facts, recipe, 1)
    assert np.bincount(np.delete(group, gone)).tolist() == [100, 50, 50]
    with pytest.raises(InvalidInput, match="names b; groups by source: a"):
        surplus(np.arange(1000), group, ["a"], facts, recipe, 1)


def test_group_that_has_no_rows_has_no_share() -> None:
    group = np.repeat(np.arange(2, dtype=np.int32), [100, 300])
    recipe = BalanceRecipe(by="source", weights={"a": 0.5, "b": 0.3, "nobody's": 0.2})
    gone = surplus(np.arange(400), group, ["a", "b", "nobody's"], facts_of(list(range(400))), recipe, 1)
    assert np.bincount(np.delete(group, gone)).tolist() == [100, 60]


def test_rows_that_are_in_no_group_stay_where_there_are_no_groups() -> None:
    none = np.full(3, -1, np.int32)
    assert not len(surplus(np.arange(3), none, [], facts_of([1, 2, 3]), BalanceRecipe(by="source", max_ratio=2), 1))
