"""The preflight inside a run: the base's tokenizer is fetched, and what would spoil the training stops it."""

from collections.abc import Iterable
from itertools import chain

from batch_jobs.harness.main import JobContext
from batch_jobs.modeling.folders import fetch_tokenizer
from batch_jobs.prepare.canonical import Row
from batch_jobs.prepare.preflight.bases import read_base
from batch_jobs.prepare.preflight.examination import PlacedRow, is_conversation, preflight
from tunesmith.contracts.jobs import PrepareParams
from tunesmith.contracts.preflight import Preflight
from tunesmith.contracts.recipes import FinetuneRecipe, Recipe


def run_preflight(rows: Iterable[tuple[Row, str]], params: PrepareParams, context: JobContext) -> Preflight | None:
    """What the base of `params` makes of the rows, each given with its place; None where no base is named, or none of
    the rows is a conversation.

    Only the base's tokenizer, template and configuration are downloaded.
    """
    placed = (PlacedRow(row, place) for row, place in rows if is_conversation(row))
    first = next(placed, None)
    if params.base is None or first is None:
        return None
    base = read_base(fetch_tokenizer(context.storage, params.base))
    recipe = Recipe(prepare=params.recipe, finetune=params.finetune or FinetuneRecipe())
    told = preflight(chain([first], placed), base, recipe)
    codes = {finding.code: finding.rows for finding in told.findings}
    context.log("preflight", base=told.base, looked_at=told.looked_at, rows_too_long=told.rows_too_long, findings=codes)
    return told
