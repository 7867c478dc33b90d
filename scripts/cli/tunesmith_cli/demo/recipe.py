"""The demo's recipe, fitted to the size of the file."""

from pathlib import Path

import yaml

SHIPPED = Path(__file__).with_name("recipe.yaml")
WANTED_ITEMS, LARGEST_FRACTION = 30, 0.45
WANTED_ROWS, MOST_EPOCHS = 160, 6
"""Trained rows, repeats included: a few dozen rows seen once teach nothing."""


def recipe_for(rows: int, questions: int) -> bytes:
    """The shipped recipe; of a small file more is held out and the rest is passed over more often, and the gate and
    the policy wait for what there can be.

    With fewer items the gate's intervals are wider, and a verdict is worth less; the report says how many there were.
    """
    recipe = yaml.safe_load(SHIPPED.read_bytes())
    fraction = max(recipe["prepare"]["test_fraction"], min(LARGEST_FRACTION, WANTED_ITEMS / rows))
    recipe["prepare"]["test_fraction"] = round(fraction, 2)
    recipe["finetune"]["epochs"] = max(1, min(MOST_EPOCHS, WANTED_ROWS // max(1, int(rows * (1 - fraction)))))
    recipe["gate"]["min_items"] = min(20, int(rows * fraction) // 2)
    recipe["retrain"]["min_new_rows"] = min(recipe["retrain"]["min_new_rows"], max(1, questions // 2))
    return yaml.safe_dump(recipe).encode()
