"""Balance: groups of the training split cut down until none outweighs the others by more than the recipe allows.

Which rows of a group go is decided by a hash of each row, so the same rows stay wherever they stand.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.deciding import positions
from batch_jobs.prepare.facts import RowFacts
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.preparation import BalanceRecipe


def surplus(
    rows: NDArray[np.int64],
    group: NDArray[np.int32],
    names: Sequence[str],
    facts: RowFacts,
    recipe: BalanceRecipe,
    seed: int,
) -> NDArray[np.int64]:
    """Those of `rows` that are too many. `group` is per row an index into `names`; below 0, the row is in no group and
    stays. Raises InvalidInput where the recipe names a group that is not there."""
    unknown = sorted(set(recipe.weights) - set(names))
    if unknown:
        known = ", ".join(sorted(names)) or "none"
        raise InvalidInput(f"prepare.balance.weights names {', '.join(unknown)}; groups by {recipe.by}: {known}")
    if not len(names):
        return np.empty(0, np.int64)
    counts = np.bincount(group[group >= 0], minlength=len(names))
    allowed = _by_weight(counts, names, recipe.weights) if recipe.weights else _by_ratio(counts, recipe.max_ratio)
    order = np.lexsort((positions(facts.fingerprint[rows, 0], seed + 1), group))
    ordered = group[order]
    starts = np.searchsorted(ordered, np.arange(len(names)))
    place_in_group = np.arange(len(rows)) - starts[np.maximum(ordered, 0)]
    too_many = (ordered >= 0) & (place_in_group >= allowed[np.maximum(ordered, 0)])
    return np.sort(rows[order[too_many]])


def _by_ratio(counts: NDArray[np.int64], ratio: float) -> NDArray[np.int64]:
    present = counts[counts > 0]
    return np.full(len(counts), int(present.min() * ratio) if len(present) else 0)


def _by_weight(counts: NDArray[np.int64], names: Sequence[str], weights: dict[str, float]) -> NDArray[np.int64]:
    """The most rows of each group such that their shares are as asked; groups that are not named share the rest as they
    are."""
    given = np.array([weights.get(name, np.nan) for name in names])
    rest, others = max(0.0, 1 - np.nansum(given)), np.isnan(given)
    share = np.where(others, rest * counts / max(1, counts[others].sum()), given)
    asked = (share > 0) & (counts > 0)
    total = (counts[asked] / share[asked]).min() if asked.any() else 0
    return np.minimum(counts, np.floor(share * total + 1e-9)).astype(np.int64)
