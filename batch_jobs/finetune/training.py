"""The training loop: one optimizer step at a time, so that it can stop and go on between any two.

The loss counts the assistant's tokens only, and the LM head, the most expensive layer of a small model, is applied to
the positions that predict them and to no others.
"""

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from batch_jobs.finetune.batching import Row, pack, to_row
from batch_jobs.finetune.lora import trained_parameters
from batch_jobs.modeling.templates import TrainingExample
from tunesmith.contracts.errors import TrainingDiverged
from tunesmith.contracts.recipes import FinetuneRecipe

if TYPE_CHECKING:
    from peft import PeftModel

MAX_GRADIENT_NORM = 1.0


class Trainer:
    """Model and optimizer, and the rule for one step."""

    def __init__(self, model: "PeftModel", recipe: FinetuneRecipe, total_steps: int):
        self.model = model.train()
        self.parameters = trained_parameters(model)
        self.optimizer = torch.optim.AdamW(self.parameters.values(), lr=recipe.learning_rate, weight_decay=0.0)
        self._recipe, self._total_steps = recipe, total_steps

    def step(self, number: int, examples: list[TrainingExample], before_row: Callable[[], None]) -> float:
        """Take step `number` (from 0); returns its mean loss per trained token, measured before the step.

        `before_row` may raise to abandon the step: nothing of the model has changed then. Raises TrainingDiverged.
        """
        self.optimizer.zero_grad(set_to_none=True)
        rows = self._rows(examples)
        counted = sum(len(row.targets) for row in rows)
        total = 0.0
        for row in rows:
            before_row()
            loss = summed_loss(self.model, row)
            (loss / counted).backward()
            total += loss.item()
        self._update(number, total / counted)
        return total / counted

    @torch.no_grad()
    def validate(self, examples: Iterable[TrainingExample]) -> float | None:
        """Mean loss per trained token, or None where there is nothing to validate on."""
        rows = self._rows(list(examples))
        if not rows:
            return None
        self.model.eval()
        total = sum(summed_loss(self.model, row).item() for row in rows)
        self.model.train()
        return total / sum(len(row.targets) for row in rows)

    def _rows(self, examples: list[TrainingExample]) -> list[Row]:
        return [to_row(packed, self.model.device) for packed in pack(examples, self._recipe.sequence_length)]

    def _update(self, number: int, loss: float) -> None:
        norm = torch.nn.utils.clip_grad_norm_(self.parameters.values(), MAX_GRADIENT_NORM)
        if not math.isfinite(loss) or not math.isfinite(norm.item()):
            raise TrainingDiverged(
                f"step {number + 1}: the loss is {loss}, the gradient's norm {norm.item()}; "
                f"lower finetune.learning_rate (now {self._recipe.learning_rate}) or look for odd rows"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = self._recipe.learning_rate * learning_rate_factor(
                number, self._total_steps, self._recipe.warmup_fraction
            )
        self.optimizer.step()


def summed_loss(model: "PeftModel", row: Row) -> torch.Tensor:
    """Cross-entropy of the trained tokens, summed."""
    output = model(
        input_ids=row.ids,
        position_ids=row.positions,
        attention_mask=row.mask,
        logits_to_keep=row.predictors,
        use_cache=False,
    )
    return functional.cross_entropy(output.logits[0].float(), row.targets, reduction="sum")


def learning_rate_factor(number: int, total: int, warmup_fraction: float) -> float:
    """Linear warm-up, then half a cosine down to nearly nothing at the last step."""
    warmup = math.ceil(total * warmup_fraction)
    if number < warmup:
        return (number + 1) / warmup
    done = (number - warmup) / max(1, total - warmup)
    return 0.5 * (1 + math.cos(math.pi * done))
