"""Evaluate: the candidate, the base and the champion answer the same frozen items -> a report for the gate.

python -m batch_jobs.evaluate s3://BUCKET/runs/RUN_ID/evaluate/params.json
"""

import sys

from batch_jobs.evaluate.contest import Contest
from batch_jobs.evaluate.report import build_report
from batch_jobs.evaluate.score_cache import Evaluation
from batch_jobs.harness.main import JobContext, run_job
from tunesmith.contracts.jobs import Contender, EvaluateParams, EvaluateResult, FinetuneResult, JobName, Role


def evaluate(params: EvaluateParams, context: JobContext) -> EvaluateResult:
    finetuned = FinetuneResult.model_validate_json(context.storage.read(params.finetune_result_uri))
    contenders = [Contender(role=Role.CANDIDATE, adapter=finetuned.adapter), *params.contenders]
    contest = Contest(params, context)
    evaluations: dict[Role, Evaluation] = {}
    cached: list[Role] = []
    for place, contender in enumerate(contenders):
        found = contest.look_up(contender)
        if found is not None:
            cached.append(contender.role)
        evaluations[contender.role] = found or contest.hold(contender, place, of=len(contenders))

    report = build_report(params, finetuned.adapter, evaluations)
    context.fence.check()
    context.storage.write(params.report_uri, report.model_dump_json(), "application/json")
    return EvaluateResult(
        report_uri=params.report_uri,
        items=report.items,
        scores={role: evaluation.scores.scores for role, evaluation in evaluations.items()},
        cached=cached,
    )


if __name__ == "__main__":
    sys.exit(run_job(JobName.EVALUATE, EvaluateParams, EvaluateResult, evaluate))
