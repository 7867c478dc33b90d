"""Which examples each optimizer step sees, and how they are packed into rows: decided by counting, not by a generator.

The order of an epoch is a hash of seed, epoch and item, so a resumed training sees exactly what it would have seen,
whatever machine it resumes on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batch_jobs.finetune.examples import position
from batch_jobs.modeling.templates import TrainingExample

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Row:
    """Examples packed into one sequence, as tensors of batch size 1."""

    ids: "torch.Tensor"
    positions: "torch.Tensor"
    """Count anew from 0 in each example."""
    mask: "torch.Tensor"
    """Which token may see which: causal, and never across two examples."""
    predictors: "torch.Tensor"
    """Indices of the tokens whose successor the loss counts."""
    targets: "torch.Tensor"


def plan_steps(lengths: Mapping[str, int], epochs: int, tokens_per_step: int, seed: int) -> list[list[str]]:
    """Item ids of every step of the training: each step takes items until it has its tokens."""
    steps: list[list[str]] = []
    for epoch in range(epochs):
        order = sorted(lengths, key=lambda item_id: position(seed, f"epoch-{epoch}", item_id))
        steps += _by_tokens(order, lengths, tokens_per_step)
    return steps


def pack(examples: list[TrainingExample], sequence_length: int) -> list[list[TrainingExample]]:
    """Best-fit decreasing: each example goes into the fullest row that still has room for it."""
    rows: list[list[TrainingExample]] = []
    room: list[int] = []
    for example in sorted(examples, key=lambda example: -len(example.ids)):
        size = len(example.ids)
        fitting = [index for index, left in enumerate(room) if left >= size]
        best = min(fitting, key=lambda index: room[index], default=None)
        if best is None:
            rows.append([example])
            room.append(sequence_length - size)
        else:
            rows[best].append(example)
            room[best] -= size
    return rows


def to_row(examples: list[TrainingExample], device: "torch.device") -> Row:
    """Tensors of the packed examples."""
    import torch

    lengths = torch.tensor([len(example.ids) for example in examples])
    owner = torch.repeat_interleave(torch.arange(len(examples)), lengths)
    ids = torch.tensor([token for example in examples for token in example.ids])
    counted = torch.tensor([counts for example in examples for counts in (False, *example.mask[1:])])
    positions = torch.cat([torch.arange(int(length)) for length in lengths])
    mask = (owner[:, None] == owner[None, :]) & torch.ones(len(ids), len(ids), dtype=torch.bool).tril()
    successors = counted.nonzero()[:, 0]
    row = (ids[None], positions[None], mask[None, None], successors - 1, ids[successors])
    return Row(*(tensor.to(device) for tensor in row))


def _by_tokens(order: list[str], lengths: Mapping[str, int], tokens_per_step: int) -> Iterator[list[str]]:
    step: list[str] = []
    tokens = 0
    for item_id in order:
        step.append(item_id)
        tokens += lengths[item_id]
        if tokens >= tokens_per_step:
            yield step
            step, tokens = [], 0
    if step:
        yield step
