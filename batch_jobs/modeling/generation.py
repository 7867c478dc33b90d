"""Greedy answers for many prompts at once, with a key-value cache.

Prompts are padded on the left, so that every row's next token is the last of its row. Rows that have finished leave
the batch: on a CPU a step costs by the row, and a tuned model stops early. Reading a prompt is the dear part of an
evaluation (most of its tokens are prompt), so it is a step of its own whose outcome `likelihood` uses as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonprefix

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

READ_TOGETHER = 4


@dataclass
class ReadPrompts:
    """A batch of prompts that the model has read. Generating from it consumes it."""

    cache: DynamicCache
    mask: Tensor
    """Rows by positions: 0 where a row is padded."""
    next_logits: Tensor
    """Rows by vocabulary: what the model would say next."""


@torch.inference_mode()
def read_prompts(model: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> ReadPrompts:
    """Run the prompts through the model, which keeps their keys and values and the last position's logits alone.

    A few prompts at a time, in the order given: padding is computed like text, and neighbours differ little in length
    where the caller has sorted them.
    """
    groups = [prompts[start : start + READ_TOGETHER] for start in range(0, len(prompts), READ_TOGETHER)]
    return _joined([_read_group(model, group) for group in groups])


def _read_group(model: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> ReadPrompts:
    """What all prompts begin with (the system turn, the instruction) is read once, its keys and values repeated."""
    shared = min(len(commonprefix(prompts)), min(map(len, prompts)) - 1)
    cache = DynamicCache()
    if shared:
        _read(model, cache, torch.tensor([prompts[0][:shared]]), torch.ones(1, shared, dtype=torch.long))
        cache.batch_repeat_interleave(len(prompts))
    rests = [prompt[shared:] for prompt in prompts]
    longest = max(map(len, rests))
    ids = torch.tensor([[0] * (longest - len(rest)) + list(rest) for rest in rests])
    mask = torch.tensor([[1] * shared + [0] * (longest - len(rest)) + [1] * len(rest) for rest in rests])
    return ReadPrompts(cache, mask.to(model.device), _read(model, cache, ids, mask))


def _joined(groups: list[ReadPrompts]) -> ReadPrompts:
    """One batch of several, padded on the left to the longest."""
    if len(groups) == 1:
        return groups[0]
    longest = max(group.mask.shape[1] for group in groups)
    gaps = [longest - group.mask.shape[1] for group in groups]
    layers = zip(*(group.cache.layers for group in groups), strict=True)
    keys_and_values = [
        tuple(
            torch.cat([pad(getattr(layer, kind), (0, 0, gap, 0)) for layer, gap in zip(each, gaps, strict=True)])
            for kind in ("keys", "values")
        )
        for each in layers
    ]
    mask = torch.cat([pad(group.mask, (gap, 0)) for group, gap in zip(groups, gaps, strict=True)])
    return ReadPrompts(DynamicCache(keys_and_values), mask, torch.cat([group.next_logits for group in groups]))


@torch.inference_mode()
def generate(model: PreTrainedModel, read: ReadPrompts, stop: frozenset[int], max_new_tokens: int) -> list[list[int]]:
    """The likeliest token after each prompt, and so on until a token of `stop`, which is not part of the answer."""
    answers: list[list[int]] = [[] for _ in read.mask]
    rows, mask, chosen = list(range(len(answers))), read.mask, read.next_logits.argmax(-1)
    for length in range(1, max_new_tokens + 1):
        tokens = chosen.tolist()
        going = [place for place, token in enumerate(tokens) if token not in stop]
        for place in going:
            answers[rows[place]].append(tokens[place])
        if not going or length == max_new_tokens:
            break
        if len(going) < len(rows):
            rows, kept = [rows[place] for place in going], torch.tensor(going, device=mask.device)
            chosen, mask = chosen[kept], mask[kept]
            read.cache.batch_select_indices(kept)
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=-1)
        chosen = _read(model, read.cache, chosen[:, None], mask).argmax(-1)
    return answers


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Tokens that end an answer: the tokenizer's and those that the model's own settings name."""
    declared = model.generation_config.eos_token_id if model.generation_config else None
    several = declared if isinstance(declared, list) else [declared]
    return frozenset(token for token in (*several, tokenizer.eos_token_id) if token is not None)


def _read(model: PreTrainedModel, cache: DynamicCache, ids: Tensor, mask: Tensor) -> Tensor:
    """Append `ids` to the cache; what the model would say next. `mask` covers the positions before them as well."""
    mask = mask.to(model.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    read = model(
        input_ids=ids.to(model.device),
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return read.logits[:, -1]
