"""The plan of a run: is the data good enough, what will training take, may it cost that, and exactly what to run."""

from tunesmith.contracts.artifacts import (
    adapters_prefix,
    checkpoints_prefix,
    evaluations_prefix,
    report_key,
    result_key,
    s3_uri,
)
from tunesmith.contracts.datasets import DatasetKind, Split, Suite
from tunesmith.contracts.jobs import (
    Contender,
    EvaluateParams,
    FinetuneParams,
    JobName,
    PrepareParams,
    PrepareResult,
    Role,
)
from tunesmith.contracts.lifecycle import Decision, Estimate, Plan
from tunesmith.contracts.models import ModelVersion
from tunesmith.contracts.recipes import FinetuneRecipe, OnUpload, PrepareRecipe, Recipe
from tunesmith.contracts.runs import RunRequest, Trigger
from tunesmith.domain.pricing import machine_for

ROWS_OF = {
    DatasetKind.CHAT: "chats",
    DatasetKind.PREFERENCE: "preferences",
    DatasetKind.UNPAIRED_PREFERENCE: "unpaired preferences",
    DatasetKind.PROMPT_ONLY: "prompts without answers",
    DatasetKind.TEXT: "plain texts",
}
TRAINED_BY = {"lora": DatasetKind.CHAT}
"""finetune.method -> the kind of dataset that it trains on."""


def is_only_prepared(request: RunRequest) -> bool:
    return request.trigger is Trigger.UPLOAD and request.recipe.on_upload is OnUpload.PREPARE


def kind_problems(kind: DatasetKind, recipe: FinetuneRecipe) -> list[str]:
    """Why no training of this recipe can learn from such rows; empty where it can."""
    wanted = TRAINED_BY[recipe.method]
    if kind is wanted:
        return []
    return [
        f"a dataset of {ROWS_OF[kind]}: finetune.method {recipe.method} trains {ROWS_OF[wanted]}; "
        f"upload {ROWS_OF[wanted]}, or set on_upload: prepare to only prepare it"
    ]


def context_problems(context_length: int | None, recipe: FinetuneRecipe) -> list[str]:
    """Why sequences are too long for the base; empty where they fit, or where the base does not say what it takes."""
    if context_length is None or recipe.sequence_length <= context_length:
        return []
    return [
        f"finetune.sequence_length is {recipe.sequence_length:,}, but the base model takes in {context_length:,} "
        f"tokens: set it to {context_length} or less, or choose another base"
    ]


def quality_problems(result: PrepareResult, recipe: PrepareRecipe) -> list[str]:
    """Why this dataset must not be trained on, with the figures; empty where it may."""
    counts, problems = result.counts, []
    if counts.kept < recipe.min_rows:
        problems.append(
            f"{counts.kept} of {counts.rows_in} rows were kept, prepare.min_rows asks for {recipe.min_rows}: "
            "upload more rows, or mend those in quarantine"
        )
    quarantined = counts.quarantined / counts.rows_in if counts.rows_in else 0.0
    if quarantined > recipe.max_quarantined_fraction:
        problems.append(
            f"{counts.quarantined} of {counts.rows_in} rows ({quarantined:.1%}) are in quarantine, "
            f"prepare.max_quarantined_fraction allows {recipe.max_quarantined_fraction:.1%}: mend the rows listed there"
        )
    if not result.splits.get(Split.TRAIN):
        problems.append("the training split is empty: upload more rows")
    return problems


def suite_of(request: RunRequest, result: PrepareResult) -> Suite | None:
    """The frozen test split that this dataset version offers; None where its test split is empty."""
    rows = result.splits.get(Split.TEST, 0)
    if not rows:
        return None
    return Suite(
        project=request.project,
        dataset=request.dataset,
        uri=result.test_uri,
        digest=result.test_digest,
        rows=rows,
        dataset_version=result.dataset_version,
    )


def suite_problems(suite: Suite | None, prepared: PrepareParams, result: PrepareResult) -> list[str]:
    """Why scores on this suite could not be trusted; empty where they can."""
    if suite is None:
        return [
            "the test split is empty, so nothing could be measured: upload more rows or raise prepare.test_fraction"
        ]
    if suite.digest not in (prepared.suite_digest, result.test_digest):
        return [
            f"dataset version {suite.dataset_version} pinned the test split while this one was being prepared, so this "
            "one may hold test rows in its training split: retry the run, and it is prepared against the pinned split"
        ]
    return []


def champion_problems(champion: ModelVersion | None, request: RunRequest) -> list[str]:
    """Why the candidate could not be compared with the champion; empty where it can."""
    if champion is None or champion.base.digest == request.base.digest:
        return []
    return [
        f"the champion (version {champion.version}) stands on base {champion.base.digest} and this run on "
        f"{request.base.digest}: they cannot be compared in one evaluation; train the new base under another model name"
    ]


def budget_problems(estimate: Estimate, recipe: Recipe) -> list[str]:
    if estimate.usd <= recipe.budget.max_run_usd:
        return []
    return [
        f"the run would cost about {estimate.usd:.2f} USD, budget.max_run_usd allows {recipe.budget.max_run_usd:.2f}: "
        "raise the budget, or train on fewer rows (finetune.max_rows) or epochs"
    ]


def refused(request: RunRequest, reasons: list[str], suite: Suite | None, estimate: Estimate | None) -> Plan:
    return _plan(Decision.REFUSE, request, reasons, suite, estimate)


def prepared_only(request: RunRequest, suite: Suite) -> Plan:
    return _plan(
        Decision.PREPARED, request, ["prepared, not trained on: the recipe says on_upload: prepare"], suite, None
    )


def training(
    request: RunRequest,
    result: PrepareResult,
    suite: Suite,
    champion: ModelVersion | None,
    estimate: Estimate,
    *,
    artifacts_bucket: str,
    models_bucket: str,
) -> Plan:
    """Train, and evaluate against the base and the champion on the frozen suite."""
    finetune = FinetuneParams(
        run_id=request.run_id,
        base=request.base,
        dataset_version=result.dataset_version,
        manifest_uri=result.manifest_uri,
        recipe=request.recipe.finetune,
        adapters_uri=s3_uri(models_bucket, adapters_prefix()),
        checkpoints_uri=s3_uri(artifacts_bucket, checkpoints_prefix(request.run_id)),
    )
    evaluate = EvaluateParams(
        run_id=request.run_id,
        base=request.base,
        contenders=contenders(champion),
        finetune_result_uri=s3_uri(artifacts_bucket, result_key(request.run_id, JobName.FINETUNE)),
        suite_uri=suite.uri,
        suite_digest=suite.digest,
        recipe=request.recipe.evaluate,
        cache_uri=s3_uri(artifacts_bucket, evaluations_prefix()),
        report_uri=s3_uri(artifacts_bucket, report_key(request.run_id)),
    )
    reason = f"about {estimate.usd:.2f} USD, within the budget of {request.recipe.budget.max_run_usd:.2f}"
    return _plan(Decision.TRAIN, request, [reason], suite, estimate, finetune, evaluate)


def contenders(champion: ModelVersion | None) -> list[Contender]:
    """Whom the candidate must stand against: the base, and the champion where there is one."""
    base = Contender(role=Role.BASE, adapter=None)
    return [base] if champion is None else [base, Contender(role=Role.CHAMPION, adapter=champion.adapter)]


def training_job_name(run_id: str) -> str:
    """SageMaker never lets a name be used twice, so a name is a run's own."""
    return f"{run_id.removeprefix('run-')[:20]}-{JobName.FINETUNE}"


def _plan(
    decision: Decision,
    request: RunRequest,
    reasons: list[str],
    suite: Suite | None,
    estimate: Estimate | None,
    finetune: FinetuneParams | None = None,
    evaluate: EvaluateParams | None = None,
) -> Plan:
    recipe = request.recipe.finetune
    return Plan(
        decision=decision,
        reasons=reasons,
        estimate=estimate,
        suite=suite,
        engine=recipe.engine,
        gpu=recipe.gpus > 0,
        instance_type=machine_for(recipe.gpus).sagemaker_type,
        training_job_name=training_job_name(request.run_id),
        finetune=finetune,
        evaluate=evaluate,
    )
