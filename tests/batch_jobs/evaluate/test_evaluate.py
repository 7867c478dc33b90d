"""The job as the platform runs it: params in, report and result out, on local paths with tiny models."""

import shutil
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from batch_jobs.evaluate.__main__ import evaluate
from batch_jobs.harness.main import run_job
from batch_jobs.modeling.generation import generate, read_prompts
from batch_jobs.modeling.likelihood import answer_nlls
from batch_jobs.modeling.loading import load_model
from tests.batch_jobs.evaluate.conftest import CONVERSATIONS, Models, write_suite
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.evaluations import EvaluationReport, ItemRecord, ModelScores
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import Contender, EvaluateParams, EvaluateResult, ExitCode, JobName, Role
from tunesmith.contracts.models import ModelReference
from tunesmith.contracts.recipes import EvaluateRecipe, Metric


def run(params: EvaluateParams, folder: Path, **changes: Any) -> int:
    """One attempt of a run that has no result yet."""
    folder.mkdir(exist_ok=True)
    (folder / "result.json").unlink(missing_ok=True)
    (folder / "params.json").write_text(params.model_copy(update=changes).model_dump_json())
    return run_job(JobName.EVALUATE, EvaluateParams, EvaluateResult, evaluate, [str(folder / "params.json")])


def result(folder: Path) -> EvaluateResult:
    return EvaluateResult.model_validate_json((folder / "result.json").read_bytes())


def report(params: EvaluateParams) -> EvaluationReport:
    return EvaluationReport.model_validate_json(Path(params.report_uri).read_bytes())


def test_all_contestants_are_compared_on_the_same_items(params: EvaluateParams, models: Models, tmp_path: Path) -> None:
    assert run(params, tmp_path / "job") == ExitCode.DONE
    found = report(params)
    assert {contestant.role: contestant.model_digest for contestant in found.contestants} == {
        Role.CANDIDATE: models.candidate.digest,
        Role.BASE: models.base.digest,
        Role.CHAMPION: models.champion.digest,
    }
    assert sorted(found.item_ids) == sorted(digest(prompt)[:32] for prompt, _ in CONVERSATIONS)
    lengths = {len(scores) for metrics in found.per_item.values() for scores in metrics.values()}
    assert (found.items, lengths) == (len(CONVERSATIONS), {len(CONVERSATIONS)})
    assert result(tmp_path / "job").cached == []


def test_different_models_score_differently(params: EvaluateParams, tmp_path: Path) -> None:
    run(params, tmp_path / "job")
    likelihoods = {tuple(metrics[Metric.PERPLEXITY]) for metrics in report(params).per_item.values()}
    assert len(likelihoods) == 3


def test_records_hold_what_was_asked_expected_and_said(params: EvaluateParams, tmp_path: Path) -> None:
    run(params, tmp_path / "job")
    lines = Path(report(params).contestants[0].records_uri).read_text().splitlines()
    records = [ItemRecord.model_validate_json(line) for line in lines]
    assert {(record.prompt, record.reference) for record in records} == set(CONVERSATIONS)
    assert any(record.prediction for record in records)
    assert all(record.nll > 0 and record.reference_tokens > 1 for record in records)


def test_second_run_reads_the_scores_and_loads_no_model(
    params: EvaluateParams, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(params, tmp_path / "first")
    first = Path(params.report_uri).read_bytes()
    nowhere = ModelReference(uri=f"{tmp_path / 'gone'}/", digest=models.base.digest)
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "empty"))
    assert run(params, tmp_path / "second", suite_uri=str(tmp_path / "gone.parquet")) == ExitCode.DONE
    assert set(result(tmp_path / "second").cached) == set(Role)
    changed = report(params).model_copy(update={"suite_uri": params.suite_uri})
    assert changed.model_dump_json().encode() == first
    assert run(params, tmp_path / "third", base=nowhere) == ExitCode.DONE


def test_only_a_new_candidate_is_scored_anew(params: EvaluateParams, models: Models, tmp_path: Path) -> None:
    run(params, tmp_path / "first", contenders=[Contender(role=Role.BASE)])
    assert run(params, tmp_path / "second") == ExitCode.DONE
    assert result(tmp_path / "second").cached == [Role.CANDIDATE, Role.BASE]


def test_other_settings_are_scored_apart(params: EvaluateParams, tmp_path: Path) -> None:
    run(params, tmp_path / "first")
    shorter = EvaluateRecipe(max_items=7, max_new_tokens=2, batch_size=3)
    run(params, tmp_path / "second", recipe=shorter)
    assert result(tmp_path / "second").cached == []


def test_records_that_do_not_match_their_scores_are_made_again(params: EvaluateParams, tmp_path: Path) -> None:
    run(params, tmp_path / "first")
    before = Path(params.report_uri).read_bytes()
    records = Path(report(params).contestants[0].records_uri)
    records.write_bytes(records.read_bytes()[:-20])
    assert run(params, tmp_path / "second") == ExitCode.DONE
    assert Role.CANDIDATE not in result(tmp_path / "second").cached
    assert Path(params.report_uri).read_bytes() == before


def test_same_inputs_give_the_same_bytes(params: EvaluateParams, tmp_path: Path) -> None:
    run(params, tmp_path / "first")
    first = Path(params.report_uri).read_bytes()
    shutil.rmtree(params.cache_uri)
    run(params, tmp_path / "second")
    assert Path(params.report_uri).read_bytes() == first


def test_batch_size_changes_no_answer(params: EvaluateParams, tmp_path: Path) -> None:
    """Likelihoods agree to float32's precision; what was said is the same to the letter."""
    said, likelihoods = [], []
    for size in (1, 7):
        recipe = EvaluateRecipe(max_items=7, max_new_tokens=12, batch_size=size)
        run(params, tmp_path / str(size), recipe=recipe)
        lines = Path(report(params).contestants[0].records_uri).read_text().splitlines()
        records = [ItemRecord.model_validate_json(line) for line in lines]
        said.append([record.prediction for record in records])
        likelihoods.append([record.nll for record in records])
    assert said[0] == said[1]
    assert likelihoods[0] == pytest.approx(likelihoods[1], rel=1e-5)


def test_suite_other_than_the_frozen_one_is_refused(params: EvaluateParams, tmp_path: Path) -> None:
    write_suite(Path(params.suite_uri), [*CONVERSATIONS, ("One more?", "Yes.")])
    assert run(params, tmp_path / "job") == ExitCode.BAD_INPUT
    assert not Path(params.report_uri).exists()


def test_items_longer_than_the_context_are_left_out_for_all(params: EvaluateParams, tmp_path: Path) -> None:
    longer = [*CONVERSATIONS, ("word " * 3_000, "Too long.")]
    suite_digest = write_suite(Path(params.suite_uri), longer)
    recipe = EvaluateRecipe(max_items=8, max_new_tokens=2, batch_size=4)
    assert run(params, tmp_path / "job", suite_digest=suite_digest, recipe=recipe) == ExitCode.DONE
    assert report(params).items == len(CONVERSATIONS)


class Writes:
    """Storage that notes what it writes, and fails once: before or after the write that it is told to die at."""

    def __init__(self, die_at: int | None = None, done_first: bool = False):
        self.uris: list[str] = []
        self._die_at, self._done_first, self._write = die_at, done_first, Storage.write

    def __call__(self, storage: Storage, uri: str, *content: Any, **options: Any) -> None:
        if uri.endswith("progress.json"):  # written by the clock, and nothing depends on it
            return
        dies = len(self.uris) == self._die_at
        self.uris.append(uri)
        if not dies or self._done_first:
            self._write(storage, uri, *content, **options)
        if dies:
            raise OSError("the machine is gone")


def run_with(writes: Writes, params: EvaluateParams, folder: Path) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Storage, "write", lambda *content, **options: writes(*content, **options))
        return run(params, folder)


def test_attempt_cut_short_at_any_write_leaves_a_run_that_ends_the_same(params: EvaluateParams, tmp_path: Path) -> None:
    whole = Writes()
    assert run_with(whole, params, tmp_path / "job") == ExitCode.DONE
    expected = Path(params.report_uri).read_bytes()
    for die_at, done_first in product(range(len(whole.uris)), (False, True)):
        shutil.rmtree(params.cache_uri)
        Path(params.report_uri).unlink()
        assert run_with(Writes(die_at, done_first), params, tmp_path / "job") == ExitCode.FAILED
        assert run(params, tmp_path / "job") == ExitCode.DONE
        assert Path(params.report_uri).read_bytes() == expected


def test_markers_name_the_records_they_stand_for(params: EvaluateParams, tmp_path: Path) -> None:
    run(params, tmp_path / "job")
    markers = sorted(Path(params.cache_uri).rglob("scores.json"))
    scores = [ModelScores.model_validate_json(marker.read_bytes()) for marker in markers]
    assert {score.items for score in scores} == {len(CONVERSATIONS)}
    assert {score.records_uri for score in scores} == {str(marker.parent / "records.jsonl") for marker in markers}


def test_merged_adapter_answers_as_the_adapter_on_its_base(models: Models) -> None:
    """What is evaluated in float32 is merged, what is served is not: both must say the same."""
    prompts, answers = [[5, 6, 7], [9, 10]], [[11, 12], [13]]
    base, adapter = Path(models.base.uri), Path(models.candidate.uri)
    merged, apart = load_model(base, adapter).merge_and_unload(), load_model(base, adapter)
    said = [generate(model, read_prompts(model, prompts), frozenset(), 12) for model in (merged, apart)]
    assert said[0] == said[1]
    likelihoods = [answer_nlls(model, read_prompts(model, prompts), answers) for model in (merged, apart)]
    assert likelihoods[0] == pytest.approx(likelihoods[1], rel=1e-5)
