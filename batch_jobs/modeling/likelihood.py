"""How likely a model finds given answers, for many prompts at once.

Works on prompts that were read already, so only the answers' own positions pass through the model and its LM head.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from batch_jobs.modeling.generation import ReadPrompts

SLICE = 64
"""Positions scored at a time: logits are as wide as the vocabulary, and long answers would not fit in memory."""
IGNORED = -100


@torch.inference_mode()
def answer_nlls(model: PreTrainedModel, read: ReadPrompts, answers: Sequence[Sequence[int]]) -> list[float]:
    """Negative log-likelihood (natural log, summed over its tokens) of each answer; leaves `read` as it was."""
    targets = _padded(answers).to(model.device)
    counts = targets != IGNORED
    nlls = _nll(read.next_logits, targets[:, 0])
    mask = read.mask
    for start in range(0, targets.shape[1] - 1, SLICE):
        until = min(start + SLICE, targets.shape[1] - 1)
        mask = torch.cat([mask, counts[:, start:until].to(mask.dtype)], dim=-1)
        read_on = model(
            input_ids=targets[:, start:until].clamp(min=0),
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1)[:, -(until - start) :],
            past_key_values=read.cache,
            use_cache=True,
        )
        nlls += _nll(read_on.logits, targets[:, start + 1 : until + 1])
    read.cache.crop(-(targets.shape[1] - 1))
    return [float(nll) for nll in nlls]


def _padded(answers: Sequence[Sequence[int]]) -> Tensor:
    longest = max(map(len, answers))
    return torch.tensor([list(answer) + [IGNORED] * (longest - len(answer)) for answer in answers])


def _nll(logits: Tensor, targets: Tensor) -> Tensor:
    """Summed per row, in double precision: sums of many small numbers must not depend on the batch."""
    each = cross_entropy(logits.float().flatten(0, -2), targets.flatten(), ignore_index=IGNORED, reduction="none")
    return each.double().view(len(targets), -1).sum(-1)
