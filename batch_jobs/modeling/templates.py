"""Conversations as token ids: the base's chat template, the mask of what is trained, and no forged special tokens.

A conversation's content is data. Text in it that spells a special token (`<|im_end|>`) is tokenised as the letters
that it is, so that no row and no client can end a turn, or start one, in somebody else's name.

Each assistant turn is tokenised apart from what precedes it, in training as in serving, so that the tokens that a
model is trained after are exactly those that it is prompted with.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from tunesmith.contracts.errors import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MARKS = "\ufdd0\ufdd1\ufdd2\ufdd3"
"""Noncharacters: no tokenizer has a special token with one inside."""


PROBE = "tunesmithprobe"
"""A word that no template holds: where it comes out, the template renders what it was put into."""


class Message(TypedDict):
    """One turn, in the shape that chat templates take; tool calls as OpenAI's array, or as that array's JSON."""

    role: str
    content: str
    name: NotRequired[str | None]
    tool_calls: NotRequired[str | list[dict[str, Any]] | None]
    tool_call_id: NotRequired[str | None]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns to learn from: which of them count (None: all of the assistant's), and the tools on offer."""

    messages: Sequence[Message]
    trained: Sequence[bool] | None = None
    tools: str | list[dict[str, Any]] | None = None
    """OpenAI's array of tool definitions, or its JSON."""


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """Token ids of a conversation, and which of them the loss counts."""

    ids: list[int]
    mask: list[bool]
    ends: dict[int, int] = field(default_factory=dict)
    """Index of each assistant turn -> index in `ids` of the token that ends it."""
    rewritten: list[int] = field(default_factory=list)
    """Turns that were to be trained, but that the template rewrites or drops, or that begin the conversation."""


@dataclass(frozen=True, slots=True)
class TemplateFacts:
    """What a chat template makes of the parts of a conversation. False: it leaves the part out, or refuses it."""

    system: bool
    tools: bool
    tool_calls: bool
    name: bool
    default_system: str
    """The system prompt that it adds where a conversation has none; empty: it adds none."""


def template_hash(tokenizer: "PreTrainedTokenizerFast") -> str:
    """SHA-256 of the chat template: an adapter fits only the template that it was trained with."""
    return hashlib.sha256(_template(tokenizer).encode()).hexdigest()


def prompt_ids(
    tokenizer: "PreTrainedTokenizerFast",
    messages: Sequence[Message],
    tools: str | list[dict[str, Any]] | None = None,
) -> list[int]:
    """Tokens of the conversation up to where the assistant's next turn begins."""
    rendering = _Rendering(tokenizer, Conversation(messages, tools=tools))
    text = rendering.upto(len(messages), open_turn=True)
    cuts = [start for start, _ in rendering.assistant_spans(text).values()]
    return [token for piece in _cut(text, cuts) for token in rendering.encode(piece)]


def training_ids(
    tokenizer: "PreTrainedTokenizerFast",
    messages: Sequence[Message],
    trained: Sequence[bool] | None = None,
    tools: str | list[dict[str, Any]] | None = None,
) -> TrainingExample:
    """Tokens of the conversation with a mask on the assistant's turns, each with the token that ends it.

    `trained` names the turns that count (default: all). A turn that the template rewrites once others follow is never
    what the model will see, so it does not count. Raises InvalidInput where no token would be trained, and where the
    template refuses the conversation or leaves out its tools.
    """
    (example,) = training_batch(tokenizer, [Conversation(messages, trained, tools)])
    if isinstance(example, InvalidInput):
        raise example
    if not any(example.mask):
        raise InvalidInput("no assistant turn of this conversation can be trained with the base model's chat template")
    return example


def training_batch(
    tokenizer: "PreTrainedTokenizerFast", conversations: Iterable[Conversation]
) -> list[TrainingExample | InvalidInput]:
    """`training_ids` of many at once, whose texts the tokenizer encodes on all cores; one that the template refuses
    stands there as its error, and one may have no trained token."""
    drafts = [_draft(tokenizer, conversation) for conversation in conversations]
    plain = [
        piece.text
        for draft in drafts
        if isinstance(draft, _Draft)
        for piece in draft.pieces
        if piece.text and not draft.rendering.is_marked(piece.text)
    ]
    encoded = iter(tokenizer(plain, add_special_tokens=False)["input_ids"] if plain else [])
    return [draft.example(encoded) if isinstance(draft, _Draft) else draft for draft in drafts]


def template_facts(tokenizer: "PreTrainedTokenizerFast") -> TemplateFacts:
    """What the base's template renders, found by rendering with and without."""
    return _template_facts(tokenizer, _template(tokenizer))


@dataclass(frozen=True, slots=True)
class _Piece:
    """Text of a rendering between two turns, or of one of the assistant's turns."""

    text: str
    counts: bool
    turn: int | None = None


@dataclass(frozen=True, slots=True)
class _Draft:
    """A conversation cut into what is encoded apart."""

    rendering: "_Rendering"
    pieces: list[_Piece]
    rewritten: list[int]

    def example(self, encoded: "Iterable[list[int]]") -> TrainingExample:
        """`encoded` gives the ids of this draft's pieces that have no mark, in order."""
        example = TrainingExample([], [], {}, self.rewritten)
        following = iter(encoded)
        for piece in self.pieces:
            if not piece.text:
                continue
            ids = self.rendering.encode(piece.text) if self.rendering.is_marked(piece.text) else next(following)
            example.ids.extend(ids)
            example.mask.extend([piece.counts] * len(ids))
            if piece.turn is not None:
                example.ends[piece.turn] = len(example.ids) - 1
        return example


def _draft(tokenizer: "PreTrainedTokenizerFast", conversation: Conversation) -> "_Draft | InvalidInput":
    messages, trained = conversation.messages, conversation.trained
    try:
        rendering = _Rendering(tokenizer, conversation)
        text = rendering.upto(len(messages), open_turn=False)
        spans = rendering.assistant_spans(text)
    except InvalidInput as error:
        return error
    pieces, position = [], 0
    for index, (start, end) in spans.items():
        pieces.append(_Piece(text[position:start], counts=False))
        pieces.append(_Piece(text[start:end], trained is None or bool(trained[index]), index))
        position = end
    pieces.append(_Piece(text[position:], counts=False))
    wanted = [i for i, m in enumerate(messages) if m["role"] == "assistant" and (trained is None or trained[i])]
    return _Draft(rendering, pieces, [index for index in wanted if index not in spans])


class _Rendering:
    """A conversation rendered with special tokens in its content broken up by a mark, until `encode` mends them."""

    def __init__(self, tokenizer: "PreTrainedTokenizerFast", conversation: Conversation):
        template = _template(tokenizer)
        self._tokenizer = tokenizer
        self._special = _special_pattern(tokenizer)
        messages = [_for_template(message) for message in conversation.messages]
        tools = _parsed(conversation.tools, "tools")
        texts = list(_strings([messages, tools]))
        self._mark = next((mark for mark in MARKS if not any(mark in text for text in texts)), None)
        if self._mark is None:
            raise InvalidInput("a message holds Unicode noncharacters (U+FDD0 to U+FDD3); remove them")
        _refuse_what_is_left_out(tokenizer, template, messages, tools)
        self._messages: list[dict[str, Any]] = self._break_up(messages)
        self._tools = self._break_up(tools)

    def is_marked(self, text: str) -> bool:
        return self._mark in text

    def upto(self, count: int, open_turn: bool) -> str:
        """The template's text of the first `count` messages; `open_turn` adds the assistant's opening."""
        return _rendered(self._tokenizer, self._messages[:count], self._tools, open_turn)

    def assistant_spans(self, text: str) -> dict[int, tuple[int, int]]:
        """Message index -> where the assistant wrote in `text`: from after its opening to its end-of-turn token."""
        spans = {}
        for index, message in enumerate(self._messages):
            if message["role"] != "assistant" or index == 0:
                continue
            before, after = self.upto(index, open_turn=True), self.upto(index + 1, open_turn=False)
            if text.startswith(after) and after.startswith(before):
                spans[index] = (len(before), len(before) + self._turn_length(after[len(before) :]))
        return spans

    def encode(self, text: str) -> list[int]:
        """Token ids of a piece of the rendering; only the template's own special tokens become special ids."""
        if self._mark not in text:
            return self._tokenizer.encode(text, add_special_tokens=False)
        ids: list[int] = []
        for piece in self._special.split(text):
            if self._special.fullmatch(piece):
                ids.append(self._tokenizer.convert_tokens_to_ids(piece))
            elif piece:
                ids += self._encode_as_letters(piece.replace(self._mark, ""))
        return ids

    def _encode_as_letters(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)

    def _break_up(self, value: Any) -> Any:
        """The value with the special tokens in its strings broken up, at any depth and in keys too."""
        if isinstance(value, str):
            return self._special.sub(lambda found: found[0][0] + self._mark + found[0][1:], value)
        if isinstance(value, list):
            return [self._break_up(item) for item in value]
        if isinstance(value, dict):
            return {self._break_up(key): self._break_up(item) for key, item in value.items()}
        return value

    def _turn_length(self, turn: str) -> int:
        """Up to and with the last special token: the line break that templates put after it is not the assistant's."""
        ends = [found.end() for found in self._special.finditer(turn)]
        if not ends:
            raise InvalidInput(
                "the base model's chat template ends an assistant turn without a special token: "
                "a model tuned with it would never learn to stop"
            )
        return ends[-1]


def _template(tokenizer: "PreTrainedTokenizerFast") -> str:
    template = tokenizer.chat_template
    if not isinstance(template, str):
        raise InvalidInput("the base model has no single chat template; import an instruct model, or add one to it")
    return template


def _rendered(tokenizer: "PreTrainedTokenizerFast", messages: list[dict[str, Any]], tools: Any, open_turn: bool) -> str:
    """Raises InvalidInput, with the template's own words, where the template refuses the conversation."""
    from jinja2 import TemplateError

    try:
        text: str = tokenizer.apply_chat_template(
            messages, tools=tools or None, tokenize=False, add_generation_prompt=open_turn
        )
    except (TemplateError, TypeError, KeyError, ValueError) as error:
        roles = ", ".join(message["role"] for message in messages)
        raise InvalidInput(
            f"the base model's chat template refuses this conversation ({roles}): {error}; "
            "reorder or merge its turns, or choose another base model"
        ) from error
    return text


def _for_template(message: Message) -> dict[str, Any]:
    """Without what is not there, and with tool calls as values: templates write arguments as JSON themselves."""
    made: dict[str, Any] = {key: value for key, value in message.items() if value is not None}
    made.setdefault("content", "")
    if "tool_calls" in made:
        made["tool_calls"] = [_with_values(call) for call in _parsed(made["tool_calls"], "tool_calls") or []]
        if not made["tool_calls"]:
            del made["tool_calls"]
    return made


def _with_values(call: Any) -> Any:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("arguments"), str):
        return call
    try:
        arguments = json.loads(function["arguments"])
    except ValueError:
        return call
    return {**call, "function": {**function, "arguments": arguments}} if isinstance(arguments, dict) else call


def _parsed(value: Any, name: str) -> Any:
    """The array that the JSON says, or the value itself where it is no string."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except ValueError as error:
        raise InvalidInput(f"{name}: expected a JSON array: {error}", name) from error
    if not isinstance(found, list):
        raise InvalidInput(f"{name}: expected a JSON array, found {type(found).__name__}", name)
    return found


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(key)
            yield from _strings(item)


def _refuse_what_is_left_out(
    tokenizer: "PreTrainedTokenizerFast", template: str, messages: list[dict[str, Any]], tools: Any
) -> None:
    """A model must not learn to call tools that it was never shown, or from turns whose calls are gone."""
    calls = any("tool_calls" in message for message in messages)
    if not tools and not calls:
        return
    facts = _template_facts(tokenizer, template)
    if tools and not facts.tools:
        raise InvalidInput("the base model's chat template leaves out `tools`; choose a base that knows tools", "tools")
    if calls and not facts.tool_calls:
        raise InvalidInput(
            "the base model's chat template leaves out `tool_calls`; choose a base that knows tools", "tool_calls"
        )


@lru_cache(maxsize=8)
def _template_facts(tokenizer: "PreTrainedTokenizerFast", template: str) -> TemplateFacts:
    """`template` is the tokenizer's own; it is part of the key because it may be replaced."""
    user, answer = {"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}
    probed = {"name": PROBE, "arguments": {"a": 1}}
    call = {"id": "a12345678", "type": "function", "function": probed}
    schema = {"type": "object", "properties": {"a": {"type": "integer", "description": "a"}}, "required": ["a"]}
    tool = {"type": "function", "function": {"name": PROBE, "description": "d", "parameters": schema}}
    with_system = _attempt(tokenizer, [{"role": "system", "content": PROBE}, user])
    return TemplateFacts(
        system=PROBE in with_system,
        tools=PROBE in _attempt(tokenizer, [user], [tool]),
        tool_calls=PROBE in _attempt(tokenizer, [user, {**answer, "content": "", "tool_calls": [call]}]),
        name=PROBE in _attempt(tokenizer, [{**user, "name": PROBE}, answer]),
        default_system=_default_system(_attempt(tokenizer, [user]), with_system),
    )


def _attempt(tokenizer: "PreTrainedTokenizerFast", messages: list[dict[str, Any]], tools: Any = None) -> str:
    try:
        return _rendered(tokenizer, messages, tools, open_turn=False)
    except InvalidInput:
        return ""


def _default_system(without: str, with_system: str) -> str:
    """What stands where the system prompt would, in a rendering that was given none."""
    before, found, after = with_system.partition(PROBE)
    has_place = found and len(without) > len(before) + len(after)
    return (
        without[len(before) : -len(after)]
        if has_place and without.startswith(before) and without.endswith(after)
        else ""
    )


@lru_cache(maxsize=8)
def _special_pattern(tokenizer: "PreTrainedTokenizerFast") -> re.Pattern[str]:
    """Matches each special token; longest first, as tokenizers do. The group makes `split` keep them."""
    tokens = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return re.compile("(" + "|".join(re.escape(token) for token in sorted(tokens, key=len, reverse=True)) + ")")


def _cut(text: str, positions: list[int]) -> list[str]:
    edges = [0, *positions, len(text)]
    return [text[start:end] for start, end in zip(edges, edges[1:], strict=False)]
