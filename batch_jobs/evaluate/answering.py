"""One model answers the suite: what it says, how that scores, and how likely it finds the references."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from batch_jobs.evaluate.scoring import corpus_scores, item_scores
from batch_jobs.evaluate.suite import EncodedItem
from batch_jobs.modeling.generation import generate, read_prompts, stop_tokens
from batch_jobs.modeling.likelihood import answer_nlls
from tunesmith.contracts.evaluations import ItemRecord
from tunesmith.contracts.recipes import EvaluateRecipe, Metric

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


def answer_suite(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerFast",
    items: Sequence[EncodedItem],
    recipe: EvaluateRecipe,
) -> Iterator[list[ItemRecord]]:
    """One record per item, batch by batch, in whatever order is fastest."""
    stop = stop_tokens(model, tokenizer)
    for batch in batches(items, recipe.batch_size):
        read = read_prompts(model, [item.prompt_ids for item in batch])
        nlls = answer_nlls(model, read, [item.reference_ids for item in batch])
        answers = generate(model, read, stop, recipe.max_new_tokens)
        texts = [tokenizer.decode(answer, skip_special_tokens=True) for answer in answers]
        yield [record(item, text, nll) for item, text, nll in zip(batch, texts, nlls, strict=True)]


def batches(items: Sequence[EncodedItem], size: int) -> Iterator[list[EncodedItem]]:
    """Batches of similar length, so that little is padded; the longest first, so that one too large fails at once."""
    by_length = sorted(items, key=lambda item: (-len(item.prompt_ids), item.item.item_id))
    for start in range(0, len(by_length), size):
        yield by_length[start : start + size]


def record(item: EncodedItem, answer: str, nll: float) -> ItemRecord:
    prediction, tokens = answer.strip(), len(item.reference_ids)
    return ItemRecord(
        item_id=item.item.item_id,
        prompt=item.item.prompt[-1]["content"],
        reference=item.reference,
        prediction=prediction,
        scores=item_scores(prediction, item.reference, nll, tokens),
        nll=nll,
        reference_tokens=tokens,
    )


def suite_scores(records: Sequence[ItemRecord]) -> dict[Metric, float]:
    """The model's scores on the whole suite."""
    return corpus_scores(
        [record.prediction for record in records],
        [record.reference for record in records],
        nll=sum(record.nll for record in records),
        tokens=sum(record.reference_tokens for record in records),
    )
