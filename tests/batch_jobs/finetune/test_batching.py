"""Packing and ordering: packed examples do not see each other, nothing is lost, and order is a pure function."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from batch_jobs.finetune.batching import pack, plan_steps, to_row
from batch_jobs.finetune.lora import add_adapter
from batch_jobs.finetune.training import learning_rate_factor, summed_loss
from batch_jobs.modeling.templates import TrainingExample
from tests.support.tiny_model import tiny_llama, tiny_tokenizer
from tunesmith.contracts.recipes import FinetuneRecipe

CPU = torch.device("cpu")


def example(length: int, first: int = 3) -> TrainingExample:
    ids = [3 + (first * 7 + index * 11) % 300 for index in range(length)]
    return TrainingExample(ids, [index >= length // 2 for index in range(length)])


def test_loss_of_packed_examples_equals_their_separate_losses() -> None:
    model = add_adapter(tiny_llama(tiny_tokenizer()), FinetuneRecipe(rank=2))
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:  # untrained ones are zero and would hide a leak through the adapter
            torch.nn.init.normal_(weight, std=0.1)
    examples = [example(9, 1), example(17, 2), example(30, 3), example(2, 4)]
    with torch.no_grad():
        together = summed_loss(model, to_row(examples, CPU)).item()
        apart = [summed_loss(model, to_row([one], CPU)).item() for one in examples]
    counted = sum(sum(one.mask[1:]) for one in examples)
    assert together / counted == pytest.approx(sum(apart) / counted, abs=1e-5)


def test_only_the_masked_tokens_are_targets() -> None:
    one = TrainingExample([5, 6, 7, 8], [False, False, True, False])
    row = to_row([one, one], CPU)
    assert row.targets.tolist() == [7, 7]
    assert row.predictors.tolist() == [1, 5]
    assert row.positions.tolist() == [[0, 1, 2, 3, 0, 1, 2, 3]]


@given(st.lists(st.integers(1, 64), max_size=40))
def test_packing_loses_nothing_and_overfills_nothing(lengths: list[int]) -> None:
    examples = [example(length, index) for index, length in enumerate(lengths)]
    rows = pack(examples, 64)
    assert all(sum(len(one.ids) for one in row) <= 64 for row in rows)
    assert sorted(map(id, (one for row in rows for one in row))) == sorted(map(id, examples))
    assert len(rows) <= 1 + 2 * sum(lengths) / 64


@given(st.dictionaries(st.text(max_size=5), st.integers(1, 50), max_size=30), st.integers(1, 3), st.integers(1, 100))
def test_every_epoch_sees_every_item_once(lengths: dict[str, int], epochs: int, tokens_per_step: int) -> None:
    steps = plan_steps(lengths, epochs, tokens_per_step, seed=0)
    seen = [item for step in steps for item in step]
    assert sorted(seen) == sorted(list(lengths) * epochs)
    assert all(step for step in steps)


def test_order_depends_on_seed_and_epoch_and_on_nothing_else() -> None:
    lengths = {str(number): 10 for number in range(50)}
    backwards = dict(reversed(lengths.items()))
    first, second = (plan_steps(lengths, 2, 500, seed) for seed in (0, 1))
    assert first == plan_steps(backwards, 2, 500, 0)
    assert first != second and first[0] != first[1]


def test_learning_rate_warms_up_and_comes_down() -> None:
    factors = [learning_rate_factor(number, 20, 0.1) for number in range(20)]
    assert factors[:2] == [0.5, 1.0] and max(factors) == 1.0
    assert factors[2:] == sorted(factors[2:], reverse=True) and 0 < factors[-1] < 0.05
