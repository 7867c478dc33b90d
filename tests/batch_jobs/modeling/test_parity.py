"""Rendering by skeletons and encoding by words give what one prefix after another and the tokenizer give."""

import functools
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, normalizers, pre_tokenizers

from batch_jobs.modeling import templates
from batch_jobs.modeling.skeletons import looked_for
from batch_jobs.modeling.templates import Conversation, Message, TrainingExample, prompt_ids, training_batch
from batch_jobs.modeling.words import word_encoder
from tests.support import chat_templates
from tests.support.tiny_model import tiny_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

STYLES = [name for name, value in vars(chat_templates).items() if name.isupper() and isinstance(value, str)]
LLAMA3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@functools.cache
def styled(style: str) -> "PreTrainedTokenizerFast":
    made = tiny_tokenizer()
    made.chat_template = getattr(chat_templates, style)
    return made


ROLES = ("user", "assistant")


def chat(said: list[tuple[str, str]]) -> list[Message]:
    return [Message(role=role, content=text) for pair in said for role, text in zip(ROLES, pair, strict=True)]


def by_prefixes(
    tokenizer: "PreTrainedTokenizerFast", messages: list[Message]
) -> tuple[list[int], list[bool], set[int]]:
    """Ids, mask and the turns that are learnt, by rendering the conversation up to each turn: slow and plain."""

    def upto(count: int, opened: bool) -> str:
        return tokenizer.apply_chat_template(messages[:count], tokenize=False, add_generation_prompt=opened)

    text, position, turns = upto(len(messages), False), 0, set()
    ids: list[int] = []
    mask: list[bool] = []

    def add(piece: str, counts: bool) -> None:
        found = tokenizer.encode(piece, add_special_tokens=False)
        ids.extend(found)
        mask.extend([counts] * len(found))

    for index, message in enumerate(messages):
        if message["role"] != "assistant" or not index:
            continue
        before, after = upto(index, True), upto(index + 1, False)
        if text.startswith(after) and after.startswith(before):
            end = len(before) + after[len(before) :].rindex("<|im_end|>") + len("<|im_end|>")
            add(text[position : len(before)], False)
            add(text[len(before) : end], True)
            position = end
            turns.add(index)
    add(text[position:], False)
    return ids, mask, turns


FRAGMENTS = [
    "user",
    "Hint. ",
    "</think>",
    "<think>",
    "a",
    "B c",
    " ",
    "\n",
    "\t",
    "\x1f",
    "é",
    "日本",
    "1 23",
    "'s",
    "(nothing)",
]
content = st.lists(st.sampled_from(FRAGMENTS), max_size=5).map("".join)


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=40, deadline=None)
@given(said=st.lists(st.tuples(content, content), min_size=1, max_size=12), repeat=st.integers(1, 2))
def test_every_template_gives_what_its_prefixes_give(style: str, said: list[tuple[str, str]], repeat: int) -> None:
    messages = chat(said * repeat)
    if style == "WINDOWED":  # what is cut off looks like what is left where turns repeat
        messages = [{**message, "content": f"{place} {message['content']}"} for place, message in enumerate(messages)]
    made = styled(style)
    (found,) = training_batch(made, [Conversation(messages)])
    assert isinstance(found, TrainingExample)
    ids, mask, turns = by_prefixes(made, messages)
    assert (found.ids, found.mask, set(found.ends)) == (ids, mask, turns)
    assert set(found.rewritten) == set(range(1, len(messages), 2)) - turns


@pytest.mark.parametrize("style", STYLES)
def test_long_conversations_are_the_same_too(style: str) -> None:
    messages = [Message(role=ROLES[place % 2], content=f"turn {place}") for place in range(60)]
    (found,) = training_batch(styled(style), [Conversation(messages)])
    assert isinstance(found, TrainingExample)
    ids, mask, turns = by_prefixes(styled(style), messages)
    assert (found.ids, found.mask, set(found.ends)) == (ids, mask, turns)


def test_long_conversations_with_tools_are_the_same_too() -> None:
    tools: list[dict[str, Any]] = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    messages: list[Message] = []
    for turn in range(30):
        call = {"id": f"call_{turn}", "type": "function", "function": {"name": "f", "arguments": {"n": "x" * turn}}}
        messages += [
            Message(role="user", content=f"what is {turn}"),
            Message(role="assistant", content="", tool_calls=[call]),
            Message(role="tool", content=f"it is {turn}", tool_call_id=f"call_{turn}"),
            Message(role="assistant", content=f"{turn}."),
        ]
    made = styled("WITH_TOOLS")
    (found,) = training_batch(made, [Conversation(messages, tools=json.dumps(tools))])
    assert isinstance(found, TrainingExample)
    learnt = made.decode([token for token, counts in zip(found.ids, found.mask, strict=True) if counts])
    said = (f'<tool_call>f {{"n": "{"x" * turn}"}}</tool_call><|im_end|>{turn}.<|im_end|>' for turn in range(30))
    assert learnt == "".join(said)
    assert made.decode(found.ids) == made.apply_chat_template(messages, tools=tools, tokenize=False)


def count_renderings(monkeypatch: pytest.MonkeyPatch, turns: int) -> int:
    """Messages that are rendered to tokenise one conversation whose shape was never met."""
    rendered: list[int] = []
    real = templates._rendered

    def counted(*arguments: Any, **named: Any) -> str:
        rendered.append(len(arguments[2]))
        return real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(templates, "_rendered", counted)
        training_batch(styled("LLAMA"), [Conversation([Message(role=ROLES[n % 2], content="x") for n in range(turns)])])
    return sum(rendered)


def test_work_grows_with_the_turns_not_with_their_square(monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_renderings(monkeypatch, 1_600) < 5 * count_renderings(monkeypatch, 402)
    assert count_renderings(monkeypatch, 402) < 3 * 402, "a shape that was met is rendered once more and compared"


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=15, deadline=None)
@given(said=st.lists(st.tuples(content, content), min_size=1, max_size=4), asked=content)
def test_prompt_is_the_rendering_with_the_turn_opened(style: str, said: list[tuple[str, str]], asked: str) -> None:
    messages = [*chat(said), Message(role="user", content=asked)]
    made = styled(style)
    text = made.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert made.decode(prompt_ids(made, messages)) == text


def test_what_a_template_looks_for_in_contents_is_found() -> None:
    assert looked_for(chat_templates.THINKING).search("a </think> b")
    assert looked_for(chat_templates.LLAMA) is None
    assert looked_for("{% if 'tool_calls' in message %}{% endif %}") is None


def cut_by(pre_tokenizer: Any) -> "PreTrainedTokenizerFast":
    made = tiny_tokenizer()
    made.backend_tokenizer.pre_tokenizer = pre_tokenizer
    return made


BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
CUTS = {
    "gpt2": GPT2,
    "single digits": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), GPT2]),
    "numbers": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=False), GPT2]),
    "llama3": pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3_WORDS), "isolated"), BYTES]),
}
CUTTERS = {name: cut_by(cut) for name, cut in CUTS.items()}
ascii_text = st.text(st.characters(max_codepoint=127), max_size=40)
wordy = st.lists(
    st.sampled_from(["'ll", "'S", " ", "  ", "\n", "\r\n", "ab", "12", "3456", "!", "_", "<|im_end|>", "\t"])
)


@pytest.mark.parametrize("name", CUTTERS)
@settings(max_examples=200, deadline=None)
@given(text=ascii_text | wordy.map("".join) | st.text(max_size=30))
def test_words_give_what_the_tokenizer_gives(name: str, text: str) -> None:
    words = word_encoder(CUTTERS[name], 3)
    assert words is not None
    assert words.encode(text) == CUTTERS[name].encode(text, add_special_tokens=False)


def test_tokenizers_that_words_do_not_decide_are_left_alone() -> None:
    prefixed = cut_by(pre_tokenizers.ByteLevel(add_prefix_space=True))
    bare = cut_by(pre_tokenizers.Whitespace())
    lower = tiny_tokenizer()
    lower.backend_tokenizer.normalizer = normalizers.Lowercase()
    unknown = cut_by(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"\p{Han}+|."), "isolated"), BYTES]))
    assert [word_encoder(made, 3) for made in (prefixed, bare, lower, unknown)] == [None] * 4


def test_large_batches_are_encoded_as_small_ones() -> None:
    made = styled("CHATML")
    said = ["plain words", "größe 日本", "it's 12,345", "</think>", "<|im_end|> forged", "a\n\n b"]
    several = [Conversation(chat([(asked, answered)])) for asked in said for answered in said]
    alone = [training_batch(made, [conversation])[0] for conversation in several]
    assert len(several) * 3 > templates.MANY > 3, "the large batch goes by words, the small ones do not"
    assert training_batch(made, several) == alone
