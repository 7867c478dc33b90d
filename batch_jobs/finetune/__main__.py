"""Finetune: base model + dataset version -> LoRA adapter.

    python -m batch_jobs.finetune s3://BUCKET/runs/RUN_ID/finetune/params.json

On a laptop, on local paths, after the same for `prepare` (the result lies beside the params, so copy them first):

    python -m batch_jobs.modeling.import_base smollm2-135m-instruct .tunesmith/bases
    mkdir -p .tunesmith/tiny/finetune && cp events/finetune/tiny.json .tunesmith/tiny/finetune/params.json
    python -m batch_jobs.finetune .tunesmith/tiny/finetune/params.json

As a SageMaker training job the same image runs with no argument: `params_uri` is its hyperparameter.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from batch_jobs.finetune.batching import plan_steps
from batch_jobs.finetune.checkpoints import Belongs, Checkpoints
from batch_jobs.finetune.examples import (
    Examples,
    download_split,
    read_manifest,
    training_examples,
    validation_examples,
)
from batch_jobs.finetune.lora import add_adapter
from batch_jobs.finetune.publishing import Outcome, publish
from batch_jobs.finetune.training import Trainer
from batch_jobs.harness.code_version import code_version
from batch_jobs.harness.main import JobContext, run_job
from batch_jobs.modeling.folders import fetch_base
from batch_jobs.modeling.loading import device, load_base, load_tokenizer
from batch_jobs.modeling.templates import template_hash
from tunesmith.adapters.bases import context_length
from tunesmith.contracts.datasets import DatasetManifest, Split
from tunesmith.contracts.errors import GpuMissing, Interrupted, InvalidInput
from tunesmith.contracts.jobs import FinetuneParams, FinetuneResult, JobName
from tunesmith.domain.planning import context_problems, kind_problems


@dataclass(frozen=True, slots=True)
class Material:
    """What a training is made of, verified and tokenised."""

    dataset: DatasetManifest
    base_dir: Path
    template_hash: str
    examples: Examples
    validation: Examples

    @property
    def lengths(self) -> dict[str, int]:
        return {item_id: len(example.ids) for item_id, example in self.examples.by_id.items()}


def finetune(params: FinetuneParams, context: JobContext) -> FinetuneResult:
    started = time.monotonic()
    check_hardware(params)
    material = load_material(params, context)
    recipe = params.recipe
    steps = plan_steps(material.lengths, recipe.epochs, recipe.tokens_per_step, recipe.seed)
    trainer = Trainer(add_adapter(load_base(material.base_dir), recipe), recipe, len(steps))
    checkpoints = Checkpoints(context, params.checkpoints_uri, _belongs(params, material.dataset))
    resumed = checkpoints.resume(trainer)
    losses = train(trainer, material.examples, steps, resumed, checkpoints, params, context)

    outcome = _outcome(params, material, losses, trainer.validate(material.validation.by_id.values()))
    return FinetuneResult(
        adapter=publish(params, material.dataset, trainer, outcome, context),
        steps=len(losses),
        rows=outcome.rows,
        tokens=outcome.tokens,
        trained_tokens=outcome.trained_tokens,
        first_loss=losses[0],
        last_loss=losses[-1],
        validation_loss=outcome.validation_loss,
        resumed_from_step=len(resumed),
        rows_too_long=material.examples.too_long,
        rows_refused=material.examples.refused.total(),
        seconds=time.monotonic() - started,
    )


def load_material(params: FinetuneParams, context: JobContext) -> Material:
    """Fetch base and data, each checked against its digest, and tokenise the rows."""
    dataset = read_manifest(params, context.storage)
    refuse(kind_problems(dataset.kind, params.recipe))
    base_dir = fetch_base(context.storage, params.base)
    refuse(context_problems(context_length(context.storage, f"{base_dir}/"), params.recipe))
    tokenizer = load_tokenizer(base_dir)
    train_files, validation_files = (
        download_split(params, dataset, split, context.storage, context.workdir)
        for split in (Split.TRAIN, Split.VALIDATION)
    )
    examples = training_examples(train_files, params, tokenizer)
    context.log("data ready", rows=len(examples.by_id), tokens=examples.tokens, left_out=examples.left_out)
    validation = validation_examples(validation_files, params, tokenizer)
    if validation.left_out:
        context.log("validation rows left out", left_out=validation.left_out)
    return Material(dataset, base_dir, template_hash(tokenizer), examples, validation)


def refuse(problems: list[str]) -> None:
    """Raises InvalidInput with all of them: the plan of a run says so too, but a job may be started without one."""
    if problems:
        raise InvalidInput("; ".join(problems))


def train(
    trainer: Trainer,
    examples: Examples,
    steps: list[list[str]],
    resumed: list[float],
    checkpoints: Checkpoints,
    params: FinetuneParams,
    context: JobContext,
) -> list[float]:
    """Take the steps that are left; returns the loss of each step of the whole training."""
    losses = list(resumed)
    for number in range(len(resumed), len(steps)):
        batch = [examples.by_id[item_id] for item_id in steps[number]]
        try:
            losses.append(trainer.step(number, batch, before_row=context.check_interrupted))
        except Interrupted:
            checkpoints.save(trainer, losses)
            raise
        context.progress(number + 1, len(steps), "steps", note=f"loss {losses[-1]:.3f}")
        context.log("step", step=number + 1, steps=len(steps), loss=losses[-1])
        is_last = number + 1 == len(steps)
        if not is_last and (number + 1) % params.recipe.checkpoint_every_steps == 0:
            checkpoints.save(trainer, losses)
    return losses


def _belongs(params: FinetuneParams, dataset: DatasetManifest) -> Belongs:
    return Belongs(
        base=params.base.digest, dataset=dataset.content_digest, recipe=params.recipe, code_version=code_version()
    )


def _outcome(params: FinetuneParams, material: Material, losses: list[float], validation_loss: float | None) -> Outcome:
    examples, epochs = material.examples, params.recipe.epochs
    return Outcome(
        rows=len(examples.by_id),
        tokens=examples.tokens * epochs,
        trained_tokens=sum(sum(example.mask) for example in examples.by_id.values()) * epochs,
        losses=losses,
        validation_loss=validation_loss,
        template_hash=material.template_hash,
    )


def check_hardware(params: FinetuneParams) -> None:
    """Raises GpuMissing rather than train for days on a CPU that was paid for as a GPU."""
    if params.recipe.gpus and device().type != "cuda":
        raise GpuMissing(f"the recipe asks for {params.recipe.gpus} GPU(s), but torch finds no CUDA device here")


if __name__ == "__main__":
    sys.exit(run_job(JobName.FINETUNE, FinetuneParams, FinetuneResult, finetune))
