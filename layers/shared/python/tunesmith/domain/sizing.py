"""Sizing: what training and evaluating will take, in tokens, steps, seconds and USD, with every assumption named."""

import math

from tunesmith.contracts.datasets import Split, Suite
from tunesmith.contracts.jobs import PrepareResult
from tunesmith.contracts.lifecycle import Estimate
from tunesmith.contracts.preflight import TrainingForecast
from tunesmith.contracts.recipes import Engine, FinetuneRecipe, Recipe
from tunesmith.domain.pricing import CPU_SPEED, GPU_SPEED, PRICE_SOURCE, PRICES_AS_OF, Hardware, cost, machine_for

CHARACTERS_PER_TOKEN = 4
"""English text under a byte-pair vocabulary; code is nearer 3, so its estimates are a quarter too low."""
STARTUP_SECONDS = 180
"""Machine, image and model: before a job does anything, and paid for."""
LIKELIHOOD_PASSES = 2
"""Each item's prompt is read twice: for the answer and for the reference's likelihood."""


def estimate(recipe: Recipe, result: PrepareResult, suite: Suite, *, parameters: int, opponents: int) -> Estimate:
    """Tokens, steps, seconds and USD of training and evaluation on the machine that the recipe asks for."""
    machine = machine_for(recipe.finetune.gpus)
    rows = result.splits[Split.TRAIN]
    trained_rows = min(rows, recipe.finetune.max_rows or rows)
    tokens_per_row = max(1.0, result.characters / CHARACTERS_PER_TOKEN / rows)
    training = forecast_training(recipe.finetune, math.ceil(trained_rows * tokens_per_row), parameters)
    items, models = min(suite.rows, recipe.evaluate.max_items), opponents + 1
    evaluation = STARTUP_SECONDS + models * items * _item_seconds(recipe, machine, parameters, tokens_per_row)
    return Estimate(
        tokens=training.tokens_per_epoch * recipe.finetune.epochs,
        steps=training.steps,
        seconds=round(training.seconds + evaluation, 1),
        usd=round(training.usd + cost(evaluation, machine.batch_usd_per_hour), 4),
        assumptions=_assumptions(recipe, machine, parameters, models, items),
    )


def forecast_training(recipe: FinetuneRecipe, tokens_per_epoch: int, parameters: int) -> TrainingForecast:
    """Steps, seconds and USD of the training alone, its start included; steps are filled with `tokens_per_step`."""
    machine = machine_for(recipe.gpus)
    seconds = STARTUP_SECONDS + tokens_per_epoch * recipe.epochs / _per_second(machine, parameters, "training")
    return TrainingForecast(
        tokens_per_epoch=tokens_per_epoch,
        steps=math.ceil(tokens_per_epoch / recipe.tokens_per_step) * recipe.epochs,
        seconds=seconds,
        usd=cost(seconds, _usd_per_hour(recipe, machine)),
        machine=machine.ec2_type if recipe.engine is Engine.BATCH else machine.sagemaker_type,
    )


def _usd_per_hour(recipe: FinetuneRecipe, machine: Hardware) -> float:
    return machine.sagemaker_usd_per_hour if recipe.engine is Engine.SAGEMAKER else machine.batch_usd_per_hour


def _per_second(machine: Hardware, parameters: int, work: str) -> float:
    """Tokens per second of `training`, `prefill` or `generation`; several GPUs share one training."""
    speed = GPU_SPEED if machine.gpus else CPU_SPEED
    shared = machine.gpus if machine.gpus and work == "training" else 1
    return float(getattr(speed, work)) * shared * speed.parameters / max(parameters, 1)


def _item_seconds(recipe: Recipe, machine: Hardware, parameters: int, tokens_per_row: float) -> float:
    """One item of the suite, answered and scored by one model."""
    reading = LIKELIHOOD_PASSES * tokens_per_row / _per_second(machine, parameters, "prefill")
    return reading + recipe.evaluate.max_new_tokens / _per_second(machine, parameters, "generation")


def _assumptions(recipe: Recipe, machine: Hardware, parameters: int, models: int, items: int) -> list[str]:
    speed = GPU_SPEED if machine.gpus else CPU_SPEED
    return [
        f"{CHARACTERS_PER_TOKEN} characters per token",
        f"{machine.ec2_type} at {_usd_per_hour(recipe.finetune, machine)} USD per hour for training "
        f"({recipe.finetune.engine}), "
        f"{machine.batch_usd_per_hour} for evaluation ({PRICE_SOURCE}, as of {PRICES_AS_OF}; spot costs less)",
        f"{speed.training:g} trained tokens per second for {speed.parameters:,} parameters ({speed.source}); "
        f"scaled to {parameters:,} parameters",
        f"{models} models evaluated on {items} items, each answering with {recipe.evaluate.max_new_tokens} tokens; "
        "scores that are cached cost nothing",
        f"{STARTUP_SECONDS} seconds for each of two jobs to start",
    ]
