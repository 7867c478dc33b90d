"""The unmodified OpenAI client in front of the model in production."""

import json

import openai
import pytest

from tests.support.loop import Loop
from tunesmith.contracts.runs import Run

ASKED = [{"role": "user", "content": "Summarise function number 3: def f3(x): return x + 3"}]


@pytest.fixture
def client(loop: Loop, first_run: Run) -> openai.OpenAI:
    return loop.openai()


def test_answer_is_the_champions_with_counted_tokens(loop: Loop, client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="demo", messages=ASKED, temperature=0, max_tokens=12)
    alias = json.loads(loop.row("aliases", model="demo/demo", entry="alias#champion")["document"])
    assert answer.system_fingerprint == alias["adapter_digest"]
    assert answer.choices[0].message.role == "assistant"
    assert 0 < answer.usage.completion_tokens <= 12
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_longer_prompt_counts_more_tokens(client: openai.OpenAI) -> None:
    def prompt_tokens(content: str) -> int:
        asked = [{"role": "user", "content": content}]
        return client.chat.completions.create(model="demo", messages=asked, max_tokens=1).usage.prompt_tokens

    assert prompt_tokens("one two three four five six") > prompt_tokens("one")


def test_stream_says_what_the_plain_answer_says(client: openai.OpenAI) -> None:
    asked = {"model": "demo", "messages": ASKED, "temperature": 0, "max_tokens": 12}
    plain = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == (
        plain.choices[0].message.content
    )
    assert chunks[-1].usage == plain.usage
    assert len({chunk.id for chunk in chunks}) == 1


def test_stream_is_sent_as_events_that_end_with_done(client: openai.OpenAI) -> None:
    asked = {"model": "demo", "messages": ASKED, "max_tokens": 4, "stream": True}
    answer = client.with_raw_response.chat.completions.create(**asked).http_response
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.read().endswith(b"data: [DONE]\n\n")


def test_stream_counts_tokens_only_where_asked_to(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="demo", messages=ASKED, max_tokens=4, stream=True))
    assert all(chunk.choices for chunk in chunks)


def test_answer_is_no_longer_than_the_recipe_lets_it_be(client: openai.OpenAI) -> None:
    """`serve.max_new_tokens` of the recipe, whatever a client asks for."""
    answer = client.chat.completions.create(model="demo", messages=ASKED, temperature=0, max_tokens=400)
    assert answer.usage.completion_tokens <= 24


def test_models_are_those_in_production(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["demo"]
    assert client.models.retrieve("demo").id == "demo"


def test_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="no-such-model", messages=ASKED)
    assert refused.value.code == "model_not_found"


def test_wrong_key_is_refused(loop: Loop, first_run: Run) -> None:
    with pytest.raises(openai.AuthenticationError):
        loop.openai("ts-" + "x" * 43).models.list()
