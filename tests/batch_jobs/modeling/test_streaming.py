"""Streams of a tiny real model: what is emitted adds up to the answer, whole characters only, no stop strings."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from batch_jobs.modeling.loading import load_model, load_tokenizer
from batch_jobs.modeling.streaming import (
    UNFINISHED,
    Sampling,
    StopStrings,
    TextAssembler,
    choose_tokens,
    nucleus,
    stream_tokens,
)
from tests.support.tiny_model import tiny_tokenizer, write_tiny_base

TOKENIZER = tiny_tokenizer()
PROMPT = [1, 87, 85, 2, 201]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    folder = tmp_path_factory.mktemp("base")
    write_tiny_base(folder)
    yield load_model(folder, None), load_tokenizer(folder)


def without_cache(model: Any, prompt: list[int], count: int) -> list[int]:
    """The likeliest tokens, each from a fresh pass over everything before it."""
    ids = list(prompt)
    for _ in range(count):
        with torch.inference_mode():
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def test_greedy_tokens_are_those_of_a_model_without_cache(tiny: tuple[Any, Any]) -> None:
    model, _ = tiny
    assert list(choose_tokens(model, PROMPT, Sampling(12))) == without_cache(model, PROMPT, 12)


def test_same_seed_gives_the_same_tokens_and_another_seed_others(tiny: tuple[Any, Any]) -> None:
    def sample(seed: int) -> list[int]:
        return list(choose_tokens(tiny[0], PROMPT, Sampling(20, temperature=1.0, seed=seed)))

    assert sample(7) == sample(7)
    assert sample(7) != sample(8)
    assert sample(-1) == sample(-1)


def test_tiny_nucleus_is_greedy_at_any_temperature(tiny: tuple[Any, Any]) -> None:
    model, _ = tiny
    sampled = list(choose_tokens(model, PROMPT, Sampling(8, temperature=2.0, top_p=1e-9, seed=1)))
    assert sampled == without_cache(model, PROMPT, 8)


def test_nucleus_keeps_the_tokens_that_first_add_up() -> None:
    kept = nucleus(torch.tensor([0.1, 0.5, 0.05, 0.35]), 0.8)
    assert torch.equal(kept, torch.tensor([0.0, 0.5, 0.0, 0.35]))


def test_pieces_add_up_to_the_decoded_answer(tiny: tuple[Any, Any]) -> None:
    model, tokenizer = tiny
    sampling = Sampling(60, temperature=1.5, seed=3)
    tokens = list(choose_tokens(model, PROMPT, sampling))
    pieces = list(stream_tokens(model, tokenizer, PROMPT, sampling))
    whole = tokens[: tokens.index(2)] if 2 in tokens else tokens
    assert "".join(piece.text for piece in pieces) == decoded(tokenizer, whole)
    assert pieces[-1].tokens == len(whole)
    assert [piece.finish_reason for piece in pieces[:-1]] == [None] * (len(pieces) - 1)


def test_answer_ends_with_length_at_its_limit(tiny: tuple[Any, Any]) -> None:
    model, tokenizer = tiny
    last = list(stream_tokens(model, tokenizer, PROMPT, Sampling(5)))[-1]
    assert (last.finish_reason, last.tokens) == ("length", 5)


def test_stop_string_cuts_the_answer_before_itself(tiny: tuple[Any, Any]) -> None:
    model, tokenizer = tiny
    sampling = Sampling(60, temperature=1.0, seed=3)
    whole = "".join(piece.text for piece in stream_tokens(model, tokenizer, PROMPT, sampling))
    stop = whole[10:13]
    cut = list(stream_tokens(model, tokenizer, PROMPT, Sampling(60, temperature=1.0, seed=3, stop=(stop,))))
    assert "".join(piece.text for piece in cut) == whole[: whole.index(stop)]
    assert cut[-1].finish_reason == "stop"


def decoded(tokenizer: Any, tokens: list[int]) -> str:
    return tokenizer.decode(tokens, skip_special_tokens=True).rstrip(UNFINISHED)


@given(st.text(max_size=40))
def test_text_comes_out_of_its_tokens_in_whole_characters(text: str) -> None:
    assembler = TextAssembler(TOKENIZER)
    pieces = [assembler.push(token) for token in TOKENIZER.encode(text, add_special_tokens=False)]
    whole = text.rstrip(UNFINISHED)  # a character that a text may hold, but cannot be told from a broken one
    assert ("".join(pieces) + assembler.rest()).rstrip(UNFINISHED) == whole


@given(st.lists(st.text("ab#", max_size=4), max_size=8), st.lists(st.text("ab#", min_size=1, max_size=3), max_size=3))
def test_stop_strings_are_never_shown_however_the_text_is_cut(pieces: list[str], stops: list[str]) -> None:
    cutter, shown, text = StopStrings(stops), "", "".join(pieces)
    for piece in pieces:
        shown += cutter.push(piece)
        if cutter.found:
            break
    shown += "" if cutter.found else cutter.rest()
    assert cutter.found == any(stop in text for stop in stops)
    assert not any(stop in shown for stop in stops)
    assert shown == text or any(text[len(shown) :].startswith(stop) for stop in stops)
