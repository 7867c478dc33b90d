"""Tokens per CPU-second of our packed training step, beside the padded loop that everyone writes.

    python -m tests.bench.training [--steps 3] [--tokens-per-step 1024]

The embedded base model, LoRA of the same rank on the same layers, the same examples in the same order, one step of each
in turns. Tokens are the examples' own; padding is no work that anybody asked for.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch

from batch_jobs.finetune.batching import plan_steps
from batch_jobs.finetune.lora import add_adapter
from batch_jobs.finetune.training import Trainer
from batch_jobs.modeling.loading import load_base, load_tokenizer
from batch_jobs.modeling.templates import TrainingExample, training_ids
from tests.bench.measuring import in_turns, run_here, table
from tunesmith.contracts.recipes import FinetuneRecipe
from tunesmith_cli.demo.docstring_task import docstring_pairs

BASE = Path(__file__).parents[2] / ".tunesmith/bases/smollm2-135m-instruct"
BATCH = 8
IGNORED = -100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--tokens-per-step", type=int, default=1_024)
    asked = parser.parse_args()
    recipe = FinetuneRecipe(tokens_per_step=asked.tokens_per_step)
    steps = examples_of_steps(recipe, 1 + asked.steps)
    ours, padded = Packed(recipe, steps), Padded(recipe, steps)

    found = in_turns(
        {
            "tunesmith: packed, loss on the answers' positions": lambda: run_here(ours.step),
            f"padded batches of {BATCH}, full logits": lambda: run_here(padded.step),
        },
        asked.steps,
    )
    tokens = sum(len(example.ids) for step in steps[1:] for example in step) / asked.steps
    print(f"{tokens:.0f} tokens a step, {asked.steps} steps of each in turns after one to warm up, medians\n")
    table(
        ["loop", "CPU s a step", "tokens per CPU s", "s a step", "tokens per s"],
        [[name, s.cpu, tokens / s.cpu, s.wall, tokens / s.wall] for name, s in found.items()],
    )
    print(f"losses of the steps: ours {ours.losses}, padded {padded.losses}")


def examples_of_steps(recipe: FinetuneRecipe, count: int) -> list[list[TrainingExample]]:
    """The docstring task, cut into steps as the job cuts it."""
    tokenizer = load_tokenizer(BASE)
    rows = [training_ids(tokenizer, pair.row["messages"]) for pair in docstring_pairs()[:400]]
    examples = {str(place): row for place, row in enumerate(rows) if len(row.ids) <= recipe.sequence_length}
    lengths = {place: len(example.ids) for place, example in examples.items()}
    steps = plan_steps(lengths, 1, recipe.tokens_per_step, recipe.seed)
    return [[examples[place] for place in step] for step in steps[:count]]


class Packed:
    """The trainer of the job."""

    def __init__(self, recipe: FinetuneRecipe, steps: list[list[TrainingExample]]):
        self._trainer = Trainer(add_adapter(load_base(BASE), recipe), recipe, total_steps=len(steps))
        self._steps = enumerate(steps)
        self.losses: list[float] = []

    def step(self) -> None:
        number, examples = next(self._steps)
        self.losses.append(round(self._trainer.step(number, examples, before_row=lambda: None), 4))


class Padded:
    """Batches in order, padded to their longest, labels of -100, the model's own loss."""

    def __init__(self, recipe: FinetuneRecipe, steps: list[list[TrainingExample]]):
        self._model = add_adapter(load_base(BASE), recipe).train()
        trained = [weight for weight in self._model.parameters() if weight.requires_grad]
        self._optimizer = torch.optim.AdamW(trained, lr=recipe.learning_rate, weight_decay=0.0)
        self._steps = iter(steps)
        self.losses: list[float] = []

    def step(self) -> None:
        examples = next(self._steps)
        self._optimizer.zero_grad(set_to_none=True)
        counted = sum(sum(example.mask[1:]) for example in examples)
        total = 0.0
        for batch in _batches(examples):
            ids, labels, attention = _padded(batch)
            output = self._model(input_ids=ids, attention_mask=attention, labels=labels, use_cache=False)
            share = int((labels[:, 1:] != IGNORED).sum()) / counted
            (output.loss * share).backward()
            total += output.loss.item() * share
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        self.losses.append(round(total, 4))


def _batches(examples: list[TrainingExample]) -> Iterator[list[TrainingExample]]:
    for start in range(0, len(examples), BATCH):
        yield examples[start : start + BATCH]


def _padded(batch: list[TrainingExample]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    longest = max(len(example.ids) for example in batch)
    gaps = [longest - len(example.ids) for example in batch]
    ids = [example.ids + [0] * gap for example, gap in zip(batch, gaps, strict=True)]
    attention = [[1] * len(example.ids) + [0] * gap for example, gap in zip(batch, gaps, strict=True)]
    labels = [
        [token if counts else IGNORED for token, counts in zip(example.ids, example.mask, strict=True)]
        + [IGNORED] * gap
        for example, gap in zip(batch, gaps, strict=True)
    ]
    return torch.tensor(ids), torch.tensor(labels), torch.tensor(attention)


if __name__ == "__main__":
    main()
