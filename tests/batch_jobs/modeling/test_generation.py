"""Batched answers and likelihoods are those of one prompt at a time, and of the plain forward pass."""

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from batch_jobs.modeling import likelihood
from batch_jobs.modeling.generation import generate, read_prompts, stop_tokens
from batch_jobs.modeling.likelihood import answer_nlls
from tests.support.tiny_model import tiny_llama, tiny_tokenizer

PROMPTS = ["Open", "Open the file, read all of its lines", "Open it. Größe und Gewicht 🙂", "Open the door", "Ja?"]
ANSWERS = ["the file", "x", "Raise ValueError if the argument is not a positive integer. " * 4, "日本語", "Ja."]
LENGTH = 16


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return tiny_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Weights large enough that it does not say the same thing for ever."""
    model = tiny_llama(tokenizer).eval()
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(1)
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    return model


@pytest.fixture(scope="module")
def prompts(tokenizer: PreTrainedTokenizerFast) -> list[list[int]]:
    return [tokenizer(prompt)["input_ids"] for prompt in PROMPTS]


@pytest.fixture(scope="module")
def answers(tokenizer: PreTrainedTokenizerFast) -> list[list[int]]:
    return [tokenizer(answer)["input_ids"] for answer in ANSWERS]


def likeliest_by_plain_forward(model: LlamaForCausalLM, prompt: list[int], stop: frozenset[int]) -> list[int]:
    ids = list(prompt)
    with torch.inference_mode():
        while len(ids) < len(prompt) + LENGTH:
            token = int(model(torch.tensor([ids])).logits[0, -1].argmax())
            if token in stop:
                break
            ids.append(token)
    return ids[len(prompt) :]


def test_batched_answers_are_those_of_the_plain_forward_pass(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompts: list[list[int]]
) -> None:
    stop = stop_tokens(model, tokenizer)
    batched = generate(model, read_prompts(model, prompts), stop, LENGTH)
    assert batched == [likeliest_by_plain_forward(model, prompt, stop) for prompt in prompts]
    assert len(set(map(tuple, batched))) == len(batched)


def test_rows_that_stop_early_leave_the_others_as_they_were(model: LlamaForCausalLM, prompts: list[list[int]]) -> None:
    """Every token that some row says in its middle is made a stop token in turn."""
    free = generate(model, read_prompts(model, prompts), frozenset(), LENGTH)
    for token in {answer[LENGTH // 2] for answer in free}:
        stopped = generate(model, read_prompts(model, prompts), frozenset({token}), LENGTH)
        assert stopped == [answer[: answer.index(token)] if token in answer else answer for answer in free]


def test_answers_are_no_longer_than_asked(model: LlamaForCausalLM, prompts: list[list[int]]) -> None:
    assert {len(answer) for answer in generate(model, read_prompts(model, prompts), frozenset(), 3)} == {3}


def test_equal_prompts_of_one_token_are_read(model: LlamaForCausalLM) -> None:
    first, second = generate(model, read_prompts(model, [[5], [5]]), frozenset(), 4)
    assert first == second == likeliest_by_plain_forward(model, [5], frozenset())[:4]


def plain_nll(model: LlamaForCausalLM, prompt: list[int], answer: list[int]) -> float:
    with torch.inference_mode():
        logits = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        return float(cross_entropy(logits, torch.tensor(answer), reduction="sum"))


@pytest.mark.parametrize("positions_at_a_time", [1, 7, 64])
def test_batched_likelihoods_are_those_of_the_plain_forward_pass(
    model: LlamaForCausalLM,
    prompts: list[list[int]],
    answers: list[list[int]],
    positions_at_a_time: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(likelihood, "SLICE", positions_at_a_time)
    batched = answer_nlls(model, read_prompts(model, prompts), answers)
    expected = [plain_nll(model, prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]
    assert batched == pytest.approx(expected, rel=1e-5)


def test_scoring_references_does_not_change_what_is_said_next(
    model: LlamaForCausalLM, prompts: list[list[int]], answers: list[list[int]]
) -> None:
    untouched = generate(model, read_prompts(model, prompts), frozenset(), LENGTH)
    read = read_prompts(model, prompts)
    answer_nlls(model, read, answers)
    assert generate(model, read, frozenset(), LENGTH) == untouched


def test_stop_tokens_are_the_tokenizers_and_the_models(tokenizer: PreTrainedTokenizerFast) -> None:
    model = tiny_llama(tokenizer)
    model.generation_config.eos_token_id = [7, 9]
    assert stop_tokens(model, tokenizer) == {7, 9, tokenizer.eos_token_id}
