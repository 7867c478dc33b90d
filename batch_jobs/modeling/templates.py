"""Conversations as token ids: the base's chat template, the mask of what is trained, and no forged special tokens.

A conversation's content is data. Text in it that spells a special token (`<|im_end|>`) is tokenised as the letters
that it is, so that no row and no client can end a turn, or start one, in somebody else's name.

Each assistant turn is tokenised apart from what precedes it, in training as in serving, so that the tokens that a
model is trained after are exactly those that it is prompted with.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from batch_jobs.modeling.skeletons import FEW, Skeleton, Span, dissect, looked_for, marked, probe_spans
from batch_jobs.modeling.words import word_encoder
from tunesmith.contracts.errors import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MARKS = "\ufdd0\ufdd1\ufdd2\ufdd3"
"""Noncharacters: no tokenizer has a special token with one inside."""


MANY = 64
"""Texts from which on it is worth to learn a tokenizer's words."""
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
    texts: list[str] = []
    for turn, text in rendering.pieces(open_turn=True):
        if turn is None and texts:
            texts[-1] += text  # what follows a turn is encoded with it, as far as the next one
        else:
            texts.append(text)
    return [token for text in texts for token in rendering.encode(text)]


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
    """`training_ids` of many at once, which is faster; one that the template refuses
    stands there as its error, and one may have no trained token."""
    drafts = [_draft(tokenizer, conversation) for conversation in conversations]
    texts = [piece.text for draft in drafts if isinstance(draft, _Draft) for piece in draft.plain]
    encoded = iter(_encode_plain(tokenizer, texts))
    return [draft.example(encoded) if isinstance(draft, _Draft) else draft for draft in drafts]


def _encode_plain(tokenizer: "PreTrainedTokenizerFast", texts: list[str]) -> list[list[int]]:
    """Ids of texts without a mark: word by word where that is the same, the others by the tokenizer on all cores."""
    words = word_encoder(tokenizer, len(tokenizer.added_tokens_decoder)) if len(texts) >= MANY else None
    if words is None:
        return tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    others = [text for text in texts if not words.takes(text)]
    encoded = iter(tokenizer(others, add_special_tokens=False)["input_ids"] if others else [])
    return [words.encode(text) if words.takes(text) else next(encoded) for text in texts]


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

    @property
    def plain(self) -> list[_Piece]:
        """Those that the tokenizer may encode as they are."""
        return [piece for piece in self.pieces if not self.rendering.is_marked(piece.text)]

    def example(self, encoded: "Iterator[list[int]]") -> TrainingExample:
        """`encoded` goes on with the ids of this draft's plain pieces, in order."""
        example = TrainingExample([], [], {}, self.rewritten)
        for piece in self.pieces:
            ids = self.rendering.encode(piece.text) if self.rendering.is_marked(piece.text) else next(encoded)
            example.ids.extend(ids)
            example.mask.extend([piece.counts] * len(ids))
            if piece.turn is not None:
                example.ends[piece.turn] = len(example.ids) - 1
        return example


def _draft(tokenizer: "PreTrainedTokenizerFast", conversation: Conversation) -> "_Draft | InvalidInput":
    messages, trained = conversation.messages, conversation.trained
    try:
        rendering = _Rendering(tokenizer, conversation)
        found = rendering.pieces(open_turn=False)
    except InvalidInput as error:
        return error
    wanted = {i for i, m in enumerate(messages) if m["role"] == "assistant" and (trained is None or trained[i])}
    pieces = [_Piece(text, turn in wanted, turn) for turn, text in found if text]
    return _Draft(rendering, pieces, sorted(wanted - {turn for turn, _ in found if turn is not None}))


class _Rendering:
    """A conversation rendered with special tokens in its content broken up by a mark, until `encode` mends them."""

    def __init__(self, tokenizer: "PreTrainedTokenizerFast", conversation: Conversation):
        template = _template(tokenizer)
        self._tokenizer, self._template = tokenizer, template
        self._special, self._starts = _special_pattern(tokenizer)
        messages = [_for_template(message) for message in conversation.messages]
        tools = _parsed(conversation.tools, "tools")
        self._mark = _free_mark([*messages, tools])
        _refuse_what_is_left_out(tokenizer, template, messages, tools)
        self._messages: list[dict[str, Any]] = self._break_up(messages)
        self._tools = self._break_up(tools)

    def is_marked(self, text: str) -> bool:
        return self._mark in text

    def pieces(self, open_turn: bool) -> list[tuple[int | None, str]]:
        """The rendering in pieces: each of the assistant's turns (index of its message), from after its opening to its
        end-of-turn token, and what stands between them (None)."""
        messages, tools = self._messages, self._tools
        text = _rendered(self._tokenizer, self._template, messages, tools, open_turn)
        skeleton = self._skeleton(open_turn)
        if skeleton is not None:
            composed = skeleton.compose(messages)
            if "".join([piece for _, piece in composed]) == text:
                return composed
        spans = _exact_spans(self._tokenizer, self._template, messages, tools, text)
        pieces: list[tuple[int | None, str]] = []
        position = 0
        for turn, (start, end) in spans.items():
            pieces += [(None, text[position:start]), (turn, text[start:end])]
            position = end
        return [*pieces, (None, text[position:])]

    def _skeleton(self, open_turn: bool) -> "Skeleton | None":
        """None where none holds, or where it is not worth its search: two conversations seldom have the same tools."""
        if not all(isinstance(message["content"], str) for message in self._messages):
            return None
        telling = looked_for(self._template)
        if telling is not None and any(telling.search(message["content"]) for message in self._messages):
            return None
        is_plain = not self._tools and all(len(message) == 2 for message in self._messages)
        if not is_plain and len(_turns(self._messages)) <= FEW:
            return None
        tools = json.dumps(self._tools) if self._tools else ""
        find = _skeleton if is_plain else _skeleton.__wrapped__
        return find(self._tokenizer, self._template, tuple(map(_shape, self._messages)), tools, open_turn)

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
            may_hold = any(start in value for start in self._starts)
            return self._special.sub(self._broken, value) if may_hold else value
        if isinstance(value, list):
            return [self._break_up(item) for item in value]
        if isinstance(value, dict):
            return {self._break_up(key): self._break_up(item) for key, item in value.items()}
        return value

    def _broken(self, found: re.Match[str]) -> str:
        return found[0][0] + self._mark + found[0][1:]


def _free_mark(values: Iterable[Any]) -> str:
    """A noncharacter that is in none of the strings."""
    texts = [text for value in values for text in _strings(value) if not text.isascii()]
    mark = next((mark for mark in MARKS if not any(mark in text for text in texts)), None)
    if mark is None:
        raise InvalidInput("a message holds Unicode noncharacters (U+FDD0 to U+FDD3); remove them")
    return mark


def _turns(messages: list[dict[str, Any]]) -> list[int]:
    """The assistant's turns that may be learnt: one that begins a conversation follows no prompt."""
    return [index for index, message in enumerate(messages) if message["role"] == "assistant" and index]


def _exact_spans(
    tokenizer: "PreTrainedTokenizerFast", template: str, messages: list[dict[str, Any]], tools: Any, text: str
) -> dict[int, Span]:
    """Message index -> where the assistant wrote in `text`, for each turn that the template leaves as it first was."""
    found = {turn: _exact_span(tokenizer, template, messages, tools, text, turn) for turn in _turns(messages)}
    return {turn: span for turn, span in found.items() if span is not None}


def _exact_span(
    tokenizer: "PreTrainedTokenizerFast",
    template: str,
    messages: list[dict[str, Any]],
    tools: Any,
    text: str,
    turn: int,
) -> Span | None:
    """From what the template adds for the assistant to answer, to the end of the turn, if `text` still begins so."""
    before = _rendered(tokenizer, template, messages[:turn], tools, open_turn=True)
    after = _rendered(tokenizer, template, messages[: turn + 1], tools, open_turn=False)
    if not (text.startswith(after) and after.startswith(before)):
        return None
    return len(before), len(before) + _turn_length(tokenizer, after[len(before) :])


def _turn_length(tokenizer: "PreTrainedTokenizerFast", turn: str) -> int:
    """Up to and with the last special token: the line break that templates put after it is not the assistant's."""
    ends = [found.end() for found in _special_pattern(tokenizer)[0].finditer(turn)]
    if not ends:
        raise InvalidInput(
            "the base model's chat template ends an assistant turn without a special token: "
            "a model tuned with it would never learn to stop"
        )
    return ends[-1]


def _shape(message: dict[str, Any]) -> tuple[str, str | None, str]:
    """All of a message but its content; that too where it is blank, as templates leave out what is."""
    content = message["content"]
    rest = {key: value for key, value in message.items() if key not in ("role", "content")} if len(message) > 2 else {}
    return message["role"], None if content.strip() else content, json.dumps(rest) if rest else ""


@lru_cache(maxsize=4_096)
def _skeleton(
    tokenizer: "PreTrainedTokenizerFast",
    template: str,
    shape: tuple[tuple[str, str | None, str], ...],
    tools: str,
    open_turn: bool,
) -> Skeleton | None:
    """What the template writes around contents of conversations of this shape; None where it refuses the probe."""
    probe = [
        {"role": role, "content": marked(index) if blank is None else blank} | (json.loads(rest) if rest else {})
        for index, (role, blank, rest) in enumerate(shape)
    ]
    offered = json.loads(tools) if tools else None
    try:
        text = _rendered(tokenizer, template, probe, offered, open_turn)
        find = partial(_exact_span, tokenizer, template, probe, offered, text)
        return dissect(text, probe_spans(probe, _turns(probe), text, find))
    except InvalidInput:
        return None


def _template(tokenizer: "PreTrainedTokenizerFast") -> str:
    template = tokenizer.chat_template
    if not isinstance(template, str):
        raise InvalidInput("the base model has no single chat template; import an instruct model, or add one to it")
    return template


def _rendered(
    tokenizer: "PreTrainedTokenizerFast", template: str, messages: list[dict[str, Any]], tools: Any, open_turn: bool
) -> str:
    """Raises InvalidInput, with the template's own words, where the template refuses the conversation."""
    from jinja2 import TemplateError

    try:
        text: str = tokenizer.apply_chat_template(
            messages, tools=tools or None, chat_template=template, tokenize=False, add_generation_prompt=open_turn
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


def _strings(value: Any) -> list[str]:
    """Those in the value, at any depth and in keys too."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (*_strings(key), *_strings(item))]
    return []


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
        return _rendered(tokenizer, _template(tokenizer), messages, tools, open_turn=False)
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
def _special_pattern(tokenizer: "PreTrainedTokenizerFast") -> tuple[re.Pattern[str], frozenset[str]]:
    """Matches each special token; longest first, as tokenizers do. The group makes `split` keep them. With the
    characters that they begin with: a text without any of these holds none."""
    tokens = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    pattern = re.compile("(" + "|".join(re.escape(token) for token in sorted(tokens, key=len, reverse=True)) + ")")
    return pattern, frozenset(token[0] for token in tokens)
