"""Items per CPU-second of an evaluation, beside the usual way: one item at a time, with a second pass for likelihood.

    python -m tests.bench.evaluation [--items 16] [--repetitions 2]

The embedded base model, untuned, greedy: its answers are long, which is the hard case.
"""

import argparse
from pathlib import Path

import torch

from batch_jobs.evaluate.answering import answer_suite
from batch_jobs.evaluate.scoring import item_scores
from batch_jobs.evaluate.suite import EncodedItem, encode, item_of
from batch_jobs.modeling.loading import load_model, load_tokenizer
from tests.bench.measuring import in_turns, run_here, table
from tunesmith.contracts.recipes import EvaluateRecipe
from tunesmith_cli.demo.docstring_task import docstring_pairs

BASE = Path(__file__).parents[2] / ".tunesmith/bases/smollm2-135m-instruct"
IGNORED = -100


class Evaluation:
    """One model and one suite, evaluated in two ways."""

    def __init__(self, items: int, recipe: EvaluateRecipe):
        self._model, self._tokenizer, self._recipe = load_model(BASE, None), load_tokenizer(BASE), recipe
        pairs = docstring_pairs()[:items]
        rows = [{"item_id": f"{place:032x}", "tools": None, **pair.row} for place, pair in enumerate(pairs)]
        self.items = [encode(self._tokenizer, item_of(row)) for row in rows]

    def batched(self) -> dict[str, tuple[str, float]]:
        """As the job does it: item -> answer and likelihood."""
        batches = answer_suite(self._model, self._tokenizer, self.items, self._recipe)
        return {record.item_id: (record.prediction, record.nll) for batch in batches for record in batch}

    @torch.inference_mode()
    def one_by_one(self) -> dict[str, tuple[str, float]]:
        """As it is usually written."""
        return {item.item.item_id: self._one(item) for item in self.items}

    def _one(self, item: EncodedItem) -> tuple[str, float]:
        prompt = torch.tensor([item.prompt_ids])
        whole = self._model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            do_sample=False,
            max_new_tokens=self._recipe.max_new_tokens,
            pad_token_id=self._tokenizer.eos_token_id,
        )
        answer = self._tokenizer.decode(whole[0, len(item.prompt_ids) :], skip_special_tokens=True).strip()
        ids = torch.tensor([item.prompt_ids + item.reference_ids])
        labels = torch.tensor([[IGNORED] * len(item.prompt_ids) + item.reference_ids])
        nll = self._model(input_ids=ids, labels=labels).loss.item() * len(item.reference_ids)
        item_scores(answer, item.reference, nll, len(item.reference_ids))
        return answer, nll


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=16)
    parser.add_argument("--repetitions", type=int, default=2)
    asked = parser.parse_args()
    recipe = EvaluateRecipe()
    evaluation = Evaluation(asked.items, recipe)
    answers: dict[str, dict[str, tuple[str, float]]] = {}

    def ours() -> None:
        answers["ours"] = evaluation.batched()

    def theirs() -> None:
        answers["theirs"] = evaluation.one_by_one()

    found = in_turns(
        {
            f"tunesmith, batches of {recipe.batch_size}": lambda: run_here(ours),
            "one item at a time": lambda: run_here(theirs),
        },
        asked.repetitions,
        warm_up=0,
    )
    print(f"{asked.items} items, up to {recipe.max_new_tokens} new tokens, {asked.repetitions} repetitions in turns\n")
    table(
        ["way", "CPU s", "items per CPU s", "s", "items per s"],
        [[name, s.cpu, asked.items / s.cpu, s.wall, asked.items / s.wall] for name, s in found.items()],
    )
    same = [answers["ours"][key][0] == answers["theirs"][key][0] for key in answers["ours"]]
    apart = max(abs(answers["ours"][key][1] - answers["theirs"][key][1]) for key in answers["ours"])
    print(f"{sum(same)} of {len(same)} answers are identical; likelihoods differ by {apart:.2g} nats at most")


if __name__ == "__main__":
    main()
