"""What must hold of a dataset version: each limit is the last that is allowed, and blank lines are no rows."""

from typing import Any

import pytest

from batch_jobs.prepare.gates import find_failure
from tunesmith.contracts.datasets import DropReason, RowCounts
from tunesmith.contracts.errors import NothingToTrain, QualityGateFailed
from tunesmith.contracts.recipes import PrepareRecipe


def counts(kept: int, quarantined: int = 0, **dropped: int) -> RowCounts:
    reasons = {DropReason[name.upper()]: rows for name, rows in dropped.items()}
    rows_in = kept + quarantined + sum(dropped.values())
    return RowCounts(rows_in=rows_in, kept=kept, quarantined=quarantined, dropped=reasons)


def recipe(**limits: Any) -> PrepareRecipe:
    return PrepareRecipe(**{"min_rows": 1, "max_quarantined_fraction": 1} | limits)


def test_at_every_limit_a_version_is_made() -> None:
    asked = recipe(min_rows=60, max_quarantined_fraction=0.25, max_duplicate_fraction=0.25, max_pii_fraction=0.5)
    at_limit = counts(60, 30, exact_duplicate=10, near_duplicate=20, blank_line=5)
    assert find_failure(asked, at_limit, training_rows=1, rows_with_pii=60) is None


@pytest.mark.parametrize(
    ("limits", "found", "rows_with_pii", "told"),
    [
        ({"max_quarantined_fraction": 0.25}, counts(74, 26, blank_line=900), 0, "26.0% of the rows are bad"),
        ({"max_duplicate_fraction": 0.25}, counts(74, exact_duplicate=13, near_duplicate=13), 0, "26.0% .* duplicates"),
        ({"max_duplicate_fraction": 0.25}, counts(74, near_duplicate=26, blank_line=900), 0, "26.0% .* duplicates"),
        ({"max_pii_fraction": 0.25}, counts(100, blank_line=900), 26, "26.0% .* personal data"),
        ({"min_rows": 60}, counts(59), 0, "59 rows are left; prepare.min_rows asks for 60"),
    ],
)
def test_beyond_a_limit_the_run_stops_and_says_which(
    limits: dict[str, Any], found: RowCounts, rows_with_pii: int, told: str
) -> None:
    failure = find_failure(recipe(**limits), found, found.kept, rows_with_pii)
    assert isinstance(failure, QualityGateFailed)
    with pytest.raises(QualityGateFailed, match=told):
        raise failure


@pytest.mark.parametrize(
    ("found", "training_rows", "told"),
    [
        (counts(0, 3, blank_line=2), 0, "no valid row is left"),
        (counts(0, blank_line=2), 0, "no valid row is left"),
        (counts(0), 0, "no valid row is left"),
        (counts(5), 0, "belongs to the held-out splits"),
    ],
)
def test_nothing_to_train_is_told_before_any_limit(found: RowCounts, training_rows: int, told: str) -> None:
    failure = find_failure(recipe(max_quarantined_fraction=0), found, training_rows)
    assert isinstance(failure, NothingToTrain) and told in str(failure)
