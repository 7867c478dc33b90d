"""Names of models, and streams that are answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.contracts.deployments import DeploymentRequest
from tunesmith.contracts.errors import EndpointUnavailable, ModelNotFound
from tunesmith.contracts.identity import digest
from tunesmith.contracts.models import Alias, ModelReference
from tunesmith.contracts.openai import ChatCompletionChunk, ChunkChoice, Delta, Usage
from tunesmith.contracts.recipes import MonitorRecipe, ServeRecipe
from tunesmith.domain.completions import (
    END_OF_STREAM,
    ModelName,
    answering,
    event_of,
    fold,
    read_chunks,
    read_completion,
    served,
)

BASE = ModelReference(uri="s3://models/bases/b/", digest=digest("b"))
CHAMPION = Alias(
    project="demo",
    model="docs",
    alias="champion",
    version=3,
    adapter_digest=digest("third"),
    revision=2,
    moved_at="2026-11-24T05:00:00.000Z",
    reason="it gains",
)


def rollout_of(name: str) -> DeploymentRequest:
    return DeploymentRequest(
        run_id=f"run-{digest(name)[:32]}",
        project="demo",
        model="docs",
        version=4,
        base=BASE,
        adapter=ModelReference(uri=f"s3://models/adapters/{name}/", digest=digest(name)),
        serve=ServeRecipe(),
        monitor=MonitorRecipe(),
    )


def chunks(texts: list[str], finish: bool = True, usage: bool = True) -> list[ChatCompletionChunk]:
    shared = {"id": "chatcmpl-1", "created": 1, "model": "docs", "system_fingerprint": "f"}
    deltas = [ChunkChoice(delta=Delta(content=text)) for text in texts]
    deltas += [ChunkChoice(delta=Delta(), finish_reason="length")] if finish else []
    made = [ChatCompletionChunk(choices=[delta], **shared) for delta in deltas]
    counted = Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    return made + ([ChatCompletionChunk(choices=[], usage=counted, **shared)] if usage else [])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("docs", ModelName("docs", None, "champion")),
        ("docs@3", ModelName("docs", 3, "champion")),
        ("docs:champion", ModelName("docs", None, "champion")),
        ("docs:challenger", ModelName("docs", None, "challenger")),
    ],
)
def test_model_name_is_read(name: str, expected: ModelName) -> None:
    assert ModelName.parse(name) == expected


@pytest.mark.parametrize(
    "name", ["", "Docs", "docs@", "docs@03", "docs@-1", "docs@1:champion", "a/b", "docs\n", "dócs"]
)
def test_what_cannot_be_a_name_is_no_model(name: str) -> None:
    with pytest.raises(ModelNotFound):
        ModelName.parse(name)


@pytest.mark.parametrize("name", ["docs", "docs@3", "docs:champion"])
def test_champion_answers_to_its_names(name: str) -> None:
    assert served(name, CHAMPION) == CHAMPION


@pytest.mark.parametrize(("name", "champion"), [("docs@2", CHAMPION), ("docs:challenger", CHAMPION), ("docs", None)])
def test_what_does_not_serve_is_not_found(name: str, champion: Alias | None) -> None:
    with pytest.raises(ModelNotFound):
        served(name, champion)


def test_champion_answers_for_itself() -> None:
    assert answering("docs", CHAMPION, digest("third"), rollout=None) == CHAMPION


@pytest.mark.parametrize("fingerprint", ["base", "second"])
def test_other_model_behind_the_endpoint_is_noticed(fingerprint: str) -> None:
    for rollout in (None, rollout_of("fourth")):
        with pytest.raises(EndpointUnavailable, match="nobody asked for"):
            answering("docs", CHAMPION, digest(fingerprint), rollout)


def test_version_that_takes_the_place_of_the_champion_answers_as_itself() -> None:
    found = answering("docs", CHAMPION, digest("fourth"), rollout_of("fourth"))
    assert (found.version, found.adapter_digest) == (4, digest("fourth"))


def test_version_asked_by_number_is_answered_by_no_other() -> None:
    with pytest.raises(EndpointUnavailable, match="version 4 is taking the place"):
        answering("docs@3", CHAMPION, digest("fourth"), rollout_of("fourth"))


def test_fold_joins_the_text_and_keeps_reason_and_usage() -> None:
    answer = fold(chunks(["Hello", " ", "🙂"]))
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("Hello 🙂", "length")
    assert answer.usage.total_tokens == 3


@pytest.mark.parametrize("broken", [chunks(["a"], finish=False), chunks(["a"], usage=False), []])
def test_fold_of_a_broken_stream_is_no_answer(broken: list[ChatCompletionChunk]) -> None:
    with pytest.raises(EndpointUnavailable):
        fold(broken)


@given(st.lists(st.text(), max_size=5), st.lists(st.integers(1, 400), max_size=40))
def test_stream_reads_the_same_however_it_is_cut(texts: list[str], cuts: list[int]) -> None:
    sent = chunks(texts)
    whole = b"".join(event_of(chunk.model_dump_json()) for chunk in sent) + END_OF_STREAM
    pieces, rest = [], whole
    for size in cuts:
        pieces, rest = [*pieces, rest[:size]], rest[size:]
    assert list(read_chunks([*pieces, rest])) == sent


def test_stream_without_its_end_is_an_error_after_what_came() -> None:
    reading = read_chunks([event_of(chunks(["a"])[0].model_dump_json())])
    assert next(reading).choices[0].delta.content == "a"
    with pytest.raises(EndpointUnavailable):
        next(reading)


def test_failure_told_in_the_stream_is_an_error() -> None:
    with pytest.raises(EndpointUnavailable):
        list(read_chunks([event_of('{"error":{"message":"it broke"}}'), END_OF_STREAM]))


def test_answer_of_a_container_that_is_not_ours_is_no_answer() -> None:
    with pytest.raises(EndpointUnavailable):
        read_completion(b"body")
    with pytest.raises(EndpointUnavailable):
        list(read_chunks([event_of("[]"), END_OF_STREAM]))
