"""Rows as a training would see them: lengths, what is learnt, and what would go wrong in silence."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from batch_jobs.modeling.templates import (
    Conversation,
    Message,
    TemplateFacts,
    TrainingExample,
    prompt_ids,
    template_facts,
    template_hash,
    training_batch,
)
from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.preflight.bases import Base
from tunesmith.contracts.datasets import DatasetKind, Severity
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.preflight import (
    LabelledRow,
    Preflight,
    PreflightCode,
    PreflightFinding,
    TokenCounts,
    TrainingForecast,
)
from tunesmith.contracts.recipes import FinetuneRecipe, Recipe
from tunesmith.domain.planning import kind_problems
from tunesmith.domain.sizing import forecast_training

BATCH = 512
"""Rows that are encoded at once."""
PLACES = 3
PERCENTILES = {"p5": 0.05, "p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """A row, and where a person finds it: `rows.jsonl:3`."""

    row: Row
    place: str


@dataclass(slots=True)
class _Tally:
    """What was found in rows: counts and first places by code."""

    rows: dict[PreflightCode, int] = field(default_factory=dict)
    places: dict[PreflightCode, list[str]] = field(default_factory=dict)
    notes: dict[PreflightCode, str] = field(default_factory=dict)

    def add(self, code: PreflightCode, place: str, note: str = "") -> None:
        self.rows[code] = self.rows.get(code, 0) + 1
        self.notes.setdefault(code, note)
        places = self.places.setdefault(code, [])
        if len(places) < PLACES:
            places.append(place)


def preflight(rows: Iterable[PlacedRow], base: Base, recipe: Recipe, show: int = 0) -> Preflight:
    """What finetune would make of these rows; `show` of them are told token by token.

    `recipe.prepare.report.sample_rows` rows are tokenised, the others only counted. Raises InvalidInput where the base
    has no chat template.
    """
    examination = _Examination(base, recipe.finetune, show)
    going = iter(rows)
    sample = islice(going, recipe.prepare.report.sample_rows)
    while batch := list(islice(sample, BATCH)):
        examination.look_at(batch)
    return examination.told(others=sum(1 for _ in going))


class _Examination:
    """Rows go by in batches; of each only its length and what is wrong with it are kept."""

    def __init__(self, base: Base, recipe: FinetuneRecipe, show: int):
        self._base, self._recipe, self._show = base, recipe, show
        self._facts = template_facts(base.tokenizer)
        self._tally = _Tally()
        self._lengths: list[int] = []
        self._trained = 0
        self._fitting_tokens = 0
        self._learnable = 0
        self._looked_at = 0
        self._shown: list[LabelledRow] = []

    def look_at(self, batch: Sequence[PlacedRow]) -> None:
        conversations = [conversation_of(placed.row) for placed in batch]
        for placed, conversation, found in zip(
            batch, conversations, training_batch(self._base.tokenizer, conversations), strict=True
        ):
            self._looked_at += 1
            self._ignored(placed, self._facts)
            for problem in kind_problems(placed.row.kind, self._recipe):
                self._tally.add(PreflightCode.KIND_NOT_TRAINED, placed.place, problem)
            if isinstance(found, InvalidInput):
                is_about_tools = found.param in ("tools", "tool_calls")
                code = PreflightCode.TOOLS_IGNORED if is_about_tools else PreflightCode.TEMPLATE_REFUSES
                self._tally.add(code, placed.place, str(found))
                continue
            self._measure(found)
            self._check(placed.place, conversation, found)
            if len(self._shown) < self._show:
                self._shown.append(self._labelled(placed.place, found))

    def _measure(self, example: TrainingExample) -> None:
        size = len(example.ids)
        self._lengths.append(size)
        self._trained += sum(example.mask)
        if size <= self._recipe.sequence_length:
            self._fitting_tokens += size
            self._learnable += any(example.mask)

    def _check(self, place: str, conversation: Conversation, example: TrainingExample) -> None:
        longest, add = self._recipe.sequence_length, self._tally.add
        trained_ends = {turn: end for turn, end in example.ends.items() if _counts(conversation, turn)}
        if not any(example.mask):
            add(PreflightCode.NO_TRAINED_TOKEN, place)
        if example.rewritten:
            add(PreflightCode.TURN_NEVER_TRAINED, f"{place} messages[{example.rewritten[0]}]")
        if any(not example.mask[end] for end in trained_ends.values()):
            add(PreflightCode.END_TOKEN_NOT_TRAINED, place)
        if any(example.ids[end] not in self._base.stop_ids for end in trained_ends.values()):
            first = next(end for end in trained_ends.values() if example.ids[end] not in self._base.stop_ids)
            token = str(self._base.tokenizer.convert_ids_to_tokens(example.ids[first]))
            add(PreflightCode.END_TOKEN_DOES_NOT_STOP, place, token)
        if len(example.ids) > longest:
            add(PreflightCode.ROW_TOO_LONG, f"{place} ({len(example.ids):,} tokens)")
        if any(end >= longest for end in trained_ends.values()):
            add(PreflightCode.ANSWER_CUT, place)
        bos = self._base.tokenizer.bos_token_id
        if bos is not None and example.ids[:2] == [bos, bos]:
            add(PreflightCode.BOS_TWICE, place)
        if self._looked_at <= BATCH and not self._is_prompt_as_served(conversation, example):
            add(PreflightCode.PROMPT_DIFFERS_IN_SERVING, place)

    def _is_prompt_as_served(self, conversation: Conversation, example: TrainingExample) -> bool:
        """The last answer's prompt, asked for as serving asks for it, is what stands before the answer in training."""
        last = len(conversation.messages) - 1
        if last not in example.ends:
            return True
        served = prompt_ids(self._base.tokenizer, conversation.messages[:last], conversation.tools)
        answer = example.ids[len(served) : example.ends[last] + 1]
        return example.ids[: len(served)] == served and bool(answer)

    def _ignored(self, placed: PlacedRow, facts: TemplateFacts) -> None:
        turns = placed.row.all_turns
        has_system = any(turn.role in ("system", "developer") for turn in turns)
        if has_system and not facts.system:
            self._tally.add(PreflightCode.SYSTEM_IGNORED, placed.place)
        if not has_system and facts.default_system:
            self._tally.add(PreflightCode.DEFAULT_SYSTEM_PROMPT, placed.place)
        if any(turn.name for turn in turns) and not facts.name:
            self._tally.add(PreflightCode.NAME_IGNORED, placed.place)

    def _labelled(self, place: str, example: TrainingExample) -> LabelledRow:
        decode = self._base.tokenizer.decode
        tokens = [decode([token], skip_special_tokens=False) for token in example.ids]
        return LabelledRow(place=place, ids=example.ids, tokens=tokens, mask=example.mask)

    def told(self, others: int) -> Preflight:
        rows, longest = self._looked_at + others, self._recipe.sequence_length
        return Preflight(
            base=self._base.name,
            template_hash=template_hash(self._base.tokenizer),
            rows=rows,
            looked_at=self._looked_at,
            sequence_length=longest,
            context_length=self._base.context_length,
            rows_too_long=sum(length > longest for length in self._lengths),
            tokens=self._counts(),
            forecast=self._forecast(rows) if self._fitting_tokens else None,
            findings=self._findings(),
            shown=self._shown,
        )

    def _forecast(self, rows: int) -> TrainingForecast:
        taken = min(rows, self._recipe.max_rows or rows)
        tokens = math.ceil(self._fitting_tokens / self._looked_at * taken)
        return forecast_training(self._recipe, tokens, self._base.parameters)

    def _counts(self) -> TokenCounts:
        ordered = sorted(self._lengths)
        if not ordered:
            return TokenCounts()
        percentiles = {
            name: ordered[max(0, math.ceil(share * len(ordered)) - 1)] for name, share in PERCENTILES.items()
        }
        return TokenCounts(
            total=sum(ordered), trained=self._trained, percentiles=percentiles, histogram=_histogram(ordered)
        )

    def _findings(self) -> list[PreflightFinding]:
        found = [self._finding(code) for code in PreflightCode if code in self._tally.rows]
        return found + self._about_base()

    def _finding(self, code: PreflightCode) -> PreflightFinding:
        message, hint, severity = EXPLAINED[code]
        count, note = self._tally.rows[code], self._tally.notes[code]
        if code is PreflightCode.DEFAULT_SYSTEM_PROMPT:
            note = repr(self._facts.default_system.strip()[:120])
        said = message.format(note=note, length=self._recipe.sequence_length)
        places = self._tally.places[code]
        return PreflightFinding(code=code, severity=severity, rows=count, message=said, hint=hint, places=places)

    def _about_base(self) -> list[PreflightFinding]:
        """What is wrong whatever the rows are."""
        found, context, tokenizer = [], self._base.context_length, self._base.tokenizer
        if context is not None and self._recipe.sequence_length > context:
            found.append(
                _general(
                    PreflightCode.SEQUENCE_BEYOND_CONTEXT,
                    Severity.ERROR,
                    f"finetune.sequence_length is {self._recipe.sequence_length:,}, "
                    f"but {self._base.name} takes in {context:,} tokens",
                    f"set finetune.sequence_length to {context} or less",
                )
            )
        if not self._learnable:
            found.append(
                _general(
                    PreflightCode.NO_ROWS,
                    Severity.ERROR,
                    f"none of {self._looked_at:,} rows fits into {self._recipe.sequence_length:,} tokens "
                    "and has a trained token"
                    if self._looked_at
                    else "there is no good row that is a conversation",
                    "mend what is said above (tunesmith data check FILE tells of bad rows), "
                    "or raise finetune.sequence_length",
                )
            )
        if tokenizer.pad_token_id is not None and tokenizer.pad_token_id == tokenizer.eos_token_id:
            found.append(
                _general(
                    PreflightCode.PAD_IS_EOS,
                    Severity.WARNING,
                    "the base pads with its end token: trainers that mask padding by its id never learn to stop",
                    "tunesmith packs rows and masks by place, so its own training is safe; mind it elsewhere",
                )
            )
        return found


def conversation_of(row: Row) -> Conversation:
    """What is trained of a row: its turns; of preferences the prompt and the answer that is wanted."""
    turns = row.turns + row.chosen
    return Conversation([_message(turn) for turn in turns], [turn.trained for turn in turns], row.tools)


def is_conversation(row: Row) -> bool:
    """Whether a chat template has a say: plain text and prompts without an answer are trained in other ways."""
    return row.kind not in (DatasetKind.TEXT, DatasetKind.PROMPT_ONLY)


def _message(turn: Turn) -> Message:
    message = Message(role=turn.role, content=turn.content)
    if turn.name is not None:
        message["name"] = turn.name
    if turn.tool_calls is not None:
        message["tool_calls"] = turn.tool_calls
    if turn.tool_call_id is not None:
        message["tool_call_id"] = turn.tool_call_id
    return message


def _counts(conversation: Conversation, turn: int) -> bool:
    return conversation.trained is None or bool(conversation.trained[turn])


def _histogram(ordered: Sequence[int]) -> list[tuple[int, int]]:
    """Rows by powers of two of their length."""
    counts: dict[int, int] = {}
    for length in ordered:
        longest = 1 << max(4, (length - 1).bit_length() if length else 0)
        counts[longest] = counts.get(longest, 0) + 1
    return sorted(counts.items())


def _general(code: PreflightCode, severity: Severity, message: str, hint: str) -> PreflightFinding:
    return PreflightFinding(code=code, severity=severity, rows=0, message=message, hint=hint)


_E, _W = Severity.ERROR, Severity.WARNING
EXPLAINED: dict[PreflightCode, tuple[str, str, Severity]] = {
    PreflightCode.NO_TRAINED_TOKEN: (
        "no token of these rows is learnt",
        "give them an answer with weight 1 after a user's turn",
        _E,
    ),
    PreflightCode.KIND_NOT_TRAINED: ("{note}", "train on chats: of a preference, a chat with the answer wanted", _E),
    PreflightCode.TEMPLATE_REFUSES: ("{note}", "reorder or merge the turns, or choose another base model", _E),
    PreflightCode.END_TOKEN_NOT_TRAINED: (
        "the token that ends an answer is not learnt: the model would not stop",
        "choose a base whose template ends each assistant turn with a special token",
        _E,
    ),
    PreflightCode.END_TOKEN_DOES_NOT_STOP: (
        "answers end with {note}, at which serving does not stop",
        "add its id to eos_token_id in the base's generation_config.json and import it again",
        _E,
    ),
    PreflightCode.TURN_NEVER_TRAINED: (
        "the template rewrites or drops these assistant turns once others follow, or they begin the conversation; "
        "they are not learnt",
        "split the conversation after each answer that should be learnt",
        _W,
    ),
    PreflightCode.ROW_TOO_LONG: (
        "these rows are longer than finetune.sequence_length ({length:,} tokens); training leaves them out, whole",
        "raise finetune.sequence_length, or shorten the rows",
        _W,
    ),
    PreflightCode.ANSWER_CUT: (
        "cut at {length:,} tokens, these rows would lose an answer or its end token",
        "raise finetune.sequence_length: tunesmith cuts no row, other trainers do so in silence",
        _W,
    ),
    PreflightCode.SYSTEM_IGNORED: (
        "the template leaves out or refuses system turns",
        "move the instructions into the user's turn, or choose another base model",
        _E,
    ),
    PreflightCode.NAME_IGNORED: (
        "the template leaves out `name`: the model cannot tell speakers apart",
        "write the name into the content where it matters",
        _W,
    ),
    PreflightCode.TOOLS_IGNORED: ("{note}", "choose a base whose template knows tools", _E),
    PreflightCode.DEFAULT_SYSTEM_PROMPT: (
        "the template adds a system prompt where a row has none: {note}",
        "nothing to do if serving leaves it out as well; else write your own system turn",
        _W,
    ),
    PreflightCode.PROMPT_DIFFERS_IN_SERVING: (
        "the prompt in training is not what serving would ask with",
        "use a template whose generation prompt is the beginning of its assistant turn",
        _E,
    ),
    PreflightCode.BOS_TWICE: (
        "rows begin with two beginning-of-text tokens",
        "take the token out of the template or out of the tokenizer's post-processor",
        _E,
    ),
}
