"""Who has answered the suite already, and the answers of those who have not: one model in memory at a time.

In float32 an adapter is merged into a freshly read copy of the base, which saves a tenth of the work. Taking a merged
adapter out again would leave rounding errors in the weights, so that a later contestant's scores would depend on who
came before; reading the base again costs half a second. In bfloat16 nothing is merged: small updates would be rounded
away, and what is served is not merged either.
"""

import math
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from batch_jobs.evaluate.answering import answer_suite, suite_scores
from batch_jobs.evaluate.score_cache import Evaluation, digest_of, find, keep, records_uri, to_lines
from batch_jobs.evaluate.scoring import SCORING_VERSION
from batch_jobs.evaluate.suite import EncodedItem, encode_all, read_items, those_that_fit
from batch_jobs.harness.context import JobContext
from batch_jobs.modeling.folders import fetch_adapter, fetch_base
from batch_jobs.modeling.loading import compute_type, load_model, load_tokenizer
from tunesmith.contracts.artifacts import evaluation_prefix, evaluations_prefix
from tunesmith.contracts.errors import InvalidInput, TrainingDiverged
from tunesmith.contracts.evaluations import ItemRecord, ModelScores
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import Contender, EvaluateParams

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class Contest:
    """One suite, one base, one set of settings; contenders come one by one."""

    def __init__(self, params: EvaluateParams, context: JobContext):
        self._params, self._context, self._storage = params, context, context.storage

    def look_up(self, contender: Contender) -> Evaluation | None:
        """What an earlier run made of the same model, suite and settings. Loads nothing."""
        return find(self._storage, self._folder(contender))

    def hold(self, contender: Contender, place: int, of: int) -> Evaluation:
        """Let the contender, the `place`th `of` so many, answer the suite, and keep what came of it."""
        started = time.monotonic()
        model = self._load(contender)
        items = self._items_for(model)
        records = []
        for batch in answer_suite(model, self._tokenizer, items, self._params.recipe):
            records += batch
            self._tell(contender, place * len(items) + len(records), of * len(items))
        _check_finite(contender, records)
        order = {item.item.item_id: position for position, item in enumerate(items)}
        records.sort(key=lambda record: order[record.item_id])
        evaluation = Evaluation(self._scores(contender, records, time.monotonic() - started), records)
        self._context.fence.check()
        keep(self._storage, self._folder(contender), evaluation)
        return evaluation

    def _tell(self, contender: Contender, done: int, total: int) -> None:
        self._context.progress(done, total, "items", f"{contender.role} answers")
        self._context.check_interrupted()

    def _load(self, contender: Contender) -> "PreTrainedModel":
        if contender.adapter is None:
            return load_model(self._base_dir, None)
        model = load_model(self._base_dir, fetch_adapter(self._storage, contender.adapter))
        return model.merge_and_unload() if model.dtype == torch.float32 else model

    def _items_for(self, model: "PreTrainedModel") -> list[EncodedItem]:
        """The items that the model's context holds: the same for all, as all share the base."""
        context_length = model.config.max_position_embeddings
        fitting = those_that_fit(self._encoded, context_length, self._params.recipe.max_new_tokens)
        if not fitting:
            raise InvalidInput(
                f"{self._params.suite_uri}: no item fits the base model's context of {context_length} tokens "
                f"together with max_new_tokens={self._params.recipe.max_new_tokens}; lower it or shorten the items"
            )
        if len(fitting) < len(self._encoded):
            self._context.log("left items out that exceed the context", items=len(self._encoded) - len(fitting))
        return fitting

    def _scores(self, contender: Contender, records: list[ItemRecord], seconds: float) -> ModelScores:
        return ModelScores(
            model_digest=self._model_digest(contender),
            suite_digest=self._params.suite_digest,
            settings=self._params.recipe,
            items=len(records),
            scores=suite_scores(records),
            records_uri=records_uri(self._folder(contender)),
            records_digest=digest_of(to_lines(records)),
            seconds=seconds,
        )

    def _folder(self, contender: Contender) -> str:
        key = evaluation_prefix(self._model_digest(contender), self._params.suite_digest, self._settings_digest)
        return self._params.cache_uri + key.removeprefix(evaluations_prefix())

    def _model_digest(self, contender: Contender) -> str:
        return (contender.adapter or self._params.base).digest

    @cached_property
    def _settings_digest(self) -> str:
        """Of all that changes a figure besides model and suite; scores in other arithmetic are not comparable."""
        return digest(
            {
                "recipe": self._params.recipe.model_dump(mode="json"),
                "scoring": SCORING_VERSION,
                "arithmetic": str(compute_type()),
                "base": self._params.base.digest,
            }
        )

    @cached_property
    def _base_dir(self) -> Path:
        return fetch_base(self._storage, self._params.base)

    @cached_property
    def _tokenizer(self) -> "PreTrainedTokenizerFast":
        return load_tokenizer(self._base_dir)

    @cached_property
    def _encoded(self) -> list[EncodedItem]:
        items = read_items(self._storage, self._params, self._context.workdir)
        encoded, refusals = encode_all(self._tokenizer, items)
        if not encoded:
            raise InvalidInput(
                f"{self._params.suite_uri}: none of {len(items)} items can be asked, the first because {refusals[0]}"
            )
        if refusals:
            self._context.log(
                "left items out that the chat template refuses", items=len(refusals), first_reason=str(refusals[0])
            )
        return encoded


def _check_finite(contender: Contender, records: list[ItemRecord]) -> None:
    broken = [record.item_id for record in records if not math.isfinite(record.nll)]
    if broken:
        raise TrainingDiverged(
            f"the {contender.role} gives no finite likelihood for {len(broken)} items, as in {broken[0]}: "
            "its weights are broken; train with a lower learning_rate"
        )
